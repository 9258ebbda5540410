//! Confirmed writes: jobs are stored on a connection of their own, which then waits until they are as durable as was
//! asked for.
//!
//! The server counts for `WAIT` and `WAITAOF` only what the same connection has written. So the wait follows the write on
//! the writer's own connection, behind a write that always happens, and counts only where the connection is still the
//! same afterwards: its number at the server, and the server's run id, which together no other connection ever has.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::durability::{Flush, Proof};
use super::facts::{ServerFacts, fsync_command, info_command, setting};
use super::gather::chunks;
use super::grounds::Grounds;
use super::link::{CallError, Link, Live, REPLY_TIMEOUT};
use super::redis::RedisQueue;
use super::scripts::Script;
use super::{Durability, Lane, NewJob, QueueError, Stored, reply};

/// How long after the time that a wait was given at the server its answer may come; a server whose clock jumps may
/// never give it.
const WAIT_MARGIN: Duration = Duration::from_millis(500);

/// How old an answer of the server may be from which a level is proved. What has to be confirmed is confirmed anyway.
const SEEN_LATELY: Duration = Duration::from_secs(5);

/// What the server said of itself.
pub(super) struct Seen {
    at: Instant,
    /// Of the connection for commands.
    generation: u64,
    facts: ServerFacts,
}

/// A connection for writes that are to be confirmed.
pub(super) struct Writer {
    link: Link,
    session: Mutex<Session>,
}

/// What is known of the connection as it is now.
#[derive(Default)]
struct Session {
    generation: u64,
    /// Its number at the server.
    number: i64,
    /// Lanes whose keys are known to be ours.
    opened: HashSet<Lane>,
}

/// Jobs of one lane to be stored and confirmed.
pub(super) struct Write<'a> {
    /// Where they belong.
    pub(super) lane: &'a Lane,
    /// The jobs, as many as there are.
    pub(super) jobs: &'a [NewJob],
}

impl Writer {
    /// A writer that connects when it is first used.
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            session: Mutex::default(),
        }
    }
}

impl RedisQueue {
    /// Asks the server anew what it is and keeps.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; `Unsuitable` where it must not hold jobs any more.
    pub async fn look(&self) -> Result<ServerFacts, QueueError> {
        let live = self.commands.live().await?;
        let info = self
            .commands
            .ask(&live, &info_command(), REPLY_TIMEOUT)
            .await
            .map_err(CallError::into_queue_error)?;
        // A least-privilege user may not read the configuration; the facts then say less, never more.
        let fsync = match self
            .commands
            .ask(&live, &fsync_command(), REPLY_TIMEOUT)
            .await
            .map_err(CallError::into_queue_error)
        {
            Ok(value) => Some(value),
            Err(error) if error.transient() => return Err(error),
            Err(_) => None,
        };
        ServerFacts::answered(info, fsync.as_ref())
    }

