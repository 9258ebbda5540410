//! `Feed`: the Python face of the feed, for the worker's event loop.
//!
//! The core's threads never touch the interpreter: news is left in the feed, and one byte on a socket pair wakes the loop,
//! once for however much there is.

use std::collections::HashSet;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::bridge;
use super::convert::{self, uuid_to_py};
use super::event::EntityEvent;
use super::queue::{PyEngine, engine_of};
use crate::doorbell::Doorbell;
use crate::event::{DEFAULT_MAX_BYTES, Event};
use crate::feed::{Feed, FeedOptions, LeasedJob, Report};
use crate::metrics::{AttemptFailure, COUNTERS};
use crate::policy::AttemptFailed;
use crate::queue::Source;

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "Feed", module = "fraiseql_observers._core")]
pub struct PyFeed {
    engine: PyEngine,
    options: FeedOptions,
    running: Mutex<Option<Running>>,
}

/// A feed that has been started, and the loop that it wakes.
struct Running {
    feed: Arc<Feed>,
    doorbell: Arc<Doorbell>,
    event_loop: Py<PyAny>,
}

impl PyFeed {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn feed(&self) -> PyResult<Arc<Feed>> {
        self.running()
            .as_ref()
            .map(|running| Arc::clone(&running.feed))
            .ok_or_else(|| PyRuntimeError::new_err("the feed is not started"))
    }
}

