//! Walking a tree as an evaluation does, and noting what each leaf saw, or why it was not reached.

use serde_json::Value;

use super::ast::{Ask, Each, Leaf, Node, Operand, Question, Test, TimeTest};
use super::error::EvalError;
use super::eval::{Element, Fields, Seen};
use super::explanation::{
    ElementExplanation, Elements, Explanation, LeafExplanation, MAX_ELEMENTS, MAX_VALUE_BYTES,
    Outcome,
};
use crate::event::Event;
use crate::json::Raw;

/// Explains a tree for an event.
pub(super) fn explain<'e>(source: &str, root: &Node, fields: &mut impl Fields<'e>) -> Explanation {
    let mut budget = MAX_VALUE_BYTES;
    let mut walk = Walk::new(source, None, &mut budget);
    let result = walk.node(root, fields);
    Explanation {
        condition: source.trim().to_owned(),
        outcome: Outcome::of(&result),
        error: result.err().map(|error| error.to_string()),
        leaves: walk.leaves,
    }
}

/// A walk over a tree, in the order and as far as an evaluation goes.
struct Walk<'s, 'b> {
    source: &'s str,
    /// The bytes of values that may still be kept.
    budget: &'b mut usize,
    /// The element whose fields are looked at, if it is not the event itself.
    element: Option<(&'s Each, usize)>,
    leaves: Vec<LeafExplanation>,
    /// The text of the leaf that was evaluated last.
    last: &'s str,
}

impl<'s, 'b> Walk<'s, 'b> {
    fn new(source: &'s str, element: Option<(&'s Each, usize)>, budget: &'b mut usize) -> Self {
        Self {
            source,
            budget,
            element,
            leaves: Vec::new(),
            last: "",
        }
    }

    fn node<'e>(&mut self, node: &Node, fields: &mut impl Fields<'e>) -> Result<bool, EvalError> {
        match node {
            Node::Or(operands) => self.chain(operands, true, fields),
            Node::And(operands) => self.chain(operands, false, fields),
            Node::Not(operand) => self.node(operand, fields).map(|truth| !truth),
            Node::Leaf(leaf) => self.leaf(leaf, fields),
        }
    }

    fn chain<'e>(
        &mut self,
        operands: &[Node],
        deciding: bool,
        fields: &mut impl Fields<'e>,
    ) -> Result<bool, EvalError> {
        for (at, operand) in operands.iter().enumerate() {
            let result = self.node(operand, fields);
            if result == Ok(!deciding) {
                continue;
            }
            let last = self.last;
            let reason = match (&result, deciding) {
                (Err(_), _) => format!("`{last}` was an error"),
                (Ok(_), true) => format!("after `{last}` the `||` was true"),
                (Ok(_), false) => format!("after `{last}` the `&&` was false"),
            };
            for skipped in &operands[at + 1..] {
                self.skip(skipped, &reason);
            }
            return result;
        }
        Ok(!deciding)
    }

    fn skip(&mut self, node: &Node, reason: &str) {
        node.leaves(&mut |leaf| {
            let mut skipped = about(leaf, self.source);
            skipped.reason = Some(reason.to_owned());
            self.leaves.push(skipped);
        });
    }

    fn leaf<'e>(&mut self, leaf: &Leaf, fields: &mut impl Fields<'e>) -> Result<bool, EvalError> {
        let mut seen = about(leaf, self.source);
        self.last = &self.source[leaf.span.clone()];
        let result = leaf.evaluate(fields);
        seen.outcome = Outcome::of(&result);
        seen.error = result.as_ref().err().map(|error| match self.element {
            Some((each, index)) => each.inside(index, error.clone()).to_string(),
            None => error.to_string(),
        });
        if let Some(look) = Look::at(&leaf.question, fields) {
            seen.found = true;
            let bytes = look.bytes();
            if bytes <= *self.budget {
                *self.budget -= bytes;
                seen.value = Some(look.to_value());
            } else {
                seen.reason = Some(format!(
                    "the value, {bytes} bytes of JSON, is not shown: {MAX_VALUE_BYTES} are kept in all"
                ));
            }
        }
        if let Question::Each(each) = &leaf.question {
            seen.elements = Some(elements(each, self.source, self.budget, fields));
        }
        if result == Ok(false) && !seen.found && is_optional(&leaf.question) {
            seen.reason = Some(format!(
                "{} is missing, and `?` makes that false",
                seen.path
            ));
        }
        self.leaves.push(seen);
        result
    }
}

/// What is known of a leaf without an event.
fn about(leaf: &Leaf, source: &str) -> LeafExplanation {
    let (operand, path) = match &leaf.question {
        Question::Value(operand, _) => (operand.shown().into_owned(), operand.path().to_owned()),
        Question::Time(field, _) => {
            let path = &field.path.shown;
            (format!("time({path})"), path.clone())
        }
        Question::HasField(field) => (field.path.shown.clone(), field.path.shown.clone()),
        Question::Changed(changed) => (changed.path.shown.clone(), changed.path.shown.clone()),
        Question::Each(each) => (each.field.path.shown.clone(), each.field.path.shown.clone()),
    };
    let is_each = matches!(leaf.question, Question::Each(_));
    LeafExplanation {
        text: source[leaf.span.clone()].to_owned(),
        operand,
        path,
        operator: operator(&leaf.question),
        literals: literals(&leaf.question),
        found: false,
        value: None,
        outcome: Outcome::NotReached,
        error: None,
        reason: None,
        elements: is_each.then(Elements::default),
    }
}

