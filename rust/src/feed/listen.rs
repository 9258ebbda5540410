//! Listening: what wakes a feed whose slots are free.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::queue::Lane;

use super::lease::wanted_at_most;
use super::shared::Shared;

/// Pause before listening again where that has failed.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);

/// The wake task: blocks on the queue's tokens while this worker could take jobs.
pub(super) async fn run(shared: Arc<Shared>, lanes: Vec<Lane>) {
    while !shared.stopping() {
        if wanted_at_most(&shared) == 0 {
            tokio::select! {
                () = sleep(shared.options.poll_interval) => {}
                () = shared.listen_again.notified() => {}
                () = shared.until_stopping() => {}
            }
            continue;
        }
        let token = tokio::select! {
            token = shared.engine.wait_for_wake(&lanes) => token,
            () = shared.until_stopping() => break,
        };
        match token {
            Ok(false) => {}
            Ok(true) if wanted_at_most(&shared) > 0 => shared.woken.notify_one(),
            // The slots were filled in the meantime: somebody else shall have the token.
            Ok(true) => {
                for lane in &lanes {
                    let _ = shared.engine.pass_on_wake(lane).await;
                }
            }
            // However seldom the queue is polled: a wake-up call that waits there shall be heard.
            Err(_) => tokio::select! {
                () = sleep(LISTEN_AGAIN) => {}
                () = shared.until_stopping() => break,
            },
        }
    }
}
