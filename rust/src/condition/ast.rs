//! The tree of a condition. Everything that can be worked out from the text alone is worked out in it.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use serde_json::Value;

use crate::json::{Key, Raw, compare_numbers};

/// A condition or a part of one.
///
/// A chain of one operator is one node: `a && b && c` is `And` of three, which stands for the left-leaning tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// True when one operand is; the first that decides or errs ends it.
    Or(Vec<Node>),
    /// True when every operand is; the first that decides or errs ends it.
    And(Vec<Node>),
    /// The opposite of the operand, whose errors stay errors.
    Not(Box<Node>),
    /// What looks at the event.
    Leaf(Box<Leaf>),
}

/// What looks at the event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Leaf {
    /// `path op literal`.
    Compare(Compare),
    /// `has_field(path)`.
    HasField(Field),
    /// `field_changed(path)` and its two siblings.
    Changed(Changed),
}

/// A comparison of a field with a literal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Compare {
    /// The field on the left.
    pub field: Field,
    /// Whether `?` follows the path: a missing field makes the comparison false instead of an error.
    pub optional: bool,
    /// The operator.
    pub op: Op,
    /// The scalar on the right.
    pub literal: Scalar,
}

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
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
}

impl Op {
    /// Every operator, longer texts before their own beginnings.
    pub const ALL: [Self; 6] = [Self::Eq, Self::Ne, Self::Ge, Self::Le, Self::Gt, Self::Lt];

    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Gt => ">",
            Self::Lt => "<",
            Self::Ge => ">=",
            Self::Le => "<=",
        }
    }

    /// Whether the operator asks which of two values is larger.
    pub const fn is_order(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }

    /// Whether the operator holds where the left value compares to the right one like this.
    pub const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Gt => order.is_gt(),
            Self::Lt => order.is_lt(),
            Self::Ge => order.is_ge(),
            Self::Le => order.is_le(),
        }
    }
}

/// A question about the tracked changes of a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Changed {
    /// The first step is the field in `changes`; the others walk its old and new values.
    pub path: Path,
    /// What is asked.
    pub question: Question,
}

/// What is asked about a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// Whether there is one.
    Any,
    /// Whether the new value is this.
    To(Expected),
    /// Whether the old value was this.
    From(Expected),
}

impl Question {
    /// The function that asks it.
    pub const fn function(&self) -> &'static str {
        match self {
            Self::Any => "field_changed",
            Self::To(_) => "field_changed_to",
            Self::From(_) => "field_changed_from",
        }
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
}

/// A field that is read from the event's data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Field {
    /// The way to it.
    pub path: Path,
    /// The number of its top-level key among the keys that the condition reads.
    pub slot: usize,
}

/// A way from the top level to a value.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// The top-level key.
    pub first: Key,
    /// The steps from its value on.
    pub rest: Vec<Segment>,
    /// The path as it was written, for error texts.
    pub shown: String,
}

impl PartialEq for Path {
    /// Paths are equal when they lead to the same place, however they are written.
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first && self.rest == other.rest
    }
}

impl Eq for Path {}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.first.hash(state);
        self.rest.hash(state);
    }
}

impl Path {
    /// Follows the steps after the first from the value of the top-level key; `None` where a step leads nowhere.
    pub fn walk<'v>(&self, top: Raw<'v>) -> Option<Raw<'v>> {
        self.rest
            .iter()
            .try_fold(top, |value, segment| match segment {
                Segment::Key(key) => value.get(key),
                Segment::Index(index) => value.at(*index),
            })
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    /// A key of an object.
    Key(Key),
    /// A position in an array.
    Index(usize),
}
