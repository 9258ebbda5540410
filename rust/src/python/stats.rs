//! `ServerFacts` and `QueueStats`: what is known of a server and of a lane.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyo3::prelude::*;

use super::convert;
use super::errors::queue_exception;
use crate::queue::Stats;
use crate::queue::facts::ServerFacts;

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "ServerFacts", module = "fraiseql_observers._core")]
pub struct PyServerFacts {
    pub(super) facts: Arc<ServerFacts>,
}

#[pymethods]
impl PyServerFacts {
    #[getter]
    fn product(&self) -> &'static str {
        self.facts.product
    }

    #[getter]
    fn version(&self) -> &str {
        &self.facts.version
    }

    #[getter]
    fn run_id(&self) -> &str {
        &self.facts.run_id
    }

    #[getter]
    fn durability(&self) -> String {
        self.facts.durability.to_string()
    }

    /// Raises where the server cannot give a level.
    fn require(&self, py: Python<'_>, durability: &str) -> PyResult<()> {
        let Some(level) = convert::durability(durability)? else {
            return Ok(());
        };
        match self.facts.proof(level) {
            Ok(_) => Ok(()),
            Err(error) => Err(queue_exception(py, &error)),
        }
    }

    #[getter]
    fn maxmemory_policy(&self) -> &str {
        &self.facts.maxmemory_policy
    }
}

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "QueueStats", module = "fraiseql_observers._core")]
pub struct PyStats {
    pub(super) stats: Stats,
}

#[pymethods]
impl PyStats {
    #[getter]
    fn now_ms(&self) -> i64 {
        self.stats.now_ms
    }

    #[getter]
    fn pending(&self) -> u64 {
        self.stats.pending
    }

    #[getter]
    fn suspects(&self) -> u64 {
        self.stats.suspects
    }

    #[getter]
    fn scheduled(&self) -> u64 {
        self.stats.scheduled
    }

    #[getter]
    fn parked(&self) -> u64 {
        self.stats.parked
    }

    #[getter]
    fn running(&self) -> u64 {
        self.stats.running
    }

    #[getter]
    fn dead(&self) -> u64 {
        self.stats.dead
    }

    #[getter]
    fn counters(&self) -> BTreeMap<String, i64> {
        self.stats.counters.iter().cloned().collect()
    }

    /// Each worker: its incarnation, who it is (JSON), and when its lease runs out in ms.
    #[getter]
    fn workers(&self) -> Vec<(String, String, i64)> {
        self.stats
            .workers
            .iter()
            .map(|(incarnation, info, expiry)| {
                (incarnation.as_str().to_owned(), info.clone(), *expiry)
            })
            .collect()
    }
}
