//! Queues as people see and steer them: over all queues and shards, by id, with views instead of members.

use std::sync::Arc;

use uuid::Uuid;

use super::record::{FinishedJob, Outcome};
use super::view::JobView;
use super::{Cancelled, Engine, Lane, Listed, Listing, Place, QueueError};
use crate::job::JobState;

/// Most entries of finished jobs that are walked for one of them; each holds the jobs of one call.
const RECENT_WALKED: usize = 1000;

/// Some queues, and the engine that they are on.
pub struct Overview {
    /// Where the queues are.
    pub engine: Arc<Engine>,
    /// Their names.
    pub queues: Vec<String>,
    /// How many shards each has.
    pub shards: u16,
}

impl Overview {
    /// A job, wherever it is; nothing where no queue knows it.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn find(&self, id: Uuid) -> Result<Option<JobView>, QueueError> {
        let Some(mut view) = self.look(id).await? else {
            return Ok(None);
        };
        if view.raw.is_none() {
            let records = self.engine.recent(&view.lane, RECENT_WALKED).await?;
            view.finished = records
                .iter()
                .filter_map(|record| FinishedJob::unpack(record))
                .find(|finished| finished.id == id);
        }
        Ok(Some(view))
    }

    /// As [`Self::find`], without the record of a job that has ended.
    async fn look(&self, id: Uuid) -> Result<Option<JobView>, QueueError> {
        for queue in &self.queues {
            let lane = Lane::of(queue, id, self.shards);
            let found = self.engine.find(&lane, id).await?;
            if let Some(view) = JobView::of(&lane, id, found) {
                return Ok(Some(view));
            }
        }
        Ok(None)
    }

    /// The state of a job; nothing where no queue knows it.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn state(&self, id: Uuid) -> Result<Option<JobState>, QueueError> {
        Ok(self.look(id).await?.map(|view| view.state()))
    }

    /// Cancels a job, wherever it is. Says what it was: pending, scheduled and running jobs are cancelled now.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a pending job whose bytes are no job, which the next worker buries; see [`QueueError`].
    pub async fn cancel(&self, id: Uuid) -> Result<Option<JobState>, QueueError> {
        loop {
            let Some(view) = self.look(id).await? else {
                return Ok(None);
            };
            if !matches!(
                view.state(),
                JobState::Pending | JobState::Scheduled | JobState::Running
            ) {
                return Ok(Some(view.state()));
            }
            let member = view.member.ok_or_else(|| {
                QueueError::Corrupt(format!(
                    "the bytes of {id} are no job: a worker is about to bury it"
                ))
            })?;
            match self.engine.cancel(&view.lane, member).await? {
                Cancelled::Pending => return Ok(Some(JobState::Pending)),
                Cancelled::Scheduled => return Ok(Some(JobState::Scheduled)),
                Cancelled::Running => return Ok(Some(JobState::Running)),
                // It has ended since we looked: look again for how.
                Cancelled::Dead | Cancelled::Ended | Cancelled::Missing => {}
            }
        }
    }

    /// A page of jobs in a state; what has left it meanwhile is left out. Cancelled jobs are not kept, so there are none.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn list(
        &self,
        state: JobState,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobView>, QueueError> {
        match state {
            JobState::Pending => self.list_in_lanes(Listing::Pending, offset, limit).await,
            JobState::Running => self.list_in_lanes(Listing::Running, offset, limit).await,
            JobState::Scheduled => {
                let listings = [Listing::Scheduled, Listing::Parked];
                self.list_by_time(&listings, offset, limit).await
            }
            JobState::DeadLettered => self.list_by_time(&[Listing::Dead], offset, limit).await,
            JobState::Completed => self.list_completed(offset, limit).await,
            JobState::Cancelled => Ok(Vec::new()),
        }
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = Lane> {
        let shards = self.shards;
        self.queues.iter().flat_map(move |queue| {
            (0..shards).map(move |shard| Lane {
                queue: queue.clone(),
                shard,
            })
        })
    }

    /// A page of what lanes list without a time, lane after lane.
    async fn list_in_lanes(
        &self,
        listing: Listing,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobView>, QueueError> {
        let mut listed = Vec::new();
        for lane in self.lanes() {
            let wanted = offset.saturating_add(limit).saturating_sub(listed.len());
            if wanted == 0 {
                break;
            }
            let page = self.engine.list(&lane, listing, 0, wanted).await?;
            listed.extend(page.into_iter().map(|entry| (lane.clone(), listing, entry)));
        }
        self.views(listed.into_iter().skip(offset).take(limit))
            .await
    }

    /// A page of what lanes list by time: the newest dead letters first, everything else the earliest first.
    async fn list_by_time(
        &self,
        listings: &[Listing],
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobView>, QueueError> {
        let mut listed = Vec::new();
        // One list alone is read where the page is; of several, everything before it may be on any of them.
        let alone = self.queues.len() == 1 && self.shards == 1 && listings.len() == 1;
        let skipped = if alone { offset } else { 0 };
        let wanted = offset.saturating_add(limit) - skipped;
        for lane in self.lanes() {
            for listing in listings {
                let page = self.engine.list(&lane, *listing, skipped, wanted).await?;
                listed.extend(
                    page.into_iter()
                        .map(|entry| (lane.clone(), *listing, entry)),
                );
            }
        }
        listed.sort_by_key(|(_, listing, entry)| match listing {
            Listing::Dead => entry.time_ms.saturating_neg(),
            _ => entry.time_ms,
        });
        self.views(listed.into_iter().skip(offset - skipped).take(limit))
            .await
    }

    async fn views(
        &self,
        listed: impl Iterator<Item = (Lane, Listing, Listed)>,
    ) -> Result<Vec<JobView>, QueueError> {
        let mut views = Vec::new();
        for (lane, listing, entry) in listed {
            let id = entry.member.id();
            let found = self.engine.find(&lane, id).await?;
            let still_there = matches!(
                (listing, &found.place),
                (Listing::Pending, Place::Pending)
                    | (Listing::Running, Place::Running(_))
                    | (Listing::Scheduled, Place::Scheduled(_))
                    | (Listing::Parked, Place::Parked(_))
                    | (Listing::Dead, Place::Dead(_))
            );
            if still_there {
                views.extend(JobView::of(&lane, id, found));
            }
        }
        Ok(views)
    }

    async fn list_completed(
        &self,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobView>, QueueError> {
        let mut finished = Vec::new();
        for lane in self.lanes() {
            let records = self
                .engine
                .recent(&lane, offset.saturating_add(limit))
                .await?;
            let jobs = records
                .iter()
                .filter_map(|record| FinishedJob::unpack(record));
            finished.extend(
                jobs.filter(|job| job.outcome == Outcome::Completed)
                    .map(|job| JobView::of_finished(&lane, job)),
            );
        }
        finished.sort_by_key(|view| {
            view.finished
                .as_ref()
                .map(|job| std::cmp::Reverse(job.finished_at))
        });
        Ok(finished.into_iter().skip(offset).take(limit).collect())
    }
}
