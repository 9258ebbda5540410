//! Building an event field by field, each checked as it comes: the one place that knows what a field may hold.

use std::borrow::Cow;
use std::mem;

use uuid::Uuid;

use super::{Changes, Event, EventError, EventKind};
use crate::instant::Instant;
use crate::json::{Document, Raw, Writer};

/// The longest excerpt of a refused value that an error shows, in characters.
const MAX_SHOWN: usize = 80;

/// The fields of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // named and described as in `Event`
#[allow(clippy::exhaustive_enums)] // the wire format has exactly these
pub enum Field {
    Id,
    EventType,
    EntityType,
    EntityId,
    Data,
    Changes,
    UserId,
    TenantId,
    ActorType,
    ActingFor,
    SchemaVersion,
    CdcSource,
    Timestamp,
    DurationMs,
    Seq,
}

impl Field {
    /// Every field, in the order in which it is written.
    pub const ALL: [Self; 15] = [
        Self::Id,
        Self::EventType,
        Self::EntityType,
        Self::EntityId,
        Self::Data,
        Self::Changes,
        Self::UserId,
        Self::TenantId,
        Self::ActorType,
        Self::ActingFor,
        Self::SchemaVersion,
        Self::CdcSource,
        Self::Timestamp,
        Self::DurationMs,
        Self::Seq,
    ];

    /// The key of the field on the wire.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::EventType => "event_type",
            Self::EntityType => "entity_type",
            Self::EntityId => "entity_id",
            Self::Data => "data",
            Self::Changes => "changes",
            Self::UserId => "user_id",
            Self::TenantId => "tenant_id",
            Self::ActorType => "actor_type",
            Self::ActingFor => "acting_for",
            Self::SchemaVersion => "schema_version",
            Self::CdcSource => "cdc_source",
            Self::Timestamp => "timestamp",
            Self::DurationMs => "duration_ms",
            Self::Seq => "seq",
        }
    }

    /// The field of a key, or `None` for a key that we ignore.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.key() == key)
    }
}

/// An event in the making.
#[derive(Debug, Default)]
pub struct Draft {
    id: Option<Uuid>,
    event_type: Option<EventKind>,
    entity_type: Option<String>,
    entity_id: Option<Uuid>,
    data: Option<Document>,
    changes: Option<Changes>,
    user_id: Option<String>,
    tenant_id: Option<String>,
    actor_type: Option<String>,
    acting_for: Option<String>,
    schema_version: Option<String>,
    cdc_source: Option<String>,
    timestamp: Option<Instant>,
    duration_ms: Option<i32>,
    seq: Option<i64>,
}

impl Draft {
    /// Sets a field to the value that has been written, and leaves the writer empty for the next one.
    ///
    /// # Errors
    ///
    /// `EventError` if the field cannot hold the value.
    pub fn set(&mut self, field: Field, writer: &mut Writer) -> Result<(), EventError> {
        let key = field.key();
        let value = writer.raw();
        match field {
            Field::Id => self.id = optional(value, |v| uuid(key, v))?,
            Field::EventType => self.event_type = Some(kind(key, value)?),
            Field::EntityType => self.entity_type = Some(non_empty(key, value)?),
            Field::EntityId => self.entity_id = Some(uuid(key, value)?),
            Field::Data => self.data = Some(mem::take(writer).finish()),
            Field::Changes if value.is_null() => self.changes = None,
            Field::Changes => self.changes = Some(Changes::new(&mem::take(writer).finish())?),
            Field::UserId => self.user_id = optional(value, |v| text(key, v))?,
            Field::TenantId => self.tenant_id = optional(value, |v| text(key, v))?,
            Field::ActorType => self.actor_type = optional(value, |v| text(key, v))?,
            Field::ActingFor => self.acting_for = optional(value, |v| text(key, v))?,
            Field::SchemaVersion => self.schema_version = optional(value, |v| text(key, v))?,
            Field::CdcSource => self.cdc_source = optional(value, |v| text(key, v))?,
            Field::Timestamp => self.timestamp = optional(value, |v| timestamp(key, v))?,
            Field::DurationMs => self.duration_ms = optional(value, |v| integer(key, v, 32))?,
            Field::Seq => self.seq = optional(value, |v| integer(key, v, 64))?,
        }
        writer.clear();
        Ok(())
    }

