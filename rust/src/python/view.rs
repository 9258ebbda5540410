//! `JobView` and `Attempt`: the Python face of a job and what lives beside it.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Map, Value, json};

use super::convert::{uuid_to_py, value_to_py};
use super::job::PyJob;
use crate::queue::record::Attempt;
use crate::queue::view::JobView;

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "JobView", module = "fraiseql_observers._core")]
pub struct PyJobView {
    view: JobView,
}

impl From<JobView> for PyJobView {
    fn from(view: JobView) -> Self {
        Self { view }
    }
}

impl PyJobView {
    /// What it shows.
    pub const fn view(&self) -> &JobView {
        &self.view
    }
}

#[pymethods]
impl PyJobView {
    #[getter]
    fn job(&self) -> Option<PyJob> {
        self.view.job.clone().map(PyJob::from)
    }

    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.view.raw.as_ref().map(|raw| PyBytes::new(py, raw))
    }

    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid_to_py(py, self.view.id)
    }

    #[getter]
    fn state(&self) -> &'static str {
        self.view.state().as_str()
    }

    #[getter]
    fn queue(&self) -> &str {
        &self.view.lane.queue
    }

    #[getter]
    fn shard(&self) -> u16 {
        self.view.lane.shard
    }

    #[getter]
    fn observer(&self) -> Option<&str> {
        observer(&self.view)
    }

    #[getter]
    fn attempt(&self) -> u32 {
        self.view.attempt()
    }

    #[getter]
    fn attempts(&self) -> Vec<PyAttempt> {
        self.view
            .history
            .last
            .iter()
            .cloned()
            .map(PyAttempt)
            .collect()
    }

    #[getter]
    fn last_error(&self) -> Option<&str> {
        self.view.last_error()
    }

    #[getter]
    fn retry_at(&self) -> Option<i64> {
        self.view.retry_at()
    }

    #[getter]
    fn parked(&self) -> Option<&str> {
        self.view.parked()
    }

    #[getter]
    fn crashes(&self) -> u32 {
        self.view.crashes
    }

    #[getter]
    fn reason(&self) -> Option<&str> {
        self.view.reason()
    }

    #[getter]
    fn error_type(&self) -> Option<&str> {
        self.view.failure.as_ref()?.error_type.as_deref()
    }

    #[getter]
    fn died_at(&self) -> Option<i64> {
        self.view.died_at()
    }

    #[getter]
    fn replayed_at(&self) -> Option<i64> {
        self.view.history.replayed_at
    }

    #[getter]
    fn ended(&self) -> Option<&'static str> {
        self.view.ended()
    }

    #[getter]
    fn started_at(&self) -> Option<i64> {
        self.view
            .finished
            .as_ref()
            .map(|finished| finished.started_at)
    }

    #[getter]
    fn finished_at(&self) -> Option<i64> {
        self.view
            .finished
            .as_ref()
            .map(|finished| finished.finished_at)
    }

    /// The job's fields and all of the above as values that JSON can hold.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value_to_py(py, &Value::Object(to_json(&self.view)))
    }

    fn __repr__(&self) -> String {
        format!("JobView({}, {})", self.view.id, self.view.state().as_str())
    }
}

fn observer(view: &JobView) -> Option<&str> {
    view.job
        .as_ref()
        .and_then(|job| job.observer.as_deref())
        .or_else(|| view.failure.as_ref()?.observer.as_deref())
        .or_else(|| view.finished.as_ref()?.observer.as_deref())
}

fn to_json(view: &JobView) -> Map<String, Value> {
    let written = view.job.as_ref().map(|job| job.to_json());
    let mut all: Map<String, Value> = written
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let beside = json!({
        "id": view.id,
        "observer": observer(view),
        "queue": view.lane.queue,
        "state": view.state().as_str(),
        "attempt": view.attempt(),
        "attempts": view.history.last,
        "last_error": view.last_error(),
        "retry_at": view.retry_at(),
        "parked": view.parked(),
        "crashes": view.crashes,
        "reason": view.reason(),
        "error_type": view.failure.as_ref().and_then(|failure| failure.error_type.as_deref()),
        "died_at": view.died_at(),
        "replayed_at": view.history.replayed_at,
        "ended": view.ended(),
        "started_at": view.finished.as_ref().map(|finished| finished.started_at),
        "finished_at": view.finished.as_ref().map(|finished| finished.finished_at),
    });
    if let Value::Object(beside) = beside {
        all.extend(beside);
    }
    all
}

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "Attempt", module = "fraiseql_observers._core")]
pub struct PyAttempt(Attempt);

#[pymethods]
impl PyAttempt {
    #[getter]
    fn attempt(&self) -> u32 {
        self.0.attempt
    }

    #[getter]
    fn started_at(&self) -> i64 {
        self.0.started_at
    }

    #[getter]
    fn duration_ms(&self) -> u64 {
        self.0.duration_ms
    }

    #[getter]
    fn success(&self) -> bool {
        self.0.success
    }

    #[getter]
    fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    #[getter]
    fn status_code(&self) -> Option<u16> {
        self.0.status_code
    }

    #[getter]
    fn worker(&self) -> &str {
        &self.0.worker
    }

    fn __repr__(&self) -> String {
        let error = self.0.error.as_deref().unwrap_or("no error");
        format!("Attempt({}, {error:?})", self.0.attempt)
    }
}
