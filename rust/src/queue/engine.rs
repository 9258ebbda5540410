//! The two queues behind one face.

use std::sync::Arc;

use super::cluster::{ClusterQueue, Home};
use super::endpoint::{Access, Places};
use super::facts::ServerFacts;
use super::grounds::Grounds;
use super::{
    Ack, AckOutcome, Audited, Beat, Cancelled, Durability, Erased, Found, Incarnation, Lane,
    LaneOptions, LetterMark, Letters, Listed, Listing, Member, MemoryQueue, Nack, NewJob, Priority,
    QueueError, Reclaimed, RecordEntry, RedisQueue, ScannedJobs, Source, Stats, Stored, Token,
    Turn,
};

/// A queue on a server or in this process; the steps are the same.
pub enum Engine {
    /// On a Redis or Valkey server.
    Redis(Box<RedisQueue>),
    /// On the nodes of a cluster.
    Cluster(Box<ClusterQueue>),
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
                Self::Cluster(cluster) => {
                    let mut way = cluster.way(lane);
                    loop {
                        let home = way.home().await?;
                        let result = home.queue()?.$name(lane, $($arg),*).await;
                        if let Some(result) = way.arrived(&home, result) {
                            return result;
                        }
                    }
                }
                Self::Memory(queue) => {
                    #[cfg(test)]
                    queue.heard(lane, stringify!($name)).await?;
                    let done = queue.$name(lane, $($arg),*);
                    #[cfg(test)]
                    queue.answered(lane, concat!(stringify!($name), " answer")).await?;
                    done
                }
            }
        })*
    };
}

impl Engine {
    /// The queue on the server or the cluster that a url names.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where the url is none.
    pub fn reach(
        access: &Access,
        prefix: &str,
        options: LaneOptions,
        manual_clock: bool,
    ) -> Result<Self, QueueError> {
        let places = Places::of(&access.url)?;
        if places.cluster {
            let cluster = ClusterQueue::new(access, places, prefix, options, manual_clock)?;
            return Ok(Self::Cluster(Box::new(cluster)));
        }
        let queue = RedisQueue::new(access, prefix, options, manual_clock)?;
        Ok(Self::Redis(Box::new(queue)))
    }

    /// The node of a lane and its address, where lanes are on nodes of a cluster.
    ///
    /// # Errors
    ///
    /// `Unavailable` where no node is known that serves the lane.
    pub(super) async fn home(&self, lane: &Lane) -> Result<Option<Home>, QueueError> {
        match self {
            Self::Cluster(cluster) => cluster.home_of(lane).await.map(Some),
            Self::Redis(_) | Self::Memory(_) => Ok(None),
        }
    }

    /// Learns from what a node of a cluster has answered about a lane.
    pub(super) fn learn<T>(
        &self,
        lane: &Lane,
        address: &str,
        result: Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        match self {
            Self::Cluster(cluster) => cluster.learn(lane, address, result),
            Self::Redis(_) | Self::Memory(_) => result,
        }
    }

    /// Lanes that one call can wait for.
    pub fn wait_groups(&self, lanes: &[Lane]) -> Vec<Vec<Lane>> {
        match self {
            Self::Cluster(_) => lanes.iter().map(|lane| vec![lane.clone()]).collect(),
            Self::Redis(_) | Self::Memory(_) => vec![lanes.to_vec()],
        }
    }

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
        /// Counts jobs and places, unless somebody has done so within so many ms, and mends what is amiss.
        fn audit(interval_ms: u64) -> Audited;
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
            Self::Cluster(cluster) => {
                let mut way = cluster.way(lane);
                loop {
                    let home = way.home().await?;
                    let result = home.queue()?.open(lane).await;
                    if let Some(result) = way.arrived(&home, result) {
                        return result.map(Some);
                    }
                }
            }
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
            Self::Cluster(cluster) => cluster.look().await.map(Some),
            Self::Memory(_) => Ok(None),
        }
    }

    /// What proves a level now; nothing where the answer to a write does.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where the level cannot be given, and what else the server answers.
    pub async fn grounds(&self, level: Durability) -> Result<Grounds, QueueError> {
        match self {
            Self::Redis(queue) => queue.grounds(level).await,
            Self::Cluster(_) => Err(QueueError::Unsuitable(
                "each node of a cluster proves for itself".to_owned(),
            )),
            Self::Memory(_) if level == Durability::Memory => Ok(Grounds::ANYWHERE),
            Self::Memory(_) => Err(QueueError::Unsuitable(format!(
                "durability is {level}, but a queue in memory gives only memory"
            ))),
        }
    }

    /// Whether what was answered since the grounds were found came from the server that they are about.
    pub(super) fn still_stands_on(&self, grounds: &Grounds) -> bool {
        match self {
            Self::Redis(queue) => queue.still_stands_on(grounds),
            Self::Cluster(_) | Self::Memory(_) => grounds.generation.is_none(),
        }
    }

    /// Returns when a connection for commands has been made anew since the last call.
    pub async fn reconnected(&self) {
        match self {
            Self::Redis(queue) => queue.reconnected().await,
            Self::Cluster(_) | Self::Memory(_) => std::future::pending().await,
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
            Self::Cluster(cluster) => match lanes {
                [lane] => cluster.wait_for_wake(lane).await,
                _ => Err(QueueError::Unsuitable(
                    "nothing waits on several lanes of a cluster".to_owned(),
                )),
            },
            Self::Memory(queue) => queue.wait_for_wake(lanes).await,
        }
    }

    /// Whether the queue's clock is another one than this process's, so that it may jump by itself.
    pub const fn has_own_clock(&self) -> bool {
        match self {
            Self::Redis(queue) => !queue.has_manual_clock(),
            Self::Cluster(cluster) => !cluster.has_manual_clock(),
            Self::Memory(queue) => queue.has_own_clock(),
        }
    }

    /// The bounds that this queue keeps.
    pub const fn options(&self) -> &LaneOptions {
        match self {
            Self::Redis(queue) => queue.options(),
            Self::Cluster(cluster) => cluster.options(),
            Self::Memory(queue) => queue.options(),
        }
    }
}
