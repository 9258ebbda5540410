//! `Queue`: storing jobs and looking after them, over queues and shards. What `RedisQueue` and `MemoryQueue` share.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::calls::{
    SubjectFromPy, facts_to_py, forgotten_to_py, id_from_py, letters_to_py, mark_from_py,
    state_from_py, state_to_py, stats_to_py, subject_from_py, to_py, view_to_py, views_from_py,
    views_to_py,
};
use super::enqueueing::enqueueing;
use super::job::{PyJob, check_queue_name};
use super::lane::{PyBlockingLane, PyLane};
use super::queue::PyEngine;
use super::view::PyJobView;
use super::waiting::{Answer, awaited, blocking};
use crate::queue::facts::ServerFacts;
use crate::queue::overview::Overview;
use crate::queue::{Lane, Stats};

/// See `_core.pyi` for what users read.
#[pyclass(frozen, subclass, name = "Queue", module = "fraiseql_observers._core")]
pub struct PyQueue {
    engine: PyEngine,
}

impl PyQueue {
    /// The face of a queue.
    pub const fn new(engine: PyEngine) -> Self {
        Self { engine }
    }

    /// The queue behind it.
    pub const fn engine(&self) -> &PyEngine {
        &self.engine
    }

    fn overview(&self, py: Python<'_>, queues: Vec<String>) -> PyResult<Overview> {
        for queue in &queues {
            check_queue_name(queue)?;
        }
        Ok(Overview {
            engine: self.engine.engine(py)?,
            queues,
            shards: self.engine.shards(),
        })
    }

    fn lane(&self, queue: &str, shard: u16) -> PyResult<Lane> {
        check_queue_name(queue)?;
        if shard >= self.engine.shards() {
            let shards = self.engine.shards();
            return Err(PyValueError::new_err(format!(
                "shard: {shard} is not below {shards}"
            )));
        }
        Ok(Lane {
            queue: queue.to_owned(),
            shard,
        })
    }

    fn opening(
        &self,
        py: Python<'_>,
        queue: &str,
    ) -> PyResult<impl Answer<Option<Arc<ServerFacts>>>> {
        check_queue_name(queue)?;
        let (engine, queue) = (self.engine.engine(py)?, queue.to_owned());
        Ok(async move { engine.open_queue(&queue).await })
    }

    fn counting(&self, py: Python<'_>, queue: &str) -> PyResult<impl Answer<Vec<Stats>>> {
        check_queue_name(queue)?;
        let (engine, lanes) = (self.engine.engine(py)?, self.engine.lanes(queue));
        Ok(async move {
            let mut all = Vec::with_capacity(lanes.len());
            for lane in &lanes {
                all.push(engine.stats(lane).await?);
            }
            Ok(all)
        })
    }
}

