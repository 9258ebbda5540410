//! Lanes that find no answer: they keep back nothing but themselves.

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

    /// A feed over both lanes.
    fn feed_of_two(&self, change: impl FnOnce(&mut FeedOptions)) -> Feed {
        self.feed(|options| {
            options.lanes = vec![self.lane.clone(), self.other_lane()];
            change(options);
        })
    }

    /// Has steps of the first lane find no answer, each for so long before it fails.
    fn silence(&self, steps: &[&'static str], limit: Duration) {
        let Engine::Memory(queue) = self.engine.as_ref() else {
            panic!("the tests of the feed run on the queue in memory");
        };
        queue.silence(&self.lane, steps, limit);
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
            let stats = self.runtime.block_on(self.engine.stats(lane)).unwrap();
            if stats.counters.contains(&completed) {
                return;
            }
            assert!(Instant::now() < deadline, "{stats:?}");
            std::thread::yield_now();
        }
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
