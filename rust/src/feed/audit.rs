//! Auditing: once in a while some worker has the queue prove that each job is in exactly one place.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::metrics::COUNTERS;

use super::shared::Shared;

/// How often a lane is audited, by whichever worker comes first.
const INTERVAL: Duration = Duration::from_secs(10);
const INTERVAL_MS: u64 = 10_000;

/// The audit task.
pub(super) async fn run(shared: Arc<Shared>) {
    while !shared.stopping() {
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = shared.until_stopping() => return,
        }
        for lane in &shared.lanes {
            // What fails is tried again next time; whether the queue answers is noted by the other tasks.
            let Ok(audited) = shared.engine.audit(&lane.lane, INTERVAL_MS).await else {
                continue;
            };
            COUNTERS.repaired(audited.homeless + audited.doubled);
            if audited.amiss != 0 {
                shared.notice(format!(
                    "audit: {} jobs without a place, less places without a job; {} put back, {} kept in one place",
                    audited.amiss, audited.homeless, audited.doubled
                ));
            }
        }
    }
}