#[pymethods]
impl PyFeed {
    #[new]
    #[pyo3(signature = (queue, *, queues, slots, lease_duration_secs, job_timeout_secs, shutdown_timeout_secs, poll_interval_ms,
                        max_age_secs, known_actions, worker, info, suspects = false, durability = "auto"))]
    #[expect(
        clippy::too_many_arguments,
        clippy::needless_pass_by_value,
        reason = "keyword arguments, each a setting of the worker"
    )]
    fn new(
        queue: &Bound<'_, PyAny>,
        queues: Vec<String>,
        slots: usize,
        lease_duration_secs: u64,
        job_timeout_secs: u64,
        shutdown_timeout_secs: u64,
        poll_interval_ms: u64,
        max_age_secs: u64,
        known_actions: HashSet<String>,
        worker: String,
        info: String,
        suspects: bool,
        durability: &str,
    ) -> PyResult<Self> {
        if slots == 0 || queues.is_empty() {
            return Err(PyValueError::new_err("a feed needs a slot and a queue"));
        }
        let engine = engine_of(queue)?;
        let lanes = queues
            .iter()
            .flat_map(|queue| engine.lanes(queue))
            .collect();
        let options = FeedOptions {
            lanes,
            slots,
            lease_duration: Duration::from_secs(lease_duration_secs),
            job_timeout: Duration::from_secs(job_timeout_secs),
            shutdown_timeout: Duration::from_secs(shutdown_timeout_secs),
            poll_interval: Duration::from_millis(poll_interval_ms),
            max_age: Duration::from_secs(max_age_secs),
            known_actions,
            info,
            worker,
            source: if suspects {
                Source::Suspects
            } else {
                Source::Pending
            },
            durability: convert::durability(durability)?,
        };
        Ok(Self {
            engine,
            options,
            running: Mutex::new(None),
        })
    }

    /// Starts leasing; `on_wake` is called on the running loop when there is news.
    fn start(slf: &Bound<'_, Self>, on_wake: Py<PyAny>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        // Python code runs below, and may let another thread use this feed: the lock is not held meanwhile.
        if this.running().is_some() {
            return Err(PyRuntimeError::new_err("the feed is started already"));
        }
        let event_loop = py.import("asyncio")?.call_method0("get_running_loop")?;
        let runtime = bridge::runtime_handle(py)?;
        let doorbell = Arc::new(Doorbell::new()?);
        let wake = Bound::new(
            py,
            Wake {
                doorbell: Arc::clone(&doorbell),
                on_wake,
            },
        )?;
        event_loop.call_method1("add_reader", (doorbell.as_raw_fd(), wake))?;
        let tell = Arc::clone(&doorbell);
        let feed = Feed::start(
            this.engine.engine(py)?,
            this.options.clone(),
            &runtime,
            Box::new(move || tell.ring()),
        );
        *this.running() = Some(Running {
            feed: Arc::new(feed),
            doorbell,
            event_loop: event_loop.unbind(),
        });
        Ok(())
    }

    /// Takes all news: jobs to run, jobs to stop with the reason, notices.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let news = self.feed()?.take();
        let jobs = PyList::empty(py);
        for job in news.jobs {
            jobs.append(PyLeasedJob::from(job))?;
        }
        let cancelled = PyList::empty(py);
        for (job, cause) in news.cancelled {
            cancelled.append((PyLeasedJob::from(job), cause.as_str()))?;
        }
        (jobs, cancelled, news.notices).into_pyobject(py)
    }

    #[pyo3(signature = (job, *, threaded = false, keep = true))]
    fn begin(&self, job: &PyLeasedJob, threaded: bool, keep: bool) -> PyResult<bool> {
        Ok(self.feed()?.begin(&job.job, threaded, keep))
    }

    #[pyo3(signature = (job, *, status_code = None))]
    fn succeed(&self, job: &PyLeasedJob, status_code: Option<u16>) -> PyResult<()> {
        self.feed()?
            .report(&job.job, Report::Succeeded { status_code });
        Ok(())
    }

    #[pyo3(signature = (job, *, permanent, error, status_code = None, retry_after_ms = None, keep = true))]
    fn fail(
        &self,
        job: &PyLeasedJob,
        permanent: bool,
        error: String,
        status_code: Option<u16>,
        retry_after_ms: Option<u64>,
        keep: bool,
    ) -> PyResult<()> {
        let kind = if permanent {
            AttemptFailure::Permanent
        } else {
            AttemptFailure::Transient
        };
        let mut failed = AttemptFailed::new(kind, error);
        failed.status_code = status_code;
        failed.retry_after = retry_after_ms.map(Duration::from_millis);
        failed.keep = keep;
        self.feed()?.report(&job.job, Report::Failed(failed));
        Ok(())
    }

    fn park(&self, job: &PyLeasedJob, reason: String) -> PyResult<()> {
        self.feed()?.report(&job.job, Report::Parked(reason));
        Ok(())
    }

    fn release(&self, job: &PyLeasedJob) -> PyResult<()> {
        self.feed()?.report(&job.job, Report::Released);
        Ok(())
    }

    /// Names the rules that the worker knows, as (observer, action index).
    fn set_rules(&self, rules: HashSet<(String, u32)>) -> PyResult<()> {
        self.feed()?.set_rules(rules);
        Ok(())
    }

    fn stop_leasing(&self) -> PyResult<()> {
        self.feed()?.stop_leasing();
        Ok(())
    }

    /// Resolves when no slot is taken and every outcome is written.
    fn drained<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let drained = self.feed()?.drained();
        bridge::future_into_py(py, drained, |py, ()| Ok(py.None()))
    }

    /// Gives back what has not ended, writes outcomes, leaves; resolves to (released, unwritten).
    #[pyo3(signature = (*, timeout_ms))]
    fn close<'py>(&self, py: Python<'py>, timeout_ms: u64) -> PyResult<Bound<'py, PyAny>> {
        let closing = self.feed()?.close(Duration::from_millis(timeout_ms));
        bridge::future_into_py(py, closing, |py, report| {
            Ok((report.released, report.unwritten)
                .into_pyobject(py)?
                .into_any()
                .unbind())
        })
    }

    /// Takes the feed off its loop; after `close`, before the loop ends.
    fn detach(&self, py: Python<'_>) -> PyResult<()> {
        let started = self.running().as_ref().map(|running| {
            (
                running.event_loop.clone_ref(py),
                running.doorbell.as_raw_fd(),
            )
        });
        if let Some((event_loop, descriptor)) = started {
            event_loop
                .bind(py)
                .call_method1("remove_reader", (descriptor,))?;
        }
        Ok(())
    }

    #[getter]
    fn slots_taken(&self) -> PyResult<usize> {
        Ok(self.feed()?.slots_taken())
    }

    /// Whether the queue answered when it was last asked.
    #[getter]
    fn healthy(&self) -> PyResult<bool> {
        Ok(self.feed()?.healthy())
    }

    /// Whether the server keeps less than it must, or than it did at the start.
    #[getter]
    fn server_unfit(&self) -> PyResult<bool> {
        Ok(self.feed()?.server_unfit())
    }

    /// Milliseconds since the oldest lease was renewed; nothing before the first.
    #[getter]
    fn lease_age_ms(&self) -> PyResult<Option<u64>> {
        let age = self.feed()?.lease_age();
        Ok(age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// What the loop calls when the byte has arrived.
#[pyclass(frozen)]
struct Wake {
    doorbell: Arc<Doorbell>,
    on_wake: Py<PyAny>,
}

#[pymethods]
impl Wake {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.doorbell.answer();
        self.on_wake.call0(py).map(drop)
    }
}

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "LeasedJob", module = "fraiseql_observers._core")]
pub struct PyLeasedJob {
    job: Arc<LeasedJob>,
    event: PyOnceLock<Py<EntityEvent>>,
}

