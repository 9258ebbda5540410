//! `Pipeline`: the Python face of the way in.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::bridge;
use super::convert::{durability, uuid_to_py};
use super::errors::queue_exception;
use super::event::event_from_py_within;
use super::matcher::RuleMatcher;
use super::queue::{PyEngine, engine_of};
use crate::backoff::{BackoffStrategy, Jitter};
use crate::event::Event;
use crate::job::{JobTemplate, RetryPolicy};
use crate::pipeline::{Pipeline, RuleJobs, Summary};
use crate::queue::{Durability, Priority};

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "Pipeline", module = "fraiseql_observers._core")]
pub struct PyPipeline {
    engine: PyEngine,
    pipeline: Arc<Pipeline>,
    max_age_ms: i64,
    max_payload_bytes: usize,
    durability: Option<Durability>,
    limit: Duration,
}

#[pymethods]
impl PyPipeline {
    #[new]
    #[pyo3(signature = (matcher, queue, *, max_age_secs, max_payload_bytes, enqueue_timeout_secs, durability = "auto"))]
    fn new(
        matcher: &RuleMatcher,
        queue: &Bound<'_, PyAny>,
        max_age_secs: u32,
        max_payload_bytes: usize,
        enqueue_timeout_secs: u64,
        durability: &str,
    ) -> PyResult<Self> {
        let engine = engine_of(queue)?;
        engine.start_spool(queue.py())?;
        let pipeline = Arc::new(Pipeline::new(
            matcher.matcher(),
            engine.shards(),
            max_payload_bytes,
        ));
        Ok(Self {
            engine,
            pipeline,
            max_age_ms: i64::from(max_age_secs) * 1000,
            max_payload_bytes,
            durability: self::durability(durability)?,
            limit: Duration::from_secs(enqueue_timeout_secs),
        })
    }

    #[pyo3(signature = (name, *, action_types, queue, priority, delay_secs, max_attempts, backoff_strategy, initial_delay_ms,
                        max_delay_ms, jitter))]
    #[expect(
        clippy::too_many_arguments,
        clippy::needless_pass_by_value,
        reason = "keyword arguments, each a field of the rule"
    )]
    fn set_rule(
        &self,
        name: &str,
        action_types: Vec<String>,
        queue: &str,
        priority: &str,
        delay_secs: u64,
        max_attempts: u32,
        backoff_strategy: &str,
        initial_delay_ms: u64,
        max_delay_ms: u64,
        jitter: &str,
    ) -> PyResult<()> {
        let unknown = |what: &str, word: &str| {
            PyValueError::new_err(format!("{what}: {word:?} is not known"))
        };
        let priority =
            Priority::from_name(priority).ok_or_else(|| unknown("priority", priority))?;
        let retry = RetryPolicy {
            max_attempts,
            backoff_strategy: BackoffStrategy::from_wire(backoff_strategy)
                .ok_or_else(|| unknown("backoff_strategy", backoff_strategy))?,
            initial_delay_ms,
            max_delay_ms,
            jitter: Jitter::from_wire(jitter).ok_or_else(|| unknown("jitter", jitter))?,
        };
        let templates = (0..)
            .zip(&action_types)
            .map(|(index, action)| {
                JobTemplate::new(
                    name,
                    index,
                    action,
                    queue,
                    priority,
                    &retry,
                    self.max_age_ms,
                )
            })
            .collect();
        self.pipeline.set_rule(
            name,
            RuleJobs {
                templates,
                queue: queue.to_owned(),
                delay: Duration::from_secs(delay_secs),
            },
        );
        Ok(())
    }

    fn remove_rule(&self, name: &str) -> PyResult<()> {
        if self.pipeline.remove_rule(name) {
            Ok(())
        } else {
            Err(PyKeyError::new_err(name.to_owned()))
        }
    }

    /// Resolves to one `ProcessSummary` per event, in their order.
    #[pyo3(signature = (events, *, durability = None))]
    fn process<'py>(
        &self,
        events: &Bound<'py, PyAny>,
        durability: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let work = self.work(events, durability)?;
        bridge::future_into_py(events.py(), work, to_py)
    }

    #[pyo3(signature = (events, *, durability = None))]
    fn process_blocking(
        &self,
        py: Python<'_>,
        events: &Bound<'_, PyAny>,
        durability: Option<&str>,
    ) -> PyResult<Py<PyAny>> {
        let work = self.work(events, durability)?;
        let summaries = bridge::block_on(py, work)?;
        to_py(py, summaries)
    }
}

impl PyPipeline {
    fn work(
        &self,
        events: &Bound<'_, PyAny>,
        durability: Option<&str>,
    ) -> PyResult<impl Future<Output = Vec<Summary>> + Send + 'static> {
        let level = match durability {
            Some(word) => self::durability(word)?,
            None => self.durability,
        };
        let intake = self.engine.intake(events.py())?;
        let events = events
            .try_iter()?
            .map(|event| event_from_py_within(&event?, self.max_payload_bytes))
            .collect::<PyResult<Vec<Arc<Event>>>>()?;
        let pipeline = Arc::clone(&self.pipeline);
        let limit = self.limit;
        Ok(async move { pipeline.process(&events, &intake, level, limit).await })
    }
}

fn to_py(py: Python<'_>, summaries: Vec<Summary>) -> PyResult<Py<PyAny>> {
    let list = PyList::empty(py);
    for summary in summaries {
        list.append(PySummary { summary })?;
    }
    Ok(list.into_any().unbind())
}

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "ProcessSummary", module = "fraiseql_observers._core")]
pub struct PySummary {
    summary: Summary,
}

#[pymethods]
impl PySummary {
    #[getter]
    fn matched(&self) -> usize {
        self.summary.matched
    }

    #[getter]
    fn jobs_queued(&self) -> usize {
        self.summary.jobs_queued
    }

    #[getter]
    fn duplicates(&self) -> usize {
        self.summary.duplicates
    }

    #[getter]
    fn jobs_spooled(&self) -> usize {
        self.summary.jobs_spooled
    }

    #[getter]
    fn conditions_skipped(&self) -> usize {
        self.summary.conditions_skipped
    }

    #[getter]
    fn queueing_errors(&self) -> usize {
        self.summary.queueing_errors
    }

    #[getter]
    fn job_ids<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.summary
            .job_ids
            .iter()
            .map(|id| uuid_to_py(py, *id))
            .collect()
    }

    #[getter]
    fn errors(&self) -> Vec<String> {
        self.summary.errors.clone()
    }

    /// Whether every job of every rule that matched is stored, and every condition was answered.
    #[getter]
    fn is_success(&self) -> bool {
        self.summary.queueing_errors == 0 && self.summary.conditions_skipped == 0
    }

    /// The exception that says why a job was not stored, or nothing.
    fn failure(&self, py: Python<'_>) -> Option<PyErr> {
        match &self.summary.refused {
            Some(error) => Some(error.clone().into()),
            None => self
                .summary
                .failure
                .as_ref()
                .map(|error| queue_exception(py, error)),
        }
    }

    fn __repr__(&self) -> String {
        format!(
            "ProcessSummary(jobs_queued={}, duplicates={}, conditions_skipped={}, queueing_errors={})",
            self.summary.jobs_queued,
            self.summary.duplicates,
            self.summary.conditions_skipped,
            self.summary.queueing_errors
        )
    }
}
