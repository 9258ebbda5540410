//! Forgetting a subject over all queues and shards: what its jobs hold, page by page, and the records of these jobs.

use std::collections::HashSet;

use bytes::Bytes;
use uuid::Uuid;

use super::overview::Overview;
use super::record::FinishedJob;
use super::{Erased, Lane, Place, QueueError};
use crate::job::{Decoded, Job};
use crate::subject::Subject;

/// Entries of records read at a time; each holds those of one call.
const ENTRIES: usize = 100;

/// What one step of a walk over a lane has found of a subject.
#[derive(Clone, Debug, Default)]
pub struct ForgottenPage {
    /// The jobs, with the place in which each was; of a job that two steps met only one says so.
    pub found: Vec<(Uuid, Erased)>,
    /// Where the next step begins; nothing where this was the last one.
    pub next: Option<Vec<u8>>,
}

impl Overview {
    /// Takes the jobs of a subject out of one step of a walk over a lane, or with `look_only` says which they are.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; some jobs may have been taken. Repeating is safe.
    pub async fn forget(
        &self,
        lane: &Lane,
        subject: &Subject,
        look_only: bool,
        mark: Option<&[u8]>,
    ) -> Result<ForgottenPage, QueueError> {
        let scanned = self.engine.scan(lane, mark).await?;
        let mut found = Vec::new();
        for (id, bytes) in scanned.jobs {
            if !subject.owns(&bytes) {
                continue;
            }
            let erased = if look_only {
                let found = self.engine.find(lane, id).await?;
                match found.place {
                    // Who was there when a worker was lost for the second time waits to run alone.
                    Place::Pending if found.crashes > 1 => Erased::Suspects,
                    Place::Pending => Erased::Pending,
                    Place::Scheduled(_) => Erased::Scheduled,
                    Place::Parked(_) => Erased::Parked,
                    Place::Running(_) => Erased::Running,
                    Place::Dead(_) => Erased::Dead,
                    Place::Completed | Place::Ended(_) | Place::Missing => Erased::Gone,
                }
            } else {
                let priority = match Job::decode_stored(&bytes, id) {
                    Decoded::Job(job) => Some(job.priority),
                    Decoded::Newer(_) | Decoded::Corrupt(_) => None,
                };
                self.engine.erase(lane, id, &bytes, priority).await?
            };
            if erased != Erased::Gone {
                found.push((id, erased));
            }
        }
        Ok(ForgottenPage {
            found,
            next: scanned.next,
        })
    }

    /// Takes the records of these jobs out of those of finished jobs, or with `look_only` counts them. Returns how many
    /// they were.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating is safe.
    pub async fn forget_records(
        &self,
        lane: &Lane,
        jobs: &HashSet<Uuid>,
        look_only: bool,
    ) -> Result<u64, QueueError> {
        let mut count = 0;
        // Entries that were put in place of others come last, and are met again: nothing is left to be taken out of them.
        let mut after: Option<Bytes> = None;
        loop {
            let entries = self.engine.records(lane, after.as_deref(), ENTRIES).await?;
            let Some(last) = entries.last() else {
                return Ok(count);
            };
            after = Some(last.id.clone());
            for entry in &entries {
                let records = || entry.records.split(|byte| *byte == b'\n');
                let stay: Vec<Bytes> = records()
                    .filter(|record| {
                        !FinishedJob::unpack(record).is_some_and(|job| jobs.contains(&job.id))
                    })
                    .map(|record| entry.records.slice_ref(record))
                    .collect();
                let gone = (records().count() - stay.len()) as u64;
                if gone > 0 && (look_only || self.engine.redact(lane, entry, &stay).await?) {
                    count += gone;
                }
            }
        }
    }
}
