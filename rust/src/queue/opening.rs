//! Opening a queue: its keys are ours, and all its programs agree on how many shards it has.
//!
//! A job is looked for in the shard that its id and the number say, so that another number would leave jobs where nobody
//! looks. The number is in the keys of each shard, and is changed only where no shard holds a job or a worker.

use std::sync::Arc;

use super::facts::ServerFacts;
use super::inspect::COUNTERS;
use super::keys::Keys;
use super::link::{Link, Live};
use super::scripts::Script;
use super::{Engine, Lane, QueueError, RedisQueue, reply};

/// What the keys of a lane say whose they are: the program and the number of this layout.
const MARKER: &str = "fraiseql_observers:1";

/// The fields of `:meta` beside the marker and the counters.
const FIELDS: [&str; 16] = [
    "run_id",
    "shards",
    "hold_until",
    "lease_ms",
    "lease_ms_at",
    "lease_ms_before",
    "epoch",
    "epoch_at",
    "cursor",
    "recent",
    "audit_at",
    "unmended",
    "walk_again",
    "walk_until",
    "walked_at",
    "confirmed_at",
];

/// What is done where a lane was made with another number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reshard {
    /// It is an error.
    Refuse,
    /// It is an error where the lane holds a job or a worker.
    Look,
    /// The lane has the new number from then on, unless it holds a job or a worker.
    Take,
}

impl Reshard {
    /// The word that the script uses.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Look => "look",
            Self::Take => "take",
        }
    }
}

impl RedisQueue {
    /// Makes sure that a lane's keys are ours.
    pub(super) async fn claim(
        &self,
        link: &Link,
        live: &Live,
        keys: &Keys,
    ) -> Result<(), QueueError> {
        self.open_keys(link, live, keys, Reshard::Refuse).await
    }

    /// Makes sure that the first shard of a lane's queue, which every number of shards has, agrees on the number. Where
    /// it is on another node of a cluster or does not answer, the lane's own keys have to do.
    pub(super) async fn agree(
        &self,
        link: &Link,
        live: &Live,
        first: &Lane,
    ) -> Result<(), QueueError> {
        match self.claim(link, live, &self.keys(first)).await {
            Err(error @ (QueueError::Resharded { .. } | QueueError::Unsuitable(_))) => Err(error),
            _ => Ok(()),
        }
    }

    async fn reshard(&self, lane: &Lane, how: Reshard) -> Result<(), QueueError> {
        let live = self.commands.live().await?;
        let keys = self.keys(lane);
        self.open_keys(&self.commands, &live, &keys, how).await
    }

    async fn open_keys(
        &self,
        link: &Link,
        live: &Live,
        keys: &Keys,
        how: Reshard,
    ) -> Result<(), QueueError> {
        let shards = self.options().shards;
        let declared = [&keys.meta, &keys.jobs, &keys.leases].map(String::as_str);
        let mut command = self.scripts.command(Script::Open, &declared, &keys.clock);
        command
            .arg(MARKER)
            .arg(&live.facts.run_id)
            .arg(self.options().lease_duration_ms)
            .arg(shards)
            .arg(how.as_str())
            .arg(&FIELDS)
            .arg(&COUNTERS);
        let found = self
            .scripts
            .run(link, live, Script::Open, &command)
            .await
            // Nothing that the caller wants has been asked for yet.
            .map_err(|error| match error {
                QueueError::Unconfirmed(text) => QueueError::Unavailable(text),
                error => error,
            })?;
        let found = reply::text(found)?;
        if found == MARKER {
            return Ok(());
        }
        if let Some(stored) = found.strip_prefix("shards ").and_then(|n| n.parse().ok()) {
            return Err(QueueError::Resharded {
                key: keys.meta.clone(),
                stored,
                shards,
            });
        }
        Err(QueueError::Unsuitable(format!(
            "the keys under the prefix {:?} are not ours: found {found:?} where {MARKER:?} should be",
            self.prefix
        )))
    }
}

impl Engine {
    /// Opens all shards of a queue; says what the server of the last is and keeps, and nothing for memory. A queue that
    /// was made with another number of shards is taken over if it is drained.
    ///
    /// # Errors
    ///
    /// `Resharded` where it is not drained; see [`QueueError`].
    pub async fn open_queue(&self, queue: &str) -> Result<Option<Arc<ServerFacts>>, QueueError> {
        let mut facts = None;
        for lane in lanes(queue, self.options().shards) {
            facts = match self.open(&lane).await {
                Err(QueueError::Resharded { stored, .. }) => {
                    self.take_over(queue, stored).await?;
                    self.open(&lane).await?
                }
                answer => answer?,
            };
        }
        Ok(facts)
    }

    /// Gives a drained queue the number of shards that we have. All shards are looked at before one is changed, and the
    /// first of them, which producers look at, is changed last.
    async fn take_over(&self, queue: &str, stored: u16) -> Result<(), QueueError> {
        for lane in lanes(queue, stored) {
            self.reshard(&lane, Reshard::Look).await?;
        }
        for lane in lanes(queue, stored.max(self.options().shards)).rev() {
            self.reshard(&lane, Reshard::Take).await?;
        }
        Ok(())
    }

    async fn reshard(&self, lane: &Lane, how: Reshard) -> Result<(), QueueError> {
        match self {
            Self::Redis(queue) => queue.reshard(lane, how).await,
            Self::Cluster(cluster) => {
                let mut way = cluster.way(lane);
                loop {
                    let home = way.home().await?;
                    let result = home.queue()?.reshard(lane, how).await;
                    if let Some(result) = way.arrived(&home, result) {
                        return result;
                    }
                }
            }
            Self::Memory(_) => Ok(()),
        }
    }
}

fn lanes(queue: &str, shards: u16) -> impl DoubleEndedIterator<Item = Lane> {
    (0..shards).map(move |shard| Lane {
        queue: queue.to_owned(),
        shard,
    })
}
