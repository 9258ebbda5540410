//! A set whose members are in the order of a score, like the sorted sets of the server.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Members by score; equal scores by the order of the members themselves.
#[derive(Debug)]
pub(super) struct Ranked<T> {
    scores: HashMap<T, i64>,
    order: BTreeSet<(i64, T)>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self {
            scores: HashMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<T: Clone + Eq + Hash + Ord> Ranked<T> {
    /// Adds a member, or gives one that is there a new score.
    pub(super) fn insert(&mut self, member: T, score: i64) {
        if let Some(before) = self.scores.insert(member.clone(), score) {
            self.order.remove(&(before, member.clone()));
        }
        self.order.insert((score, member));
    }

    /// Takes a member out; says whether it was there.
    pub(super) fn remove(&mut self, member: &T) -> bool {
        let Some(score) = self.scores.remove(member) else {
            return false;
        };
        self.order.remove(&(score, member.clone()))
    }

    /// Takes the member with the lowest score out.
    pub(super) fn pop_first(&mut self) -> Option<T> {
        let (_, member) = self.order.pop_first()?;
        self.scores.remove(&member);
        Some(member)
    }

    /// The score of a member.
    pub(super) fn score(&self, member: &T) -> Option<i64> {
        self.scores.get(member).copied()
    }

    /// The lowest score.
    pub(super) fn first_score(&self) -> Option<i64> {
        self.order.first().map(|(score, _)| *score)
    }

    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    /// Members with their scores, the lowest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&T, i64)> {
        self.order.iter().map(|(score, member)| (member, *score))
    }

    /// At most `limit` members whose score is not above `most`, the lowest first.
    pub(super) fn up_to(&self, most: i64, limit: usize) -> Vec<T> {
        self.iter()
            .take_while(|(_, score)| *score <= most)
            .take(limit)
            .map(|(member, _)| member.clone())
            .collect()
    }
}
