//! The language, by examples: what parses to what, and what holds for which event.

mod explanations;
mod functions;
mod mistakes;
mod warnings;

use super::{
    Condition, MAX_DEPTH, MAX_LIST_ITEMS, MAX_NODES, MAX_REGEX_BYTES, MAX_SEGMENTS, MAX_TEXT_BYTES,
    SyntaxError,
};
use crate::event::{DEFAULT_MAX_BYTES, Event};

fn parse(text: &str) -> Condition {
    Condition::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn refuse(text: &str) -> SyntaxError {
    Condition::parse(text)
        .err()
        .unwrap_or_else(|| panic!("{text:?} parses"))
}

fn event(kind: &str, data: &str, changes: &str) -> Event {
    let json = format!(
        r#"{{"event_type":"{kind}","entity_type":"Order","entity_id":"11111111-2222-3333-4444-555555555555","data":{data},"changes":{changes}}}"#
    );
    Event::from_json(json.as_bytes(), DEFAULT_MAX_BYTES).expect("valid")
}

/// `1`, `0`, or the text of the error.
fn outcome(text: &str, event: &Event) -> String {
    parse(text).evaluate(event).map_or_else(
        |error| error.to_string(),
        |truth| u8::from(truth).to_string(),
    )
}

fn check(event: &Event, table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(outcome(text, event), *expected, "{text}");
    }
}

const DATA: &str = r#"{"total":100,"price":2.5,"status":"shipped","note":null,"paid":true,"big":9007199254740993,
    "code":"100","or":1,"not":2,"in":3,"and":4,"a.b":7,"a":{"b":[{"k":1},2],"c d":3},"empty":"","été":1}"#;

#[test]
fn comparisons_follow_the_table_of_the_language() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("total == 100", "1"),
            ("total == 1e2", "1"),
            ("total == '100'", "0"),
            ("code == '100'", "1"),
            ("code == 100", "0"),
            ("status == shipped", "1"),
            ("status == \"shi\\u0070ped\"", "1"),
            ("status != 'Shipped'", "1"),
            ("note == null", "1"),
            ("note == 'null'", "0"),
            ("paid == true", "1"),
            ("paid != 1", "1"),
            ("big > 9007199254740992", "1"),
            ("big != 9007199254740992.0", "1"),
            ("price >= 2.5", "1"),
            ("price<=2.49", "0"),
            ("total < -1", "0"),
            ("empty ==", "1"),
            ("empty == && total == 100", "1"),
            ("(empty ==)", "1"),
            ("status == 'it' || été == 1", "1"),
            ("missing == 1", "Field not found: missing"),
            ("missing != 1", "Field not found: missing"),
            ("missing? != 1", "0"),
            ("!(missing ? == 1)", "1"),
            ("status > 1", "Cannot compare status: string > number"),
            (
                "status >= shipped",
                "Cannot compare status: string >= string",
            ),
            ("note < 1", "Cannot compare note: null < number"),
            ("total > true", "Cannot compare total: number > boolean"),
            ("a? > 1", "Cannot compare a: object > number"),
        ],
    );
}

#[test]
fn paths_walk_objects_by_key_and_arrays_by_index() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("a.b[0].k == 1", "1"),
            ("a[\"b\"][1] == 2", "1"),
            ("a[\"c d\"] == 3", "1"),
            ("a.b[2] == 1", "Field not found: a.b[2]"),
            ("a.b.k == 1", "Field not found: a.b.k"),
            ("a[0] == 1", "Field not found: a[0]"),
            ("total.x == 1", "Field not found: total.x"),
            ("total.x? == 1", "0"),
            ("a.b[99999999999]? == 1", "0"),
            ("has_field('a.b')", "1"),
            ("has_field(a.b)", "1"),
            ("has_field('a.c')", "0"),
            ("has_field(\"a.b\") && !has_field(a.c)", "1"),
            ("has_field ( note )", "1"),
        ],
    );
}

#[test]
fn data_that_is_no_object_has_no_fields() {
    check(
        &event("INSERT", "[1]", "null"),
        &[
            ("a == 1", "Field not found: a"),
            ("a? == 1", "0"),
            ("has_field(a)", "0"),
        ],
    );
}

#[test]
fn operands_are_taken_from_left_to_right_and_the_first_that_decides_ends_it() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("has_field('f') && f == 1", "0"),
            ("f == 1 && has_field('f')", "Field not found: f"),
            ("total == 100 || f == 1", "1"),
            ("f == 1 || total == 100", "Field not found: f"),
            ("!(f == 1)", "Field not found: f"),
            ("total == 1 || status == shipped && paid == true", "1"),
            ("(total == 100 || total == 1) && paid == false", "0"),
            ("! total == 1", "1"),
            ("not total == 1 and not paid == false", "1"),
            ("!!total == 100", "1"),
        ],
    );
}

#[test]
fn words_are_operators_only_where_an_operator_can_stand() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("or == 1 or total == 2", "1"),
            ("not == 2", "1"),
            ("not not == 2", "0"),
            ("not ? == 2", "1"),
            ("not(total == 1)", "1"),
            ("in == 3 and and == 4", "1"),
            ("status == 'shipped'and total == 100", "1"),
            ("(total == 1)or(total == 100)", "1"),
            ("status == or", "0"),
        ],
    );
}

