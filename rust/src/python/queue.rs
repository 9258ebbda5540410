//! `RedisQueue` and `MemoryQueue`: how the two are made, and the parts of them that each process has for itself.

use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::bridge;
use super::errors::{exception, queue_exception};
use super::jobs::PyQueue;
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::queue::gather::Gather;
use crate::queue::intake::Intake;
use crate::queue::spool::{Spool, SpoolSettings};
use crate::queue::{Access, Engine, Lane, LaneOptions, MemoryQueue, QueueError, TlsFiles};

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "QueueOptions", module = "fraiseql_observers._core")]
#[derive(Clone)]
pub struct PyQueueOptions {
    key_prefix: String,
    shards: u16,
    lane: LaneOptions,
    spool: Option<SpoolSettings>,
}

#[pymethods]
impl PyQueueOptions {
    #[new]
    #[pyo3(signature = (*, key_prefix, shards, batch_size, max_pending, dedupe_window_secs, completed_retention_secs,
                        completed_retention_max, dead_letter_max, max_crashes, lease_duration_secs, spool_dir = None,
                        spool_max_bytes = 0, spool_for = None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments, each a setting"
    )]
    fn new(
        key_prefix: String,
        shards: u16,
        batch_size: usize,
        max_pending: u64,
        dedupe_window_secs: u32,
        completed_retention_secs: u32,
        completed_retention_max: u64,
        dead_letter_max: u64,
        max_crashes: u32,
        lease_duration_secs: u32,
        spool_dir: Option<PathBuf>,
        spool_max_bytes: u64,
        spool_for: Option<String>,
    ) -> PyResult<Self> {
        if shards == 0 || batch_size == 0 || batch_size > 1000 {
            return Err(PyValueError::new_err(
                "shards: at least 1; batch_size: 1 to 1000",
            ));
        }
        Ok(Self {
            spool: spool_dir.map(|directory| SpoolSettings {
                directory,
                max_bytes: spool_max_bytes,
                key_prefix: key_prefix.clone(),
                server: spool_for.unwrap_or_default(),
            }),
            key_prefix,
            shards,
            lane: LaneOptions {
                shards,
                max_pending,
                dedupe_window_ms: u64::from(dedupe_window_secs) * 1000,
                completed_retention_max,
                completed_retention_ms: u64::from(completed_retention_secs) * 1000,
                dead_letter_max,
                max_crashes,
                batch_size,
                lease_duration_ms: u64::from(lease_duration_secs) * 1000,
            },
        })
    }
}

/// The queue's parts in one process. A fork gets parts of its own: the parent's connections are not ours to use, and its
/// threads are not here.
struct Parts {
    pid: u32,
    engine: Arc<Engine>,
    intake: Option<Arc<Intake>>,
}

/// What makes an engine, once per process.
type Make = dyn Fn() -> Result<Engine, QueueError> + Send + Sync;

/// A queue, for everything in the core that uses one.
///
/// The parts are only looked up with the interpreter attached, so that no other thread holds the lock while a thread
/// forks.
#[derive(Clone)]
pub struct PyEngine {
    make: Arc<Make>,
    parts: Arc<Mutex<Parts>>,
    shards: u16,
    spool: Option<SpoolSettings>,
}

impl PyEngine {
    fn new(
        shards: u16,
        spool: Option<SpoolSettings>,
        make: impl Fn() -> Result<Engine, QueueError> + Send + Sync + 'static,
    ) -> Result<Self, QueueError> {
        let engine = Arc::new(make()?);
        let parts = Parts {
            pid: process::id(),
            engine,
            intake: None,
        };
        Ok(Self {
            make: Arc::new(make),
            parts: Arc::new(Mutex::new(parts)),
            shards,
            spool,
        })
    }

    fn with_parts<T>(
        &self,
        py: Python<'_>,
        use_parts: impl FnOnce(&mut Parts) -> T,
    ) -> PyResult<T> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.pid != process::id() {
            let engine = Arc::new((self.make)().map_err(|error| queue_exception(py, &error))?);
            let fresh = Parts {
                pid: process::id(),
                engine,
                intake: None,
            };
            if let Some(intake) = &parts.intake {
                intake.abandon();
            }
            // Never dropped: that would take the parent's sockets off the event queue that both processes share.
            std::mem::forget(std::mem::replace(&mut *parts, fresh));
        }
        Ok(use_parts(&mut parts))
    }

    /// The engine of this process.
    pub fn engine(&self, py: Python<'_>) -> PyResult<Arc<Engine>> {
        self.with_parts(py, |parts| Arc::clone(&parts.engine))
    }

    /// What takes the enqueues of this process.
    ///
    /// # Errors
    ///
    /// `ConfigError` where the spool cannot be used; as [`bridge::runtime_handle`].
    pub fn intake(&self, py: Python<'_>) -> PyResult<Arc<Intake>> {
        let runtime = bridge::runtime_handle(py)?;
        let made = self.with_parts(py, |parts| {
            if let Some(intake) = &parts.intake {
                return Ok(Arc::clone(intake));
            }
            let spool = match &self.spool {
                Some(spool) => Some(Arc::new(Spool::open(spool, &runtime)?)),
                None => None,
            };
            let gather = Gather::start(Arc::clone(&parts.engine), &runtime);
            let intake = Arc::new(Intake::start(gather, spool, &runtime));
            parts.intake = Some(Arc::clone(&intake));
            Ok(intake)
        })?;
        made.map_err(|error: std::io::Error| {
            let text = format!("storage.spool_dir cannot be used: {error}");
            exception(py, "ConfigError", (text,))
        })
    }

    /// Opens the spool, where there is one, so that what other processes have left there is not left until the next job.
    ///
    /// # Errors
    ///
    /// As of [`PyEngine::intake`].
    pub fn start_spool(&self, py: Python<'_>) -> PyResult<()> {
        match self.spool {
            Some(_) => self.intake(py).map(drop),
            None => Ok(()),
        }
    }

    /// Takes away what takes the enqueues, for [`Intake::close`]; the next enqueue makes it anew.
    ///
    /// # Errors
    ///
    /// As of [`PyEngine::engine`].
    fn take_intake(&self, py: Python<'_>) -> PyResult<Option<Arc<Intake>>> {
        self.with_parts(py, |parts| parts.intake.take())
    }

    /// How many shards each queue has.
    pub const fn shards(&self) -> u16 {
        self.shards
    }

    /// All lanes of a queue.
    pub fn lanes(&self, queue: &str) -> Vec<Lane> {
        (0..self.shards)
            .map(|shard| Lane {
                queue: queue.to_owned(),
                shard,
            })
            .collect()
    }
}

