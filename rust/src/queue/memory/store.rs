//! Storing jobs, ending them by hand, and forgetting the ids of those that ended.

use std::collections::HashSet;

use bytes::Bytes;

use super::lane::LaneState;

use crate::queue::{
    Cancelled, Due, Ending, Found, Incarnation, Lane, Member, MemoryQueue, NewJob, Place, Priority,
    QueueError, Stored,
};

impl MemoryQueue {
    /// Stores jobs, each once; at most `batch_size` jobs.
    ///
    /// # Errors
    ///
    /// `Full` with nothing stored.
    pub fn enqueue(&self, lane: &Lane, jobs: &[NewJob]) -> Result<Stored, QueueError> {
        let bound = usize::try_from(self.options.max_pending).unwrap_or(usize::MAX);
        self.step(lane, |state, now_ms| {
            if bound > 0 && state.is_full_for(jobs, now_ms, bound) {
                return Err(QueueError::Full(format!(
                    "{bound} jobs are pending already, or as many are scheduled"
                )));
            }
            let earliest = state.scheduled.first_score();
            let (mut stored, mut ready, mut first_due) = (Vec::with_capacity(jobs.len()), 0, None);
            for job in jobs {
                let id = job.member.id();
                if state.has_ended(id) || state.jobs.contains_key(&id) {
                    stored.push(false);
                    continue;
                }
                stored.push(true);
                state.jobs.insert(id, job.bytes.clone());
                let at_ms = due_at(job, now_ms);
                if at_ms <= now_ms {
                    ready += 1;
                    state.list(job.member.priority()).push_front(job.member);
                } else {
                    state.scheduled.insert(job.member, at_ms);
                    first_due = Some(first_due.map_or(at_ms, |first: i64| first.min(at_ms)));
                }
            }
            let sooner =
                first_due.is_some_and(|first| earliest.is_none_or(|earliest| first < earliest));
            state.wake(ready + usize::from(sooner));
            state.count("enqueued", stored.iter().filter(|new| **new).count());
            Ok(stored)
        })
    }

    /// Cancels a job, wherever it is.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn cancel(&self, lane: &Lane, member: Member) -> Result<Cancelled, QueueError> {
        let id = member.id();
        Ok(self.step(lane, |state, _| {
            if !state.jobs.contains_key(&id) {
                return if state.has_ended(id) {
                    Cancelled::Ended
                } else {
                    Cancelled::Missing
                };
            }
            if state.dead.score(&member).is_some() {
                return Cancelled::Dead;
            }
            let holder = state
                .running
                .iter_mut()
                .find_map(|(name, held)| held.swap_remove(&member).map(|_| name.clone()));
            let found = if state.scheduled.remove(&member) || state.parked.remove(&member) {
                Cancelled::Scheduled
            } else if let Some(holder) = holder {
                state.cancels.entry(holder).or_default().insert(member);
                Cancelled::Running
            } else {
                // Its list entry stays until a turn meets it: finding it would cost a walk over the list.
                *state.ghosts.entry(member).or_default() += 1;
                Cancelled::Pending
            };
            state.jobs.remove(&id);
            state.failures.remove(&id);
            state.history.remove(&id);
            state.crashes.remove(&id);
            state.entomb(id, Ending::Cancelled);
            state.count("cancelled", 1);
            found
        }))
    }

    /// Where a job is, and what is known of it.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn find(&self, lane: &Lane, id: uuid::Uuid) -> Result<Found, QueueError> {
        Ok(self.step(lane, |state, _| {
            let Some(bytes) = state.jobs.get(&id) else {
                let place = match state.ending(id) {
                    Some(how) => Place::Ended(how),
                    None if state.has_ended(id) => Place::Completed,
                    None => Place::Missing,
                };
                return Found {
                    place,
                    member: None,
                    bytes: None,
                    history: None,
                    failure: None,
                    crashes: 0,
                };
            };
            let members = Priority::ALL.map(|priority| Member::new(id, priority));
            let ranked = |ranked: &super::ranked::Ranked<Member>, place: fn(i64) -> Place| {
                members
                    .into_iter()
                    .find_map(|member| Some((place(ranked.score(&member)?), Some(member))))
            };
            let held = |(name, held): (&Incarnation, &indexmap::IndexMap<Member, u64>)| {
                let member = members
                    .into_iter()
                    .find(|member| held.contains_key(member))?;
                Some((Place::Running(name.clone()), Some(member)))
            };
            let (place, member) = state
                .running
                .iter()
                .find_map(held)
                .or_else(|| ranked(&state.dead, Place::Dead))
                .or_else(|| ranked(&state.parked, Place::Parked))
                .or_else(|| ranked(&state.scheduled, Place::Scheduled))
                .unwrap_or((Place::Pending, None));
            Found {
                place,
                member,
                bytes: some(Some(bytes)),
                history: some(state.history.get(&id)),
                failure: some(state.failures.get(&id)),
                crashes: state.crashes.get(&id).map_or(0, |(count, _)| *count),
            }
        }))
    }

    /// Forgets the ids that ended more than a dedupe window ago, where it is time. Says whether it was.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn rotate(&self, lane: &Lane) -> Result<bool, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            // The clock was set back: a window begins anew.
            state.epoch_at_ms = state.epoch_at_ms.min(now_ms);
            let due_ms = state
                .epoch_at_ms
                .saturating_add_unsigned(self.options.dedupe_window_ms);
            if now_ms < due_ms {
                return false;
            }
            state.epoch = 1 - state.epoch;
            state.epoch_at_ms = now_ms;
            state.done[state.epoch].clear();
            state.ended[state.epoch].clear();
            true
        }))
    }
}

impl LaneState {
    /// Whether the new ones among jobs would make more than `bound` pending or more than `bound` scheduled ones.
    ///
    /// Entries of cancelled jobs do not count, unless they are more than the bound themselves.
    fn is_full_for(&self, jobs: &[NewJob], now_ms: i64, bound: usize) -> bool {
        let ghosts: u64 = self.ghosts.values().sum();
        let ghosts = usize::try_from(ghosts).unwrap_or(usize::MAX).min(bound);
        let pending = self.waiting() + self.suspects.len() - ghosts;
        let mut seen = HashSet::new();
        let (ready, later): (Vec<_>, Vec<_>) = jobs
            .iter()
            .filter(|job| {
                let id = job.member.id();
                !self.has_ended(id) && !self.jobs.contains_key(&id) && seen.insert(id)
            })
            .partition(|job| due_at(job, now_ms) <= now_ms);
        (!ready.is_empty() && pending + ready.len() > bound)
            || (!later.is_empty() && self.scheduled.len() + later.len() > bound)
    }
}

/// When a new job is due, in ms.
fn due_at(job: &NewJob, now_ms: i64) -> i64 {
    match job.due {
        Due::Now => 0,
        Due::After(ms) => now_ms.saturating_add_unsigned(ms),
        Due::At(ms) => ms,
    }
}

/// Stored bytes; as at the server, none and empty ones are the same.
pub(super) fn some(bytes: Option<&Bytes>) -> Option<Bytes> {
    bytes.filter(|bytes| !bytes.is_empty()).cloned()
}
