//! A leased job, from its lease to the report that ends it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::job::Job;
use crate::queue::record::History;
use crate::queue::{Incarnation, Token};

/// Why a job that was handed out must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It took longer than it may; the core has reported that already.
    Timeout,
    /// A person cancelled it.
    Cancelled,
    /// The lease has passed on; another worker will run it.
    LeaseLost,
    /// It was leased, but not begun within the length of a lease; it has been given back.
    Stale,
}

impl Cause {
    /// The word that the worker sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::LeaseLost => "lease_lost",
            Self::Stale => "stale",
        }
    }
}

/// How far a leased job has come in this worker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Handed out, not begun.
    Waiting,
    /// Begun. `threaded`: its handler runs in a thread that nothing can stop. `keep`: a failure for good is kept.
    Running {
        since: Instant,
        started_at_ms: i64,
        threaded: bool,
        keep: bool,
    },
    /// How it ended here is decided; whatever comes later only frees the slot.
    Ended,
}

struct Progress {
    phase: Phase,
    holds_slot: bool,
}

/// A job that this worker holds under a lease.
pub struct LeasedJob {
    /// The job.
    pub job: Job,
    /// Number of this attempt since the job was made or replayed; the first is 1.
    pub attempt: u32,
    /// Member and lease call.
    pub token: Token,
    /// When the request that leased it was sent.
    pub leased_at: Instant,
    pub(super) lane: usize,
    pub(super) incarnation: Incarnation,
    pub(super) history: History,
    progress: Mutex<Progress>,
}

impl LeasedJob {
    pub(super) fn new(
        job: Job,
        token: Token,
        lane: usize,
        incarnation: Incarnation,
        history: History,
        leased_at: Instant,
    ) -> Self {
        Self {
            attempt: history.next_attempt(),
            job,
            token,
            leased_at,
            lane,
            incarnation,
            history,
            progress: Mutex::new(Progress {
                phase: Phase::Waiting,
                holds_slot: true,
            }),
        }
    }

    /// When the job is too old: counted from when it was first due, or from its last replay.
    pub(super) fn expires_at_ms(&self) -> i64 {
        let expires = self.job.expires_at.unix_ms();
        let age = expires - self.job.scheduled_at.unix_ms();
        self.history
            .replayed_at
            .map_or(expires, |at| at.saturating_add(age))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn phase(&self) -> Phase {
        self.progress().phase
    }

    /// Marks it as running; false where it has ended already.
    pub(super) fn begin(&self, started_at_ms: i64, threaded: bool, keep: bool) -> bool {
        let mut progress = self.progress();
        let waiting = matches!(progress.phase, Phase::Waiting);
        if waiting {
            progress.phase = Phase::Running {
                since: Instant::now(),
                started_at_ms,
                threaded,
                keep,
            };
        }
        waiting
    }

    /// Decides that it has ended, once; returns how far it had come, or nothing where that was decided before.
    pub(super) fn end(&self) -> Option<Phase> {
        let mut progress = self.progress();
        match progress.phase {
            Phase::Ended => None,
            phase => {
                progress.phase = Phase::Ended;
                Some(phase)
            }
        }
    }

    /// Gives up the slot; true the first time.
    pub(super) fn free_slot(&self) -> bool {
        std::mem::replace(&mut self.progress().holds_slot, false)
    }
}
