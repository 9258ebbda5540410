//! The life of a worker: joining, beating, ending attempts, leaving, and being reclaimed.

use std::collections::HashSet;

use bytes::Bytes;

use super::lane::LaneState;
use crate::queue::{
    Ack, AckOutcome, Audited, Beat, CRASH_WINDOW_MS, Ending, Incarnation, Lane, Member,
    MemoryQueue, Nack, QueueError, Reclaimed, Source, Token, Verdict,
};

impl MemoryQueue {
    /// Gives a new incarnation its lease. Returns the queue's time in ms.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn join(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        info: &str,
    ) -> Result<i64, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            if state.leases.score(incarnation).is_none() {
                let until_ms = now_ms.saturating_add_unsigned(self.options.lease_duration_ms);
                state.leases.insert(incarnation.clone(), until_ms);
            }
            state.workers.insert(incarnation.clone(), info.to_owned());
            now_ms
        }))
    }

    /// Renews the lease of an incarnation and says that it has heard of these cancelled jobs.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn beat(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        heard: &[Member],
    ) -> Result<Beat, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            if state.leases.score(incarnation).is_none() {
                return Beat {
                    alive: false,
                    now_ms,
                    held: 0,
                    cancelled: Vec::new(),
                };
            }
            let until_ms = now_ms.saturating_add_unsigned(self.options.lease_duration_ms);
            state.leases.insert(incarnation.clone(), until_ms);
            let mut cancelled = Vec::new();
            if let Some(cancels) = state.cancels.get_mut(incarnation) {
                cancels.retain(|member| !heard.contains(member));
                cancelled.extend(cancels.iter().copied());
            }
            Beat {
                alive: true,
                now_ms,
                held: state.held(incarnation) as u64,
                cancelled,
            }
        }))
    }

    /// Shortens leases that last longer than any can; for the rest, memory has no hands but ours.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn audit(&self, lane: &Lane, _interval_ms: u64) -> Result<Audited, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            let longest_ms = now_ms.saturating_add_unsigned(self.options.lease_duration_ms);
            let shortened = state.shorten_leases(longest_ms);
            state.count("mended_leases", shortened);
            Audited {
                looked: true,
                ..Audited::default()
            }
        }))
    }

    /// What an incarnation holds.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn held(&self, lane: &Lane, incarnation: &Incarnation) -> Result<Vec<Token>, QueueError> {
        Ok(self.step(lane, |state, _| {
            let held = state.running.get(incarnation).into_iter().flatten();
            held.map(|(member, call)| Token {
                member: *member,
                call: *call,
            })
            .collect()
        }))
    }

    /// Holds reclaiming back for one lease, since the clock was seen to jump. Says until when.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn hold(&self, lane: &Lane) -> Result<i64, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            let ends_ms = now_ms.saturating_add_unsigned(self.options.lease_duration_ms);
            state.shorten_leases(ends_ms);
            if state.hold_until_ms <= now_ms || state.hold_until_ms > ends_ms {
                state.count("clock_jumps", 1);
            }
            state.hold_until_ms = ends_ms;
            ends_ms
        }))
    }

    /// Completes jobs that the incarnation still holds.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn ack(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        acks: &[Ack],
    ) -> Result<Vec<AckOutcome>, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            let alive = state.leases.score(incarnation).is_some();
            let mut acked = HashSet::new();
            let mut records = Vec::new();
            let outcomes = acks
                .iter()
                .map(|ack| {
                    let id = ack.token.member.id();
                    if state.take_held(incarnation, &ack.token) {
                        state.jobs.remove(&id);
                        state.history.remove(&id);
                        state.crashes.remove(&id);
                        state.done[state.epoch].insert(id);
                        acked.insert(ack.token.member);
                        records.push(Bytes::from(ack.record.clone()));
                        return AckOutcome::Acked;
                    }
                    let acked_before = alive
                        && !state.holds(incarnation, &ack.token.member)
                        && state.has_ended(id)
                        && state.ending(id).is_none();
                    if acked.contains(&ack.token.member) || acked_before {
                        AckOutcome::Already
                    } else {
                        AckOutcome::Lost
                    }
                })
                .collect();
            if !acked.is_empty() {
                state.count("completed", acked.len());
                state.record(now_ms, records, &self.options);
            }
            outcomes
        }))
    }

    /// Ends failed attempts of jobs that the incarnation still holds.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn nack(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        nacks: &[Nack],
    ) -> Result<Vec<bool>, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            let earliest = state.scheduled.first_score();
            let mut first_due: Option<i64> = None;
            let mut records = Vec::new();
            let mut done = Vec::with_capacity(nacks.len());
            for nack in nacks {
                let member = nack.token.member;
                let id = member.id();
                let held = state.take_held(incarnation, &nack.token);
                done.push(held);
                if !held {
                    continue;
                }
                if !nack.history.is_empty() {
                    state.history.insert(id, nack.history.clone().into());
                }
                if !nack.record.is_empty() {
                    records.push(nack.record.clone().into());
                }
                match nack.verdict {
                    Verdict::Retry(ms) => {
                        let at_ms = now_ms.saturating_add_unsigned(ms);
                        state.scheduled.insert(member, at_ms);
                        state.count("retried", 1);
                        first_due = Some(first_due.map_or(at_ms, |first| first.min(at_ms)));
                    }
                    Verdict::Park(until_ms) => {
                        state.parked.insert(member, until_ms);
                        state.failures.insert(id, nack.failure.clone().into());
                        state.count("parked", 1);
                    }
                    Verdict::Dead => {
                        state.bury(now_ms, member, nack.failure.clone().into(), &self.options);
                    }
                    Verdict::Log => {
                        state.jobs.remove(&id);
                        state.history.remove(&id);
                        state.crashes.remove(&id);
                        state.entomb(id, Ending::Logged);
                        state.count("logged", 1);
                    }
                }
            }
            if !records.is_empty() {
                state.record(now_ms, records, &self.options);
            }
            if first_due.is_some_and(|first| earliest.is_none_or(|earliest| first < earliest)) {
                state.wake(1);
            }
            done
        }))
    }

    /// Gives leased jobs back unharmed, their attempt not counted; they come out first.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn release(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        tokens: &[Token],
        source: Source,
    ) -> Result<Vec<bool>, QueueError> {
        Ok(self.step(lane, |state, _| {
            let mut members = Vec::new();
            let mut given_back = Vec::with_capacity(tokens.len());
            for token in tokens {
                let held = state.take_held(incarnation, token);
                given_back.push(held);
                if held {
                    members.push(token.member);
                }
            }
            match source {
                Source::Suspects => state.suspects.extend(members.iter().rev()),
                Source::Pending => state.put_at_head(&members),
            }
            state.count("released", members.len());
            state.wake(members.len());
            given_back
        }))
    }

    /// Ends an incarnation that holds nothing; says how many jobs it still holds.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn leave(&self, lane: &Lane, incarnation: &Incarnation) -> Result<u64, QueueError> {
        Ok(self.step(lane, |state, _| {
            let held = state.held(incarnation);
            if held == 0 {
                state.forget(incarnation);
                // Somebody else may have to watch the next due time now.
                state.wake(1);
            }
            held as u64
        }))
    }

    /// Moves on the jobs of an incarnation whose lease has run out, at most `batch_size` of them.
    ///
    /// `failure` is what is kept of a job that has crashed too often.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn reclaim(
        &self,
        lane: &Lane,
        lost: &Incarnation,
        failure: &[u8],
    ) -> Result<Reclaimed, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            let expired = state
                .leases
                .score(lost)
                .is_some_and(|until_ms| until_ms <= now_ms);
            if !expired || state.held_back(now_ms, self.run_id(), self.options.lease_duration_ms) {
                return Reclaimed {
                    refused: true,
                    ..Reclaimed::default()
                };
            }
            let mut members: Vec<Member> = state
                .running
                .get(lost)
                .map(|held| held.keys().copied().take(self.options.batch_size).collect())
                .unwrap_or_default();
            members.sort_unstable();
            let (mut again, mut buried) = (Vec::new(), Vec::new());
            for member in &members {
                state.drop_held(lost, member);
                let count = match state.crashes.get(&member.id()) {
                    Some((count, at_ms))
                        if now_ms < at_ms.saturating_add_unsigned(CRASH_WINDOW_MS) =>
                    {
                        count + 1
                    }
                    _ => 1,
                };
                if count >= self.options.max_crashes {
                    state.bury(
                        now_ms,
                        *member,
                        Bytes::copy_from_slice(failure),
                        &self.options,
                    );
                    buried.push(*member);
                    continue;
                }
                state.crashes.insert(member.id(), (count, now_ms));
                if count == 1 {
                    again.push(*member);
                } else {
                    state.suspects.push_front(*member);
                }
            }
            state.put_at_head(&again);
            let held = state.held(lost);
            if held == 0 {
                state.forget(lost);
            }
            state.count("reclaimed", members.len());
            state.wake(members.len());
            Reclaimed {
                moved: members.len() as u64,
                held: held as u64,
                buried,
                ..Reclaimed::default()
            }
        }))
    }
}

