//! Truth of a tree for one event. Nothing is parsed here but numbers, dates and escapes of the event itself.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::ast::{Ask, Changed, Each, Leaf, Node, Op, Operand, Question, Side, Test, TimeTest};
use super::error::EvalError;
use super::path::Field;
use super::scalar::Scalar;
use crate::event::{Event, EventKind};
use crate::instant::Instant;
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

/// Reads fields from an element of an array; one that is no object has none.
pub(super) struct Element<'e> {
    pub event: &'e Event,
    pub value: Raw<'e>,
}

impl<'e> Fields<'e> for Element<'e> {
    fn event(&self) -> &'e Event {
        self.event
    }

    fn field(&mut self, _slot: usize, key: &Key) -> Option<Raw<'e>> {
        self.value.get(key)
    }
}

impl Node {
    /// Evaluates the tree from left to right; the first operand that decides, or errs, ends it.
    pub(super) fn evaluate<'e>(&self, fields: &mut impl Fields<'e>) -> Result<bool, EvalError> {
        match self {
            Self::Or(operands) => any(operands, true, fields),
            Self::And(operands) => any(operands, false, fields).map(|decided| !decided),
            Self::Not(operand) => operand.evaluate(fields).map(|truth| !truth),
            Self::Leaf(leaf) => leaf.evaluate(fields),
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

impl Leaf {
    pub(super) fn evaluate<'e>(&self, fields: &mut impl Fields<'e>) -> Result<bool, EvalError> {
        match &self.question {
            Question::Value(operand, test) => match operand.look(fields)? {
                Some(value) => test.holds(&value, operand),
                None => operand.missing(),
            },
            Question::Time(field, test) => match field.find(fields) {
                Some(value) => Ok(test.holds(instant(value, field)?)),
                None => field.missing(),
            },
            Question::HasField(field) => Ok(field.find(fields).is_some()),
            Question::Changed(changed) => changed.evaluate(fields.event()),
            Question::Each(each) => each.evaluate(fields),
        }
    }
}

impl Field {
    /// The value, if there is one.
    pub(super) fn find<'e>(&self, fields: &mut impl Fields<'e>) -> Option<Raw<'e>> {
        self.path.walk(fields.field(self.slot, &self.path.first)?)
    }

    /// What a leaf is that does not find the field.
    pub(super) fn missing(&self) -> Result<bool, EvalError> {
        if self.optional {
            Ok(false)
        } else {
            Err(EvalError::FieldNotFound {
                path: self.path.shown.clone(),
                side: None,
            })
        }
    }
}

/// A value that an operand has found.
pub(super) enum Seen<'e> {
    /// A value of the event.
    Json(Raw<'e>),
    /// The size of one.
    Size(u64),
    /// A text beside the data.
    Text(Cow<'e, str>),
    /// Null beside the data.
    Null,
}

impl Seen<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Json(value) => value.type_name(),
            Self::Size(_) => "number",
            Self::Text(_) => "string",
            Self::Null => "null",
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Json(value) => value.number(),
            Self::Size(size) => Some(Number::from(*size)),
            Self::Text(_) | Self::Null => None,
        }
    }

    fn string(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Json(value) => value.string(),
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Size(_) | Self::Null => None,
        }
    }

    fn is_null(&self) -> bool {
        self.type_name() == "null"
    }

    fn equals(&self, scalar: &Scalar) -> bool {
        match (self, scalar.value()) {
            (Self::Json(value), _) => scalar.equals(*value),
            (Self::Size(size), Value::Number(number)) => {
                compare_numbers(&Number::from(*size), number).is_eq()
            }
            (Self::Text(text), Value::String(string)) => text == string,
            (Self::Null, Value::Null) => true,
            _ => false,
        }
    }

    /// The value by itself.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Json(value) => value.value(),
            Self::Size(size) => Value::from(*size),
            Self::Text(text) => Value::from(&**text),
            Self::Null => Value::Null,
        }
    }
}

