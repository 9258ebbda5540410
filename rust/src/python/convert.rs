//! Python objects to JSON values and back, each walked once.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyDateTime, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType,
    PyTzInfo,
};
use serde_json::Value;
use uuid::Uuid;

use crate::instant::Instant;
use crate::json::{Document, Keys, MAX_DEPTH, Place, Step, Writer};
use crate::queue::Durability;
use crate::queue::durability::MOST_REPLICAS;

/// Why a Python object is no JSON value that we take.
#[derive(Debug)]
pub enum Refusal {
    /// The text would be larger than allowed.
    TooLarge,
    /// JSON cannot hold what stands at a place.
    NotJson(Place, String),
}

type Written = Result<(), Refusal>;

impl Refusal {
    fn not_json(problem: impl Into<String>) -> Self {
        Self::NotJson(Place::default(), problem.into())
    }

    /// What is wrong, with its place where that is not the whole.
    pub fn describe(&self) -> String {
        match self {
            Self::TooLarge => "too large".to_owned(),
            Self::NotJson(place, problem) if place.is_outermost() => problem.clone(),
            Self::NotJson(place, problem) => format!("{place}: {problem}"),
        }
    }

    /// Notes that the refused object was found by `step` in the container around it.
    pub fn inside(self, step: Step) -> Self {
        match self {
            Self::NotJson(mut place, problem) => {
                place.leave(step);
                Self::NotJson(place, problem)
            }
            Self::TooLarge => Self::TooLarge,
        }
    }
}

/// Writes Python objects as canonical JSON.
#[derive(Debug)]
pub struct Converter<'w, 'py> {
    writer: &'w mut Writer,
    max_bytes: usize,
    /// What is still to be written of the dicts that are open, outermost first.
    pending: Vec<Pending<'py>>,
}

/// An entry of a dict, until it is taken to be written.
type Pending<'py> = Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

impl<'w, 'py> Converter<'w, 'py> {
    /// A converter that stops where the text would exceed `max_bytes`.
    pub fn new(writer: &'w mut Writer, max_bytes: usize) -> Self {
        Self {
            writer,
            max_bytes,
            pending: Vec::new(),
        }
    }

    /// Writes one object; a container there is at level `level` of the whole text.
    ///
    /// # Errors
    ///
    /// `Refusal` for whatever JSON cannot hold: other types, `NaN`, keys that are no strings, lone surrogates,
    /// naive times, and nesting beyond the limit; and for what is too large.
    pub fn value(&mut self, object: &Bound<'py, PyAny>, level: usize) -> Written {
        // The exact types first: they are nearly all there is, and a pointer comparison tells.
        if let Ok(text) = object.cast_exact::<PyString>() {
            return self.text(text);
        }
        if let Ok(number) = object.cast_exact::<PyInt>() {
            return self.integer(number);
        }
        if let Ok(number) = object.cast_exact::<PyFloat>() {
            return self.float(number);
        }
        if object.is_none() {
            self.writer.null();
            return Ok(());
        }
        if let Ok(truth) = object.cast::<PyBool>() {
            self.writer.boolean(truth.is_true());
            return Ok(());
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            return self.object(dict, level);
        }
        if let Ok(list) = object.cast_exact::<PyList>() {
            return self.array(list.iter(), level);
        }
        self.unusual(object, level)
    }

