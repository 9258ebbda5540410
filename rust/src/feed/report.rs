//! What a worker says of a job, and what becomes of the job by it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::{AttemptFailure, COUNTERS, Failure};
use crate::policy::{self, AttemptFailed, Ran};
use crate::queue::record;
use crate::queue::{Ack, Incarnation, Nack, Source, Token, Verdict};

use super::job::{LeasedJob, Phase};
use super::shared::{Shared, now_ms};

/// What a process needs to be gone, after the time that running jobs are given: outcomes are written, and Python ends.
const LAST_STEPS: Duration = Duration::from_secs(5);

/// How a job ended in this worker.
#[derive(Clone, Debug)]
pub enum Report {
    /// The action succeeded.
    Succeeded {
        /// The status of the answer, where there was one.
        status_code: Option<u16>,
    },
    /// The attempt failed.
    Failed(AttemptFailed),
    /// This worker cannot run it now; the text says why.
    Parked(String),
    /// Given back unharmed.
    Released,
}

/// A change of state that waits to be written.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Ack(Ack),
    Nack(Nack, Option<Failure>),
    Release(Token, Source),
}

impl Change {
    /// Which lease of which job it ends.
    pub(super) const fn token(&self) -> Token {
        match self {
            Self::Ack(ack) => ack.token,
            Self::Nack(nack, _) => nack.token,
            Self::Release(token, _) => *token,
        }
    }
}

/// A change, with whose it is and under which label it counts.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) lane: usize,
    pub(super) incarnation: Incarnation,
    pub(super) action_type: Arc<str>,
    pub(super) change: Change,
}

impl Pending {
    /// The ack, where it is one.
    pub(super) const fn ack(&self) -> Option<&Ack> {
        match &self.change {
            Change::Ack(ack) => Some(ack),
            _ => None,
        }
    }

    /// The nack, where it is one.
    pub(super) const fn nack(&self) -> Option<&Nack> {
        match &self.change {
            Change::Nack(nack, _) => Some(nack),
            _ => None,
        }
    }
}

impl Shared {
    /// Takes a worker's report: the first one of a job decides it, and each frees the slot.
    pub(super) fn report(&self, job: &Arc<LeasedJob>, report: Report) {
        if let Some(phase) = job.end() {
            let change = self.change(job, phase, report);
            self.write(job, change);
        }
        self.free_slot(job);
    }

    /// Ends a job whose time is up, whatever the worker does with it from here.
    pub(super) fn report_timeout(&self, job: &Arc<LeasedJob>) -> bool {
        let Some(phase) = job.end() else { return false };
        let text = format!("timed out after {} s", self.options.job_timeout.as_secs());
        let mut failed = AttemptFailed::new(AttemptFailure::Timeout, text);
        if let Phase::Running { threaded, keep, .. } = phase {
            failed.keep = keep;
            // A thread cannot be stopped: the next attempt waits until this process is gone.
            failed.retry_after = threaded.then_some(self.options.shutdown_timeout + LAST_STEPS);
        }
        let change = self.change(job, phase, Report::Failed(failed));
        self.write(job, change);
        true
    }

    /// Gives a job back that was handed out, but not begun.
    pub(super) fn release_stale(&self, job: &Arc<LeasedJob>) -> bool {
        let Some(_) = job.end() else { return false };
        self.write(job, Change::Release(job.token, self.options.source));
        true
    }

    fn write(&self, job: &Arc<LeasedJob>, change: Change) {
        self.put(Pending {
            lane: job.lane,
            incarnation: job.incarnation.clone(),
            action_type: job.job.action_type.as_str().into(),
            change,
        });
    }

    fn change(&self, job: &LeasedJob, phase: Phase, report: Report) -> Change {
        let action_type = job.job.action_type.as_str();
        let (since, started_at_ms) = match phase {
            Phase::Running {
                since,
                started_at_ms,
                ..
            } => (since, started_at_ms),
            Phase::Waiting | Phase::Ended => (Instant::now(), now_ms()),
        };
        let ran = Ran {
            started_at_ms,
            took: since.elapsed(),
            worker: self.options.worker.clone(),
        };
        match report {
            Report::Succeeded { status_code } => {
                COUNTERS.took(action_type, ran.took);
                Change::Ack(Ack {
                    token: job.token,
                    record: policy::succeeded(&job.job, &job.history, &ran, status_code),
                })
            }
            Report::Released => Change::Release(job.token, self.options.source),
            Report::Parked(reason) => Change::Nack(
                Nack {
                    token: job.token,
                    verdict: Verdict::Park(job.expires_at_ms()),
                    history: Vec::new(),
                    failure: record::Failure::because(&reason).pack(),
                    record: Vec::new(),
                },
                None,
            ),
            Report::Failed(failed) => {
                COUNTERS.took(action_type, ran.took);
                COUNTERS.attempt_failed(action_type, failed.kind);
                let (nack, ended) = self.with_random(|random| {
                    policy::failed(&job.job, &job.history, job.token, &ran, &failed, random)
                });
                if ended.is_none() {
                    COUNTERS.retried(action_type);
                }
                Change::Nack(nack, ended)
            }
        }
    }
}
