//! Lanes that find no answer: they keep back nothing but themselves.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::*;

/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(3600);

impl Rig {
    fn other_lane(&self) -> Lane {
        Lane {
            shard: 1,
            ..self.lane.clone()
        }
    }

    fn queue(&self) -> &MemoryQueue {
        let Engine::Memory(queue) = self.engine.as_ref() else {
            panic!("the tests of the feed run on the queue in memory");
        };
        queue
    }

    /// A feed over both lanes.
    fn feed_of_two(&self, change: impl FnOnce(&mut FeedOptions)) -> Feed {
        self.feed(|options| {
            options.lanes = vec![self.lane.clone(), self.other_lane()];
            change(options);
        })
    }

    /// Has steps of the first lane find no answer, each for so long before it fails.
    fn silence(&self, steps: &[&'static str], limit: Duration) {
        self.queue().silence(&self.lane, steps, limit);
    }

    fn take_jobs(&self, feed: &Feed, count: usize) -> Vec<Arc<LeasedJob>> {
        let jobs: Vec<_> = (0..count).map(|_| self.next_job(feed)).collect();
        for job in &jobs {
            assert!(feed.begin(job, false, true));
        }
        jobs
    }

    fn await_completed(&self, lane: &Lane, count: i64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let completed = ("completed".to_owned(), count);
        loop {
            let stats = self.stats_of(lane);
            if stats.counters.contains(&completed) {
                return;
            }
            assert!(Instant::now() < deadline, "{stats:?}");
            std::thread::yield_now();
        }
    }
}

impl Rig {
    fn stats_of(&self, lane: &Lane) -> Stats {
        self.runtime.block_on(self.engine.stats(lane)).unwrap()
    }

    /// Waits until nobody leases from a lane and all its jobs wait again.
    fn await_given_back(&self, lane: &Lane, count: i64, pending: u64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let released = ("released".to_owned(), count);
        loop {
            let stats = self.stats_of(lane);
            if stats.counters.contains(&released) && stats.running == 0 {
                assert_eq!(stats.pending, pending);
                return;
            }
            assert!(Instant::now() < deadline, "{stats:?}");
            std::thread::yield_now();
        }
    }

