//! The Python face of explanations: how a condition, and a rule, came to its answer.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde_json::{Value, json};

use super::convert::value_to_py;
use crate::{condition, matcher};

/// See `_core.pyi` for what users read.
#[pyclass(frozen, eq, module = "fraiseql_observers._core")]
#[derive(PartialEq)]
pub struct Explanation(condition::Explanation);

/// See `_core.pyi` for what users read.
#[pyclass(frozen, eq, module = "fraiseql_observers._core")]
#[derive(PartialEq)]
pub struct LeafExplanation(condition::LeafExplanation);

/// See `_core.pyi` for what users read.
#[pyclass(frozen, eq, module = "fraiseql_observers._core")]
#[derive(PartialEq)]
pub struct ElementExplanation(condition::ElementExplanation);

/// See `_core.pyi` for what users read.
#[pyclass(frozen, eq, module = "fraiseql_observers._core")]
#[derive(PartialEq)]
pub struct RuleExplanation(matcher::RuleExplanation);

impl From<condition::Explanation> for Explanation {
    fn from(explanation: condition::Explanation) -> Self {
        Self(explanation)
    }
}

impl From<matcher::RuleExplanation> for RuleExplanation {
    fn from(explanation: matcher::RuleExplanation) -> Self {
        Self(explanation)
    }
}

type Leaves<'py> = PyResult<Bound<'py, PyTuple>>;

fn leaves<'py>(py: Python<'py>, leaves: &[condition::LeafExplanation]) -> Leaves<'py> {
    let leaves = leaves.iter().cloned().map(LeafExplanation);
    let leaves = leaves
        .map(|leaf| Bound::new(py, leaf))
        .collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, leaves)
}

#[pymethods]
impl Explanation {
    #[getter]
    fn condition(&self) -> &str {
        &self.0.condition
    }

    #[getter]
    fn outcome(&self) -> &'static str {
        self.0.outcome.as_str()
    }

    #[getter]
    fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    #[getter]
    fn leaves<'py>(&self, py: Python<'py>) -> Leaves<'py> {
        leaves(py, &self.0.leaves)
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value_to_py(py, &self.0.to_value())
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!(
            "<Explanation of {:?}: {}>",
            self.0.condition,
            self.outcome()
        )
    }
}

#[pymethods]
impl LeafExplanation {
    #[getter]
    fn text(&self) -> &str {
        &self.0.text
    }

    #[getter]
    fn operand(&self) -> &str {
        &self.0.operand
    }

    #[getter]
    fn path(&self) -> &str {
        &self.0.path
    }

    #[getter]
    fn operator(&self) -> &'static str {
        self.0.operator
    }

    #[getter]
    fn literals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let literals = self
            .0
            .literals
            .iter()
            .map(|literal| value_to_py(py, literal));
        PyTuple::new(py, literals.collect::<PyResult<Vec<_>>>()?)
    }

    #[getter]
    fn found(&self) -> bool {
        self.0.found
    }

    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value_to_py(py, self.0.value.as_ref().unwrap_or(&Value::Null))
    }

    #[getter]
    fn outcome(&self) -> &'static str {
        self.0.outcome.as_str()
    }

    #[getter]
    fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    #[getter]
    fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    #[getter]
    fn elements<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(elements) = &self.0.elements else {
            return Ok(None);
        };
        let shown = elements.shown.iter().cloned().map(ElementExplanation);
        let shown = shown
            .map(|element| Bound::new(py, element))
            .collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, shown).map(Some)
    }

    #[getter]
    fn elements_reached(&self) -> Option<usize> {
        self.0.elements.as_ref().map(|elements| elements.reached)
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value_to_py(py, &self.0.to_value())
    }

    fn __repr__(&self) -> String {
        format!("<LeafExplanation of {:?}: {}>", self.0.text, self.outcome())
    }
}

#[pymethods]
impl ElementExplanation {
    #[getter]
    fn index(&self) -> usize {
        self.0.index
    }

    #[getter]
    fn outcome(&self) -> &'static str {
        self.0.outcome.as_str()
    }

    #[getter]
    fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    #[getter]
    fn leaves<'py>(&self, py: Python<'py>) -> Leaves<'py> {
        leaves(py, &self.0.leaves)
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value_to_py(py, &self.0.to_value())
    }

    fn __repr__(&self) -> String {
        format!(
            "<ElementExplanation of [{}]: {}>",
            self.0.index,
            self.outcome()
        )
    }
}

#[pymethods]
impl RuleExplanation {
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    #[getter]
    fn matched(&self) -> bool {
        self.0.verdict == matcher::Verdict::Matched
    }

    #[getter]
    fn verdict(&self) -> &'static str {
        self.0.verdict.as_str()
    }

    #[getter]
    fn reason(&self) -> String {
        self.0.verdict.to_string()
    }

    #[getter]
    fn condition(&self) -> Option<Explanation> {
        self.0.condition.clone().map(Explanation)
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let condition = self.0.condition.as_ref();
        let value = json!({
            "name": &*self.0.name,
            "verdict": self.verdict(),
            "reason": self.reason(),
            "condition": condition.map(condition::Explanation::to_value),
        });
        value_to_py(py, &value)
    }

    fn __str__(&self) -> String {
        let mut text = format!("{} {}", self.0.name, self.0.verdict);
        if let Some(condition) = &self.0.condition {
            for line in condition.to_string().lines() {
                text.push_str("\n  ");
                text.push_str(line);
            }
        }
        text
    }

    fn __repr__(&self) -> String {
        format!("<RuleExplanation of {:?}: {}>", self.name(), self.verdict())
    }
}
