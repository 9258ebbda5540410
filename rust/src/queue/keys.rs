//! The names of all keys of a lane; nowhere else is one built.

use super::{Incarnation, Lane, Priority};

/// The keys of one lane. All of them share one hash tag, so that they live on one slot of a cluster.
#[derive(Clone, Debug)]
pub struct Keys {
    tag: String,
    /// Hash: marker, number of shards, run id, epoch, counters.
    pub meta: String,
    /// Hash: id to job bytes, written once.
    pub jobs: String,
    /// Hash: id to packed history.
    pub history: String,
    /// Lists of members, next at the right; one per priority, in the order of [`Priority::ALL`].
    pub pending: [String; 4],
    /// Sorted set: member by due time in ms.
    pub scheduled: String,
    /// Sorted set: incarnation by lease expiry in ms.
    pub leases: String,
    /// List of members that run alone.
    pub suspects: String,
    /// Hash: id to `count:ms`.
    pub crashes: String,
    /// Sorted set: member by time of death in ms.
    pub dead: String,
    /// Hash: id to why it is dead or parked.
    pub failures: String,
    /// Two sets of ended ids, which take turns.
    pub done: [String; 2],
    /// Two hashes of how ids ended that were not acked.
    pub ended: [String; 2],
    /// Stream of records of finished jobs.
    pub recent: String,
    /// List of at most four tokens that idle workers block on.
    pub wake: String,
    /// Hash: incarnation to who it is.
    pub workers: String,
    /// Hash: incarnation to its last lease call that took jobs.
    pub calls: String,
    /// Sorted set: member by expiry in ms.
    pub parked: String,
    /// Hash: member to list entries of cancelled jobs.
    pub ghosts: String,
    /// The time in ms that tests set.
    pub clock: String,
}

impl Keys {
    /// The keys of a lane under a prefix.
    pub fn new(prefix: &str, lane: &Lane) -> Self {
        let tag = format!("{{{}}}", Self::tag(prefix, lane));
        let key = |name: &str| format!("{tag}:{name}");
        Self {
            meta: key("meta"),
            jobs: key("jobs"),
            history: key("history"),
            pending: Priority::ALL.map(|p| key(&format!("pending:{}", p.letter() as char))),
            scheduled: key("scheduled"),
            leases: key("leases"),
            suspects: key("suspects"),
            crashes: key("crashes"),
            dead: key("dead"),
            failures: key("failures"),
            done: [key("done:0"), key("done:1")],
            ended: [key("ended:0"), key("ended:1")],
            recent: key("recent"),
            wake: key("wake"),
            workers: key("workers"),
            calls: key("calls"),
            parked: key("parked"),
            ghosts: key("ghosts"),
            clock: key("clock"),
            tag,
        }
    }

    /// What stands in the braces of all keys of a lane, and alone decides where in a cluster they live.
    pub fn tag(prefix: &str, lane: &Lane) -> String {
        format!("{prefix}:{}:{}", lane.queue, lane.shard)
    }

    /// Hash of an incarnation: member to the lease call that took it.
    pub fn running(&self, incarnation: &Incarnation) -> String {
        format!("{}:running:{}", self.tag, incarnation.as_str())
    }

    /// Set of an incarnation: members cancelled while it ran them, until it has heard of it.
    pub fn cancels(&self, incarnation: &Incarnation) -> String {
        format!("{}:cancels:{}", self.tag, incarnation.as_str())
    }
}
