//! Tending: parked jobs that can go on or have become too old, and ids that may be forgotten.

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
    let mut offset = 0;
    while !shared.stopping() {
        for lane in &shared.lanes {
            // What fails is tried again in the next pass; whether the queue answers is noted by the other tasks.
            if let Ok(seen) = tend(&shared, &lane.lane, offset).await {
                offset = if seen < PAGE { 0 } else { offset + PAGE };
            }
        }
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = shared.rules_changed.notified() => offset = 0,
            () = shared.until_stopping() => {}
        }
    }
}

async fn tend(shared: &Shared, lane: &Lane, offset: usize) -> Result<usize, QueueError> {
    shared.engine.rotate(lane).await?;
    let parked = shared
        .engine
        .list(lane, Listing::Parked, offset, PAGE)
        .await?;
    if parked.is_empty() {
        return Ok(0);
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
    Ok(parked.len())
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
