//! What a feed knows of one lane: who it is there, and how long its lease is good for.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use crate::queue::{Incarnation, Lane, Member};

use super::clock_watch::ClockWatch;

/// No side effect starts in the last part of a lease: at least this long, or a fifth of it if that is more.
const LEAST_MARGIN: Duration = Duration::from_secs(2);

pub(super) struct Identity {
    pub(super) incarnation: Incarnation,
    pub(super) joined: bool,
    /// Number of the lease call to come; repeated until its answer is known.
    pub(super) call: u64,
    /// Whether a lease call was sent whose answer never came.
    pub(super) uncertain: bool,
    /// When the request was sent that last renewed the lease, by this process's monotonic clock.
    pub(super) renewed_at: Option<Instant>,
    /// Cancelled members that the next beat says we have heard of.
    pub(super) heard: Vec<Member>,
}

impl Identity {
    fn new() -> Self {
        Self {
            incarnation: Incarnation::random(),
            joined: false,
            call: 1,
            uncertain: false,
            renewed_at: None,
            heard: Vec::new(),
        }
    }
}

/// What a beat was answered.
#[derive(Clone)]
pub(super) struct Beaten {
    pub(super) incarnation: Incarnation,
    /// How many jobs the queue holds for it.
    pub(super) held: u64,
}

pub(super) struct FeedLane {
    pub(super) lane: Lane,
    lease: Duration,
    identity: Mutex<Identity>,
    pub(super) beat_now: Notify,
    pub(super) outcomes: Notify,
    pub(super) clock: ClockWatch,
    /// Whether the clock was seen to jump and the queue has not yet been told to hold reclaiming back.
    pub(super) owes_hold: AtomicBool,
    /// Held by who tells the queue so, that nobody else goes on to reclaim before it is done.
    pub(super) holding: AsyncMutex<()>,
    /// Held by a turn, of which there is one at a time.
    pub(super) turning: AsyncMutex<()>,
    /// The last beat that was answered.
    pub(super) beaten: watch::Sender<Option<Beaten>>,
}

impl FeedLane {
    pub(super) fn new(lane: Lane, lease: Duration) -> Self {
        Self {
            lane,
            lease,
            identity: Mutex::new(Identity::new()),
            beat_now: Notify::new(),
            outcomes: Notify::new(),
            clock: ClockWatch::default(),
            owes_hold: AtomicBool::new(false),
            holding: AsyncMutex::new(()),
            turning: AsyncMutex::new(()),
            beaten: watch::Sender::default(),
        }
    }

    pub(super) fn identity(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new identity where the old one has lost its lease; false where that has been done already.
    pub(super) fn start_anew(&self, lost: &Incarnation) -> bool {
        let mut identity = self.identity();
        let current = identity.incarnation == *lost;
        if current {
            // A lease call has its number once in the life of a feed, so that member and number name one lease.
            let call = identity.call + 1;
            *identity = Identity {
                call,
                ..Identity::new()
            };
        }
        current
    }

    /// Notes that a request sent at `sent_at` has renewed the lease.
    pub(super) fn renewed(&self, incarnation: &Incarnation, sent_at: Instant) {
        let mut identity = self.identity();
        if identity.incarnation == *incarnation {
            identity.renewed_at = identity.renewed_at.max(Some(sent_at));
        }
    }

    /// Whether a side effect may still start under this identity.
    pub(super) fn may_start(&self, incarnation: &Incarnation) -> bool {
        let identity = self.identity();
        let margin = LEAST_MARGIN.max(self.lease / 5);
        identity.incarnation == *incarnation
            && identity
                .renewed_at
                .is_some_and(|at| at.elapsed() + margin < self.lease)
    }

    /// How long ago the lease was last renewed.
    pub(super) fn age(&self) -> Option<Duration> {
        self.identity().renewed_at.map(|at| at.elapsed())
    }
}
