//! What must hold for any bytes at all: the bodies of the fuzz targets, which `cargo test` runs on the seeds too.

use std::sync::{Arc, LazyLock};

use _core::condition::{Condition, EvalError, Outcome};
use _core::event::{DEFAULT_MAX_BYTES, Event, EventKind};
use _core::job::{Decoded, Job};
use _core::matcher::{ANY_ENTITY, Matcher};
use bytes::Bytes;

/// The names that seeds and dictionary use, with a value of every type, and an array that explanations do not show whole.
const DATA: &str = r#"{"a":1,"b":{"c d":[1,2.0,"x"],"k":null},"s":"Größe\n2","e":"","n":5,"f":2.5,"big":9007199254740993,
    "nil":null,"t":true,"tags":["vip",1.0,null,{"k":[1]}],"none":[],"status":"shipped","total":100,"a.b":"key",
    "due":"2026-01-31T12:00:00+01:00","bad":"2026-02-30T00:00:00Z","or":1,"not":2,"in":["x"],"any":4,"size":3,"été":1,
    "items":[{"qty":1,"sku":"A-1"},{"qty":5},7,{"sku":null},{},{},{},{},{},{},{},{"qty":9,"l":[1]}]}"#;
const CHANGES: &str = r#"{"a":{"old":2,"new":1},"b":{"old":{"k":1},"new":{"k":null}},"s":{"old":null,"new":"\"2\""},
    "status":{"old":"new","new":"shipped"},"total":{"old":100,"new":100.0},"gone":{"old":[1],"new":{}}}"#;

/// One event of each sort that conditions tell apart.
static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| {
    [
        ("INSERT", DATA, "null", "null"),
        ("UPDATE", DATA, CHANGES, "\"u\""),
        ("UPDATE", DATA, "null", "null"),
        ("DELETE", "{}", CHANGES, "\"\""),
        ("CUSTOM", "[1]", "{}", "null"),
    ]
    .map(|(kind, data, changes, user)| {
        let json = format!(
            r#"{{"event_type":"{kind}","entity_type":"Order","entity_id":"11111111-2222-3333-4444-555555555555","data":{data},"changes":{changes},"user_id":{user}}}"#
        );
        Event::from_json(json.as_bytes(), DEFAULT_MAX_BYTES).expect("the events are well-formed")
    })
    .into()
});

/// A text is refused with its place, or is a condition that prints as itself, and whose answers agree however it is asked.
pub fn condition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let condition = match Condition::parse(text) {
        Ok(condition) => Arc::new(condition),
        Err(error) => {
            assert!(error.offset <= text.chars().count(), "{error}");
            return;
        }
    };
    let printed = condition.to_string();
    let again = Condition::parse(&printed).expect("what is printed parses");
    assert_eq!(again, *condition);
    assert_eq!(again.to_string(), printed);
    for kind in EventKind::ALL.map(Some).into_iter().chain([None]) {
        condition.warnings(kind);
    }

    let leaves: Vec<Condition> = condition
        .explain(&EVENTS[0])
        .leaves
        .iter()
        .map(|leaf| Condition::parse(&leaf.text).expect("a leaf is a condition by itself"))
        .collect();
    let matcher = Matcher::new();
    matcher.add("rule", None, ANY_ENTITY, Some(Arc::clone(&condition)), true);
    for event in &*EVENTS {
        let answer = condition.evaluate(event);
        let explanation = condition.explain(event);
        assert_eq!(
            (explanation.outcome, &explanation.error),
            (
                outcome(&answer),
                &answer.as_ref().err().map(EvalError::to_string)
            )
        );
        let found = matcher.find(event);
        assert_eq!(found.matched.len(), usize::from(answer == Ok(true)));
        assert_eq!(
            found.errors.first().map(|unanswered| &unanswered.text),
            explanation.error.as_ref()
        );
        assert_eq!(explanation.leaves.len(), leaves.len());
        for (leaf, alone) in explanation.leaves.iter().zip(&leaves) {
            if leaf.outcome == Outcome::NotReached {
                assert!(leaf.reason.is_some(), "{}", leaf.text);
                continue;
            }
            let answer = alone.evaluate(event);
            assert_eq!(leaf.outcome, outcome(&answer), "{}", leaf.text);
            assert_eq!(leaf.error, answer.err().map(|error| error.to_string()));
        }
        assert!(!explanation.to_string().is_empty());
        assert!(explanation.to_value().is_object());
    }
}

fn outcome(answer: &Result<bool, EvalError>) -> Outcome {
    match answer {
        Ok(true) => Outcome::True,
        Ok(false) => Outcome::False,
        Err(_) => Outcome::Error,
    }
}

/// Bytes are refused, or are an event that is written in one way, which reads as the same event.
pub fn event(data: &[u8]) {
    let Ok(event) = Event::from_json(data, DEFAULT_MAX_BYTES) else {
        return;
    };
    let written = event.to_json();
    assert!(written.len() <= event.most_bytes());
    let again = Event::from_json(&written, written.len()).expect("what is written reads");
    assert_eq!(again, event);
    assert_eq!(again.to_json(), written);
    let (line, derived) = Event::from_line(data, DEFAULT_MAX_BYTES).expect("a line is as any text");
    let (twice, _) = Event::from_line(data, DEFAULT_MAX_BYTES).expect("as before");
    assert_eq!(line.id, twice.id);
    assert!(derived || line.id == event.id);
}

/// Bytes are no job of ours, or are a job that is written in one way, which reads as the same job.
pub fn job(data: &[u8]) {
    let Decoded::Job(job) = Job::decode(&Bytes::copy_from_slice(data)) else {
        return;
    };
    let written = job.to_json();
    assert_eq!(Job::decode(&written), Decoded::Job(job.clone()));
    let Decoded::Job(again) = Job::decode_stored(&written, job.id) else {
        panic!("the job is stored under its id");
    };
    assert_eq!(again.to_json(), written);
}
