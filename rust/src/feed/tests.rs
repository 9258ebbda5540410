//! The feed on the queue in memory: what a worker sees and what becomes of the jobs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Cause, Feed, FeedOptions, LeasedJob, News, Report};
use crate::backoff::{BackoffStrategy, Jitter};
use crate::clock::{Clock, ManualClock};
use crate::job::{JobTemplate, RetryPolicy};
use crate::metrics::AttemptFailure;
use crate::policy::AttemptFailed;
use crate::queue::{
    Due, Ending, Engine, Incarnation, Lane, LaneOptions, MemoryQueue, NewJob, Place, Priority,
    Source, Stats,
};

mod lanes;

const EVENT: &[u8] = br#"{"id":"00112233-4455-6677-8899-aabbccddeeff","data":{}}"#;

struct Rig {
    runtime: Runtime,
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    lane: Lane,
    rung: Arc<Notify>,
    /// What the feed has told and no test has asked for yet.
    news: Mutex<News>,
}

impl Rig {
    fn new() -> Self {
        Self::with(|queue| queue)
    }

    fn with(change: impl FnOnce(MemoryQueue) -> MemoryQueue) -> Self {
        let clock = Arc::new(ManualClock::at(1_800_000_000_000));
        let options = LaneOptions {
            shards: 1,
            max_pending: 0,
            dedupe_window_ms: 3_600_000,
            completed_retention_max: 100,
            completed_retention_ms: 3_600_000,
            dead_letter_max: 100,
            max_crashes: 3,
            batch_size: 100,
            lease_duration_ms: 30_000,
        };
        let queue = change(MemoryQueue::new(
            options,
            Arc::clone(&clock) as Arc<dyn Clock>,
        ));
        Self {
            runtime: Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            engine: Arc::new(Engine::Memory(queue)),
            clock,
            lane: Lane {
                queue: "default".to_owned(),
                shard: 0,
            },
            rung: Arc::new(Notify::new()),
            news: Mutex::default(),
        }
    }

    fn feed(&self, change: impl FnOnce(&mut FeedOptions)) -> Feed {
        let rung = Arc::clone(&self.rung);
        self.feed_that_tells(Box::new(move || rung.notify_one()), change)
    }

    fn feed_that_tells(
        &self,
        tell: Box<dyn Fn() + Send + Sync>,
        change: impl FnOnce(&mut FeedOptions),
    ) -> Feed {
        let mut options = FeedOptions {
            lanes: vec![self.lane.clone()],
            slots: 4,
            lease_duration: Duration::from_secs(30),
            job_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(25),
            poll_interval: Duration::from_millis(20),
            max_age: Duration::from_secs(3600),
            known_actions: HashSet::from(["function".to_owned()]),
            info: "{}".to_owned(),
            worker: "test:1".to_owned(),
            source: Source::Pending,
            durability: None,
        };
        change(&mut options);
        Feed::start(
            Arc::clone(&self.engine),
            options,
            self.runtime.handle(),
            tell,
        )
    }

    fn enqueue(&self, action: &str, count: u128) -> Vec<Uuid> {
        self.enqueue_into(&self.lane, action, count)
    }

    fn enqueue_into(&self, lane: &Lane, action: &str, count: u128) -> Vec<Uuid> {
        let retry = RetryPolicy {
            max_attempts: 2,
            backoff_strategy: BackoffStrategy::Fixed,
            initial_delay_ms: 100,
            max_delay_ms: 100,
            jitter: Jitter::None,
        };
        let template = JobTemplate::new(
            "rule",
            0,
            action,
            "default",
            Priority::Default,
            &retry,
            60_000,
        );
        let now_ms = self.clock.now_ms();
        let jobs: Vec<NewJob> = (0..count)
            .map(|number| template.job(Uuid::from_u128(number), EVENT, now_ms, Due::Now, None))
            .collect();
        self.runtime
            .block_on(self.engine.enqueue(lane, &jobs))
            .unwrap();
        jobs.iter().map(|job| job.member.id()).collect()
    }

