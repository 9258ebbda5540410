//! What goes into the calls of a queue and comes out of them, as Python has it.

use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use uuid::Uuid;

use super::convert::{uuid, uuid_to_py};
use super::stats::{PyServerFacts, PyStats};
use super::view::PyJobView;
use crate::job::JobState;
use crate::queue::dead_letters::LetterPage;
use crate::queue::facts::ServerFacts;
use crate::queue::forget::ForgottenPage;
use crate::queue::view::JobView;
use crate::queue::{LetterMark, Stats};
use crate::subject::Subject;

pub fn id_from_py(id: &Bound<'_, PyAny>) -> PyResult<uuid::Uuid> {
    uuid(id).ok_or_else(|| PyTypeError::new_err("id: not a UUID"))
}

/// The views that Python gives back: what they were when they were looked at.
pub fn views_from_py(views: Vec<Bound<'_, PyJobView>>) -> Vec<JobView> {
    views
        .into_iter()
        .map(|view| view.get().view().clone())
        .collect()
}

/// A mark as Python has it: a time of death in ms, and an entry.
pub type MarkFromPy = (i64, Vec<u8>);

pub fn mark_from_py(mark: Option<MarkFromPy>) -> Option<LetterMark> {
    mark.map(|(died_at_ms, entry)| LetterMark { died_at_ms, entry })
}

pub fn mark_to_py<'py>(
    py: Python<'py>,
    mark: Option<&LetterMark>,
) -> Option<(i64, Bound<'py, PyBytes>)> {
    mark.map(|mark| (mark.died_at_ms, PyBytes::new(py, &mark.entry)))
}

pub fn letters_to_py(py: Python<'_>, page: LetterPage) -> PyResult<Py<PyAny>> {
    let next = mark_to_py(py, page.next.as_ref());
    (views_to_py(py, page.letters)?, next).into_py_any(py)
}

/// A subject: `("entity", type, id)`, `("tenant", id, None)` or `("user", id, None)`.
pub type SubjectFromPy = (String, String, Option<String>);

pub fn subject_from_py(subject: SubjectFromPy) -> PyResult<Subject> {
    match (subject.0.as_str(), subject.1, subject.2) {
        ("entity", entity_type, Some(entity_id)) => Ok(Subject::Entity {
            entity_type,
            entity_id: Uuid::parse_str(&entity_id)
                .map_err(|error| PyValueError::new_err(format!("entity_id: {error}")))?,
        }),
        ("tenant", tenant, None) => Ok(Subject::Tenant(tenant)),
        ("user", user, None) => Ok(Subject::User(user)),
        _ => Err(PyValueError::new_err(
            "a subject is an entity with type and id, a tenant or a user",
        )),
    }
}

pub fn forgotten_to_py(py: Python<'_>, page: ForgottenPage) -> PyResult<Py<PyAny>> {
    let found = PyList::empty(py);
    for (id, place) in page.found {
        found.append((uuid_to_py(py, id)?, place.as_str()))?;
    }
    let next = page.next.map(|mark| PyBytes::new(py, &mark));
    (found, next).into_py_any(py)
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
