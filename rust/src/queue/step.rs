//! What the steps of a lane take and answer.

use super::{Incarnation, Member};

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
    /// The queue's time in ms.
    pub now_ms: i64,
    /// How many jobs the queue knows as leased by this incarnation.
    pub held: u64,
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
    /// Whether it was forgotten with whatever it held, because something else stood in the place of that.
    pub overwritten: bool,
}
