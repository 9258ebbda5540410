//! Why an observer hears of an event, or does not.

use std::fmt;
use std::sync::Arc;

use super::{ANY_ENTITY, Rule};
use crate::condition::{Explanation, Outcome};
use crate::event::{Event, EventKind};

/// Why an observer hears of an event, or does not.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RuleExplanation {
    /// The observer's name.
    pub name: Arc<str>,
    /// What the rule came to.
    pub verdict: Verdict,
    /// How its condition came to its answer, where it has one and was asked.
    pub condition: Option<Explanation>,
}

/// What a rule came to for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // what a rule asks, in the order in which it asks it
pub enum Verdict {
    /// The observer hears of the event.
    Matched,
    /// The rule is switched off.
    Disabled,
    /// The rule wants another kind of event.
    OtherKind(EventKind),
    /// The rule wants another entity.
    OtherEntity(String),
    /// The condition does not hold.
    ConditionFalse,
    /// The event cannot answer the condition.
    ConditionError,
}

impl Rule {
    /// Asks what `find` asks, one thing after the other, and tells.
    pub(super) fn explain(&self, event: &Event) -> RuleExplanation {
        let mut condition = None;
        let verdict = match self.kind {
            _ if !self.enabled => Verdict::Disabled,
            Some(kind) if kind != event.event_type => Verdict::OtherKind(kind),
            _ if self.entity != ANY_ENTITY && self.entity != event.entity_type => {
                Verdict::OtherEntity(self.entity.clone())
            }
            _ => {
                condition = self
                    .condition
                    .as_ref()
                    .map(|condition| condition.explain(event));
                match condition.as_ref().map(|explained| explained.outcome) {
                    None | Some(Outcome::True) => Verdict::Matched,
                    Some(Outcome::Error) => Verdict::ConditionError,
                    Some(Outcome::False | Outcome::NotReached) => Verdict::ConditionFalse,
                }
            }
        };
        RuleExplanation {
            name: Arc::clone(&self.name),
            verdict,
            condition,
        }
    }
}

impl Verdict {
    /// The verdict as programs read it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Disabled => "disabled",
            Self::OtherKind(_) => "other_kind",
            Self::OtherEntity(_) => "other_entity",
            Self::ConditionFalse => "condition_false",
            Self::ConditionError => "condition_error",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched => f.write_str("matches"),
            Self::Disabled => f.write_str("is disabled"),
            Self::OtherKind(kind) => write!(f, "wants {}", kind.as_str()),
            Self::OtherEntity(entity) => write!(f, "wants the entity {entity}"),
            Self::ConditionFalse => f.write_str("does not match: its condition is false"),
            Self::ConditionError => f.write_str("is left out: its condition cannot be answered"),
        }
    }
}
