//! `Job`: the Python face of a job.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDateTime, PyDict, PyString};
use serde_json::{Value, json};

use super::convert::{
    document_from_py, instant_from_py, instant_to_py, uuid, uuid_to_py, value_to_py,
};
use super::errors::exception;
use super::event::EntityEvent;
use crate::backoff::{BackoffStrategy, Jitter};
use crate::clock::{Clock, SystemClock};
use crate::event::Event;
use crate::instant::Instant;
use crate::job::{Decoded, Job, RetryPolicy, new_job_id, observer_job_id};
use crate::json::{Key, Raw};
use crate::queue::{Due, Member, NewJob, Priority};

/// Longest name of a queue.
const MAX_QUEUE_NAME: usize = 64;

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "Job", module = "fraiseql_observers._core")]
pub struct PyJob {
    job: Box<Job>,
    event: PyOnceLock<Py<EntityEvent>>,
}

impl From<Box<Job>> for PyJob {
    fn from(job: Box<Job>) -> Self {
        Self {
            job,
            event: PyOnceLock::new(),
        }
    }
}

impl PyJob {
    /// The job as the queue stores it.
    pub fn new_job(&self) -> NewJob {
        let job = &self.job;
        let due = if job.scheduled_at <= job.created_at {
            Due::Now
        } else {
            // Rounded up, since nothing starts before it is due.
            let ms = job.scheduled_at.unix_ms();
            let later = job.scheduled_at > Instant::from_unix_ms(ms);
            Due::At(ms + i64::from(later))
        };
        NewJob {
            member: Member::new(job.id, job.priority),
            due,
            bytes: job.to_json(),
        }
    }

    /// The queue that it goes to.
    pub fn queue_name(&self) -> &str {
        &self.job.queue
    }
}

