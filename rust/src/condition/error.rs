//! What can be wrong with a condition: its text, or an event that cannot answer it.

use std::fmt::{self, Write as _};

use super::ast::Side;

/// The most characters of a line that a syntax error shows on each side of the mistake.
const SHOWN_EACH_SIDE: usize = 60;

/// Why a text is no condition. The display shows what was expected, where, the line with a caret, and the hint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyntaxError {
    /// What was expected, and what was found.
    pub message: String,
    /// Where the mistake is, in characters from the start of the text, counted from 0.
    pub offset: usize,
    /// What was probably meant.
    pub hint: Option<String>,
    excerpt: Excerpt,
}

impl SyntaxError {
    /// An error at byte `at` of `source`.
    pub(super) fn new(
        source: &str,
        at: usize,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        Self {
            message: harmless(&message.into()),
            offset: source[..at].chars().count(),
            hint: hint.map(|hint| harmless(&hint)),
            excerpt: Excerpt::around(source, at),
        }
    }
}

/// Writes control characters as escapes: the text of a condition may stand in what a terminal is shown.
fn harmless(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, c| {
        if c.is_control() {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at offset {}\n{}",
            self.message, self.offset, self.excerpt
        )?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// The line of a mistake, cut to what fits, and where in it the caret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    line: String,
    caret: usize,
}

impl Excerpt {
    fn around(source: &str, at: usize) -> Self {
        let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = source[at..]
            .find('\n')
            .map_or(source.len(), |newline| at + newline);
        let before: Vec<char> = source[start..at].chars().collect();
        let mut line = String::new();
        if before.len() > SHOWN_EACH_SIDE {
            line.push('…');
        }
        // A tab would move the caret; other control characters could move it anywhere.
        let visible = |c: &char| if c.is_control() { ' ' } else { *c };
        line.extend(
            before[before.len().saturating_sub(SHOWN_EACH_SIDE)..]
                .iter()
                .map(visible),
        );
        let caret = line.chars().count();
        let mut after = source[at..end].chars();
        line.extend(after.by_ref().take(SHOWN_EACH_SIDE).map(|c| visible(&c)));
        if after.next().is_some() {
            line.push('…');
        }
        Self { line, caret }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.line)?;
        f.write_str("  ")?;
        (0..self.caret).try_for_each(|_| f.write_char(' '))?;
        f.write_char('^')
    }
}

/// Why an event cannot answer a condition.
///
/// The texts name paths and types, never values: they are grouped by text and must stay few.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A field that the condition needs is not there.
    #[error("Field not found: {path}{}", in_side(path, *side))]
    FieldNotFound {
        /// Its path.
        path: String,
        /// The side of the change in which it is not.
        side: Option<Side>,
    },
    /// Two values that have no order.
    #[error("Cannot compare {operand}: {left} {op} {right}")]
    NotComparable {
        /// The operand on the left.
        operand: String,
        /// The JSON type of its value.
        left: &'static str,
        /// The operator.
        op: &'static str,
        /// The JSON type of the literal.
        right: &'static str,
    },
    /// A value of a type that a function does not take.
    #[error("{function}({path}) needs {needs}, found {found}")]
    WrongType {
        /// The function.
        function: &'static str,
        /// The path of the value.
        path: String,
        /// What it takes.
        needs: &'static str,
        /// The JSON type of the value.
        found: &'static str,
    },
    /// A question about changes, asked of an update whose changes were not tracked.
    #[error(
        "Missing pre-image: {function}({path}) needs the changes of this UPDATE, which are null"
    )]
    NoPreImage {
        /// The function that asked.
        function: &'static str,
        /// Its path.
        path: String,
    },
    /// An element of an array that cannot answer.
    #[error("{error} (in {array}[{index}])")]
    InElement {
        /// Why not.
        error: Box<EvalError>,
        /// The path of the array.
        array: String,
        /// The place of the element, from 0.
        index: usize,
    },
}

fn in_side(path: &str, side: Option<Side>) -> String {
    side.map_or_else(String::new, |side| {
        format!(" (in {}({path}))", side.function())
    })
}
