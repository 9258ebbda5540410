//! Writing an event as JSON text.

use uuid::Uuid;

use super::{Changes, Event};
use crate::json::write_text;

/// The most that an event takes beside its data, changes and texts, in bytes.
const ENVELOPE_BYTES: usize = 512;

impl Event {
    /// The event as one JSON object: every key in a fixed order, `null` included, the time in UTC.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.most_bytes());
        self.write_json(&mut out);
        out
    }

    /// An upper bound on the bytes that [`Event::write_json`] appends, close where the texts are short.
    pub fn most_bytes(&self) -> usize {
        let texts = [
            Some(&self.entity_type),
            self.user_id.as_ref(),
            self.tenant_id.as_ref(),
            self.actor_type.as_ref(),
            self.acting_for.as_ref(),
            self.schema_version.as_ref(),
            self.cdc_source.as_ref(),
        ];
        // An escape makes at most six bytes of one.
        let texts: usize = texts.into_iter().flatten().map(|text| text.len() * 6).sum();
        ENVELOPE_BYTES
            + texts
            + self.data.json().len()
            + self
                .changes
                .as_ref()
                .map_or(4, |changes| changes.json().len())
    }

    /// Appends what [`Event::to_json`] returns to `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        write_uuid(out, self.id);
        out.extend_from_slice(b",\"event_type\":\"");
        out.extend_from_slice(self.event_type.as_str().as_bytes());
        out.extend_from_slice(b"\",\"entity_type\":");
        write_text(out, &self.entity_type);
        out.extend_from_slice(b",\"entity_id\":");
        write_uuid(out, self.entity_id);
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(self.data.json());
        out.extend_from_slice(b",\"changes\":");
        out.extend_from_slice(self.changes.as_ref().map_or(b"null", Changes::json));
        for (key, text) in [
            (",\"user_id\":", &self.user_id),
            (",\"tenant_id\":", &self.tenant_id),
            (",\"actor_type\":", &self.actor_type),
            (",\"acting_for\":", &self.acting_for),
            (",\"schema_version\":", &self.schema_version),
            (",\"cdc_source\":", &self.cdc_source),
        ] {
            out.extend_from_slice(key.as_bytes());
            write_optional(out, text.as_ref(), |out, text| write_text(out, text));
        }
        out.extend_from_slice(b",\"timestamp\":\"");
        self.timestamp.write_rfc3339(out);
        out.extend_from_slice(b"\",\"duration_ms\":");
        write_optional(out, self.duration_ms, |out, number| {
            out.extend_from_slice(number.to_string().as_bytes());
        });
        out.extend_from_slice(b",\"seq\":");
        write_optional(out, self.seq, |out, number| {
            out.extend_from_slice(number.to_string().as_bytes());
        });
        out.push(b'}');
    }
}

fn write_optional<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn write_uuid(out: &mut Vec<u8>, id: Uuid) {
    out.push(b'"');
    out.extend_from_slice(
        id.hyphenated()
            .encode_lower(&mut Uuid::encode_buffer())
            .as_bytes(),
    );
    out.push(b'"');
}
