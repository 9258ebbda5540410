//! What this process has counted. Counting costs a few nanoseconds and never waits; Python reads it all at once.
//!
//! Labels come from fixed lists, so that no metric grows with what people name their things.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Map, Value, json};

/// Action types by their label; what is none of them counts as `other`.
pub const ACTION_TYPES: [&str; 7] = [
    "webhook", "slack", "email", "function", "log", "cache", "other",
];

/// How a job can end badly.
pub const FAILURES: [&str; 5] = [
    "permanent_error",
    "retries_exhausted",
    "crash_limit",
    "corrupt",
    "expired",
];

/// How an attempt can fail.
pub const ATTEMPT_FAILURES: [&str; 3] = ["transient", "timeout", "permanent"];

/// Upper bounds of the duration histogram, in seconds; the last bucket has none.
pub const DURATION_BUCKETS: [f64; 9] = [0.001, 0.01, 0.1, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];

/// How a job ended badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The action said that no attempt will succeed.
    PermanentError,
    /// All attempts failed.
    RetriesExhausted,
    /// Workers were lost too often while it ran.
    CrashLimit,
    /// Its bytes are no job.
    Corrupt,
    /// It lived longer than it may.
    Expired,
}

impl Failure {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        FAILURES[self as usize]
    }
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptFailure {
    /// Another attempt may succeed.
    Transient,
    /// It took longer than it may.
    Timeout,
    /// No attempt will succeed.
    Permanent,
}

impl AttemptFailure {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        ATTEMPT_FAILURES[self as usize]
    }
}

#[derive(Default)]
struct PerAction {
    executed: AtomicU64,
    failed: [AtomicU64; FAILURES.len()],
    attempts_failed: [AtomicU64; ATTEMPT_FAILURES.len()],
    retries: AtomicU64,
    buckets: [AtomicU64; DURATION_BUCKETS.len() + 1],
    micros: AtomicU64,
}

/// All counters of a process.
#[derive(Default)]
pub struct Counters {
    events_processed: AtomicU64,
    events_matched: AtomicU64,
    condition_errors: AtomicU64,
    queued: AtomicU64,
    reclaimed: AtomicU64,
    lease_lost: AtomicU64,
    clock_jumps: AtomicU64,
    audit_repaired: AtomicU64,
    outcomes_refused: AtomicU64,
    spooled: AtomicU64,
    spool_replayed: AtomicU64,
    spool_damaged: AtomicU64,
    spool_torn: AtomicU64,
    spool_refused: AtomicU64,
    spool_unreadable: AtomicU64,
    spool_foreign: AtomicU64,
    spool_jobs: AtomicU64,
    spool_bytes: AtomicU64,
    actions: [PerAction; ACTION_TYPES.len()],
}

/// The counters of this process.
pub static COUNTERS: std::sync::LazyLock<Counters> = std::sync::LazyLock::new(Counters::default);

impl Counters {
    fn of(&self, action_type: &str) -> &PerAction {
        let place = ACTION_TYPES
            .iter()
            .position(|name| *name == action_type)
            .unwrap_or(ACTION_TYPES.len() - 1);
        &self.actions[place]
    }

    /// Counts an event that has been held against the rules, and the conditions that it could not answer.
    pub fn event(&self, is_matched: bool, condition_errors: usize) {
        self.events_processed.fetch_add(1, Relaxed);
        if is_matched {
            self.events_matched.fetch_add(1, Relaxed);
        }
        if condition_errors > 0 {
            self.condition_errors
                .fetch_add(condition_errors as u64, Relaxed);
        }
    }

    /// Counts jobs that the queue has stored.
    pub fn queued(&self, jobs: usize) {
        self.queued.fetch_add(jobs as u64, Relaxed);
    }

    /// Counts a job that completed.
    pub fn executed(&self, action_type: &str) {
        self.of(action_type).executed.fetch_add(1, Relaxed);
    }

    /// Counts a job that ended badly.
    pub fn failed(&self, action_type: &str, failure: Failure) {
        self.of(action_type).failed[failure as usize].fetch_add(1, Relaxed);
    }

    /// Counts an attempt that failed.
    pub fn attempt_failed(&self, action_type: &str, failure: AttemptFailure) {
        self.of(action_type).attempts_failed[failure as usize].fetch_add(1, Relaxed);
    }

    /// Counts a job that will be tried again.
    pub fn retried(&self, action_type: &str) {
        self.of(action_type).retries.fetch_add(1, Relaxed);
    }

    /// Notes how long an attempt took.
    pub fn took(&self, action_type: &str, duration: Duration) {
        let action = self.of(action_type);
        let seconds = duration.as_secs_f64();
        let bucket = DURATION_BUCKETS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(DURATION_BUCKETS.len());
        action.buckets[bucket].fetch_add(1, Relaxed);
        action.micros.fetch_add(
            u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            Relaxed,
        );
    }

    /// Counts jobs taken back from lost workers.
    pub fn reclaimed(&self, jobs: u64) {
        self.reclaimed.fetch_add(jobs, Relaxed);
    }

    /// Counts results that were dropped because the lease had passed on.
    pub fn lease_lost(&self) {
        self.lease_lost.fetch_add(1, Relaxed);
    }

    /// Counts an outcome that the queue has refused by itself; it is kept and tried again.
    pub fn outcome_refused(&self) {
        self.outcomes_refused.fetch_add(1, Relaxed);
    }

