//! Operands, lists and functions. The tests bear the names of the fine print that they hold.

use super::{check, event};

const DATA: &str = r#"{"s":"Größe\n2","n":5,"f":2.0,"big":9007199254740993,"nil":null,"b":true,"e":"",
    "tags":["vip",1.0,null,{"k":[1]}],"obj":{"x":1,"y":2},"dotted":{"a.b":"q"},"a.b":"key","mails":["ä@x","b@y"],
    "due":"2026-01-31T12:00:00+01:00","nano":"2026-01-01T00:00:00.000000001Z","bad":"2026-02-30T00:00:00Z",
    "items":[{"qty":1,"sku":"A-1"},{"qty":5},7,{"sku":null}],"none":[],"size":3,"any":4,"in":["x"],"not":"z"}"#;

#[test]
fn lists_hold_by_semantic_equality_and_are_case_sensitive() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("n in (1, 5.0)", "1"),
            ("n in ('5')", "0"),
            ("n not in (1, 2)", "1"),
            ("big in (9007199254740992)", "0"),
            ("nil in (null)", "1"),
            ("e in ()", "1"),
            ("e in (1,)", "1"),
            ("b in (true,'true')", "1"),
            ("s not   in(a,b)", "1"),
            ("tags[0] in ('VIP')", "0"),
            ("gone in (1)", "Field not found: gone"),
            ("gone not in (1)", "Field not found: gone"),
            ("gone? in (1)", "0"),
            ("gone? not in (1)", "0"),
            ("!(gone? in (1))", "1"),
            ("@event_type in ('INSERT', 'DELETE')", "1"),
            ("size(tags) in (3, 4)", "1"),
        ],
    );
}

#[test]
fn tokens_are_the_longest_and_words_are_contextual() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("size == 3 and any == 4", "1"),
            ("size(tags) == 4", "1"),
            ("size (tags) == 4", "1"),
            ("size\u{2003}( tags ? )==4", "1"),
            ("not == 'z'", "1"),
            ("not in ('z')", "1"),
            ("not not in ('z')", "0"),
            ("in[0] in ('x')", "1"),
            ("in[0]in('x')", "1"),
            ("size(tags)in(4)and n==5", "1"),
            ("e == 'x'or n == 5", "1"),
        ],
    );
}

#[test]
fn size_counts_code_points_items_and_entries() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("size(s) == 7", "1"),
            ("size(e) == 0", "1"),
            ("size(tags) == 4", "1"),
            ("size(obj) >= 2", "1"),
            ("size(none) < 1", "1"),
            (
                "size(n) == 1",
                "size(n) needs a string, an array or an object, found number",
            ),
            (
                "size(nil) == 1",
                "size(nil) needs a string, an array or an object, found null",
            ),
            ("size(gone) == 0", "Field not found: gone"),
            ("size(gone?) == 0", "0"),
            ("size(s) > x", "Cannot compare size(s): number > string"),
            ("size(tags[3].k) == 1.0", "1"),
        ],
    );
}

#[test]
fn contains_takes_a_string_or_an_array() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("contains(s, 'öß')", "1"),
            ("contains(s, 'G\nö')", "0"),
            ("contains(s, \"\\n2\")", "1"),
            ("contains(s, '')", "1"),
            ("contains(tags, vip)", "1"),
            ("contains(tags, 'VIP')", "0"),
            ("contains(tags, 1)", "1"),
            ("contains(tags, '1')", "0"),
            ("contains(tags, null)", "1"),
            ("contains('a.b', 'e')", "1"),
            ("contains(dotted[\"a.b\"], 'q')", "1"),
            ("contains(@entity_type, 'rd')", "1"),
            (
                "contains(n, 5)",
                "contains(n) needs a string or an array, found number",
            ),
            (
                "contains(obj, 'x')",
                "contains(obj) needs a string or an array, found object",
            ),
            ("contains(s, 2)", "contains(s) needs an array, found string"),
            (
                "contains(@user_id, 'x')",
                "contains(@user_id) needs a string or an array, found null",
            ),
            ("contains(gone, 'x')", "Field not found: gone"),
            ("contains(gone?, 'x')", "0"),
        ],
    );
}

