//! The index from an event to the observers whose rules it fulfils.
//!
//! Rules are kept by (kind, entity). A field that several conditions of one index entry read is looked up once per
//! event. Readers share an immutable snapshot; a change of the rules makes the next reader build a new one.

mod explanation;

#[cfg(test)]
mod tests;

pub use explanation::{RuleExplanation, Verdict};

use std::collections::HashMap;
use std::iter::Peekable;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::{IndexMap, IndexSet};

use crate::condition::{Condition, EvalError, Fields};
use crate::event::{Event, EventKind};
use crate::json::{Key, Raw};

/// The entity of a rule that takes every entity.
pub const ANY_ENTITY: &str = "*";

/// When an observer wants to hear of an event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rule {
    /// The observer's name.
    pub name: Arc<str>,
    /// Its place in the order of definition; replacing a rule keeps it.
    pub order: u64,
    /// The kind of event, `None` for every kind.
    pub kind: Option<EventKind>,
    /// The entity, [`ANY_ENTITY`] for every one.
    pub entity: String,
    /// What must hold besides.
    pub condition: Option<Arc<Condition>>,
    /// Whether the rule takes part at all.
    pub enabled: bool,
}

/// Observers whose conditions an event could not answer, all for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unanswered {
    /// The reason.
    pub text: String,
    /// The observers, in order of definition; at least one.
    pub names: Vec<Arc<str>>,
}

/// What an event matches.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Found {
    /// The rules that the event fulfils, in order of definition.
    pub matched: Vec<Arc<Rule>>,
    /// The rules left out because their condition erred, grouped by text, in order of the first of each.
    pub errors: Vec<Unanswered>,
    /// How many rules of the right kind and entity were left out by their condition, erred ones included.
    pub conditions_skipped: usize,
}

/// A changing set of rules that any number of threads may ask.
#[derive(Debug, Default)]
pub struct Matcher {
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    by_name: IndexMap<Arc<str>, Arc<Rule>>,
    next_order: u64,
    /// The index of the rules as they are, once somebody has asked for it.
    index: Option<Arc<Index>>,
}

impl Matcher {
    /// A matcher without rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule; one of the same name is replaced and keeps its place.
    pub fn add(
        &self,
        name: &str,
        kind: Option<EventKind>,
        entity: &str,
        condition: Option<Arc<Condition>>,
        enabled: bool,
    ) {
        let mut rules = self.lock();
        let (name, order) = match rules.by_name.get(name) {
            Some(replaced) => (Arc::clone(&replaced.name), replaced.order),
            None => (Arc::from(name), rules.next_order),
        };
        rules.next_order = rules.next_order.max(order + 1);
        let entity = entity.to_owned();
        let rule = Rule {
            name: Arc::clone(&name),
            order,
            kind,
            entity,
            condition,
            enabled,
        };
        rules.by_name.insert(name, Arc::new(rule));
        rules.index = None;
    }

    /// Removes a rule; false if there is none of that name.
    pub fn remove(&self, name: &str) -> bool {
        let mut rules = self.lock();
        rules.index = None;
        rules.by_name.shift_remove(name).is_some()
    }

    /// Finds the rules that an event fulfils.
    pub fn find(&self, event: &Event) -> Found {
        let index = self.lock().index();
        index.find(event)
    }

    /// Explains for every rule, in order of definition, what an event comes to.
    pub fn explain(&self, event: &Event) -> Vec<RuleExplanation> {
        let mut rules: Vec<Arc<Rule>> = self.lock().by_name.values().cloned().collect();
        rules.sort_by_key(|rule| rule.order);
        rules.iter().map(|rule| rule.explain(event)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        // Nothing under the lock panics half-way through a change, so a poisoned lock still guards sound rules.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    fn index(&mut self) -> Arc<Index> {
        Arc::clone(
            self.index
                .get_or_insert_with(|| Arc::new(Index::new(self.by_name.values()))),
        )
    }
}

/// Enabled rules by entity, then by kind.
#[derive(Debug, Default)]
struct Index {
    by_entity: HashMap<String, [Bucket; EventKind::ALL.len()]>,
    any_entity: [Bucket; EventKind::ALL.len()],
}

/// The rules of one entity and kind in order of definition.
#[derive(Debug, Default)]
struct Bucket {
    entries: Vec<Entry>,
    /// The fields that the conditions read; a number in [`Entry::slots`] is a position here.
    keys: IndexSet<Key>,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<Rule>,
    /// For each key of the condition, its number among those of the bucket.
    slots: Vec<usize>,
}

impl Index {
    fn new<'r>(rules: impl Iterator<Item = &'r Arc<Rule>>) -> Self {
        let mut index = Self::default();
        for rule in rules.filter(|rule| rule.enabled) {
            let buckets = if rule.entity == ANY_ENTITY {
                &mut index.any_entity
            } else {
                index.by_entity.entry(rule.entity.clone()).or_default()
            };
            for kind in EventKind::ALL {
                if rule.kind.is_none_or(|only| only == kind) {
                    buckets[kind as usize].push(rule);
                }
            }
        }
        index
    }

