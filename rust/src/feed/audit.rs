//! Auditing: once in a while some worker has the queue prove that each job is in exactly one place.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::metrics::COUNTERS;
use crate::queue::Audited;

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
            // What fails is tried again next time; whether the queue answers is noted by the other tasks. A walk that is
            // cut short by the end of this worker is made by another one, a minute later.
            let audited = tokio::select! {
                audited = shared.engine.audit(&lane.lane, INTERVAL_MS) => audited,
                () = shared.until_stopping() => return,
            };
            let Ok(audited) = audited else {
                continue;
            };
            COUNTERS.repaired(audited.mended());
            if audited.walked {
                shared.notice(notice_of(&audited));
            }
        }
    }
}

/// What a walk has found, in words.
fn notice_of(audited: &Audited) -> String {
    let Audited {
        amiss,
        homeless,
        doubled,
        orphans,
        ghosts,
        postponed,
        ..
    } = audited;
    let and_then = match (audited.mended(), postponed) {
        (_, 1..) => "; there is too much to look at all of it now, the rest is looked at later",
        (0, 0) => {
            "; nothing that can be mended is left, and nobody looks again for an hour unless the number changes"
        }
        _ => "",
    };
    format!(
        "audit: {amiss} jobs without a place, less places without a job; {homeless} put back, {doubled} kept in one place, \
         {orphans} places and {ghosts} marks of cancelled jobs without a job removed{and_then}"
    )
}
