//! What was probably meant: the hints of syntax errors.

use super::Parser;
use super::call::Function;
use crate::condition::cursor::is_word;
use crate::condition::error::SyntaxError;

/// What may follow an operand.
const OPERATORS: &str = "`==`, `!=`, `>`, `<`, `>=`, `<=` or `in (`";

/// What stands between two conditions.
const JOIN: &str = "join two conditions by `&&` or `||`";

/// Functions of other languages, and ours that does the same.
const ELSEWHERE: [(&str, &str); 19] = [
    ("len", "size"),
    ("length", "size"),
    ("count", "size"),
    ("lower", "ieq"),
    ("upper", "ieq"),
    ("equalsIgnoreCase", "ieq"),
    ("startsWith", "starts_with"),
    ("startswith", "starts_with"),
    ("endsWith", "ends_with"),
    ("endswith", "ends_with"),
    ("match", "matches"),
    ("regex", "matches"),
    ("exists", "has_field"),
    ("has", "has_field"),
    ("isnull", "is_null"),
    ("changed", "field_changed"),
    ("some", "any"),
    ("every", "all"),
    ("date", "time"),
];

impl Parser<'_> {
    /// The error where an operand should begin.
    pub(super) fn no_operand(&self) -> SyntaxError {
        let hint = match self.cursor.peek() {
            Some(c) if matches!(c, '\'' | '"' | '-') || c.is_numeric() => match self.inside {
                Some(quantifier) if self.cursor.before().trim_end().ends_with(',') => format!(
                    "`{quantifier}` asks about fields of each item; an item itself is found by contains(tags, 'vip')"
                ),
                _ if self.cursor.before().is_empty() => {
                    "the field stands on the left, the value on the right".to_owned()
                }
                _ => "each side of `&&` and `||` is a whole condition; several values are status in ('a', 'b')"
                    .to_owned(),
            },
            Some('&' | '|') => "an operand is missing before this operator".to_owned(),
            None | Some(')') => "a condition is missing here".to_owned(),
            _ => {
                return self
                    .cursor
                    .expected("a field, a function, `!` or `(`", None);
            }
        };
        self.cursor
            .expected("a field, a function, `!` or `(`", Some(&hint))
    }

    /// The error where an operator should follow the operand that began at byte `start`.
    pub(super) fn no_op(&self, start: usize) -> SyntaxError {
        let rest = self.cursor.rest();
        let operand = self.cursor.since(start).trim_end();
        let hint = match rest.chars().next() {
            _ if rest.starts_with("=>") => "use `>=`".to_owned(),
            _ if rest.starts_with("=<") => "use `<=`".to_owned(),
            Some('=') => "use `==` to compare".to_owned(),
            Some('?') if operand.starts_with('@') => {
                "fields with `@` are never missing, though they may be null".to_owned()
            }
            Some('?') if operand.ends_with(')') => {
                format!(
                    "`?` belongs to the path: {}?)",
                    &operand[..operand.len() - 1]
                )
            }
            Some('+' | '*' | '/' | '%') => "conditions do not calculate".to_owned(),
            Some('-') => format!("conditions do not calculate; {}", bracketed(operand, rest)),
            None | Some(')' | '&' | '|' | ',') => alone(operand),
            _ => match self.word_hint(operand) {
                Some(hint) => hint,
                None => return self.cursor.expected(OPERATORS, None),
            },
        };
        self.cursor.expected(OPERATORS, Some(&hint))
    }

    /// What a word that stands where an operator should was probably meant to be.
    fn word_hint(&self, operand: &str) -> Option<String> {
        let rest = self.cursor.rest();
        if let Some(hint) = upper_case_hint(rest).or_else(|| upper_case_hint(operand)) {
            return Some(hint.to_owned());
        }
        let after_not = word(rest, "not");
        if word(rest, "in").is_some() || after_not.is_some_and(|rest| word(rest, "in").is_some()) {
            return Some(format!(
                "a list stands in parentheses: {operand} in ('a', 'b')"
            ));
        }
        if let Some(after) = word(rest, "is") {
            return Some(if word(after, "not").is_some() {
                format!("use !is_null({operand}) or {operand} != null")
            } else {
                format!("use is_null({operand}) or {operand} == null")
            });
        }
        if word(rest, "between").is_some() {
            return Some(format!("use {operand} >= 1 && {operand} <= 2"));
        }
        Function::ALL
            .into_iter()
            .find(|function| word(rest, function.as_str()).is_some())
            .map(|function| {
                let (name, form) = (function.as_str(), function.form());
                format!("`{name}` is a function, as in {form}")
            })
    }

    /// The error for a call of something that is no function.
    pub(super) fn unknown_function(&self, name: &str, start: usize) -> SyntaxError {
        if name == "now" {
            let hint = "conditions know no clock, so that they answer alike each time";
            return self
                .cursor
                .error(start, "unknown function `now`", Some(hint));
        }
        let hint = upper_case_hint(name).map_or_else(
            || {
                nearest(name).map_or_else(
                    || {
                        let names = Function::ALL.map(Function::as_str).join(", ");
                        format!("the functions are {names}")
                    },
                    |known| format!("did you mean `{known}`?"),
                )
            },
            str::to_owned,
        );
        self.cursor
            .error(start, format!("unknown function `{name}`"), Some(&hint))
    }

    /// The error for text that cannot follow a complete operand, with what was probably meant.
    pub(super) fn left_over(&self, what: &str) -> SyntaxError {
        let rest = self.cursor.rest();
        let swallowed = self
            .last_bare
            .filter(|(_, end)| self.cursor.slice(*end, self.cursor.at()).trim().is_empty());
        let touching = self.cursor.before();
        let hint = match (rest.chars().next(), swallowed) {
            (Some('&'), _) => Some("use `&&`".to_owned()),
            (Some('|'), _) => Some("use `||`".to_owned()),
            (Some('+' | '*' | '/' | '%'), _) => Some("conditions do not calculate".to_owned()),
            (Some(_), None) if touching.ends_with('\'') => {
                Some("single quotes know no escapes: put double quotes around a `'`, or close the text before".to_owned())
            }
            (Some(_), None) if touching.ends_with('"') => {
                Some("write a `\"` in double quotes as `\\\"`".to_owned())
            }
            (Some('=' | '!' | '<' | '>'), None) if touching.trim_end().ends_with(')') => {
                Some("this is true or false by itself; `!` turns it round".to_owned())
            }
            (Some(',' | '_' | ':'), None) if touching.ends_with(char::is_numeric) => {
                Some("a number is written as in JSON, such as 1234.5".to_owned())
            }
            (Some('‘' | '’' | '“' | '”'), _) => {
                Some("use straight quotes: 'text' or \"text\"".to_owned())
            }
            (Some(_), _) if upper_case_hint(rest).is_some() => {
                upper_case_hint(rest).map(str::to_owned)
            }
            (Some(')'), _) if what.ends_with("the end") => {
                Some("there is no `(` for this `)`".to_owned())
            }
            (Some('('), None) if touching.trim_end().ends_with(')') => Some(JOIN.to_owned()),
            (Some('[' | '(' | '?' | '@'), _) => Some(right_side_hint(swallowed)),
            (Some('='), Some(("", _))) => {
                Some("an operator is written without a space inside".to_owned())
            }
            (Some(_), Some((word @ ("and" | "or" | "not" | "in"), _))) => Some(format!(
                "`{word}` was read as the value to compare with; quote the value"
            )),
            (Some(_), Some(_)) => Some("quote a value that is not one word or number".to_owned()),
            (Some(c), None) if is_word(c) && what.starts_with("`&&`") => Some(JOIN.to_owned()),
            (None, _) if what.contains(')') => Some("a `)` is missing".to_owned()),
            _ => None,
        };
        self.cursor.expected(what, hint.as_deref())
    }
}

