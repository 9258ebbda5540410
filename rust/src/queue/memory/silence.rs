//! Steps of a lane that find no answer, for tests of what must go on meanwhile.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::MemoryQueue;
use crate::queue::{Lane, QueueError};

/// The steps without an answer, by lane and name, and how long each is waited for.
pub(super) type Silence = watch::Sender<HashMap<(Lane, &'static str), Duration>>;

impl MemoryQueue {
    /// Leaves these steps of a lane without an answer from now on, and only these; none is done.
    pub fn silence(&self, lane: &Lane, steps: &[&'static str], limit: Duration) {
        self.silence.send_modify(|silent| {
            silent.retain(|(of_it, _), _| of_it != lane);
            silent.extend(steps.iter().map(|step| ((lane.clone(), *step), limit)));
        });
    }

    /// Waits until the answer of a step that was done finds its way: that of `turn`, say, as the step `turn answer`.
    ///
    /// # Errors
    ///
    /// `Unconfirmed` where that takes too long.
    pub async fn answered(&self, lane: &Lane, answer: &'static str) -> Result<(), QueueError> {
        let heard = self.heard(lane, answer).await;
        heard.map_err(|_| QueueError::Unconfirmed("silence".to_owned()))
    }

    /// Whether somebody waits for a step that finds no answer.
    pub fn is_waited_for(&self) -> bool {
        self.silence.receiver_count() > 0
    }

    /// Waits until a step of a lane is one that finds an answer.
    ///
    /// # Errors
    ///
    /// `Unavailable` where that takes too long.
    pub async fn heard(&self, lane: &Lane, step: &'static str) -> Result<(), QueueError> {
        let key = (lane.clone(), step);
        let Some(limit) = self.silence.borrow().get(&key).copied() else {
            return Ok(());
        };
        let mut silent = self.silence.subscribe();
        let heard = silent.wait_for(|silent| !silent.contains_key(&key));
        match timeout(limit, heard).await {
            Ok(_) => Ok(()),
            Err(_) => Err(QueueError::Unavailable("silence".to_owned())),
        }
    }
}