impl From<Arc<LeasedJob>> for PyLeasedJob {
    fn from(job: Arc<LeasedJob>) -> Self {
        Self {
            job,
            event: PyOnceLock::new(),
        }
    }
}

#[pymethods]
impl PyLeasedJob {
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid_to_py(py, self.job.job.id)
    }

    /// The same for every Python object of this lease, and for no other lease.
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let mut key = [0; 25];
        key[..17].copy_from_slice(self.job.token.member.as_bytes());
        key[17..].copy_from_slice(&self.job.token.call.to_be_bytes());
        PyBytes::new(py, &key)
    }

    #[getter]
    fn observer(&self) -> Option<&str> {
        self.job.job.observer.as_deref()
    }

    #[getter]
    fn action_index(&self) -> u32 {
        self.job.job.action_index
    }

    #[getter]
    fn action_type(&self) -> &str {
        &self.job.job.action_type
    }

    /// The action as JSON: its type alone where the observer's configuration holds the rest.
    #[getter]
    fn action<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.job.job.action)
    }

    #[getter]
    fn attempt(&self) -> u32 {
        self.job.attempt
    }

    #[getter]
    fn max_attempts(&self) -> u32 {
        self.job.job.retry.max_attempts
    }

    #[getter]
    fn queue(&self) -> &str {
        &self.job.job.queue
    }

    #[getter]
    fn priority(&self) -> &'static str {
        self.job.job.priority.as_str()
    }

    #[getter]
    fn traceparent(&self) -> Option<&str> {
        self.job.job.traceparent.as_deref()
    }

    /// The event, read when it is first asked for.
    #[getter]
    fn event(&self, py: Python<'_>) -> PyResult<Py<EntityEvent>> {
        let event = self.event.get_or_try_init(py, || {
            let event = Event::from_json(
                &self.job.job.event,
                DEFAULT_MAX_BYTES.max(self.job.job.event.len()),
            )?;
            Py::new(py, EntityEvent::from(Arc::new(event)))
        })?;
        Ok(event.clone_ref(py))
    }

    /// The event's bytes as they were stored.
    #[getter]
    fn event_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.job.job.event)
    }

    fn __repr__(&self) -> String {
        format!(
            "LeasedJob({}, {}, attempt {})",
            self.job.job.id, self.job.job.action_type, self.job.attempt
        )
    }
}

/// Everything that the core of this process has counted, as one JSON object.
#[pyfunction]
pub fn counters_snapshot(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &COUNTERS.snapshot())
}
