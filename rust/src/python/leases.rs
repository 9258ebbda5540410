//! `Turn`, `Lease` and `Found`: what steps of a lane hand out, as Python sees it.

use std::time::Duration;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::job::{Decoded, Job};
use crate::metrics::AttemptFailure;
use crate::policy::{self, AttemptFailed, Ran};
use crate::queue::record::History;
use crate::queue::{Found, Lease, Place, Standing, Token, Turn, Verdict};

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "Turn", module = "fraiseql_observers._core")]
pub struct PyTurn(pub Turn);

#[pymethods]
impl PyTurn {
    #[getter]
    fn standing(&self) -> &'static str {
        match self.0.standing {
            Standing::Alive => "alive",
            Standing::Expired => "expired",
            Standing::Lost => "lost",
        }
    }

    #[getter]
    fn now_ms(&self) -> i64 {
        self.0.now_ms
    }

    #[getter]
    fn next_due_ms(&self) -> Option<i64> {
        self.0.next_due_ms
    }

    #[getter]
    fn waiting(&self) -> u64 {
        self.0.waiting
    }

    #[getter]
    fn suspects(&self) -> u64 {
        self.0.suspects
    }

    #[getter]
    fn lost(&self) -> Vec<&str> {
        self.0
            .lost
            .iter()
            .map(crate::queue::Incarnation::as_str)
            .collect()
    }

    #[getter]
    fn leases(&self) -> Vec<PyLease> {
        self.0.leases.iter().cloned().map(PyLease).collect()
    }
}

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "Lease", module = "fraiseql_observers._core")]
pub struct PyLease(Lease);

#[pymethods]
impl PyLease {
    #[getter]
    fn member<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.member.as_bytes())
    }

    #[getter]
    fn call(&self) -> u64 {
        self.0.call
    }

    #[getter]
    fn bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.bytes)
    }

    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        bytes_to_py(py, self.0.history.as_ref())
    }

    /// Number of this attempt; the first is 1.
    #[getter]
    fn attempt(&self) -> u32 {
        self.past().next_attempt()
    }

    /// The ack of an attempt that succeeded.
    #[pyo3(signature = (*, started_at_ms, duration_ms, worker, status_code = None))]
    fn succeeded<'py>(
        &self,
        py: Python<'py>,
        started_at_ms: i64,
        duration_ms: u64,
        worker: String,
        status_code: Option<u16>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let ran = ran(started_at_ms, duration_ms, worker);
        let record = policy::succeeded(&self.job()?, &self.past(), &ran, status_code);
        let member = PyBytes::new(py, self.0.member.as_bytes());
        (member, self.0.call, PyBytes::new(py, &record)).into_bound_py_any(py)
    }

    /// The nack of an attempt that failed, by the job's own policy.
    #[pyo3(signature = (*, started_at_ms, duration_ms, worker, error, permanent = false, status_code = None,
                        retry_after_ms = None, keep = true))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments, each a column of the attempt"
    )]
    fn failed<'py>(
        &self,
        py: Python<'py>,
        started_at_ms: i64,
        duration_ms: u64,
        worker: String,
        error: String,
        permanent: bool,
        status_code: Option<u16>,
        retry_after_ms: Option<u64>,
        keep: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let kind = if permanent {
            AttemptFailure::Permanent
        } else {
            AttemptFailure::Transient
        };
        let mut failed = AttemptFailed::new(kind, error);
        failed.status_code = status_code;
        failed.retry_after = retry_after_ms.map(Duration::from_millis);
        failed.keep = keep;
        let token = Token {
            member: self.0.member,
            call: self.0.call,
        };
        let ran = ran(started_at_ms, duration_ms, worker);
        let mut random = fastrand::Rng::new();
        let (nack, _) = policy::failed(
            &self.job()?,
            &self.past(),
            token,
            &ran,
            &failed,
            &mut random,
        );
        let verdict = match nack.verdict {
            Verdict::Retry(delay_ms) => ("retry", i64::try_from(delay_ms).unwrap_or(i64::MAX)),
            Verdict::Dead => ("dead", 0),
            Verdict::Log => ("log", 0),
            Verdict::Park(until_ms) => ("park", until_ms),
        };
        (
            PyBytes::new(py, nack.token.member.as_bytes()),
            nack.token.call,
            verdict,
            PyBytes::new(py, &nack.history),
            PyBytes::new(py, &nack.failure),
            PyBytes::new(py, &nack.record),
        )
            .into_bound_py_any(py)
    }
}

impl PyLease {
    fn past(&self) -> History {
        History::unpack(self.0.history.as_deref()).0
    }

    fn job(&self) -> PyResult<Job> {
        match Job::decode_stored(&self.0.bytes, self.0.member.id()) {
            Decoded::Job(job) => Ok(*job),
            Decoded::Newer(why) | Decoded::Corrupt(why) => Err(PyValueError::new_err(why)),
        }
    }
}

fn ran(started_at_ms: i64, duration_ms: u64, worker: String) -> Ran {
    Ran {
        started_at_ms,
        took: Duration::from_millis(duration_ms),
        worker,
    }
}

/// See `_core.pyi` for what users read.
#[pyclass(frozen, name = "Found", module = "fraiseql_observers._core")]
pub struct PyFound(pub Found);

#[pymethods]
impl PyFound {
    #[getter]
    fn place(&self) -> &'static str {
        use crate::queue::Ending;
        match self.0.place {
            Place::Pending => "pending",
            Place::Scheduled(_) => "scheduled",
            Place::Parked(_) => "parked",
            Place::Running(_) => "running",
            Place::Dead(_) => "dead",
            Place::Completed => "completed",
            Place::Ended(Ending::Cancelled) => "cancelled",
            Place::Ended(Ending::Removed) => "removed",
            Place::Ended(Ending::Trimmed) => "trimmed",
            Place::Ended(Ending::Logged) => "logged",
            Place::Missing => "missing",
        }
    }

    #[getter]
    fn time_ms(&self) -> Option<i64> {
        match self.0.place {
            Place::Scheduled(at_ms) | Place::Parked(at_ms) | Place::Dead(at_ms) => Some(at_ms),
            _ => None,
        }
    }

    #[getter]
    fn holder(&self) -> Option<&str> {
        match &self.0.place {
            Place::Running(incarnation) => Some(incarnation.as_str()),
            _ => None,
        }
    }

    #[getter]
    fn member<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let member = self.0.member.as_ref()?;
        Some(PyBytes::new(py, member.as_bytes()))
    }

    #[getter]
    fn bytes<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        bytes_to_py(py, self.0.bytes.as_ref())
    }

    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        bytes_to_py(py, self.0.history.as_ref())
    }

    #[getter]
    fn failure<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        bytes_to_py(py, self.0.failure.as_ref())
    }

    #[getter]
    fn crashes(&self) -> u32 {
        self.0.crashes
    }
}

fn bytes_to_py<'py>(py: Python<'py>, bytes: Option<&bytes::Bytes>) -> Option<Bound<'py, PyBytes>> {
    bytes.map(|bytes| PyBytes::new(py, bytes))
}
