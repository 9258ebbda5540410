//! `EntityEvent`: the Python face of an event.

use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple, PyType};

use super::convert::{
    Converter, Refusal, document_from_py, instant_to_py, json_to_py, uuid, uuid_to_py,
};
use crate::event::{DEFAULT_MAX_BYTES, Draft, Event, EventError, EventKind, Field};
use crate::json::{Document, Key, Step, Writer};

/// Texts from this size on are read with the interpreter released; below it, releasing costs more than it gives.
const RELEASE_FROM_BYTES: usize = 32 * 1024;

/// Events from this size on are held against conditions with the interpreter released. Most answers take a microsecond
/// whatever the size, but a regular expression or an array can make them take a time in proportion to it.
const ASK_RELEASED_FROM_BYTES: usize = 4 * 1024;

/// See `_core.pyi` for what users read.
#[pyclass(frozen, module = "fraiseql_observers.events")]
pub struct EntityEvent {
    event: Arc<Event>,
    data: PyOnceLock<Py<PyAny>>,
    changes: PyOnceLock<Py<PyAny>>,
}

impl From<Arc<Event>> for EntityEvent {
    fn from(event: Arc<Event>) -> Self {
        Self {
            event,
            data: PyOnceLock::new(),
            changes: PyOnceLock::new(),
        }
    }
}

impl EntityEvent {
    /// The event itself, for the parts of the core that run without the interpreter.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }
}

/// The event that an argument means: an `EntityEvent`, JSON text, or a dict in wire form.
///
/// # Errors
///
/// `EventError` if it is a bad event, `TypeError` if it is none of these.
pub fn event_from_py(object: &Bound<'_, PyAny>) -> PyResult<Arc<Event>> {
    event_from_py_within(object, DEFAULT_MAX_BYTES)
}

/// As [`event_from_py`], with another bound on what is read.
///
/// # Errors
///
/// As of [`event_from_py`].
pub fn event_from_py_within(object: &Bound<'_, PyAny>, max_bytes: usize) -> PyResult<Arc<Event>> {
    if let Ok(event) = object.cast::<EntityEvent>() {
        return Ok(event.get().event.clone());
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        return from_fields(dict, max_bytes).map(Arc::new);
    }
    with_text(object, "an EntityEvent, bytes, str or dict", |json| {
        Event::from_json(json, max_bytes)
    })
    .map(Arc::new)
}

/// Asks something of an event, with the interpreter released where the event is large: then an answer may take long.
pub fn ask<T: Send>(py: Python<'_>, event: &Event, question: impl FnOnce(&Event) -> T + Send) -> T {
    let changes = event
        .changes
        .as_ref()
        .map_or(0, |changes| changes.json().len());
    if event.data.json().len() + changes < ASK_RELEASED_FROM_BYTES {
        question(event)
    } else {
        py.detach(|| question(event))
    }
}

/// Hands the UTF-8 bytes of `bytes` or `str` to `read`, with the interpreter released where they are many.
fn with_text<T: Send>(
    object: &Bound<'_, PyAny>,
    expected: &str,
    read: impl FnOnce(&[u8]) -> Result<T, EventError> + Send,
) -> PyResult<T> {
    let json = if let Ok(bytes) = object.cast::<PyBytes>() {
        bytes.as_bytes()
    } else if let Ok(text) = object.cast::<PyString>() {
        text.to_str()
            .map_err(|_| EventError::new("", "a lone surrogate is no text"))?
            .as_bytes()
    } else {
        let got = object.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "expected {expected}, got {got}"
        )));
    };
    if json.len() < RELEASE_FROM_BYTES {
        return Ok(read(json)?);
    }
    Ok(object.py().detach(|| read(json))?)
}

/// Reads an event from a dict in wire form: the keys of the JSON object, UUIDs and times as objects or text.
fn from_fields(fields: &Bound<'_, PyDict>, max_bytes: usize) -> PyResult<Event> {
    let mut builder = Builder::new(max_bytes);
    let entries: Vec<_> = fields.iter().collect();
    for (key, object) in entries {
        let key = key
            .cast::<PyString>()
            .map_err(|_| EventError::new("", "a key is not a string"))?;
        let key = key
            .to_str()
            .map_err(|_| EventError::new("", "a key holds a lone surrogate"))?;
        match Field::from_key(key) {
            Some(field) => builder.set(field, &object)?,
            None => builder.ignore(key, &object)?,
        }
    }
    Ok(builder.finish()?)
}

