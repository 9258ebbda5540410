//! Jobs: the durable order to run one action for one event, written once and never changed.
//!
//! What changes while a job lives (its place, its attempts, its crashes) is kept beside its bytes.

mod read;
mod state;
mod template;
mod write;

pub use read::Decoded;
pub use state::JobState;
pub use template::JobTemplate;

use bytes::Bytes;
use uuid::Uuid;

use crate::backoff::{BackoffStrategy, Jitter};
use crate::instant::Instant;
use crate::queue::Priority;

/// The schema that this version writes, and the newest that it reads.
pub const SCHEMA: u32 = 1;

/// How often and how soon a job is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // built field by field from the configuration
pub struct RetryPolicy {
    /// Executions in all, the first included; at least 1.
    pub max_attempts: u32,
    /// How the delay grows.
    pub backoff_strategy: BackoffStrategy,
    /// The delay after the first failure, in ms.
    pub initial_delay_ms: u64,
    /// The longest delay, in ms.
    pub max_delay_ms: u64,
    /// What chance does to the delay.
    pub jitter: Jitter,
}

/// A job, as it was stored. Raw parts are pieces of the bytes it was read from, never copied or written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // the wire format has exactly these, and `extra` for what is added to it
pub struct Job {
    /// Identifies the job in all its attempts; receivers tell repeats by it.
    pub id: Uuid,
    /// The observer whose action it is; none for a job enqueued by hand.
    pub observer: Option<String>,
    /// Which of the observer's actions, from 0.
    pub action_index: u32,
    /// The action as a JSON object: its type alone where the observer's configuration says the rest.
    pub action: Bytes,
    /// The type in `action`.
    pub action_type: String,
    /// The event as JSON, not read yet.
    pub event: Bytes,
    /// The queue it belongs to.
    pub queue: String,
    /// How urgent it is.
    pub priority: Priority,
    /// When it was made.
    pub created_at: Instant,
    /// When it is first due.
    pub scheduled_at: Instant,
    /// When it is too old to run, unless it is replayed.
    pub expires_at: Instant,
    /// How often and how soon it is tried again.
    pub retry: RetryPolicy,
    /// The W3C trace context of whoever made it.
    pub traceparent: Option<String>,
    /// Keys that this version does not know, with their values as JSON, in the order in which they were found.
    pub extra: Vec<(String, Bytes)>,
}

impl Job {
    /// Whether the action is the observer's and lives in its configuration, rather than in the job.
    pub fn is_by_reference(&self) -> bool {
        self.observer.is_some()
    }
}

/// The id of the job that runs one action of an observer for an event: the same whenever it is asked for, so that an
/// event enqueued twice makes one job.
pub fn observer_job_id(event_id: Uuid, action_index: u32, observer: &str) -> Uuid {
    Uuid::new_v5(&event_id, format!("{action_index}:{observer}").as_bytes())
}

/// The id of a job enqueued by hand: new each time, growing with time.
pub fn new_job_id() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observer_job_id_is_the_one_that_python_computes() {
        // uuid.uuid5(uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), "2:order_shipped")
        let event = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        let id = observer_job_id(event, 2, "order_shipped");
        assert_eq!(id.to_string(), "eeab8fc0-ddd2-5637-8b6f-3ab5aa4e4003");
        assert_ne!(id, observer_job_id(event, 1, "order_shipped"));
    }
}