/// The queue that an argument is.
///
/// # Errors
///
/// `TypeError` where it is none of the two.
pub fn engine_of(queue: &Bound<'_, PyAny>) -> PyResult<PyEngine> {
    if let Ok(queue) = queue.cast::<PyQueue>() {
        return Ok(queue.get().engine().clone());
    }
    let got = queue.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "expected a RedisQueue or a MemoryQueue, got {got}"
    )))
}

/// See `_core.pyi` for what users read.
#[pyclass(frozen, extends = PyQueue, name = "RedisQueue", module = "fraiseql_observers._core")]
pub struct PyRedisQueue {}

#[pymethods]
impl PyRedisQueue {
    #[new]
    #[pyo3(signature = (url, options, *, manual_clock = false, tls_ca_file = None, tls_cert_file = None,
                        tls_key_file = None, sentinel_username = None, sentinel_password = None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments, each a setting"
    )]
    fn new(
        py: Python<'_>,
        url: String,
        options: &PyQueueOptions,
        manual_clock: bool,
        tls_ca_file: Option<PathBuf>,
        tls_cert_file: Option<PathBuf>,
        tls_key_file: Option<PathBuf>,
        sentinel_username: Option<String>,
        sentinel_password: Option<String>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let PyQueueOptions {
            key_prefix,
            shards,
            lane,
            mut spool,
        } = options.clone();
        if let Some(spool) = &mut spool
            && spool.server.is_empty()
        {
            spool.server.clone_from(&url);
        }
        let access = Access {
            url,
            tls: TlsFiles {
                ca: tls_ca_file,
                identity: match (tls_cert_file, tls_key_file) {
                    (Some(certificate), Some(key)) => Some((certificate, key)),
                    (None, None) => None,
                    _ => {
                        return Err(PyValueError::new_err(
                            "a certificate and its key: both or none",
                        ));
                    }
                },
            },
            sentinel: (sentinel_username, sentinel_password),
        };
        let make = move || Engine::reach(&access, &key_prefix, lane.clone(), manual_clock);
        let engine =
            PyEngine::new(shards, spool, make).map_err(|error| queue_exception(py, &error))?;
        Ok(PyClassInitializer::from(PyQueue::new(engine)).add_subclass(Self {}))
    }

    /// Ends the replay of the spool.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        match engine_of(slf.as_any())?.take_intake(slf.py())? {
            Some(intake) => bridge::block_on(slf.py(), intake.close()),
            None => Ok(()),
        }
    }
}

/// See `_core.pyi` for what users read.
#[pyclass(frozen, extends = PyQueue, name = "MemoryQueue", module = "fraiseql_observers._core")]
pub struct PyMemoryQueue {
    clock: Option<Arc<ManualClock>>,
}

#[pymethods]
impl PyMemoryQueue {
    /// `now_ms` stops the clock at a time that `set_clock` moves.
    #[new]
    #[pyo3(signature = (options, *, now_ms = None))]
    fn new(
        py: Python<'_>,
        options: &PyQueueOptions,
        now_ms: Option<i64>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let clock = now_ms.map(|now_ms| Arc::new(ManualClock::at(now_ms)));
        let (lane, shards) = (options.lane.clone(), options.shards);
        let time: Arc<dyn Clock> = match &clock {
            Some(clock) => Arc::clone(clock) as Arc<dyn Clock>,
            None => Arc::new(SystemClock),
        };
        let make = move || {
            Ok(Engine::Memory(MemoryQueue::new(
                lane.clone(),
                Arc::clone(&time),
            )))
        };
        let engine =
            PyEngine::new(shards, None, make).map_err(|error| queue_exception(py, &error))?;
        Ok(PyClassInitializer::from(PyQueue::new(engine)).add_subclass(Self { clock }))
    }

    /// Moves a stopped clock.
    fn set_clock(&self, now_ms: i64) -> PyResult<()> {
        match &self.clock {
            Some(clock) => {
                clock.set(now_ms);
                Ok(())
            }
            None => Err(PyValueError::new_err("this queue's clock runs by itself")),
        }
    }

    /// Does what a restart of a server does: leases that ran out are held for one lease more.
    fn restart(slf: &Bound<'_, Self>) -> PyResult<()> {
        match &*engine_of(slf.as_any())?.engine(slf.py())? {
            Engine::Memory(queue) => {
                queue.restart();
                Ok(())
            }
            Engine::Redis(_) | Engine::Cluster(_) => {
                Err(PyTypeError::new_err("not a queue in memory"))
            }
        }
    }
}
