//! What parses but is probably not meant. Literals are looked at while they are read, the tree when somebody asks.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::ast::{Ask, Leaf, Membership, Node, Op, Operand, Question, Test};
use super::path::{Envelope, Field, Path};
use super::scalar::Scalar;
use crate::event::EventKind;
use crate::json::compare_numbers;

/// A warning, and the byte of the text that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Warning {
    pub at: usize,
    pub text: String,
}

/// Looks at a whole tree, for events of one kind or of any.
pub(super) fn look_at(source: &str, root: &Node, kind: Option<EventKind>) -> Vec<Warning> {
    let mut reviewer = Reviewer {
        source,
        warnings: Vec::new(),
    };
    reviewer.node(root, kind);
    reviewer.warnings
}

struct Reviewer<'s> {
    source: &'s str,
    warnings: Vec<Warning>,
}

impl Reviewer<'_> {
    /// `kind`: the kind of the events that come this far, where it is known.
    fn node(&mut self, node: &Node, kind: Option<EventKind>) {
        match node {
            Node::Or(operands) => {
                for operand in operands {
                    self.node(operand, kind);
                }
                self.chain(operands, true);
            }
            Node::And(operands) => {
                let mut kind = kind;
                for operand in operands {
                    self.node(operand, kind);
                    kind = kind.or_else(|| guarded_kind(operand));
                }
                self.chain(operands, false);
            }
            Node::Not(operand) => self.node(operand, kind),
            Node::Leaf(leaf) => self.leaf(leaf, kind),
        }
    }

    fn leaf(&mut self, leaf: &Leaf, kind: Option<EventKind>) {
        let written = self.text(leaf);
        match &leaf.question {
            Question::Value(operand, test) => {
                if let Some(truth) = constant(operand, test, kind) {
                    let says = if truth { "always" } else { "never" };
                    let of = match (operand, kind) {
                        (Operand::Envelope(Envelope::EventType), Some(kind)) => {
                            format!(" for {}", kind.as_str())
                        }
                        _ => String::new(),
                    };
                    self.warn(leaf, format!("`{written}` {says} holds{of}"));
                } else if let (Operand::Envelope(envelope), Test::Compare(op, literal)) =
                    (operand, test)
                    && op.is_order()
                    && literal.value().is_number()
                {
                    let warning = format!(
                        "`{}` is text, which has no order: `{written}` is an error each time",
                        envelope.as_str()
                    );
                    self.warn(leaf, warning);
                }
            }
            Question::Changed(_) => {
                if let Some(kind) = kind.filter(|kind| *kind != EventKind::Updated) {
                    let warning = format!(
                        "`{written}` never holds for {} without `changes`, which only UPDATE usually has",
                        kind.as_str()
                    );
                    self.warn(leaf, warning);
                }
            }
            Question::Each(each) => self.node(&each.condition, kind),
            Question::Time(..) | Question::HasField(_) => {}
        }
    }

    /// Looks at operands that stand side by side. `or`: whether one that holds decides, else one that does not.
    fn chain(&mut self, operands: &[Node], or: bool) {
        let mut seen = Seen::default();
        for operand in operands {
            let (leaf, negated) = match operand {
                Node::Leaf(leaf) => (leaf, false),
                Node::Not(inner) => match &**inner {
                    Node::Leaf(leaf) => (leaf, true),
                    _ => continue,
                },
                _ => continue,
            };
            if let Question::HasField(field) = &leaf.question
                && let Some(earlier) = seen.needs.get(&field.path)
            {
                let warning = format!(
                    "`{}` comes too late: `{}` before it is an error already where the field is missing",
                    self.text(leaf),
                    self.text(earlier)
                );
                self.warn(leaf, warning);
            }
            if let Some((earlier, earlier_negated)) = seen.opposite(leaf, negated, or) {
                let (earlier, this) = (
                    self.operand(earlier, earlier_negated),
                    self.operand(leaf, negated),
                );
                let warning = if or {
                    format!("one of `{earlier}` and `{this}` always holds")
                } else {
                    format!("`{earlier}` and `{this}` never hold both")
                };
                self.warn(leaf, warning);
            }
            seen.note(leaf, negated);
        }
    }

    /// A leaf as an operand of a chain.
    fn operand(&self, leaf: &Leaf, negated: bool) -> String {
        let text = self.text(leaf);
        if negated { format!("!({text})") } else { text }
    }

    fn text(&self, leaf: &Leaf) -> String {
        self.source[leaf.span.clone()].to_owned()
    }

    fn warn(&mut self, leaf: &Leaf, text: String) {
        self.warnings.push(Warning {
            at: leaf.span.start,
            text,
        });
    }
}

