//! Backoff for Python callers; the delays are integers in milliseconds.

use fastrand::Rng;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;

use crate::backoff::{self, BackoffStrategy, Jitter};

#[pyfunction]
pub fn calculate_backoff(
    strategy: &str,
    attempt: &Bound<'_, PyInt>,
    initial_delay_ms: &Bound<'_, PyInt>,
    max_delay_ms: &Bound<'_, PyInt>,
) -> PyResult<u64> {
    let strategy = BackoffStrategy::from_wire(strategy).ok_or_else(|| {
        let words = BackoffStrategy::ALL.map(BackoffStrategy::as_str).join(", ");
        PyValueError::new_err(format!("strategy: {strategy:?} is not one of {words}"))
    })?;
    // Beyond 32 bits every growing delay has long reached its bound.
    let attempt = u32::try_from(at_least(1, attempt, "attempt")?).unwrap_or(u32::MAX);
    let initial_delay_ms = at_least(0, initial_delay_ms, "initial_delay_ms")?;
    let max_delay_ms = at_least(0, max_delay_ms, "max_delay_ms")?;
    Ok(backoff::calculate_backoff(
        strategy,
        attempt,
        initial_delay_ms,
        max_delay_ms,
    ))
}

#[pyfunction]
#[pyo3(signature = (
    strategy, attempt, initial_delay_ms, max_delay_ms, *, jitter="full", retry_after_ms=None, seed=None
))]
pub fn draw_delay(
    strategy: &str,
    attempt: &Bound<'_, PyInt>,
    initial_delay_ms: &Bound<'_, PyInt>,
    max_delay_ms: &Bound<'_, PyInt>,
    jitter: &str,
    retry_after_ms: Option<&Bound<'_, PyInt>>,
    seed: Option<u64>,
) -> PyResult<u64> {
    let delay_ms = calculate_backoff(strategy, attempt, initial_delay_ms, max_delay_ms)?;
    let jitter = Jitter::from_wire(jitter).ok_or_else(|| {
        let words = Jitter::ALL.map(Jitter::as_str).join(", ");
        PyValueError::new_err(format!("jitter: {jitter:?} is not one of {words}"))
    })?;
    let retry_after_ms = retry_after_ms.map_or(Ok(0), |ms| at_least(0, ms, "retry_after_ms"))?;
    let mut rng = seed.map_or_else(Rng::new, Rng::with_seed);
    Ok(backoff::draw_delay(
        delay_ms,
        jitter,
        retry_after_ms,
        &mut rng,
    ))
}

/// A whole number of at least `least`; what exceeds 64 bits is taken as the largest that they hold.
fn at_least(least: u64, number: &Bound<'_, PyInt>, name: &str) -> PyResult<u64> {
    if number.lt(least)? {
        return Err(PyValueError::new_err(format!(
            "{name}: {number} is below the minimum {least}"
        )));
    }
    Ok(number.extract().unwrap_or(u64::MAX))
}
