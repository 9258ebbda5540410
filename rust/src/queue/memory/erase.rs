//! Forgetting: all jobs page by page, one of them taken away wherever it is, records redacted.

use bytes::Bytes;
use uuid::Uuid;

use super::lane::Records;
use crate::queue::{
    Ending, Erased, Lane, Member, MemoryQueue, Priority, QueueError, RecordEntry, ScannedJobs,
};

/// Jobs in one step of a scan.
const STEP: usize = 100;

impl MemoryQueue {
    /// Some of the jobs that have not ended, in the order of their ids, and where to go on.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn scan(&self, lane: &Lane, mark: Option<&[u8]>) -> Result<ScannedJobs, QueueError> {
        Ok(self.step(lane, |state, _| {
            let mut ids: Vec<Uuid> = state
                .jobs
                .keys()
                .filter(|id| mark.is_none_or(|mark| id.as_bytes().as_slice() > mark))
                .copied()
                .collect();
            ids.sort_unstable();
            let more = ids.len() > STEP;
            ids.truncate(STEP);
            let next = ids.last().filter(|_| more);
            ScannedJobs {
                next: next.map(|id| id.as_bytes().to_vec()),
                jobs: ids.iter().map(|id| (*id, state.jobs[id].clone())).collect(),
            }
        }))
    }

    /// Takes away everything that is kept of a job, if its bytes are still these.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn erase(
        &self,
        lane: &Lane,
        id: Uuid,
        bytes: &[u8],
        priority: Option<Priority>,
    ) -> Result<Erased, QueueError> {
        let members = Priority::ALL.map(|priority| Member::new(id, priority));
        Ok(self.step(lane, |state, _| {
            if state.jobs.get(&id).is_none_or(|stored| stored != bytes) {
                return Erased::Gone;
            }
            let mut erased = None;
            for member in &members {
                let holder = state
                    .running
                    .iter_mut()
                    .find_map(|(name, held)| held.swap_remove(member).map(|_| name.clone()));
                if let Some(holder) = holder {
                    state.cancels.entry(holder).or_default().insert(*member);
                    erased = Some(Erased::Running);
                } else if state.dead.remove(member) {
                    erased = Some(Erased::Dead);
                } else if state.parked.remove(member) {
                    erased = Some(Erased::Parked);
                } else if state.scheduled.remove(member) {
                    erased = Some(Erased::Scheduled);
                }
            }
            let erased = match (erased, priority) {
                (Some(erased), _) => erased,
                (None, Some(priority)) => {
                    // Its list entry stays until a turn meets it, as that of a cancelled job.
                    let member = Member::new(id, priority);
                    *state.ghosts.entry(member).or_default() += 1;
                    match state.crashes.get(&id) {
                        Some((count, _)) if *count > 1 => Erased::Suspects,
                        _ => Erased::Pending,
                    }
                }
                (None, None) => {
                    let blank = Bytes::from_static(crate::queue::erase::BLANK);
                    state.jobs.insert(id, blank);
                    state.failures.remove(&id);
                    state.history.remove(&id);
                    return Erased::Blanked;
                }
            };
            state.jobs.remove(&id);
            state.failures.remove(&id);
            state.history.remove(&id);
            state.crashes.remove(&id);
            let (ending, counter) = if erased == Erased::Dead {
                (Ending::Removed, "removed")
            } else {
                (Ending::Cancelled, "cancelled")
            };
            state.entomb(id, ending);
            state.count(counter, 1);
            state.count("erased", 1);
            erased
        }))
    }

    /// Entries of the records of finished jobs behind another one, the oldest first.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn records(
        &self,
        lane: &Lane,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<RecordEntry>, QueueError> {
        Ok(self.step(lane, |state, _| {
            let entries = state.recent.iter().map(|entry| RecordEntry {
                id: Bytes::copy_from_slice(&entry.number.to_be_bytes()),
                records: entry.lines.join(&b'\n').into(),
            });
            let behind = |entry: &RecordEntry| after.is_none_or(|after| entry.id.as_ref() > after);
            entries.filter(behind).take(limit).collect()
        }))
    }

    /// Puts other records in place of those of an entry, if it is still as it was read; none of them takes it away.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn redact(
        &self,
        lane: &Lane,
        entry: &RecordEntry,
        stay: &[Bytes],
    ) -> Result<bool, QueueError> {
        Ok(self.step(lane, |state, _| {
            let found = state.recent.iter().position(|stored| {
                stored.number.to_be_bytes() == *entry.id
                    && stored.lines.join(&b'\n') == entry.records
            });
            let Some(old) = found.and_then(|place| state.recent.remove(place)) else {
                return false;
            };
            if !stay.is_empty() {
                let number = state.next_record;
                state.next_record += 1;
                state.recent.push_back(Records {
                    number,
                    at_ms: old.at_ms,
                    lines: stay.to_vec(),
                });
            }
            true
        }))
    }
}
