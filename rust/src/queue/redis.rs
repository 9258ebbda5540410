//! The queue on a Redis or Valkey server: each step of a lane is one script.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::Notify;

use super::confirm::{Seen, Writer};
use super::endpoint::{Access, Endpoint, Places};
use super::facts::ServerFacts;
use super::keys::Keys;
use super::link::{CallError, Link, Live, REPLY_TIMEOUT};
use super::scripts::{Script, Scripts};
use super::{Due, Incarnation, Lane, LaneOptions, NewJob, QueueError, Stored, reply};

/// Longest that one blocking wait lasts at the server; our own deadline is behind it, for a server that hangs.
const WAIT_SECS: u64 = 20;
const WAIT_DEADLINE: Duration = Duration::from_secs(WAIT_SECS + 5);

/// Connections for confirmed writes. While some of them wait for a proof, others go on writing: with a server that
/// flushes once a second, what comes while all of them wait is confirmed one flush later.
const WRITERS: usize = 4;

/// The queue on one server.
pub struct RedisQueue {
    pub(super) prefix: String,
    options: LaneOptions,
    pub(super) scripts: Scripts,
    pub(super) commands: Link,
    pub(super) beats: Link,
    waits: Link,
    pub(super) writers: Vec<Writer>,
    pub(super) seen: Mutex<Option<Seen>>,
    reconnected: Notify,
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
        access: &Access,
        prefix: &str,
        options: LaneOptions,
        manual_clock: bool,
    ) -> Result<Self, QueueError> {
        let endpoint = Arc::new(Endpoint::new(access, Places::of(&access.url)?)?);
        Ok(Self::at(&endpoint, prefix, options, manual_clock))
    }

    /// The queue on a server that is known already.
    pub(super) fn at(
        endpoint: &Arc<Endpoint>,
        prefix: &str,
        options: LaneOptions,
        manual_clock: bool,
    ) -> Self {
        Self {
            prefix: prefix.to_owned(),
            options,
            scripts: Scripts::new(manual_clock),
            commands: Link::new(endpoint),
            beats: Link::new(endpoint),
            waits: Link::new(endpoint),
            writers: (0..WRITERS)
                .map(|_| Writer::new(Link::new(endpoint)))
                .collect(),
            seen: Mutex::default(),
            reconnected: Notify::new(),
            keys: Mutex::default(),
            opened: Mutex::default(),
        }
    }

    /// Whether the time is read from a key that tests set.
    pub const fn has_manual_clock(&self) -> bool {
        self.scripts.has_manual_clock()
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
        let first = (lane.first(), live.generation);
        let is_open = |one| {
            let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.contains(one)
        };
        if !is_open(&seen) {
            if lane.shard > 0 && !is_open(&first) {
                self.agree(&self.commands, &live, &first.0).await?;
            }
            self.claim(&self.commands, &live, &keys).await?;
            self.reconnected.notify_one();
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.retain(|(_, generation)| *generation == live.generation);
            opened.insert(seen);
        }
        Ok(Step { live, keys })
    }

    /// Returns when a connection for commands has been made anew since the last call.
    pub async fn reconnected(&self) {
        self.reconnected.notified().await;
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
        self.store(&self.commands, &step.live, &step.keys, jobs)
            .await
    }

    /// As [`RedisQueue::enqueue`], on any connection on which the lane is known to be ours.
    pub(super) async fn store(
        &self,
        link: &Link,
        live: &Live,
        k: &Keys,
        jobs: &[NewJob],
    ) -> Result<Stored, QueueError> {
        let mut command = self.scripts.command(
            Script::Enqueue,
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
                &k.suspects,
            ],
            &k.clock,
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
        command.arg(self.options.shards);
        let send = || self.scripts.run(link, live, Script::Enqueue, &command);
        let mut value = send().await?;
        if matches!(&value, Value::BulkString(word) if word == b"unopened") {
            // The keys were deleted under our feet, or another number of shards was taken over: claim them again, then store.
            self.claim(link, live, k).await?;
            value = send().await?;
        }
        if matches!(&value, Value::BulkString(word) if word == b"full") {
            return Err(QueueError::Full(format!(
                "{} jobs are pending already, or as many are scheduled",
                self.options.max_pending
            )));
        }
        Ok(reply::digits(value, jobs.len())?
            .into_iter()
            .map(|digit| digit == b'1')
            .collect())
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
        let keys: Vec<_> = lanes.iter().map(|lane| self.keys(lane)).collect();
        let lists: Vec<&str> = keys.iter().map(|keys| keys.wake.as_str()).collect();
        wait_on(&self.waits, &lists).await
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

/// Blocks on lists of tokens until there is one, for a while.
pub(super) async fn wait_on(link: &Link, lists: &[&str]) -> Result<bool, QueueError> {
    let live = link.live().await?;
    let mut command = redis::cmd("BLPOP");
    command.arg(lists).arg(WAIT_SECS);
    match link.call(&live, &command, WAIT_DEADLINE).await {
        Ok(value) => Ok(!matches!(value, Value::Nil)),
        Err(error) => Err(error.into_queue_error()),
    }
}
