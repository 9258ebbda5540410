//! The tree of a condition. Everything that can be worked out from the text alone is worked out in it.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use super::path::{Envelope, Field, Path};
use super::scalar::{Expected, Folded, Moment, Pattern, Scalar, Wildcards};

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

impl Node {
    /// The leaves in the order of the text; those inside `any` and `all` belong to their leaf.
    pub fn leaves<'n>(&'n self, visit: &mut impl FnMut(&'n Leaf)) {
        match self {
            Self::Or(operands) | Self::And(operands) => {
                for operand in operands {
                    operand.leaves(visit);
                }
            }
            Self::Not(operand) => operand.leaves(visit),
            Self::Leaf(leaf) => visit(leaf),
        }
    }
}

/// What looks at the event, and where it stands in the text.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// The bytes of the text.
    pub span: Range<usize>,
    /// What it asks.
    pub question: Question,
}

impl PartialEq for Leaf {
    /// Leaves are equal when they ask the same, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.question == other.question
    }
}

impl Eq for Leaf {}

impl Hash for Leaf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.question.hash(state);
    }
}

/// What a leaf asks of the event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// `operand op literal`, `operand in (…)`, and the functions of a value.
    Value(Operand, Test),
    /// `time(path) op literal` and `time(path) in (…)`.
    Time(Field, TimeTest),
    /// `has_field(path)`.
    HasField(Field),
    /// `field_changed(path)` and its two siblings.
    Changed(Changed),
    /// `any(path, condition)` and `all(path, condition)`.
    Each(Each),
}

/// Where the value of a leaf comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Operand {
    /// A field itself.
    Field(Field),
    /// The length of a string in code points, of an array or an object in entries.
    Size(Field),
    /// A field as it was, or as it is after a change.
    Side(Side, Field),
    /// A field beside the data.
    Envelope(Envelope),
}

/// A side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // a change has exactly these two
pub enum Side {
    /// The value before.
    Old,
    /// The value after.
    New,
}

impl Side {
    /// The function that reads this side.
    pub const fn function(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Test {
    /// How it compares with a scalar.
    Compare(Op, Scalar),
    /// Whether it is one of these, or none of them.
    In(Membership, Vec<Scalar>),
    /// Whether it is null.
    IsNull,
    /// Whether it holds a substring or an item.
    Contains(Scalar),
    /// Whether it starts with a text.
    StartsWith(String),
    /// Whether it ends with a text.
    EndsWith(String),
    /// Whether a regular expression is found in it.
    Matches(Pattern),
    /// Whether it fits a text with wildcards.
    Like(Wildcards),
    /// Whether it is this text in lower case.
    EqualsIgnoringCase(Folded),
}

impl Test {
    /// The operator or function, as it is written.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Compare(op, _) => op.as_str(),
            Self::In(membership, _) => membership.as_str(),
            Self::IsNull => "is_null",
            Self::Contains(_) => "contains",
            Self::StartsWith(_) => "starts_with",
            Self::EndsWith(_) => "ends_with",
            Self::Matches(_) => "matches",
            Self::Like(_) => "like",
            Self::EqualsIgnoringCase(_) => "ieq",
        }
    }
}

/// What is asked of a point in time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TimeTest {
    /// How it compares with another.
    Compare(Op, Moment),
    /// Whether it is one of these, or none of them.
    In(Membership, Vec<Moment>),
}

impl TimeTest {
    /// The operator, as it is written.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Compare(op, _) => op.as_str(),
            Self::In(membership, _) => membership.as_str(),
        }
    }
}

/// `in` or `not in`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Membership {
    In,
    NotIn,
}

impl Membership {
    /// The operator, as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::NotIn => "not in",
        }
    }

    /// Whether the operator holds for a value that is, or is not, in the list.
    pub const fn holds(self, is_in: bool) -> bool {
        matches!(self, Self::In) == is_in
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
    pub ask: Ask,
}

/// What is asked about a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// Whether there is one.
    Any,
    /// Whether the new value is this.
    To(Expected),
    /// Whether the old value was this.
    From(Expected),
}

impl Ask {
    /// The function that asks it.
    pub const fn function(&self) -> &'static str {
        match self {
            Self::Any => "field_changed",
            Self::To(_) => "field_changed_to",
            Self::From(_) => "field_changed_from",
        }
    }
}

/// A condition on the elements of an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Each {
    /// How many elements must fulfil it.
    pub quantifier: Quantifier,
    /// The array.
    pub field: Field,
    /// The condition; its fields are those of an element.
    pub condition: Node,
}

/// How many elements must fulfil a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Quantifier {
    /// At least one.
    Any,
    /// Every one.
    All,
}

impl Quantifier {
    /// The function as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::All => "all",
        }
    }

    /// The truth of an element that ends the walk, and is the answer.
    pub const fn deciding(self) -> bool {
        matches!(self, Self::Any)
    }
}
