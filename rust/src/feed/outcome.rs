//! Outcomes: what workers report is written in batches, and kept until it is written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::metrics::COUNTERS;
use crate::queue::{Ack, AckOutcome, Incarnation, Nack, QueueError, Source, Token};

use super::report::{Change, Pending};
use super::shared::Shared;

/// First and longest pause after a failure that may pass.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Changes of one kind under one identity, written by one call.
#[derive(Default)]
struct Batch {
    acks: Vec<(Ack, Arc<str>)>,
    nacks: Vec<(Nack, Option<crate::metrics::Failure>, Arc<str>)>,
    releases: Vec<(Token, Source)>,
}

/// The outcome task. It ends when the feed is closed, and then leaves what it could not write.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let changes = {
            let mut inner = shared.inner();
            let changes = std::mem::take(&mut inner.outbox);
            inner.writing = changes.len();
            changes
        };
        if changes.is_empty() {
            shared.quiet.notify_waiters();
            tokio::select! {
                () = shared.outcomes.notified() => continue,
                () = shared.until_closed() => return,
            }
        }
        let mut batches: HashMap<(usize, Incarnation), Batch> = HashMap::new();
        for Pending {
            lane,
            incarnation,
            action_type,
            change,
        } in changes
        {
            let batch = batches.entry((lane, incarnation)).or_default();
            match change {
                Change::Ack(ack) => batch.acks.push((ack, action_type)),
                Change::Nack(nack, failure) => batch.nacks.push((nack, failure, action_type)),
                Change::Release(token, source) => batch.releases.push((token, source)),
            }
        }
        for ((lane, incarnation), batch) in batches {
            write(&shared, lane, &incarnation, batch).await;
        }
        shared.inner().writing = 0;
    }
}

async fn write(shared: &Shared, lane: usize, incarnation: &Incarnation, batch: Batch) {
    let most = shared.engine.options().batch_size;
    let queue_lane = &shared.lanes[lane].lane;
    for chunk in batch.acks.chunks(most) {
        let acks: Vec<Ack> = chunk.iter().map(|(ack, _)| ack.clone()).collect();
        let (result, _) = persist(shared, chunk.len(), || {
            shared.engine.ack(queue_lane, incarnation, &acks)
        })
        .await;
        for ((_, action_type), outcome) in chunk.iter().zip(result.unwrap_or_default()) {
            match outcome {
                AckOutcome::Acked | AckOutcome::Already => COUNTERS.executed(action_type),
                AckOutcome::Lost => COUNTERS.lease_lost(),
            }
        }
    }
    for chunk in batch.nacks.chunks(most) {
        let nacks: Vec<Nack> = chunk.iter().map(|(nack, _, _)| nack.clone()).collect();
        let (result, repeated) = persist(shared, chunk.len(), || {
            shared.engine.nack(queue_lane, incarnation, &nacks)
        })
        .await;
        for ((_, failure, action_type), done) in chunk.iter().zip(result.unwrap_or_default()) {
            // A call that was repeated may have done it the first time, when its answer was lost.
            match failure {
                Some(failure) if done || repeated => COUNTERS.failed(action_type, *failure),
                _ if done || repeated => {}
                _ => COUNTERS.lease_lost(),
            }
        }
    }
    for chunk in batch.releases.chunks(most) {
        let tokens: Vec<Token> = chunk.iter().map(|(token, _)| *token).collect();
        let source = chunk.first().map_or(Source::Pending, |(_, source)| *source);
        // What is not held any more needs no release.
        let _ = persist(shared, chunk.len(), || {
            shared
                .engine
                .release(queue_lane, incarnation, &tokens, source)
        })
        .await;
    }
}

/// Repeats a call until it is answered; says whether an earlier try may have been done. Nothing comes back where the feed
/// was closed: the lease then runs out, and the job runs again.
///
/// What the queue refuses is repeated too. While this worker beats, its lease does not run out, so that a job whose outcome
/// was dropped would stay where it is; and what is refused for good, a key of another type say, a person can put right.
async fn persist<T, F: Future<Output = Result<T, QueueError>>>(
    shared: &Shared,
    changes: usize,
    mut call: impl FnMut() -> F,
) -> (Option<T>, bool) {
    let mut pause = FIRST_PAUSE;
    let mut repeated = false;
    let mut refused = String::new();
    loop {
        match call().await {
            Ok(value) => {
                written(shared, changes);
                return (Some(value), repeated);
            }
            Err(error) if error.transient() || matches!(error, QueueError::Refused(_)) => {
                repeated |= matches!(error, QueueError::Unconfirmed(_));
                shared.note_health(Err(&error));
            }
            Err(error) => {
                // A script may have stopped half-way.
                repeated = true;
                let text = error.to_string();
                if text != refused {
                    shared.notice(format!("outcome_refused: {text}"));
                    refused = text;
                }
            }
        }
        if shared.closed() {
            return (None, repeated);
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.until_closed() => {}
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Notes that changes have left our hands, so that their slots can be filled.
fn written(shared: &Shared, changes: usize) {
    let mut inner = shared.inner();
    inner.writing = inner.writing.saturating_sub(changes);
    drop(inner);
    shared.room.notify_one();
    shared.listen_again.notify_one();
}
