//! Rounds of confirmed writes: what waits goes out together on the next connection that is free, and one wait at the
//! server serves all of it. While one connection waits for its proof, the others go on writing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};

use super::confirm::{Write, Writer};
use super::durability::Proof;
use super::gather::{
    FIRST_PAUSE, GIVEN_UP, LONGEST_PAUSE, Request, SENT, WAITING, WAITING_REQUESTS, answer,
    last_word,
};
use super::{Engine, Lane, MAX_CALL_BYTES, NewJob, QueueError, RedisQueue, Stored};
use crate::runtime::keep_up;

/// The way in for requests that are to be confirmed.
pub(super) struct Rounds {
    /// Requests, each with what proves it.
    pub(super) requests: mpsc::Sender<(Proof, Request)>,
}

type Inbox = Arc<Mutex<mpsc::Receiver<(Proof, Request)>>>;

impl Rounds {
    /// Starts one task per writer; they end when the last handle is gone.
    pub(super) fn start(engine: &Arc<Engine>, runtime: &Handle) -> Self {
        let (requests, inbox) = mpsc::channel(WAITING_REQUESTS);
        let inbox = Arc::new(Mutex::new(inbox));
        // A queue in memory proves nothing, so that no request for it ever gets here.
        if let Engine::Redis(queue) = &**engine {
            for place in 0..queue.writers.len() {
                let (engine, inbox) = (Arc::clone(engine), Arc::clone(&inbox));
                runtime.spawn(keep_up(move || {
                    write(Arc::clone(&engine), place, Arc::clone(&inbox))
                }));
            }
        }
        Self { requests }
    }
}

/// One writer's task: a round after the other.
async fn write(engine: Arc<Engine>, place: usize, inbox: Inbox) {
    let Engine::Redis(queue) = &*engine else {
        return;
    };
    let mut waiting = Vec::new();
    loop {
        // The lock is held while there is nothing to do: the writers take turns.
        if inbox
            .lock()
            .await
            .recv_many(&mut waiting, WAITING_REQUESTS)
            .await
            == 0
        {
            return;
        }
        let mut rounds: HashMap<Proof, Vec<Request>> = HashMap::new();
        for (proof, request) in waiting.drain(..) {
            rounds.entry(proof).or_default().push(request);
        }
        for (proof, requests) in rounds {
            serve(queue, &queue.writers[place], proof, requests).await;
        }
    }
}

/// A request on its way, and what is known of it.
struct Open {
    request: Request,
    /// Whether an earlier call with it had no answer, so that its jobs may be stored.
    sent_before: bool,
    /// Whether it goes alone from now on: together with others it did not fit.
    alone: bool,
}

/// Writes and confirms requests, again where what went wrong may pass, until each has its answer.
async fn serve(queue: &RedisQueue, writer: &Writer, proof: Proof, requests: Vec<Request>) {
    let mut open: Vec<Open> = requests
        .into_iter()
        .map(|request| Open {
            request,
            sent_before: false,
            alone: false,
        })
        .collect();
    let mut pause = FIRST_PAUSE;
    loop {
        open.retain(|one| {
            let state = &one.request.state;
            one.sent_before
                || state.compare_exchange(WAITING, SENT, AcqRel, Acquire) != Err(GIVEN_UP)
        });
        let Some(until) = open.iter().map(|one| one.request.deadline).max() else {
            return;
        };
        #[cfg(test)]
        for one in &open {
            one.request.panic_if_asked();
        }
        let batches = batches(&open, queue.options().batch_size);
        let calls: Vec<Write<'_>> = batches
            .iter()
            .map(|batch| Write {
                lane: &batch.lane,
                jobs: &batch.jobs,
            })
            .collect();
        let answers = queue.write_confirmed(writer, proof, until, &calls).await;
        let mut left: Vec<Option<Open>> = open.into_iter().map(Some).collect();
        let mut again = Vec::new();
        for (batch, result) in batches.iter().zip(answers) {
            let mut stored = result.clone().map(Vec::into_iter);
            for place in &batch.places {
                let Some(mut one) = left[*place].take() else {
                    continue;
                };
                match &mut stored {
                    Ok(stored) => {
                        let own: Stored = stored.by_ref().take(one.request.jobs.len()).collect();
                        answer(one.request, Ok(own));
                    }
                    Err(error) => {
                        one.sent_before |= matches!(error, QueueError::Unconfirmed(_));
                        let fits_alone = !error.transient() && batch.places.len() > 1;
                        one.alone |= fits_alone;
                        if (fits_alone || error.transient())
                            && Instant::now() + pause < one.request.deadline
                        {
                            if !one.sent_before {
                                one.request
                                    .state
                                    .store(WAITING, std::sync::atomic::Ordering::Release);
                            }
                            again.push(one);
                        } else {
                            let error = last_word(one.sent_before, error.clone());
                            answer(one.request, Err(error));
                        }
                    }
                }
            }
        }
        if again.is_empty() {
            return;
        }
        open = again;
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Jobs of one lane that go out in one write, and the requests that they belong to.
struct Batch {
    lane: Lane,
    jobs: Vec<NewJob>,
    bytes: usize,
    places: Vec<usize>,
}

/// Puts requests of the same lane together as far as one call takes them; a larger one is a batch of its own.
fn batches(open: &[Open], most: usize) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut last: HashMap<&Lane, usize> = HashMap::new();
    for (place, one) in open.iter().enumerate() {
        let jobs = &one.request.jobs;
        let bytes: usize = jobs.iter().map(|job| job.bytes.len()).sum();
        let room = last.get(&one.request.lane).copied().filter(|at| {
            let batch = &batches[*at];
            !one.alone
                && batch.jobs.len() + jobs.len() <= most
                && batch.bytes + bytes <= MAX_CALL_BYTES
        });
        if let Some(at) = room {
            let batch = &mut batches[at];
            batch.jobs.extend(jobs.iter().cloned());
            batch.bytes += bytes;
            batch.places.push(place);
        } else {
            batches.push(Batch {
                lane: one.request.lane.clone(),
                jobs: jobs.clone(),
                bytes,
                places: vec![place],
            });
            if !one.alone {
                last.insert(&one.request.lane, batches.len() - 1);
            }
        }
    }
    batches
}
