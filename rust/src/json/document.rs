//! A whole canonical text, with an index of its top level.

use super::writer::{Entry, write_text};
use super::{Raw, Writer};

/// A JSON value as its canonical text. The fields of an object are found without reading the text again.
#[derive(Debug, Clone)]
pub struct Document {
    text: Vec<u8>,
    entries: Vec<Entry>,
}

/// The key of an object as conditions and callers ask for it: prepared once, compared with text as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    name: String,
    json: Vec<u8>,
}

impl Document {
    pub(super) fn new(text: Vec<u8>, entries: Vec<Entry>) -> Self {
        Self { text, entries }
    }

    /// The document of a string.
    pub fn of_text(text: &str) -> Self {
        let mut writer = Writer::default();
        writer.text(text);
        writer.finish()
    }

    /// The text.
    pub fn json(&self) -> &[u8] {
        &self.text
    }

    /// The value.
    pub fn root(&self) -> Raw<'_> {
        Raw::new(&self.text)
    }

    /// The value of the top-level field `key`, if the value is an object that has it.
    pub fn get(&self, key: &Key) -> Option<Raw<'_>> {
        self.entries()
            .find(|(found, _)| found.json() == key.json())
            .map(|(_, value)| value)
    }

    /// The keys, as strings, and values of an object; nothing for any other value.
    pub fn entries(&self) -> impl Iterator<Item = (Raw<'_>, Raw<'_>)> {
        self.entries.iter().map(|entry| {
            (
                Raw::new(&self.text[entry.key()]),
                Raw::new(&self.text[entry.value()]),
            )
        })
    }
}

impl Key {
    /// Prepares a key.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let mut json = Vec::new();
        write_text(&mut json, &name);
        Self { name, json }
    }

    /// The key itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key as a JSON string.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}
