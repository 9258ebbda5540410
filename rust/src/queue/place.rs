//! Where jobs are, how they ended, and how many there are: what operators see of a lane.

use super::{Incarnation, Member};

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a list, ready to be leased.
    Pending,
    /// Waiting until this time in ms.
    Scheduled(i64),
    /// Waiting for a worker that can run it, at most until this time in ms.
    Parked(i64),
    /// Leased by this incarnation.
    Running(Incarnation),
    /// Among the dead letters since this time in ms.
    Dead(i64),
    /// Ended: acked.
    Completed,
    /// Ended by hand or by a bound.
    Ended(Ending),
    /// Never seen, or forgotten.
    Missing,
}

/// How a job ended that was not acked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A person cancelled it.
    Cancelled,
    /// A person removed it from the dead letters.
    Removed,
    /// It was the oldest of too many dead letters.
    Trimmed,
    /// It failed under `on_failure = "log"`.
    Logged,
}

impl Ending {
    /// The letter that the ended hash holds.
    pub const fn letter(self) -> u8 {
        match self {
            Self::Cancelled => b'c',
            Self::Removed => b'r',
            Self::Trimmed => b't',
            Self::Logged => b'l',
        }
    }

    /// The ending of a letter.
    pub fn from_letter(letter: u8) -> Option<Self> {
        [Self::Cancelled, Self::Removed, Self::Trimmed, Self::Logged]
            .into_iter()
            .find(|e| e.letter() == letter)
    }
}

/// A job and what lives beside it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// Its id and priority, save for a job that is pending, whose bytes alone know, or has ended.
    pub member: Option<Member>,
    /// Its bytes, while it has not ended.
    pub bytes: Option<bytes::Bytes>,
    /// Its packed history.
    pub history: Option<bytes::Bytes>,
    /// Why it is dead or parked.
    pub failure: Option<bytes::Bytes>,
    /// How often a worker was lost while it ran, within the last 72 hours.
    pub crashes: u32,
}

/// What a `cancel` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It was pending and is cancelled.
    Pending,
    /// It was scheduled or parked and is cancelled.
    Scheduled,
    /// It was running and is cancelled; its effect may have happened.
    Running,
    /// It is a dead letter; nothing was done.
    Dead,
    /// It had ended; nothing was done.
    Ended,
    /// It is not known.
    Missing,
}

/// A job of a list, as the inspector sees it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id and priority.
    pub member: Member,
    /// The score or 0: due time, expiry or time of death in ms.
    pub time_ms: i64,
}

/// Which jobs to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Pending, the next first, by priority.
    Pending,
    /// Scheduled, the earliest first.
    Scheduled,
    /// Parked, the first to expire first.
    Parked,
    /// Running, in no order.
    Running,
    /// Dead letters, the newest first.
    Dead,
}

/// How many jobs are where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The queue's time in ms.
    pub now_ms: i64,
    /// Jobs ready to be leased, suspects included and ghosts left out.
    pub pending: u64,
    /// Those of them that wait to be run alone.
    pub suspects: u64,
    /// Jobs that wait for their time.
    pub scheduled: u64,
    /// Jobs that wait for a worker that can run them.
    pub parked: u64,
    /// Jobs leased.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// Counters since the lane began: enqueued, completed, retried, dead, released, reclaimed, cancelled, removed, replayed,
    /// trimmed, logged, parked, unparked, orphans, `mended_number`, `clock_jumps`.
    /// What never happened is absent.
    pub counters: Vec<(String, i64)>,
    /// Incarnations, with who they are (JSON) and when their lease runs out.
    pub workers: Vec<(Incarnation, String, i64)>,
}