/// What to do where a field or a call stands on the right side.
fn right_side_hint(swallowed: Option<(&str, usize)>) -> String {
    let rule = "the right side of a comparison is a literal, never a field or a function";
    match swallowed {
        Some(("old" | "new", _)) => {
            format!("{rule}; whether a field changed is field_changed('name')")
        }
        _ => rule.to_owned(),
    }
}

/// What to add to an operand that stands alone.
fn alone(operand: &str) -> String {
    if matches!(operand, "true" | "false") {
        return "a condition asks about the event; where it always holds, leave it out".to_owned();
    }
    let example = match operand.split_once('(').map(|(name, _)| name.trim_end()) {
        Some("size") => "> 3",
        Some("time") => "< '2026-01-31T12:00:00Z'",
        _ if operand.starts_with('@') => "== 'value'",
        _ => "== true",
    };
    format!("say what it must be, as in {operand} {example}")
}

/// How a key with a `-`, of which a path has taken the beginning, is written.
fn bracketed(operand: &str, rest: &str) -> String {
    let more = rest
        .find(|c: char| !is_word(c) && c != '-')
        .map_or(rest, |end| &rest[..end]);
    match operand.rsplit_once('.') {
        Some((path, last)) => format!("a key with a `-` is written {path}[\"{last}{more}\"]"),
        None => format!(
            "a key with a `-` at the top of the data is reached by functions, as in ieq('{operand}{more}', 'value')"
        ),
    }
}

/// The text after `word`, if `text` starts with it, and the white space after it.
pub(super) fn word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let after = text.strip_prefix(word)?;
    (!after.starts_with(is_word)).then(|| after.trim_start())
}

/// Whether `text` starts with `in (`.
pub(super) fn at_list(text: &str) -> bool {
    word(text, "in").is_some_and(|after| after.starts_with('('))
}

fn upper_case_hint(text: &str) -> Option<&'static str> {
    ["AND", "OR", "NOT", "IN"]
        .iter()
        .any(|upper| word(text, upper).is_some())
        .then_some("operators are written in lower case")
}

/// The function that somebody who wrote `name` probably meant.
fn nearest(name: &str) -> Option<&'static str> {
    let elsewhere = ELSEWHERE
        .iter()
        .find(|(theirs, _)| *theirs == name)
        .map(|(_, ours)| *ours);
    elsewhere.or_else(|| {
        let close = |known: &&str| distance(name, known) <= 1 + known.len() / 5;
        Function::ALL
            .map(Function::as_str)
            .into_iter()
            .filter(close)
            .min_by_key(|known| distance(name, known))
    })
}

/// The fewest letters put in, taken out or replaced that make one word of the other.
///
/// Source: V. Levenshtein, 1966; computed row by row.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    // No function's name is as long: it cannot be near, and the table stays small.
    let left: Vec<char> = left.chars().take(40).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (done, from) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (at, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from.to_lowercase().ne(to.to_lowercase()));
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[right.len()]
}
