//! Gathered enqueues: whatever waits when a round trip ends goes out together in the next.
//!
//! Callers wait for the answer of the queue, each at most for its own time. An unknown outcome is repeated with the same
//! ids, which adds nothing for a job that was stored after all.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex as Inbox, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::cluster::Home;
use super::durability::Proof;
use super::rounds::Rounds;
use super::{Durability, Engine, Lane, MAX_CALL_BYTES, NewJob, QueueError};
use crate::metrics::COUNTERS;
use crate::runtime::keep_up;

/// Requests that may wait; a caller beyond them waits before it is one of them.
pub(super) const WAITING_REQUESTS: usize = 10_000;

/// First and longest pause after a failure that may pass.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(20);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A caller may still give up a request that is `WAITING`; one that was `SENT` may have been stored.
pub(super) const WAITING: u8 = 0;
pub(super) const SENT: u8 = 1;
pub(super) const GIVEN_UP: u8 = 2;

/// Jobs of one caller for one lane, on their way.
pub(super) struct Request {
    pub(super) lane: Lane,
    pub(super) jobs: Vec<NewJob>,
    pub(super) state: Arc<AtomicU8>,
    pub(super) deadline: Instant,
    reply: oneshot::Sender<Result<Vec<bool>, QueueError>>,
}

#[cfg(test)]
impl Request {
    /// Does what a mistake of ours would do, where a test asks for it.
    pub(super) fn panic_if_asked(&self) {
        assert!(self.jobs.iter().all(|job| &job.bytes[..] != b"panic"));
    }
}

/// The enqueue side of a queue, shared by all callers of a process.
pub struct Gather {
    pub(super) engine: Arc<Engine>,
    runtime: Handle,
    /// A task for each lane, started with its first request: one that is stuck keeps up no other.
    lanes: Mutex<HashMap<Lane, mpsc::Sender<Request>>>,
    /// For each server, started with the first request that has to be confirmed there.
    rounds: Mutex<HashMap<String, Rounds>>,
    /// Most replicas of a level that the queue has given: where it then has fewer, they are away.
    pub(super) replicas_given: AtomicU8,
}

impl Gather {
    /// Starts gathering on a runtime; it ends when the last handle is gone.
    pub fn start(engine: Arc<Engine>, runtime: &Handle) -> Self {
        Self {
            engine,
            runtime: runtime.clone(),
            lanes: Mutex::default(),
            rounds: Mutex::default(),
            replicas_given: AtomicU8::new(0),
        }
    }

