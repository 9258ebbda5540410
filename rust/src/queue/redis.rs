//! The queue on a Redis or Valkey server: each step of a lane is one script.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value};

use super::facts::ServerFacts;
use super::keys::Keys;
use super::link::{CallError, Link, Live, REPLY_TIMEOUT};
use super::scripts::{Script, Scripts};
use super::{
    Ack, AckOutcome, Beat, CRASH_WINDOW_MS, Cancelled, Due, Incarnation, Lane, LaneOptions, Lease,
    MAX_CALL_BYTES, Member, Nack, NewJob, QueueError, Reclaimed, Source, Standing, Stored, Token,
    Turn, Verdict, reply,
};

/// What the keys of a lane say whose they are: the program and the number of this layout.
const MARKER: &str = "fraiseql_observers:1";

/// Longest that one blocking wait lasts at the server; our own deadline is behind it, for a server that hangs.
const WAIT_SECS: u64 = 20;
const WAIT_DEADLINE: Duration = Duration::from_secs(WAIT_SECS + 5);

/// The queue on one server.
pub struct RedisQueue {
    prefix: String,
    options: LaneOptions,
    scripts: Scripts,
    commands: Link,
    beats: Link,
    waits: Link,
    keys: Mutex<HashMap<Lane, Arc<Keys>>>,
    opened: Mutex<HashSet<(Lane, u64)>>,
}

/// A step about to run: the connection, the keys.
pub(super) struct Step {
    pub(super) live: Live,
    pub(super) keys: Arc<Keys>,
}

impl RedisQueue {
    /// A queue that connects when it is first used.
    ///
    /// With `manual_clock` the scripts read the time from the clock key of each lane, for tests.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where the url is none.
    pub fn new(
        url: &str,
        prefix: &str,
        options: LaneOptions,
        manual_clock: bool,
    ) -> Result<Self, QueueError> {
        Ok(Self {
            prefix: prefix.to_owned(),
            options,
            scripts: Scripts::new(manual_clock),
            commands: Link::new(url)?,
            beats: Link::new(url)?,
            waits: Link::new(url)?,
            keys: Mutex::default(),
            opened: Mutex::default(),
        })
    }

    /// The bounds that this queue keeps.
    pub const fn options(&self) -> &LaneOptions {
        &self.options
    }