/// Collects the fields of an event from Python objects.
struct Builder {
    draft: Draft,
    writer: Writer,
    max_bytes: usize,
}

impl Builder {
    fn new(max_bytes: usize) -> Self {
        Self {
            draft: Draft::default(),
            writer: Writer::default(),
            max_bytes,
        }
    }

    fn set(&mut self, field: Field, object: &Bound<'_, PyAny>) -> Result<(), EventError> {
        if matches!(field, Field::Id | Field::EntityId)
            && !object.is_instance_of::<PyString>()
            && let Some(id) = uuid(object)
        {
            self.draft.set_uuid(field, id);
            return Ok(());
        }
        self.write(field.key(), object)?;
        self.draft.set(field, &mut self.writer)
    }

    /// Checks a value that no field takes, as reading it from JSON would.
    fn ignore(&mut self, key: &str, object: &Bound<'_, PyAny>) -> Result<(), EventError> {
        self.write(key, object)?;
        self.writer.clear();
        Ok(())
    }

    fn write(&mut self, key: &str, object: &Bound<'_, PyAny>) -> Result<(), EventError> {
        Converter::new(&mut self.writer, self.max_bytes)
            .value(object, 2)
            .map_err(|refusal| refused(refusal, key, self.max_bytes))
    }

    fn finish(self) -> Result<Event, EventError> {
        let event = self.draft.finish_now()?;
        // The bound settles nearly every case; only large events are written to be measured.
        if event.most_bytes() > self.max_bytes && event.to_json().len() > self.max_bytes {
            return Err(EventError::too_large(self.max_bytes));
        }
        Ok(event)
    }
}

fn refused(refusal: Refusal, key: &str, max_bytes: usize) -> EventError {
    match refusal.inside(Step::Key(key.to_owned())) {
        Refusal::NotJson(place, problem) => EventError::new(place.to_string(), problem),
        Refusal::TooLarge => EventError::too_large(max_bytes),
    }
}

/// A value that is compared with one of an event.
fn comparand(object: &Bound<'_, PyAny>) -> Result<Document, EventError> {
    document_from_py(object, 1).map_err(|refusal| refused(refusal, "value", usize::MAX))
}

