//! What goes into the calls of a queue and comes out of them, as Python has it.

use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::convert::uuid;
use super::stats::{PyServerFacts, PyStats};
use super::view::PyJobView;
use crate::job::JobState;
use crate::queue::Stats;
use crate::queue::facts::ServerFacts;
use crate::queue::view::JobView;

pub fn id_from_py(id: &Bound<'_, PyAny>) -> PyResult<uuid::Uuid> {
    uuid(id).ok_or_else(|| PyTypeError::new_err("id: not a UUID"))
}

pub fn letters_from_py(letters: Vec<(Bound<'_, PyAny>, i64)>) -> PyResult<Vec<(uuid::Uuid, i64)>> {
    letters
        .into_iter()
        .map(|(id, died_at_ms)| Ok((id_from_py(&id)?, died_at_ms)))
        .collect()
}

pub fn state_from_py(state: &str) -> PyResult<JobState> {
    JobState::from_name(state).ok_or_else(|| {
        let known = JobState::ALL.map(JobState::as_str).join(", ");
        PyValueError::new_err(format!("state: {state:?} is none of {known}"))
    })
}

pub fn facts_to_py(py: Python<'_>, facts: Option<Arc<ServerFacts>>) -> PyResult<Py<PyAny>> {
    facts.map(|facts| PyServerFacts { facts }).into_py_any(py)
}

pub fn stats_to_py(py: Python<'_>, shards: Vec<Stats>) -> PyResult<Py<PyAny>> {
    let shards: Vec<PyStats> = shards.into_iter().map(|stats| PyStats { stats }).collect();
    shards.into_py_any(py)
}

pub fn view_to_py(py: Python<'_>, view: Option<JobView>) -> PyResult<Py<PyAny>> {
    view.map(PyJobView::from).into_py_any(py)
}

pub fn views_to_py(py: Python<'_>, views: Vec<JobView>) -> PyResult<Py<PyAny>> {
    let views: Vec<PyJobView> = views.into_iter().map(PyJobView::from).collect();
    views.into_py_any(py)
}

pub fn state_to_py(py: Python<'_>, state: Option<JobState>) -> PyResult<Py<PyAny>> {
    state.map(JobState::as_str).into_py_any(py)
}

pub fn to_py<T: for<'py> IntoPyObject<'py>>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>> {
    value.into_py_any(py)
}
