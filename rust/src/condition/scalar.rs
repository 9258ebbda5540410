//! The literals of a condition, prepared once so that an event is only compared with them.

use std::hash::{Hash, Hasher};

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::{MAX_REGEX_BYTES, MAX_REGEX_COMPILED_BYTES, REGEX_CACHE_BYTES};
use crate::instant::Instant;
use crate::json::{Raw, compare_numbers};

/// A scalar, and its canonical text, so that anything but numbers is compared as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scalar {
    value: Value,
    json: Vec<u8>,
}

impl Scalar {
    /// The scalar of a value that is no container.
    pub fn new(value: Value) -> Self {
        let json = value.to_string().into_bytes();
        Self { value, json }
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Equality as JSON values.
    pub fn equals(&self, other: Raw<'_>) -> bool {
        match &self.value {
            Value::Number(number) => other
                .number()
                .is_some_and(|other| compare_numbers(number, &other).is_eq()),
            _ => self.json == other.json(),
        }
    }

    /// Equality with another scalar, as JSON values.
    pub fn same(&self, other: &Self) -> bool {
        self.equals(Raw::new(&other.json))
    }
}

/// The value that a change is compared with. A quoted one stands for the string and for the scalar that it spells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Expected {
    /// The literal itself.
    pub value: Scalar,
    /// The scalar that a quoted literal spells, if it spells one.
    pub spelled: Option<Scalar>,
}

impl Expected {
    /// Whether a value is the expected one.
    pub fn matches(&self, value: Raw<'_>) -> bool {
        self.value.equals(value)
            || self
                .spelled
                .as_ref()
                .is_some_and(|spelled| spelled.equals(value))
    }

    /// Whether some value is both this and another.
    pub fn overlaps(&self, other: &Self) -> bool {
        let both = |expected: &Self| [Some(expected.value.clone()), expected.spelled.clone()];
        both(self)
            .iter()
            .flatten()
            .any(|mine| both(other).iter().flatten().any(|theirs| mine.same(theirs)))
    }
}

/// A point in time, and how it was written.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// The point in time.
    pub at: Instant,
    /// The literal.
    pub written: String,
}

impl PartialEq for Moment {
    /// Moments are equal when they are the same point in time.
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Moment {}

impl Hash for Moment {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.at.hash(state);
    }
}

/// A regular expression. Matching takes time linear in the text, whatever the expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern; the error says what is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        if source.len() > MAX_REGEX_BYTES {
            return Err(format!(
                "the regular expression has {} bytes, at most {MAX_REGEX_BYTES} are allowed",
                source.len()
            ));
        }
        RegexBuilder::new(source)
            .size_limit(MAX_REGEX_COMPILED_BYTES)
            .dfa_size_limit(REGEX_CACHE_BYTES)
            .build()
            .map(Self)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => format!(
                    "the regular expression takes more than {MAX_REGEX_COMPILED_BYTES} bytes when compiled"
                ),
                // The last line says what is wrong; those before it draw the pattern once more.
                error => {
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    format!(
                        "not a regular expression: {}",
                        last.strip_prefix("error: ").unwrap_or(last)
                    )
                }
            })
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the pattern matches anywhere in a text.
    pub fn is_found_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source().hash(state);
    }
}

/// A text in which `*` stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wildcards(String);

impl Wildcards {
    pub fn new(source: String) -> Self {
        Self(source)
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.0
    }

    /// Whether the whole of a text fits.
    pub fn fits(&self, text: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        // What stands between two stars is looked for as early as it comes: later places leave less for the others.
        let (middles, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut text) = text
            .strip_prefix(start)
            .and_then(|text| text.strip_suffix(end))
        else {
            return false;
        };
        for middle in middles.split('*') {
            let Some(at) = text.find(middle) else {
                return false;
            };
            text = &text[at + middle.len()..];
        }
        true
    }
}

/// A text, and itself in lower case.
#[derive(Debug, Clone)]
pub(super) struct Folded {
    /// The text as it was written.
    pub written: String,
    lower: String,
}

impl Folded {
    pub fn new(written: String) -> Self {
        Self {
            lower: written.to_lowercase(),
            written,
        }
    }

    /// Whether a text is this one but for upper and lower case.
    pub fn equals(&self, text: &str) -> bool {
        text.to_lowercase() == self.lower
    }
}

impl PartialEq for Folded {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Folded {}

impl Hash for Folded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.written.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run_of_characters() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a\nb", true),
            ("a*b", "ab", true),
            ("a*b", "a-b-b", true),
            ("a*b", "a-b-", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("*a*", "xay", true),
            ("*a*b*", "xbya", false),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "aba", false),
            ("**a**", "a", true),
            ("é*", "éa", true),
            ("a?c", "abc", false),
            ("A*", "ab", false),
        ] {
            assert_eq!(
                Wildcards::new(pattern.to_owned()).fits(text),
                fits,
                "{pattern:?} on {text:?}"
            );
        }
    }
}