#[pymethods]
impl PyQueue {
    #[pyo3(signature = (queue = "default"))]
    fn open<'py>(&self, py: Python<'py>, queue: &str) -> PyResult<Bound<'py, PyAny>> {
        awaited(py, self.opening(py, queue)?, facts_to_py, drop)
    }

    #[pyo3(signature = (queue = "default"))]
    fn open_blocking<'py>(&self, py: Python<'py>, queue: &str) -> PyResult<Bound<'py, PyAny>> {
        blocking(py, self.opening(py, queue)?, facts_to_py, drop)
    }

    fn stats<'py>(&self, py: Python<'py>, queue: &str) -> PyResult<Bound<'py, PyAny>> {
        awaited(py, self.counting(py, queue)?, stats_to_py, drop)
    }

    fn stats_blocking<'py>(&self, py: Python<'py>, queue: &str) -> PyResult<Bound<'py, PyAny>> {
        blocking(py, self.counting(py, queue)?, stats_to_py, drop)
    }

    #[pyo3(signature = (jobs, *, enqueue_timeout_secs, durability = "auto"))]
    fn enqueue<'py>(
        &self,
        py: Python<'py>,
        jobs: Vec<Bound<'py, PyJob>>,
        enqueue_timeout_secs: u64,
        durability: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        awaited(
            py,
            enqueueing(&self.engine, py, jobs, durability, enqueue_timeout_secs)?,
            to_py,
            drop,
        )
    }

    #[pyo3(signature = (jobs, *, enqueue_timeout_secs, durability = "auto"))]
    fn enqueue_blocking<'py>(
        &self,
        py: Python<'py>,
        jobs: Vec<Bound<'py, PyJob>>,
        enqueue_timeout_secs: u64,
        durability: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        blocking(
            py,
            enqueueing(&self.engine, py, jobs, durability, enqueue_timeout_secs)?,
            to_py,
            drop,
        )
    }

    fn find<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
        queues: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, id) = (self.overview(py, queues)?, id_from_py(id)?);
        awaited(py, async move { overview.find(id).await }, view_to_py, drop)
    }

    fn find_blocking<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
        queues: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, id) = (self.overview(py, queues)?, id_from_py(id)?);
        blocking(py, async move { overview.find(id).await }, view_to_py, drop)
    }

    fn state<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
        queues: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, id) = (self.overview(py, queues)?, id_from_py(id)?);
        awaited(
            py,
            async move { overview.state(id).await },
            state_to_py,
            drop,
        )
    }

    fn state_blocking<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
        queues: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, id) = (self.overview(py, queues)?, id_from_py(id)?);
        blocking(
            py,
            async move { overview.state(id).await },
            state_to_py,
            drop,
        )
    }

    fn cancel<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
        queues: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, id) = (self.overview(py, queues)?, id_from_py(id)?);
        awaited(
            py,
            async move { overview.cancel(id).await },
            state_to_py,
            drop,
        )
    }

    fn cancel_blocking<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
        queues: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, id) = (self.overview(py, queues)?, id_from_py(id)?);
        blocking(
            py,
            async move { overview.cancel(id).await },
            state_to_py,
            drop,
        )
    }

    #[pyo3(signature = (state, queues, *, offset, limit))]
    fn list_jobs<'py>(
        &self,
        py: Python<'py>,
        state: &str,
        queues: Vec<String>,
        offset: usize,
        limit: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, state) = (self.overview(py, queues)?, state_from_py(state)?);
        awaited(
            py,
            async move { overview.list(state, offset, limit).await },
            views_to_py,
            drop,
        )
    }

    #[pyo3(signature = (state, queues, *, offset, limit))]
    fn list_jobs_blocking<'py>(
        &self,
        py: Python<'py>,
        state: &str,
        queues: Vec<String>,
        offset: usize,
        limit: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, state) = (self.overview(py, queues)?, state_from_py(state)?);
        blocking(
            py,
            async move { overview.list(state, offset, limit).await },
            views_to_py,
            drop,
        )
    }

    fn dead_count<'py>(&self, py: Python<'py>, queues: Vec<String>) -> PyResult<Bound<'py, PyAny>> {
        let overview = self.overview(py, queues)?;
        awaited(py, async move { overview.dead_count().await }, to_py, drop)
    }

    fn dead_count_blocking<'py>(
        &self,
        py: Python<'py>,
        queues: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let overview = self.overview(py, queues)?;
        blocking(py, async move { overview.dead_count().await }, to_py, drop)
    }

    #[pyo3(signature = (queues, *, after = None, limit))]
    fn dead_letters<'py>(
        &self,
        py: Python<'py>,
        queues: Vec<String>,
        after: Option<(i64, Vec<u8>)>,
        limit: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, after) = (self.overview(py, queues)?, mark_from_py(after));
        awaited(
            py,
            async move { overview.letters(after, limit).await },
            letters_to_py,
            drop,
        )
    }

    #[pyo3(signature = (queues, *, after = None, limit))]
    fn dead_letters_blocking<'py>(
        &self,
        py: Python<'py>,
        queues: Vec<String>,
        after: Option<(i64, Vec<u8>)>,
        limit: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, after) = (self.overview(py, queues)?, mark_from_py(after));
        blocking(
            py,
            async move { overview.letters(after, limit).await },
            letters_to_py,
            drop,
        )
    }

    fn replay<'py>(
        &self,
        py: Python<'py>,
        letters: Vec<Bound<'py, PyJobView>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, letters) = (self.overview(py, Vec::new())?, views_from_py(letters));
        awaited(
            py,
            async move { overview.replay(&letters).await },
            to_py,
            drop,
        )
    }

    fn replay_blocking<'py>(
        &self,
        py: Python<'py>,
        letters: Vec<Bound<'py, PyJobView>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, letters) = (self.overview(py, Vec::new())?, views_from_py(letters));
        blocking(
            py,
            async move { overview.replay(&letters).await },
            to_py,
            drop,
        )
    }

    fn remove<'py>(
        &self,
        py: Python<'py>,
        letters: Vec<Bound<'py, PyJobView>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, letters) = (self.overview(py, Vec::new())?, views_from_py(letters));
        awaited(
            py,
            async move { overview.remove(&letters).await },
            to_py,
            drop,
        )
    }

    fn remove_blocking<'py>(
        &self,
        py: Python<'py>,
        letters: Vec<Bound<'py, PyJobView>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, letters) = (self.overview(py, Vec::new())?, views_from_py(letters));
        blocking(
            py,
            async move { overview.remove(&letters).await },
            to_py,
            drop,
        )
    }

    #[pyo3(signature = (queue, shard, subject, *, look_only, mark = None))]
    fn forget<'py>(
        &self,
        py: Python<'py>,
        queue: &str,
        shard: u16,
        subject: SubjectFromPy,
        look_only: bool,
        mark: Option<Vec<u8>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, lane) = (self.overview(py, Vec::new())?, self.lane(queue, shard)?);
        let subject = subject_from_py(subject)?;
        let forget = async move {
            overview
                .forget(&lane, &subject, look_only, mark.as_deref())
                .await
        };
        awaited(py, forget, forgotten_to_py, drop)
    }

    #[pyo3(signature = (queue, shard, jobs, *, look_only))]
    fn forget_records<'py>(
        &self,
        py: Python<'py>,
        queue: &str,
        shard: u16,
        jobs: Vec<Bound<'py, PyAny>>,
        look_only: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, lane) = (self.overview(py, Vec::new())?, self.lane(queue, shard)?);
        let jobs = jobs
            .into_iter()
            .map(|id| id_from_py(&id))
            .collect::<PyResult<_>>()?;
        let forget = async move { overview.forget_records(&lane, &jobs, look_only).await };
        awaited(py, forget, to_py, drop)
    }

    #[pyo3(signature = (queue, shard, subject, *, look_only, mark = None))]
    fn forget_blocking<'py>(
        &self,
        py: Python<'py>,
        queue: &str,
        shard: u16,
        subject: SubjectFromPy,
        look_only: bool,
        mark: Option<Vec<u8>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, lane) = (self.overview(py, Vec::new())?, self.lane(queue, shard)?);
        let subject = subject_from_py(subject)?;
        let forget = async move {
            overview
                .forget(&lane, &subject, look_only, mark.as_deref())
                .await
        };
        blocking(py, forget, forgotten_to_py, drop)
    }

    #[pyo3(signature = (queue, shard, jobs, *, look_only))]
    fn forget_records_blocking<'py>(
        &self,
        py: Python<'py>,
        queue: &str,
        shard: u16,
        jobs: Vec<Bound<'py, PyAny>>,
        look_only: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (overview, lane) = (self.overview(py, Vec::new())?, self.lane(queue, shard)?);
        let jobs = jobs
            .into_iter()
            .map(|id| id_from_py(&id))
            .collect::<PyResult<_>>()?;
        let forget = async move { overview.forget_records(&lane, &jobs, look_only).await };
        blocking(py, forget, to_py, drop)
    }

    /// The steps of one lane, awaited.
    #[pyo3(name = "lane", signature = (queue, shard = 0))]
    fn awaited_lane(&self, queue: &str, shard: u16) -> PyResult<PyLane> {
        Ok(PyLane::new(self.engine.clone(), self.lane(queue, shard)?))
    }

    /// The steps of one lane, for callers that wait.
    #[pyo3(signature = (queue, shard = 0))]
    fn lane_blocking(&self, queue: &str, shard: u16) -> PyResult<PyBlockingLane> {
        Ok(PyBlockingLane::new(
            self.engine.clone(),
            self.lane(queue, shard)?,
        ))
    }

    #[getter]
    fn shards(&self) -> u16 {
        self.engine.shards()
    }
}