    fn unusual(&mut self, object: &Bound<'py, PyAny>, level: usize) -> Written {
        if let Ok(dict) = object.cast::<PyDict>() {
            return self.object(dict, level);
        }
        if let Ok(list) = object.cast::<PyList>() {
            return self.array(list.iter(), level);
        }
        if let Ok(tuple) = object.cast::<PyTuple>() {
            return self.array(tuple.iter(), level);
        }
        if let Ok(text) = object.cast::<PyString>() {
            return self.text(text);
        }
        if let Ok(number) = object.cast::<PyInt>() {
            return self.integer(number);
        }
        if let Ok(number) = object.cast::<PyFloat>() {
            return self.float(number);
        }
        if let Some(id) = uuid(object) {
            self.writer
                .text(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
            return Ok(());
        }
        if let Ok(time) = object.cast::<PyDateTime>() {
            let mut text = Vec::new();
            instant_from_py(time)?.write_rfc3339(&mut text);
            self.writer.text(&String::from_utf8_lossy(&text));
            return Ok(());
        }
        let name = object
            .get_type()
            .name()
            .map_or_else(|_| "object".to_owned(), |name| name.to_string());
        Err(Refusal::not_json(format!(
            "`{name}` is no JSON value; allowed are dict, list, tuple, str, int, float, bool, None, UUID and aware datetime"
        )))
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> Written {
        let text = checked_text(text)?;
        self.check_room(text.len())?;
        self.writer.text(text);
        Ok(())
    }

    fn integer(&mut self, number: &Bound<'_, PyInt>) -> Written {
        if let Ok(number) = number.extract::<i64>() {
            self.writer.signed(number);
        } else if let Ok(number) = number.extract::<u64>() {
            self.writer.unsigned(number);
        } else if !number
            .extract::<f64>()
            .is_ok_and(|number| self.writer.float(number))
        {
            // As in text: an integer beyond 64 bits is a float, if one can hold it.
            return Err(Refusal::not_json("an integer beyond the range of floats"));
        }
        Ok(())
    }

    fn float(&mut self, number: &Bound<'_, PyFloat>) -> Written {
        let number = number.value();
        if self.writer.float(number) {
            return Ok(());
        }
        Err(Refusal::not_json(format!("{number} is no JSON number")))
    }

    fn object(&mut self, dict: &Bound<'py, PyDict>, level: usize) -> Written {
        check_level(level)?;
        // Converting a time may run Python code, in which another thread may change the dict; so it is read first.
        let first = self.pending.len();
        self.pending.extend(dict.iter().map(Some));
        let object = self.writer.begin_object();
        // Exact strings that are different keys of a dict are different texts; those of a subclass need not be.
        let mut keys = Keys::Distinct;
        for position in first..self.pending.len() {
            let Some((key, item)) = self.pending[position].take() else {
                continue;
            };
            let Ok(text) = key.cast::<PyString>() else {
                return Err(Refusal::not_json(format!(
                    "the key {} is not a string",
                    excerpt(&key)
                )));
            };
            if !key.is_exact_instance_of::<PyString>() {
                keys = Keys::LastWins;
            }
            let text = checked_text(text)?;
            self.check_room(text.len())?;
            self.writer.key(&object, text);
            self.value(&item, level + 1)
                .map_err(|refusal| refusal.inside(Step::Key(text.to_owned())))?;
        }
        self.pending.truncate(first);
        self.writer.end_object(&object, keys);
        Ok(())
    }

    fn array(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>, level: usize) -> Written {
        check_level(level)?;
        self.writer.begin_array();
        for (index, item) in items.enumerate() {
            self.check_room(0)?;
            self.writer.item(index);
            self.value(&item, level + 1)
                .map_err(|refusal| refusal.inside(Step::Index(index)))?;
        }
        self.writer.end_array();
        Ok(())
    }

    fn check_room(&self, more_bytes: usize) -> Written {
        if self.writer.bytes() + more_bytes > self.max_bytes {
            Err(Refusal::TooLarge)
        } else {
            Ok(())
        }
    }
}

fn checked_text<'a>(text: &'a Bound<'_, PyString>) -> Result<&'a str, Refusal> {
    text.to_str()
        .map_err(|_| Refusal::not_json("a lone surrogate is no text"))
}

fn check_level(level: usize) -> Written {
    if level > MAX_DEPTH {
        let problem =
            format!("nested deeper than {MAX_DEPTH} levels, or an object that contains itself");
        return Err(Refusal::not_json(problem));
    }
    Ok(())
}

/// The longest excerpt of an object that a refusal shows, in characters.
const MAX_SHOWN: usize = 80;

fn excerpt(object: &Bound<'_, PyAny>) -> String {
    object.repr().map_or_else(
        |_| "?".to_owned(),
        |text| text.to_string_lossy().chars().take(MAX_SHOWN).collect(),
    )
}

/// The UUID that a Python object is, or `None` if it is something else.
pub fn uuid(object: &Bound<'_, PyAny>) -> Option<Uuid> {
    let class = uuid_class(object.py()).ok()?;
    if !object.is_instance(class).ok()? {
        return None;
    }
    object
        .getattr(pyo3::intern!(object.py(), "int"))
        .ok()?
        .extract()
        .ok()
        .map(Uuid::from_u128)
}

/// A `uuid.UUID` of our UUID.
pub fn uuid_to_py(py: Python<'_>, id: Uuid) -> PyResult<Bound<'_, PyAny>> {
    uuid_class(py)?.call1((py.None(), id.as_bytes().as_slice()))
}

fn uuid_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    UUID.import(py, "uuid", "UUID")
}

/// A durability level by its word; nothing for `auto`, which takes what the server gives by itself.
///
/// # Errors
///
/// `ValueError` where there is no such level.
pub fn durability(word: &str) -> PyResult<Option<Durability>> {
    match (word, Durability::parse(word)) {
        ("auto", _) => Ok(None),
        (_, Some(level)) => Ok(Some(level)),
        (_, None) => Err(PyValueError::new_err(format!(
            "durability: {word:?} is none of auto, memory, process, disk, replica:1 to replica:{MOST_REPLICAS}"
        ))),
    }
}

/// Converts a whole object whose size somebody else bounds; a container there is at level `level`.
///
/// # Errors
///
/// As [`Converter::value`].
pub fn document_from_py(object: &Bound<'_, PyAny>, level: usize) -> Result<Document, Refusal> {
    let mut writer = Writer::default();
    Converter::new(&mut writer, usize::MAX).value(object, level)?;
    Ok(writer.finish())
}

/// The instant of an aware time.
///
/// # Errors
///
/// `Refusal` if it is naive, or outside the years 1 to 9999 in UTC.
pub fn instant_from_py(time: &Bound<'_, PyDateTime>) -> Result<Instant, Refusal> {
    let py = time.py();
    let naive = || Refusal::not_json("a datetime without a time zone");
    let offset = time.call_method0("utcoffset").map_err(|_| naive())?;
    if offset.is_none() {
        return Err(naive());
    }
    let text = (|| {
        let utc = time.call_method1("astimezone", (PyTzInfo::utc(py)?,))?;
        utc.call_method0("isoformat")?.extract::<String>()
    })();
    text.ok()
        .and_then(|text| Instant::parse_rfc3339(&text))
        .ok_or_else(|| Refusal::not_json("a datetime outside the years 1 to 9999 in UTC"))
}

/// An instant as an aware `datetime` in UTC, cut to microseconds, since it holds no more.
pub fn instant_to_py(py: Python<'_>, instant: Instant) -> PyResult<Bound<'_, PyDateTime>> {
    let [year, month, day, hour, minute, second] = instant.utc_parts();
    let small =
        |part: i64| u8::try_from(part).expect("a part of a date or a time of day is below 256");
    PyDateTime::new(
        py,
        i32::try_from(year).expect("a year has four digits"),
        small(month),
        small(day),
        small(hour),
        small(minute),
        small(second),
        instant.subsec_nanosecond() / 1_000,
        Some(&PyTzInfo::utc(py)?.to_owned()),
    )
}

/// Builds the Python object of a canonical text, out of dicts, lists and scalars.
///
/// `orjson` builds objects several times faster than the stable interface lets us, and canonical texts leave it nothing
/// to decide: no integer is beyond 64 bits, no key is there twice.
pub fn json_to_py<'py>(py: Python<'py>, json: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    LOADS
        .import(py, "orjson", "loads")?
        .call1((PyBytes::new(py, json),))
}

/// Builds the Python object of a JSON value, as [`json_to_py`].
pub fn value_to_py<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    json_to_py(py, value.to_string().as_bytes())
}
