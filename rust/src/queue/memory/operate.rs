//! What operators do: dead letters, parked jobs, counts.

use bytes::Bytes;

use super::lane::LaneState;
use crate::queue::{Ending, Lane, Member, MemoryQueue, QueueError, Stats};

impl MemoryQueue {
    /// Sends dead letters back: member, time of death in ms, history from now on.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn replay(
        &self,
        lane: &Lane,
        letters: &[(Member, i64, Vec<u8>)],
    ) -> Result<Vec<bool>, QueueError> {
        Ok(self.step(lane, |state, _| {
            let mut replayed = Vec::with_capacity(letters.len());
            for (member, died_at_ms, history) in letters {
                let dead = state.take_dead(member, *died_at_ms);
                replayed.push(dead);
                if dead {
                    state.history.insert(member.id(), history.clone().into());
                    state.list(member.priority()).push_front(*member);
                }
            }
            let count = replayed.iter().filter(|dead| **dead).count();
            state.count("replayed", count);
            state.wake(count);
            replayed
        }))
    }

    /// Takes dead letters away for good: member, time of death in ms.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn remove(&self, lane: &Lane, letters: &[(Member, i64)]) -> Result<Vec<bool>, QueueError> {
        Ok(self.step(lane, |state, _| {
            let mut removed = Vec::with_capacity(letters.len());
            for (member, died_at_ms) in letters {
                let dead = state.take_dead(member, *died_at_ms);
                removed.push(dead);
                if dead {
                    state.jobs.remove(&member.id());
                    state.history.remove(&member.id());
                    state.entomb(member.id(), Ending::Removed);
                    state.count("removed", 1);
                }
            }
            removed
        }))
    }

    /// Moves parked jobs on: to their list, or with a failure to the dead letters where their time is up.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn unpark(
        &self,
        lane: &Lane,
        members: &[Member],
        failure: Option<&[u8]>,
    ) -> Result<Vec<bool>, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            let mut moved = Vec::with_capacity(members.len());
            let mut woken = Vec::new();
            for member in members {
                let expires_at_ms = state.parked.score(member);
                let leaves =
                    expires_at_ms.is_some_and(|at_ms| failure.is_none() || at_ms <= now_ms);
                moved.push(leaves);
                if !leaves {
                    continue;
                }
                state.parked.remove(member);
                if let Some(failure) = failure {
                    state.bury(
                        now_ms,
                        *member,
                        Bytes::copy_from_slice(failure),
                        &self.options,
                    );
                } else {
                    state.failures.remove(&member.id());
                    woken.push(*member);
                }
            }
            state.put_at_head(&woken);
            state.count("unparked", woken.len());
            state.wake(woken.len());
            moved
        }))
    }

    /// How many jobs are where.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn stats(&self, lane: &Lane) -> Result<Stats, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            let ghosts: u64 = state.ghosts.values().sum();
            let suspects = state.suspects.len() as u64;
            let pending = (state.waiting() as u64 + suspects).saturating_sub(ghosts);
            let (scheduled, parked, dead) = (
                state.scheduled.len() as u64,
                state.parked.len() as u64,
                state.dead.len() as u64,
            );
            let elsewhere = pending + scheduled + parked + dead;
            Stats {
                now_ms,
                pending,
                suspects,
                scheduled,
                parked,
                running: (state.jobs.len() as u64).saturating_sub(elsewhere),
                dead,
                counters: state
                    .counters
                    .iter()
                    .map(|(name, count)| ((*name).to_owned(), *count))
                    .collect(),
                workers: state
                    .leases
                    .iter()
                    .map(|(name, until_ms)| {
                        let info = state.workers.get(name).cloned().unwrap_or_default();
                        (name.clone(), info, until_ms)
                    })
                    .collect(),
            }
        }))
    }

    /// The bytes of jobs, in the order of the members; nothing where there are none.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn bytes_of(
        &self,
        lane: &Lane,
        members: &[Member],
    ) -> Result<Vec<Option<Bytes>>, QueueError> {
        Ok(self.step(lane, |state, _| {
            members
                .iter()
                .map(|member| state.jobs.get(&member.id()).cloned())
                .collect()
        }))
    }

    /// The newest records of finished jobs, the newest first, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn recent(&self, lane: &Lane, limit: usize) -> Result<Vec<Bytes>, QueueError> {
        Ok(self.step(lane, |state, _| {
            let newest = state
                .recent
                .iter()
                .rev()
                .flat_map(|entry| entry.lines.iter().rev());
            newest.take(limit).cloned().collect()
        }))
    }
}

impl LaneState {
    /// Takes a job from the dead letters where it died at this time; says whether it did.
    fn take_dead(&mut self, member: &Member, died_at_ms: i64) -> bool {
        if self.dead.score(member) != Some(died_at_ms) {
            return false;
        }
        self.dead.remove(member);
        self.failures.remove(&member.id());
        self.crashes.remove(&member.id());
        true
    }
}