    /// Waits for news of which `wanted` takes something; the rest is kept.
    fn await_news<T>(&self, feed: &Feed, mut wanted: impl FnMut(&mut News) -> Option<T>) -> T {
        self.runtime.block_on(async {
            timeout(Duration::from_secs(10), async {
                loop {
                    let fresh = feed.take();
                    let found = {
                        let mut news = self.news.lock().unwrap();
                        news.jobs.extend(fresh.jobs);
                        news.cancelled.extend(fresh.cancelled);
                        news.notices.extend(fresh.notices);
                        wanted(&mut news)
                    };
                    if let Some(found) = found {
                        return found;
                    }
                    self.rung.notified().await;
                }
            })
            .await
            .expect("the feed has news within ten seconds")
        })
    }

    fn next_job(&self, feed: &Feed) -> Arc<LeasedJob> {
        self.await_news(feed, |news| news.jobs.pop())
    }

    fn await_drained(&self, feed: &Feed) {
        self.runtime
            .block_on(async { timeout(Duration::from_secs(10), feed.drained()).await })
            .expect("the feed drains within ten seconds");
    }

    fn stats(&self) -> Stats {
        self.runtime
            .block_on(self.engine.stats(&self.lane))
            .unwrap()
    }

    fn await_running(&self, jobs: u64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.stats().running != jobs {
            assert!(Instant::now() < deadline, "{:?}", self.stats());
            std::thread::yield_now();
        }
    }

    /// Lets time pass, where that is the condition itself.
    fn await_time(&self, time: Duration) {
        self.runtime
            .block_on(async { tokio::time::sleep(time).await });
    }

    fn await_place(&self, id: Uuid, place: &Place) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.place(id) != *place {
            assert!(
                Instant::now() < deadline,
                "{id} is still {:?}",
                self.place(id)
            );
            std::thread::yield_now();
        }
    }

    fn await_counter(&self, name: &str, count: i64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.stats().counters.contains(&(name.to_owned(), count)) {
            assert!(Instant::now() < deadline, "{name} never became {count}");
            std::thread::yield_now();
        }
    }

    fn place(&self, id: Uuid) -> Place {
        self.runtime
            .block_on(self.engine.find(&self.lane, id))
            .unwrap()
            .place
    }
}

fn failed(kind: AttemptFailure) -> Report {
    Report::Failed(AttemptFailed::new(kind, "no".to_owned()))
}

#[test]
fn every_job_is_leased_once_and_acked() {
    let rig = Rig::new();
    let ids: HashSet<Uuid> = rig.enqueue("function", 50).into_iter().collect();
    let feed = rig.feed(|_| {});
    let mut seen = HashSet::new();
    while seen.len() < ids.len() {
        let jobs = rig.await_news(&feed, |news| {
            let jobs = std::mem::take(&mut news.jobs);
            (!jobs.is_empty()).then_some(jobs)
        });
        assert!(feed.slots_taken() <= 4);
        for job in jobs {
            assert!(feed.begin(&job, false, true));
            assert!(seen.insert(job.job.id));
            feed.report(&job, Report::Succeeded { status_code: None });
        }
    }
    rig.await_drained(&feed);
    assert_eq!(seen, ids);
    let stats = rig.stats();
    assert_eq!((stats.pending, stats.running), (0, 0));
    assert!(stats.counters.contains(&("completed".to_owned(), 50)));
}

#[test]
fn a_failed_attempt_is_tried_again_and_the_last_one_buries_the_job() {
    let rig = Rig::new();
    let id = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|_| {});
    let job = rig.next_job(&feed);
    assert!(feed.begin(&job, false, true));
    feed.report(&job, failed(AttemptFailure::Transient));
    rig.await_drained(&feed);
    assert_eq!(rig.place(id), Place::Scheduled(rig.clock.now_ms() + 100));
    rig.clock.advance(100);
    let job = rig.next_job(&feed);
    assert_eq!(job.attempt, 2);
    assert!(feed.begin(&job, false, true));
    feed.report(&job, failed(AttemptFailure::Transient));
    rig.await_drained(&feed);
    assert_eq!(rig.place(id), Place::Dead(rig.clock.now_ms()));
}

#[test]
fn an_attempt_that_takes_too_long_is_over_and_a_late_report_only_frees_its_slot() {
    let rig = Rig::new();
    let id = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|options| options.job_timeout = Duration::from_millis(50));
    let job = rig.next_job(&feed);
    assert!(feed.begin(&job, false, true));
    let (stopped, cause) = rig.await_news(&feed, |news| news.cancelled.pop());
    assert_eq!((stopped.job.id, cause), (id, Cause::Timeout));
    assert_eq!(feed.slots_taken(), 1);
    feed.report(&job, Report::Succeeded { status_code: None });
    assert_eq!(feed.slots_taken(), 0);
    rig.await_drained(&feed);
    assert_eq!(rig.place(id), Place::Scheduled(rig.clock.now_ms() + 100));
}