    fn requests_of(&self, lane: &Lane) -> mpsc::Sender<Request> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = lanes.get(lane) {
            return requests.clone();
        }
        let (requests, inbox) = mpsc::channel(WAITING_REQUESTS);
        let (engine, inbox) = (Arc::clone(&self.engine), Arc::new(Inbox::new(inbox)));
        let own = lane.clone();
        self.runtime.spawn(keep_up(move || {
            gather(Arc::clone(&engine), own.clone(), Arc::clone(&inbox))
        }));
        lanes.insert(lane.clone(), requests.clone());
        requests
    }

    fn rounds_at(&self, home: Option<&Home>) -> mpsc::Sender<(Proof, Request)> {
        let (address, engine) = match home {
            Some(home) => (home.address.as_str(), &home.engine),
            None => ("", &self.engine),
        };
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rounds) = rounds.get(address) {
            return rounds.requests.clone();
        }
        let started = Rounds::start(engine, &self.runtime);
        let requests = started.requests.clone();
        rounds.insert(address.to_owned(), started);
        requests
    }

    /// Stores jobs of one lane as durably as asked for, without a level as the server does by itself; says for each
    /// whether it is new.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the time is up and nothing was sent, `MaybeStored` when something was, `Full`, `Unsuitable`
    /// or `TooFewReplicas` where the server cannot give the level, and what else the queue answers.
    pub async fn enqueue(
        &self,
        lane: Lane,
        jobs: Vec<NewJob>,
        level: Option<Durability>,
        limit: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Arc<[Uuid]> = jobs.iter().map(|job| job.member.id()).collect();
        let sent = match level {
            None => self.send(lane, jobs, None, None, limit).await,
            Some(level) => self.send_confirmed(lane, jobs, level, limit).await,
        };
        sent.map_err(|error| match error {
            QueueError::Unconfirmed(text) => QueueError::MaybeStored(text, ids),
            error => error,
        })
    }

    /// Most jobs of one call.
    pub fn batch_size(&self) -> usize {
        self.engine.options().batch_size
    }

    /// As [`Self::enqueue`], for jobs of any shards of a queue: each goes to the one that its id falls to now.
    pub(super) async fn enqueue_spread(
        &self,
        queue: &str,
        jobs: Vec<NewJob>,
        level: Option<Durability>,
        limit: Duration,
    ) -> Result<(), QueueError> {
        let mut lanes: BTreeMap<Lane, Vec<NewJob>> = BTreeMap::new();
        for job in jobs {
            let lane = Lane::of(queue, job.member.id(), self.engine.options().shards);
            lanes.entry(lane).or_default().push(job);
        }
        for (lane, jobs) in lanes {
            self.enqueue(lane, jobs, level, limit).await?;
        }
        Ok(())
    }

    /// Whether the queue answers, and may hold jobs.
    pub async fn answers(&self) -> bool {
        self.engine.look().await.is_ok()
    }

    /// Hands a request to the task that will serve it, and waits for the answer.
    pub(super) async fn send(
        &self,
        lane: Lane,
        jobs: Vec<NewJob>,
        proof: Option<Proof>,
        home: Option<&Home>,
        limit: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        let deadline = Instant::now() + limit;
        let state = Arc::new(AtomicU8::new(WAITING));
        let (reply, answer) = oneshot::channel();
        let request = Request {
            lane,
            jobs,
            state: Arc::clone(&state),
            deadline,
            reply,
        };
        let gone = || QueueError::Unavailable("the queue's threads have ended".to_owned());
        let given_up = |text: String, sent: String| match state
            .compare_exchange(WAITING, GIVEN_UP, AcqRel, Acquire)
        {
            Ok(_) => QueueError::Unavailable(text),
            Err(_) => QueueError::Unconfirmed(sent),
        };
        let out_of_time = || {
            let secs = limit.as_secs();
            given_up(
                format!("not reached within {secs} s"),
                format!("no answer within {secs} s"),
            )
        };
        let panicked = || "a thread of the queue has panicked".to_owned();
        let sending = async {
            match proof {
                None => {
                    let requests = self.requests_of(&request.lane);
                    requests.send(request).await.is_ok()
                }
                Some(proof) => {
                    let requests = self.rounds_at(home);
                    requests.send((proof, request)).await.is_ok()
                }
            }
        };
        match timeout_at(deadline, sending).await {
            Ok(true) => {}
            Ok(false) => return Err(gone()),
            Err(_) => return Err(out_of_time()),
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            // Only a panic drops a request without an answer.
            Ok(Err(_)) => Err(given_up(panicked(), panicked())),
            Err(_) => Err(out_of_time()),
        }
    }
}

/// The task of one lane.
async fn gather(engine: Arc<Engine>, lane: Lane, inbox: Arc<Inbox<mpsc::Receiver<Request>>>) {
    let mut inbox = inbox.lock().await;
    let mut waiting = Vec::new();
    while inbox.recv_many(&mut waiting, WAITING_REQUESTS).await > 0 {
        let requests = std::mem::take(&mut waiting);
        serve(&engine, &lane, requests).await;
    }
}

/// Stores the jobs of requests of one lane, batch by batch, and answers each request.
async fn serve(engine: &Engine, lane: &Lane, requests: Vec<Request>) {
    let mut group: Vec<Request> = Vec::new();
    let (mut jobs, mut bytes) = (0, 0);
    let most = engine.options().batch_size;
    for request in requests {
        let size: usize = request.jobs.iter().map(|job| job.bytes.len()).sum();
        if !group.is_empty() && (jobs + request.jobs.len() > most || bytes + size > MAX_CALL_BYTES)
        {
            store(engine, lane, std::mem::take(&mut group)).await;
            (jobs, bytes) = (0, 0);
        }
        jobs += request.jobs.len();
        bytes += size;
        group.push(request);
    }
    store(engine, lane, group).await;
}

