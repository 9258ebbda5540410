//! The outbox of a lane: what has been reported, and what the queue has not taken of it yet.

use std::collections::{HashSet, VecDeque};

use crate::queue::Token;

use super::report::Pending;

#[derive(Default)]
pub(super) struct Outbox {
    waiting: Vec<Pending>,
    writing: usize,
    /// Leases whose end is being written, or has been in this round.
    in_writing: HashSet<Token>,
    /// Changes that the queue has refused, each by itself.
    aside: VecDeque<Pending>,
    /// Whether the last try to write found no answer.
    stuck: bool,
}

impl Outbox {
    pub(super) fn put(&mut self, pending: Pending) {
        self.waiting.push(pending);
    }

    /// Takes all that waits; it counts as being written from now on.
    pub(super) fn start_writing(&mut self) -> Vec<Pending> {
        let changes = std::mem::take(&mut self.waiting);
        self.writing = changes.len();
        self.in_writing = changes
            .iter()
            .map(|pending| pending.change.token())
            .collect();
        changes
    }

    /// Notes that nothing is being written.
    pub(super) fn end_writing(&mut self) {
        self.writing = 0;
        self.in_writing.clear();
    }

    /// Notes that so many changes have been written.
    pub(super) fn written(&mut self, changes: usize) {
        self.writing = self.writing.saturating_sub(changes);
        self.stuck = false;
    }

    /// Notes that there was no answer; says whether there was one before.
    pub(super) const fn get_stuck(&mut self) -> bool {
        !std::mem::replace(&mut self.stuck, true)
    }

    /// Puts a change aside that the queue has refused.
    pub(super) fn put_aside(&mut self, pending: Pending) {
        self.writing = self.writing.saturating_sub(1);
        self.stuck = false;
        self.aside.push_back(pending);
    }

    /// The change that was put aside first; it counts as being written from now on.
    pub(super) fn take_aside(&mut self) -> Option<Pending> {
        let pending = self.aside.pop_front()?;
        self.writing += 1;
        self.in_writing.insert(pending.change.token());
        Some(pending)
    }

    /// How many changes were put aside.
    pub(super) fn aside(&self) -> usize {
        self.aside.len()
    }

    /// How many changes have not been written.
    pub(super) fn unwritten(&self) -> usize {
        self.waiting.len() + self.writing + self.aside.len()
    }

    /// How many changes will soon be written, as far as one can tell.
    pub(super) fn soon_written(&self) -> usize {
        if self.stuck {
            0
        } else {
            self.waiting.len() + self.writing
        }
    }

    /// The leases whose end is not written, or has been in this round.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Token> {
        let kept = self.waiting.iter().chain(&self.aside);
        kept.map(|pending| pending.change.token())
            .chain(self.in_writing.iter().copied())
    }
}
