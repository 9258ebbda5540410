//! Fitness: whether the server may go on holding jobs. Its settings can be changed while it runs.
//!
//! A server that would evict jobs, or that keeps less than was asked for, gets no lease calls until it is mended. One that
//! keeps less than it did at the start, with nothing asked for, or whose replicas are away, is worth an alarm and no more.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::sleep;

use crate::queue::facts::ServerFacts;
use crate::queue::{Durability, QueueError};

use super::shared::Shared;

/// How often the server is looked at, beside each time that a connection is made.
const INTERVAL: Duration = Duration::from_secs(10);

/// What a look at the server came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fit,
    /// It keeps less than it did, or its replicas are away.
    Worse,
    Unfit,
}

/// The fitness task.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut proved_at_start = None;
    let mut said = Verdict::Fit;
    while !shared.stopping() {
        let verdict = match shared.engine.look().await {
            Ok(None) => return,
            Ok(Some(facts)) => {
                let before = *proved_at_start.get_or_insert(facts.durability);
                Some(judge(&facts, shared.options.durability, before))
            }
            Err(QueueError::Unsuitable(text)) => Some((Verdict::Unfit, text)),
            // That it does not answer is told by others, and says nothing about its settings.
            Err(_) => None,
        };
        if let Some((verdict, text)) = verdict {
            shared.note_fitness(verdict != Verdict::Fit, verdict == Verdict::Unfit);
            if verdict != said {
                said = verdict;
                shared.notice(match verdict {
                    Verdict::Fit => "queue_fit: the server may hold jobs again".to_owned(),
                    Verdict::Worse => format!("queue_worse: {text}"),
                    Verdict::Unfit => {
                        format!("queue_unfit: nothing is leased until it is mended: {text}")
                    }
                });
            }
        }
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = shared.engine.reconnected() => {}
            () = shared.until_stopping() => {}
        }
    }
}

fn judge(facts: &ServerFacts, wanted: Option<Durability>, before: Durability) -> (Verdict, String) {
    if let Some(level) = wanted {
        return match facts.proof(level) {
            Ok(_) => (Verdict::Fit, String::new()),
            // What is stored is stored: to run it makes nothing worse, and its producers wait.
            Err(QueueError::TooFewReplicas(text)) => (Verdict::Worse, text),
            Err(QueueError::Unsuitable(text)) => (Verdict::Unfit, text),
            Err(error) => (Verdict::Unfit, error.to_string()),
        };
    }
    if facts.durability < before {
        let now = facts.durability;
        let text = format!(
            "the server kept what it accepted at the level {before}, and now only at {now}"
        );
        return (Verdict::Worse, text);
    }
    (Verdict::Fit, String::new())
}

impl Shared {
    /// Notes what the last look at the server's settings came to.
    fn note_fitness(&self, alarm: bool, unfit: bool) {
        self.alarm.store(alarm, Relaxed);
        if self.unfit.swap(unfit, Relaxed) && !unfit {
            self.fit_again.notify_one();
        }
    }

    /// Whether nothing may be leased from the server as it is.
    pub(super) fn unfit(&self) -> bool {
        self.unfit.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(aof: &str, fsync: &str) -> ServerFacts {
        let info = format!("redis_version:7.2.0\r\nrole:master\r\naof_enabled:{aof}\r\n");
        ServerFacts::read(&info, Some(fsync)).unwrap()
    }

    fn verdict(facts: &ServerFacts, wanted: Option<Durability>, before: Durability) -> Verdict {
        judge(facts, wanted, before).0
    }

    #[test]
    fn a_server_is_held_to_the_level_that_was_asked_for() {
        let off = facts("0", "always");
        let wanted = Some(Durability::Process);
        assert!(verdict(&off, wanted, Durability::Memory) == Verdict::Unfit);
        assert!(verdict(&facts("1", "no"), wanted, Durability::Disk) == Verdict::Fit);
        assert!(verdict(&off, Some(Durability::Memory), Durability::Disk) == Verdict::Fit);
    }

    #[test]
    fn replicas_that_are_away_keep_nothing_from_being_run() {
        let alone = facts("1", "always");
        let wanted = Some(Durability::Replica(1));
        assert!(verdict(&alone, wanted, Durability::Disk) == Verdict::Worse);
    }

    #[test]
    fn without_a_level_a_server_is_held_to_what_it_kept_at_the_start() {
        assert!(verdict(&facts("0", "always"), None, Durability::Process) == Verdict::Worse);
        assert!(verdict(&facts("1", "everysec"), None, Durability::Disk) == Verdict::Worse);
        assert!(verdict(&facts("1", "always"), None, Durability::Process) == Verdict::Fit);
    }
}
