//! What was probably meant: the hints of syntax errors.

use super::Parser;
use super::call::Function;
use crate::condition::cursor::is_word;
use crate::condition::error::SyntaxError;

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
            Some('\'' | '"') => Some("the field stands on the left, the value on the right"),
            Some(c) if c.is_numeric() || c == '-' => {
                Some("the field stands on the left, the value on the right")
            }
            Some('&' | '|') => Some("an operand is missing before this operator"),
            None | Some(')') => Some("a condition is missing here"),
            _ => None,
        };
        self.cursor
            .expected("a field, a function, `!` or `(`", hint)
    }

    /// The error where an operator should follow the operand that began at byte `start`.
    pub(super) fn no_op(&self, start: usize) -> SyntaxError {
        let rest = self.cursor.rest();
        let operand = self.cursor.since(start).trim_end();
        let hint = if rest.starts_with("=>") {
            Some("use `>=`".to_owned())
        } else if rest.starts_with("=<") {
            Some("use `<=`".to_owned())
        } else if rest.starts_with('=') {
            Some("use `==` to compare".to_owned())
        } else if let Some(hint) = upper_case_hint(rest) {
            Some(hint.to_owned())
        } else if word(rest, "in").is_some()
            || word(rest, "not").is_some_and(|rest| word(rest, "in").is_some())
        {
            Some(format!(
                "a list stands in parentheses: {operand} in ('a', 'b')"
            ))
        } else if word(rest, "is").is_some() {
            Some(format!("use is_null({operand}) or `== null`"))
        } else if let Some(function) = Function::ALL
            .into_iter()
            .find(|function| word(rest, function.as_str()).is_some())
        {
            let name = function.as_str();
            Some(format!(
                "`{name}` is a function: {name}({operand}, 'value')"
            ))
        } else if rest.is_empty() || rest.starts_with([')', '&', '|', ',']) {
            Some(format!("say what it must be, as in {operand} == true"))
        } else {
            None
        };
        self.cursor.expected(
            "`==`, `!=`, `>`, `<`, `>=`, `<=` or `in (`",
            hint.as_deref(),
        )
    }

    /// The error for a call of something that is no function.
    pub(super) fn unknown_function(&self, name: &str, start: usize) -> SyntaxError {
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
        let hint = match (rest.chars().next(), swallowed) {
            (Some('&'), _) => Some("use `&&`".to_owned()),
            (Some('|'), _) => Some("use `||`".to_owned()),
            (Some(_), _) if upper_case_hint(rest).is_some() => {
                upper_case_hint(rest).map(str::to_owned)
            }
            (Some('[' | '(' | '?' | '@'), _) => Some(right_side_hint(swallowed)),
            (Some(_), Some((word @ ("and" | "or" | "not" | "in"), _))) => Some(format!(
                "`{word}` was read as the value to compare with; quote the value"
            )),
            (Some(_), Some(_)) => Some("quote a value that is not one word or number".to_owned()),
            (Some('\''), None) => {
                Some("single quotes know no escapes; use double quotes around a `'`".to_owned())
            }
            (Some(c), None) if is_word(c) && what.starts_with("`&&`") => {
                Some("join two conditions by `&&` or `||`".to_owned())
            }
            (Some(')'), None) => Some("there is no `(` for this `)`".to_owned()),
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