fn kind_to_py(py: Python<'_>, kind: EventKind) -> PyResult<Bound<'_, PyAny>> {
    static KIND: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    KIND.import(py, "fraiseql_observers.events", "EventKind")?
        .call1((kind.as_str(),))
}

#[pymethods]
impl EntityEvent {
    #[new]
    #[pyo3(signature = (
        event_type, entity_type, entity_id, data, *, id=None, changes=None, user_id=None, tenant_id=None,
        actor_type=None, acting_for=None, schema_version=None, cdc_source=None, timestamp=None,
        duration_ms=None, seq=None, max_payload_bytes=DEFAULT_MAX_BYTES
    ))]
    #[allow(clippy::too_many_arguments)] // the fields of the wire form
    fn new(
        event_type: &Bound<'_, PyAny>,
        entity_type: &Bound<'_, PyAny>,
        entity_id: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        id: Option<&Bound<'_, PyAny>>,
        changes: Option<&Bound<'_, PyAny>>,
        user_id: Option<&Bound<'_, PyAny>>,
        tenant_id: Option<&Bound<'_, PyAny>>,
        actor_type: Option<&Bound<'_, PyAny>>,
        acting_for: Option<&Bound<'_, PyAny>>,
        schema_version: Option<&Bound<'_, PyAny>>,
        cdc_source: Option<&Bound<'_, PyAny>>,
        timestamp: Option<&Bound<'_, PyAny>>,
        duration_ms: Option<&Bound<'_, PyAny>>,
        seq: Option<&Bound<'_, PyAny>>,
        max_payload_bytes: usize,
    ) -> PyResult<Self> {
        let mut builder = Builder::new(max_payload_bytes);
        for (field, object) in [
            (Field::EventType, Some(event_type)),
            (Field::EntityType, Some(entity_type)),
            (Field::EntityId, Some(entity_id)),
            (Field::Data, Some(data)),
            (Field::Id, id),
            (Field::Changes, changes),
            (Field::UserId, user_id),
            (Field::TenantId, tenant_id),
            (Field::ActorType, actor_type),
            (Field::ActingFor, acting_for),
            (Field::SchemaVersion, schema_version),
            (Field::CdcSource, cdc_source),
            (Field::Timestamp, timestamp),
            (Field::DurationMs, duration_ms),
            (Field::Seq, seq),
        ] {
            if let Some(object) = object {
                builder.set(field, object)?;
            }
        }
        Ok(Arc::new(builder.finish()?).into())
    }

    #[staticmethod]
    #[pyo3(signature = (json, max_payload_bytes=DEFAULT_MAX_BYTES))]
    fn from_json(json: &Bound<'_, PyAny>, max_payload_bytes: usize) -> PyResult<Self> {
        let event = with_text(json, "bytes or str", |json| {
            Event::from_json(json, max_payload_bytes)
        })?;
        Ok(Arc::new(event).into())
    }

    #[staticmethod]
    #[pyo3(signature = (fields, max_payload_bytes=DEFAULT_MAX_BYTES))]
    fn from_dict(fields: &Bound<'_, PyDict>, max_payload_bytes: usize) -> PyResult<Self> {
        Ok(Arc::new(from_fields(fields, max_payload_bytes)?).into())
    }

    #[staticmethod]
    #[pyo3(signature = (line, max_payload_bytes=DEFAULT_MAX_BYTES))]
    fn from_line(line: &Bound<'_, PyAny>, max_payload_bytes: usize) -> PyResult<(Self, bool)> {
        let (event, derived) = with_text(line, "bytes or str", |line| {
            Event::from_line(line, max_payload_bytes)
        })?;
        Ok((Arc::new(event).into(), derived))
    }

    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.event.to_json())
    }

    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid_to_py(py, self.event.id)
    }

    #[getter]
    fn event_type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        kind_to_py(py, self.event.event_type)
    }

    #[getter]
    fn entity_type(&self) -> &str {
        &self.event.entity_type
    }

    #[getter]
    fn entity_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid_to_py(py, self.event.entity_id)
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let data = self.data.get_or_try_init(py, || {
            json_to_py(py, self.event.data.json()).map(Bound::unbind)
        })?;
        Ok(data.bind(py).clone())
    }

    #[getter]
    fn changes<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(changes) = &self.event.changes else {
            return Ok(None);
        };
        let changes = self
            .changes
            .get_or_try_init(py, || json_to_py(py, changes.json()).map(Bound::unbind))?;
        Ok(Some(changes.bind(py).clone()))
    }

    #[getter]
    fn user_id(&self) -> Option<&str> {
        self.event.user_id.as_deref()
    }

    #[getter]
    fn tenant_id(&self) -> Option<&str> {
        self.event.tenant_id.as_deref()
    }

    #[getter]
    fn actor_type(&self) -> Option<&str> {
        self.event.actor_type.as_deref()
    }

    #[getter]
    fn acting_for(&self) -> Option<&str> {
        self.event.acting_for.as_deref()
    }

    #[getter]
    fn schema_version(&self) -> Option<&str> {
        self.event.schema_version.as_deref()
    }

    #[getter]
    fn cdc_source(&self) -> Option<&str> {
        self.event.cdc_source.as_deref()
    }

    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        instant_to_py(py, self.event.timestamp)?.into_bound_py_any(py)
    }

    #[getter]
    fn duration_ms(&self) -> Option<i32> {
        self.event.duration_ms
    }

    #[getter]
    fn seq(&self) -> Option<i64> {
        self.event.seq
    }

    fn field_changed(&self, field: &str) -> bool {
        self.event.field_changed(&Key::new(field))
    }

    fn field_changed_to(&self, field: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self
            .event
            .field_changed_to(&Key::new(field), comparand(value)?.root()))
    }

    fn field_changed_from(&self, field: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self
            .event
            .field_changed_from(&Key::new(field), comparand(value)?.root()))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.event == other.event
    }

    fn __hash__(&self) -> u64 {
        let (high, low) = self.event.id.as_u64_pair();
        high ^ low
    }

    /// Shows what identifies the event and never its data, which may be secret.
    fn __repr__(&self) -> String {
        let Event {
            id,
            event_type,
            entity_type,
            entity_id,
            ..
        } = &*self.event;
        format!(
            "EntityEvent(id={id}, event_type={}, entity_type={entity_type:?}, entity_id={entity_id})",
            event_type.as_str()
        )
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let json = self.event.to_json();
        let from_json = py.get_type::<Self>().getattr("from_json")?;
        (from_json, (PyBytes::new(py, &json), json.len())).into_pyobject(py)
    }
}
