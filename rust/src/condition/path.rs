//! The ways to what a leaf looks at: paths into the data, and fields of the envelope.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use crate::event::Event;
use crate::json::{Key, Raw};

/// A field that is read from the event's data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Field {
    /// The way to it.
    pub path: Path,
    /// The number of its top-level key among the keys that the condition reads; without meaning inside `any` and `all`,
    /// where the keys are those of an element.
    pub slot: usize,
    /// Whether `?` follows the path: where the field is missing, the leaf is false instead of an error.
    pub optional: bool,
}

/// A way from the top level to a value.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// The top-level key.
    pub first: Key,
    /// The steps from its value on.
    pub rest: Vec<Segment>,
    /// The path as it was written, for error texts.
    pub shown: String,
}

impl PartialEq for Path {
    /// Paths are equal when they lead to the same place, however they are written.
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first && self.rest == other.rest
    }
}

impl Eq for Path {}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.first.hash(state);
        self.rest.hash(state);
    }
}

impl Path {
    /// Follows the steps after the first from the value of the top-level key; `None` where a step leads nowhere.
    pub fn walk<'v>(&self, top: Raw<'v>) -> Option<Raw<'v>> {
        self.rest
            .iter()
            .try_fold(top, |value, segment| match segment {
                Segment::Key(key) => value.get(key),
                Segment::Index(index) => value.at(*index),
            })
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    /// A key of an object.
    Key(Key),
    /// A position in an array.
    Index(usize),
}

/// A field of the event beside its data, written `@name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Envelope {
    EventType,
    EntityType,
    EntityId,
    UserId,
    TenantId,
    ActorType,
}

impl Envelope {
    /// Every field that conditions reach.
    pub const ALL: [Self; 6] = [
        Self::EventType,
        Self::EntityType,
        Self::EntityId,
        Self::UserId,
        Self::TenantId,
        Self::ActorType,
    ];

    /// The field as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventType => "@event_type",
            Self::EntityType => "@entity_type",
            Self::EntityId => "@entity_id",
            Self::UserId => "@user_id",
            Self::TenantId => "@tenant_id",
            Self::ActorType => "@actor_type",
        }
    }

    /// Whether an event may have null there.
    pub const fn is_nullable(self) -> bool {
        matches!(self, Self::UserId | Self::TenantId | Self::ActorType)
    }

    /// The text of the field; `None` where it is null.
    pub fn of(self, event: &Event) -> Option<Cow<'_, str>> {
        match self {
            Self::EventType => Some(event.event_type.as_str().into()),
            Self::EntityType => Some(event.entity_type.as_str().into()),
            Self::EntityId => Some(event.entity_id.to_string().into()),
            Self::UserId => event.user_id.as_deref().map(Cow::from),
            Self::TenantId => event.tenant_id.as_deref().map(Cow::from),
            Self::ActorType => event.actor_type.as_deref().map(Cow::from),
        }
    }
}
