//! What the model test, which compares this queue with the server's, does not reach: waiting, and bounds of a call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::MemoryQueue;
use crate::clock::ManualClock;
use crate::queue::{
    Due, Incarnation, Lane, LaneOptions, Member, NewJob, Priority, QueueError, Source,
};

fn queue(max_pending: u64) -> (Arc<MemoryQueue>, Lane, Incarnation) {
    let options = LaneOptions {
        shards: 1,
        max_pending,
        dedupe_window_ms: 60_000,
        completed_retention_max: 10,
        completed_retention_ms: 60_000,
        dead_letter_max: 10,
        max_crashes: 3,
        batch_size: 100,
        lease_duration_ms: 30_000,
    };
    let lane = Lane {
        queue: "default".to_owned(),
        shard: 0,
    };
    let queue = MemoryQueue::new(options, Arc::new(ManualClock::at(1_000_000)));
    let worker = Incarnation::random();
    queue
        .join(&lane, &worker, "{}")
        .expect("memory does not fail");
    (Arc::new(queue), lane, worker)
}

fn job(number: u128, bytes: Bytes) -> NewJob {
    NewJob {
        member: Member::new(Uuid::from_u128(number), Priority::Default),
        due: Due::Now,
        bytes,
    }
}

#[tokio::test]
async fn a_waiting_worker_is_woken_by_an_enqueue() {
    let (queue, lane, _) = queue(0);
    let waiting = tokio::spawn({
        let (queue, lane) = (Arc::clone(&queue), lane.clone());
        async move { queue.wait_for_wake(&[lane]).await }
    });
    tokio::task::yield_now().await;
    queue
        .enqueue(&lane, &[job(1, Bytes::new())])
        .expect("there is room");
    let woken = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert_eq!(woken.expect("in time").expect("no panic"), Ok(true));
}

#[tokio::test]
async fn one_token_wakes_one_worker_and_a_lane_keeps_at_most_four() {
    let (queue, lane, _) = queue(0);
    let jobs: Vec<NewJob> = (0..9).map(|number| job(number, Bytes::new())).collect();
    queue.enqueue(&lane, &jobs).expect("there is room");
    queue.pass_on_wake(&lane).expect("memory does not fail");
    for _ in 0..4 {
        assert!(queue.take_token(std::slice::from_ref(&lane)));
    }
    assert!(!queue.take_token(&[lane]));
}

#[test]
fn a_call_carries_no_more_bytes_than_its_bound_and_one_job_at_least() {
    let (queue, lane, worker) = queue(0);
    let large = Bytes::from(vec![b'x'; 3 << 20]);
    let jobs: Vec<NewJob> = (0..3).map(|number| job(number, large.clone())).collect();
    queue.enqueue(&lane, &jobs).expect("there is room");
    for call in 1..=3 {
        let turn = queue
            .turn(&lane, &worker, call, 10, Source::Pending)
            .expect("memory does not fail");
        assert_eq!(turn.leases.len(), 1);
        assert_eq!(
            turn.leases[0].member.id(),
            Uuid::from_u128(u128::from(call) - 1)
        );
    }
}

#[test]
fn a_full_queue_takes_nothing_of_a_batch_but_knows_what_it_has() {
    let (queue, lane, _) = queue(2);
    let first: Vec<NewJob> = (0..2).map(|number| job(number, Bytes::new())).collect();
    assert_eq!(queue.enqueue(&lane, &first), Ok(vec![true, true]));
    assert_eq!(queue.enqueue(&lane, &first), Ok(vec![false, false]));
    let more = [first[0].clone(), job(9, Bytes::new())];
    assert!(matches!(
        queue.enqueue(&lane, &more),
        Err(QueueError::Full(_))
    ));
    assert_eq!(queue.stats(&lane).expect("memory does not fail").pending, 2);
}
