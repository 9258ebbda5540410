//! The tracked changes of an event.

use std::ops::Range;
use std::sync::LazyLock;

use super::EventError;
use super::draft::wrong;
use crate::json::{Document, Key, Place, Raw, Step};

/// Changed fields in the order in which they were given, each with its value before and after.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The canonical text `{field: {"old": …, "new": …}}`.
    text: Vec<u8>,
    fields: Vec<Span>,
}

static OLD: LazyLock<Key> = LazyLock::new(|| Key::new("old"));
static NEW: LazyLock<Key> = LazyLock::new(|| Key::new("new"));

/// Where a field stands in the text.
#[derive(Debug, Clone)]
struct Span {
    key: Range<usize>,
    old: Range<usize>,
    new: Range<usize>,
}

/// The value of one field before and after the change.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::exhaustive_structs)] // the wire form has exactly these two
pub struct Change<'e> {
    /// The value before.
    pub old: Raw<'e>,
    /// The value after.
    pub new: Raw<'e>,
}

impl Changes {
    /// Checks the value of the field `changes`; keys beside `old` and `new` are dropped.
    ///
    /// # Errors
    ///
    /// `EventError` if it is no object of objects that have both.
    pub(super) fn new(document: &Document) -> Result<Self, EventError> {
        if document.root().type_name() != "object" {
            return Err(wrong(
                path(&[]),
                "not an object of {field: {old, new}}",
                document.root(),
            ));
        }
        let mut text = Vec::with_capacity(document.json().len() + 2);
        let mut fields = Vec::new();
        for (field, change) in document.entries() {
            let in_field = |keys: &[&str]| {
                let name = field.string().unwrap_or_default();
                path(&[&[&*name], keys].concat())
            };
            if change.type_name() != "object" {
                return Err(wrong(
                    in_field(&[]),
                    "not an object with `old` and `new`",
                    change,
                ));
            }
            let side = |key: &Key| {
                change
                    .get(key)
                    .ok_or_else(|| EventError::new(in_field(&[key.name()]), "missing"))
            };
            let (old, new) = (side(&OLD)?, side(&NEW)?);
            let mut push = |bytes: &[u8]| {
                let start = text.len();
                text.extend_from_slice(bytes);
                start..text.len()
            };
            push(if fields.is_empty() { b"{" } else { b"," });
            let key = push(field.json());
            push(b":{\"old\":");
            let old = push(old.json());
            push(b",\"new\":");
            let new = push(new.json());
            push(b"}");
            fields.push(Span { key, old, new });
        }
        text.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
        Ok(Self { text, fields })
    }

    /// The canonical text.
    pub fn json(&self) -> &[u8] {
        &self.text
    }

    /// The canonical text as one value.
    pub fn root(&self) -> Raw<'_> {
        Raw::new(&self.text)
    }

    /// The change of a field, if it has one.
    pub fn get(&self, field: &Key) -> Option<Change<'_>> {
        let span = self
            .fields
            .iter()
            .find(|span| self.text[span.key.clone()] == *field.json())?;
        Some(self.change(span))
    }

    fn change(&self, span: &Span) -> Change<'_> {
        let raw = |range: &Range<usize>| Raw::new(&self.text[range.clone()]);
        Change {
            old: raw(&span.old),
            new: raw(&span.new),
        }
    }
}

impl PartialEq for Changes {
    /// Equal when the same fields changed from and to equal values, in any order.
    fn eq(&self, other: &Self) -> bool {
        self.root().semantic_eq(other.root())
    }
}

/// The path of something in the field `changes`.
fn path(keys: &[&str]) -> String {
    let mut place = Place::default();
    for key in keys.iter().rev() {
        place.leave(Step::Key((*key).to_owned()));
    }
    place.leave(Step::Key("changes".to_owned()));
    place.to_string()
}
