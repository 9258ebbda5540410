//! Conditions: a pure test of one event, compiled from text once.
//!
//! ```text
//! condition  = or
//! or         = and { ("||" | "or") and }
//! and        = not { ("&&" | "and") not }
//! not        = ("!" | "not") not | primary
//! primary    = "(" or ")" | comparison | function
//! comparison = path ["?"] op literal
//! op         = "==" | "!=" | ">" | "<" | ">=" | "<="
//! path       = name { "." name | "[" integer "]" | "[" dqstring "]" }
//! literal    = sqstring | dqstring | bare
//! function   = name "(" arg { "," arg } ")"
//! ```
//!
//! Words are contextual: a field may be called `in`, `not` or `or`. `cursor` reads tokens, `parse` builds the tree of
//! `ast`, `eval` walks it.

mod ast;
mod cursor;
mod error;
mod eval;
mod parse;

#[cfg(test)]
mod tests;

pub use error::{EvalError, SyntaxError};
pub(crate) use eval::Fields;

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::event::Event;
use crate::json::Key;
use ast::Node;

/// The longest text of a condition, in bytes.
pub const MAX_TEXT_BYTES: usize = 4096;
/// The deepest nesting of parentheses and `!`.
pub const MAX_DEPTH: usize = 64;
/// The most nodes of a tree; a leaf, a `!`, a `&&` and a `||` are one each.
pub const MAX_NODES: usize = 2048;
/// The most steps of a path, the first name included.
pub const MAX_SEGMENTS: usize = 16;

/// A parsed condition. Two are equal when their trees are.
#[derive(Debug, Clone)]
pub struct Condition {
    source: String,
    root: Node,
    keys: Vec<Key>,
    warnings: Vec<String>,
}

impl Condition {
    /// Parses a condition; white space around it does not count.
    ///
    /// # Errors
    ///
    /// `SyntaxError` with the place, what was expected there, and where possible what was probably meant.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let parsed = parse::parse(text)?;
        Ok(Self {
            source: text.trim().to_owned(),
            root: parsed.root,
            keys: parsed.keys,
            warnings: parsed.warnings,
        })
    }

    /// Whether the condition holds for an event.
    ///
    /// # Errors
    ///
    /// `EvalError` if the event cannot answer it.
    pub fn evaluate(&self, event: &Event) -> Result<bool, EvalError> {
        self.evaluate_with(&mut eval::Direct(event))
    }

    /// As [`Condition::evaluate`], with the fields of the event looked up elsewhere.
    pub(crate) fn evaluate_with<'e>(
        &self,
        fields: &mut impl Fields<'e>,
    ) -> Result<bool, EvalError> {
        self.root.evaluate(fields)
    }

    /// The top-level fields of the data that the condition reads; the number of a field is its slot.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What parses but is probably not meant, in the order of the text.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Condition {
    /// The text that was parsed, without white space around it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl Eq for Condition {}

impl Hash for Condition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.root.hash(state);
    }
}
