//! How a condition came to its answer: the record, as programs and as people read it.

use std::fmt;

use serde_json::{Value, json};

use super::error::EvalError;

/// The elements of an array that an explanation shows, besides the last one looked at.
pub const MAX_ELEMENTS: usize = 10;

/// The values that an explanation keeps, in bytes of JSON in all: a value may be as large as its event, and every leaf
/// may see it.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// What a condition, or a part of one, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // there is no fifth
pub enum Outcome {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// The event cannot answer it.
    Error,
    /// Something before it had decided.
    NotReached,
}

impl Outcome {
    /// The outcome as programs read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Error => "error",
            Self::NotReached => "not_reached",
        }
    }

    pub(super) fn of(result: &Result<bool, EvalError>) -> Self {
        match result {
            Ok(true) => Self::True,
            Ok(false) => Self::False,
            Err(_) => Self::Error,
        }
    }
}

/// How a condition came to its answer for one event. The display is for people.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The condition's text.
    pub condition: String,
    /// What it came to.
    pub outcome: Outcome,
    /// Why the event cannot answer, where it cannot.
    pub error: Option<String>,
    /// The leaves in the order of the text.
    pub leaves: Vec<LeafExplanation>,
}

/// What one leaf saw.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LeafExplanation {
    /// The leaf as it is written.
    pub text: String,
    /// What it looks at, with `size`, `old`, `new` or `time` round it.
    pub operand: String,
    /// The path of that.
    pub path: String,
    /// The operator or function.
    pub operator: &'static str,
    /// What the value is compared with; empty where with nothing.
    pub literals: Vec<Value>,
    /// Whether there was a value.
    pub found: bool,
    /// The value, if there was one and it is not too large.
    pub value: Option<Value>,
    /// What the leaf came to, before any `!`.
    pub outcome: Outcome,
    /// Why the event cannot answer, where it cannot.
    pub error: Option<String>,
    /// Why the leaf was not reached, is false without a value, or does not show the value.
    pub reason: Option<String>,
    /// For `any` and `all`, the elements.
    pub elements: Option<Elements>,
}

/// What `any` or `all` saw.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Elements {
    /// How many elements were looked at.
    pub reached: usize,
    /// The first [`MAX_ELEMENTS`] of them, and the last.
    pub shown: Vec<ElementExplanation>,
}

/// What the condition of `any` or `all` came to for one element.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ElementExplanation {
    /// The place of the element, from 0.
    pub index: usize,
    /// What the condition came to.
    pub outcome: Outcome,
    /// Why the element cannot answer, where it cannot.
    pub error: Option<String>,
    /// The leaves in the order of the text.
    pub leaves: Vec<LeafExplanation>,
}

impl Explanation {
    /// The explanation as JSON.
    pub fn to_value(&self) -> Value {
        json!({
            "condition": self.condition,
            "outcome": self.outcome.as_str(),
            "error": self.error,
            "leaves": leaves_to_value(&self.leaves),
        })
    }
}

impl LeafExplanation {
    /// The explanation as JSON.
    pub fn to_value(&self) -> Value {
        json!({
            "text": self.text,
            "operand": self.operand,
            "path": self.path,
            "operator": self.operator,
            "literals": self.literals,
            "found": self.found,
            "value": self.value,
            "outcome": self.outcome.as_str(),
            "error": self.error,
            "reason": self.reason,
            "elements": self.elements.as_ref().map(|elements| {
                elements.shown.iter().map(ElementExplanation::to_value).collect::<Vec<_>>()
            }),
            "elements_reached": self.elements.as_ref().map(|elements| elements.reached),
        })
    }
}

impl ElementExplanation {
    /// The explanation as JSON.
    pub fn to_value(&self) -> Value {
        json!({
            "index": self.index,
            "outcome": self.outcome.as_str(),
            "error": self.error,
            "leaves": leaves_to_value(&self.leaves),
        })
    }
}

fn leaves_to_value(leaves: &[LeafExplanation]) -> Value {
    leaves.iter().map(LeafExplanation::to_value).collect()
}

/// The most characters of a value that the text for people shows.
const SHOWN: usize = 60;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.condition)?;
        match &self.error {
            Some(error) => write!(f, "cannot be answered: {error}")?,
            None => write!(f, "is {}", self.outcome.as_str())?,
        }
        write_leaves(f, &self.leaves, 2)
    }
}

fn write_leaves(
    f: &mut fmt::Formatter<'_>,
    leaves: &[LeafExplanation],
    indent: usize,
) -> fmt::Result {
    for leaf in leaves {
        let outcome = match leaf.outcome {
            Outcome::NotReached => "-",
            outcome => outcome.as_str(),
        };
        let text = leaf.text.replace(char::is_control, " ");
        write!(f, "\n{:indent$}{outcome:<5}  {text}  # ", "")?;
        match (leaf.outcome, &leaf.error, &leaf.reason, &leaf.value) {
            (Outcome::NotReached, _, Some(reason), _) => write!(f, "not reached: {reason}")?,
            (_, Some(error), _, Some(value)) => {
                write!(f, "{error}; {} is {}", leaf.operand, shortened(value))?;
            }
            (_, Some(error), ..) => f.write_str(error)?,
            (_, _, Some(reason), _) => f.write_str(reason)?,
            (.., Some(value)) => write!(f, "{} is {}", leaf.operand, shortened(value))?,
            (.., None) if leaf.operator == "has_field" => f.write_str("it is missing")?,
            (.., None) => write!(f, "{} is not among the changes", leaf.path)?,
        }
        if let Some(elements) = &leaf.elements {
            let many = if elements.reached == 1 { "" } else { "s" };
            write!(f, "; looked at {} element{many}", elements.reached)?;
            let mut next = 0;
            for element in &elements.shown {
                if element.index > next {
                    write!(f, "\n{:1$}…", "", indent + 7)?;
                }
                next = element.index + 1;
                let (place, outcome) = (element.index, element.outcome.as_str());
                write!(f, "\n{:1$}[{place}] is {outcome}", "", indent + 7)?;
                write_leaves(f, &element.leaves, indent + 9)?;
            }
        }
    }
    Ok(())
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
