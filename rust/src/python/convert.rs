//! Python objects to JSON values and back, each walked once.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyDateTime, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType, PyTzInfo,
};
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use crate::instant::Instant;
use crate::json::{MAX_DEPTH, Place, Step};

/// Why a Python object is no JSON value, and where in it.
#[derive(Debug)]
pub struct Refusal {
    /// The object that is refused, from the outermost one.
    pub place: Place,
    /// What is wrong with it.
    pub problem: String,
}

impl Refusal {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            place: Place::default(),
            problem: problem.into(),
        }
    }

    /// Notes that the refused object was found by `step` in the container around it.
    pub fn inside(mut self, step: Step) -> Self {
        self.place.leave(step);
        self
    }
}

/// Turns Python objects into JSON values, and bounds the size of their text as it goes.
#[derive(Debug, Default)]
pub struct Converter {
    most_bytes: usize,
}

impl Converter {
    /// An upper bound on the bytes of JSON that the values so far take when written.
    pub fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// Converts one object; a container there is at level `level` of the whole text.
    ///
    /// # Errors
    ///
    /// `Refusal` for whatever JSON cannot hold: other types, `NaN`, keys that are no strings, lone surrogates,
    /// naive times, and nesting beyond the limit.
    pub fn value(&mut self, object: &Bound<'_, PyAny>, level: usize) -> Result<Value, Refusal> {
        // The exact types first: they are nearly all there is, and a pointer comparison tells.
        if let Ok(text) = object.cast_exact::<PyString>() {
            return self.text(text).map(Value::String);
        }
        // No number and no word of JSON is longer than 24 bytes; the separators come on top.
        self.most_bytes += 26;
        if let Ok(number) = object.cast_exact::<PyInt>() {
            return integer(number).map(Value::Number);
        }
        if let Ok(number) = object.cast_exact::<PyFloat>() {
            return float(number).map(Value::Number);
        }
        if object.is_none() {
            return Ok(Value::Null);
        }
        if let Ok(truth) = object.cast::<PyBool>() {
            return Ok(Value::Bool(truth.is_true()));
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            return self.object(dict, level);
        }
        if let Ok(list) = object.cast::<PyList>() {
            return self.array(list.iter(), level);
        }
        self.unusual(object, level)
    }

    fn unusual(&mut self, object: &Bound<'_, PyAny>, level: usize) -> Result<Value, Refusal> {
        if let Ok(tuple) = object.cast::<PyTuple>() {
            return self.array(tuple.iter(), level);
        }
        if let Ok(text) = object.cast::<PyString>() {
            return self.text(text).map(Value::String);
        }
        if let Ok(number) = object.cast::<PyInt>() {
            return integer(number).map(Value::Number);
        }
        if let Ok(number) = object.cast::<PyFloat>() {
            return float(number).map(Value::Number);
        }
        if let Some(id) = uuid(object) {
            self.most_bytes += 40;
            return Ok(Value::String(id.hyphenated().to_string()));
        }
        if let Ok(time) = object.cast::<PyDateTime>() {
            self.most_bytes += 40;
            return instant_text(time).map(Value::String);
        }
        let name = object
            .get_type()
            .name()
            .map_or_else(|_| "object".to_owned(), |name| name.to_string());
        Err(Refusal::new(format!(
            "`{name}` is no JSON value; allowed are dict, list, str, int, float, bool, None, UUID and aware datetime"
        )))
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> Result<String, Refusal> {
        let text = text
            .to_str()
            .map_err(|_| Refusal::new("a lone surrogate is no text"))?;
        // An escape makes at most six bytes of one; quotes and a separator come on top.
        self.most_bytes += text.len() * 6 + 3;
        Ok(text.to_owned())
    }

    fn object(&mut self, dict: &Bound<'_, PyDict>, level: usize) -> Result<Value, Refusal> {
        check_level(level)?;
        // Converting a time may run Python code, in which another thread may change the dict; so it is read first.
        let entries: Vec<_> = dict.iter().collect();
        let mut object = Map::with_capacity(entries.len());
        for (key, item) in entries {
            let Ok(key) = key.cast::<PyString>() else {
                return Err(Refusal::new(format!(
                    "the key {} is not a string",
                    excerpt(&key)
                )));
            };
            let key = self.text(key)?;
            match self.value(&item, level + 1) {
                Ok(value) => object.insert(key, value),
                Err(refusal) => return Err(refusal.inside(Step::Key(key))),
            };
        }
        Ok(Value::Object(object))
    }

    fn array<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        level: usize,
    ) -> Result<Value, Refusal> {
        check_level(level)?;
        items
            .enumerate()
            .map(|(index, item)| {
                self.value(&item, level + 1)
                    .map_err(|r| r.inside(Step::Index(index)))
            })
            .collect::<Result<_, _>>()
            .map(Value::Array)
    }
}

fn check_level(level: usize) -> Result<(), Refusal> {
    if level > MAX_DEPTH {
        let problem =
            format!("nested deeper than {MAX_DEPTH} levels, or an object that contains itself");
        return Err(Refusal::new(problem));
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

fn integer(number: &Bound<'_, PyInt>) -> Result<Number, Refusal> {
    if let Ok(number) = number.extract::<i64>() {
        return Ok(number.into());
    }
    if let Ok(number) = number.extract::<u64>() {
        return Ok(number.into());
    }
    // As in text: an integer beyond 64 bits is a float, if one can hold it.
    number
        .extract::<f64>()
        .ok()
        .and_then(Number::from_f64)
        .ok_or_else(|| Refusal::new("an integer beyond the range of floats"))
}

fn float(number: &Bound<'_, PyFloat>) -> Result<Number, Refusal> {
    let number = number.value();
    Number::from_f64(number).ok_or_else(|| Refusal::new(format!("{number} is no JSON number")))
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

/// An aware time as RFC 3339 in UTC.
fn instant_text(time: &Bound<'_, PyDateTime>) -> Result<String, Refusal> {
    let py = time.py();
    let naive = || Refusal::new("a datetime without a time zone");
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
        .map(|instant| {
            let mut out = Vec::new();
            instant.write_rfc3339(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        })
        .ok_or_else(|| Refusal::new("a datetime outside the years 1 to 9999 in UTC"))
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

/// Builds the Python object of a JSON value, out of dicts, lists and scalars.
pub fn value_to_py<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(truth) => truth.into_bound_py_any(py),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => integer.into_bound_py_any(py),
            (None, Some(integer)) => integer.into_bound_py_any(py),
            (None, None) => number.as_f64().into_bound_py_any(py),
        },
        Value::String(text) => text.into_bound_py_any(py),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(value_to_py(py, item)?)?;
            }
            Ok(list.into_any())
        }
        Value::Object(entries) => {
            let dict = PyDict::new(py);
            for (key, item) in entries {
                dict.set_item(key, value_to_py(py, item)?)?;
            }
            Ok(dict.into_any())
        }
    }
}
