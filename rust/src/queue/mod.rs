//! The queue: its contract, and what fulfils it.
//!
//! A *lane* is one queue on one shard: a set of keys that live together and change together. Every change of
//! state is one atomic step of a lane; what a step promises is written at the head of its script. `RedisQueue`
//! runs the scripts on a server, `MemoryQueue` does the same steps in this process.

pub mod engine;
pub mod error;
pub mod facts;
pub mod gather;
mod inspect;
pub mod keys;
pub mod link;
pub mod memory;
pub mod overview;
pub mod record;
pub mod redis;
mod reply;
pub mod scripts;
pub mod view;
mod work;

pub use engine::Engine;
pub use error::QueueError;
pub use memory::MemoryQueue;
pub use redis::RedisQueue;

use std::fmt;

use uuid::Uuid;

/// How urgent a job is; each is served 8 : 4 : 2 : 1 times as often as the ones below it together allow.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before everything else.
    Critical,
    /// Before the usual.
    High,
    /// The usual.
    Default,
    /// When there is room.
    Low,
}

impl Priority {
    /// All priorities, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Default, Self::Low];

    /// The letter that a member ends with.
    pub const fn letter(self) -> u8 {
        match self {
            Self::Critical => b'c',
            Self::High => b'h',
            Self::Default => b'd',
            Self::Low => b'l',
        }
    }

    /// The priority of a letter.
    pub fn from_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.letter() == letter)
    }

    /// The word used in files and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Default => "default",
            Self::Low => "low",
        }
    }

    /// The priority of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == name)
    }
}

/// A job as lists and sets of a lane know it: its id and its priority letter, 17 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member([u8; 17]);

impl Member {
    /// The member of a job.
    pub fn new(id: Uuid, priority: Priority) -> Self {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(id.as_bytes());
        bytes[16] = priority.letter();
        Self(bytes)
    }

    /// Reads a member as the server returned it.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 17] = bytes.try_into().ok()?;
        Priority::from_letter(bytes[16])?;
        Some(Self(bytes))
    }

    /// The job's id.
    pub fn id(&self) -> Uuid {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        Uuid::from_bytes(id)
    }

    /// The job's priority.
    pub fn priority(&self) -> Priority {
        Priority::from_letter(self.0[16]).unwrap_or(Priority::Default)
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id(), self.priority().as_str())
    }
}

/// The identity that a worker process holds until it loses its lease: 32 hexadecimal digits, at random.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(String);

impl Incarnation {
    /// A new identity.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// An identity that somebody else holds.
    pub fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One queue on one shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// The queue's name.
    pub queue: String,
    /// The shard's number, below the number of shards.
    pub shard: u16,
}

impl Lane {
    /// The lane of a job: its queue, and the shard that its id falls to.
    pub fn of(queue: &str, id: Uuid, shards: u16) -> Self {
        let (high, low) = id.as_u64_pair();
        // Ids of version 7 start with the time, so both halves take part.
        let mixed = (high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let shard = u16::try_from(mixed % u64::from(shards.max(1))).unwrap_or(0);
        Self {
            queue: queue.to_owned(),
            shard,
        }
    }
}

/// When a job may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// So many milliseconds after the queue has accepted it, by the queue's clock.
    After(u64),
    /// At this time, in milliseconds since 1970.
    At(i64),
}

/// A job to be stored.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id and priority.
    pub member: Member,
    /// When it may start.
    pub due: Due,
    /// Its bytes, which the queue never reads.
    pub bytes: bytes::Bytes,
}

/// What a lane does with the ids that it is offered; the whole call is refused or done.
pub type Stored = Vec<bool>;

/// Bounds that a lane keeps for everybody; the same for every process that uses it.
#[derive(Clone, Debug)]
pub struct LaneOptions {
    /// Most jobs pending, or 0 for no bound.
    pub max_pending: u64,
    /// How long an ended id is remembered, in ms.
    pub dedupe_window_ms: u64,
    /// Most records of finished jobs kept.
    pub completed_retention_max: u64,
    /// How long they are kept, in ms.
    pub completed_retention_ms: u64,
    /// Most dead letters kept; the oldest go first.
    pub dead_letter_max: u64,
    /// Crashes that bury a job.
    pub max_crashes: u32,
    /// Most jobs that one call stores, leases or moves.
    pub batch_size: usize,
    /// How long a lease lasts unrenewed, in ms; also the hold after a restart of the server.
    pub lease_duration_ms: u64,
}