/// The operands of a chain that have been seen.
#[derive(Default)]
struct Seen<'n> {
    /// The first leaf that needs a field, by the field's path.
    needs: HashMap<&'n Path, &'n Leaf>,
    /// Fields that a `has_field` has asked for.
    guarded: HashSet<&'n Path>,
    /// The leaves by what they ask, and whether they were negated.
    asked: HashMap<(&'n Question, bool), &'n Leaf>,
    /// The first comparison of an operand that narrows it, and whether it was negated.
    narrowed: HashMap<&'n Operand, (&'n Leaf, bool)>,
    /// The first value that a field is asked to have changed to or from.
    changed: HashMap<(&'n Path, &'static str), &'n Leaf>,
}

impl<'n> Seen<'n> {
    fn note(&mut self, leaf: &'n Leaf, negated: bool) {
        if let Question::HasField(field) = &leaf.question {
            self.guarded.insert(&field.path);
        }
        if let Some(field) = needed(leaf)
            && !self.guarded.contains(&field.path)
        {
            self.needs.entry(&field.path).or_insert(leaf);
        }
        self.asked.entry((&leaf.question, negated)).or_insert(leaf);
        match &leaf.question {
            Question::Value(operand, Test::Compare(..)) => {
                self.narrowed.entry(operand).or_insert((leaf, negated));
            }
            Question::Changed(changed) if !negated => {
                self.changed
                    .entry((&changed.path, changed.ask.function()))
                    .or_insert(leaf);
            }
            _ => {}
        }
    }

