//! What can go wrong between us and the queue, by what the caller should do.

use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

/// Why the queue did not do what was asked. Texts never hold a password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueError {
    /// It cannot be reached or cannot answer now, and nothing was sent: try again after backoff.
    #[error("the queue is not available: {0}")]
    Unavailable(String),
    /// The request was sent and no answer came: it may have been done. Repeating the same ids is safe.
    #[error("the queue did not confirm: {0}")]
    Unconfirmed(String),
    /// As `Unconfirmed`, and these jobs may be stored.
    #[error("the queue did not confirm: {0}")]
    MaybeStored(String, Arc<[Uuid]>),
    /// The bound or the memory is reached; nothing was stored.
    #[error("the queue is full: {0}")]
    Full(String),
    /// The login is refused, or the user may not do this: no use in trying again.
    #[error("access to the queue is refused: {0}")]
    Refused(String),
    /// The server must not hold jobs: too old, evicting, foreign keys, or less durable than asked.
    #[error("the server is unsuitable: {0}")]
    Unsuitable(String),
    /// Fewer replicas are connected than the durability asked for needs. Where they once were, it passes.
    #[error("the server is unsuitable: {0}")]
    TooFewReplicas(String),
    /// The queue was made with another number of shards than the configuration has, and is not drained.
    #[error(
        "the server is unsuitable: {key} says that the queue has storage.shards = {stored}, and the configuration has \
         {shards}, under which its jobs would not be found: set it back, or drain the queue under {stored} (no job left, \
         dead letters included), stop its workers, and start again"
    )]
    Resharded {
        /// The key that says so.
        key: String,
        /// The number that the queue was made with.
        stored: u16,
        /// The number that the configuration has.
        shards: u16,
    },
    /// The server is a node of a cluster, and another one serves these keys: host and port. Nothing was done.
    #[error(
        "the server is unsuitable: it is a node of a cluster, which needs a url with redis+cluster:// (it names {0})"
    )]
    Elsewhere(String),
    /// A reply or a stored value is not what this protocol writes.
    #[error("unexpected data in the queue: {0}")]
    Corrupt(String),
}

impl QueueError {
    /// Whether the same call may succeed later without a change.
    pub const fn transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Unconfirmed(_) | Self::MaybeStored(..)
        )
    }
}
