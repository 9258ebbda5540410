//! Writes at a level of durability: what proves it is found first, and it counts only for the server that has it.
//!
//! Between the two another server may have taken the place of the first: after a failover, or when it has come back with
//! other settings. What that one has answered is written again where the level is proved, under the same ids.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::cluster::Home;
use super::confirm::unsent;
use super::durability::Proof;
use super::gather::{FIRST_PAUSE, Gather, LONGEST_PAUSE, last_word};
use super::{Durability, Lane, NewJob, QueueError};

/// What proves a level, and where that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grounds {
    /// What has to be asked after a write; nothing where its answer alone proves the level.
    pub proof: Option<Proof>,
    /// The connection for commands whose server said so; nothing where any server gives the level.
    pub generation: Option<u64>,
}

impl Grounds {
    /// Any server gives the level.
    pub(super) const ANYWHERE: Self = Self {
        proof: None,
        generation: None,
    };
}

impl Gather {
    /// Stores jobs on the server of their lane, which also proves the level.
    pub(super) async fn send_confirmed(
        &self,
        lane: Lane,
        jobs: Vec<NewJob>,
        level: Durability,
        limit: Duration,
    ) -> Result<Vec<bool>, QueueError> {
        let deadline = Instant::now() + limit;
        let mut pause = FIRST_PAUSE;
        // What was answered by a server that the level was not proved on.
        let mut unproved: Option<Vec<bool>> = None;
        loop {
            let ground = self.ground(&lane, level, deadline).await;
            let (home, grounds) = ground.map_err(|error| last_word(unproved.is_some(), error))?;
            let left = deadline.saturating_duration_since(Instant::now());
            let sent = self
                .send(
                    lane.clone(),
                    jobs.clone(),
                    grounds.proof,
                    home.as_ref(),
                    left,
                )
                .await;
            let (sent, sent_on) = match &home {
                Some(at) => {
                    let sent_on = matches!(sent, Err(QueueError::Elsewhere(_)));
                    (self.engine.learn(&lane, &at.address, sent), sent_on)
                }
                None => (sent, false),
            };
            let error = match sent {
                Ok(mut stored) => {
                    for (new, before) in stored.iter_mut().zip(unproved.take().unwrap_or_default())
                    {
                        *new |= before;
                    }
                    let stands = self.still_stands(&lane, home.as_ref(), &grounds);
                    if timeout_at(deadline, stands).await.unwrap_or(false) {
                        return Ok(stored);
                    }
                    unproved = Some(stored);
                    QueueError::Unconfirmed(format!(
                        "the server that {level} was proved on is not the one that has answered"
                    ))
                }
                Err(error) if sent_on => error,
                Err(error) => return Err(last_word(unproved.is_some(), error)),
            };
            if Instant::now() + pause >= deadline {
                return Err(last_word(unproved.is_some(), error));
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// What proves a level, asked until the deadline of the server that will be written to.
    async fn ground(
        &self,
        lane: &Lane,
        level: Durability,
        deadline: Instant,
    ) -> Result<(Option<Home>, Grounds), QueueError> {
        let ask = async || {
            let home = self.engine.home(lane).await?;
            let Some(at) = home else {
                return Ok((None, self.engine.grounds(level).await?));
            };
            let grounds = at.engine.grounds(level).await;
            let grounds = self.engine.learn(lane, &at.address, grounds)?;
            Ok((Some(at), grounds))
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match timeout_at(deadline, ask())
                .await
                .map(|answer| self.weighed(level, answer))
            {
                Ok(Err(error)) if QueueError::transient(&error) => {
                    if Instant::now() + pause >= deadline {
                        return Err(unsent(error));
                    }
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
                Ok(answer) => return answer,
                Err(_) => return Err(QueueError::Unavailable("it does not answer".to_owned())),
            }
        }
    }

    /// A server that has never had the replicas of a level cannot give it. Where they have been there, a failover or a
    /// restart has taken them away, and they will come again: nothing was sent, so the jobs can wait for that.
    fn weighed<T>(
        &self,
        level: Durability,
        answer: Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let Durability::Replica(wanted) = level else {
            return answer;
        };
        match answer {
            Err(QueueError::TooFewReplicas(text))
                if wanted <= self.replicas_given.load(Relaxed) =>
            {
                Err(QueueError::Unavailable(text))
            }
            Ok(found) => {
                self.replicas_given.fetch_max(wanted, Relaxed);
                Ok(found)
            }
            error => error,
        }
    }

    /// Whether the server that has answered without a further proof is the one that the grounds are about.
    async fn still_stands(&self, lane: &Lane, home: Option<&Home>, grounds: &Grounds) -> bool {
        match home {
            // Whoever has proved a write has made sure of that.
            _ if grounds.proof.is_some() => true,
            None => self.engine.still_stands_on(grounds),
            Some(before) => match self.engine.home(lane).await {
                Ok(Some(now)) => {
                    Arc::ptr_eq(&now.engine, &before.engine) && now.engine.still_stands_on(grounds)
                }
                _ => false,
            },
        }
    }
}