impl LaneState {
    /// How many jobs an incarnation holds.
    fn held(&self, incarnation: &Incarnation) -> usize {
        self.running
            .get(incarnation)
            .map_or(0, indexmap::IndexMap::len)
    }

    fn holds(&self, incarnation: &Incarnation, member: &Member) -> bool {
        self.running
            .get(incarnation)
            .is_some_and(|held| held.contains_key(member))
    }

    /// Takes a job from an incarnation that holds it under this very call; says whether it did.
    fn take_held(&mut self, incarnation: &Incarnation, token: &Token) -> bool {
        let held = self
            .running
            .get(incarnation)
            .and_then(|held| held.get(&token.member));
        held == Some(&token.call) && self.drop_held(incarnation, &token.member)
    }

    fn drop_held(&mut self, incarnation: &Incarnation, member: &Member) -> bool {
        let Some(held) = self.running.get_mut(incarnation) else {
            return false;
        };
        let found = held.swap_remove(member).is_some();
        if held.is_empty() {
            self.running.remove(incarnation);
        }
        found
    }

    /// Ends an incarnation that holds nothing.
    fn forget(&mut self, incarnation: &Incarnation) {
        self.leases.remove(incarnation);
        self.cancels.remove(incarnation);
        self.calls.remove(incarnation);
        self.workers.remove(incarnation);
    }
}
