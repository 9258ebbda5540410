//! Building an event field by field, each checked as it comes: the one place that knows what a field may hold.

use serde_json::Value;
use uuid::Uuid;

use super::{Change, Changes, Event, EventError, EventKind};
use crate::instant::Instant;
use crate::json::{Place, Step};

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
    data: Option<Value>,
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
    /// Sets a field from its wire form.
    ///
    /// # Errors
    ///
    /// `EventError` if the field cannot hold the value.
    pub fn set(&mut self, field: Field, value: Value) -> Result<(), EventError> {
        let key = field.key();
        match field {
            Field::Id => self.id = optional(value, |v| uuid(key, &v))?,
            Field::EventType => self.event_type = Some(kind(key, &value)?),
            Field::EntityType => self.entity_type = Some(non_empty(key, value)?),
            Field::EntityId => self.entity_id = Some(uuid(key, &value)?),
            Field::Data => self.data = Some(value),
            Field::Changes => self.changes = optional(value, changes)?,
            Field::UserId => self.user_id = optional(value, |v| text(key, v))?,
            Field::TenantId => self.tenant_id = optional(value, |v| text(key, v))?,
            Field::ActorType => self.actor_type = optional(value, |v| text(key, v))?,
            Field::ActingFor => self.acting_for = optional(value, |v| text(key, v))?,
            Field::SchemaVersion => self.schema_version = optional(value, |v| text(key, v))?,
            Field::CdcSource => self.cdc_source = optional(value, |v| text(key, v))?,
            Field::Timestamp => self.timestamp = optional(value, |v| timestamp(key, &v))?,
            Field::DurationMs => self.duration_ms = optional(value, |v| integer(key, &v, 32))?,
            Field::Seq => self.seq = optional(value, |v| integer(key, &v, 64))?,
        }
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

fn optional<T>(
    value: Value,
    read: impl FnOnce(Value) -> Result<T, EventError>,
) -> Result<Option<T>, EventError> {
    if value.is_null() {
        Ok(None)
    } else {
        read(value).map(Some)
    }
}

fn wrong(path: impl Into<String>, expected: &str, value: &Value) -> EventError {
    let shown = value.to_string();
    let excerpt: String = shown.chars().take(MAX_SHOWN).collect();
    let ellipsis = if excerpt.len() < shown.len() {
        "…"
    } else {
        ""
    };
    EventError::new(path, format!("{expected}: {excerpt}{ellipsis}"))
}

fn uuid(path: &str, value: &Value) -> Result<Uuid, EventError> {
    // Only the hyphenated form has 36 characters; the others that the parser knows are no wire form.
    value
        .as_str()
        .filter(|text| text.len() == 36)
        .and_then(|text| Uuid::try_parse(text).ok())
        .ok_or_else(|| wrong(path, "not a UUID", value))
}

fn kind(path: &str, value: &Value) -> Result<EventKind, EventError> {
    value
        .as_str()
        .and_then(EventKind::from_wire)
        .ok_or_else(|| {
            let words = EventKind::ALL.map(EventKind::as_str).join(", ");
            wrong(path, &format!("not one of {words}"), value)
        })
}

fn text(path: &str, value: Value) -> Result<String, EventError> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong(path, "not a string", &other)),
    }
}

fn non_empty(path: &str, value: Value) -> Result<String, EventError> {
    let text = text(path, value)?;
    if text.is_empty() {
        Err(EventError::new(path, "must not be empty"))
    } else {
        Ok(text)
    }
}

fn timestamp(path: &str, value: &Value) -> Result<Instant, EventError> {
    value
        .as_str()
        .and_then(Instant::parse_rfc3339)
        .ok_or_else(|| {
            wrong(
                path,
                "not an RFC 3339 time with an offset, such as 2025-01-31T12:00:00Z",
                value,
            )
        })
}

fn integer<T: TryFrom<i64>>(path: &str, value: &Value, bits: u8) -> Result<T, EventError> {
    value
        .as_i64()
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| wrong(path, &format!("not an integer of {bits} bits"), value))
}

fn changes(value: Value) -> Result<Changes, EventError> {
    let Value::Object(fields) = value else {
        return Err(wrong(
            Field::Changes.key(),
            "not an object of {field: {old, new}}",
            &value,
        ));
    };
    fields
        .into_iter()
        .map(|(field, value)| {
            let Value::Object(mut entry) = value else {
                return Err(wrong(
                    in_changes(&[&field]),
                    "not an object with `old` and `new`",
                    &value,
                ));
            };
            let mut take = |side: &str| {
                entry
                    .swap_remove(side)
                    .ok_or_else(|| EventError::new(in_changes(&[&field, side]), "missing"))
            };
            let change = Change {
                old: take("old")?,
                new: take("new")?,
            };
            Ok((field, change))
        })
        .collect()
}

fn in_changes(keys: &[&str]) -> String {
    let mut place = Place::default();
    for key in keys.iter().rev() {
        place.leave(Step::Key((*key).to_owned()));
    }
    place.leave(Step::Key(Field::Changes.key().to_owned()));
    place.to_string()
}