    /// The earlier leaf that makes the chain's answer the same for every event together with this one.
    fn opposite(&self, leaf: &'n Leaf, negated: bool, or: bool) -> Option<(&'n Leaf, bool)> {
        if let Some(earlier) = self.asked.get(&(&leaf.question, !negated)) {
            return Some((earlier, !negated));
        }
        match &leaf.question {
            Question::Value(operand, test) => {
                let (earlier, earlier_negated) = self.narrowed.get(operand)?;
                let Question::Value(_, earlier_test) = &earlier.question else {
                    return None;
                };
                // A missing field makes both comparisons false: one of them need not hold, and both may be negated.
                if is_optional(operand) && (or || (negated && *earlier_negated)) {
                    return None;
                }
                // For `||`, both are never false where their opposites are never true together.
                let left = comparison(earlier_test, *earlier_negated != or)?;
                let right = comparison(test, negated != or)?;
                exclude(left, right).then_some((*earlier, *earlier_negated))
            }
            Question::Changed(changed) if !or && !negated => {
                let earlier = self
                    .changed
                    .get(&(&changed.path, changed.ask.function()))
                    .copied()?;
                let Question::Changed(before) = &earlier.question else {
                    return None;
                };
                match (&before.ask, &changed.ask) {
                    (Ask::To(left), Ask::To(right)) | (Ask::From(left), Ask::From(right)) => {
                        (!right.overlaps(left)).then_some((earlier, false))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The field whose absence makes a leaf an error.
fn needed(leaf: &Leaf) -> Option<&Field> {
    let field = match &leaf.question {
        Question::Value(Operand::Field(field) | Operand::Size(field), _)
        | Question::Time(field, _) => field,
        Question::Each(each) => &each.field,
        _ => return None,
    };
    (!field.optional).then_some(field)
}

fn is_optional(operand: &Operand) -> bool {
    match operand {
        Operand::Field(field) | Operand::Size(field) | Operand::Side(_, field) => field.optional,
        Operand::Envelope(_) => false,
    }
}

/// The comparison that a test is, turned round where it is negated.
fn comparison(test: &Test, negated: bool) -> Option<(Op, &Scalar)> {
    let Test::Compare(op, scalar) = test else {
        return None;
    };
    let op = match (op, negated) {
        (op, false) => *op,
        (Op::Eq, true) => Op::Ne,
        (Op::Ne, true) => Op::Eq,
        (Op::Gt, true) => Op::Le,
        (Op::Le, true) => Op::Gt,
        (Op::Lt, true) => Op::Ge,
        (Op::Ge, true) => Op::Lt,
    };
    Some((op, scalar))
}

/// Whether no value fulfils both comparisons.
fn exclude((left_op, left): (Op, &Scalar), (right_op, right): (Op, &Scalar)) -> bool {
    use Op::{Eq, Ge, Gt, Le, Lt, Ne};
    let order = match (left.value(), right.value()) {
        (Value::Number(left), Value::Number(right)) => Some(compare_numbers(left, right)),
        (left, right) if left == right => Some(std::cmp::Ordering::Equal),
        _ => None,
    };
    match (left_op, right_op) {
        (Eq, Eq) => order.is_none_or(std::cmp::Ordering::is_ne),
        (Eq, Ne) | (Ne, Eq) => order.is_some_and(std::cmp::Ordering::is_eq),
        // What follows compares numbers, or is an error that has its own warning.
        (Eq, Gt | Lt | Ge | Le) => order.is_some_and(|order| !right_op.holds(order)),
        (Gt | Lt | Ge | Le, Eq) => order.is_some_and(|order| !left_op.holds(order.reverse())),
        (Gt, Lt | Le) | (Ge, Lt) => order.is_some_and(std::cmp::Ordering::is_ge),
        (Lt, Gt | Ge) | (Le, Gt) => order.is_some_and(std::cmp::Ordering::is_le),
        (Ge, Le) => order.is_some_and(std::cmp::Ordering::is_gt),
        (Le, Ge) => order.is_some_and(std::cmp::Ordering::is_lt),
        _ => false,
    }
}

/// The kind of the events for which an operand can hold, where it is one kind.
fn guarded_kind(node: &Node) -> Option<EventKind> {
    let Node::Leaf(leaf) = node else { return None };
    let Question::Value(Operand::Envelope(Envelope::EventType), Test::Compare(Op::Eq, literal)) =
        &leaf.question
    else {
        return None;
    };
    literal.value().as_str().and_then(EventKind::from_wire)
}

/// The truth of a leaf, where it is the same for every event that can answer it.
fn constant(operand: &Operand, test: &Test, kind: Option<EventKind>) -> Option<bool> {
    if is_optional(operand) {
        return None;
    }
    match test {
        Test::StartsWith(part) | Test::EndsWith(part) if part.is_empty() => Some(true),
        Test::Like(wildcards)
            if !wildcards.source().is_empty() && wildcards.source().chars().all(|c| c == '*') =>
        {
            Some(true)
        }
        Test::Matches(pattern) if pattern.source().is_empty() => Some(true),
        _ => match operand {
            Operand::Envelope(envelope) => constant_of_envelope(*envelope, test, kind),
            Operand::Size(_) => constant_of_size(test),
            _ => None,
        },
    }
}

fn constant_of_envelope(envelope: Envelope, test: &Test, kind: Option<EventKind>) -> Option<bool> {
    let possible = |literal: &Scalar| match literal.value() {
        Value::Null => envelope.is_nullable(),
        Value::String(word) => match envelope {
            Envelope::EventType => EventKind::from_wire(word)
                .is_some_and(|named| kind.is_none_or(|kind| kind == named)),
            // An id is written in lower case, with hyphens.
            Envelope::EntityId => {
                uuid::Uuid::try_parse(word).is_ok_and(|id| id.to_string() == *word)
            }
            _ => true,
        },
        _ => false,
    };
    let certain = |literal: &Scalar| match (envelope, kind) {
        (Envelope::EventType, Some(kind)) => literal.value().as_str() == Some(kind.as_str()),
        _ => false,
    };
    let equals = |literal: &Scalar| {
        if certain(literal) {
            Some(true)
        } else if possible(literal) {
            None
        } else {
            Some(false)
        }
    };
    match test {
        Test::Compare(Op::Eq, literal) => equals(literal),
        Test::Compare(Op::Ne, literal) => equals(literal).map(|truth| !truth),
        Test::In(membership, literals) => {
            let every_kind = envelope == Envelope::EventType
                && EventKind::ALL.iter().all(|kind| {
                    literals
                        .iter()
                        .any(|literal| literal.value().as_str() == Some(kind.as_str()))
                });
            let is_in = if every_kind || literals.iter().any(certain) {
                Some(true)
            } else if literals.iter().any(possible) {
                None
            } else {
                Some(false)
            };
            is_in.map(|is_in| Membership::holds(*membership, is_in))
        }
        Test::IsNull if !envelope.is_nullable() => Some(false),
        _ => None,
    }
}

/// A size is a whole number, and not negative.
fn constant_of_size(test: &Test) -> Option<bool> {
    let possible = |literal: &Scalar| match literal.value() {
        Value::Number(number) => number
            .as_f64()
            .is_some_and(|size| size >= 0.0 && size.fract() == 0.0),
        _ => false,
    };
    match test {
        Test::Compare(Op::Eq, literal) if !possible(literal) => Some(false),
        Test::Compare(Op::Ne, literal) if !possible(literal) => Some(true),
        Test::Compare(op, literal) if op.is_order() => {
            let bound = literal.value().as_f64()?;
            match op {
                Op::Ge | Op::Gt if bound < 0.0 || (*op == Op::Ge && bound == 0.0) => Some(true),
                Op::Lt | Op::Le if bound < 0.0 || (*op == Op::Lt && bound == 0.0) => Some(false),
                _ => None,
            }
        }
        Test::IsNull => Some(false),
        _ => None,
    }
}
