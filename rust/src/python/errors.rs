//! The one place that turns errors of the core into the exceptions of `fraiseql_observers.errors`.
//!
//! The classes are Python's; they are looked up when the first error is raised, so that importing the extension
//! imports nothing of the package. Each error of the core has one `From` here, so that `?` raises the right class.

use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::event::EventError;

static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// Makes an exception of the class `name` of `fraiseql_observers.errors`.
///
/// If that fails, the exception is what made it fail.
pub fn exception<'py>(
    py: Python<'py>,
    name: &str,
    args: impl IntoPyObject<'py, Target = PyTuple, Error: Into<PyErr>>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyErr {
    let make = || {
        let errors = ERRORS.get_or_try_init(py, || {
            py.import("fraiseql_observers.errors").map(Bound::unbind)
        })?;
        let args = args.into_pyobject(py).map_err(Into::into)?.into_bound();
        errors.bind(py).getattr(name)?.call(args, kwargs)
    };
    make().map_or_else(|error| error, PyErr::from_value)
}

impl From<EventError> for PyErr {
    fn from(error: EventError) -> Self {
        Python::attach(|py| exception(py, "EventError", (error.to_string(),), None))
    }
}
