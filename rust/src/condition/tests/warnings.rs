//! What parses but is probably not meant.

use super::parse;
use crate::event::EventKind;

fn warnings(text: &str) -> String {
    parse(text).warnings(None).join("; ")
}

#[test]
fn literals_that_are_probably_not_meant_are_warnings() {
    assert_eq!(warnings("status == 'shipped' && total > 100"), "");
    assert_eq!(
        warnings("é == shipped"),
        "`shipped` is read as a string; quote it to say so (offset 5)"
    );
    assert!(warnings("a == 007").contains("`007`"));
    assert!(warnings("a == 1e400").contains("`1e400`"));
    assert!(warnings("a == -5x").contains("no JSON number"));
    assert!(warnings("a in (1, NULL)").contains("JSON's null is written `null`"));
    assert!(warnings("a == True").contains("JSON's is written `true`"));
    assert!(warnings("contains(a, b)").contains("`b` is read as a string"));
    assert!(warnings("a in (1,)").contains("empty string"));
    assert!(warnings("a ==").contains("empty string"));
    assert!(
        warnings("a > 'x'").contains("`>` needs a number; with \"x\" it is an error each time")
    );
    assert!(warnings("field_changed_to('a', b)").contains("`b`"));
}

#[test]
fn warnings_stand_in_the_order_of_the_text() {
    let condition = parse("a == b or c > d");
    let offsets: Vec<_> = condition
        .warnings(None)
        .iter()
        .filter_map(|warning| Some(warning.rsplit_once("(offset ")?.1.to_owned()))
        .collect();
    assert_eq!(offsets, ["5)", "12)", "14)"]);
}

#[test]
fn a_comparison_before_its_guard_is_a_warning() {
    for late in [
        "f == 1 && has_field('f')",
        "f == 1 || !has_field(f)",
        "a == 1 && f.g in (1) && has_field(f.g)",
        "(size(f) > 1 and not has_field(f)) or a == 1",
        "any(l, f == 1 && has_field(f))",
        "time(f) > '2024-01-01T00:00:00Z' && has_field(f)",
    ] {
        assert!(warnings(late).contains("comes too late"), "{late}");
    }
    for fine in [
        "has_field('f') && f == 1",
        "has_field('f') && f == 1 && has_field(f)",
        "f? == 1 || has_field('f')",
        "f == 1 && has_field('g')",
    ] {
        assert_eq!(warnings(fine), "", "{fine}");
    }
}

#[test]
fn what_is_the_same_for_every_event_is_a_warning() {
    for (text, says) in [
        ("@event_type == 'Update'", "never holds"),
        ("@event_type != 'created'", "always holds"),
        (
            "@event_type in ('INSERT', 'UPDATE', 'DELETE', 'CUSTOM')",
            "always holds",
        ),
        ("@event_type not in ('insert')", "always holds"),
        ("@entity_id == null", "never holds"),
        ("is_null(@entity_type)", "never holds"),
        ("@user_id == 5", "never holds"),
        (
            "@entity_id == 'AAAAAAAA-2222-3333-4444-555555555555'",
            "never holds",
        ),
        ("@user_id > 5", "is text, which has no order"),
        ("size(a) >= 0", "always holds"),
        ("size(a) < 0", "never holds"),
        ("size(a) == 1.5", "never holds"),
        ("size(a) != 'x'", "always holds"),
        ("starts_with(a, '')", "always holds"),
        ("like(a, '**')", "always holds"),
        ("matches(a, '')", "always holds"),
        ("a == 1 && a == 2", "never hold both"),
        ("a == 1 && a == '1'", "never hold both"),
        ("a == 1 && a != 1.0", "never hold both"),
        ("a > 5 && a < 3", "never hold both"),
        ("a >= 5 && a == 4", "never hold both"),
        ("!(a > 5) && a >= 6", "never hold both"),
        ("has_field(a) && !has_field('a')", "never hold both"),
        (
            "has_field(a) || !has_field(a)",
            "one of `has_field(a)` and `!(has_field(a))` always holds",
        ),
        ("a? > 5 && !(a? >= 3)", "never hold both"),
        ("a == 1 || a != 1", "always holds"),
        ("a < 5 || a >= 5", "always holds"),
        ("contains(a, 'x') || !contains(a, 'x')", "always holds"),
        (
            "field_changed_to(a, 1) && field_changed_to(a, '2')",
            "never hold both",
        ),
    ] {
        assert!(warnings(text).contains(says), "{text}: {}", warnings(text));
    }
    for fine in [
        "@event_type == 'UPDATE'",
        "@user_id == null",
        "@entity_id == 'aaaaaaaa-2222-3333-4444-555555555555'",
        "size(a) > 0",
        "size(a?) >= 0",
        "a == 1 || a == 2",
        "a == 1 && a == 1.0",
        "a > 3 && a < 5",
        "a >= 5 && a <= 5",
        "a? != 1 || a? != 2",
        "!(a? > 5) && !(a? <= 5)",
        "starts_with(a?, '') || like(a?, '*') || matches(a?, '')",
        "a > 5 || a < 3",
        "field_changed_to(a, 1) && field_changed_to(a, '1')",
        "field_changed_from(a, 1) && field_changed_to(a, 2)",
        "contains(a, '')",
        "like(a, '')",
    ] {
        assert_eq!(warnings(fine), "", "{fine}");
    }
}

#[test]
fn what_cannot_hold_for_the_kind_of_a_rule_is_a_warning() {
    let warnings = |text: &str, kind| parse(text).warnings(Some(kind)).join("; ");
    let changed = "field_changed('a')";
    assert_eq!(warnings(changed, EventKind::Updated), "");
    for kind in [EventKind::Created, EventKind::Deleted, EventKind::Custom] {
        assert!(warnings(changed, kind).contains("never holds"), "{kind:?}");
    }
    assert!(
        parse("@event_type == 'INSERT' && field_changed(a)")
            .warnings(None)
            .concat()
            .contains("`field_changed(a)` never holds for INSERT")
    );
    assert!(
        warnings("@event_type == 'DELETE'", EventKind::Created).contains("never holds for INSERT")
    );
    assert!(
        warnings("@event_type in ('DELETE', 'INSERT')", EventKind::Created)
            .contains("always holds for INSERT")
    );
}
