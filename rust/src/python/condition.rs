//! `Condition`: the Python face of a parsed condition.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::errors::{condition_not_text, condition_syntax_error};
use super::event::{ask, event_from_py};
use super::explanation::Explanation;
use super::matcher::kind_or_any;
use crate::condition;

/// See `_core.pyi` for what users read.
#[pyclass(frozen, module = "fraiseql_observers._core")]
pub struct Condition {
    condition: Arc<condition::Condition>,
}

impl Condition {
    /// The condition itself, for the parts of the core that run without the interpreter.
    pub fn condition(&self) -> &Arc<condition::Condition> {
        &self.condition
    }
}

#[pymethods]
impl Condition {
    #[staticmethod]
    pub fn parse(text: &Bound<'_, PyString>) -> PyResult<Self> {
        let source = text
            .to_str()
            .map_err(|error| condition_not_text(text, &error))?;
        condition::Condition::parse(source)
            .map(|condition| Self {
                condition: Arc::new(condition),
            })
            .map_err(|error| condition_syntax_error(text, &error))
    }

    fn evaluate(&self, event: &Bound<'_, PyAny>) -> PyResult<bool> {
        let found = event_from_py(event)?;
        Ok(ask(event.py(), &found, |event| {
            self.condition.evaluate(event)
        })?)
    }

    fn explain(&self, event: &Bound<'_, PyAny>) -> PyResult<Explanation> {
        Ok(self
            .condition
            .explain(event_from_py(event)?.as_ref())
            .into())
    }

    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.condition.warnings(None))
    }

    fn warnings_for<'py>(
        &self,
        py: Python<'py>,
        event_type: &str,
    ) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.condition.warnings(kind_or_any(event_type)?))
    }

    fn __str__(&self) -> String {
        self.condition.to_string()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let text = PyString::new(py, &self.condition.to_string());
        Ok(format!("Condition.parse({})", text.repr()?))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.condition == other.condition
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.condition.hash(&mut hasher);
        hasher.finish()
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let parse = py.get_type::<Self>().getattr("parse")?;
        (parse, (self.condition.to_string(),)).into_pyobject(py)
    }
}