#[pymethods]
impl PyJob {
    #[new]
    #[pyo3(signature = (*, action, event, max_attempts, initial_delay_ms, max_delay_ms, max_age_secs, id = None, observer = None,
                        action_index = 0, queue = "default", priority = "default", scheduled_at = None,
                        backoff_strategy = "exponential", jitter = "full", traceparent = None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments, each a field of the job"
    )]
    fn new(
        action: &Bound<'_, PyDict>,
        event: &Bound<'_, EntityEvent>,
        max_attempts: u32,
        initial_delay_ms: u64,
        max_delay_ms: u64,
        max_age_secs: u32,
        id: Option<&Bound<'_, PyAny>>,
        observer: Option<String>,
        action_index: u32,
        queue: &str,
        priority: &str,
        scheduled_at: Option<&Bound<'_, PyDateTime>>,
        backoff_strategy: &str,
        jitter: &str,
        traceparent: Option<String>,
    ) -> PyResult<Self> {
        check_queue_name(queue)?;
        if max_attempts == 0 {
            return Err(PyValueError::new_err("max_attempts: 0 is below 1"));
        }
        let (action, action_type) = action_from_py(action, observer.is_some())?;
        let content = event.get().event();
        let id = match (id, &observer) {
            (Some(id), _) => uuid(id).ok_or_else(|| PyTypeError::new_err("id: not a UUID"))?,
            (None, Some(observer)) => observer_job_id(content.id, action_index, observer),
            (None, None) => new_job_id(),
        };
        let created_at = Instant::from_unix_ms(SystemClock.now_ms());
        let scheduled_at = scheduled_at.map_or(Ok(created_at), time_from_py)?;
        let job = Box::new(Job {
            id,
            observer,
            action_index,
            action,
            action_type,
            event: content.to_json().into(),
            queue: queue.to_owned(),
            priority: word("priority", priority, Priority::from_name)?,
            created_at,
            scheduled_at,
            // A job that was due in the past is due now, and lives as long as any other.
            expires_at: Instant::from_unix_ms(
                scheduled_at.max(created_at).unix_ms() + i64::from(max_age_secs) * 1000,
            ),
            retry: RetryPolicy {
                max_attempts,
                backoff_strategy: word(
                    "backoff_strategy",
                    backoff_strategy,
                    BackoffStrategy::from_wire,
                )?,
                initial_delay_ms,
                max_delay_ms,
                jitter: word("jitter", jitter, Jitter::from_wire)?,
            },
            traceparent,
            extra: Vec::new(),
        });
        let known = PyOnceLock::new();
        // A new cell takes the value.
        let _ = known.set(event.py(), event.clone().unbind());
        Ok(Self { job, event: known })
    }

    /// Reads the bytes of a job.
    #[staticmethod]
    fn from_json(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = if let Ok(bytes) = data.cast::<PyBytes>() {
            Bytes::copy_from_slice(bytes.as_bytes())
        } else if let Ok(text) = data.cast::<PyString>() {
            Bytes::copy_from_slice(text.to_str()?.as_bytes())
        } else {
            let got = data.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "expected bytes or str, got {got}"
            )));
        };
        match Job::decode(&bytes) {
            Decoded::Job(job) => Ok(job.into()),
            Decoded::Newer(what) => {
                let text = format!("a job of a newer version: {what}");
                Err(exception(data.py(), "QueueError", (text,)))
            }
            Decoded::Corrupt(why) => Err(exception(data.py(), "CorruptJob", (why,))),
        }
    }

    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.job.to_json())
    }

    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid_to_py(py, self.job.id)
    }

    #[getter]
    fn observer(&self) -> Option<&str> {
        self.job.observer.as_deref()
    }

    #[getter]
    fn action_index(&self) -> u32 {
        self.job.action_index
    }

    #[getter]
    fn action<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let action: Value = serde_json::from_slice(&self.job.action)
            .map_err(|error| PyValueError::new_err(format!("action: {error}")))?;
        value_to_py(py, &action)
    }

    #[getter]
    fn action_type(&self) -> &str {
        &self.job.action_type
    }

    /// The event, read when it is first asked for.
    #[getter]
    fn event(&self, py: Python<'_>) -> PyResult<Py<EntityEvent>> {
        let event = self.event.get_or_try_init(py, || {
            let json = &self.job.event;
            let event = Event::from_json(json, json.len())?;
            Py::new(py, EntityEvent::from(Arc::new(event)))
        })?;
        Ok(event.clone_ref(py))
    }

    #[getter]
    fn queue(&self) -> &str {
        &self.job.queue
    }

    #[getter]
    fn priority(&self) -> &'static str {
        self.job.priority.as_str()
    }

    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        instant_to_py(py, self.job.created_at)
    }

    #[getter]
    fn scheduled_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        instant_to_py(py, self.job.scheduled_at)
    }

    #[getter]
    fn expires_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        instant_to_py(py, self.job.expires_at)
    }

    #[getter]
    fn max_attempts(&self) -> u32 {
        self.job.retry.max_attempts
    }

    #[getter]
    fn backoff_strategy(&self) -> &'static str {
        self.job.retry.backoff_strategy.as_str()
    }

    #[getter]
    fn initial_delay_ms(&self) -> u64 {
        self.job.retry.initial_delay_ms
    }

    #[getter]
    fn max_delay_ms(&self) -> u64 {
        self.job.retry.max_delay_ms
    }

    #[getter]
    fn jitter(&self) -> &'static str {
        self.job.retry.jitter.as_str()
    }

    #[getter]
    fn traceparent(&self) -> Option<&str> {
        self.job.traceparent.as_deref()
    }

    #[classattr]
    fn schema() -> u32 {
        crate::job::SCHEMA
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| other.get().job == self.job)
    }

    fn __hash__(&self) -> u64 {
        self.job.id.as_u64_pair().1
    }

    fn __repr__(&self) -> String {
        let observer = self.job.observer.as_deref().unwrap_or("no observer");
        format!("Job({}, {}, {observer})", self.job.id, self.job.action_type)
    }
}

/// Refuses a name that could not be part of a key.
///
/// # Errors
///
/// `ValueError` that says what is allowed.
pub fn check_queue_name(name: &str) -> PyResult<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > MAX_QUEUE_NAME || !name.bytes().all(allowed) {
        return Err(PyValueError::new_err(format!(
            "queue: {name:?} is no name; allowed are 1 to {MAX_QUEUE_NAME} of A-Z, a-z, 0-9, _ and -"
        )));
    }
    Ok(())
}

/// The action's JSON and its type. One that the observer's configuration holds is stored by its type alone, so that no
/// part of it reaches the queue.
fn action_from_py(action: &Bound<'_, PyDict>, by_reference: bool) -> PyResult<(Bytes, String)> {
    let action = document_from_py(action.as_any(), 2)
        .map_err(|refusal| PyValueError::new_err(format!("action: {}", refusal.describe())))?;
    let Some(kind) = action.get(&Key::new("type")).and_then(Raw::string) else {
        return Err(PyValueError::new_err("action: has no type"));
    };
    let stored = if by_reference {
        json!({ "type": kind }).to_string().into_bytes()
    } else {
        action.json().to_vec()
    };
    Ok((stored.into(), kind.into_owned()))
}

fn time_from_py(time: &Bound<'_, PyDateTime>) -> PyResult<Instant> {
    instant_from_py(time)
        .map_err(|refusal| PyValueError::new_err(format!("scheduled_at: {}", refusal.describe())))
}

fn word<T>(key: &str, text: &str, from_word: impl Fn(&str) -> Option<T>) -> PyResult<T> {
    from_word(text).ok_or_else(|| PyValueError::new_err(format!("{key}: {text:?} is not known")))
}
