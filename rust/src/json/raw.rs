//! A value as its canonical text, read in place.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::{Key, compare_numbers, json_semantic_eq};

/// A value in a canonical text.
///
/// Its methods rely on the text being canonical; on any other they may answer wrongly, but never panic save in
/// [`Raw::value`].
#[derive(Debug, Clone, Copy)]
pub struct Raw<'t>(&'t [u8]);

impl<'t> Raw<'t> {
    /// The value of a text that [`Writer`](super::Writer) has written.
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self(text)
    }

    /// The text.
    pub fn json(self) -> &'t [u8] {
        self.0
    }

    /// The JSON name of the type, as error texts use it.
    pub fn type_name(self) -> &'static str {
        match self.0.first() {
            Some(b'"') => "string",
            Some(b'{') => "object",
            Some(b'[') => "array",
            Some(b't' | b'f') => "boolean",
            Some(b'n') => "null",
            _ => "number",
        }
    }

    /// Whether the value is null.
    pub fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// The number that the value is, if it is one.
    pub fn number(self) -> Option<Number> {
        if !matches!(self.0.first()?, b'-' | b'0'..=b'9') {
            return None;
        }
        let text = std::str::from_utf8(self.0).ok()?;
        if self.0.iter().any(|byte| matches!(byte, b'.' | b'e')) {
            return text.parse().ok().and_then(Number::from_f64);
        }
        text.parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from))
            .ok()
    }

    /// The string that the value is, if it is one.
    pub fn string(self) -> Option<Cow<'t, str>> {
        let inner = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if inner.contains(&b'\\') {
            return serde_json::from_slice(self.0).ok().map(Cow::Owned);
        }
        std::str::from_utf8(inner).ok().map(Cow::Borrowed)
    }

    /// The value of `key`, if the value is an object that has it.
    pub fn get(self, key: &Key) -> Option<Raw<'t>> {
        self.entries()
            .find(|(found, _)| found.0 == key.json())
            .map(|(_, value)| value)
    }

    /// The item at `index`, if the value is an array that has it.
    pub fn at(self, index: usize) -> Option<Raw<'t>> {
        self.items().nth(index)
    }

    /// The items of an array; nothing for any other value.
    pub fn items(self) -> impl Iterator<Item = Raw<'t>> {
        let mut rest = self.0.strip_prefix(b"[").unwrap_or_default();
        std::iter::from_fn(move || {
            let item = take_value(&mut rest)?;
            rest = rest.get(1..)?;
            Some(item)
        })
    }

    /// The keys, as strings, and values of an object; nothing for any other value.
    pub fn entries(self) -> impl Iterator<Item = (Raw<'t>, Raw<'t>)> {
        let mut rest = self.0.strip_prefix(b"{").unwrap_or_default();
        std::iter::from_fn(move || {
            let key = take_value(&mut rest)?;
            rest = rest.strip_prefix(b":")?;
            let value = take_value(&mut rest)?;
            rest = rest.get(1..)?;
            Some((key, value))
        })
    }

    /// Builds the value.
    ///
    /// # Panics
    ///
    /// Never, for a text that this module has written.
    pub fn value(self) -> Value {
        serde_json::from_slice(self.0)
            .expect("a canonical text is JSON, and shallower than the reader's limit")
    }

    /// Equality of values as conditions mean it; see [`json_semantic_eq`].
    pub fn semantic_eq(self, other: Raw<'_>) -> bool {
        if self.0 == other.0 {
            return true;
        }
        match (self.0.first(), other.0.first()) {
            // Only numbers have several texts for one value, and only they and what holds them need a closer look.
            (Some(b'{'), Some(b'{')) | (Some(b'['), Some(b'[')) => {
                json_semantic_eq(&self.value(), &other.value())
            }
            _ => match (self.number(), other.number()) {
                (Some(left), Some(right)) => compare_numbers(&left, &right).is_eq(),
                _ => false,
            },
        }
    }
}

/// Takes one value from the beginning of `rest`; `None` if there is none.
fn take_value<'t>(rest: &mut &'t [u8]) -> Option<Raw<'t>> {
    let text = *rest;
    let end = match text.first()? {
        b'"' => string_end(text)?,
        b'{' | b'[' => container_end(text)?,
        b',' | b']' | b'}' | b':' => return None,
        _ => text
            .iter()
            .position(|byte| matches!(byte, b',' | b']' | b'}'))
            .unwrap_or(text.len()),
    };
    *rest = &text[end..];
    Some(Raw(&text[..end]))
}

/// The end of the string that starts `text`.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text
            .get(at..)?
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\'))?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The end of the array or object that starts `text`.
fn container_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => {
                at += string_end(&text[at..])?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"a":[1,{"x":"]\"}"},"é",[]],"q\"":{"b":null},"":-2.5,"t":true}"#;

    fn get<'t>(raw: Raw<'t>, key: &str) -> Option<Raw<'t>> {
        raw.get(&Key::new(key))
    }

    fn text(raw: Option<Raw<'_>>) -> Option<&str> {
        raw.map(|raw| std::str::from_utf8(raw.0).expect("UTF-8"))
    }

    #[test]
    fn values_are_found_in_place() {
        let root = Raw::new(TEXT.as_bytes());
        let array = get(root, "a").expect("there");
        assert_eq!(text(array.at(0)), Some("1"));
        assert_eq!(
            text(array.at(1).and_then(|item| get(item, "x"))),
            Some(r#""]\"}""#)
        );
        assert_eq!(text(array.at(3)), Some("[]"));
        assert_eq!(text(array.at(4)), None);
        assert_eq!(text(array.at(3).and_then(|item| item.at(0))), None);
        assert_eq!(
            text(get(root, "q\"").and_then(|item| get(item, "b"))),
            Some("null")
        );
        assert_eq!(text(get(root, "")), Some("-2.5"));
        assert_eq!(text(get(root, "b")), None);
        assert_eq!(text(get(array, "a")), None);
        assert_eq!(text(root.at(0)), None);
        assert_eq!(root.entries().count(), 4);
        assert_eq!(array.items().count(), 4);
        assert_eq!(root.items().count(), 0);
        assert_eq!(Raw::new(b"{}").entries().count(), 0);
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let root = Raw::new(TEXT.as_bytes());
        let array = get(root, "a").expect("there");
        assert_eq!(array.at(2).and_then(Raw::string).as_deref(), Some("é"));
        assert_eq!(
            array
                .at(1)
                .and_then(|x| get(x, "x"))
                .and_then(Raw::string)
                .as_deref(),
            Some("]\"}")
        );
        assert_eq!(
            get(root, "").and_then(Raw::number).and_then(|n| n.as_f64()),
            Some(-2.5)
        );
        assert_eq!(get(root, "t").and_then(Raw::number), None);
        assert_eq!(array.string(), None);
        let types = ["a", "q\"", "", "t"].map(|key| get(root, key).map(Raw::type_name));
        assert_eq!(
            types,
            [
                Some("array"),
                Some("object"),
                Some("number"),
                Some("boolean")
            ]
        );
    }

    #[test]
    fn equality_is_by_value_where_texts_differ() {
        let equal = |left: &str, right: &str| {
            Raw::new(left.as_bytes()).semantic_eq(Raw::new(right.as_bytes()))
        };
        assert!(equal("100", "100.0"));
        assert!(equal("[1,{\"a\":2.0}]", "[1.0,{\"a\":2}]"));
        assert!(equal("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"));
        assert!(!equal("\"1\"", "1"));
        assert!(!equal("9007199254740993", "9007199254740992.0"));
        assert!(!equal("null", "false"));
    }
}