    /// Runs so many jobs, as they come; returns how many each lane had.
    fn run_jobs(&self, feed: &Feed, count: usize) -> [usize; 2] {
        let mut of_lanes = [0; 2];
        for _ in 0..count {
            let jobs = self.take_jobs(feed, 1);
            of_lanes[jobs[0].lane] += 1;
            succeed(feed, &jobs);
        }
        of_lanes
    }
}

fn succeed(feed: &Feed, jobs: &[Arc<LeasedJob>]) {
    for job in jobs {
        feed.report(job, Report::Succeeded { status_code: None });
    }
}

#[test]
fn outcomes_of_a_lane_that_does_not_answer_keep_back_no_others() {
    let rig = Rig::new();
    let feed = rig.feed_of_two(|_| {});
    rig.enqueue("function", 2);
    let stuck = rig.take_jobs(&feed, 2);
    rig.silence(&["ack"], FOR_EVER);
    succeed(&feed, &stuck);
    rig.enqueue_into(&rig.other_lane(), "function", 2);
    let others = rig.take_jobs(&feed, 2);
    succeed(&feed, &others);
    rig.await_completed(&rig.other_lane(), 2);
    assert_eq!(rig.stats().running, 2);
    rig.silence(&[], FOR_EVER);
    rig.await_drained(&feed);
    rig.await_completed(&rig.lane, 2);
}

#[test]
fn a_lane_that_cannot_write_holds_no_slot_against_the_others_but_all_of_its_own() {
    let rig = Rig::new();
    let feed = rig.feed_of_two(|_| {});
    rig.enqueue("function", 4);
    let stuck = rig.take_jobs(&feed, 4);
    rig.silence(&["ack"], Duration::from_millis(20));
    succeed(&feed, &stuck);
    rig.enqueue_into(&rig.other_lane(), "function", 4);
    let others = rig.take_jobs(&feed, 4);
    succeed(&feed, &others);
    rig.await_completed(&rig.other_lane(), 4);
    // What it cannot write, it would run again if this worker died: it leases nothing more.
    rig.enqueue("function", 5);
    rig.await_time(Duration::from_millis(200));
    assert_eq!((rig.stats().running, rig.stats().pending), (4, 1));
    rig.silence(&[], FOR_EVER);
    succeed(&feed, &rig.take_jobs(&feed, 1));
    rig.await_drained(&feed);
    rig.await_completed(&rig.lane, 5);
}

#[test]
fn a_look_at_what_the_queue_holds_that_finds_no_answer_delays_no_beat() {
    let rig = Rig::new();
    let feed = rig.feed(|options| options.lease_duration = Duration::from_secs(3));
    rig.enqueue("function", 2);
    let jobs = rig.take_jobs(&feed, 2);
    rig.silence(&["held"], FOR_EVER);
    // What a server has forgotten gives the next beat cause to look.
    let (forgotten, running) = (&jobs[0], &jobs[1]);
    let tokens = [forgotten.token];
    let forget = rig
        .engine
        .release(&rig.lane, &forgotten.incarnation, &tokens, Source::Pending);
    assert_eq!(rig.runtime.block_on(forget).unwrap(), [true]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !rig.queue().is_waited_for() {
        assert!(Instant::now() < deadline, "nobody looks");
        std::thread::yield_now();
    }
    // Only a beat hears of it.
    let cancel = rig.engine.cancel(&rig.lane, running.token.member);
    rig.runtime.block_on(cancel).unwrap();
    let (stopped, cause) = rig.await_news(&feed, |news| news.cancelled.pop());
    assert_eq!((stopped.job.id, cause), (running.job.id, Cause::Cancelled));
    rig.silence(&[], FOR_EVER);
    let (stopped, cause) = rig.await_news(&feed, |news| news.cancelled.pop());
    assert_eq!(
        (stopped.job.id, cause),
        (forgotten.job.id, Cause::LeaseLost)
    );
}

#[test]
fn a_lane_whose_turns_find_no_answer_keeps_no_other_back() {
    let rig = Rig::new();
    rig.silence(&["turn"], FOR_EVER);
    rig.enqueue("function", 1);
    rig.enqueue_into(&rig.other_lane(), "function", 40);
    let feed = rig.feed_of_two(|options| options.slots = 1);
    let started_at = Instant::now();
    assert_eq!(rig.run_jobs(&feed, 40), [0, 40]);
    // The lane is waited for once, and not at each of forty turns.
    assert!(started_at.elapsed() < Duration::from_secs(10));
    rig.silence(&[], FOR_EVER);
    assert_eq!(rig.run_jobs(&feed, 1), [1, 0]);
    rig.await_drained(&feed);
}

#[test]
fn a_feed_of_which_one_lane_fails_is_not_healthy_until_that_answers() {
    let rig = Rig::new();
    let feed = rig.feed_of_two(|_| {});
    let notice = |word: &str| {
        rig.await_news(&feed, |news| {
            let told = news.notices.iter().any(|text| text.starts_with(word));
            told.then(|| news.notices.clear())
        });
    };
    rig.silence(&["turn"], Duration::from_millis(20));
    notice("queue_down");
    rig.enqueue_into(&rig.other_lane(), "function", 20);
    assert_eq!(rig.run_jobs(&feed, 20), [0, 20]);
    assert!(!feed.healthy());
    rig.silence(&[], FOR_EVER);
    notice("queue_up");
    assert!(feed.healthy());
}

#[test]
fn what_a_late_answer_has_leased_beyond_the_free_slots_is_given_back_unharmed() {
    let rig = Rig::new();
    rig.silence(&["turn"], FOR_EVER);
    rig.enqueue("function", 2);
    rig.enqueue_into(&rig.other_lane(), "function", 2);
    let feed = rig.feed_of_two(|options| options.slots = 2);
    let others = rig.take_jobs(&feed, 2);
    assert!(others.iter().all(|job| job.lane == 1));
    // The turn was sent while both slots were free.
    rig.silence(&[], FOR_EVER);
    rig.await_given_back(&rig.lane, 1, 2);
    assert_eq!(feed.slots_taken(), 2);
    succeed(&feed, &others);
    for job in rig.take_jobs(&feed, 2) {
        assert_eq!((job.lane, job.attempt), (0, 1));
        succeed(&feed, &[job]);
    }
    rig.await_drained(&feed);
    let counters = rig.stats().counters;
    assert!(counters.iter().all(|(name, _)| name != "reclaimed"));
}

#[test]
fn a_repeated_lease_call_makes_no_slots() {
    let rig = Rig::new();
    rig.silence(&["turn answer"], Duration::from_millis(100));
    rig.enqueue("function", 1);
    rig.enqueue_into(&rig.other_lane(), "function", 2);
    let feed = rig.feed_of_two(|options| options.slots = 2);
    let others = rig.take_jobs(&feed, 2);
    assert!(others.iter().all(|job| job.lane == 1));
    assert_eq!(
        rig.stats().running,
        1,
        "leased by the call without an answer"
    );
    rig.silence(&[], FOR_EVER);
    rig.await_given_back(&rig.lane, 1, 1);
    succeed(&feed, &others);
    succeed(&feed, &rig.take_jobs(&feed, 1));
    rig.await_drained(&feed);
    rig.enqueue_into(&rig.other_lane(), "function", 9);
    rig.take_jobs(&feed, 2);
    rig.await_time(Duration::from_millis(200));
    assert_eq!(feed.slots_taken(), 2);
    assert_eq!(rig.stats_of(&rig.other_lane()).running, 2);
}

#[test]
fn lanes_with_work_share_the_slots() {
    let rig = Rig::new();
    rig.enqueue("function", 40);
    rig.enqueue_into(&rig.other_lane(), "function", 40);
    let feed = rig.feed_of_two(|_| {});
    let first = rig.take_jobs(&feed, 4);
    let of_first_lane = first.iter().filter(|job| job.lane == 0).count();
    assert_eq!(of_first_lane, 2);
    succeed(&feed, &first);
    let [some, others] = rig.run_jobs(&feed, 36);
    assert!(some.abs_diff(others) <= 4, "{some} {others}");
}

#[test]
fn a_single_slot_goes_from_lane_to_lane_past_those_without_work() {
    let rig = Rig::new();
    rig.enqueue("function", 20);
    rig.enqueue_into(&rig.other_lane(), "function", 20);
    let feed = rig.feed(|options| {
        let lanes = (0..4).map(|shard| Lane {
            shard,
            ..rig.lane.clone()
        });
        options.lanes = lanes.collect();
        options.slots = 1;
    });
    let [some, others] = rig.run_jobs(&feed, 20);
    assert!(some.abs_diff(others) <= 1, "{some} {others}");
}

#[test]
fn a_lane_alone_with_work_gets_every_slot() {
    let rig = Rig::new();
    rig.enqueue_into(&rig.other_lane(), "function", 9);
    let feed = rig.feed_of_two(|_| {});
    rig.take_jobs(&feed, 4);
    assert_eq!(feed.slots_taken(), 4);
}

#[test]
fn an_answer_that_comes_while_the_feed_closes_is_given_back() {
    let rig = Rig::new();
    rig.silence(&["turn"], FOR_EVER);
    rig.enqueue("function", 3);
    rig.enqueue_into(&rig.other_lane(), "function", 2);
    let feed = rig.feed_of_two(|_| {});
    rig.take_jobs(&feed, 2);
    let closing = rig.runtime.spawn(feed.close(Duration::from_secs(10)));
    // What is in our hands is given back while one lane is still waited for.
    rig.await_given_back(&rig.other_lane(), 2, 2);
    rig.silence(&[], FOR_EVER);
    let report = rig.runtime.block_on(closing).unwrap();
    assert_eq!(report.unwritten, 0);
    for lane in [&rig.lane, &rig.other_lane()] {
        let stats = rig.stats_of(lane);
        assert_eq!((stats.running, stats.workers.len()), (0, 0), "{stats:?}");
    }
    assert_eq!(rig.stats().pending, 3);
}

#[test]
fn a_lane_without_answer_leaves_half_of_the_time_to_close_to_the_others() {
    let rig = Rig::new();
    rig.silence(&["turn"], FOR_EVER);
    rig.enqueue_into(&rig.other_lane(), "function", 2);
    let feed = rig.feed_of_two(|_| {});
    rig.take_jobs(&feed, 2);
    let limit = Duration::from_secs(4);
    let started_at = Instant::now();
    let report = rig.runtime.block_on(feed.close(limit));
    assert!(started_at.elapsed() < limit);
    assert_eq!((report.released, report.unwritten), (2, 0));
    let stats = rig.stats_of(&rig.other_lane());
    assert_eq!((stats.running, stats.workers.len()), (0, 0), "{stats:?}");
}

#[test]
fn a_turn_that_panics_has_the_process_replaced() {
    let rig = Rig::new();
    rig.enqueue("function", 1);
    let rung = Arc::clone(&rig.rung);
    let has_panicked = AtomicBool::new(false);
    // The first to tell is the turn that has leased the job.
    let tell = move || {
        assert!(has_panicked.swap(true, Relaxed), "on purpose");
        rung.notify_one();
    };
    let feed = rig.feed_that_tells(Box::new(tell), |_| {});
    let notice = rig.await_news(&feed, |news| news.notices.pop());
    assert_eq!(notice, "gone_quiet: the lease task has panicked");
}
