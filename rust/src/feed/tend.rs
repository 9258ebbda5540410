//! Tending: parked jobs that can go on or have become too old, dead letters and ids that may be forgotten.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::job::{Decoded, Job};
use crate::metrics::{COUNTERS, Failure};
use crate::policy::failure;
use crate::queue::{Lane, Listing, Member, QueueError};

use super::shared::{Shared, now_ms};

/// How often a lane is tended.
const INTERVAL: Duration = Duration::from_secs(5);

/// Parked jobs looked at in one pass.
const PAGE: usize = 200;

/// The tend task.
pub(super) async fn run(shared: Arc<Shared>) {
    // How many parked jobs of each lane have been looked at since its first one was.
    let mut offsets = vec![0; shared.lanes.len()];
    while !shared.stopping() {
        for (lane, offset) in shared.lanes.iter().zip(&mut offsets) {
            // What fails is tried again in the next pass; whether the queue answers is noted by the other tasks.
            if let Ok(left) = tend(&shared, &lane.lane, *offset).await {
                *offset = left.map_or(0, |left| *offset + left);
            }
        }
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = shared.rules_changed.notified() => offsets.fill(0),
            () = shared.until_stopping() => {}
        }
    }
}

/// Tends a lane. Returns how many jobs of a full page of parked ones stay parked, or nothing where that was the last page.
async fn tend(shared: &Shared, lane: &Lane, offset: usize) -> Result<Option<usize>, QueueError> {
    shared.engine.rotate(lane).await?;
    shared.engine.trim(lane).await?;
    let parked = shared
        .engine
        .list(lane, Listing::Parked, offset, PAGE)
        .await?;
    if parked.is_empty() {
        return Ok(None);
    }
    let members: Vec<Member> = parked.iter().map(|job| job.member).collect();
    let bytes = shared.engine.bytes_of(lane, &members).await?;
    let mut known = Vec::new();
    let mut old = Vec::new();
    for (job, bytes) in parked.iter().zip(bytes) {
        let decoded = bytes.map(|bytes| Job::decode_stored(&bytes, job.member.id()));
        let can_run = match &decoded {
            Some(Decoded::Job(decoded)) => shared.knows(decoded),
            // What is corrupt by now is for the dead letters, where a turn puts it.
            Some(Decoded::Corrupt(_)) => true,
            Some(Decoded::Newer(_)) | None => false,
        };
        if can_run {
            known.push(job.member);
        } else if job.time_ms <= now_ms() {
            let label = match decoded {
                Some(Decoded::Job(job)) => job.action_type,
                _ => "other".to_owned(),
            };
            old.push((job.member, label));
        }
    }
    let leaving = known.len() + old.len();
    for chunk in known.chunks(shared.engine.options().batch_size) {
        shared.engine.unpark(lane, chunk, None).await?;
    }
    let why = failure(
        Failure::Expired,
        None,
        None,
        "no worker could run it in time",
    );
    for chunk in old.chunks(shared.engine.options().batch_size) {
        let members: Vec<Member> = chunk.iter().map(|(member, _)| *member).collect();
        let moved = shared.engine.unpark(lane, &members, Some(&why)).await?;
        for ((_, label), moved) in chunk.iter().zip(moved) {
            if moved {
                COUNTERS.failed(label, Failure::Expired);
            }
        }
    }
    Ok((parked.len() == PAGE).then(|| PAGE - leaving))
}

impl Shared {
    /// Whether the worker could run a job now.
    fn knows(&self, job: &Job) -> bool {
        if !self.options.known_actions.contains(&job.action_type) {
            return false;
        }
        let inner = self.inner();
        match (&inner.rules, &job.observer) {
            (Some(rules), Some(observer)) => rules.contains(&(observer.clone(), job.action_index)),
            _ => true,
        }
    }
}