fn operator(question: &Question) -> &'static str {
    match question {
        Question::Value(_, test) => test.as_str(),
        Question::Time(_, test) => test.as_str(),
        Question::HasField(_) => "has_field",
        Question::Changed(changed) => changed.ask.function(),
        Question::Each(each) => each.quantifier.as_str(),
    }
}

fn literals(question: &Question) -> Vec<Value> {
    match question {
        Question::Value(_, test) => match test {
            Test::Compare(_, scalar) | Test::Contains(scalar) => vec![scalar.value().clone()],
            Test::In(_, scalars) => scalars
                .iter()
                .map(|scalar| scalar.value().clone())
                .collect(),
            Test::IsNull => Vec::new(),
            Test::StartsWith(part) | Test::EndsWith(part) => vec![part.as_str().into()],
            Test::Matches(pattern) => vec![pattern.source().into()],
            Test::Like(wildcards) => vec![wildcards.source().into()],
            Test::EqualsIgnoringCase(folded) => vec![folded.written.as_str().into()],
        },
        Question::Time(_, TimeTest::Compare(_, moment)) => vec![moment.written.as_str().into()],
        Question::Time(_, TimeTest::In(_, moments)) => moments
            .iter()
            .map(|moment| moment.written.as_str().into())
            .collect(),
        Question::Changed(changed) => match &changed.ask {
            Ask::Any => Vec::new(),
            Ask::To(expected) | Ask::From(expected) => std::iter::once(&expected.value)
                .chain(&expected.spelled)
                .map(|scalar| scalar.value().clone())
                .collect(),
        },
        Question::HasField(_) | Question::Each(_) => Vec::new(),
    }
}

/// What was at a leaf's path.
enum Look<'e> {
    /// A value.
    Value(Seen<'e>),
    /// The two sides of a change, as far as they were there.
    Sides(Option<Raw<'e>>, Option<Raw<'e>>),
}

impl<'e> Look<'e> {
    /// Looks once more where the leaf has looked.
    fn at(question: &Question, fields: &mut impl Fields<'e>) -> Option<Self> {
        let seen = match question {
            // Where a size cannot be taken, the value itself shows why not.
            Question::Value(operand, _) => match (operand.look(fields), operand) {
                (Ok(seen), _) => seen,
                (Err(_), Operand::Size(field)) => field.find(fields).map(Seen::Json),
                (Err(_), _) => None,
            },
            Question::Time(field, _) | Question::HasField(field) => {
                field.find(fields).map(Seen::Json)
            }
            Question::Each(each) => each.field.find(fields).map(Seen::Json),
            Question::Changed(changed) => {
                let (old, new) = changed.sides(fields.event())?;
                return Some(Self::Sides(old, new));
            }
        };
        seen.map(Self::Value)
    }

    /// The bytes that it has as JSON, more or less.
    fn bytes(&self) -> usize {
        match self {
            Self::Value(Seen::Json(raw)) => raw.json().len(),
            Self::Value(Seen::Text(text)) => text.len(),
            Self::Value(Seen::Size(_) | Seen::Null) => 0,
            Self::Sides(old, new) => [old, new]
                .into_iter()
                .flatten()
                .map(|raw| raw.json().len())
                .sum(),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Value(seen) => seen.to_value(),
            Self::Sides(old, new) => {
                let sides = [("old", old), ("new", new)];
                let there = sides
                    .into_iter()
                    .filter_map(|(side, raw)| Some((side.to_owned(), raw.as_ref()?.value())));
                Value::Object(there.collect())
            }
        }
    }
}

fn elements<'e>(
    each: &Each,
    source: &str,
    budget: &mut usize,
    fields: &mut impl Fields<'e>,
) -> Elements {
    let mut elements = Elements::default();
    let event: &'e Event = fields.event();
    let Some(array) = each.field.find(fields) else {
        return elements;
    };
    let goes_on = Ok(!each.quantifier.deciding());
    let mut items = array.items().enumerate().peekable();
    while let Some((index, value)) = items.next() {
        elements.reached += 1;
        let result = each.condition.evaluate(&mut Element { event, value });
        let is_last = result != goes_on || items.peek().is_none();
        if is_last || index < MAX_ELEMENTS {
            let mut walk = Walk::new(source, Some((each, index)), budget);
            let result = walk
                .node(&each.condition, &mut Element { event, value })
                .map_err(|error| each.inside(index, error));
            elements.shown.push(ElementExplanation {
                index,
                outcome: Outcome::of(&result),
                error: result.err().map(|error| error.to_string()),
                leaves: walk.leaves,
            });
        }
        if is_last {
            break;
        }
    }
    elements
}

fn is_optional(question: &Question) -> bool {
    match question {
        Question::Value(Operand::Envelope(_), _) | Question::HasField(_) | Question::Changed(_) => {
            false
        }
        Question::Value(
            Operand::Field(field) | Operand::Size(field) | Operand::Side(_, field),
            _,
        )
        | Question::Time(field, _) => field.optional,
        Question::Each(each) => each.field.optional,
    }
}