    /// Connects and makes sure that the server can hold jobs and that the lane's keys are ours.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn open(&self, lane: &Lane) -> Result<Arc<ServerFacts>, QueueError> {
        Ok(self.ready(lane).await?.live.facts)
    }

    /// The address without credentials.
    pub fn endpoint(&self) -> &str {
        self.commands.endpoint()
    }

    /// The keys of a lane.
    pub fn keys(&self, lane: &Lane) -> Arc<Keys> {
        let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(lane) {
            return Arc::clone(keys);
        }
        let keys = Arc::new(Keys::new(&self.prefix, lane));
        known.insert(lane.clone(), Arc::clone(&keys));
        keys
    }

    /// The connection for commands, and a lane whose keys are known to be ours under it.
    pub(super) async fn ready(&self, lane: &Lane) -> Result<Step, QueueError> {
        let live = self.commands.live().await?;
        let keys = self.keys(lane);
        let seen = (lane.clone(), live.generation);
        if !self
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&seen)
        {
            self.claim(&live, &keys).await?;
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.retain(|(_, generation)| *generation == live.generation);
            opened.insert(seen);
        }
        Ok(Step { live, keys })
    }

    async fn claim(&self, live: &Live, keys: &Keys) -> Result<(), QueueError> {
        let mut command = self
            .scripts
            .command(Script::Open, &[&keys.meta], &keys.clock);
        command
            .arg(MARKER)
            .arg(&live.facts.run_id)
            .arg(self.options.lease_duration_ms);
        let found = reply::text(
            self.scripts
                .run(&self.commands, live, Script::Open, &command)
                .await?,
        )?;
        if found == MARKER {
            return Ok(());
        }
        Err(QueueError::Unsuitable(format!(
            "the keys under the prefix {:?} are not ours: found {found:?} where {MARKER:?} should be",
            self.prefix
        )))
    }

    pub(super) fn command(&self, script: Script, step: &Step, keys: &[&str]) -> Cmd {
        self.scripts.command(script, keys, &step.keys.clock)
    }

    pub(super) async fn run(
        &self,
        script: Script,
        step: &Step,
        command: &Cmd,
    ) -> Result<Value, QueueError> {
        self.scripts
            .run(&self.commands, &step.live, script, command)
            .await
    }

    /// A command of one key that is no step, and that does no harm when it is done twice.
    pub(super) async fn read(&self, step: &Step, command: &Cmd) -> Result<Value, QueueError> {
        self.commands
            .ask(&step.live, command, REPLY_TIMEOUT)
            .await
            .map_err(CallError::into_queue_error)
    }

    /// Stores jobs, each once; at most `batch_size` jobs.
    ///
    /// # Errors
    ///
    /// `Full` with nothing stored; `Unconfirmed` where the answer was lost: the same call may be repeated.
    pub async fn enqueue(&self, lane: &Lane, jobs: &[NewJob]) -> Result<Stored, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(
            Script::Enqueue,
            &step,
            &[
                &k.jobs,
                &k.done[0],
                &k.done[1],
                &k.pending[0],
                &k.pending[1],
                &k.pending[2],
                &k.pending[3],
                &k.scheduled,
                &k.wake,
                &k.meta,
            ],
        );
        let letters: Vec<u8> = jobs
            .iter()
            .map(|job| job.member.priority().letter())
            .collect();
        command
            .arg(jobs.len())
            .arg(self.options.max_pending)
            .arg(letters);
        for job in jobs {
            command.arg(job.member.id().as_bytes().as_slice());
        }
        for job in jobs {
            match job.due {
                Due::Now => command.arg(b"0".as_slice()),
                Due::After(ms) => command.arg(format!("+{ms}")),
                Due::At(ms) => command.arg(ms),
            };
        }
        for job in jobs {
            command.arg(job.bytes.as_ref());
        }
        let mut value = self.run(Script::Enqueue, &step, &command).await?;
        if matches!(&value, Value::BulkString(word) if word == b"unopened") {
            // The keys were deleted under our feet: claim them again, then store.
            self.claim(&step.live, k).await?;
            value = self.run(Script::Enqueue, &step, &command).await?;
        }
        if matches!(&value, Value::BulkString(word) if word == b"full") {
            return Err(QueueError::Full(format!(
                "{} jobs are pending already",
                self.options.max_pending
            )));
        }
        Ok(reply::digits(value, jobs.len())?
            .into_iter()
            .map(|digit| digit == b'1')
            .collect())
    }

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
        let mut command = self.command(Script::Join, &step, &[&k.leases, &k.workers, &k.wake]);
        command
            .arg(incarnation.as_str())
            .arg(self.options.lease_duration_ms)
            .arg(info);
        reply::int(&self.run(Script::Join, &step, &command).await?)
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
        let cancels = step.keys.cancels(incarnation);
        let mut command = self.command(Script::Beat, &step, &[&step.keys.leases, &cancels]);
        command
            .arg(incarnation.as_str())
            .arg(self.options.lease_duration_ms);
        for member in heard {
            command.arg(member.as_bytes());
        }
        let mut items = reply::array(
            self.scripts
                .run(&self.beats, &step.live, Script::Beat, &command)
                .await?,
        )?;
        let alive = reply::int(&reply::next(&mut items)?)? == 1;
        reply::next(&mut items)?;
        let cancelled = items.next().map_or(Ok(Vec::new()), reply::stored_members)?;
        Ok(Beat { alive, cancelled })
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
            .arg(want.min(self.options.batch_size))
            .arg(self.options.batch_size)
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
            .arg(self.options.completed_retention_max)
            .arg(self.options.completed_retention_ms);
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
            .arg(self.options.dead_letter_max)
            .arg(2 * self.options.batch_size)
            .arg(self.options.completed_retention_max)
            .arg(self.options.completed_retention_ms);
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
            .arg(self.options.lease_duration_ms)
            .arg(self.options.batch_size)
            .arg(self.options.max_crashes)
            .arg(CRASH_WINDOW_MS)
            .arg(self.options.dead_letter_max)
            .arg(failure);
        let mut items = reply::array(self.run(Script::Reclaim, &step, &command).await?)?;
        let moved = reply::count(&reply::next(&mut items)?)?;
        let held = reply::int(&reply::next(&mut items)?)?;
        let buried = reply::members(reply::next(&mut items)?)?;
        Ok(Reclaimed {
            moved,
            held: u64::try_from(held).unwrap_or(0),
            buried,
            refused: held < 0,
        })
    }

    /// Cancels a job, wherever it is.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating answers `Ended`.
    pub async fn cancel(&self, lane: &Lane, member: Member) -> Result<Cancelled, QueueError> {
        loop {
            let step = self.ready(lane).await?;
            let k = &step.keys;
            let incarnations = self.incarnations(&step).await?;
            let held: Vec<String> = incarnations
                .iter()
                .flat_map(|name| [k.running(name), k.cancels(name)])
                .collect();
            let mut keys: Vec<&str> = vec![
                &k.jobs,
                &k.scheduled,
                &k.parked,
                &k.dead,
                &k.failures,
                &k.history,
                &k.crashes,
                &k.ghosts,
                &k.done[0],
                &k.done[1],
                &k.ended[0],
                &k.ended[1],
                &k.meta,
                &k.leases,
            ];
            keys.extend(held.iter().map(String::as_str));
            let mut command = self.command(Script::Cancel, &step, &keys);
            command.arg(member.as_bytes());
            for name in &incarnations {
                command.arg(name.as_str());
            }
            return Ok(
                match reply::text(self.run(Script::Cancel, &step, &command).await?)?.as_str() {
                    "again" => continue,
                    "pending" => Cancelled::Pending,
                    "scheduled" | "parked" => Cancelled::Scheduled,
                    "running" => Cancelled::Running,
                    "dead" => Cancelled::Dead,
                    "ended" => Cancelled::Ended,
                    _ => Cancelled::Missing,
                },
            );
        }
    }

    /// All incarnations that have a lease.
    pub(super) async fn incarnations(&self, step: &Step) -> Result<Vec<Incarnation>, QueueError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(&step.keys.leases).arg(0).arg(-1);
        reply::array(self.read(step, &command).await?)?
            .map(|name| reply::text(name).map(Incarnation::named))
            .collect()
    }

    /// Forgets the ids that ended more than a dedupe window ago, where it is time.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating is safe.
    pub async fn rotate(&self, lane: &Lane) -> Result<bool, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(
            Script::Rotate,
            &step,
            &[&k.done[0], &k.done[1], &k.ended[0], &k.ended[1], &k.meta],
        );
        command.arg(self.options.dedupe_window_ms);
        Ok(reply::int(&self.run(Script::Rotate, &step, &command).await?)? == 1)
    }

    /// Waits until there may be work on one of the lanes: at most 25 seconds.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]. A token that arrived while the connection broke is lost; every worker looks again by itself.
    pub async fn wait_for_wake(&self, lanes: &[Lane]) -> Result<bool, QueueError> {
        let live = self.waits.live().await?;
        let mut command = redis::cmd("BLPOP");
        for lane in lanes {
            command.arg(&self.keys(lane).wake);
        }
        command.arg(WAIT_SECS);
        match self.waits.call(&live, &command, WAIT_DEADLINE).await {
            Ok(value) => Ok(!matches!(value, Value::Nil)),
            Err(error) => Err(error.into_queue_error()),
        }
    }

    /// Wakes one idle worker of a lane, when this one stops watching.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn pass_on_wake(&self, lane: &Lane) -> Result<(), QueueError> {
        let step = self.ready(lane).await?;
        let mut command = redis::cmd("LPUSH");
        command.arg(&step.keys.wake).arg("1");
        let length = reply::count(&self.read(&step, &command).await?)?;
        if length > 4 {
            let mut trim = redis::cmd("LTRIM");
            trim.arg(&step.keys.wake).arg(0).arg(3);
            self.read(&step, &trim).await?;
        }
        Ok(())
    }
}
