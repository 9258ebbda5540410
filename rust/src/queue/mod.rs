//! The queue: its contract, and what fulfils it.
//!
//! A *lane* is one queue on one shard: a set of keys that live together and change together. Every change of
//! state is one atomic step of a lane; what a step promises is written at the head of its script. `RedisQueue`
//! runs the scripts on a server, `MemoryQueue` does the same steps in this process.

mod audit;
mod cluster;
mod confirm;
pub mod dead_letters;
pub mod durability;
mod endpoint;
pub mod engine;
mod erase;
pub mod error;
pub mod facts;
pub mod forget;
pub mod gather;
mod grounds;
mod inspect;
pub mod intake;
pub mod keys;
mod letters;
pub mod link;
mod listing;
mod member;
pub mod memory;
mod opening;
mod operate;
pub mod overview;
mod place;
pub mod record;
pub mod redis;
mod reply;
mod rounds;
pub mod scripts;
mod sentinel;
mod slots;
pub mod spool;
mod step;
mod tls;
pub mod view;
mod walk;
mod work;

pub use audit::Audited;
pub use durability::Durability;
pub use endpoint::Access;
pub use engine::Engine;
pub use error::QueueError;
pub use member::{Incarnation, Lane, Member, Priority};
pub use memory::MemoryQueue;
pub use place::{
    Cancelled, Ending, Erased, Found, Letter, LetterMark, Letters, Listed, Listing, Place,
    RecordEntry, ScannedJobs, Stats,
};
pub use redis::RedisQueue;
pub use step::{
    Ack, AckOutcome, Beat, Due, Lease, Nack, NewJob, Reclaimed, Source, Standing, Stored, Token,
    Turn, Verdict,
};
pub use tls::TlsFiles;

/// Bounds that a lane keeps for everybody; the same for every process that uses it.
#[derive(Clone, Debug)]
pub struct LaneOptions {
    /// How many shards each queue has; the keys say so too.
    pub shards: u16,
    /// Most jobs pending, and most jobs scheduled; 0 for no bound.
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

/// How long a dead letter is kept at most: 30 days, in ms. Longer than a person is away; what is still wanted after that
/// has to be kept elsewhere.
pub const DEAD_LETTER_MAX_AGE_MS: u64 = 30 * 24 * 3600 * 1000;

/// Most bytes that one call carries in either direction, one job at least.
pub const MAX_CALL_BYTES: usize = 4 << 20;
