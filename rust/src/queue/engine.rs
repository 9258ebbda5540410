//! The two queues behind one face.

use std::sync::Arc;

use super::durability::Proof;
use super::facts::ServerFacts;
use super::{
    Ack, AckOutcome, Beat, Cancelled, Durability, Erased, Found, Incarnation, Lane, LaneOptions,
    LetterMark, Letters, Listed, Listing, Member, MemoryQueue, Nack, NewJob, Priority, QueueError,
    Reclaimed, RecordEntry, RedisQueue, ScannedJobs, Source, Stats, Stored, Token, Turn,
};

/// A queue on a server or in this process; the steps are the same.
pub enum Engine {
    /// On a Redis or Valkey server.
    Redis(Box<RedisQueue>),
    /// In this process, gone with it.
    Memory(MemoryQueue),
}

/// One line per step: the server is awaited, memory answers at once.
macro_rules! steps {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)*) => {
        $($(#[$doc])*
        ///
        /// # Errors
        ///
        /// See [`QueueError`] and the step's script.
        pub async fn $name(&self, lane: &Lane, $($arg: $kind),*) -> Result<$out, QueueError> {
            match self {
                Self::Redis(queue) => queue.$name(lane, $($arg),*).await,
                Self::Memory(queue) => queue.$name(lane, $($arg),*),
            }
        })*
    };
}

impl Engine {
    steps! {
        /// Stores jobs, each once; at most `batch_size` of them.
        fn enqueue(jobs: &[NewJob]) -> Stored;
        /// Gives a new incarnation its lease; returns the queue's time in ms.
        fn join(incarnation: &Incarnation, info: &str) -> i64;
        /// Renews the lease of an incarnation that still has one.
        fn beat(incarnation: &Incarnation, heard: &[Member]) -> Beat;
        /// Promotes what is due, names lost incarnations, leases up to `want` jobs under the number `call`.
        fn turn(incarnation: &Incarnation, call: u64, want: usize, source: Source) -> Turn;
        /// Completes jobs that the incarnation still holds.
        fn ack(incarnation: &Incarnation, acks: &[Ack]) -> Vec<AckOutcome>;
        /// Ends failed attempts of jobs that the incarnation still holds.
        fn nack(incarnation: &Incarnation, nacks: &[Nack]) -> Vec<bool>;
        /// Gives leased jobs back unharmed.
        fn release(incarnation: &Incarnation, tokens: &[Token], source: Source) -> Vec<bool>;
        /// Ends an incarnation that holds nothing; says how many jobs it still holds.
        fn leave(incarnation: &Incarnation) -> u64;
        /// Moves on the jobs of an incarnation whose lease has run out.
        fn reclaim(lost: &Incarnation, failure: &[u8]) -> Reclaimed;
        /// What an incarnation holds.
        fn held(incarnation: &Incarnation) -> Vec<Token>;
        /// Holds reclaiming back for one lease, since the queue's clock was seen to jump; says until when, in ms.
        fn hold() -> i64;
        /// Cancels a job, wherever it is.
        fn cancel(member: Member) -> Cancelled;
        /// Where a job is, and what is known of it.
        fn find(id: uuid::Uuid) -> Found;
        /// Sends dead letters back: member, time of death in ms, history from now on.
        fn replay(letters: &[(Member, i64, Vec<u8>)]) -> Vec<bool>;
        /// Takes dead letters away for good: member, time of death in ms.
        fn remove(letters: &[(Member, i64)]) -> Vec<bool>;
        /// Moves parked jobs on: to their list, or with a failure to the dead letters where their time is up.
        fn unpark(members: &[Member], failure: Option<&[u8]>) -> Vec<bool>;
        /// Forgets the ids that ended more than a dedupe window ago, where it is time.
        fn rotate() -> bool;
        /// How many jobs are where.
        fn stats() -> Stats;
        /// A page of jobs.
        fn list(listing: Listing, offset: usize, limit: usize) -> Vec<Listed>;
        /// Dead letters behind a mark, or from the newest on, with all that is kept of each.
        fn letters(after: Option<&LetterMark>, limit: usize) -> Letters;
        /// Lets the oldest dead letters go where there are too many or they are too old; returns how many went.
        fn trim() -> u64;
        /// Some of the jobs that have not ended, in no order, and where to go on.
        fn scan(mark: Option<&[u8]>) -> ScannedJobs;
        /// Takes away everything that is kept of a job, if its bytes are still these.
        fn erase(id: uuid::Uuid, bytes: &[u8], priority: Option<Priority>) -> Erased;
        /// Entries of the records of finished jobs behind another one, the oldest first.
        fn records(after: Option<&[u8]>, limit: usize) -> Vec<RecordEntry>;
        /// Puts other records in place of those of an entry, if it is still as it was read.
        fn redact(entry: &RecordEntry, stay: &[bytes::Bytes]) -> bool;
        /// The bytes of jobs, in the order of the members.
        fn bytes_of(members: &[Member]) -> Vec<Option<bytes::Bytes>>;
        /// The newest records of finished jobs, the newest first.
        fn recent(limit: usize) -> Vec<bytes::Bytes>;
        /// Wakes one idle worker of a lane, when this one stops watching.
        fn pass_on_wake() -> ();
    }

    /// Makes sure that the queue can hold jobs; memory has no facts.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn open(&self, lane: &Lane) -> Result<Option<Arc<ServerFacts>>, QueueError> {
        match self {
            Self::Redis(queue) => queue.open(lane).await.map(Some),
            Self::Memory(_) => Ok(None),
        }
    }

    /// Asks a server anew what it is and keeps; memory has no facts.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn look(&self) -> Result<Option<ServerFacts>, QueueError> {
        match self {
            Self::Redis(queue) => queue.look().await.map(Some),
            Self::Memory(_) => Ok(None),
        }
    }

    /// What proves a level now; nothing where the answer to a write does.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where the level cannot be given, and what else the server answers.
    pub async fn proof(&self, level: Durability) -> Result<Option<Proof>, QueueError> {
        match self {
            Self::Redis(queue) => queue.proof(level).await,
            Self::Memory(_) if level == Durability::Memory => Ok(None),
            Self::Memory(_) => Err(QueueError::Unsuitable(format!(
                "durability is {level}, but a queue in memory gives only memory"
            ))),
        }
    }

    /// Returns when a connection for commands has been made anew since the last call.
    pub async fn reconnected(&self) {
        match self {
            Self::Redis(queue) => queue.reconnected().await,
            Self::Memory(_) => std::future::pending().await,
        }
    }

    /// Waits until there may be work on one of the lanes, or for a while.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn wait_for_wake(&self, lanes: &[Lane]) -> Result<bool, QueueError> {
        match self {
            Self::Redis(queue) => queue.wait_for_wake(lanes).await,
            Self::Memory(queue) => queue.wait_for_wake(lanes).await,
        }
    }

    /// Whether the queue's clock is another one than this process's, so that it may jump by itself.
    pub const fn has_own_clock(&self) -> bool {
        match self {
            Self::Redis(queue) => !queue.has_manual_clock(),
            Self::Memory(queue) => queue.has_own_clock(),
        }
    }

    /// The bounds that this queue keeps.
    pub const fn options(&self) -> &LaneOptions {
        match self {
            Self::Redis(queue) => queue.options(),
            Self::Memory(queue) => queue.options(),
        }
    }
}