#[test]
fn a_thread_that_overruns_delays_the_retry_until_its_process_is_gone() {
    let rig = Rig::new();
    let id = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|options| options.job_timeout = Duration::from_millis(50));
    let job = rig.next_job(&feed);
    assert!(feed.begin(&job, true, true));
    rig.await_news(&feed, |news| news.cancelled.pop());
    feed.report(&job, Report::Released);
    rig.await_drained(&feed);
    assert_eq!(rig.place(id), Place::Scheduled(rig.clock.now_ms() + 30_000));
}

#[test]
fn a_last_attempt_that_takes_too_long_is_not_kept_where_the_observer_keeps_nothing() {
    let rig = Rig::new();
    let id = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|options| options.job_timeout = Duration::from_millis(50));
    for _ in 0..2 {
        let job = rig.next_job(&feed);
        assert!(feed.begin(&job, false, false));
        rig.await_news(&feed, |news| news.cancelled.pop());
        feed.report(&job, Report::Released);
        rig.await_drained(&feed);
        rig.clock.advance(100);
    }
    assert_eq!(rig.place(id), Place::Ended(Ending::Logged));
}

#[test]
fn a_worker_whose_lease_was_reclaimed_hears_of_it_and_goes_on_under_a_new_one() {
    let rig = Rig::new();
    let id = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|options| options.lease_duration = Duration::from_secs(3));
    let job = rig.next_job(&feed);
    assert!(feed.begin(&job, false, true));
    rig.clock.advance(31_000);
    let failure = b"{}";
    let done = rig
        .runtime
        .block_on(rig.engine.reclaim(&rig.lane, &job.incarnation, failure))
        .unwrap();
    assert_eq!(done.moved, 1);
    let (stopped, cause) = rig.await_news(&feed, |news| news.cancelled.pop());
    assert_eq!((stopped.job.id, cause), (id, Cause::LeaseLost));
    feed.report(&job, Report::Succeeded { status_code: None });
    let again = rig.next_job(&feed);
    assert_eq!((again.job.id, again.attempt), (id, 1));
    assert_ne!(again.incarnation, job.incarnation);
    // Whoever keeps both must be able to tell them apart.
    assert_ne!(again.token, job.token);
    assert!(feed.begin(&again, false, true));
    feed.report(&again, Report::Succeeded { status_code: None });
    rig.await_drained(&feed);
    assert_eq!(rig.place(id), Place::Completed);
}

#[test]
fn a_worker_does_not_reclaim_itself_when_its_own_lease_has_run_out() {
    let rig = Rig::new();
    let first = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|_| {});
    let job = rig.next_job(&feed);
    assert!(feed.begin(&job, false, true));
    rig.clock.advance(31_000);
    // The next job is leased only by a turn that comes after a beat has brought the lease back.
    rig.enqueue("function", 2);
    let second = rig.next_job(&feed);
    assert_eq!(second.incarnation, job.incarnation);
    feed.report(&job, Report::Succeeded { status_code: None });
    feed.report(&second, Report::Released);
    rig.await_place(first, &Place::Completed);
    let counters = rig.stats().counters;
    assert!(counters.iter().all(|(name, _)| name != "reclaimed"));
}

#[test]
fn a_worker_that_takes_no_news_gets_no_more_jobs_until_it_does() {
    let rig = Rig::new();
    let first = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|_| {});
    rig.await_running(1);
    // Its loop stands still from here on.
    rig.await_time(Duration::from_millis(1_100));
    rig.enqueue("function", 3);
    // Twenty polls, each of which would lease.
    rig.await_time(Duration::from_millis(400));
    assert_eq!(rig.stats().running, 1);
    let job = rig.next_job(&feed);
    assert_eq!(job.job.id, first);
    // Of the three that came meanwhile one was known already.
    rig.await_running(3);
}