impl Operand {
    /// The value, if there is one.
    pub(super) fn look<'e>(
        &self,
        fields: &mut impl Fields<'e>,
    ) -> Result<Option<Seen<'e>>, EvalError> {
        Ok(match self {
            Self::Field(field) => field.find(fields).map(Seen::Json),
            Self::Size(field) => match field.find(fields) {
                Some(value) => Some(Seen::Size(size(value).ok_or_else(|| {
                    wrong_type(
                        "size",
                        &field.path.shown,
                        "a string, an array or an object",
                        value.type_name(),
                    )
                })?)),
                None => None,
            },
            Self::Side(side, field) => side.find(field, fields)?.map(Seen::Json),
            Self::Envelope(envelope) => {
                Some(envelope.of(fields.event()).map_or(Seen::Null, Seen::Text))
            }
        })
    }

    fn missing(&self) -> Result<bool, EvalError> {
        match self {
            Self::Field(field) | Self::Size(field) => field.missing(),
            Self::Side(side, field) => field.missing().map_err(|_| EvalError::FieldNotFound {
                path: field.path.shown.clone(),
                side: Some(*side),
            }),
            Self::Envelope(_) => Ok(false),
        }
    }

    /// The path as it was written.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Field(field) | Self::Size(field) | Self::Side(_, field) => &field.path.shown,
            Self::Envelope(envelope) => envelope.as_str(),
        }
    }

    /// The operand as error texts name it.
    pub(super) fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::Field(_) | Self::Envelope(_) => self.path().into(),
            Self::Size(_) => format!("size({})", self.path()).into(),
            Self::Side(side, _) => format!("{}({})", side.function(), self.path()).into(),
        }
    }
}

impl Side {
    /// A field as it was before the event, or is after it, if it was or is there.
    fn find<'e>(
        self,
        field: &Field,
        fields: &mut impl Fields<'e>,
    ) -> Result<Option<Raw<'e>>, EvalError> {
        let event = fields.event();
        need_changes(event, self.function(), &field.path.shown)?;
        if let Some(change) = event.change(&field.path.first) {
            return Ok(field.path.walk(match self {
                Self::Old => change.old,
                Self::New => change.new,
            }));
        }
        Ok(match (self, event.event_type) {
            (Self::Old, EventKind::Created) | (Self::New, EventKind::Deleted) => None,
            _ => field.find(fields),
        })
    }
}

/// Fails for an update whose changes were not tracked.
fn need_changes(event: &Event, function: &'static str, path: &str) -> Result<(), EvalError> {
    if event.changes.is_none() && event.event_type == EventKind::Updated {
        return Err(EvalError::NoPreImage {
            function,
            path: path.to_owned(),
        });
    }
    Ok(())
}

fn wrong_type(
    function: &'static str,
    path: &str,
    needs: &'static str,
    found: &'static str,
) -> EvalError {
    EvalError::WrongType {
        function,
        path: path.to_owned(),
        needs,
        found,
    }
}

/// The size of a string in code points, of an array or object in entries.
fn size(value: Raw<'_>) -> Option<u64> {
    let size = match value.type_name() {
        "string" => value.string()?.chars().count(),
        "array" => value.items().count(),
        "object" => value.entries().count(),
        _ => return None,
    };
    u64::try_from(size).ok()
}

/// The point in time that a value is.
fn instant(value: Raw<'_>, field: &Field) -> Result<Instant, EvalError> {
    let text = value.string();
    let found = match &text {
        Some(_) => "another string",
        None => value.type_name(),
    };
    text.and_then(|text| Instant::parse_rfc3339(&text))
        .ok_or_else(|| wrong_type("time", &field.path.shown, "an RFC 3339 string", found))
}

