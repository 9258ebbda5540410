//! What an attempt that has ended does to its job: another attempt, the dead letters, or the end. Pure; chance is passed in.

use std::time::Duration;

use crate::backoff::{calculate_backoff, draw_delay};
use crate::job::Job;
use crate::metrics::{AttemptFailure, Failure};
use crate::queue::record::{self, Attempt, FinishedJob, History, Outcome};
use crate::queue::{Nack, Token, Verdict};

/// How an attempt failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
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

impl AttemptFailed {
    /// A failure that says no more than its kind and its text.
    pub const fn new(kind: AttemptFailure, error: String) -> Self {
        Self {
            kind,
            error,
            status_code: None,
            retry_after: None,
            keep: true,
        }
    }
}

/// When and where an attempt ran.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs)] // each is a column of the attempt
pub struct Ran {
    /// When it began, in ms since 1970.
    pub started_at_ms: i64,
    /// How long it took.
    pub took: Duration,
    /// Which worker ran it.
    pub worker: String,
}

impl Ran {
    fn attempt(&self, number: u32, error: Option<&str>, status_code: Option<u16>) -> Attempt {
        Attempt {
            attempt: number,
            started_at: self.started_at_ms,
            duration_ms: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            success: error.is_none(),
            error: error.map(str::to_owned),
            status_code,
            worker: self.worker.clone(),
        }
    }
}

/// The record of a job whose attempt succeeded.
pub fn succeeded(job: &Job, history: &History, ran: &Ran, status_code: Option<u16>) -> Vec<u8> {
    let last = ran.attempt(history.next_attempt(), None, status_code);
    finished(job, &last, Outcome::Completed)
}

/// What becomes of a job whose attempt failed, and why it ends where it does.
///
/// A failure that may pass is tried again until the budget of attempts is spent; the wait grows by the job's own policy and
/// is never shorter than what the receiver asked for.
pub fn failed(
    job: &Job,
    history: &History,
    token: Token,
    ran: &Ran,
    failed: &AttemptFailed,
    random: &mut fastrand::Rng,
) -> (Nack, Option<Failure>) {
    let number = history.next_attempt();
    let last = ran.attempt(number, Some(&failed.error), failed.status_code);
    let mut history = history.clone();
    history.failed(last.clone());
    let retry = &job.retry;
    let reason = match failed.kind {
        AttemptFailure::Permanent => Failure::PermanentError,
        _ if number >= retry.max_attempts => Failure::RetriesExhausted,
        _ => {
            let longest = calculate_backoff(
                retry.backoff_strategy,
                number,
                retry.initial_delay_ms,
                retry.max_delay_ms,
            );
            let shortest = failed.retry_after.map_or(0, |wait| {
                u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
            });
            let nack = Nack {
                token,
                verdict: Verdict::Retry(draw_delay(longest, retry.jitter, shortest, random)),
                history: history.pack(),
                failure: Vec::new(),
                record: Vec::new(),
            };
            return (nack, None);
        }
    };
    let (verdict, outcome) = if failed.keep {
        (Verdict::Dead, Outcome::DeadLettered)
    } else {
        (Verdict::Log, Outcome::Logged)
    };
    let nack = Nack {
        token,
        verdict,
        history: history.pack(),
        failure: failure(reason, Some(job), Some(failed.kind), &failed.error),
        record: finished(job, &last, outcome),
    };
    (nack, Some(reason))
}

/// What is kept of a dead letter, beside its bytes.
pub fn failure(
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

/// What stays of a job that has ended.
fn finished(job: &Job, last: &Attempt, outcome: Outcome) -> Vec<u8> {
    FinishedJob {
        id: job.id,
        observer: job.observer.clone(),
        queue: job.queue.clone(),
        created_at: job.created_at.unix_ms(),
        started_at: last.started_at,
        finished_at: last.started_at.saturating_add_unsigned(last.duration_ms),
        attempts: last.attempt,
        outcome,
    }
    .pack()
}
