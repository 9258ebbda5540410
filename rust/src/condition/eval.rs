//! Truth of a tree for one event. Nothing is parsed here but the numbers that are compared.

use serde_json::Value;

use super::ast::{Changed, Compare, Field, Leaf, Node, Op, Question};
use super::error::EvalError;
use crate::event::{Event, EventKind};
use crate::json::{Key, Raw, compare_numbers, type_name};

/// Where a tree finds the event's fields.
pub(crate) trait Fields<'e> {
    /// The event.
    fn event(&self) -> &'e Event;

    /// The value of the top-level field `key`, which is the condition's key number `slot`.
    fn field(&mut self, slot: usize, key: &Key) -> Option<Raw<'e>>;
}

/// Reads fields straight from the event's data.
pub(super) struct Direct<'e>(pub &'e Event);

impl<'e> Fields<'e> for Direct<'e> {
    fn event(&self) -> &'e Event {
        self.0
    }

    fn field(&mut self, _slot: usize, key: &Key) -> Option<Raw<'e>> {
        self.0.data.get(key)
    }
}

impl Node {
    /// Evaluates the tree from left to right; the first operand that decides, or errs, ends it.
    pub(super) fn evaluate<'e>(&self, fields: &mut impl Fields<'e>) -> Result<bool, EvalError> {
        match self {
            Self::Or(operands) => any(operands, true, fields),
            Self::And(operands) => any(operands, false, fields).map(|decided| !decided),
            Self::Not(operand) => operand.evaluate(fields).map(|truth| !truth),
            Self::Leaf(leaf) => match &**leaf {
                Leaf::Compare(compare) => compare.evaluate(fields),
                Leaf::HasField(field) => Ok(field.find(fields).is_some()),
                Leaf::Changed(changed) => changed.evaluate(fields.event()),
            },
        }
    }
}

/// Whether an operand is `deciding`, looking no further than the first that is.
fn any<'e>(
    operands: &[Node],
    deciding: bool,
    fields: &mut impl Fields<'e>,
) -> Result<bool, EvalError> {
    for operand in operands {
        if operand.evaluate(fields)? == deciding {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Field {
    fn find<'e>(&self, fields: &mut impl Fields<'e>) -> Option<Raw<'e>> {
        self.path.walk(fields.field(self.slot, &self.path.first)?)
    }
}

impl Compare {
    fn evaluate<'e>(&self, fields: &mut impl Fields<'e>) -> Result<bool, EvalError> {
        match self.field.find(fields) {
            Some(value) => self.holds(value),
            None if self.optional => Ok(false),
            None => Err(EvalError::FieldNotFound(self.field.path.shown.clone())),
        }
    }

    fn holds(&self, value: Raw<'_>) -> Result<bool, EvalError> {
        if !self.op.is_order() {
            return Ok(self.literal.equals(value) == (self.op == Op::Eq));
        }
        match (value.number(), self.literal.value()) {
            (Some(left), Value::Number(right)) => Ok(self.op.holds(compare_numbers(&left, right))),
            (_, right) => Err(EvalError::NotComparable {
                path: self.field.path.shown.clone(),
                left: value.type_name(),
                op: self.op.as_str(),
                right: type_name(right),
            }),
        }
    }
}

impl Changed {
    fn evaluate(&self, event: &Event) -> Result<bool, EvalError> {
        if event.changes.is_none() && event.event_type == EventKind::Updated {
            return Err(EvalError::NoPreImage {
                function: self.question.function(),
                path: self.path.shown.clone(),
            });
        }
        let Some(change) = event.change(&self.path.first) else {
            return Ok(false);
        };
        let (old, new) = (self.path.walk(change.old), self.path.walk(change.new));
        // A tracked field counts as changed whatever its values; below it, only a difference is a change.
        let changed = self.path.rest.is_empty()
            || match (old, new) {
                (Some(old), Some(new)) => !old.semantic_eq(new),
                (old, new) => old.is_some() || new.is_some(),
            };
        Ok(changed
            && match &self.question {
                Question::Any => true,
                Question::To(expected) => new.is_some_and(|new| expected.matches(new)),
                Question::From(expected) => old.is_some_and(|old| expected.matches(old)),
            })
    }
}
