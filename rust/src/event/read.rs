//! Reading an event from JSON text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::mem;

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use uuid::Uuid;

use super::{Draft, Event, EventError, Field};
use crate::instant::Instant;
use crate::json::{Step, Strict, Writer};

/// The namespace of ids that are derived from a line: changing it would make every published file new again.
const LINE_NAMESPACE: Uuid = Uuid::from_u128(0x8c2f_6a0e_53d1_5b7a_9f44_d0c3_1e8b_7a26);

impl Event {
    /// Reads an event from one JSON object.
    ///
    /// # Errors
    ///
    /// `EventError` naming the path of what is wrong: size, text that is no strict JSON, a field that is missing,
    /// given twice, or of the wrong type.
    pub fn from_json(json: &[u8], max_bytes: usize) -> Result<Self, EventError> {
        read(json, max_bytes)?.finish_now()
    }

    /// Reads an event from one line of a file, and derives its id from the line's bytes if it has none.
    ///
    /// White space around the line does not count, so a file gives the same ids whatever ends its lines. Returns the
    /// event and whether its id was derived.
    ///
    /// # Errors
    ///
    /// As [`Event::from_json`].
    pub fn from_line(line: &[u8], max_bytes: usize) -> Result<(Self, bool), EventError> {
        let line = line.trim_ascii();
        let draft = read(line, max_bytes)?;
        let derived = !draft.has_id();
        let event = draft.finish(|| Uuid::new_v5(&LINE_NAMESPACE, line), Instant::now)?;
        Ok((event, derived))
    }
}

fn read(json: &[u8], max_bytes: usize) -> Result<Draft, EventError> {
    if json.len() > max_bytes {
        return Err(EventError::too_large(max_bytes));
    }
    let text = std::str::from_utf8(json).map_err(|error| {
        EventError::new("", format!("not UTF-8 after byte {}", error.valid_up_to()))
    })?;
    if text.starts_with('\u{feff}') {
        return Err(EventError::new("", "starts with a byte order mark"));
    }
    let reading = Strict::default();
    let mut refused = None;
    reading
        .read(
            text,
            EnvelopeSeed {
                reading: &reading,
                refused: &mut refused,
            },
        )
        .map_err(|error| {
            refused.unwrap_or_else(|| {
                EventError::new(
                    error.place.to_string(),
                    format!("not valid JSON: {}", error.problem),
                )
            })
        })
}

/// Reads the outermost object into a draft. What a field refuses goes to `refused`, since `serde_json` would lose the
/// path.
struct EnvelopeSeed<'a> {
    reading: &'a Strict,
    refused: &'a mut Option<EventError>,
}

impl EnvelopeSeed<'_> {
    fn refuse<E: de::Error>(self, error: EventError) -> E {
        let text = E::custom(&error);
        *self.refused = Some(error);
        text
    }
}

impl<'de> DeserializeSeed<'de> for EnvelopeSeed<'_> {
    type Value = Draft;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Draft, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed<'_> {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        let mut writer = Writer::default();
        let mut seen = Seen::default();
        while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
            if let Err(error) = entries.next_value_seed(self.reading.write(&mut writer, 2)) {
                self.reading.leave(Step::Key(key.into_owned()));
                return Err(error);
            }
            let field = Field::from_key(&key);
            if !seen.insert(field, &key) {
                return Err(self.refuse(EventError::new(key, "given twice")));
            }
            match field.map(|field| draft.set(field, &mut writer)) {
                Some(Err(error)) => return Err(self.refuse(error)),
                Some(Ok(())) => {}
                None => writer.clear(),
            }
        }
        Ok(draft)
    }
}

/// The keys of an envelope so far.
#[derive(Default)]
struct Seen {
    fields: [bool; Field::ALL.len()],
    ignored: HashSet<String>,
}

