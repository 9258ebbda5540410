//! What one lane holds, and what several steps share: the prelude of the scripts.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use uuid::Uuid;

use super::ranked::Ranked;
use crate::queue::{Ending, Incarnation, LaneOptions, Member, Priority};

/// How many idle workers one call may wake; they wake each other from there.
pub(super) const MAX_TOKENS: usize = 4;

/// One call's records of finished jobs.
#[derive(Debug)]
pub(super) struct Records {
    /// Grows from entry to entry.
    pub(super) number: u64,
    pub(super) at_ms: i64,
    pub(super) lines: Vec<Bytes>,
}

/// The state of one lane; each field is a key of the server's layout.
#[derive(Debug)]
pub(super) struct LaneState {
    pub(super) jobs: HashMap<Uuid, Bytes>,
    pub(super) history: HashMap<Uuid, Bytes>,
    /// The next at the back; in the order of [`Priority::ALL`].
    pub(super) pending: [VecDeque<Member>; 4],
    pub(super) suspects: VecDeque<Member>,
    pub(super) scheduled: Ranked<Member>,
    pub(super) parked: Ranked<Member>,
    pub(super) dead: Ranked<Member>,
    pub(super) failures: HashMap<Uuid, Bytes>,
    pub(super) crashes: HashMap<Uuid, (u32, i64)>,
    pub(super) leases: Ranked<Incarnation>,
    pub(super) running: HashMap<Incarnation, IndexMap<Member, u64>>,
    pub(super) cancels: HashMap<Incarnation, IndexSet<Member>>,
    pub(super) calls: HashMap<Incarnation, u64>,
    pub(super) workers: HashMap<Incarnation, String>,
    pub(super) done: [HashSet<Uuid>; 2],
    pub(super) ended: [HashMap<Uuid, Ending>; 2],
    pub(super) ghosts: HashMap<Member, u64>,
    pub(super) recent: VecDeque<Records>,
    pub(super) next_record: u64,
    pub(super) tokens: usize,
    pub(super) counters: BTreeMap<&'static str, i64>,
    pub(super) run_id: u64,
    pub(super) hold_until_ms: i64,
    pub(super) epoch: usize,
    pub(super) epoch_at_ms: i64,
    pub(super) cursor: usize,
}

impl LaneState {
    /// An empty lane, opened now.
    pub(super) fn opened(now_ms: i64, run_id: u64) -> Self {
        Self {
            jobs: HashMap::new(),
            history: HashMap::new(),
            pending: Default::default(),
            suspects: VecDeque::new(),
            scheduled: Ranked::default(),
            parked: Ranked::default(),
            dead: Ranked::default(),
            failures: HashMap::new(),
            crashes: HashMap::new(),
            leases: Ranked::default(),
            running: HashMap::new(),
            cancels: HashMap::new(),
            calls: HashMap::new(),
            workers: HashMap::new(),
            done: Default::default(),
            ended: Default::default(),
            ghosts: HashMap::new(),
            recent: VecDeque::new(),
            next_record: 0,
            tokens: 0,
            counters: BTreeMap::new(),
            run_id,
            hold_until_ms: 0,
            epoch: 0,
            epoch_at_ms: now_ms,
            cursor: 0,
        }
    }

    pub(super) fn count(&mut self, counter: &'static str, by: usize) {
        if by > 0 {
            *self.counters.entry(counter).or_default() += i64::try_from(by).unwrap_or(i64::MAX);
        }
    }

    /// Shortens leases that last longer than until then; says how many.
    pub(super) fn shorten_leases(&mut self, until_ms: i64) -> usize {
        let longer: Vec<Incarnation> = self
            .leases
            .iter()
            .filter(|(_, expires_ms)| *expires_ms > until_ms)
            .map(|(name, _)| name.clone())
            .collect();
        for name in &longer {
            self.leases.insert(name.clone(), until_ms);
        }
        longer.len()
    }

    /// The list that a member of this priority waits on.
    pub(super) fn list(&mut self, priority: Priority) -> &mut VecDeque<Member> {
        &mut self.pending[priority as usize]
    }