#[test]
fn when_the_clock_jumps_nobody_is_reclaimed_before_the_living_could_renew() {
    let rig = Rig::with(MemoryQueue::with_own_clock);
    let id = rig.enqueue("function", 1)[0];
    let slow = Incarnation::random();
    let engine = &rig.engine;
    rig.runtime.block_on(async {
        engine.join(&rig.lane, &slow, "{}").await.unwrap();
        let turn = engine.turn(&rig.lane, &slow, 1, 1, Source::Pending).await;
        assert_eq!(turn.unwrap().leases.len(), 1);
    });
    // A job that the feed has leased shows that it has looked at the clock.
    rig.enqueue("function", 2);
    let feed = rig.feed(|_| {});
    rig.next_job(&feed);
    rig.clock.advance(3_600_000);
    rig.await_counter("clock_jumps", 1);
    assert_eq!(rig.place(id), Place::Running(slow.clone()));
    let beat = rig.runtime.block_on(engine.beat(&rig.lane, &slow, &[]));
    assert!(beat.unwrap().alive, "a slow worker renews its lease late");
    // Set back, the clock would keep a lease of before alive for an hour.
    rig.clock.advance(-3_600_000);
    rig.await_counter("clock_jumps", 2);
    let latest = rig.clock.now_ms() + 30_000;
    assert!(rig.stats().workers.iter().all(|(_, _, at)| *at <= latest));
}

#[test]
fn a_job_whose_lease_the_queue_has_forgotten_is_let_go() {
    let rig = Rig::new();
    let id = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|options| options.lease_duration = Duration::from_millis(300));
    let job = rig.next_job(&feed);
    feed.begin(&job, false, true);
    // What a server has forgotten at a power cut, it does not know as leased.
    let tokens = [job.token];
    let forget = rig
        .engine
        .release(&rig.lane, &job.incarnation, &tokens, Source::Pending);
    assert_eq!(rig.runtime.block_on(forget).unwrap(), [true]);
    let (stopped, cause) = rig.await_news(&feed, |news| news.cancelled.pop());
    assert_eq!((stopped.job.id, cause), (id, Cause::LeaseLost));
    feed.report(&job, Report::Succeeded { status_code: None });
    let again = rig.next_job(&feed);
    assert_eq!((again.job.id, again.attempt), (id, 1));
    assert_eq!(again.incarnation, job.incarnation);
}

#[test]
fn a_task_that_panics_has_the_process_replaced() {
    let rig = Rig::new();
    let feed = rig.feed(|_| {});
    let task = async { panic!("on purpose") };
    super::watchdog::guard(&feed.shared, rig.runtime.handle(), "test", task);
    let notice = rig.await_news(&feed, |news| news.notices.pop());
    assert_eq!(notice, "gone_quiet: the test task has panicked");
}

#[test]
fn a_job_cancelled_while_it_runs_is_stopped() {
    let rig = Rig::new();
    let id = rig.enqueue("function", 1)[0];
    let feed = rig.feed(|options| options.lease_duration = Duration::from_secs(3));
    let job = rig.next_job(&feed);
    assert!(feed.begin(&job, false, true));
    rig.runtime
        .block_on(rig.engine.cancel(&rig.lane, job.token.member))
        .unwrap();
    let (stopped, cause) = rig.await_news(&feed, |news| news.cancelled.pop());
    assert_eq!((stopped.job.id, cause), (id, Cause::Cancelled));
}

#[test]
fn what_no_worker_knows_is_parked_and_comes_back_for_one_that_does() {
    let rig = Rig::new();
    let id = rig.enqueue("email", 1)[0];
    let feed = rig.feed(|_| {});
    let until = rig.clock.now_ms() + 60_000;
    rig.await_place(id, &Place::Parked(until));
    drop(feed);
    let feed = rig.feed(|options| {
        options.known_actions.insert("email".to_owned());
    });
    assert_eq!(rig.next_job(&feed).job.id, id);
}

#[test]
fn closing_gives_back_what_has_not_ended_and_leaves_no_lease() {
    let rig = Rig::new();
    let ids = rig.enqueue("function", 2);
    let feed = rig.feed(|_| {});
    let mut jobs = Vec::new();
    rig.await_news(&feed, |news| {
        jobs.append(&mut news.jobs);
        (jobs.len() == 2).then_some(())
    });
    assert!(feed.begin(&jobs[0], false, true));
    let report = rig.runtime.block_on(feed.close(Duration::from_secs(5)));
    assert_eq!((report.released, report.unwritten), (2, 0));
    let stats = rig.stats();
    assert_eq!(
        (stats.pending, stats.running, stats.workers.len()),
        (2, 0, 0)
    );
    assert!(ids.iter().all(|id| rig.place(*id) == Place::Pending));
}
