//! The two ways in which Python waits for the core, behind one signature.

use std::future::Future;

use pyo3::prelude::*;

use super::bridge;
use super::errors::queue_exception;
use crate::queue::QueueError;

/// An answer of the queue in the making.
pub trait Answer<T>: Future<Output = Result<T, QueueError>> + Send + 'static {}

impl<T, F: Future<Output = Result<T, QueueError>> + Send + 'static> Answer<T> for F {}

/// Returns an `asyncio.Future` for the answer of the queue; an answer that nobody can take any more goes to `abandon`.
pub fn awaited<T: Send + 'static>(
    py: Python<'_>,
    future: impl Answer<T>,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    abandon: impl FnOnce(T) + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    bridge::future_into_py_or(
        py,
        future,
        |py, answer| convert(py, answer.map_err(|error| queue_exception(py, &error))?),
        |answer| {
            if let Ok(answer) = answer {
                abandon(answer);
            }
        },
    )
}

/// Waits for the answer of the queue, with the interpreter released.
pub fn blocking<T: Send + 'static>(
    py: Python<'_>,
    future: impl Answer<T>,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    _abandon: impl FnOnce(T) + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    let answer = bridge::block_on(py, future)?.map_err(|error| queue_exception(py, &error))?;
    Ok(convert(py, answer)?.into_bound(py))
}