    fn find(&self, event: &Event) -> Found {
        let kind = event.event_type as usize;
        let mut found = Found::default();
        let mut errors: IndexMap<String, Vec<Arc<str>>> = IndexMap::new();
        let mut exact = self
            .by_entity
            .get(&event.entity_type)
            .map(|buckets| Reading::new(&buckets[kind], event));
        let mut any = Reading::new(&self.any_entity[kind], event);
        loop {
            let exact_order = exact.as_mut().and_then(Reading::order);
            let first = match (exact_order, any.order()) {
                (None, None) => break,
                (Some(exact_order), any_order)
                    if any_order.is_none_or(|order| exact_order < order) =>
                {
                    exact.as_mut()
                }
                _ => Some(&mut any),
            };
            let Some((rule, truth)) = first.and_then(Reading::next) else {
                break;
            };
            match truth {
                Ok(true) => found.matched.push(Arc::clone(rule)),
                Ok(false) => found.conditions_skipped += 1,
                Err(error) => {
                    found.conditions_skipped += 1;
                    errors
                        .entry(error.to_string())
                        .or_default()
                        .push(Arc::clone(&rule.name));
                }
            }
        }
        found.errors = errors
            .into_iter()
            .map(|(text, names)| Unanswered { text, names })
            .collect();
        found
    }
}

impl Bucket {
    fn push(&mut self, rule: &Arc<Rule>) {
        let keys = rule
            .condition
            .as_ref()
            .map_or(&[][..], |condition| condition.keys());
        let slots = keys.iter().map(|key| self.slot(key)).collect();
        self.entries.push(Entry {
            rule: Arc::clone(rule),
            slots,
        });
    }

    fn slot(&mut self, key: &Key) -> usize {
        self.keys.insert_full(key.clone()).0
    }
}

/// One pass over a bucket for one event.
struct Reading<'i, 'e> {
    event: &'e Event,
    entries: Peekable<slice::Iter<'i, Entry>>,
    /// What is known of each slot.
    seen: Vec<Lookup<'e>>,
}

impl<'i, 'e> Reading<'i, 'e> {
    fn new(bucket: &'i Bucket, event: &'e Event) -> Self {
        Self {
            event,
            entries: bucket.entries.iter().peekable(),
            seen: vec![Lookup::Pending; bucket.keys.len()],
        }
    }

    /// The place of the next rule in the order of definition.
    fn order(&mut self) -> Option<u64> {
        self.entries.peek().map(|entry| entry.rule.order)
    }

    /// Takes the next rule and says whether its condition holds.
    fn next(&mut self) -> Option<(&'i Arc<Rule>, Result<bool, EvalError>)> {
        let Entry { rule, slots } = self.entries.next()?;
        let truth = rule.condition.as_ref().map_or(Ok(true), |condition| {
            condition.evaluate_with(&mut Remembered {
                event: self.event,
                slots,
                seen: &mut self.seen,
            })
        });
        Some((rule, truth))
    }
}

/// What is known of a field of the event.
#[derive(Debug, Clone, Copy)]
enum Lookup<'e> {
    /// Nobody has asked yet.
    Pending,
    /// The value, or `None` where the event has none.
    Done(Option<Raw<'e>>),
}

/// Fields of an event, each looked up once for all conditions of a bucket.
struct Remembered<'a, 'e> {
    event: &'e Event,
    slots: &'a [usize],
    seen: &'a mut [Lookup<'e>],
}

impl<'e> Fields<'e> for Remembered<'_, 'e> {
    fn event(&self) -> &'e Event {
        self.event
    }

    fn field(&mut self, slot: usize, key: &Key) -> Option<Raw<'e>> {
        let seen = &mut self.seen[self.slots[slot]];
        if let Lookup::Done(value) = *seen {
            return value;
        }
        let value = self.event.data.get(key);
        *seen = Lookup::Done(value);
        value
    }
}
