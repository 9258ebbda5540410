//! Conditions: a pure test of one event, compiled from text once.
//!
//! ```text
//! condition  = or
//! or         = and { ("||" | "or") and }
//! and        = not { ("&&" | "and") not }
//! not        = ("!" | "not") not | primary
//! primary    = "(" or ")" | comparison | function
//! comparison = operand op literal | operand ["not"] "in" "(" literal { "," literal } ")"
//! operand    = path ["?"] | "@" name | ("size" | "old" | "new" | "time") "(" path ["?"] ")"
//! op         = "==" | "!=" | ">" | "<" | ">=" | "<="
//! path       = name { "." name | "[" integer "]" | "[" dqstring "]" }
//! literal    = sqstring | dqstring | bare
//! function   = name "(" arg { "," arg } ")"
//! ```
//!
//! Words are contextual: a field may be called `in`, `not` or `or`. `cursor` reads tokens, `parse` builds the tree of
//! `ast`, `eval` walks it, `explain` walks it and notes what it sees in an `explanation`, `warning` looks for what is probably not meant.

mod ast;
mod cursor;
mod error;
mod eval;
mod explain;
mod explanation;
mod parse;
mod path;
mod scalar;
mod warning;

#[cfg(test)]
mod tests;

pub use ast::Side;
pub use error::{EvalError, SyntaxError};
pub(crate) use eval::Fields;
pub use explanation::{
    ElementExplanation, Elements, Explanation, LeafExplanation, MAX_ELEMENTS, MAX_VALUE_BYTES,
    Outcome,
};

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::event::{Event, EventKind};
use crate::json::Key;
use ast::Node;
use warning::Warning;

/// The longest text of a condition, in bytes.
pub const MAX_TEXT_BYTES: usize = 4096;
/// The deepest nesting of parentheses, `!`, `any` and `all`.
pub const MAX_DEPTH: usize = 64;
/// The most nodes of a tree; a leaf, a `!`, a `&&` and a `||` are one each.
pub const MAX_NODES: usize = 2048;
/// The most steps of a path, the first name included.
pub const MAX_SEGMENTS: usize = 16;
/// The most items of a list.
pub const MAX_LIST_ITEMS: usize = 1000;
/// The longest regular expression, in bytes.
pub const MAX_REGEX_BYTES: usize = 512;
/// The most memory of a compiled regular expression, in bytes.
pub const MAX_REGEX_COMPILED_BYTES: usize = 64 * 1024;
/// The most memory that a thread keeps for the states of a regular expression that it has met, in bytes. A table of
/// states saves time, and there is one for each expression and thread: with the engine's own 2 MiB, a few hundred rules
/// could take gigabytes.
const REGEX_CACHE_BYTES: usize = 256 * 1024;

/// A parsed condition. Two are equal when their trees are.
#[derive(Debug, Clone)]
pub struct Condition {
    source: String,
    root: Node,
    keys: Vec<Key>,
    warnings: Vec<Warning>,
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
            source: text.to_owned(),
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

    /// How the condition comes to its answer for an event.
    pub fn explain(&self, event: &Event) -> Explanation {
        explain::explain(&self.source, &self.root, &mut eval::Direct(event))
    }

    /// The top-level fields of the data that the condition reads; the number of a field is its slot.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What parses but is probably not meant, in the order of the text.
    ///
    /// `kind`: the kind of the events that the condition is for, if it is for one only.
    pub fn warnings(&self, kind: Option<EventKind>) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(warning::look_at(&self.source, &self.root, kind));
        warnings.sort_by_key(|warning| warning.at);
        warnings
            .into_iter()
            .map(|Warning { at, text }| {
                let offset = self.source[..at].chars().count();
                format!("{text} (offset {offset})")
            })
            .collect()
    }
}

impl fmt::Display for Condition {
    /// The text that was parsed, without white space around it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.trim())
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