#[test]
fn changes_are_asked_by_key_and_by_path() {
    let tracked = r#"{"status":{"old":"new","new":"100"},"n":{"old":1,"new":100.0},"q":{"old":"a","new":"a"},
        "x":{"old":{"y":1,"z":[1]},"new":{"y":1,"z":[2]}},"c":{"old":[1],"new":"[1]"}}"#;
    check(
        &event("UPDATE", "{}", tracked),
        &[
            ("field_changed('status')", "1"),
            ("field_changed(q)", "1"),
            ("field_changed('gone')", "0"),
            ("field_changed_to('status', '100')", "1"),
            ("field_changed_to('status', 100)", "0"),
            ("field_changed_to('n', '100')", "1"),
            ("field_changed_to(n, 100)", "1"),
            ("field_changed_from('q', '\"a\"')", "1"),
            ("field_changed_from('n', 2)", "0"),
            ("field_changed_from(status, new)", "1"),
            ("field_changed(x.y)", "0"),
            ("field_changed(x.z)", "1"),
            (
                "field_changed_to(x.z[0], 2) and field_changed_from(x.z[0], '1')",
                "1",
            ),
            ("field_changed_to(x.y, 1)", "0"),
            ("field_changed(x.none)", "0"),
            ("field_changed_from('c', '[1]')", "0"),
            ("field_changed_to('c', '[1]')", "1"),
        ],
    );
}

#[test]
fn an_update_without_tracked_changes_cannot_answer_and_other_kinds_say_no() {
    let missing = |call: &str| {
        format!("Missing pre-image: {call} needs the changes of this UPDATE, which are null")
    };
    check(
        &event("UPDATE", "{}", "null"),
        &[
            ("field_changed('s')", &missing("field_changed(s)")),
            (
                "!field_changed_to(s.t, 1)",
                &missing("field_changed_to(s.t)"),
            ),
        ],
    );
    check(&event("UPDATE", "{}", "{}"), &[("field_changed('s')", "0")]);
    check(
        &event("CUSTOM", "{}", "null"),
        &[("!field_changed_from('s', 1)", "1")],
    );
}

#[test]
fn limits_are_exact() {
    let padded = |bytes: usize| format!("a == {}", "x".repeat(bytes - 5));
    parse(&padded(MAX_TEXT_BYTES));
    assert!(
        refuse(&padded(MAX_TEXT_BYTES + 1))
            .message
            .contains("4097 bytes, at most 4096")
    );

    let nested = |levels: usize| format!("{}a == 1{}", "(".repeat(levels), ")".repeat(levels));
    parse(&nested(MAX_DEPTH));
    assert_eq!(
        refuse(&nested(MAX_DEPTH + 1)).message,
        "nested deeper than 64 levels"
    );
    let negated = |levels: usize| format!("{}a == 1", "! not ".repeat(levels / 2));
    parse(&negated(MAX_DEPTH));
    assert_eq!(
        refuse(&negated(MAX_DEPTH + 2)).message,
        "nested deeper than 64 levels"
    );

    let path = |steps: usize| format!("a{} == 1", ".b".repeat(steps - 1));
    parse(&path(MAX_SEGMENTS));
    assert!(
        refuse(&path(MAX_SEGMENTS + 1))
            .message
            .contains("at most 16 steps")
    );

    let list = |items: usize| format!("a in ({})", vec!["1"; items].join(","));
    parse(&list(MAX_LIST_ITEMS));
    assert!(
        refuse(&list(MAX_LIST_ITEMS + 1))
            .message
            .contains("at most 1000 items")
    );

    let regex = |bytes: usize| format!("matches(a, '{}')", "x".repeat(bytes));
    parse(&regex(MAX_REGEX_BYTES));
    assert!(
        refuse(&regex(MAX_REGEX_BYTES + 1))
            .message
            .contains("513 bytes, at most 512")
    );
    assert!(
        refuse("matches(a, 'x{900}{900}')")
            .message
            .contains("more than 65536 bytes when compiled")
    );

    let inside = |levels: usize| {
        let (open, close) = ("(".repeat(levels - 1), ")".repeat(levels - 1));
        format!("any(l, {open}a == 1{close})")
    };
    parse(&inside(MAX_DEPTH));
    assert_eq!(
        refuse(&inside(MAX_DEPTH + 1)).message,
        "nested deeper than 64 levels"
    );

    // Leaves and the operators between them: 2 n - 1 nodes.
    let chain = |leaves: usize| vec!["a<"; leaves].join("||");
    parse(&chain(MAX_NODES / 2));
    let negated = chain(MAX_NODES / 2 - 200).replacen("a<", "!a<", 402);
    assert!(
        negated.len() <= MAX_TEXT_BYTES && refuse(&negated).message.contains("more than 2048"),
        "{}",
        negated.len()
    );
}

#[test]
fn conditions_are_equal_when_their_trees_are() {
    for (left, right) in [
        ("a == 1 && b == 2", " a==1 and b == 2 "),
        ("a == x", "(a == \"x\")"),
        ("!has_field('a')", "not has_field(a)"),
        ("a[\"b\"] == 1", "a.b == 1"),
        ("(a == 1 && b == 1) && c == 1", "a == 1 && b == 1 && c == 1"),
    ] {
        assert_eq!(parse(left), parse(right));
    }
    for (left, right) in [
        ("a == 1", "a == '1'"),
        ("a == 1", "a? == 1"),
        ("has_field('a.b')", "has_field(a.b)"),
        ("a == 1 && (b == 1 && c == 1)", "a == 1 && b == 1 && c == 1"),
        ("field_changed_to(a, 1)", "field_changed_to(a, '1')"),
    ] {
        assert_ne!(parse(left), parse(right));
    }
    assert_eq!(parse("  a == 1\n").to_string(), "a == 1");
}