/// Crashes count together only within this time: 72 hours, in ms.
pub const CRASH_WINDOW_MS: u64 = 72 * 3600 * 1000;

/// Most bytes that one call carries in either direction, one job at least.
pub const MAX_CALL_BYTES: usize = 4 << 20;

/// Where a lease takes jobs from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The pending lists, by priority.
    Pending,
    /// The jobs that were running when a worker was lost for the second time.
    Suspects,
}

impl Source {
    /// The word that the scripts use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Suspects => "suspects",
        }
    }
}

/// A job as `turn` hands it out.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Its id and priority.
    pub member: Member,
    /// The lease call that took it; with the incarnation, the token.
    pub call: u64,
    /// Its bytes.
    pub bytes: bytes::Bytes,
    /// Its packed history, if it has failed or been replayed before.
    pub history: Option<bytes::Bytes>,
}

/// The token of a leased job, apart from the incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The job's id and priority.
    pub member: Member,
    /// The lease call that took it.
    pub call: u64,
}

/// Whether an incarnation may lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has a lease.
    Alive,
    /// Its lease has run out, but nobody has reclaimed it: a beat brings it back.
    Expired,
    /// It has no lease any more and must join anew.
    Lost,
}

/// What a `turn` found.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Whether the caller may go on.
    pub standing: Standing,
    /// The queue's time in ms.
    pub now_ms: i64,
    /// When the next scheduled job is due.
    pub next_due_ms: Option<i64>,
    /// Entries still on the pending lists, ghosts of cancelled jobs included.
    pub waiting: u64,
    /// Jobs that wait to be run alone.
    pub suspects: u64,
    /// Incarnations whose lease has run out.
    pub lost: Vec<Incarnation>,
    /// The jobs leased.
    pub leases: Vec<Lease>,
}

/// What a `beat` found.
#[derive(Clone, Debug)]
pub struct Beat {
    /// Whether the lease still exists.
    pub alive: bool,
    /// Jobs of this incarnation that were cancelled; repeated until a beat says that they were heard of.
    pub cancelled: Vec<Member>,
}

/// A job that ran to its end.
#[derive(Clone, Debug)]
pub struct Ack {
    /// Which lease of which job.
    pub token: Token,
    /// The record kept of it for a while.
    pub record: Vec<u8>,
}

/// What an ack came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckOutcome {
    /// The job is completed, by this call.
    Acked,
    /// The job was completed by an earlier call of the same incarnation.
    Already,
    /// The lease has passed on; nothing was changed.
    Lost,
}

/// What becomes of a job whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another attempt, so many ms from now.
    Retry(u64),
    /// The dead letters.
    Dead,
    /// The end, with nothing kept.
    Log,
    /// Waiting for a worker that can run it, until this time in ms.
    Park(i64),
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub struct Nack {
    /// Which lease of which job.
    pub token: Token,
    /// What becomes of the job.
    pub verdict: Verdict,
    /// Its packed history from now on; empty leaves the stored one.
    pub history: Vec<u8>,
    /// Why it is dead or parked; empty for the other verdicts.
    pub failure: Vec<u8>,
    /// The record kept of an ended job for a while; empty for none.
    pub record: Vec<u8>,
}

/// What a `reclaim` did.
#[derive(Clone, Debug, Default)]
pub struct Reclaimed {
    /// Jobs moved on, buried ones included.
    pub moved: u64,
    /// Jobs that the lost incarnation still holds: call again.
    pub held: u64,
    /// Jobs that had crashed too often.
    pub buried: Vec<Member>,
    /// Whether nothing was done, because the lease is alive or reclaiming is held back.
    pub refused: bool,
}

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
    /// trimmed, logged, parked, unparked, orphans. What never happened is absent.
    pub counters: Vec<(String, i64)>,
    /// Incarnations, with who they are (JSON) and when their lease runs out.
    pub workers: Vec<(Incarnation, String, i64)>,
}
