//! Requests under bounds, outages and panics.

use uuid::Uuid;

use super::*;
use crate::clock::SystemClock;
use crate::queue::durability::Flush;
use crate::queue::{Access, Due, LaneOptions, Member, MemoryQueue, Priority};

fn job(size: usize) -> NewJob {
    NewJob {
        member: Member::new(Uuid::new_v4(), Priority::Default),
        due: Due::Now,
        bytes: vec![0; size].into(),
    }
}

#[test]
fn chunks_keep_both_bounds_and_every_job() {
    let jobs = [job(10), job(MAX_CALL_BYTES), job(10), job(10), job(10)];
    let sizes: Vec<usize> = chunks(&jobs, 2).into_iter().map(<[NewJob]>::len).collect();
    assert_eq!(sizes, [1, 1, 2, 1]);
}

fn options() -> LaneOptions {
    LaneOptions {
        shards: 1,
        max_pending: 0,
        dedupe_window_ms: 60_000,
        completed_retention_max: 0,
        completed_retention_ms: 0,
        dead_letter_max: 1,
        max_crashes: 3,
        batch_size: 10,
        lease_duration_ms: 5_000,
    }
}

/// A queue on a server that does not listen, so that no call is ever sent.
fn nowhere() -> Engine {
    let access = Access {
        url: "redis://127.0.0.1:1".to_owned(),
        ..Access::default()
    };
    Engine::reach(&access, "t", options(), false).unwrap()
}

fn lane() -> Lane {
    Lane {
        queue: "default".to_owned(),
        shard: 0,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn an_outcome_that_was_unknown_stays_unknown_when_the_queue_is_gone() {
    let (engine, lane, runtime) = (nowhere(), lane(), runtime());
    let outcome = |sent_before| {
        runtime.block_on(async {
            let state = AtomicU8::new(SENT);
            let jobs = [job(1)];
            store_all(&engine, &lane, &jobs, &state, Instant::now(), sent_before).await
        })
    };
    assert!(matches!(outcome(true), Err(QueueError::Unconfirmed(_))));
    assert!(matches!(outcome(false), Err(QueueError::Unavailable(_))));
}

fn panicking() -> NewJob {
    NewJob {
        bytes: b"panic".to_vec().into(),
        ..job(0)
    }
}

#[test]
fn a_panic_leaves_the_outcome_unknown_and_the_lane_goes_on() {
    let queue = MemoryQueue::new(options(), Arc::new(SystemClock));
    let runtime = runtime();
    let gather = Gather::start(Arc::new(Engine::Memory(queue)), runtime.handle());
    let sent = |job| {
        let limit = Duration::from_secs(5);
        runtime.block_on(gather.enqueue(lane(), vec![job], None, limit))
    };
    for _ in 0..2 {
        let error = sent(panicking()).unwrap_err();
        assert!(matches!(error, QueueError::MaybeStored(..)), "{error}");
        assert_eq!(sent(job(1)).unwrap(), [true]);
    }
}

#[test]
fn a_panic_takes_none_of_the_writers_away() {
    let Engine::Redis(queue) = nowhere() else {
        panic!("no queue on one server");
    };
    let writers = queue.writers.len();
    let runtime = runtime();
    let gather = Gather::start(Arc::new(Engine::Redis(queue)), runtime.handle());
    let proof = Proof {
        flush: Flush::Unasked,
        replicas: 1,
    };
    let sent = |job, limit| {
        let limit = Duration::from_millis(limit);
        let sending = gather.send(lane(), vec![job], Some(proof), None, limit);
        runtime.block_on(sending).unwrap_err()
    };
    for _ in 0..=writers {
        let error = sent(panicking(), 5_000);
        assert!(matches!(error, QueueError::Unconfirmed(_)), "{error}");
    }
    // The connection is refused: somebody has tried.
    let error = sent(job(1), 1_000).to_string();
    assert!(error.contains("refused"), "{error}");
}
