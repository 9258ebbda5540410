//! Writing canonical JSON, value by value.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::{Document, Raw};

/// Whether the keys of an object may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // there is no third way
pub enum Keys {
    /// Whoever writes the object knows that they differ.
    Distinct,
    /// The last of equal keys wins, in the place of the first.
    LastWins,
}

/// Builds a canonical text.
///
/// The caller keeps the order of JSON: a value alone, or within [`Writer::begin_object`] and [`Writer::end_object`]
/// one after each [`Writer::key`], or within arrays one after each [`Writer::item`].
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// The entries of all objects that are open, outermost first; at the end, those of the outermost.
    entries: Vec<Entry>,
}

/// Where an entry of an object stands in the text. The value starts one byte after the key, behind the colon.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    key_start: usize,
    key_end: usize,
    value_end: usize,
}

/// An object that is being written.
#[derive(Debug)]
pub struct OpenObject {
    start: usize,
    first_entry: usize,
}

/// How many entries are compared each with each; for more, a table is cheaper.
const FEW: usize = 16;

impl Entry {
    pub(super) fn key(self) -> Range<usize> {
        self.key_start..self.key_end
    }

    pub(super) fn value(self) -> Range<usize> {
        self.key_end + 1..self.value_end
    }
}

/// Room for a usual event, in bytes, so that most texts are written without growing.
const USUAL_BYTES: usize = 512;

impl Default for Writer {
    fn default() -> Self {
        Self {
            out: Vec::with_capacity(USUAL_BYTES),
            entries: Vec::new(),
        }
    }
}

impl Writer {
    /// The bytes written so far.
    pub fn bytes(&self) -> usize {
        self.out.len()
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.out.clear();
        self.entries.clear();
    }

    /// The one value that was written.
    pub fn raw(&self) -> Raw<'_> {
        Raw::new(&self.out)
    }

    /// The one value that was written, as a document.
    pub fn finish(self) -> Document {
        Document::new(self.out, self.entries)
    }

    /// Writes `null`.
    pub fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    /// Writes a boolean.
    pub fn boolean(&mut self, truth: bool) {
        self.out
            .extend_from_slice(if truth { b"true" } else { b"false" });
    }

    /// Writes an integer.
    pub fn signed(&mut self, number: i64) {
        write_scalar(&mut self.out, &number);
    }

    /// Writes an integer.
    pub fn unsigned(&mut self, number: u64) {
        write_scalar(&mut self.out, &number);
    }

    /// Writes a float in the fewest digits that read as the same; false, and nothing written, if it is no number.
    pub fn float(&mut self, number: f64) -> bool {
        if number.is_finite() {
            write_scalar(&mut self.out, &number);
        }
        number.is_finite()
    }

    /// Writes a string.
    pub fn text(&mut self, text: &str) {
        write_text(&mut self.out, text);
    }

    /// Starts an array.
    pub fn begin_array(&mut self) {
        self.out.push(b'[');
    }

    /// Makes room for the next item of an array, which is number `index`.
    pub fn item(&mut self, index: usize) {
        if index > 0 {
            self.out.push(b',');
        }
    }

    /// Ends an array.
    pub fn end_array(&mut self) {
        self.out.push(b']');
    }

    /// Starts an object.
    pub fn begin_object(&mut self) -> OpenObject {
        let start = self.out.len();
        self.out.push(b'{');
        OpenObject {
            start,
            first_entry: self.entries.len(),
        }
    }

    /// Writes the key of the next entry of the object that is open.
    pub fn key(&mut self, object: &OpenObject, key: &str) {
        self.end_entry(object);
        if self.entries.len() > object.first_entry {
            self.out.push(b',');
        }
        let key_start = self.out.len();
        write_text(&mut self.out, key);
        let key_end = self.out.len();
        self.out.push(b':');
        self.entries.push(Entry {
            key_start,
            key_end,
            value_end: key_end,
        });
    }

    /// The key that ends, colon included, at byte `at`, while its object is open; empty if there is none.
    pub fn key_before(&self, at: usize) -> String {
        let entry = self.entries.iter().rfind(|entry| entry.value().start == at);
        entry
            .and_then(|entry| Raw::new(&self.out[entry.key()]).string())
            .unwrap_or_default()
            .into_owned()
    }

    /// Ends an object.
    pub fn end_object(&mut self, object: &OpenObject, keys: Keys) {
        self.end_entry(object);
        if keys == Keys::LastWins && self.repeats(object) {
            self.keep_last(object);
        }
        self.out.push(b'}');
        if object.start > 0 {
            self.entries.truncate(object.first_entry);
        }
    }

    fn end_entry(&mut self, object: &OpenObject) {
        if let Some(entry) = self.entries[object.first_entry..].last_mut() {
            entry.value_end = self.out.len();
        }
    }

    fn repeats(&self, object: &OpenObject) -> bool {
        let entries = &self.entries[object.first_entry..];
        let key = |entry: &Entry| &self.out[entry.key()];
        if entries.len() > FEW {
            let mut seen = HashSet::with_capacity(entries.len());
            return entries.iter().any(|entry| !seen.insert(key(entry)));
        }
        entries.iter().enumerate().any(|(count, entry)| {
            entries[..count]
                .iter()
                .any(|other| key(other) == key(entry))
        })
    }

    /// Writes the entries of an object anew, each key once.
    fn keep_last(&mut self, object: &OpenObject) {
        let entries = self.entries.split_off(object.first_entry);
        let text = self.out.split_off(object.start + 1);
        let inside = |range: Range<usize>| {
            &text[range.start - object.start - 1..range.end - object.start - 1]
        };
        let last: HashMap<&[u8], Entry> = entries
            .iter()
            .map(|entry| (inside(entry.key()), *entry))
            .collect();
        let mut written = HashSet::new();
        for entry in entries {
            let key = inside(entry.key());
            if !written.insert(key) {
                continue;
            }
            if self.entries.len() > object.first_entry {
                self.out.push(b',');
            }
            let key_start = self.out.len();
            self.out.extend_from_slice(key);
            let key_end = self.out.len();
            self.out.push(b':');
            self.out.extend_from_slice(inside(last[key].value()));
            self.entries.push(Entry {
                key_start,
                key_end,
                value_end: self.out.len(),
            });
        }
    }
}

