//! What the tasks of a feed share, and its face towards the worker.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::clock::{Clock, SystemClock};
use crate::queue::{Durability, Engine, Lane, QueueError, Source, Token};

use super::job::{Cause, LeasedJob};
use super::lane::FeedLane;
use super::report::{Pending, Report};
use super::watchdog::{self, Signs};

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

/// What has happened since the worker last looked.
#[derive(Default)]
pub struct News {
    /// Jobs to run.
    pub jobs: Vec<Arc<LeasedJob>>,
    /// Jobs to stop, and why.
    pub cancelled: Vec<(Arc<LeasedJob>, Cause)>,
    /// Words for the log and for the supervisor.
    pub notices: Vec<String>,
}

/// What a closing feed left behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloseReport {
    /// Jobs given back unharmed.
    pub released: usize,
    /// Outcomes that could not be written in time; their jobs run again when the lease has run out.
    pub unwritten: usize,
}

/// How far a feed has come in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Leasing,
    Stopping,
    Closed,
}

/// How long a worker may leave news untaken before it gets no more jobs: its loop stands still.
const UNHEARD: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) free: usize,
    news: News,
    /// When the oldest of the news came that the worker has not taken yet.
    news_since: Option<Instant>,
    pub(super) held: HashMap<(usize, Token), Arc<LeasedJob>>,
    pub(super) outbox: Vec<Pending>,
    pub(super) writing: usize,
    /// Leases whose end is being written, or has been in this round.
    pub(super) in_writing: HashSet<(usize, Token)>,
    /// Changes that the queue has refused, each by itself.
    pub(super) aside: VecDeque<Pending>,
    pub(super) rules: Option<HashSet<(String, u32)>>,
}

impl Inner {
    /// The news, to add to.
    fn more_news(&mut self) -> &mut News {
        self.news_since.get_or_insert_with(Instant::now);
        &mut self.news
    }

    /// Notes which changes are being written from now on.
    pub(super) fn start_writing(&mut self, changes: &[Pending]) {
        self.writing = changes.len();
        self.in_writing = changes
            .iter()
            .map(|pending| (pending.lane, pending.change.token()))
            .collect();
    }

    /// Notes that nothing is being written.
    pub(super) fn end_writing(&mut self) {
        self.writing = 0;
        self.in_writing.clear();
    }

    /// How many changes have not been written.
    pub(super) fn unwritten(&self) -> usize {
        self.outbox.len() + self.writing + self.aside.len()
    }

    /// Whether the worker has not taken its news for so long that it would not begin any further job soon.
    pub(super) fn stands_still(&self) -> bool {
        self.news_since.is_some_and(|at| at.elapsed() >= UNHEARD)
    }
}

pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) options: FeedOptions,
    pub(super) lanes: Vec<FeedLane>,
    inner: Mutex<Inner>,
    random: Mutex<fastrand::Rng>,
    tell: Box<dyn Fn() + Send + Sync>,
    pub(super) room: Notify,
    pub(super) woken: Notify,
    pub(super) outcomes: Notify,
    pub(super) quiet: Notify,
    pub(super) rules_changed: Notify,
    pub(super) listen_again: Notify,
    pub(super) settled: AtomicBool,
    stage: watch::Sender<Stage>,
    healthy: AtomicBool,
    pub(super) unfit: AtomicBool,
    pub(super) alarm: AtomicBool,
    pub(super) fit_again: Notify,
    signs: Mutex<Signs>,
}