    /// Counts jobs that an audit has put back where they belong.
    pub fn repaired(&self, jobs: u64) {
        self.audit_repaired.fetch_add(jobs, Relaxed);
    }

    /// Counts a jump of the queue's clock.
    pub fn clock_jumped(&self) {
        self.clock_jumps.fetch_add(1, Relaxed);
    }

    /// Counts jobs that were accepted on this producer's disk, since the queue was away.
    pub fn spooled(&self, jobs: u64) {
        self.spooled.fetch_add(jobs, Relaxed);
    }

    /// Counts jobs that went from there to the queue.
    pub fn spool_replayed(&self, jobs: u64) {
        self.spool_replayed.fetch_add(jobs, Relaxed);
    }

    /// Counts a damaged part of a spool file that was put aside.
    pub fn spool_damaged(&self) {
        self.spool_damaged.fetch_add(1, Relaxed);
    }

    /// Counts a record that was never written to its end, and was dropped.
    pub fn spool_torn(&self) {
        self.spool_torn.fetch_add(1, Relaxed);
    }

    /// Counts jobs that the queue has refused for good, and that were put aside.
    pub fn spool_refused(&self, jobs: u64) {
        self.spool_refused.fetch_add(jobs, Relaxed);
    }

    /// Notes how many files of a spool could not be read when they were last looked at.
    pub fn spool_unreadable(&self, files: u64) {
        self.spool_unreadable.store(files, Relaxed);
    }

    /// Notes how many files there are that are for other queues, and that nobody had when they were last looked at.
    pub fn spool_foreign(&self, files: u64) {
        self.spool_foreign.store(files, Relaxed);
    }

    /// Notes what this process has to replay.
    pub fn spool_holds(&self, jobs: u64, bytes: u64) {
        self.spool_jobs.store(jobs, Relaxed);
        self.spool_bytes.store(bytes, Relaxed);
    }

    /// Everything counted, as one JSON object; labels that never occurred are left out.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut executed = Map::new();
        let mut failed = Map::new();
        let mut attempts_failed = Map::new();
        let mut retries = Map::new();
        let mut duration = Map::new();
        for (name, action) in ACTION_TYPES.iter().zip(&self.actions) {
            note(&mut executed, (*name).to_owned(), &action.executed);
            note(&mut retries, (*name).to_owned(), &action.retries);
            for (label, count) in FAILURES.iter().zip(&action.failed) {
                note(&mut failed, format!("{name}|{label}"), count);
            }
            for (label, count) in ATTEMPT_FAILURES.iter().zip(&action.attempts_failed) {
                note(&mut attempts_failed, format!("{name}|{label}"), count);
            }
            let buckets: Vec<u64> = action
                .buckets
                .iter()
                .map(|bucket| bucket.load(Relaxed))
                .collect();
            if buckets.iter().any(|count| *count > 0) {
                let seconds = Duration::from_micros(action.micros.load(Relaxed)).as_secs_f64();
                duration.insert(
                    (*name).to_owned(),
                    json!({"buckets": buckets, "sum": seconds}),
                );
            }
        }
        json!({
            "events_processed": self.events_processed.load(Relaxed),
            "events_matched": self.events_matched.load(Relaxed),
            "condition_errors": self.condition_errors.load(Relaxed),
            "queued": self.queued.load(Relaxed),
            "executed": executed,
            "failed": failed,
            "attempts_failed": attempts_failed,
            "retries": retries,
            "duration": duration,
            "reclaimed": self.reclaimed.load(Relaxed),
            "lease_lost": self.lease_lost.load(Relaxed),
            "outcomes_refused": self.outcomes_refused.load(Relaxed),
            "audit_repaired": self.audit_repaired.load(Relaxed),
            "clock_jumps": self.clock_jumps.load(Relaxed),
            "spooled": self.spooled.load(Relaxed),
            "spool_replayed": self.spool_replayed.load(Relaxed),
            "spool_damaged": self.spool_damaged.load(Relaxed),
            "spool_torn": self.spool_torn.load(Relaxed),
            "spool_refused": self.spool_refused.load(Relaxed),
            "spool_unreadable": self.spool_unreadable.load(Relaxed),
            "spool_foreign": self.spool_foreign.load(Relaxed),
            "spool_jobs": self.spool_jobs.load(Relaxed),
            "spool_bytes": self.spool_bytes.load(Relaxed),
        })
        .to_string()
        .into_bytes()
    }
}

fn note(map: &mut Map<String, Value>, label: String, count: &AtomicU64) {
    let count = count.load(Relaxed);
    if count > 0 {
        map.insert(label, count.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_holds_what_was_counted_and_nothing_else() {
        let counters = Counters::default();
        counters.event(true, 0);
        counters.event(false, 2);
        counters.queued(3);
        counters.executed("webhook");
        counters.failed("mine", Failure::Expired);
        counters.took("webhook", Duration::from_millis(5));
        counters.took("webhook", Duration::from_secs(900));
        let seen: Value = serde_json::from_slice(&counters.snapshot()).unwrap();
        assert_eq!(
            ["events_processed", "events_matched", "condition_errors"].map(|key| &seen[key]),
            [2, 1, 2]
        );
        assert_eq!(seen["queued"], 3);
        assert_eq!(seen["executed"], json!({"webhook": 1}));
        assert_eq!(seen["failed"], json!({"other|expired": 1}));
        assert_eq!(
            seen["duration"]["webhook"]["buckets"],
            json!([0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
        );
        assert_eq!(seen["retries"], json!({}));
    }
}
