//! Promoting what is due and leasing what is pending: the turn of a worker.

use std::collections::VecDeque;

use super::lane::LaneState;
use super::store::some;
use crate::queue::{
    Incarnation, Lane, LaneOptions, Lease, MAX_CALL_BYTES, Member, MemoryQueue, QueueError, Source,
    Standing, Turn,
};

/// How often each priority is served, by its place in `Priority::ALL`: 8 : 4 : 2 : 1, spread evenly.
const TURNS: [usize; 15] = [0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0];
/// Entries taken from a list at a time.
const STEP: usize = 32;
/// Most lost incarnations that one turn names.
const MOST_LOST: usize = 4;

impl MemoryQueue {
    /// Promotes what is due, names lost incarnations and leases up to `want` jobs under the number `call`.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn turn(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        call: u64,
        want: usize,
        source: Source,
    ) -> Result<Turn, QueueError> {
        let want = want.min(self.options.batch_size);
        Ok(self.step(lane, |state, now_ms| {
            let Some(expires_at_ms) = state.leases.score(incarnation) else {
                return Turn {
                    standing: Standing::Lost,
                    now_ms,
                    next_due_ms: None,
                    waiting: 0,
                    suspects: 0,
                    lost: Vec::new(),
                    leases: Vec::new(),
                };
            };
            let due = state.scheduled.up_to(now_ms, self.options.batch_size);
            for member in &due {
                state.scheduled.remove(member);
            }
            state.put_at_head(&due);
            let lost = state.leases.up_to(now_ms, MOST_LOST);

            let previous = state.calls.get(incarnation).copied();
            let mut standing = Standing::Alive;
            let members = if previous == Some(call) {
                state.held_under(incarnation, call)
            } else if previous.is_some_and(|previous| call < previous) || want == 0 {
                Vec::new()
            } else if expires_at_ms <= now_ms {
                standing = Standing::Expired;
                Vec::new()
            } else {
                let taken = Taking::new(state, &self.options).take(want, source);
                if !taken.is_empty() {
                    state.calls.insert(incarnation.clone(), call);
                    let held = state.running.entry(incarnation.clone()).or_default();
                    held.extend(taken.iter().map(|member| (*member, call)));
                }
                taken
            };
            let leases = members
                .into_iter()
                .filter_map(|member| {
                    Some(Lease {
                        member,
                        call,
                        bytes: state.jobs.get(&member.id())?.clone(),
                        history: some(state.history.get(&member.id())),
                    })
                })
                .collect();
            let waiting = state.waiting();
            if waiting > 0 {
                state.wake(1);
            }
            Turn {
                standing,
                now_ms,
                next_due_ms: state.scheduled.first_score(),
                waiting: waiting as u64,
                suspects: state.suspects.len() as u64,
                lost,
                leases,
            }
        }))
    }
}

impl LaneState {
    /// The jobs that an incarnation holds under one lease call.
    fn held_under(&self, incarnation: &Incarnation, call: u64) -> Vec<Member> {
        let held = self.running.get(incarnation).into_iter().flatten();
        held.filter(|(_, under)| **under == call)
            .map(|(member, _)| *member)
            .collect()
    }
}

/// Jobs on their way from the lists to an incarnation.
struct Taking<'a> {
    state: &'a mut LaneState,
    options: &'a LaneOptions,
    members: Vec<Member>,
    size: usize,
}

impl<'a> Taking<'a> {
    fn new(state: &'a mut LaneState, options: &'a LaneOptions) -> Self {
        Self {
            state,
            options,
            members: Vec::new(),
            size: 0,
        }
    }

    fn take(mut self, want: usize, source: Source) -> Vec<Member> {
        match source {
            Source::Suspects => {
                let quota = want.min(self.state.suspects.len());
                self.take_from(|state| &mut state.suspects, quota);
            }
            Source::Pending => {
                for (place, quota) in self.quotas(want).into_iter().enumerate() {
                    if quota > 0 && !self.take_from(|state| &mut state.pending[place], quota) {
                        break;
                    }
                }
            }
        }
        self.members
    }

    /// How many jobs each priority gives, in turns that go on from call to call.
    fn quotas(&mut self, want: usize) -> [usize; 4] {
        let left = self.state.pending.each_ref().map(VecDeque::len);
        let open: usize = left.iter().sum();
        let want = want.min(open);
        // One priority alone needs no turns.
        if let Some(only) = left.iter().position(|one| *one == open) {
            let mut quotas = [0; 4];
            quotas[only] = want;
            return quotas;
        }
        let mut quotas = [0; 4];
        let mut given = 0;
        let mut position = self.state.cursor;
        while given < want {
            let place = TURNS[position % TURNS.len()];
            position += 1;
            if quotas[place] < left[place] {
                quotas[place] += 1;
                given += 1;
            }
        }
        self.state.cursor = position % TURNS.len();
        quotas
    }

    /// Takes up to `quota` jobs of one list; dropped ghosts make it look further, but never without bound. False where
    /// the bound on bytes is reached.
    fn take_from(
        &mut self,
        list: impl Fn(&mut LaneState) -> &mut VecDeque<Member>,
        quota: usize,
    ) -> bool {
        let target = self.members.len() + quota;
        let mut looked = 0;
        while self.members.len() < target && looked < 2 * self.options.batch_size {
            let entries = list(self.state);
            let count = STEP.min(target - self.members.len()).min(entries.len());
            if count == 0 {
                return true;
            }
            let popped: Vec<Member> = entries.drain(entries.len() - count..).rev().collect();
            looked += count;
            let kept: Vec<Member> = popped
                .into_iter()
                .filter(|member| !self.drop_ghost(*member))
                .collect();
            for (place, member) in kept.iter().enumerate() {
                let Some(bytes) = self.state.jobs.get(&member.id()) else {
                    self.state.count("orphans", 1);
                    continue;
                };
                if !self.members.is_empty() && self.size + bytes.len() > MAX_CALL_BYTES {
                    list(self.state).extend(kept[place..].iter().rev());
                    return false;
                }
                self.size += bytes.len();
                self.members.push(*member);
            }
        }
        true
    }

    /// Whether a list entry is that of a cancelled job; then it is gone, and counted no more.
    fn drop_ghost(&mut self, member: Member) -> bool {
        let Some(count) = self.state.ghosts.get_mut(&member) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.state.ghosts.remove(&member);
        }
        true
    }
}
