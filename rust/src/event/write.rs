//! Writing an event as JSON text.

use serde_json::Value;
use uuid::Uuid;

use super::Event;

/// A first guess at the size of an event, in bytes, so that most need one allocation.
const USUAL_BYTES: usize = 768;

impl Event {
    /// The event as one JSON object: every key in a fixed order, `null` included, the time in UTC.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(USUAL_BYTES);
        self.write_json(&mut out);
        out
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
        write_value(out, &self.data);
        out.extend_from_slice(b",\"changes\":");
        self.write_changes(out);
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

    fn write_changes(&self, out: &mut Vec<u8>) {
        write_optional(out, self.changes.as_ref(), |out, changes| {
            out.push(b'{');
            for (position, (field, change)) in changes.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_text(out, field);
                out.extend_from_slice(b":{\"old\":");
                write_value(out, &change.old);
                out.extend_from_slice(b",\"new\":");
                write_value(out, &change.new);
                out.push(b'}');
            }
            out.push(b'}');
        });
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

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text)
        .expect("a string is JSON, and a vector takes any number of bytes");
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    serde_json::to_writer(out, value)
        .expect("a value is JSON, and a vector takes any number of bytes");
}
