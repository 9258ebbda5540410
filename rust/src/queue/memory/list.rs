//! What operators see page by page: jobs in a state, and dead letters with all that is kept of them.

use super::lane::LaneState;
use super::store::some;
use crate::queue::{
    DEAD_LETTER_MAX_AGE_MS, Lane, Letter, LetterMark, Letters, Listed, Listing, MAX_CALL_BYTES,
    Member, MemoryQueue, QueueError,
};

impl MemoryQueue {
    /// A page of jobs. Entries that cancelled jobs have left on the pending lists are no jobs and take no room.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn list(
        &self,
        lane: &Lane,
        listing: Listing,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Listed>, QueueError> {
        Ok(self.step(lane, |state, _| {
            let untimed = |member: &Member| Listed {
                member: *member,
                time_ms: 0,
            };
            let timed = |(member, time_ms): (&Member, i64)| Listed {
                member: *member,
                time_ms,
            };
            let page = |listed: &mut dyn Iterator<Item = Listed>| {
                listed.skip(offset).take(limit).collect()
            };
            match listing {
                Listing::Pending => page(&mut pending(state).map(untimed)),
                Listing::Scheduled => page(&mut state.scheduled.iter().map(timed)),
                Listing::Parked => page(&mut state.parked.iter().map(timed)),
                Listing::Dead => page(&mut state.dead.iter().rev().map(timed)),
                Listing::Running => page(&mut running(state).map(untimed)),
            }
        }))
    }

    /// Dead letters behind a mark, or from the newest on, with all that is kept of each.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn letters(
        &self,
        lane: &Lane,
        after: Option<&LetterMark>,
        limit: usize,
    ) -> Result<Letters, QueueError> {
        let is_behind = |(member, died_at_ms): &(&Member, i64)| {
            after.is_none_or(|mark| {
                (*died_at_ms, member.as_bytes()) < (mark.died_at_ms, mark.entry.as_slice())
            })
        };
        Ok(self.step(lane, |state, _| {
            let mut behind = state.dead.iter().rev().filter(is_behind).peekable();
            let mut page = Letters::default();
            let mut size = 0;
            while let Some((member, died_at_ms)) = behind.peek().copied() {
                let bytes = some(state.jobs.get(&member.id()));
                size += bytes.as_ref().map_or(0, bytes::Bytes::len);
                let is_full = page.letters.len() == limit
                    || (!page.letters.is_empty() && size > MAX_CALL_BYTES);
                if is_full {
                    break;
                }
                behind.next();
                page.letters.push(Letter {
                    member: *member,
                    died_at_ms,
                    bytes,
                    failure: some(state.failures.get(&member.id())),
                    history: some(state.history.get(&member.id())),
                });
            }
            page.more = behind.peek().is_some();
            page.last = page.letters.last().map(|letter| LetterMark {
                died_at_ms: letter.died_at_ms,
                entry: letter.member.as_bytes().to_vec(),
            });
            page
        }))
    }

    /// Lets the oldest dead letters go where there are too many or they are too old, at most two batches of them, and
    /// records of finished jobs too. Returns how many letters went.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn trim(&self, lane: &Lane) -> Result<u64, QueueError> {
        Ok(self.step(lane, |state, now_ms| {
            let bound = 2 * self.options.batch_size;
            for _ in 0..bound {
                let records = state.recent.len();
                state.record(now_ms, Vec::new(), &self.options);
                if state.recent.len() == records {
                    break;
                }
            }
            let max = usize::try_from(self.options.dead_letter_max).unwrap_or(usize::MAX);
            let many = state.dead.len().saturating_sub(max);
            let oldest_kept_ms = now_ms.saturating_sub_unsigned(DEAD_LETTER_MAX_AGE_MS);
            let old = state.dead.up_to(oldest_kept_ms, bound).len();
            let gone = many.max(old).min(bound);
            state.let_go(gone);
            state.count("trimmed_by_age", old);
            gone as u64
        }))
    }
}

/// The pending jobs, the next first; a turn drops the first entries that it meets of a member with cancelled jobs.
fn pending(state: &LaneState) -> impl Iterator<Item = &Member> {
    let mut ghosts = state.ghosts.clone();
    state
        .pending
        .iter()
        .chain([&state.suspects])
        .flat_map(|list| list.iter().rev())
        .filter(move |member| {
            let Some(left) = ghosts.get_mut(member).filter(|left| **left > 0) else {
                return true;
            };
            *left -= 1;
            false
        })
}

/// Jobs that are leased, by the incarnations in the order in which their leases run out.
fn running(state: &LaneState) -> impl Iterator<Item = &Member> {
    state
        .leases
        .iter()
        .filter_map(|(name, _)| state.running.get(name))
        .flat_map(indexmap::IndexMap::keys)
}
