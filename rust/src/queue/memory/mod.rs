//! The queue in this process: the same steps as the scripts take, under one lock, gone with the process.

mod erase;
mod lane;
mod lease;
mod list;
mod operate;
mod ranked;
#[cfg(test)]
mod silence;
mod store;
#[cfg(test)]
mod tests;
mod work;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use self::lane::{LaneState, MAX_TOKENS};
use super::{Lane, LaneOptions, QueueError};
use crate::clock::Clock;

/// Longest that one wait for a wake token lasts, as at the server.
const WAIT: Duration = Duration::from_secs(20);

/// A queue in memory. Its steps do not wait for anything but each other.
pub struct MemoryQueue {
    options: LaneOptions,
    clock: Arc<dyn Clock>,
    lanes: Mutex<HashMap<Lane, LaneState>>,
    run_id: AtomicU64,
    woken: Notify,
    own_clock: bool,
    #[cfg(test)]
    silence: silence::Silence,
}

impl MemoryQueue {
    /// An empty queue under a clock.
    pub fn new(options: LaneOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            options,
            clock,
            lanes: Mutex::default(),
            run_id: AtomicU64::new(1),
            woken: Notify::new(),
            own_clock: false,
            #[cfg(test)]
            silence: silence::Silence::default(),
        }
    }

    /// The same queue, but its clock counts as one that may jump by itself, as a server's may: for tests.
    #[must_use]
    pub fn with_own_clock(self) -> Self {
        Self {
            own_clock: true,
            ..self
        }
    }

    /// Whether its clock may jump by itself.
    pub const fn has_own_clock(&self) -> bool {
        self.own_clock
    }

    /// The bounds that this queue keeps.
    pub const fn options(&self) -> &LaneOptions {
        &self.options
    }

    /// Makes the lane, and notices a restart since it was last opened.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn open(&self, lane: &Lane) -> Result<(), QueueError> {
        self.step(lane, |state, now_ms| {
            state.held_back(now_ms, self.run_id(), self.options.lease_duration_ms);
        });
        Ok(())
    }

    /// Does what a restart of a server does: the next look at leases holds back for one lease.
    pub fn restart(&self) {
        self.run_id.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until there may be work on one of the lanes: at most 20 seconds. Says whether there was a token.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub async fn wait_for_wake(&self, lanes: &[Lane]) -> Result<bool, QueueError> {
        let token = async {
            loop {
                let woken = self.woken.notified();
                tokio::pin!(woken);
                // Registered before the look, so that a token that comes in between is not missed.
                woken.as_mut().enable();
                if self.take_token(lanes) {
                    return;
                }
                woken.await;
            }
        };
        Ok(tokio::time::timeout(WAIT, token).await.is_ok())
    }

    /// Wakes one idle worker of a lane, when this one stops watching.
    ///
    /// # Errors
    ///
    /// None; the server's queue has them.
    pub fn pass_on_wake(&self, lane: &Lane) -> Result<(), QueueError> {
        self.step(lane, |state, _| {
            state.tokens = (state.tokens + 1).min(MAX_TOKENS);
        });
        Ok(())
    }

    fn take_token(&self, lanes: &[Lane]) -> bool {
        let mut states = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in lanes {
            if let Some(state) = states.get_mut(lane)
                && state.tokens > 0
            {
                state.tokens -= 1;
                return true;
            }
        }
        false
    }

    fn run_id(&self) -> u64 {
        self.run_id.load(Ordering::SeqCst)
    }

    /// Runs one step of a lane, whole, at one point in time.
    fn step<T>(&self, lane: &Lane, change: impl FnOnce(&mut LaneState, i64) -> T) -> T {
        let mut states = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.clock.now_ms();
        let state = states
            .entry(lane.clone())
            .or_insert_with(|| LaneState::opened(now_ms, self.run_id()));
        let tokens = state.tokens;
        let out = change(state, now_ms);
        let more = state.tokens > tokens;
        drop(states);
        if more {
            self.woken.notify_waiters();
        }
        out
    }
}