impl Seen {
    /// Notes a key; false if it is not the first of its name.
    fn insert(&mut self, field: Option<Field>, key: &str) -> bool {
        match field {
            Some(field) => !mem::replace(&mut self.fields[field as usize], true),
            None => self.ignored.insert(key.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DEFAULT_MAX_BYTES;

    const FULL: &str = r#"{"id":"018f0000-0000-7000-8000-000000000001","event_type":"UPDATE","entity_type":"Order","entity_id":"11111111-2222-3333-4444-555555555555","data":{"total":100.5,"n":18446744073709551615,"a":[null,true,"é"]},"changes":{"total":{"old":1,"new":100.5}},"user_id":"u","tenant_id":"t","actor_type":"human_user","acting_for":"x","schema_version":"2","cdc_source":"wal","timestamp":"2024-01-01T00:00:00.123456789Z","duration_ms":-5,"seq":9223372036854775807}"#;

    fn minimal(extra: &str) -> String {
        format!(
            r#"{{"event_type":"INSERT","entity_type":"Order","entity_id":"11111111-2222-3333-4444-555555555555","data":{{}}{extra}}}"#
        )
    }

    fn read_text(text: &str) -> Result<Event, EventError> {
        Event::from_json(text.as_bytes(), DEFAULT_MAX_BYTES)
    }

    fn refusal(text: &str) -> String {
        read_text(text).expect_err(text).to_string()
    }

    #[test]
    fn a_full_event_survives_a_round_trip_byte_for_byte() {
        let event = read_text(FULL).expect("valid");
        assert_eq!(String::from_utf8(event.to_json()).expect("UTF-8"), FULL);
    }

    #[test]
    fn absent_and_null_fields_take_their_defaults() {
        let event = read_text(&minimal(
            r#","id":null,"timestamp":null,"seq":null,"unknown":[1]"#,
        ))
        .expect("valid");
        assert_eq!(event.id.get_version_num(), 7);
        assert_eq!(
            (event.seq, event.duration_ms, event.changes.is_none()),
            (None, None, true)
        );
        let written = String::from_utf8(event.to_json()).expect("UTF-8");
        assert!(
            written.contains(r#""changes":null"#) && written.contains(r#""user_id":null"#),
            "{written}"
        );
        assert_eq!(read_text(&written), Ok(event));
    }

    #[test]
    fn a_bad_field_is_named_by_its_path() {
        for (extra, text) in [
            (r#","id":"x""#, r#"id: not a UUID: "x""#),
            (
                r#","id":"{1111111-2222-3333-4444-55555555555}""#,
                "id: not a UUID",
            ),
            (r#","user_id":5"#, "user_id: not a string: 5"),
            (r#","seq":1.0"#, "seq: not an integer of 64 bits: 1.0"),
            (
                r#","seq":9223372036854775808"#,
                "seq: not an integer of 64 bits",
            ),
            (
                r#","duration_ms":2147483648"#,
                "duration_ms: not an integer of 32 bits",
            ),
            (r#","duration_ms":true"#, "duration_ms: not an integer"),
            (
                r#","timestamp":"2024-01-01T00:00:00""#,
                "timestamp: not an RFC 3339 time",
            ),
            (r#","changes":[]"#, "changes: not an object"),
            (
                r#","changes":{"a":1}"#,
                "changes.a: not an object with `old` and `new`: 1",
            ),
            (r#","changes":{"a":{"old":1}}"#, "changes.a.new: missing"),
            (r#","data":1"#, "data: given twice"),
            (r#","x":1,"x":1"#, "x: given twice"),
            (
                r#","x":[{"y":1e999}]"#,
                "x[0].y: not valid JSON: number out of range",
            ),
            (r#","x":"\ud800""#, "x: not valid JSON"),
        ] {
            let refused = refusal(&minimal(extra));
            assert!(
                refused.starts_with(text),
                "{refused} does not start with {text}"
            );
        }
    }

    #[test]
    fn a_missing_or_empty_required_field_is_named() {
        for field in ["event_type", "entity_type", "entity_id", "data"] {
            let absent = minimal("").replace(&format!(r#""{field}":"#), r#""other":"#);
            assert_eq!(refusal(&absent), format!("{field}: missing"));
        }
        assert_eq!(
            refusal(&minimal("").replace("Order", "")),
            "entity_type: must not be empty"
        );
        assert_eq!(
            refusal(&minimal("").replace("INSERT", "insert")),
            r#"event_type: not one of INSERT, UPDATE, DELETE, CUSTOM: "insert""#
        );
    }

    #[test]
    fn what_is_no_json_object_is_refused_as_a_whole() {
        for text in ["", "[]", "null", "5", "{", "{} {}", "\u{feff}{}"] {
            assert!(refusal(text).starts_with("event: "), "{text:?}");
        }
        let error =
            Event::from_json(b"{\"a\":\"\xff\"}", DEFAULT_MAX_BYTES).expect_err("bad UTF-8");
        assert_eq!(error.to_string(), "event: not UTF-8 after byte 6");
    }

    #[test]
    fn the_limits_on_size_and_depth_are_exact() {
        let text = minimal("");
        assert!(Event::from_json(text.as_bytes(), text.len()).is_ok());
        assert!(Event::from_json(text.as_bytes(), text.len() - 1).is_err());
        let nested = |levels: usize| {
            minimal(&format!(
                r#","x":{}{}"#,
                "[".repeat(levels),
                "]".repeat(levels)
            ))
        };
        assert!(read_text(&nested(127)).is_ok());
        assert!(refusal(&nested(128)).contains("nested deeper than 128 levels"));
    }

    #[test]
    fn an_id_is_derived_from_the_bytes_of_a_line_only_where_it_has_none() {
        let line = minimal("");
        let derive =
            |line: &str| Event::from_line(line.as_bytes(), DEFAULT_MAX_BYTES).expect("valid");
        let (event, derived) = derive(&line);
        assert!(derived);
        assert_eq!(derive(&format!("{line}\r\n")).0.id, event.id);
        assert_ne!(derive(&minimal(r#","seq":1"#)).0.id, event.id);
        assert!(derive(&minimal(r#","id":null"#)).1);
        assert!(!derive(FULL).1);
    }
}
