//! What is refused, and how it is said.

use super::refuse;

fn check_mistakes(table: &[(&str, usize, &str, &str)]) {
    for (text, offset, message, hint) in table {
        let error = refuse(text);
        assert_eq!(error.offset, *offset, "{text}\n{error}");
        assert!(error.message.contains(message), "{text}\n{error}");
        assert!(
            error.hint.as_deref().unwrap_or_default().contains(hint),
            "{text}\n{error}"
        );
    }
}

#[test]
fn mistakes_in_operators_and_values_are_named_with_place_and_hint() {
    check_mistakes(&[
        ("", 0, "a condition must not be blank", ""),
        (" \u{2003}", 0, "a condition must not be blank", ""),
        ("total = 100", 6, "expected `==`", "use `==` to compare"),
        ("total <> 100", 6, "`<>` is no operator", "use `!=`"),
        ("total => 100", 6, "expected `==`", "use `>=`"),
        ("total === 100", 6, "`===` is no operator", ""),
        ("a == 'x", 5, "unterminated string", "close it with '"),
        ("a == \"x", 5, "unterminated string", "close it with \""),
        (
            "a == \"\\x\"",
            5,
            "not a JSON string: invalid escape",
            "single quotes",
        ),
        (
            "a == 'it's'",
            9,
            "expected `&&`, `||` or the end, found `s`",
            "",
        ),
        ("a == 1 & b == 2", 7, "expected `&&`", "use `&&`"),
        ("a == 1 | b == 2", 7, "expected `&&`", "use `||`"),
        ("a == 1 AND b == 2", 7, "found `AND`", "lower case"),
        ("has_field(a) AND b == 2", 13, "found `AND`", "lower case"),
        ("NOT a == 2", 4, "expected `==`", ""),
        (
            "1or b",
            0,
            "expected a field",
            "the field stands on the left",
        ),
        ("a == 1or b", 9, "found `b`", "quote a value"),
        (
            "a == or c == d",
            8,
            "found `c`",
            "`or` was read as the value",
        ),
        (
            "a == in_progress",
            7,
            "found `_progress`",
            "`in` was read as the value",
        ),
        (
            "a == b[0]",
            6,
            "found `[`",
            "the right side of a comparison is a literal",
        ),
        (
            "a == size(b)",
            9,
            "found `(`",
            "the right side of a comparison is a literal",
        ),
        (
            "a == @user_id",
            5,
            "found `@`",
            "the right side of a comparison is a literal",
        ),
    ]);
}

#[test]
fn mistakes_in_groups_paths_and_calls_are_named_with_place_and_hint() {
    check_mistakes(&[
        ("a == 1 )", 7, "found `)`", ""),
        (
            "(a == 1",
            7,
            "expected `&&`, `||` or `)`, found the end",
            "",
        ),
        (
            "a == 1 &&",
            9,
            "expected a field, a function, `!` or `(`, found the end",
            "",
        ),
        ("&& a == 1", 0, "expected a field", ""),
        ("!= 1", 0, "expected a field", ""),
        ("a", 1, "expected `==`", ""),
        ("a. == 1", 2, "expected a name after `.`", ""),
        ("a[-1] == 1", 2, "expected an index or a key", ""),
        (
            "a['x'] == 1",
            2,
            "expected an index or a key",
            "use double quotes",
        ),
        ("a[0 ] == 1", 3, "expected `]`", ""),
        (
            "a[99999999999999999999] == 1",
            2,
            "an index beyond 64 bits",
            "",
        ),
        ("a .b == 1", 2, "expected `==`", ""),
        (
            "status_changed('a')",
            0,
            "unknown function `status_changed`",
            "the functions are has_field",
        ),
        (
            "len(a) > 1",
            0,
            "unknown function `len`",
            "did you mean `size`",
        ),
        (
            "has_feild(a)",
            0,
            "unknown function",
            "did you mean `has_field`",
        ),
        ("IN(a)", 0, "unknown function", "lower case"),
        ("in (1)", 3, "expected `==`", ""),
    ]);
}

#[test]
fn mistakes_in_lists_and_operands_are_named_with_place_and_hint() {
    check_mistakes(&[
        ("a == 1 b == 2", 7, "found `b`", "join two conditions"),
        ("a in 1, 2", 2, "found `in`", "a in ('a', 'b')"),
        ("a.b not in [1]", 4, "found `not`", "a.b in ('a', 'b')"),
        ("a in (1 2)", 8, "expected `,` or `)`", ""),
        ("a in (1", 7, "expected `,` or `)`", "a `)` is missing"),
        ("a is null", 2, "found `is`", "is_null(a)"),
        ("a && b == 1", 2, "found `&`", "a == true"),
        ("@tenant == 1", 0, "unknown field `@tenant`", "@tenant_id"),
        ("@ user_id == 1", 1, "expected a name after `@`", ""),
        ("@user_id? == 1", 8, "found `?`", ""),
        ("@user_id.x == 1", 8, "found `.`", ""),
        ("size(a)? == 1", 7, "found `?`", ""),
        ("size('a') == 1", 5, "a field: a path", "without quotes"),
        ("size(@user_id) == 1", 5, "a field: a path", "`@`"),
        ("size(a)", 7, "expected `==`", "size(a) > 3"),
        (
            "has_field(a?)",
            11,
            "found `?`",
            "false for a missing field",
        ),
        ("field_changed(@user_id)", 14, "a field", "`@`"),
    ]);
}

