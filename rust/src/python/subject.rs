//! Whose data bytes hold, for places outside the queue.

use pyo3::prelude::*;

use super::calls::{SubjectFromPy, subject_from_py};

/// See `_core.pyi` for what users read.
#[pyfunction]
#[pyo3(signature = (subject, job))]
pub fn subject_owns(subject: SubjectFromPy, job: &[u8]) -> PyResult<bool> {
    Ok(subject_from_py(subject)?.owns(job))
}