    /// Sets `id` or `entity_id` from a UUID that needs no parsing.
    pub fn set_uuid(&mut self, field: Field, value: Uuid) {
        match field {
            Field::EntityId => self.entity_id = Some(value),
            _ => self.id = Some(value),
        }
    }

    /// Whether the event has an id of its own.
    pub fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Makes the event; `new_id` and `now` stand in where it has no id or no time.
    ///
    /// # Errors
    ///
    /// `EventError` naming the first required field that is absent.
    pub fn finish(
        self,
        new_id: impl FnOnce() -> Uuid,
        now: impl FnOnce() -> Instant,
    ) -> Result<Event, EventError> {
        fn required<T>(field: Field, value: Option<T>) -> Result<T, EventError> {
            value.ok_or_else(|| EventError::new(field.key(), "missing"))
        }
        Ok(Event {
            event_type: required(Field::EventType, self.event_type)?,
            entity_type: required(Field::EntityType, self.entity_type)?,
            entity_id: required(Field::EntityId, self.entity_id)?,
            data: required(Field::Data, self.data)?,
            id: self.id.unwrap_or_else(new_id),
            changes: self.changes,
            user_id: self.user_id,
            tenant_id: self.tenant_id,
            actor_type: self.actor_type,
            acting_for: self.acting_for,
            schema_version: self.schema_version,
            cdc_source: self.cdc_source,
            timestamp: self.timestamp.unwrap_or_else(now),
            duration_ms: self.duration_ms,
            seq: self.seq,
        })
    }

    /// Makes the event with a random id of version 7 and the system's time where it has none.
    ///
    /// # Errors
    ///
    /// As [`Draft::finish`].
    pub fn finish_now(self) -> Result<Event, EventError> {
        self.finish(Uuid::now_v7, Instant::now)
    }
}

fn optional<'v, T>(
    value: Raw<'v>,
    read: impl FnOnce(Raw<'v>) -> Result<T, EventError>,
) -> Result<Option<T>, EventError> {
    if value.is_null() {
        Ok(None)
    } else {
        read(value).map(Some)
    }
}

/// The error that a value at `path` is not what its field takes.
pub(super) fn wrong(path: impl Into<String>, expected: &str, value: Raw<'_>) -> EventError {
    let shown = String::from_utf8_lossy(value.json());
    let excerpt: String = shown.chars().take(MAX_SHOWN).collect();
    let ellipsis = if excerpt.len() < shown.len() {
        "…"
    } else {
        ""
    };
    EventError::new(path, format!("{expected}: {excerpt}{ellipsis}"))
}

/// What `read` makes of a string, or the error that the value is not what was expected.
fn from_text<'v, T>(
    path: &str,
    expected: &str,
    value: Raw<'v>,
    read: impl FnOnce(Cow<'v, str>) -> Option<T>,
) -> Result<T, EventError> {
    value
        .string()
        .and_then(read)
        .ok_or_else(|| wrong(path, expected, value))
}

fn uuid(path: &str, value: Raw<'_>) -> Result<Uuid, EventError> {
    from_text(path, "not a UUID", value, |text| {
        // Only the hyphenated form has 36 characters; the others that the parser knows are no wire form.
        Some(text)
            .filter(|text| text.len() == 36)
            .and_then(|text| Uuid::try_parse(&text).ok())
    })
}

fn kind(path: &str, value: Raw<'_>) -> Result<EventKind, EventError> {
    let expected = "not one of INSERT, UPDATE, DELETE, CUSTOM";
    from_text(path, expected, value, |text| EventKind::from_wire(&text))
}

fn text(path: &str, value: Raw<'_>) -> Result<String, EventError> {
    from_text(path, "not a string", value, |text| Some(text.into_owned()))
}

fn non_empty(path: &str, value: Raw<'_>) -> Result<String, EventError> {
    let text = text(path, value)?;
    if text.is_empty() {
        Err(EventError::new(path, "must not be empty"))
    } else {
        Ok(text)
    }
}

fn timestamp(path: &str, value: Raw<'_>) -> Result<Instant, EventError> {
    let expected = "not an RFC 3339 time with an offset, such as 2025-01-31T12:00:00Z";
    from_text(path, expected, value, |text| Instant::parse_rfc3339(&text))
}

fn integer<T: TryFrom<i64>>(path: &str, value: Raw<'_>, bits: u8) -> Result<T, EventError> {
    value
        .number()
        .and_then(|number| T::try_from(number.as_i64()?).ok())
        .ok_or_else(|| wrong(path, &format!("not an integer of {bits} bits"), value))
}