#[test]
fn habits_from_elsewhere_are_answered_with_what_to_write() {
    check_mistakes(&[
        (
            "a == 'O'Neil'",
            8,
            "found `Neil`",
            "single quotes know no escapes",
        ),
        ("a == \"say \"x\"\"", 11, "found `x`", "in double quotes as"),
        ("a == “x”", 5, "found `“`", "straight quotes"),
        ("NOT a == 2", 4, "expected `==`", "lower case"),
        ("a is not null", 2, "found `is`", "a != null"),
        (
            "a between 1 and 2",
            2,
            "found `between`",
            "a >= 1 && a <= 2",
        ),
        ("a like 'x'", 2, "found `like`", "like(file, '*.pdf')"),
        ("a == 'x' or 'y'", 12, "found `'`", "status in ('a', 'b')"),
        ("any(tags, 'vip')", 10, "found `'`", "contains(tags, 'vip')"),
        (
            "has_field(a) == true",
            13,
            "found `=`",
            "true or false by itself",
        ),
        ("@user_id? == 1", 8, "found `?`", "never missing"),
        ("size(a)? == 1", 7, "found `?`", "size(a?)"),
        (
            "order.unit-price > 1",
            10,
            "found `-`",
            "order[\"unit-price\"]",
        ),
        (
            "unit-price > 1",
            4,
            "found `-`",
            "ieq('unit-price', 'value')",
        ),
        (
            "items[*].qty > 1",
            6,
            "an index or a key",
            "all(items, qty > 1)",
        ),
        ("(a == 1) (b == 2)", 9, "found `(`", "join two conditions"),
        ("a == b)", 6, "found `)`", "no `(` for this `)`"),
        ("a > = 1", 4, "found `=`", "without a space inside"),
        ("@user_id", 8, "expected `==`", "@user_id == 'value'"),
        ("true", 4, "expected `==`", "leave it out"),
        ("any(@user_id, a == 1)", 4, "a field", "no arrays"),
        ("a == 99,50", 7, "found `,`", "as in JSON"),
        ("a + 1 > 2", 2, "found `+`", "do not calculate"),
        ("a > 2 * 3", 6, "found `*`", "do not calculate"),
        (
            "time(due) < now()",
            12,
            "expected an RFC 3339",
            "know no clock",
        ),
        ("now() > 1", 0, "unknown function `now`", "know no clock"),
        (
            "matches(a, '(x)\\1')",
            11,
            "backreferences",
            "do not refer back",
        ),
        (
            "matches(a, '\\w+@\\w+')",
            11,
            "when compiled",
            "[A-Za-z0-9_]",
        ),
    ]);
}

#[test]
fn mistakes_in_calls_are_named_with_place_and_hint() {
    check_mistakes(&[
        (
            "any(items, any(parts, a == 1))",
            11,
            "cannot stand inside `any`",
            "one level only",
        ),
        (
            "all(items, old(a) == 1)",
            11,
            "cannot stand inside `all`",
            "of the event",
        ),
        (
            "any(items, field_changed(a))",
            11,
            "cannot stand inside `any`",
            "of the event",
        ),
        ("any(items)", 9, "expected `,`", "any(items, qty > 1)"),
        (
            "any(items, a == 1",
            17,
            "expected `&&`, `||` or `)`",
            "a `)` is missing",
        ),
        ("contains(a)", 10, "expected `,`", "contains(tags, 'vip')"),
        ("contains(a, )", 12, "expected a value", ""),
        (
            "contains(a, @user_id)",
            12,
            "expected a value",
            "never a field",
        ),
        ("starts_with(a, 1)", 15, "needs a string, found 1", "'1'"),
        ("ieq(a, null)", 7, "needs a string, found null", "'null'"),
        ("like(a, true)", 8, "needs a string, found true", ""),
        ("matches(a, 12)", 11, "needs a string", ""),
        (
            "matches(a, '[')",
            11,
            "not a regular expression: unclosed",
            "",
        ),
        (
            "matches(a, '(?<!x)y')",
            11,
            "look-around",
            "neither ahead nor behind",
        ),
        ("matches(a, '(x)\\1')", 11, "backreferences", ""),
        (
            "time(a) > '2024-01-01'",
            10,
            "expected an RFC 3339",
            "2026-01-31T12:00:00Z",
        ),
        ("time(a) > 2024", 10, "expected an RFC 3339", "quote it"),
        (
            "time(a) == '2016-12-31T23:59:60Z'",
            11,
            "expected an RFC 3339",
            "",
        ),
        (
            "time(a) in ('2016-12-31T23:59:59Z', 5)",
            36,
            "expected an RFC 3339",
            "",
        ),
        ("old(a) == new(b)", 13, "found `(`", "field_changed('name')"),
        ("a.0 == 1", 2, "expected a name after `.`", "[0]"),
        ("has_field()", 10, "expected a field", ""),
        ("has_field('a'", 13, "expected `)`, found the end", ""),
        (
            "has_field('a', 'b')",
            13,
            "expected `)`",
            "`has_field` takes 1 argument",
        ),
        ("has_field('a',)", 13, "expected `)`", ""),
        (
            "field_changed_to('a')",
            20,
            "expected `,`",
            "takes 2 arguments",
        ),
        ("field_changed_to('a',)", 21, "expected a value", ""),
        (
            "field_changed_to('a', 1, 2)",
            23,
            "expected `)`",
            "takes 2 arguments",
        ),
        ("é == 1 é", 7, "found `é`", ""),
    ]);
}

#[test]
fn an_error_shows_the_line_with_a_caret_under_the_mistake() {
    let error = refuse("a == 1 &&\n\tb = 2");
    assert_eq!(
        error.to_string().lines().skip(1).collect::<Vec<_>>(),
        ["   b = 2", "     ^", "hint: use `==` to compare"]
    );
    let long = refuse(&format!("{} = 1 && {}", "a".repeat(200), "b".repeat(200)));
    assert!(
        long.to_string()
            .lines()
            .all(|line| line.chars().count() < 130),
        "{long}"
    );
}