async fn store(engine: &Engine, lane: &Lane, mut group: Vec<Request>) {
    group.retain(|request| {
        request
            .state
            .compare_exchange(WAITING, SENT, AcqRel, Acquire)
            .is_ok()
    });
    if group.is_empty() {
        return;
    }
    #[cfg(test)]
    for request in &group {
        request.panic_if_asked();
    }
    if group.len() == 1 {
        let request = group.remove(0);
        let result = store_all(
            engine,
            lane,
            &request.jobs,
            &request.state,
            request.deadline,
            false,
        )
        .await;
        answer(request, result);
        return;
    }
    let jobs: Vec<NewJob> = group
        .iter()
        .flat_map(|request| request.jobs.iter().cloned())
        .collect();
    match engine.enqueue(lane, &jobs).await {
        Ok(stored) => {
            let mut stored = stored.into_iter();
            for request in group {
                let own = stored.by_ref().take(request.jobs.len()).collect();
                answer(request, Ok(own));
            }
        }
        // Alone, a request may fit where all of them together did not; and each has a deadline of its own.
        Err(error) => {
            let unconfirmed = matches!(error, QueueError::Unconfirmed(_));
            for request in group {
                let result = store_all(
                    engine,
                    lane,
                    &request.jobs,
                    &request.state,
                    request.deadline,
                    unconfirmed,
                )
                .await;
                answer(request, result);
            }
        }
    }
}

/// Stores the jobs of one request in as many calls as the bounds ask for, repeating what may pass until its deadline.
/// `sent_before`: an earlier call with these jobs had no answer, so that they may be stored already.
async fn store_all(
    engine: &Engine,
    lane: &Lane,
    jobs: &[NewJob],
    state: &AtomicU8,
    deadline: Instant,
    sent_before: bool,
) -> Result<Vec<bool>, QueueError> {
    let mut stored = Vec::with_capacity(jobs.len());
    for chunk in chunks(jobs, engine.options().batch_size) {
        let mut pause = FIRST_PAUSE;
        let mut unconfirmed = sent_before;
        loop {
            match engine.enqueue(lane, chunk).await {
                Ok(part) => {
                    stored.extend(part);
                    break;
                }
                Err(error) if error.transient() => {
                    unconfirmed |=
                        matches!(error, QueueError::Unconfirmed(_)) || !stored.is_empty();
                    if !unconfirmed {
                        state.store(WAITING, std::sync::atomic::Ordering::Release);
                    }
                    if Instant::now() + pause >= deadline {
                        return Err(last_word(unconfirmed, error));
                    }
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                    if !unconfirmed
                        && state
                            .compare_exchange(WAITING, SENT, AcqRel, Acquire)
                            .is_err()
                    {
                        return Err(error);
                    }
                }
                // The first chunks are stored, or an earlier try may have stored this one: the caller must not believe
                // that nothing is.
                Err(error) => return Err(last_word(unconfirmed || !stored.is_empty(), error)),
            }
        }
    }
    Ok(stored)
}

/// Cuts jobs into calls within the bounds on number and bytes.
pub(super) fn chunks(jobs: &[NewJob], most: usize) -> Vec<&[NewJob]> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (place, job) in jobs.iter().enumerate() {
        if place > start && (place - start >= most || bytes + job.bytes.len() > MAX_CALL_BYTES) {
            chunks.push(&jobs[start..place]);
            (start, bytes) = (place, 0);
        }
        bytes += job.bytes.len();
    }
    chunks.push(&jobs[start..]);
    chunks
}

/// What a caller hears who gets nothing better: once its jobs may be stored, it must not believe that they are not.
pub(super) fn last_word(sent_before: bool, error: QueueError) -> QueueError {
    match error {
        QueueError::Unconfirmed(_) => error,
        error if sent_before => QueueError::Unconfirmed(error.to_string()),
        error => error,
    }
}

/// Answers a request, and counts what is new.
pub(super) fn answer(request: Request, result: Result<Vec<bool>, QueueError>) {
    if let Ok(stored) = &result {
        COUNTERS.queued(stored.iter().filter(|new| **new).count());
    }
    // A caller that has given up hears nothing; what was stored is stored.
    let _ = request.reply.send(result);
}

#[cfg(test)]
mod tests;
