//! Outcomes: what workers report is written in batches, and kept until it is written.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::metrics::COUNTERS;
use crate::queue::{Ack, AckOutcome, Incarnation, Nack, QueueError, Source, Token};

use super::report::{Change, Pending};
use super::shared::Shared;

/// First and longest pause after a failure that may pass.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often what was put aside is tried again, and how many of it may be refused each time: where everything is
/// refused, a key of another type say, a few tries show whether a person has put that right.
const ASIDE_AGAIN: Duration = Duration::from_secs(1);
const ASIDE_REFUSALS: usize = 3;

/// The outcome task of a lane. It ends when the feed is closed, and then leaves what it could not write.
pub(super) async fn run(shared: Arc<Shared>, place: usize) {
    let mut aside_at = Instant::now();
    loop {
        let (changes, aside) = {
            let mut inner = shared.inner();
            let outbox = &mut inner.outboxes[place];
            (outbox.start_writing(), outbox.aside() > 0)
        };
        if aside && aside_at.elapsed() >= ASIDE_AGAIN {
            write_aside(&shared, place).await;
            aside_at = Instant::now();
        }
        if changes.is_empty() {
            shared.quiet.notify_waiters();
            tokio::select! {
                () = shared.lanes[place].outcomes.notified() => continue,
                () = sleep(ASIDE_AGAIN), if aside => continue,
                () = shared.until_closed() => return,
            }
        }
        // One call writes changes of one kind under one identity.
        let mut batches: HashMap<(Incarnation, u8), Vec<Pending>> = HashMap::new();
        for pending in changes {
            let kind = match pending.change {
                Change::Ack(_) => 0,
                Change::Nack(..) => 1,
                Change::Release(..) => 2,
            };
            let of_it = (pending.incarnation.clone(), kind);
            batches.entry(of_it).or_default().push(pending);
        }
        for batch in batches.into_values() {
            for chunk in batch.chunks(shared.engine.options().batch_size) {
                write_each(&shared, place, chunk).await;
            }
        }
        shared.inner().outboxes[place].end_writing();
    }
}

/// Writes changes together; where the queue refuses that, each by itself, so that none keeps the others back.
async fn write_each(shared: &Shared, place: usize, chunk: &[Pending]) {
    let Err(mut error) = write(shared, place, chunk, false).await else {
        return;
    };
    for pending in chunk {
        if chunk.len() > 1 {
            match write(shared, place, slice::from_ref(pending), true).await {
                Ok(()) => continue,
                Err(alone) => error = alone,
            }
        }
        COUNTERS.outcome_refused();
        shared.notice(format!("outcome_refused: {error}"));
        shared.inner().outboxes[place].put_aside(pending.clone());
    }
}

/// Tries again what was refused by itself. While this worker beats, its lease does not run out, so that a job whose
/// outcome was dropped would stay where it is: it keeps its slot instead, and is written when it can be.
async fn write_aside(shared: &Shared, place: usize) {
    let mut refusals = 0;
    let count = shared.inner().outboxes[place].aside();
    for _ in 0..count {
        let Some(pending) = shared.inner().outboxes[place].take_aside() else {
            return;
        };
        if write(shared, place, slice::from_ref(&pending), true)
            .await
            .is_err()
        {
            shared.inner().outboxes[place].put_aside(pending);
            refusals += 1;
            if refusals == ASIDE_REFUSALS {
                return;
            }
        }
    }
}

/// Writes changes of one kind under one identity by one call. `maybe_done`: an earlier call may have done it.
///
/// # Errors
///
/// What the queue refuses for good, as far as a repetition can tell.
async fn write(
    shared: &Shared,
    place: usize,
    chunk: &[Pending],
    maybe_done: bool,
) -> Result<(), QueueError> {
    let Some(first) = chunk.first() else {
        return Ok(());
    };
    let (lane, incarnation) = (&shared.lanes[place].lane, &first.incarnation);
    let engine = &shared.engine;
    match &first.change {
        Change::Ack(_) => {
            let acks: Vec<Ack> = chunk.iter().filter_map(Pending::ack).cloned().collect();
            let call = || engine.ack(lane, incarnation, &acks);
            let (result, _) = persist(shared, place, chunk.len(), call).await?;
            for (pending, outcome) in chunk.iter().zip(result.unwrap_or_default()) {
                match outcome {
                    AckOutcome::Acked | AckOutcome::Already => {
                        COUNTERS.executed(&pending.action_type);
                    }
                    AckOutcome::Lost => COUNTERS.lease_lost(),
                }
            }
        }
        Change::Nack(..) => {
            let nacks: Vec<Nack> = chunk.iter().filter_map(Pending::nack).cloned().collect();
            let call = || engine.nack(lane, incarnation, &nacks);
            let (result, repeated) = persist(shared, place, chunk.len(), call).await?;
            for (pending, done) in chunk.iter().zip(result.unwrap_or_default()) {
                // A call that was repeated may have done it the first time, when its answer was lost.
                let done = done || repeated || maybe_done;
                match &pending.change {
                    Change::Nack(_, Some(failure)) if done => {
                        COUNTERS.failed(&pending.action_type, *failure);
                    }
                    _ if done => {}
                    _ => COUNTERS.lease_lost(),
                }
            }
        }
        Change::Release(_, source) => {
            let source: Source = *source;
            let tokens: Vec<Token> = chunk.iter().map(|pending| pending.change.token()).collect();
            let call = || engine.release(lane, incarnation, &tokens, source);
            // What is not held any more needs no release.
            persist(shared, place, chunk.len(), call).await?;
        }
    }
    Ok(())
}

/// Repeats a call until it is answered; says whether an earlier try may have been done. Nothing comes back where the feed
/// was closed: the lease then runs out, and the job runs again.
///
/// # Errors
///
/// What the queue refuses, save the login, which a person may grant again.
async fn persist<T, F: Future<Output = Result<T, QueueError>>>(
    shared: &Shared,
    place: usize,
    changes: usize,
    mut call: impl FnMut() -> F,
) -> Result<(Option<T>, bool), QueueError> {
    let mut pause = FIRST_PAUSE;
    let mut repeated = false;
    loop {
        match call().await {
            Ok(value) => {
                shared.note_written(place, changes);
                return Ok((Some(value), repeated));
            }
            Err(error) if error.transient() || matches!(error, QueueError::Refused(_)) => {
                repeated |= matches!(error, QueueError::Unconfirmed(_));
                shared.note_health(Err(&error));
                shared.note_stuck(place);
            }
            Err(error) => return Err(error),
        }
        if shared.closed() {
            return Ok((None, repeated));
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.until_closed() => {}
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

impl Shared {
    /// Notes that changes have left our hands, so that their slots can be filled.
    fn note_written(&self, place: usize, changes: usize) {
        self.inner().outboxes[place].written(changes);
        self.room.notify_one();
        self.listen_again.notify_one();
    }

    /// Notes that a lane cannot write, so that the other lanes can fill its slots.
    fn note_stuck(&self, place: usize) {
        if self.inner().outboxes[place].get_stuck() {
            self.room.notify_one();
            self.listen_again.notify_one();
        }
    }
}