#[test]
fn functions_of_text_take_a_string() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("starts_with(s, 'Gr')", "1"),
            ("starts_with(s, 'gr')", "0"),
            ("ends_with(s, '2')", "1"),
            ("ends_with(s, '')", "1"),
            (
                "starts_with(n, '5')",
                "starts_with(n) needs a string, found number",
            ),
            (
                "ends_with(tags, 'x')",
                "ends_with(tags) needs a string, found array",
            ),
            (
                "matches(nil, 'x')",
                "matches(nil) needs a string, found null",
            ),
            ("like(b, 'x')", "like(b) needs a string, found boolean"),
            ("ieq(obj, 'x')", "ieq(obj) needs a string, found object"),
            ("starts_with(gone?, 'x') || ends_with(gone?, 'x')", "0"),
            (
                "matches(gone?, 'x') || like(gone?, 'x') || ieq(gone?, 'x')",
                "0",
            ),
            ("starts_with(gone, 'x')", "Field not found: gone"),
        ],
    );
}

#[test]
fn matches_searches_unanchored_and_like_matches_the_whole() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("matches(s, 'ö')", "1"),
            ("matches(s, '^ö')", "0"),
            ("matches(s, '(?i)GRÖSSE|größe')", "1"),
            ("matches(s, 'e$')", "0"),
            ("matches(s, '(?m)e$')", "1"),
            ("matches(s, 'e.2')", "0"),
            ("matches(s, '(?s)e.2')", "1"),
            ("matches(mails[0], '^[^@]+@x$')", "1"),
            ("like(s, 'ö')", "0"),
            ("like(s, '*ö*')", "1"),
            ("like(s, 'Gr*2')", "1"),
            ("like(s, 'gr*2')", "0"),
            ("like(s, 'Gr.*')", "0"),
            ("like(e, '')", "1"),
        ],
    );
}

#[test]
fn ieq_compares_text_in_lower_case() {
    let data = r#"{"a":"ÄÖ","turkish":"İ","sharp":"STRASSE","sigma":"ΟΔΟΣ"}"#;
    check(
        &event("INSERT", data, "null"),
        &[
            ("ieq(a, 'äö')", "1"),
            ("ieq(a, 'Äö')", "1"),
            ("ieq(a, 'a\u{308}o\u{308}')", "0"),
            ("ieq(turkish, 'i\u{307}')", "1"),
            ("ieq(turkish, 'i')", "0"),
            ("ieq(sharp, 'straße')", "0"),
            ("ieq(sigma, 'οδος')", "1"),
        ],
    );
}

#[test]
fn is_null_of_a_missing_field_is_an_error() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("is_null(nil)", "1"),
            ("is_null('nil')", "1"),
            ("is_null(n)", "0"),
            ("is_null(gone)", "Field not found: gone"),
            ("is_null(gone?)", "0"),
            ("is_null(@user_id)", "1"),
            ("has_field(gone)", "0"),
            ("nil? == null", "1"),
        ],
    );
}

#[test]
fn any_and_all_end_with_the_first_that_decides_or_errs() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("any(items, qty > 3)", "1"),
            ("any(items, qty > 9)", "Field not found: qty (in items[2])"),
            ("any(items, qty? > 9)", "0"),
            ("all(items, qty > 0)", "Field not found: qty (in items[2])"),
            ("all(items, qty? >= 5)", "0"),
            ("all(items, qty > 1)", "0"),
            ("any(items, has_field('sku') && is_null(sku))", "1"),
            (
                "any(items, starts_with(sku?, 'A-') and @event_type == 'INSERT')",
                "1",
            ),
            (
                "any(items, starts_with(sku, 'B'))",
                "Field not found: sku (in items[1])",
            ),
            (
                "any(items, sku? > 1)",
                "Cannot compare sku: string > number (in items[0])",
            ),
            ("any(none, gone == 1)", "0"),
            ("all(none, gone == 1)", "1"),
            ("any(tags, any == 4)", "Field not found: any (in tags[0])"),
            ("any(tags, size(k?) == 1)", "1"),
            ("any(tags[3].k, has_field(x))", "0"),
            ("any(obj, x == 1)", "any(obj) needs an array, found object"),
            ("all(n, x == 1)", "all(n) needs an array, found number"),
            ("any(gone, x == 1)", "Field not found: gone"),
            ("any(gone?, x == 1) || all(gone ?, x == 1)", "0"),
            (
                "!any(items, qty == 7 || qty? == 9)",
                "Field not found: qty (in items[2])",
            ),
            ("any(items, ! qty == 1)", "1"),
            ("any(mails, @entity_type == 'Order')", "1"),
        ],
    );
}