    /// What proves a level on the server as it is now.
    ///
    /// # Errors
    ///
    /// `Unsuitable` or `TooFewReplicas` where it cannot give the level, and what [`RedisQueue::look`] says.
    pub async fn grounds(&self, level: Durability) -> Result<Grounds, QueueError> {
        if level == Durability::Memory {
            return Ok(Grounds::ANYWHERE);
        }
        let generation = self.commands.live().await?.generation;
        let found = |proof| Grounds {
            proof,
            generation: Some(generation),
        };
        let known = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.as_ref()
                .filter(|seen| seen.generation == generation && seen.at.elapsed() < SEEN_LATELY)
                .and_then(|seen| seen.facts.proof(level).ok())
        };
        if let Some(proof) = known {
            return Ok(found(proof));
        }
        let facts = self.look().await?;
        let proof = facts.proof(level)?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen {
            at: Instant::now(),
            generation,
            facts,
        });
        Ok(found(proof))
    }

    /// Whether the connection for commands has been the same all the time since the grounds were found: what was
    /// answered on it meanwhile came from the server that they are about.
    pub(super) fn still_stands_on(&self, grounds: &Grounds) -> bool {
        grounds
            .generation
            .is_none_or(|generation| generation == self.commands.generation())
    }

    /// Stores jobs and waits until `until` for their proof; one wait serves all of them. One answer per write.
    ///
    /// `Unavailable` says that nothing was sent; `Unconfirmed` that the jobs may be stored, and may be lost again.
    pub(super) async fn write_confirmed(
        &self,
        writer: &Writer,
        proof: Proof,
        until: Instant,
        batches: &[Write<'_>],
    ) -> Vec<Result<Stored, QueueError>> {
        let mut session = writer.session.lock().await;
        let live = match self.greeted(writer, &mut session).await {
            Ok(live) => live,
            Err(error) => return batches.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut answers = Vec::with_capacity(batches.len());
        let mut broken: Option<QueueError> = None;
        for write in batches {
            let answer = match &broken {
                Some(error) => Err(unsent(error.clone())),
                None => self.write(writer, &live, &mut session, write).await,
            };
            if let Err(error @ QueueError::Unconfirmed(_)) = &answer {
                broken.get_or_insert_with(|| error.clone());
            }
            answers.push(answer);
        }
        let Some(place) = answers.iter().position(Result::is_ok) else {
            return answers;
        };
        let confirmed = match broken {
            Some(error) => Err(error),
            None => {
                self.confirm(
                    writer,
                    &live,
                    session.number,
                    batches[place].lane,
                    proof,
                    until,
                )
                .await
            }
        };
        if let Err(error) = confirmed {
            let error = unconfirmed(error);
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(error.clone());
            }
        }
        answers
    }

    /// The writer's connection, and its number at the server.
    async fn greeted(&self, writer: &Writer, session: &mut Session) -> Result<Live, QueueError> {
        let live = writer.link.live().await?;
        if session.generation != live.generation {
            let number = client_number(writer, &live).await.map_err(unsent)?;
            *session = Session {
                generation: live.generation,
                number,
                opened: HashSet::new(),
            };
        }
        Ok(live)
    }

    async fn write(
        &self,
        writer: &Writer,
        live: &Live,
        session: &mut Session,
        write: &Write<'_>,
    ) -> Result<Stored, QueueError> {
        let keys = self.keys(write.lane);
        if !session.opened.contains(write.lane) {
            let first = write.lane.first();
            if write.lane.shard > 0 && !session.opened.contains(&first) {
                self.agree(&writer.link, live, &first).await?;
            }
            self.claim(&writer.link, live, &keys)
                .await
                .map_err(unsent)?;
            session.opened.insert(write.lane.clone());
        }
        let mut stored = Vec::with_capacity(write.jobs.len());
        for chunk in chunks(write.jobs, self.options().batch_size) {
            match self.store(&writer.link, live, &keys, chunk).await {
                Ok(part) => stored.extend(part),
                // The first chunks are stored: the caller must not believe that nothing is.
                Err(error) if !stored.is_empty() => return Err(unconfirmed(error)),
                Err(error) => return Err(error),
            }
        }
        Ok(stored)
    }

    /// Waits for the proof of everything that this connection has written.
    async fn confirm(
        &self,
        writer: &Writer,
        live: &Live,
        number: i64,
        lane: &Lane,
        proof: Proof,
        until: Instant,
    ) -> Result<(), QueueError> {
        let keys = self.keys(lane);
        let command = self
            .scripts
            .command(Script::Confirm, &[&keys.meta], &keys.clock);
        let written = self
            .scripts
            .run(&writer.link, live, Script::Confirm, &command)
            .await?;
        if reply::int(&written)? != 1 {
            return Err(not_confirmed("the queue's keys are gone"));
        }
        match proof.flush {
            Flush::Unasked => {}
            Flush::Awaited => {
                let counts = wait(writer, live, until, |ms| {
                    let mut command = redis::cmd("WAITAOF");
                    command.arg(1).arg(0).arg(ms);
                    command
                })
                .await?;
                let mut counts = reply::array(counts)?;
                if reply::int(&reply::next(&mut counts)?)? < 1 {
                    return Err(not_confirmed(
                        "the server has not written it to its disk in time",
                    ));
                }
            }
            Flush::Always => {
                let mut command = redis::cmd("CONFIG");
                command.arg("GET").arg("append*");
                let found = call(writer, live, &command, REPLY_TIMEOUT).await?;
                if setting(&found, "appendonly").as_deref() != Some("yes")
                    || setting(&found, "appendfsync").as_deref() != Some("always")
                {
                    return Err(not_confirmed(
                        "the server does not flush each write any more",
                    ));
                }
            }
        }
        if proof.replicas > 0 {
            let count = wait(writer, live, until, |ms| {
                let mut command = redis::cmd("WAIT");
                command.arg(proof.replicas).arg(ms);
                command
            })
            .await?;
            let count = reply::int(&count)?;
            if count < i64::from(proof.replicas) {
                let wanted = proof.replicas;
                return Err(not_confirmed(&format!(
                    "{count} of {wanted} replicas have it in time"
                )));
            }
        }
        self.still_the_same(writer, live, number).await
    }

    /// Makes sure that all of it was one connection to one server: something between us and the server may have made
    /// another behind our back.
    async fn still_the_same(
        &self,
        writer: &Writer,
        live: &Live,
        number: i64,
    ) -> Result<(), QueueError> {
        let same_number = client_number(writer, live).await? == number;
        let mut command = redis::cmd("INFO");
        command.arg("server");
        let info = reply::shown(call(writer, live, &command, REPLY_TIMEOUT).await?)?;
        let run_id = info
            .lines()
            .find_map(|line| line.strip_prefix("run_id:"))
            .map(str::trim);
        if same_number && run_id == Some(live.facts.run_id.as_str()) {
            return Ok(());
        }
        writer.link.forget(live).await;
        Err(not_confirmed(
            "the connection was replaced between the write and its confirmation",
        ))
    }
}

async fn client_number(writer: &Writer, live: &Live) -> Result<i64, QueueError> {
    let mut command = redis::cmd("CLIENT");
    command.arg("ID");
    reply::int(&call(writer, live, &command, REPLY_TIMEOUT).await?)
}

/// Sends a command that blocks at the server for the rest of the time.
async fn wait(
    writer: &Writer,
    live: &Live,
    until: Instant,
    command: impl FnOnce(u64) -> Cmd,
) -> Result<Value, QueueError> {
    let left = until.saturating_duration_since(Instant::now());
    // 0 would be for ever.
    let ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
    call(writer, live, &command(ms), left + WAIT_MARGIN).await
}

async fn call(
    writer: &Writer,
    live: &Live,
    command: &Cmd,
    limit: Duration,
) -> Result<Value, QueueError> {
    writer
        .link
        .call(live, command, limit)
        .await
        .map_err(CallError::into_queue_error)
}

fn not_confirmed(why: &str) -> QueueError {
    QueueError::Unconfirmed(why.to_owned())
}

/// An error that came after something was written.
fn unconfirmed(error: QueueError) -> QueueError {
    match error {
        QueueError::Unconfirmed(_) => error,
        error => QueueError::Unconfirmed(error.to_string()),
    }
}

/// An error that came before anything was written.
pub(super) fn unsent(error: QueueError) -> QueueError {
    match error {
        QueueError::Unconfirmed(text) => QueueError::Unavailable(text),
        error => error,
    }
}
