//! The one place that turns errors of the core into the exceptions of `fraiseql_observers.errors`.
//!
//! The classes are Python's; they are looked up when the first error is raised, so that importing the extension
//! imports nothing of the package. Each error of the core has one `From` here, so that `?` raises the right class.

use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};
use uuid::Uuid;

use super::convert::uuid_to_py;
use crate::condition::{EvalError, SyntaxError};
use crate::event::EventError;
use crate::queue::QueueError;

static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// Makes an exception of the class `name` of `fraiseql_observers.errors`.
///
/// If that fails, the exception is what made it fail.
pub fn exception<'py>(
    py: Python<'py>,
    name: &str,
    args: impl IntoPyObject<'py, Target = PyTuple, Error: Into<PyErr>>,
) -> PyErr {
    let make = || {
        let errors = ERRORS.get_or_try_init(py, || {
            py.import("fraiseql_observers.errors").map(Bound::unbind)
        })?;
        let args = args.into_pyobject(py).map_err(Into::into)?.into_bound();
        errors.bind(py).getattr(name)?.call1(args)
    };
    make().map_or_else(|error| error, PyErr::from_value)
}

impl From<EventError> for PyErr {
    fn from(error: EventError) -> Self {
        Python::attach(|py| exception(py, "EventError", (error.to_string(),)))
    }
}

impl From<EvalError> for PyErr {
    fn from(error: EvalError) -> Self {
        Python::attach(|py| exception(py, "ConditionEvalError", (error.to_string(),)))
    }
}

/// The text `source` is no condition.
pub fn condition_syntax_error(source: &Bound<'_, PyString>, error: &SyntaxError) -> PyErr {
    let args = (
        error.to_string(),
        source,
        error.offset,
        error.hint.as_deref(),
    );
    exception(source.py(), "ConditionSyntaxError", args)
}

/// The string `source` is no text, so no condition either: `error` says where its lone surrogate is.
pub fn condition_not_text(source: &Bound<'_, PyString>, error: &PyErr) -> PyErr {
    let py = source.py();
    let start = error
        .value(py)
        .getattr("start")
        .and_then(|start| start.extract::<usize>());
    let offset = start.unwrap_or_default();
    let message = format!("a lone surrogate is no text at offset {offset}");
    exception(py, "ConditionSyntaxError", (message, source, offset))
}

/// The exception for an error of the queue.
pub fn queue_exception(py: Python<'_>, error: &QueueError) -> PyErr {
    let name = match error {
        QueueError::Unavailable(_) => "QueueUnavailable",
        QueueError::MaybeStored(_, ids) => return not_confirmed(py, error, ids),
        QueueError::Unconfirmed(_) => "DurabilityNotConfirmed",
        QueueError::Full(_) => "QueueFull",
        QueueError::Refused(_) => "QueueRefused",
        QueueError::Unsuitable(_)
        | QueueError::TooFewReplicas(_)
        | QueueError::Elsewhere(_)
        | QueueError::Resharded { .. } => "ServerUnsuitable",
        QueueError::Corrupt(_) => "CorruptJob",
    };
    exception(py, name, (error.to_string(),))
}

/// Jobs that may be stored: their ids are on the exception.
fn not_confirmed(py: Python<'_>, error: &QueueError, ids: &[Uuid]) -> PyErr {
    let ids: PyResult<Vec<_>> = ids.iter().map(|id| uuid_to_py(py, *id)).collect();
    match ids {
        Ok(ids) => exception(
            py,
            "DurabilityNotConfirmed",
            (error.to_string(), py.None(), ids),
        ),
        Err(error) => error,
    }
}
