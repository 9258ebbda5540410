//! Reading a job from JSON text: the envelope alone, with event and action kept as they are.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Job, RetryPolicy, SCHEMA};
use crate::backoff::{BackoffStrategy, Jitter};
use crate::instant::Instant;
use crate::queue::Priority;

/// The keys of the wire format, in its order.
const KEYS: [&str; 17] = [
    "id",
    "observer",
    "action_index",
    "action",
    "event",
    "queue",
    "priority",
    "created_at",
    "scheduled_at",
    "expires_at",
    "max_attempts",
    "backoff_strategy",
    "initial_delay_ms",
    "max_delay_ms",
    "jitter",
    "traceparent",
    "schema",
];

/// What stored bytes turn out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // whoever reads jobs must decide on each
pub enum Decoded {
    /// A job.
    Job(Box<Job>),
    /// A job of a newer version of this package, which has to wait for a newer worker; the text says what is new.
    Newer(String),
    /// No job; the text says why.
    Corrupt(String),
}

/// Why bytes are not a job that we can run.
enum Refused {
    Newer(String),
    Corrupt(String),
}

impl Job {
    /// Reads a job. Nothing is copied but short texts, and nothing inside the event is looked at.
    pub fn decode(bytes: &Bytes) -> Decoded {
        match decode(bytes) {
            Ok(job) => Decoded::Job(Box::new(job)),
            Err(Refused::Newer(what)) => Decoded::Newer(what),
            Err(Refused::Corrupt(why)) => Decoded::Corrupt(why),
        }
    }

    /// Reads the job that a queue keeps under an id: another job's bytes are corrupt.
    pub fn decode_stored(bytes: &Bytes, id: Uuid) -> Decoded {
        match Self::decode(bytes) {
            Decoded::Job(job) if job.id != id => {
                Decoded::Corrupt(format!("the bytes of job {} are stored under {id}", job.id))
            }
            decoded => decoded,
        }
    }
}

fn decode(bytes: &Bytes) -> Result<Job, Refused> {
    let wire: Wire<'_> =
        serde_json::from_slice(bytes).map_err(|error| Refused::Corrupt(error.to_string()))?;
    let schema: u64 = wire.read("schema")?;
    if schema > SCHEMA.into() {
        return Err(Refused::Newer(format!(
            "schema {schema}, known up to {SCHEMA}"
        )));
    }
    if schema == 0 {
        return Err(Refused::Corrupt("schema: 0 is none".to_owned()));
    }
    let action = wire.raw("action")?;
    let action_type = serde_json::from_str::<Tagged>(action.get())
        .map_err(|error| Refused::Corrupt(format!("action: {error}")))?
        .kind;
    let event = wire.raw("event")?;
    if !event.get().starts_with('{') {
        return Err(Refused::Corrupt("event: not an object".to_owned()));
    }
    let max_attempts: u32 = wire.read("max_attempts")?;
    if max_attempts == 0 {
        return Err(Refused::Corrupt("max_attempts: 0 is below 1".to_owned()));
    }
    Ok(Job {
        id: wire.read("id")?,
        observer: wire.optional("observer")?,
        action_index: wire.read("action_index")?,
        action: piece(bytes, action),
        action_type,
        event: piece(bytes, event),
        queue: wire.read("queue")?,
        priority: wire.word("priority", Priority::from_name)?,
        created_at: wire.time("created_at")?,
        scheduled_at: wire.time("scheduled_at")?,
        expires_at: wire.time("expires_at")?,
        retry: RetryPolicy {
            max_attempts,
            backoff_strategy: wire.word("backoff_strategy", BackoffStrategy::from_wire)?,
            initial_delay_ms: wire.read("initial_delay_ms")?,
            max_delay_ms: wire.read("max_delay_ms")?,
            jitter: wire.word("jitter", Jitter::from_wire)?,
        },
        traceparent: wire.optional("traceparent")?,
        extra: wire
            .extra
            .iter()
            .map(|(key, value)| (key.clone(), piece(bytes, value)))
            .collect(),
    })
}

/// The part of `bytes` that a raw value borrows from it.
fn piece(bytes: &Bytes, raw: &RawValue) -> Bytes {
    bytes.slice_ref(raw.get().as_bytes())
}

/// The one key of an action that is read here.
#[derive(Deserialize)]
struct Tagged {
    #[serde(rename = "type")]
    kind: String,
}

/// The values of a job by the position of their key, none of them read yet: a newer schema may hold anything.
#[derive(Default)]
struct Wire<'a> {
    known: [Option<&'a RawValue>; KEYS.len()],
    extra: Vec<(String, &'a RawValue)>,
}

impl<'a> Wire<'a> {
    fn get(&self, key: &str) -> Option<&'a RawValue> {
        let position = KEYS
            .iter()
            .position(|known| *known == key)
            .expect("only keys of the format are asked for");
        self.known[position]
    }

    fn raw(&self, key: &str) -> Result<&'a RawValue, Refused> {
        self.get(key)
            .ok_or_else(|| Refused::Corrupt(format!("{key}: missing")))
    }

    fn read<T: DeserializeOwned>(&self, key: &str) -> Result<T, Refused> {
        serde_json::from_str(self.raw(key)?.get())
            .map_err(|error| Refused::Corrupt(format!("{key}: {error}")))
    }

    fn optional(&self, key: &str) -> Result<Option<String>, Refused> {
        match self.get(key) {
            Some(_) => self.read(key),
            None => Ok(None),
        }
    }

    fn time(&self, key: &str) -> Result<Instant, Refused> {
        let text: String = self.read(key)?;
        Instant::parse_rfc3339(&text)
            .ok_or_else(|| Refused::Corrupt(format!("{key}: not an RFC 3339 time")))
    }

    /// A word of a list that a newer version may have made longer.
    fn word<T>(&self, key: &str, from_word: impl Fn(&str) -> Option<T>) -> Result<T, Refused> {
        let text: String = self.read(key)?;
        from_word(&text).ok_or_else(|| Refused::Newer(format!("{key}: {text:?} is not known")))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Wire<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WireVisitor(std::marker::PhantomData))
    }
}