    /// Entries on the pending lists, ghosts included.
    pub(super) fn waiting(&self) -> usize {
        self.pending.iter().map(VecDeque::len).sum()
    }

    /// Puts up to `count` wake tokens where idle workers wait.
    pub(super) fn wake(&mut self, count: usize) {
        self.tokens = self.tokens.max(count.min(MAX_TOKENS));
    }

    /// Puts members at the head of their lists; the first of them comes out first.
    pub(super) fn put_at_head(&mut self, members: &[Member]) {
        for member in members.iter().rev() {
            self.list(member.priority()).push_back(*member);
        }
    }

    /// Whether an id has ended within the dedupe window.
    pub(super) fn has_ended(&self, id: Uuid) -> bool {
        self.done.iter().any(|done| done.contains(&id))
    }

    /// How an id ended that was not acked.
    pub(super) fn ending(&self, id: Uuid) -> Option<Ending> {
        self.ended.iter().find_map(|ended| ended.get(&id).copied())
    }

    /// Marks an id as ended, so that it cannot be enqueued again within the dedupe window.
    pub(super) fn entomb(&mut self, id: Uuid, how: Ending) {
        self.done[self.epoch].insert(id);
        self.ended[self.epoch].insert(id, how);
    }

    /// Remembers the run id. A new one means a restart: until the hold is over nothing is reclaimed.
    pub(super) fn held_back(&mut self, now_ms: i64, run_id: u64, hold_ms: u64) -> bool {
        let longest_ms = now_ms.saturating_add_unsigned(hold_ms);
        // A hold that is longer than any is one from before the clock was set back.
        if self.run_id != run_id || self.hold_until_ms > longest_ms {
            self.run_id = run_id;
            self.hold_until_ms = longest_ms;
            return true;
        }
        now_ms < self.hold_until_ms
    }

    /// Puts a job among the dead letters, then lets the oldest go where there are too many, at most twice a batch.
    pub(super) fn bury(
        &mut self,
        now_ms: i64,
        member: Member,
        failure: Bytes,
        options: &LaneOptions,
    ) {
        self.dead.insert(member, now_ms);
        self.failures.insert(member.id(), failure);
        self.crashes.remove(&member.id());
        self.count("dead", 1);
        let max = usize::try_from(options.dead_letter_max).unwrap_or(usize::MAX);
        let over = self.dead.len().saturating_sub(max);
        self.let_go(over.min(2 * options.batch_size));
    }

    /// Lets so many of the oldest dead letters go; their ids stay known.
    pub(super) fn let_go(&mut self, count: usize) {
        for _ in 0..count {
            let Some(oldest) = self.dead.pop_first() else {
                break;
            };
            let id = oldest.id();
            self.failures.remove(&id);
            self.jobs.remove(&id);
            self.history.remove(&id);
            self.entomb(id, Ending::Trimmed);
        }
        self.count("trimmed", count);
    }

    /// Keeps the records of finished jobs and drops the oldest that are too many or too old.
    pub(super) fn record(&mut self, now_ms: i64, mut records: Vec<Bytes>, options: &LaneOptions) {
        let max = usize::try_from(options.completed_retention_max).unwrap_or(usize::MAX);
        let mut total: usize = self.recent.iter().map(|entry| entry.lines.len()).sum();
        // An entry holds one job at least, so that a call has to drop as many entries as it adds jobs, at most.
        let most_dropped = records.len() + 2;
        records.drain(..records.len().saturating_sub(max));
        if !records.is_empty() && options.completed_retention_ms > 0 {
            total += records.len();
            let number = self.next_record;
            self.next_record += 1;
            self.recent.push_back(Records {
                number,
                at_ms: now_ms,
                lines: records,
            });
        }
        for _ in 0..most_dropped {
            let Some(oldest) = self.recent.front() else {
                break;
            };
            let young = now_ms
                < oldest
                    .at_ms
                    .saturating_add_unsigned(options.completed_retention_ms);
            if total <= max && young {
                break;
            }
            total -= oldest.lines.len();
            self.recent.pop_front();
        }
    }
}
