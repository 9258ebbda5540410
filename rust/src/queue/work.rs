//! The queue on a server, as workers use it: join, beat, turn, and what becomes of the jobs that were leased.

use super::redis::{RedisQueue, Step};
use super::scripts::Script;
use super::{
    Ack, AckOutcome, Beat, CRASH_WINDOW_MS, Incarnation, Lane, Lease, MAX_CALL_BYTES, Member, Nack,
    QueueError, Reclaimed, Source, Standing, Token, Turn, Verdict, reply,
};

/// Most leases that one hold shortens: more worker processes than one queue has.
const MOST_SHORTENED: usize = 1000;
/// Most digits of a number that scripts take for one.
const MOST_DIGITS: usize = 15;

/// The number of a lease call as `release` reads it, or 0, which no call has, where foreign hands have left something else.
fn call_of(text: &[u8]) -> u64 {
    let number = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.len() <= MOST_DIGITS)
        .and_then(|text| text.parse::<u64>().ok());
    number
        .filter(|number| number.to_string().as_bytes() == text)
        .unwrap_or(0)
}

impl RedisQueue {
    /// Gives a new incarnation its lease.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating is safe.
    pub async fn join(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        info: &str,
    ) -> Result<i64, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let keys = [&k.leases, &k.workers, &k.wake, &k.meta].map(String::as_str);
        let mut command = self.command(Script::Join, &step, &keys);
        command
            .arg(incarnation.as_str())
            .arg(self.options().lease_duration_ms)
            .arg(info);
        let mut now_ms = reply::int(&self.run(Script::Join, &step, &command).await?)?;
        if now_ms < 0 {
            // The keys were deleted under our feet: claim them again, then join.
            self.claim(&self.commands, &step.live, k).await?;
            now_ms = reply::int(&self.run(Script::Join, &step, &command).await?)?;
        }
        Ok(now_ms)
    }

    /// Renews the lease of an incarnation and says that it has heard of these cancelled jobs.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating is safe.
    pub async fn beat(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        heard: &[Member],
    ) -> Result<Beat, QueueError> {
        // Beats have their own connection, so that no batch is ever before them.
        let step = Step {
            live: self.beats.live().await?,
            keys: self.keys(lane),
        };
        let k = &step.keys;
        let (cancels, running) = (k.cancels(incarnation), k.running(incarnation));
        let keys = [&k.leases, &cancels, &running, &k.meta].map(String::as_str);
        let mut command = self.command(Script::Beat, &step, &keys);
        command
            .arg(incarnation.as_str())
            .arg(self.options().lease_duration_ms);
        for member in heard {
            command.arg(member.as_bytes());
        }
        let mut items = reply::array(
            self.scripts
                .run(&self.beats, &step.live, Script::Beat, &command)
                .await?,
        )?;
        let alive = reply::int(&reply::next(&mut items)?)? == 1;
        let now_ms = reply::int(&reply::next(&mut items)?)?;
        let cancelled = items.next().map_or(Ok(Vec::new()), reply::stored_members)?;
        let held = items.next().map_or(Ok(0), |held| reply::count(&held))?;
        Ok(Beat {
            alive,
            now_ms,
            held,
            cancelled,
        })
    }

    /// What an incarnation holds, which is about as much as it has slots. What is held under no number is under call 0.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn held(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
    ) -> Result<Vec<Token>, QueueError> {
        let step = self.ready(lane).await?;
        let mut command = redis::cmd("HGETALL");
        command.arg(step.keys.running(incarnation));
        let mut held = Vec::new();
        for (member, call) in reply::pairs(self.read(&step, &command).await?)? {
            if let Ok(member) = reply::member(member) {
                let call = call_of(&reply::bytes(call)?);
                held.push(Token { member, call });
            }
        }
        Ok(held)
    }

    /// Holds reclaiming back for the longest lease, since the server's clock was seen to jump. Says until when, in ms.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating makes the hold last from then on.
    pub async fn hold(&self, lane: &Lane) -> Result<i64, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(Script::Hold, &step, &[&k.meta, &k.leases]);
        command
            .arg(self.options().lease_duration_ms)
            .arg(MOST_SHORTENED);
        reply::int(&self.run(Script::Hold, &step, &command).await?)
    }

    /// Promotes what is due, names lost incarnations and leases up to `want` jobs under the number `call`.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating with the same number returns the same jobs.
    pub async fn turn(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        call: u64,
        want: usize,
        source: Source,
    ) -> Result<Turn, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let running = k.running(incarnation);
        let mut command = self.command(
            Script::Turn,
            &step,
            &[
                &k.scheduled,
                &k.leases,
                &running,
                &k.pending[0],
                &k.pending[1],
                &k.pending[2],
                &k.pending[3],
                &k.jobs,
                &k.history,
                &k.ghosts,
                &k.meta,
                &k.wake,
                &k.calls,
                &k.suspects,
            ],
        );
        command
            .arg(incarnation.as_str())
            .arg(call)
            .arg(want.min(self.options().batch_size))
            .arg(self.options().batch_size)
            .arg(MAX_CALL_BYTES)
            .arg(source.as_str());
        let mut items = reply::array(self.run(Script::Turn, &step, &command).await?)?;
        let standing = match reply::int(&reply::next(&mut items)?)? {
            0 => Standing::Lost,
            2 => Standing::Expired,
            _ => Standing::Alive,
        };
        let now_ms = reply::int(&reply::next(&mut items)?)?;
        if standing == Standing::Lost {
            return Ok(Turn {
                standing,
                now_ms,
                next_due_ms: None,
                waiting: 0,
                suspects: 0,
                lost: Vec::new(),
                leases: Vec::new(),
            });
        }
        let next_due = reply::int(&reply::next(&mut items)?)?;
        let waiting = reply::count(&reply::next(&mut items)?)?;
        let suspects = reply::count(&reply::next(&mut items)?)?;
        let lost = reply::array(reply::next(&mut items)?)?
            .map(|name| reply::text(name).map(Incarnation::named))
            .collect::<Result<_, _>>()?;
        let members = reply::members(reply::next(&mut items)?)?;
        let mut bytes = reply::array(reply::next(&mut items)?)?;
        let mut histories = reply::array(reply::next(&mut items)?)?;
        let mut leases = Vec::with_capacity(members.len());
        for member in members {
            leases.push(Lease {
                member,
                call,
                bytes: reply::bytes(reply::next(&mut bytes)?)?,
                history: histories.next().map_or(Ok(None), reply::maybe_bytes)?,
            });
        }
        Ok(Turn {
            standing,
            now_ms,
            next_due_ms: (next_due >= 0).then_some(next_due),
            waiting,
            suspects,
            lost,
            leases,
        })
    }

    /// Completes jobs that the incarnation still holds; at most `batch_size` jobs.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating is safe.
    pub async fn ack(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        acks: &[Ack],
    ) -> Result<Vec<AckOutcome>, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let running = k.running(incarnation);
        let mut command = self.command(
            Script::Ack,
            &step,
            &[
                &running,
                &k.jobs,
                &k.history,
                &k.crashes,
                &k.done[0],
                &k.done[1],
                &k.ended[0],
                &k.ended[1],
                &k.meta,
                &k.leases,
                &k.recent,
            ],
        );
        command
            .arg(incarnation.as_str())
            .arg(acks.len())
            .arg(self.options().completed_retention_max)
            .arg(self.options().completed_retention_ms);
        for ack in acks {
            command.arg(ack.token.member.as_bytes());
        }
        for ack in acks {
            command.arg(ack.token.call);
        }
        for ack in acks {
            command.arg(ack.record.as_slice());
        }
        let digits = reply::digits(self.run(Script::Ack, &step, &command).await?, acks.len())?;
        Ok(digits
            .into_iter()
            .map(|digit| match digit {
                b'1' => AckOutcome::Acked,
                b'2' => AckOutcome::Already,
                _ => AckOutcome::Lost,
            })
            .collect())
    }

    /// Ends failed attempts of jobs that the incarnation still holds; at most `batch_size` jobs.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating changes nothing and answers `false` for what was done before.
    pub async fn nack(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        nacks: &[Nack],
    ) -> Result<Vec<bool>, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let running = k.running(incarnation);
        let mut command = self.command(
            Script::Nack,
            &step,
            &[
                &running,
                &k.scheduled,
                &k.parked,
                &k.dead,
                &k.failures,
                &k.jobs,
                &k.history,
                &k.crashes,
                &k.done[0],
                &k.done[1],
                &k.ended[0],
                &k.ended[1],
                &k.meta,
                &k.wake,
                &k.recent,
            ],
        );
        command
            .arg(nacks.len())
            .arg(self.options().dead_letter_max)
            .arg(2 * self.options().batch_size)
            .arg(self.options().completed_retention_max)
            .arg(self.options().completed_retention_ms);
        for nack in nacks {
            let (verdict, time) = match nack.verdict {
                Verdict::Retry(delay_ms) => ("retry", i64::try_from(delay_ms).unwrap_or(i64::MAX)),
                Verdict::Dead => ("dead", 0),
                Verdict::Log => ("log", 0),
                Verdict::Park(until_ms) => ("park", until_ms),
            };
            command
                .arg(nack.token.member.as_bytes())
                .arg(nack.token.call)
                .arg(verdict)
                .arg(time)
                .arg(nack.history.as_slice())
                .arg(nack.failure.as_slice())
                .arg(nack.record.as_slice());
        }
        let digits = reply::digits(self.run(Script::Nack, &step, &command).await?, nacks.len())?;
        Ok(digits.into_iter().map(|digit| digit == b'1').collect())
    }

    /// Gives leased jobs back unharmed; at most `batch_size` jobs.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating changes nothing.
    pub async fn release(
        &self,
        lane: &Lane,
        incarnation: &Incarnation,
        tokens: &[Token],
        source: Source,
    ) -> Result<Vec<bool>, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let running = k.running(incarnation);
        let mut command = self.command(
            Script::Release,
            &step,
            &[
                &running,
                &k.pending[0],
                &k.pending[1],
                &k.pending[2],
                &k.pending[3],
                &k.suspects,
                &k.meta,
                &k.wake,
            ],
        );
        command.arg(tokens.len()).arg(source.as_str());
        for token in tokens {
            command.arg(token.member.as_bytes());
        }
        for token in tokens {
            command.arg(token.call);
        }
        let digits = reply::digits(
            self.run(Script::Release, &step, &command).await?,
            tokens.len(),
        )?;
        Ok(digits.into_iter().map(|digit| digit == b'1').collect())
    }

    /// Ends an incarnation that holds nothing; says how many jobs it still holds.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating is safe.
    pub async fn leave(&self, lane: &Lane, incarnation: &Incarnation) -> Result<u64, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let (running, cancels) = (k.running(incarnation), k.cancels(incarnation));
        let mut command = self.command(
            Script::Leave,
            &step,
            &[&k.leases, &running, &cancels, &k.calls, &k.workers, &k.wake],
        );
        command.arg(incarnation.as_str());
        reply::count(&self.run(Script::Leave, &step, &command).await?)
    }

    /// Moves on the jobs of an incarnation whose lease has run out, at most `batch_size` of them.
    ///
    /// `failure` is what is kept of a job that has crashed too often.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating is safe.
    pub async fn reclaim(
        &self,
        lane: &Lane,
        lost: &Incarnation,
        failure: &[u8],
    ) -> Result<Reclaimed, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let (running, cancels) = (k.running(lost), k.cancels(lost));
        let mut command = self.command(
            Script::Reclaim,
            &step,
            &[
                &k.leases,
                &running,
                &cancels,
                &k.pending[0],
                &k.pending[1],
                &k.pending[2],
                &k.pending[3],
                &k.suspects,
                &k.crashes,
                &k.dead,
                &k.failures,
                &k.jobs,
                &k.history,
                &k.done[0],
                &k.done[1],
                &k.ended[0],
                &k.ended[1],
                &k.meta,
                &k.workers,
                &k.calls,
                &k.wake,
            ],
        );
        command
            .arg(lost.as_str())
            .arg(&step.live.facts.run_id)
            .arg(self.options().lease_duration_ms)
            .arg(self.options().batch_size)
            .arg(self.options().max_crashes)
            .arg(CRASH_WINDOW_MS)
            .arg(self.options().dead_letter_max)
            .arg(failure);
        let mut items = reply::array(self.run(Script::Reclaim, &step, &command).await?)?;
        let moved = reply::count(&reply::next(&mut items)?)?;
        let held = reply::int(&reply::next(&mut items)?)?;
        let buried = reply::members(reply::next(&mut items)?)?;
        Ok(Reclaimed {
            moved,
            held: u64::try_from(held).unwrap_or(0),
            buried,
            refused: held == -1,
            overwritten: held == -2,
        })
    }
}