#[test]
fn the_envelope_is_reached_and_its_nulls_are_null() {
    check(
        &event("DELETE", DATA, "null"),
        &[
            ("@event_type == 'DELETE'", "1"),
            ("@event_type == DELETE", "1"),
            ("@entity_type == 'order'", "0"),
            ("@entity_id == '11111111-2222-3333-4444-555555555555'", "1"),
            ("@user_id == null", "1"),
            ("@tenant_id != 'x'", "1"),
            ("@actor_type in ('x', null)", "1"),
            ("is_null(@tenant_id) && !is_null(@entity_id)", "1"),
            ("like(@entity_id, '1111*')", "1"),
            ("@user_id > 1", "Cannot compare @user_id: null > number"),
            (
                "@event_type < 1",
                "Cannot compare @event_type: string < number",
            ),
        ],
    );
}

#[test]
fn times_compare_by_instant() {
    check(
        &event("INSERT", DATA, "null"),
        &[
            ("time(due) == '2026-01-31T11:00:00Z'", "1"),
            ("time(due) == '2026-01-31t11:00:00.000z'", "1"),
            ("time(due) != '2026-01-31T12:00:00Z'", "1"),
            ("time(due) < '2026-01-31T11:00:00.000000001Z'", "1"),
            ("time(nano) > '2026-01-01T00:00:00Z'", "1"),
            ("time(nano) <= '2026-01-01T00:00:00.000000001Z'", "1"),
            (
                "time(due) in ('2025-01-01T00:00:00Z', '2026-01-31T06:00:00-05:00')",
                "1",
            ),
            ("time(due) not in ('2025-01-01T00:00:00Z')", "1"),
            (
                "time(bad) > '2026-01-01T00:00:00Z'",
                "time(bad) needs an RFC 3339 string, found another string",
            ),
            (
                "time(n) > '2026-01-01T00:00:00Z'",
                "time(n) needs an RFC 3339 string, found number",
            ),
            (
                "time(gone) > '2026-01-01T00:00:00Z'",
                "Field not found: gone",
            ),
            ("time(gone?) != '2026-01-01T00:00:00Z'", "0"),
            (
                "time(nil?) != '2026-01-01T00:00:00Z'",
                "time(nil) needs an RFC 3339 string, found null",
            ),
        ],
    );
}

#[test]
fn old_and_new_read_the_changes_and_else_the_data() {
    let data = r#"{"a":{"x":2},"b":"now","gone":1}"#;
    let changes = r#"{"a":{"old":{"x":1,"y":0},"new":{"x":2}},"c":{"old":null,"new":3}}"#;
    let tracked = [
        ("old(a.x) == 1 && new(a.x) == 2", "1"),
        ("old(a.y) == 0", "1"),
        ("new(a.y) == 0", "Field not found: a.y (in new(a.y))"),
        ("new(a.y?) == 0", "0"),
        ("old(c) == null && new(c) > 2", "1"),
        ("old(c) > 2", "Cannot compare old(c): null > number"),
        ("old(b) in ('now') && new(b) == 'now'", "1"),
        ("old(d) == 1", "Field not found: d (in old(d))"),
    ];
    check(&event("UPDATE", data, changes), &tracked);
    check(&event("CUSTOM", data, changes), &tracked);
    check(
        &event("INSERT", data, changes),
        &[
            ("old(a.x) == 1", "1"),
            ("old(b) == 'now'", "Field not found: b (in old(b))"),
            ("old(b?) != 'now'", "0"),
            ("new(b) == 'now'", "1"),
        ],
    );
    check(
        &event("DELETE", data, "null"),
        &[
            ("old(b) == 'now'", "1"),
            ("new(b) == 'now'", "Field not found: b (in new(b))"),
        ],
    );
    let missing = |call: &str| {
        format!("Missing pre-image: {call} needs the changes of this UPDATE, which are null")
    };
    check(
        &event("UPDATE", data, "null"),
        &[
            ("old(b) == 'now'", &missing("old(b)")),
            ("!(new(z?) == 1)", &missing("new(z)")),
        ],
    );
}
