//! Entity events: what happened to one entity, immutable from the moment it is read.

mod changes;
mod draft;
mod kind;
mod read;
mod write;

pub use changes::{Change, Changes};
pub use draft::{Draft, Field};
pub use kind::EventKind;

use uuid::Uuid;

use crate::instant::Instant;
use crate::json::{Document, Key, Raw};

/// The largest event that is read where nobody says otherwise, in bytes of UTF-8.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;

/// One change of one entity, as it travels with every job made from it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// Identifies the event; job ids are derived from it.
    pub id: Uuid,
    /// What happened.
    pub event_type: EventKind,
    /// The kind of entity, case-sensitive and never empty.
    pub entity_type: String,
    /// The entity.
    pub entity_id: Uuid,
    /// The entity afterwards; for a deletion before it, or `{}`.
    pub data: Document,
    /// What changed; `None` means not tracked, empty means that nothing did.
    pub changes: Option<Changes>,
    /// Who did it.
    pub user_id: Option<String>,
    /// The tenant that the entity belongs to.
    pub tenant_id: Option<String>,
    /// What sort of actor did it.
    pub actor_type: Option<String>,
    /// On whose behalf.
    pub acting_for: Option<String>,
    /// The version of the schema of `data`.
    pub schema_version: Option<String>,
    /// Where the change was captured.
    pub cdc_source: Option<String>,
    /// When it happened, to the nanosecond.
    pub timestamp: Instant,
    /// How long the change took, in milliseconds.
    pub duration_ms: Option<i32>,
    /// Its place in the source's order.
    pub seq: Option<i64>,
}

impl Event {
    /// The tracked change of the top-level field `field`, if there is one.
    pub fn change(&self, field: &Key) -> Option<Change<'_>> {
        self.changes.as_ref()?.get(field)
    }

    /// Whether `field` is among the tracked changes; false where changes are not tracked.
    pub fn field_changed(&self, field: &Key) -> bool {
        self.change(field).is_some()
    }

    /// Whether `field` changed and is now `value`, by equality of JSON values.
    pub fn field_changed_to(&self, field: &Key, value: Raw<'_>) -> bool {
        self.change(field)
            .is_some_and(|change| change.new.semantic_eq(value))
    }

    /// Whether `field` changed and was `value` before, by equality of JSON values.
    pub fn field_changed_from(&self, field: &Key, value: Raw<'_>) -> bool {
        self.change(field)
            .is_some_and(|change| change.old.semantic_eq(value))
    }
}

impl PartialEq for Event {
    /// Events are equal when every field is, values in `data` and `changes` as conditions compare them.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.event_type == other.event_type
            && self.entity_type == other.entity_type
            && self.entity_id == other.entity_id
            && self.user_id == other.user_id
            && self.tenant_id == other.tenant_id
            && self.actor_type == other.actor_type
            && self.acting_for == other.acting_for
            && self.schema_version == other.schema_version
            && self.cdc_source == other.cdc_source
            && self.timestamp == other.timestamp
            && self.duration_ms == other.duration_ms
            && self.seq == other.seq
            && self.changes == other.changes
            && self.data.root().semantic_eq(other.data.root())
    }
}

/// Why something is no event; the text starts with the path of the value that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
#[non_exhaustive]
pub struct EventError {
    /// The path of the value, `event` for the whole.
    pub path: String,
    /// What is wrong with it, and what is allowed.
    pub problem: String,
}

impl EventError {
    /// An error at `path`; an empty path means the whole event.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            path: if path.is_empty() {
                "event".to_owned()
            } else {
                path
            },
            problem: problem.into(),
        }
    }

    /// The event is larger than the limit.
    pub fn too_large(max_bytes: usize) -> Self {
        Self::new("", format!("more than {max_bytes} bytes of JSON"))
    }
}
