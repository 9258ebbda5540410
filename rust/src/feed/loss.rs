//! Leases that are lost: those of other workers, whose jobs are moved on, and our own.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::job::{Decoded, Job};
use crate::metrics::{COUNTERS, Failure};
use crate::policy::failure;
use crate::queue::{Incarnation, QueueError};

use super::job::Cause;
use super::shared::Shared;

/// Moves on the jobs of a lost worker, until none is left or somebody else does it.
pub(super) async fn reclaim(
    shared: &Shared,
    place: usize,
    lost: &Incarnation,
) -> Result<(), QueueError> {
    let lane = &shared.lanes[place].lane;
    let why = failure(
        Failure::CrashLimit,
        None,
        None,
        "a worker was lost each time it ran",
    );
    loop {
        let done = shared.engine.reclaim(lane, lost, &why).await?;
        COUNTERS.reclaimed(done.moved);
        if done.moved > 0 {
            shared.notice(format!("reclaimed: {} jobs of a lost worker", done.moved));
        }
        if done.overwritten {
            shared.notice("overwritten: what a lost worker held; an audit puts its jobs back");
        }
        if !done.buried.is_empty() {
            for bytes in shared.engine.bytes_of(lane, &done.buried).await? {
                match bytes.map(|bytes| Job::decode(&bytes)) {
                    Some(Decoded::Job(job)) => {
                        COUNTERS.failed(&job.action_type, Failure::CrashLimit);
                    }
                    _ => COUNTERS.failed("other", Failure::CrashLimit),
                }
            }
        }
        if done.refused || done.held == 0 {
            return Ok(());
        }
    }
}

impl Shared {
    /// Compares the queue's clock with our own. Where it has jumped, reclaiming is to be held back, and our own lease
    /// is renewed at once.
    pub(super) fn look_at_clock(&self, place: usize, now_ms: i64, asked_at: Instant) {
        let lane = &self.lanes[place];
        if self.engine.has_own_clock() && lane.clock.look(now_ms, asked_at, Instant::now()) {
            lane.owes_hold.store(true, Relaxed);
            lane.beat_now.notify_one();
            COUNTERS.clock_jumped();
            self.notice("clock_jumped: nothing is reclaimed for the length of a lease");
        }
    }

    /// Has reclaiming held back where the clock was seen to jump; tried again until it is done.
    pub(super) async fn hold_if_owed(&self, place: usize) -> Result<(), QueueError> {
        let lane = &self.lanes[place];
        let _held = lane.holding.lock().await;
        if lane.owes_hold.load(Relaxed) {
            self.engine.hold(&lane.lane).await?;
            lane.owes_hold.store(false, Relaxed);
        }
        Ok(())
    }

    /// Gives up an identity whose lease has passed on: nothing that runs under it may go on.
    pub(super) fn lose(&self, place: usize, lost: &Incarnation) {
        if !self.lanes[place].start_anew(lost) {
            return;
        }
        let held: Vec<_> = self
            .inner()
            .held
            .values()
            .filter(|job| job.lane == place && job.incarnation == *lost)
            .cloned()
            .collect();
        self.notice(format!("lease_lost: {} jobs were running", held.len()));
        for job in held {
            if job.end().is_some() {
                COUNTERS.lease_lost();
                self.tell_to_stop(job, Cause::LeaseLost);
            }
        }
    }
}
