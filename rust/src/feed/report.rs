//! What a worker says of a job, and what becomes of the job by it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::{calculate_backoff, draw_delay};
use crate::job::Job;
use crate::metrics::{AttemptFailure, COUNTERS, Failure};
use crate::queue::record::{self, Attempt, FinishedJob, Outcome};
use crate::queue::{Ack, Incarnation, Nack, Source, Token, Verdict};

use super::job::{LeasedJob, Phase};
use super::shared::{Shared, now_ms};

/// How an attempt failed.
#[derive(Clone, Debug)]
pub struct AttemptFailed {
    /// In which way.
    pub kind: AttemptFailure,
    /// What went wrong, free of secrets.
    pub error: String,
    /// The status of the answer, where there was one.
    pub status_code: Option<u16>,
    /// The least wait that the receiver asked for.
    pub retry_after: Option<Duration>,
    /// Whether a job that ends by this is kept among the dead letters.
    pub keep: bool,
}

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

/// A change, with whose it is and under which label it counts.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) lane: usize,
    pub(super) incarnation: Incarnation,
    pub(super) action_type: Arc<str>,
    pub(super) change: Change,
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
        let failed = AttemptFailed {
            kind: AttemptFailure::Timeout,
            error: format!("timed out after {} s", self.options.job_timeout.as_secs()),
            status_code: None,
            // A thread cannot be stopped: the next attempt waits until this process is gone.
            retry_after: matches!(phase, Phase::Running { threaded: true, .. })
                .then_some(self.options.shutdown_timeout),
            keep: true,
        };
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
        let took = since.elapsed();
        let attempt = |success: bool, error: Option<&str>, status_code: Option<u16>| Attempt {
            attempt: job.attempt,
            started_at: started_at_ms,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            success,
            error: error.map(str::to_owned),
            status_code,
            worker: self.options.worker.clone(),
        };
        match report {
            Report::Succeeded { status_code } => {
                COUNTERS.took(action_type, took);
                let record = finished(job, &attempt(true, None, status_code), Outcome::Completed);
                Change::Ack(Ack {
                    token: job.token,
                    record,
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
                COUNTERS.took(action_type, took);
                COUNTERS.attempt_failed(action_type, failed.kind);
                let attempt = attempt(false, Some(&failed.error), failed.status_code);
                self.failed(job, &failed, &attempt)
            }
        }
    }

    fn failed(&self, job: &LeasedJob, failed: &AttemptFailed, attempt: &Attempt) -> Change {
        let mut history = job.history.clone();
        history.failed(attempt.clone());
        let retry = &job.job.retry;
        let reason = match failed.kind {
            AttemptFailure::Permanent => Failure::PermanentError,
            _ if job.attempt >= retry.max_attempts => Failure::RetriesExhausted,
            _ => {
                COUNTERS.retried(&job.job.action_type);
                let longest = calculate_backoff(
                    retry.backoff_strategy,
                    job.attempt,
                    retry.initial_delay_ms,
                    retry.max_delay_ms,
                );
                let least = failed.retry_after.map_or(0, |wait| {
                    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
                });
                let delay =
                    self.with_random(|random| draw_delay(longest, retry.jitter, least, random));
                return Change::Nack(
                    Nack {
                        token: job.token,
                        verdict: Verdict::Retry(delay),
                        history: history.pack(),
                        failure: Vec::new(),
                        record: Vec::new(),
                    },
                    None,
                );
            }
        };
        let (verdict, outcome) = if failed.keep {
            (Verdict::Dead, Outcome::DeadLettered)
        } else {
            (Verdict::Log, Outcome::Logged)
        };
        Change::Nack(
            Nack {
                token: job.token,
                verdict,
                history: history.pack(),
                failure: failure(reason, Some(&job.job), Some(failed.kind), &failed.error),
                record: finished(job, attempt, outcome),
            },
            Some(reason),
        )
    }
}

/// What stays of a job that has ended.
fn finished(job: &LeasedJob, last: &Attempt, outcome: Outcome) -> Vec<u8> {
    FinishedJob {
        id: job.job.id,
        observer: job.job.observer.clone(),
        queue: job.job.queue.clone(),
        created_at: job.job.created_at.unix_ms(),
        started_at: last.started_at,
        finished_at: last.started_at.saturating_add_unsigned(last.duration_ms),
        attempts: job.attempt,
        outcome,
    }
    .pack()
}

/// What is kept of a dead letter, beside its bytes.
pub(super) fn failure(
    reason: Failure,
    job: Option<&Job>,
    kind: Option<AttemptFailure>,
    error: &str,
) -> Vec<u8> {
    record::Failure {
        reason: reason.as_str().to_owned(),
        error_type: kind.map(|kind| kind.as_str().to_owned()),
        observer: job.and_then(|job| job.observer.clone()),
        error: Some(error.to_owned()),
    }
    .pack()
}
