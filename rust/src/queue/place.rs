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

/// A dead letter, with all that is kept of it.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its id and priority.
    pub member: Member,
    /// When it died, in ms.
    pub died_at_ms: i64,
    /// Its bytes.
    pub bytes: Option<bytes::Bytes>,
    /// Why it died.
    pub failure: Option<bytes::Bytes>,
    /// Its packed history.
    pub history: Option<bytes::Bytes>,
}

/// A place among the dead letters, between two of them: behind this entry. The greater mark is that of the newer letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterMark {
    /// When it died, in ms.
    pub died_at_ms: i64,
    /// The entry, or nothing for the place behind all that died at that time or later.
    pub entry: Vec<u8>,
}

/// A page of dead letters, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    /// The letters.
    pub letters: Vec<Letter>,
    /// Where the page ends; nothing where it is empty.
    pub last: Option<LetterMark>,
    /// Whether older ones follow.
    pub more: bool,
}

/// Some of the jobs of a lane that have not ended.
#[derive(Clone, Debug, Default)]
pub struct ScannedJobs {
    /// Their ids and bytes.
    pub jobs: Vec<(uuid::Uuid, bytes::Bytes)>,
    /// Where to go on; nothing at the end.
    pub next: Option<Vec<u8>>,
}

/// One call's records of finished jobs, as they are stored.
#[derive(Clone, Debug)]
pub struct RecordEntry {
    /// Its id, which grows from entry to entry.
    pub id: bytes::Bytes,
    /// The records, with a line feed between them.
    pub records: bytes::Bytes,
}

/// Where a job was that was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Erased {
    /// Ready to be leased.
    Pending,
    /// Ready to be leased alone.
    Suspects,
    /// Waiting for its time.
    Scheduled,
    /// Waiting for a worker that can run it.
    Parked,
    /// Leased: its effect may have happened.
    Running,
    /// Among the dead letters.
    Dead,
    /// Pending with bytes that are no job: they are replaced, and a worker will bury what is left.
    Blanked,
    /// Nowhere, or its bytes were others by then; nothing was done.
    Gone,
}

impl Erased {
    const ALL: [Self; 8] = [
        Self::Pending,
        Self::Suspects,
        Self::Scheduled,
        Self::Parked,
        Self::Running,
        Self::Dead,
        Self::Blanked,
        Self::Gone,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Suspects => "suspects",
            Self::Scheduled => "scheduled",
            Self::Parked => "parked",
            Self::Running => "running",
            Self::Dead => "dead",
            Self::Blanked => "blanked",
            Self::Gone => "gone",
        }
    }

    /// The place of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.as_str() == name)
    }
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
    /// trimmed, `trimmed_by_age` (a part of those), logged, erased (a part of cancelled and removed), parked, unparked,
    /// orphans, `mended_number`, `clock_jumps`. What never happened is absent.
    pub counters: Vec<(String, i64)>,
    /// Incarnations, with who they are (JSON) and when their lease runs out.
    pub workers: Vec<(Incarnation, String, i64)>,
}
