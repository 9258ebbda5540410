//! A feed gone quiet: jobs wait, slots are free, and nothing is leased; or one of its tasks has ended by a panic.
//!
//! Whatever the reason is, another process is the cure: the worker hears `gone_quiet` and has itself replaced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::shared::Shared;

/// How often the feed is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the feed may go without a turn, beside its poll interval. Every call has a deadline far below it.
const LONGEST_ROUND: Duration = Duration::from_secs(60);

/// How long jobs may wait beside free slots without one being leased. What is no job is dropped much sooner.
const LONGEST_IDLENESS: Duration = Duration::from_secs(30);

/// What the lease task has last said of itself.
pub(super) struct Signs {
    /// When it last began a round.
    pub(super) round_at: Instant,
    /// Since when its turns found jobs waiting and leased none, though slots were free.
    pub(super) idle_since: Option<Instant>,
}

impl Default for Signs {
    fn default() -> Self {
        Self {
            round_at: Instant::now(),
            idle_since: None,
        }
    }
}

impl Signs {
    /// Why the feed counts as gone quiet, where it does.
    fn verdict(&self, poll_interval: Duration) -> Option<&'static str> {
        if self.round_at.elapsed() > LONGEST_ROUND + poll_interval {
            return Some("it asks for no jobs any more");
        }
        self.idle_since
            .is_some_and(|since| since.elapsed() > LONGEST_IDLENESS)
            .then_some("jobs wait beside free slots, and none is leased")
    }
}

/// The watchdog task.
pub(super) async fn run(shared: Arc<Shared>) {
    while !shared.stopping() {
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = shared.until_stopping() => return,
        }
        let verdict = shared.signs().verdict(shared.options.poll_interval);
        if let Some(why) = verdict {
            shared.notice(format!("gone_quiet: {why}"));
        }
    }
}

/// Runs a task of the feed. Where it panics the process has to be replaced: nobody else would do its work.
pub(super) fn guard(
    shared: &Arc<Shared>,
    runtime: &Handle,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let task = runtime.spawn(task);
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        if task.await.is_err_and(|error| error.is_panic()) {
            shared.notice(format!("gone_quiet: the {name} task has panicked"));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(secs: u64) -> Instant {
        Instant::now()
            .checked_sub(Duration::from_secs(secs))
            .expect("the machine has been up for a few minutes")
    }

    #[test]
    fn a_feed_is_quiet_when_it_asks_no_more_or_gets_nothing_of_what_waits() {
        let verdict = |round_at, idle_since| {
            let signs = Signs {
                round_at,
                idle_since,
            };
            signs.verdict(Duration::from_secs(1)).is_some()
        };
        assert!(!verdict(ago(10), None));
        assert!(!verdict(ago(0), Some(ago(10))));
        assert!(verdict(ago(70), None));
        assert!(verdict(ago(0), Some(ago(31))));
    }
}
