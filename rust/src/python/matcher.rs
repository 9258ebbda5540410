//! `RuleMatcher`: the Python face of the matcher.

use std::sync::Arc;

use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::condition::Condition;
use super::event::{ask, event_from_py};
use super::explanation::RuleExplanation;
use crate::event::EventKind;
use crate::matcher::Matcher;

/// The names of the observers whose rules hold, and each error's text with the number of observers it left out.
type Matches = (Vec<Py<PyString>>, Vec<(String, usize)>);

/// The word that stands for every kind of event.
const ANY_KIND: &str = "*";

/// See `_core.pyi` for what users read.
#[pyclass(frozen, module = "fraiseql_observers._core")]
pub struct RuleMatcher {
    matcher: Arc<Matcher>,
}

impl RuleMatcher {
    /// The matcher itself, for the parts of the core that run without the interpreter.
    pub fn matcher(&self) -> Arc<Matcher> {
        Arc::clone(&self.matcher)
    }
}

#[pymethods]
impl RuleMatcher {
    #[new]
    fn new() -> Self {
        Self {
            matcher: Arc::new(Matcher::new()),
        }
    }

    #[pyo3(signature = (name, *, event_type=None, entity, condition=None, enabled=true))]
    fn add(
        &self,
        name: &str,
        event_type: Option<&str>,
        entity: &str,
        condition: Option<&Bound<'_, PyAny>>,
        enabled: bool,
    ) -> PyResult<()> {
        let kind = event_type.map(kind_or_any).transpose()?.flatten();
        if entity.is_empty() {
            return Err(PyValueError::new_err(
                "entity: must not be empty; `*` is every entity",
            ));
        }
        let condition = condition.map(compiled).transpose()?;
        self.matcher.add(name, kind, entity, condition, enabled);
        Ok(())
    }

    fn remove(&self, name: &str) -> PyResult<()> {
        if self.matcher.remove(name) {
            Ok(())
        } else {
            Err(PyKeyError::new_err(name.to_owned()))
        }
    }

    fn find(&self, event: &Bound<'_, PyAny>) -> PyResult<Matches> {
        let py = event.py();
        let event = event_from_py(event)?;
        let found = ask(py, &event, |event| self.matcher.find(event));
        let names = found
            .matched
            .iter()
            .map(|rule| PyString::new(py, &rule.name).unbind())
            .collect();
        let errors = found
            .errors
            .into_iter()
            .map(|error| (error.text, error.names.len()))
            .collect();
        Ok((names, errors))
    }

    fn explain(&self, event: &Bound<'_, PyAny>) -> PyResult<Vec<RuleExplanation>> {
        let found = event_from_py(event)?;
        let explained = ask(event.py(), &found, |event| self.matcher.explain(event));
        Ok(explained.into_iter().map(Into::into).collect())
    }
}

/// The kind that a word names, `None` for the word that stands for every kind.
pub fn kind_or_any(word: &str) -> PyResult<Option<EventKind>> {
    if word == ANY_KIND {
        return Ok(None);
    }
    EventKind::from_any_case(word).map(Some).ok_or_else(|| {
        let words = EventKind::ALL.map(EventKind::as_str).join(", ");
        PyValueError::new_err(format!(
            "event_type: {word:?} is not one of {words} or {ANY_KIND}"
        ))
    })
}

fn compiled(condition: &Bound<'_, PyAny>) -> PyResult<Arc<crate::condition::Condition>> {
    if let Ok(condition) = condition.cast::<Condition>() {
        return Ok(Arc::clone(condition.get().condition()));
    }
    match condition.cast::<PyString>() {
        Ok(text) => Ok(Arc::clone(Condition::parse(text)?.condition())),
        Err(_) => Err(PyTypeError::new_err(
            "condition: expected a Condition, str or None",
        )),
    }
}
