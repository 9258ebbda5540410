//! Kind, entity, switch and condition, in order of definition; and rules that change while they are read.

use super::*;
use crate::event::DEFAULT_MAX_BYTES;

fn event(kind: &str, entity: &str, data: &str) -> Event {
    let json = format!(
        r#"{{"event_type":"{kind}","entity_type":"{entity}","entity_id":"11111111-2222-3333-4444-555555555555","data":{data}}}"#
    );
    Event::from_json(json.as_bytes(), DEFAULT_MAX_BYTES).expect("valid")
}

fn add(
    matcher: &Matcher,
    name: &str,
    kind: Option<EventKind>,
    entity: &str,
    condition: Option<&str>,
) {
    let condition = condition.map(|text| Arc::new(Condition::parse(text).expect("valid")));
    matcher.add(name, kind, entity, condition, true);
}

fn names(matcher: &Matcher, event: &Event) -> Vec<String> {
    matcher
        .find(event)
        .matched
        .iter()
        .map(|rule| rule.name.to_string())
        .collect()
}

#[test]
fn matches_come_in_order_of_definition_whatever_the_index() {
    let matcher = Matcher::new();
    add(&matcher, "any", None, "*", None);
    add(&matcher, "order", None, "Order", None);
    add(&matcher, "insert", Some(EventKind::Created), "*", None);
    add(&matcher, "exact", Some(EventKind::Created), "Order", None);
    add(&matcher, "update", Some(EventKind::Updated), "Order", None);
    add(&matcher, "user", None, "User", None);
    assert_eq!(
        names(&matcher, &event("INSERT", "Order", "{}")),
        ["any", "order", "insert", "exact"]
    );
    assert_eq!(
        names(&matcher, &event("UPDATE", "Order", "{}")),
        ["any", "order", "update"]
    );
    assert_eq!(
        names(&matcher, &event("INSERT", "order", "{}")),
        ["any", "insert"]
    );
}

#[test]
fn an_entity_that_is_literally_a_star_matches_wildcard_rules_once() {
    let matcher = Matcher::new();
    add(&matcher, "any", None, "*", None);
    add(&matcher, "order", None, "Order", None);
    assert_eq!(names(&matcher, &event("INSERT", "*", "{}")), ["any"]);
}

#[test]
fn conditions_decide_and_their_errors_are_grouped_by_text() {
    let matcher = Matcher::new();
    for (name, condition) in [
        ("yes", "total > 1"),
        ("no", "total > 9"),
        ("bad", "x == 1"),
        ("worse", "x > 1"),
        ("other", "y == 1"),
    ] {
        add(&matcher, name, None, "Order", Some(condition));
    }
    let found = matcher.find(&event("INSERT", "Order", r#"{"total":5}"#));
    assert_eq!(found.matched.len(), 1);
    assert_eq!(found.conditions_skipped, 4);
    let grouped: Vec<_> = found
        .errors
        .iter()
        .map(|e| (e.text.as_str(), e.names.len()))
        .collect();
    assert_eq!(
        grouped,
        [("Field not found: x", 2), ("Field not found: y", 1)]
    );
}

#[test]
fn a_replaced_rule_keeps_its_place_and_a_removed_one_loses_it() {
    let matcher = Matcher::new();
    for name in ["a", "b", "c"] {
        add(&matcher, name, None, "*", None);
    }
    let any = event("INSERT", "Order", "{}");
    assert_eq!(names(&matcher, &any), ["a", "b", "c"]);
    add(&matcher, "a", None, "Order", None);
    assert_eq!(names(&matcher, &any), ["a", "b", "c"]);
    assert!(matcher.remove("a"));
    assert!(!matcher.remove("a"));
    add(&matcher, "a", None, "*", None);
    assert_eq!(names(&matcher, &any), ["b", "c", "a"]);
    matcher.add("b", None, "*", None, false);
    assert_eq!(names(&matcher, &any), ["c", "a"]);
}

#[test]
fn threads_that_read_while_rules_change_see_whole_sets_of_rules() {
    let matcher = Matcher::new();
    add(&matcher, "stays", None, "*", None);
    let event = event("INSERT", "Order", "{}");
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..500).all(|_| names(&matcher, &event)[0] == "stays")))
            .collect();
        for _ in 0..500 {
            add(&matcher, "comes", None, "*", None);
            matcher.remove("comes");
        }
        assert!(
            readers
                .into_iter()
                .all(|reader| reader.join().expect("no panic"))
        );
    });
}