/// Appends a string with its quotes; only quotes, backslashes and control characters are escaped.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    // Counting, without early exit, compiles to vector instructions; nearly every string needs no escape.
    let escapes = text
        .bytes()
        .filter(|&byte| byte < b' ' || byte == b'"' || byte == b'\\')
        .count();
    if escapes == 0 {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        write_scalar(out, text);
    }
}

fn write_scalar<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, scalar: &T) {
    serde_json::to_writer(out, scalar)
        .expect("a scalar is JSON, and a vector takes any number of bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::default();
        write(&mut writer);
        String::from_utf8(writer.out).expect("UTF-8")
    }

    fn object(keys: &[&str], rule: Keys) -> String {
        written(|writer| {
            let open = writer.begin_object();
            for (number, key) in keys.iter().enumerate() {
                writer.key(&open, key);
                writer.begin_array();
                writer.item(0);
                writer.unsigned(number as u64);
                writer.end_array();
            }
            writer.end_object(&open, rule);
        })
    }

    #[test]
    fn scalars_are_written_in_one_way() {
        assert_eq!(written(|w| w.signed(-5)), "-5");
        assert_eq!(written(|w| w.unsigned(u64::MAX)), "18446744073709551615");
        assert_eq!(written(|w| assert!(w.float(100.0))), "100.0");
        assert_eq!(written(|w| assert!(!w.float(f64::NAN))), "");
        assert_eq!(
            written(|w| w.text("a\"\\\n\u{1}é/")),
            r#""a\"\\\n\u0001é/""#
        );
    }

    #[test]
    fn the_last_of_equal_keys_wins_in_the_place_of_the_first() {
        assert_eq!(
            object(&["a", "b", "a", "c", "a"], Keys::LastWins),
            r#"{"a":[4],"b":[1],"c":[3]}"#
        );
        assert_eq!(object(&[], Keys::LastWins), "{}");
        let many: Vec<String> = (0..40).map(|n| format!("k{}", n % 39)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(object(&many, Keys::LastWins).starts_with(r#"{"k0":[39],"k1":[1]"#));
    }

    #[test]
    fn the_entries_of_the_outermost_object_are_kept() {
        let mut writer = Writer::default();
        let outer = writer.begin_object();
        writer.key(&outer, "a");
        let inner = writer.begin_object();
        writer.key(&inner, "b");
        writer.null();
        writer.end_object(&inner, Keys::LastWins);
        writer.key(&outer, "c");
        writer.boolean(true);
        writer.end_object(&outer, Keys::Distinct);
        assert_eq!(writer.raw().json(), br#"{"a":{"b":null},"c":true}"#);
        let ranges: Vec<_> = writer
            .entries
            .iter()
            .map(|entry| (entry.key(), entry.value()))
            .collect();
        assert_eq!(ranges, [(1..4, 5..15), (16..19, 20..24)]);
    }
}