struct WireVisitor<'a>(std::marker::PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for WireVisitor<'a> {
    type Value = Wire<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Wire<'a>, A::Error> {
        let mut wire = Wire::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let value = map.next_value()?;
            if let Some(position) = KEYS.iter().position(|known| *known == key) {
                if wire.known[position].replace(value).is_some() {
                    return Err(serde::de::Error::custom(format!("{key}: given twice")));
                }
            } else {
                wire.extra.push((key.into_owned(), value));
            }
        }
        Ok(wire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = concat!(
        r#"{"id":"018f0000-0000-7000-8000-000000000001","observer":null,"action_index":0,"#,
        r#""action":{"type":"webhook","url":"https://example.org/"},"event":{"a":1.50},"queue":"default","priority":"default","#,
        r#""created_at":"2026-01-02T03:04:05.678Z","scheduled_at":"2026-01-02T03:04:05.678Z","expires_at":"2026-01-05T03:04:05Z","#,
        r#""max_attempts":4,"backoff_strategy":"exponential","initial_delay_ms":100,"max_delay_ms":5000,"jitter":"full","#,
        r#""traceparent":null,"schema":1,"later":{"x":[1,2]}}"#
    );

    fn with(from: &str, to: &str) -> Decoded {
        let text = WHOLE.replace(from, to);
        assert_ne!(text, WHOLE, "{from} is not in the job");
        Job::decode(&Bytes::from(text))
    }

    #[test]
    fn a_job_is_written_as_it_was_read_unknown_keys_included() {
        let bytes = Bytes::from_static(WHOLE.as_bytes());
        let Decoded::Job(job) = Job::decode(&bytes) else {
            panic!("not a job")
        };
        assert_eq!(job.to_json(), bytes);
        assert_eq!(&job.event[..], br#"{"a":1.50}"#);
        assert_eq!(job.action_type, "webhook");
        assert!(!job.is_by_reference());
    }

    #[test]
    fn a_newer_job_is_told_from_a_broken_one() {
        assert!(
            matches!(with("\"schema\":1", "\"schema\":2"), Decoded::Newer(what) if what.contains('2'))
        );
        // A newer schema may have changed any other field.
        let newer = WHOLE
            .replace("\"schema\":1", "\"schema\":9")
            .replace("\"max_attempts\":4", "\"max_attempts\":[]");
        assert!(matches!(
            Job::decode(&Bytes::from(newer)),
            Decoded::Newer(_)
        ));
        for (key, word) in [
            ("priority", "default"),
            ("backoff_strategy", "exponential"),
            ("jitter", "full"),
        ] {
            let decoded = with(
                &format!("\"{key}\":\"{word}\""),
                &format!("\"{key}\":\"novel\""),
            );
            assert!(
                matches!(decoded, Decoded::Newer(what) if what.contains(key)),
                "{key}"
            );
        }
    }

    #[test]
    fn what_is_no_job_says_why() {
        for (from, to, why) in [
            ("{\"id\"", "{\"id\":1,\"id\"", "id: given twice"),
            ("018f0000", "x", "id: "),
            ("\"queue\":\"default\",", "", "queue: missing"),
            (
                "\"max_attempts\":4",
                "\"max_attempts\":0",
                "max_attempts: 0",
            ),
            (
                "\"max_attempts\":4",
                "\"max_attempts\":-1",
                "max_attempts: ",
            ),
            ("{\"type\":\"webhook\",", "{", "action: "),
            ("{\"a\":1.50}", "[]", "event: not an object"),
            ("2026-01-05T03:04:05Z", "tomorrow", "expires_at: "),
            ("\"schema\":1", "\"schema\":0", "schema: 0"),
            ("\"schema\":1,", "", "schema: missing"),
            ("]}}", "]}", "EOF"),
        ] {
            assert!(
                matches!(with(from, to), Decoded::Corrupt(text) if text.contains(why)),
                "{from} -> {to}: {:?}",
                with(from, to)
            );
        }
        for bytes in [
            &b""[..],
            b"null",
            b"[]",
            b"\x80\x04\x95",
            b"{\"id\": \"\xff\"}",
        ] {
            assert!(matches!(
                Job::decode(&Bytes::from_static(bytes)),
                Decoded::Corrupt(_)
            ));
        }
    }

    #[test]
    fn bytes_stored_under_another_id_are_corrupt() {
        let bytes = Bytes::from_static(WHOLE.as_bytes());
        assert!(matches!(
            Job::decode_stored(&bytes, Uuid::nil()),
            Decoded::Corrupt(_)
        ));
        let id = Uuid::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0001);
        assert!(matches!(Job::decode_stored(&bytes, id), Decoded::Job(_)));
    }

    #[test]
    fn a_deeply_nested_event_is_no_danger() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(matches!(with("{\"a\":1.50}", &deep), Decoded::Job(_)));
    }
}
