//! `Lane` and `BlockingLane`: the steps of one lane as they are, for the `JobQueue` protocol and for tests.

use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use super::calls::{MarkFromPy, mark_from_py};
use super::leases::{PyFound, PyTurn};
use super::queue::PyEngine;
use super::stats::PyStats;
use super::steps::{
    self, AckFromPy, JobFromPy, NackFromPy, TokenFromPy, acks, listing, member, members, nacks,
    new_jobs, source, to_py, tokens,
};
use super::waiting::{awaited, blocking};
use crate::queue::{Engine, Incarnation, Lane, Source, Token, Turn};
use crate::runtime;

/// Defines a face of a lane; `$wait` is how its callers wait. Members are 17 bytes: an id and a priority letter.
macro_rules! lane {
    ($class:ident, $name:literal, $wait:path) => {
        /// See `_core.pyi` for what users read.
        #[pyclass(frozen, name = $name, module = "fraiseql_observers._core")]
        pub struct $class {
            engine: PyEngine,
            lane: Lane,
        }

        impl $class {
            pub(super) const fn new(engine: PyEngine, lane: Lane) -> Self {
                Self { engine, lane }
            }

            fn parts(&self, py: Python<'_>) -> PyResult<(Arc<Engine>, Lane)> {
                Ok((self.engine.engine(py)?, self.lane.clone()))
            }
        }

        #[pymethods]
        impl $class {
            fn enqueue<'py>(
                &self,
                py: Python<'py>,
                jobs: Vec<JobFromPy>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), jobs) = (self.parts(py)?, new_jobs(jobs)?);
                $wait(
                    py,
                    async move { engine.enqueue(&lane, &jobs).await },
                    to_py,
                    drop,
                )
            }

            fn join<'py>(
                &self,
                py: Python<'py>,
                incarnation: String,
                info: String,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), name) = (self.parts(py)?, Incarnation::named(incarnation));
                $wait(
                    py,
                    async move { engine.join(&lane, &name, &info).await },
                    to_py,
                    drop,
                )
            }

            #[pyo3(signature = (incarnation, heard = None))]
            fn beat<'py>(
                &self,
                py: Python<'py>,
                incarnation: String,
                heard: Option<Vec<Vec<u8>>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), name) = (self.parts(py)?, Incarnation::named(incarnation));
                let heard = members(&heard.unwrap_or_default())?;
                $wait(
                    py,
                    async move { engine.beat(&lane, &name, &heard).await },
                    steps::beat_to_py,
                    drop,
                )
            }

            #[pyo3(signature = (incarnation, call, want, source = "pending"))]
            fn turn<'py>(
                &self,
                py: Python<'py>,
                incarnation: String,
                call: u64,
                want: usize,
                source: &str,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), name) = (self.parts(py)?, Incarnation::named(incarnation));
                let from = self::source(source)?;
                let undo = give_back(Arc::clone(&engine), lane.clone(), name.clone(), from);
                let turn = async move { engine.turn(&lane, &name, call, want, from).await };
                $wait(py, turn, |py, turn| PyTurn(turn).into_py_any(py), undo)
            }

            fn ack<'py>(
                &self,
                py: Python<'py>,
                incarnation: String,
                acks: Vec<AckFromPy>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), name) = (self.parts(py)?, Incarnation::named(incarnation));
                let acks = self::acks(acks)?;
                $wait(
                    py,
                    async move { engine.ack(&lane, &name, &acks).await },
                    steps::acks_to_py,
                    drop,
                )
            }

            fn nack<'py>(
                &self,
                py: Python<'py>,
                incarnation: String,
                nacks: Vec<NackFromPy>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), name) = (self.parts(py)?, Incarnation::named(incarnation));
                let nacks = self::nacks(nacks)?;
                $wait(
                    py,
                    async move { engine.nack(&lane, &name, &nacks).await },
                    to_py,
                    drop,
                )
            }

            #[pyo3(signature = (incarnation, tokens, source = "pending"))]
            fn release<'py>(
                &self,
                py: Python<'py>,
                incarnation: String,
                tokens: Vec<TokenFromPy>,
                source: &str,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), name) = (self.parts(py)?, Incarnation::named(incarnation));
                let (tokens, from) = (self::tokens(&tokens)?, self::source(source)?);
                $wait(
                    py,
                    async move { engine.release(&lane, &name, &tokens, from).await },
                    to_py,
                    drop,
                )
            }

            fn leave<'py>(
                &self,
                py: Python<'py>,
                incarnation: String,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), name) = (self.parts(py)?, Incarnation::named(incarnation));
                $wait(
                    py,
                    async move { engine.leave(&lane, &name).await },
                    to_py,
                    drop,
                )
            }

            fn reclaim<'py>(
                &self,
                py: Python<'py>,
                lost: String,
                failure: Vec<u8>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), lost) = (self.parts(py)?, Incarnation::named(lost));
                $wait(
                    py,
                    async move { engine.reclaim(&lane, &lost, &failure).await },
                    steps::reclaimed_to_py,
                    drop,
                )
            }

            fn cancel<'py>(&self, py: Python<'py>, member: Vec<u8>) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), member) = (self.parts(py)?, self::member(&member)?);
                $wait(
                    py,
                    async move { engine.cancel(&lane, member).await },
                    steps::cancelled_to_py,
                    drop,
                )
            }

            fn find<'py>(&self, py: Python<'py>, id: [u8; 16]) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), id) = (self.parts(py)?, uuid::Uuid::from_bytes(id));
                let find = async move { engine.find(&lane, id).await };
                $wait(py, find, |py, found| PyFound(found).into_py_any(py), drop)
            }

            fn replay<'py>(
                &self,
                py: Python<'py>,
                letters: Vec<(Vec<u8>, i64, Vec<u8>)>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                let letters: Vec<_> = letters
                    .into_iter()
                    .map(|(letter, died_at_ms, history)| {
                        Ok((member(&letter)?, died_at_ms, history))
                    })
                    .collect::<PyResult<_>>()?;
                $wait(
                    py,
                    async move { engine.replay(&lane, &letters).await },
                    to_py,
                    drop,
                )
            }

            fn remove<'py>(
                &self,
                py: Python<'py>,
                letters: Vec<(Vec<u8>, i64)>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                let letters: Vec<_> = letters
                    .into_iter()
                    .map(|(letter, died_at_ms)| Ok((member(&letter)?, died_at_ms)))
                    .collect::<PyResult<_>>()?;
                $wait(
                    py,
                    async move { engine.remove(&lane, &letters).await },
                    to_py,
                    drop,
                )
            }

            #[pyo3(signature = (members, failure = None))]
            fn unpark<'py>(
                &self,
                py: Python<'py>,
                members: Vec<Vec<u8>>,
                failure: Option<Vec<u8>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), members) = (self.parts(py)?, self::members(&members)?);
                $wait(
                    py,
                    async move { engine.unpark(&lane, &members, failure.as_deref()).await },
                    to_py,
                    drop,
                )
            }

            fn audit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                $wait(
                    py,
                    async move { engine.audit(&lane, 0).await },
                    |py, audited| {
                        (audited.amiss, audited.homeless, audited.doubled).into_py_any(py)
                    },
                    drop,
                )
            }

            fn hold<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                $wait(py, async move { engine.hold(&lane).await }, to_py, drop)
            }

            #[pyo3(signature = (after = None, *, limit))]
            fn letters<'py>(
                &self,
                py: Python<'py>,
                after: Option<MarkFromPy>,
                limit: usize,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), after) = (self.parts(py)?, mark_from_py(after));
                $wait(
                    py,
                    async move { engine.letters(&lane, after.as_ref(), limit).await },
                    steps::letters_to_py,
                    drop,
                )
            }

            fn erase<'py>(
                &self,
                py: Python<'py>,
                id: [u8; 16],
                payload: Vec<u8>,
                letter: Option<char>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), id) = (self.parts(py)?, uuid::Uuid::from_bytes(id));
                let priority = letter.map(steps::priority).transpose()?;
                $wait(
                    py,
                    async move { engine.erase(&lane, id, &payload, priority).await },
                    |py, erased| erased.as_str().into_py_any(py),
                    drop,
                )
            }

            fn records<'py>(
                &self,
                py: Python<'py>,
                after: Option<Vec<u8>>,
                limit: usize,
            ) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                $wait(
                    py,
                    async move { engine.records(&lane, after.as_deref(), limit).await },
                    steps::entries_to_py,
                    drop,
                )
            }

            fn redact<'py>(
                &self,
                py: Python<'py>,
                entry: (Vec<u8>, Vec<u8>),
                stay: Vec<Vec<u8>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                let (entry, stay) = steps::redaction(entry, stay);
                $wait(
                    py,
                    async move { engine.redact(&lane, &entry, &stay).await },
                    to_py,
                    drop,
                )
            }

            fn trim<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                $wait(py, async move { engine.trim(&lane).await }, to_py, drop)
            }

            fn rotate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                $wait(py, async move { engine.rotate(&lane).await }, to_py, drop)
            }

            fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                let count = async move { engine.stats(&lane).await };
                $wait(
                    py,
                    count,
                    |py, stats| PyStats { stats }.into_py_any(py),
                    drop,
                )
            }

            fn list<'py>(
                &self,
                py: Python<'py>,
                listing: &str,
                offset: usize,
                limit: usize,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ((engine, lane), of) = (self.parts(py)?, self::listing(listing)?);
                $wait(
                    py,
                    async move { engine.list(&lane, of, offset, limit).await },
                    steps::listed_to_py,
                    drop,
                )
            }

            fn recent<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                $wait(
                    py,
                    async move { engine.recent(&lane, limit).await },
                    steps::records_to_py,
                    drop,
                )
            }

            fn wait_for_wake<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let (engine, lane) = self.parts(py)?;
                $wait(
                    py,
                    async move { engine.wait_for_wake(&[lane]).await },
                    to_py,
                    drop,
                )
            }
        }
    };
}

lane!(PyLane, "Lane", awaited);
lane!(PyBlockingLane, "BlockingLane", blocking);

/// Releases what a turn has leased when its caller has gone: nobody else would before the lease runs out.
fn give_back(
    engine: Arc<Engine>,
    lane: Lane,
    incarnation: Incarnation,
    source: Source,
) -> impl FnOnce(Turn) + Send + 'static {
    move |turn| {
        let tokens: Vec<Token> = turn
            .leases
            .iter()
            .map(|lease| Token {
                member: lease.member,
                call: lease.call,
            })
            .collect();
        if tokens.is_empty() {
            return;
        }
        // Where this fails the lease runs out, and the jobs come back by themselves.
        if let Ok(runtime) = runtime::handle() {
            runtime.spawn(async move {
                let _ = engine.release(&lane, &incarnation, &tokens, source).await;
            });
        }
    }
}
