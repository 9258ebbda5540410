//! What the tasks of a feed share.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::clock::{Clock, SystemClock};
use crate::queue::{Engine, QueueError, Token};

use super::face::FeedOptions;
use super::job::{Cause, LeasedJob};
use super::lane::FeedLane;
use super::outbox::Outbox;
use super::report::Pending;
use super::watchdog::Signs;

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

/// How far a feed has come in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Leasing,
    Stopping,
    Closed,
}

/// How long a worker may leave news untaken before it gets no more jobs: its loop stands still.
const UNHEARD: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Inner {
    news: News,
    /// When the oldest of the news came that the worker has not taken yet.
    news_since: Option<Instant>,
    /// What holds a slot each, until the worker has reported.
    pub(super) held: HashMap<(usize, Token), Arc<LeasedJob>>,
    /// By the place of their lane.
    pub(super) outboxes: Vec<Outbox>,
    pub(super) rules: Option<HashSet<(String, u32)>>,
}

impl Inner {
    /// The news, to add to.
    fn more_news(&mut self) -> &mut News {
        self.news_since.get_or_insert_with(Instant::now);
        &mut self.news
    }

    /// How many changes have not been written.
    pub(super) fn unwritten(&self) -> usize {
        self.outboxes.iter().map(Outbox::unwritten).sum()
    }

    /// How many changes still hold slots against a lane: its own, and what other lanes will soon have written. What
    /// another lane cannot write keeps back only that lane.
    pub(super) fn in_the_way(&self, place: usize) -> usize {
        let of_lanes = self.outboxes.iter().enumerate().map(|(other, outbox)| {
            if other == place {
                outbox.unwritten()
            } else {
                outbox.soon_written()
            }
        });
        of_lanes.sum()
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
    pub(super) fn new(
        engine: Arc<Engine>,
        options: FeedOptions,
        tell: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let lanes: Vec<FeedLane> = options
            .lanes
            .iter()
            .map(|lane| FeedLane::new(lane.clone(), options.lease_duration))
            .collect();
        Self {
            engine,
            inner: Mutex::new(Inner {
                outboxes: lanes.iter().map(|_| Outbox::default()).collect(),
                ..Inner::default()
            }),
            lanes,
            random: Mutex::new(fastrand::Rng::new()),
            tell,
            room: Notify::new(),
            woken: Notify::new(),
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
        }
    }

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

    pub(super) fn reach(&self, stage: Stage) {
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

    /// Puts a change into the outbox of its lane.
    pub(super) fn put(&self, pending: Pending) {
        let lane = pending.lane;
        self.inner().outboxes[lane].put(pending);
        self.lanes[lane].outcomes.notify_one();
    }

    /// How many slots can be filled.
    pub(super) fn room(&self, inner: &Inner) -> usize {
        if self.stopping() || inner.stands_still() {
            0
        } else {
            self.options.slots.saturating_sub(inner.held.len())
        }
    }

    /// Hands jobs to the worker, as many as there is room for; returns the others. An answer that comes late, or once
    /// more, may have more of them.
    pub(super) fn hand_out(&self, mut jobs: Vec<Arc<LeasedJob>>) -> Vec<Arc<LeasedJob>> {
        let others = {
            let mut inner = self.inner();
            let others = jobs.split_off(self.room(&inner).min(jobs.len()));
            if jobs.is_empty() {
                return others;
            }
            for job in &jobs {
                inner.held.insert((job.lane, job.token), Arc::clone(job));
            }
            inner.more_news().jobs.extend(jobs);
            others
        };
        (self.tell)();
        others
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

    /// Takes all news.
    pub(super) fn take_news(&self) -> News {
        let mut inner = self.inner();
        let stood_still = inner.stands_still();
        inner.news_since = None;
        let news = std::mem::take(&mut inner.news);
        drop(inner);
        if stood_still {
            self.room.notify_one();
        }
        news
    }

    pub(super) fn free_slot(&self, job: &LeasedJob) {
        if job.free_slot() {
            self.inner().held.remove(&(job.lane, job.token));
            self.room.notify_one();
            self.listen_again.notify_one();
            self.quiet.notify_waiters();
        }
    }

    /// Whether the queue answered when it was last asked.
    pub(super) fn healthy(&self) -> bool {
        self.healthy.load(Relaxed)
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
                    QueueError::Unsuitable(_)
                    | QueueError::Elsewhere(_)
                    | QueueError::Resharded { .. } => "queue_unsuitable",
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
