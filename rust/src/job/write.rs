//! Writing a job as JSON text.

use bytes::Bytes;
use uuid::Uuid;

use super::{Job, SCHEMA};
use crate::instant::Instant;

/// A first guess at the bytes of a job apart from its event and names, so that most need one allocation.
pub(super) const USUAL_BYTES: usize = 512;

impl Job {
    /// The job as one JSON object: the fields in the order of the wire format, `null` included, then the unknown ones.
    pub fn to_json(&self) -> Bytes {
        let mut out = Vec::with_capacity(USUAL_BYTES + self.action.len() + self.event.len());
        out.extend_from_slice(b"{\"id\":");
        write_uuid(&mut out, self.id);
        out.extend_from_slice(b",\"observer\":");
        write_text_or_null(&mut out, self.observer.as_deref());
        out.extend_from_slice(
            format!(",\"action_index\":{},\"action\":", self.action_index).as_bytes(),
        );
        out.extend_from_slice(&self.action);
        out.extend_from_slice(b",\"event\":");
        out.extend_from_slice(&self.event);
        out.extend_from_slice(b",\"queue\":");
        write_text(&mut out, &self.queue);
        out.extend_from_slice(format!(",\"priority\":\"{}\"", self.priority.as_str()).as_bytes());
        for (key, time) in [
            (",\"created_at\":", self.created_at),
            (",\"scheduled_at\":", self.scheduled_at),
            (",\"expires_at\":", self.expires_at),
        ] {
            out.extend_from_slice(key.as_bytes());
            write_time(&mut out, time);
        }
        let retry = &self.retry;
        out.extend_from_slice(
            format!(
                ",\"max_attempts\":{},\"backoff_strategy\":\"{}\",\"initial_delay_ms\":{},\"max_delay_ms\":{},\"jitter\":\"{}\"",
                retry.max_attempts,
                retry.backoff_strategy.as_str(),
                retry.initial_delay_ms,
                retry.max_delay_ms,
                retry.jitter.as_str(),
            )
            .as_bytes(),
        );
        out.extend_from_slice(b",\"traceparent\":");
        write_text_or_null(&mut out, self.traceparent.as_deref());
        out.extend_from_slice(format!(",\"schema\":{SCHEMA}").as_bytes());
        for (key, value) in &self.extra {
            out.push(b',');
            write_text(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.push(b'}');
        out.into()
    }
}

pub(super) fn write_uuid(out: &mut Vec<u8>, id: Uuid) {
    out.push(b'"');
    out.extend_from_slice(
        id.hyphenated()
            .encode_lower(&mut Uuid::encode_buffer())
            .as_bytes(),
    );
    out.push(b'"');
}

pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text)
        .expect("a string is JSON, and a vector takes any number of bytes");
}

pub(super) fn write_text_or_null(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_text(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

pub(super) fn write_time(out: &mut Vec<u8>, time: Instant) {
    out.push(b'"');
    time.write_rfc3339(out);
    out.push(b'"');
}