impl Test {
    fn holds(&self, seen: &Seen<'_>, operand: &Operand) -> Result<bool, EvalError> {
        let text = || {
            seen.string().ok_or_else(|| {
                wrong_type(self.as_str(), operand.path(), "a string", seen.type_name())
            })
        };
        Ok(match self {
            Self::Compare(op @ (Op::Eq | Op::Ne), scalar) => seen.equals(scalar) == (*op == Op::Eq),
            Self::Compare(op, scalar) => match (seen.number(), scalar.value()) {
                (Some(left), Value::Number(right)) => op.holds(compare_numbers(&left, right)),
                (_, right) => {
                    return Err(EvalError::NotComparable {
                        operand: operand.shown().into_owned(),
                        left: seen.type_name(),
                        op: op.as_str(),
                        right: type_name(right),
                    });
                }
            },
            Self::In(membership, scalars) => {
                // A number is read once, however long the list is.
                let number = seen.number();
                membership.holds(
                    scalars
                        .iter()
                        .any(|scalar| match (&number, scalar.value()) {
                            (Some(left), Value::Number(right)) => {
                                compare_numbers(left, right).is_eq()
                            }
                            (Some(_), _) | (None, Value::Number(_)) => false,
                            (None, _) => seen.equals(scalar),
                        }),
                )
            }
            Self::IsNull => seen.is_null(),
            Self::Contains(scalar) => return contains(seen, scalar, operand),
            Self::StartsWith(start) => text()?.starts_with(start),
            Self::EndsWith(end) => text()?.ends_with(end),
            Self::Matches(pattern) => pattern.is_found_in(&text()?),
            Self::Like(wildcards) => wildcards.fits(&text()?),
            Self::EqualsIgnoringCase(folded) => folded.equals(&text()?),
        })
    }
}

/// Whether a string holds a substring, or an array an item.
fn contains(seen: &Seen<'_>, scalar: &Scalar, operand: &Operand) -> Result<bool, EvalError> {
    let needs = match (seen, scalar.value()) {
        (Seen::Json(value), _) if value.type_name() == "array" => {
            return Ok(value.items().any(|item| scalar.equals(item)));
        }
        (_, Value::String(part)) => match seen.string() {
            Some(text) => return Ok(text.contains(part)),
            None => "a string or an array",
        },
        _ if seen.type_name() == "string" => "an array",
        _ => "a string or an array",
    };
    Err(wrong_type(
        "contains",
        operand.path(),
        needs,
        seen.type_name(),
    ))
}

impl TimeTest {
    fn holds(&self, at: Instant) -> bool {
        match self {
            Self::Compare(op, moment) => op.holds(at.cmp(&moment.at)),
            Self::In(membership, moments) => {
                membership.holds(moments.iter().any(|moment| at == moment.at))
            }
        }
    }
}

impl Changed {
    fn evaluate(&self, event: &Event) -> Result<bool, EvalError> {
        need_changes(event, self.ask.function(), &self.path.shown)?;
        let Some((old, new)) = self.sides(event) else {
            return Ok(false);
        };
        // A tracked field counts as changed whatever its values; below it, only a difference is a change.
        let changed = self.path.rest.is_empty()
            || match (old, new) {
                (Some(old), Some(new)) => !old.semantic_eq(new),
                (old, new) => old.is_some() || new.is_some(),
            };
        Ok(changed
            && match &self.ask {
                Ask::Any => true,
                Ask::To(expected) => new.is_some_and(|new| expected.matches(new)),
                Ask::From(expected) => old.is_some_and(|old| expected.matches(old)),
            })
    }

    /// The values before and after, as far as they are there; `None` if the field is not among the changes.
    pub(super) fn sides<'e>(&self, event: &'e Event) -> Option<(Option<Raw<'e>>, Option<Raw<'e>>)> {
        let change = event.change(&self.path.first)?;
        Some((self.path.walk(change.old), self.path.walk(change.new)))
    }
}

impl Each {
    fn evaluate<'e>(&self, fields: &mut impl Fields<'e>) -> Result<bool, EvalError> {
        let Some(array) = self.field.find(fields) else {
            return self.field.missing();
        };
        self.check(array)?;
        let event = fields.event();
        let deciding = self.quantifier.deciding();
        for (index, value) in array.items().enumerate() {
            let truth = self.condition.evaluate(&mut Element { event, value });
            if truth.map_err(|error| self.inside(index, error))? == deciding {
                return Ok(deciding);
            }
        }
        Ok(!deciding)
    }

    /// Fails for anything but an array.
    pub(super) fn check(&self, value: Raw<'_>) -> Result<(), EvalError> {
        match value.type_name() {
            "array" => Ok(()),
            found => Err(wrong_type(
                self.quantifier.as_str(),
                &self.field.path.shown,
                "an array",
                found,
            )),
        }
    }

    /// An error that an element has caused.
    pub(super) fn inside(&self, index: usize, error: EvalError) -> EvalError {
        EvalError::InElement {
            error: Box::new(error),
            array: self.field.path.shown.clone(),
            index,
        }
    }
}
