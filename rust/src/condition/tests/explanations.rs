//! What an explanation tells.

use serde_json::{Value, json};

use super::{event, parse};
use crate::condition::{Explanation, MAX_ELEMENTS, Outcome};

fn explain(text: &str, data: &str) -> Explanation {
    parse(text).explain(&event("INSERT", data, "null"))
}

/// Outcome and reason of each leaf.
fn reasons(text: &str, data: &str) -> Vec<(&'static str, String)> {
    let leaves = explain(text, data).leaves;
    leaves
        .into_iter()
        .map(|leaf| (leaf.outcome.as_str(), leaf.reason.unwrap_or_default()))
        .collect()
}

#[test]
fn each_leaf_tells_what_it_saw() {
    let explained = explain(" total > 100 && !( s == 'x' ) ", r#"{"total":150,"s":"x"}"#);
    assert_eq!(explained.condition, "total > 100 && !( s == 'x' )");
    assert_eq!(
        (explained.outcome, &explained.error),
        (Outcome::False, &None)
    );
    assert_eq!(
        explained.leaves[1].to_value(),
        json!({
            "text": "s == 'x'", "operand": "s", "path": "s", "operator": "==", "literals": ["x"],
            "found": true, "value": "x", "outcome": "true", "error": null, "reason": null,
            "elements": null, "elements_reached": null,
        })
    );
}

#[test]
fn what_is_not_reached_tells_what_had_decided() {
    let data = r#"{"a":1,"b":2}"#;
    assert_eq!(
        reasons("a == 2 && b == 2 && (b == 3 || b == 4) || a == 1", data),
        [
            ("false", String::new()),
            (
                "not_reached",
                "after `a == 2` the `&&` was false".to_owned()
            ),
            (
                "not_reached",
                "after `a == 2` the `&&` was false".to_owned()
            ),
            (
                "not_reached",
                "after `a == 2` the `&&` was false".to_owned()
            ),
            ("true", String::new()),
        ]
    );
    assert_eq!(
        reasons("(!(a == 2) || c == 1) && b == 2", data),
        [
            ("false", String::new()),
            ("not_reached", "after `a == 2` the `||` was true".to_owned()),
            ("true", String::new()),
        ]
    );
    assert_eq!(
        reasons("(c == 1 || a == 1) && b == 2", data),
        [
            ("error", String::new()),
            ("not_reached", "`c == 1` was an error".to_owned()),
            ("not_reached", "`c == 1` was an error".to_owned()),
        ]
    );
    assert_eq!(
        reasons("c? == 1", data),
        [("false", "c is missing, and `?` makes that false".to_owned())]
    );
}

#[test]
fn operands_show_the_value_that_is_compared() {
    let changes = r#"{"s":{"old":{"k":1},"new":{}}}"#;
    let event = event("UPDATE", r#"{"l":[1,2],"n":7}"#, changes);
    let value = |text: &str| {
        let leaf = parse(text).explain(&event).leaves.remove(0);
        (leaf.operand, leaf.literals, leaf.value)
    };
    let seen = |operand: &str, literals: Value, value: Value| {
        let literals = literals.as_array().expect("a list").clone();
        (operand.to_owned(), literals, Some(value))
    };
    assert_eq!(
        value("size(l) in (1,2)"),
        seen("size(l)", json!([1, 2]), json!(2))
    );
    assert_eq!(value("size(n) == 1"), seen("size(n)", json!([1]), json!(7)));
    assert_eq!(
        value("old(s.k) == 1"),
        seen("old(s.k)", json!([1]), json!(1))
    );
    assert_eq!(
        value("field_changed_to(s.k, '1')"),
        seen("s.k", json!(["1", 1]), json!({"old": 1}))
    );
    assert_eq!(
        value("@event_type == 'INSERT'"),
        seen("@event_type", json!(["INSERT"]), json!("UPDATE"))
    );
    assert_eq!(
        value("field_changed(n)"),
        ("n".to_owned(), Vec::new(), None)
    );
}

#[test]
fn any_and_all_show_the_first_elements_and_the_last_one_looked_at() {
    let items = (0..40)
        .map(|n| format!("{{\"n\":{n}}}"))
        .collect::<Vec<_>>()
        .join(",");
    let data = format!("{{\"l\":[{items}]}}");
    let leaf = explain("any(l, n == 30)", &data).leaves.remove(0);
    let elements = leaf.elements.expect("of an any");
    assert_eq!(elements.reached, 31);
    let indexes: Vec<_> = elements.shown.iter().map(|element| element.index).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 30]);
    assert_eq!(elements.shown[MAX_ELEMENTS].outcome, Outcome::True);

    let explained = explain("all(l, n < 3 || x == 1)", &data);
    let error = "Field not found: x (in l[3])";
    assert_eq!(explained.error.as_deref(), Some(error));
    let last = explained.leaves[0]
        .elements
        .as_ref()
        .expect("of an all")
        .shown
        .last();
    let last = last.expect("one at least");
    assert_eq!((last.index, last.error.as_deref()), (3, Some(error)));
    assert_eq!(last.leaves[1].error.as_deref(), Some(error));
}

#[test]
fn the_text_for_people_is_short() {
    let long = "y".repeat(500);
    let text = explain(
        "a == 1 || b == 'z' || c == 1",
        &format!(r#"{{"a":"x","b":"{long}"}}"#),
    )
    .to_string();
    assert_eq!(
        text.lines().take(3).collect::<Vec<_>>(),
        [
            "a == 1 || b == 'z' || c == 1",
            "cannot be answered: Field not found: c",
            "  false  a == 1  # a is \"x\"",
        ]
    );
    assert!(
        text.lines().all(|line| line.chars().count() < 120),
        "{text}"
    );
}

#[test]
fn large_values_are_kept_up_to_a_bound_in_all() {
    let data = format!(r#"{{"l":[{}1]}}"#, "1,".repeat(200_000));
    let leaves = explain(&["is_null(l)"; 4].join(" || "), &data).leaves;
    let kept: Vec<_> = leaves.iter().map(|leaf| leaf.value.is_some()).collect();
    assert_eq!(kept, [true, true, false, false]);
    assert!(
        leaves
            .iter()
            .all(|leaf| leaf.found && leaf.outcome == Outcome::False)
    );
    let reason = leaves[3].reason.as_deref().unwrap_or_default();
    assert!(
        reason.starts_with("the value, 400003 bytes of JSON, is not shown"),
        "{reason}"
    );
}