impl Shared {
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with_random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stage.borrow() >= Stage::Stopping
    }

    pub(super) fn closed(&self) -> bool {
        *self.stage.borrow() >= Stage::Closed
    }

    fn reach(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let later = stage > *now;
            *now = stage.max(*now);
            later
        });
    }

    /// Waits until nothing more is to be leased.
    pub(super) async fn until_stopping(&self) {
        self.until(Stage::Stopping).await;
    }

    /// Waits until the feed has ended.
    pub(super) async fn until_closed(&self) {
        self.until(Stage::Closed).await;
    }

    async fn until(&self, stage: Stage) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.stage.subscribe().wait_for(|now| *now >= stage).await;
    }

    /// Puts a change into the outbox.
    pub(super) fn put(&self, pending: Pending) {
        self.inner().outbox.push(pending);
        self.outcomes.notify_one();
    }

    /// Hands jobs to the worker; their slots were taken when they were asked for.
    pub(super) fn hand_out(&self, jobs: Vec<Arc<LeasedJob>>) {
        if jobs.is_empty() {
            return;
        }
        {
            let mut inner = self.inner();
            inner.free = inner.free.saturating_sub(jobs.len());
            for job in &jobs {
                inner.held.insert((job.lane, job.token), Arc::clone(job));
            }
            inner.more_news().jobs.extend(jobs);
        }
        (self.tell)();
    }

    /// Tells the worker to stop a job.
    pub(super) fn tell_to_stop(&self, job: Arc<LeasedJob>, cause: Cause) {
        self.inner().more_news().cancelled.push((job, cause));
        (self.tell)();
    }

    pub(super) fn notice(&self, text: impl Into<String>) {
        let text = text.into();
        {
            let mut inner = self.inner();
            if inner.news.notices.contains(&text) {
                return;
            }
            inner.more_news().notices.push(text);
        }
        (self.tell)();
    }

    pub(super) fn free_slot(&self, job: &LeasedJob) {
        if job.free_slot() {
            let mut inner = self.inner();
            inner.free += 1;
            inner.held.remove(&(job.lane, job.token));
            drop(inner);
            self.room.notify_one();
            self.listen_again.notify_one();
            self.quiet.notify_waiters();
        }
    }

    /// Notes whether the queue answers, and says so when that changes.
    pub(super) fn note_health(&self, result: Result<(), &QueueError>) {
        match result {
            Ok(()) => {
                if !self.healthy.swap(true, Relaxed) {
                    self.notice("queue_up");
                }
            }
            Err(error) => {
                let word = match error {
                    QueueError::Refused(_) => "queue_refused",
                    QueueError::Unsuitable(_) | QueueError::Elsewhere(_) => "queue_unsuitable",
                    _ => "queue_down",
                };
                if self.healthy.swap(false, Relaxed) || word != "queue_down" {
                    self.notice(format!("{word}: {error}"));
                }
            }
        }
    }
}

/// The time that a worker writes down, in ms.
pub(super) fn now_ms() -> i64 {
    SystemClock.now_ms()
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
        let lanes = options
            .lanes
            .iter()
            .map(|lane| FeedLane::new(lane.clone(), options.lease_duration))
            .collect();
        let shared = Arc::new(Shared {
            engine,
            lanes,
            inner: Mutex::new(Inner {
                free: options.slots,
                ..Inner::default()
            }),
            random: Mutex::new(fastrand::Rng::new()),
            tell,
            room: Notify::new(),
            woken: Notify::new(),
            outcomes: Notify::new(),
            quiet: Notify::new(),
            rules_changed: Notify::new(),
            listen_again: Notify::new(),
            settled: AtomicBool::new(false),
            stage: watch::Sender::new(Stage::Leasing),
            healthy: AtomicBool::new(true),
            unfit: AtomicBool::new(false),
            alarm: AtomicBool::new(false),
            fit_again: Notify::new(),
            signs: Mutex::default(),
            options,
        });
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
                super::lease::listen(Arc::clone(&shared), lanes),
            );
        }
        // One for each lane: what is stuck keeps no other lease from being renewed.
        for place in 0..shared.lanes.len() {
            watchdog::guard(
                &shared,
                runtime,
                "beat",
                super::beat::run(Arc::clone(&shared), place),
            );
        }
        watchdog::guard(
            &shared,
            runtime,
            "outcome",
            super::outcome::run(Arc::clone(&shared)),
        );
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
        let mut inner = self.shared.inner();
        let stood_still = inner.stands_still();
        inner.news_since = None;
        let news = std::mem::take(&mut inner.news);
        drop(inner);
        if stood_still {
            self.shared.room.notify_one();
        }
        news
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
        self.shared
            .options
            .slots
            .saturating_sub(self.shared.inner().free)
    }

    /// Whether the queue answered when it was last asked.
    pub fn healthy(&self) -> bool {
        self.shared.healthy.load(Relaxed)
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
                    if inner.free >= shared.options.slots && inner.unwritten() == 0 {
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
            let deadline = Instant::now() + limit;
            // The lease task may just have asked for jobs; its answer must not be left behind.
            let _ = timeout_at(deadline, super::lease::settle(&shared)).await;
            let held: Vec<_> = shared.inner().held.values().cloned().collect();
            let mut released = 0;
            for job in held {
                if shared.release_stale(&job) {
                    released += 1;
                }
            }
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
            for lane in &shared.lanes {
                let (incarnation, joined) = {
                    let identity = lane.identity();
                    (identity.incarnation.clone(), identity.joined)
                };
                if joined {
                    // One that still holds jobs, or that cannot be reached, is reclaimed when its lease has run out.
                    let _ =
                        timeout_at(deadline, shared.engine.leave(&lane.lane, &incarnation)).await;
                }
            }
            CloseReport {
                released,
                unwritten,
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.reach(Stage::Closed);
    }
}
