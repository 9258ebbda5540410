//! The face of a feed towards its worker.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::queue::{Durability, Engine, Lane, Source};

use super::job::LeasedJob;
use super::lane::FeedLane;
use super::report::Report;
use super::shared::{News, Shared, Stage, now_ms};
use super::watchdog;

/// How a feed serves its worker.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// Queues and shards to serve.
    pub lanes: Vec<Lane>,
    /// Jobs in flight at most.
    pub slots: usize,
    /// How long a lease lasts unrenewed.
    pub lease_duration: Duration,
    /// Longest that an attempt may take.
    pub job_timeout: Duration,
    /// How long a stopping process may need to be gone.
    pub shutdown_timeout: Duration,
    /// Longest that an idle feed waits before it looks again.
    pub poll_interval: Duration,
    /// Longest that a job of unknown age is parked.
    pub max_age: Duration,
    /// Action types that this worker runs.
    pub known_actions: HashSet<String>,
    /// Who the worker is, as JSON, for those who look.
    pub info: String,
    /// Who the worker is, in a job's history.
    pub worker: String,
    /// The pending jobs, or the suspects.
    pub source: Source,
    /// How durable the server must keep jobs; nothing is leased while it keeps less.
    pub durability: Option<Durability>,
}

/// What a closing feed left behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloseReport {
    /// Jobs given back unharmed.
    pub released: usize,
    /// Outcomes that could not be written in time; their jobs run again when the lease has run out.
    pub unwritten: usize,
}

/// The feed of one worker process.
pub struct Feed {
    pub(super) shared: Arc<Shared>,
    runtime: Handle,
}

impl Feed {
    /// Starts to lease. `tell` is called from the core's threads whenever there is news; it must not wait.
    pub fn start(
        engine: Arc<Engine>,
        options: FeedOptions,
        runtime: &Handle,
        tell: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let shared = Arc::new(Shared::new(engine, options, tell));
        watchdog::guard(
            &shared,
            runtime,
            "lease",
            super::lease::run(Arc::clone(&shared)),
        );
        for lanes in shared.engine.wait_groups(&shared.options.lanes) {
            watchdog::guard(
                &shared,
                runtime,
                "listen",
                super::listen::run(Arc::clone(&shared), lanes),
            );
        }
        // Of these one for each lane: what is stuck keeps no other lease from being renewed, and no other outcome from
        // being written.
        for place in 0..shared.lanes.len() {
            watchdog::guard(
                &shared,
                runtime,
                "beat",
                super::beat::run(Arc::clone(&shared), place),
            );
            watchdog::guard(
                &shared,
                runtime,
                "look",
                super::beat::look(Arc::clone(&shared), place),
            );
            watchdog::guard(
                &shared,
                runtime,
                "outcome",
                super::outcome::run(Arc::clone(&shared), place),
            );
        }
        watchdog::guard(
            &shared,
            runtime,
            "watch",
            super::watch::run(Arc::clone(&shared)),
        );
        watchdog::guard(
            &shared,
            runtime,
            "fitness",
            super::fitness::run(Arc::clone(&shared)),
        );
        watchdog::guard(
            &shared,
            runtime,
            "tend",
            super::tend::run(Arc::clone(&shared)),
        );
        watchdog::guard(
            &shared,
            runtime,
            "audit",
            super::audit::run(Arc::clone(&shared)),
        );
        watchdog::guard(
            &shared,
            runtime,
            "watchdog",
            watchdog::run(Arc::clone(&shared)),
        );
        Self {
            shared,
            runtime: runtime.clone(),
        }
    }

    /// Takes all news.
    pub fn take(&self) -> News {
        self.shared.take_news()
    }

    /// Asks whether a job's side effect may start now; false where the lease is too old or the job must not run any more.
    pub fn begin(&self, job: &Arc<LeasedJob>, threaded: bool, keep: bool) -> bool {
        self.shared.lanes[job.lane].may_start(&job.incarnation)
            && job.begin(now_ms(), threaded, keep)
    }

    /// Reports how a job ended. The first report of a job decides it; each frees the slot.
    pub fn report(&self, job: &Arc<LeasedJob>, report: Report) {
        self.shared.report(job, report);
    }

    /// Names the rules that the worker knows; parked jobs of theirs come back.
    pub fn set_rules(&self, rules: HashSet<(String, u32)>) {
        self.shared.inner().rules = Some(rules);
        self.shared.rules_changed.notify_one();
    }

    /// Leases nothing more.
    pub fn stop_leasing(&self) {
        self.shared.reach(Stage::Stopping);
    }

    /// Slots taken.
    pub fn slots_taken(&self) -> usize {
        self.shared.inner().held.len()
    }

    /// Whether the queue answered when it was last asked.
    pub fn healthy(&self) -> bool {
        self.shared.healthy()
    }

    /// Whether the server keeps less than it must, or than it did at the start.
    pub fn server_unfit(&self) -> bool {
        self.shared.alarm.load(Relaxed)
    }

    /// How long ago the oldest lease was renewed; nothing before the first.
    pub fn lease_age(&self) -> Option<Duration> {
        self.shared.lanes.iter().filter_map(FeedLane::age).max()
    }

    /// The runtime that the feed runs on.
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Waits until no slot is taken and every outcome is written.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move {
            loop {
                let changed = shared.quiet.notified();
                {
                    let inner = shared.inner();
                    if inner.held.is_empty() && inner.unwritten() == 0 {
                        return;
                    }
                }
                changed.await;
            }
        }
    }

    /// Ends the feed: gives back what was not begun, writes what is to be written within `limit`, and leaves.
    pub fn close(&self, limit: Duration) -> impl Future<Output = CloseReport> + Send + 'static {
        self.stop_leasing();
        let shared = Arc::clone(&self.shared);
        async move {
            let now = Instant::now();
            let deadline = now + limit;
            let held: Vec<_> = shared.inner().held.values().cloned().collect();
            let mut released = 0;
            for job in held {
                if shared.release_stale(&job) {
                    released += 1;
                }
            }
            // The lease task may just have asked for jobs; its answer must not be left behind. What it brings is given
            // back, and half of the time stays for that and for what else is unwritten.
            let _ = timeout_at(now + limit / 2, super::lease::settle(&shared)).await;
            loop {
                let changed = shared.quiet.notified();
                {
                    let inner = shared.inner();
                    if inner.unwritten() == 0 {
                        break;
                    }
                }
                if timeout_at(deadline, changed).await.is_err() {
                    break;
                }
            }
            shared.reach(Stage::Closed);
            let unwritten = {
                let inner = shared.inner();
                inner.unwritten()
            };
            let mut leaving = JoinSet::new();
            for place in 0..shared.lanes.len() {
                leaving.spawn(leave(Arc::clone(&shared), place));
            }
            // One that still holds jobs, or that cannot be reached, is reclaimed when its lease has run out.
            let all_left = async { while leaving.join_next().await.is_some() {} };
            let _ = timeout_at(deadline, all_left).await;
            CloseReport {
                released,
                unwritten,
            }
        }
    }
}

/// Gives up the lease of a lane.
async fn leave(shared: Arc<Shared>, place: usize) {
    let lane = &shared.lanes[place];
    let (incarnation, joined) = {
        let identity = lane.identity();
        (identity.incarnation.clone(), identity.joined)
    };
    if joined {
        let _ = shared.engine.leave(&lane.lane, &incarnation).await;
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.reach(Stage::Closed);
    }
}
