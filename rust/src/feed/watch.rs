//! Deadlines: an attempt that takes too long is over, and a job that was never begun goes back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::job::{Cause, Phase};
use super::shared::Shared;

/// How late a deadline may be noticed. At most `slots` jobs are looked at each time.
const PRECISION: Duration = Duration::from_millis(100);

/// The watch task.
pub(super) async fn run(shared: Arc<Shared>) {
    while !shared.closed() {
        tokio::select! {
            () = sleep(PRECISION) => {}
            () = shared.until_closed() => {}
        }
        let held: Vec<_> = {
            let inner = shared.inner();
            if inner.held.is_empty() {
                continue;
            }
            inner.held.values().cloned().collect()
        };
        for job in held {
            match job.phase() {
                Phase::Running { since, .. }
                    if since.elapsed() >= shared.options.job_timeout
                        && shared.report_timeout(&job) =>
                {
                    shared.tell_to_stop(job, Cause::Timeout);
                }
                Phase::Waiting
                    if job.leased_at.elapsed() >= shared.options.lease_duration
                        && shared.release_stale(&job) =>
                {
                    shared.tell_to_stop(job, Cause::Stale);
                }
                _ => {}
            }
        }
    }
}
