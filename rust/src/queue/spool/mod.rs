//! The spool: jobs that are accepted while the queue is away, on the producer's own disk.
//!
//! What it has taken is flushed before the caller hears of it, and goes to the queue in the order in which it was taken,
//! under the same ids, when the queue is back. Processes share a directory: each writes a file of its own, under a lock
//! that goes with the process, and takes over the files of those that are gone.

mod erase;
mod file;
mod lock;
mod record;
mod redo;
mod store;
mod target;
#[cfg(test)]
mod tests;

pub use erase::erase_matching;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex as Inbox, Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};

use self::record::Record;
pub use self::store::Batch;
use self::store::Store;
use self::target::Target;
use super::{Due, Durability, Lane, NewJob};
use crate::clock::{Clock, SystemClock};
use crate::runtime::keep_up;

/// Calls that may wait for the disk; they are written and flushed together.
const WAITING_CALLS: usize = 1_000;

/// How long the disk may take for a call, beyond the call's own time, before its outcome is unknown.
const DISK_LIMIT: Duration = Duration::from_secs(5);

/// How long the queue has to refuse a call, by an error that does not pass by itself, before it is put aside.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where jobs wait while the queue is away, how many bytes of them, and what they are for.
#[derive(Clone)]
pub struct SpoolSettings {
    /// The directory on this machine.
    pub directory: PathBuf,
    /// The most that its files may hold together.
    pub max_bytes: u64,
    /// The prefix of the queue's keys.
    pub key_prefix: String,
    /// A url that stands for the queue's server: files for another one are left alone.
    pub server: String,
}

/// A spool in use.
pub struct Spool {
    store: Arc<Store>,
    calls: mpsc::Sender<Call>,
    changed: Arc<Notify>,
    writer: JoinHandle<()>,
}

struct Call {
    record: Record,
    deadline: Instant,
    reply: oneshot::Sender<Result<(), String>>,
}

/// Why a spool does not say that it has taken jobs.
#[derive(Debug)]
pub enum NotTaken {
    /// Nothing of them was taken.
    Nothing(String),
    /// They are being written, and the disk does not come to an end: they may be taken.
    Unknown(String),
}

/// The spools that this process has opened, for the child of a fork.
static OPENED: Mutex<Vec<Weak<Store>>> = Mutex::new(Vec::new());

/// Lets go of all spools in a process that was just forked: the locks of files belong to both processes, so that nobody
/// could take the parent's files over as long as the child lives.
pub fn after_fork_in_child() {
    // Only taken with the interpreter attached, as a thread that forks is too.
    if let Ok(mut opened) = OPENED.try_lock() {
        for store in opened.drain(..).filter_map(|store| store.upgrade()) {
            store.abandon();
            // Its last owner may have been a thread that does not exist here.
            std::mem::forget(store);
        }
    }
}

impl Spool {
    /// Opens the spool of a directory, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn open(settings: &SpoolSettings, runtime: &Handle) -> io::Result<Self> {
        let SpoolSettings {
            directory,
            max_bytes,
            key_prefix,
            server,
        } = settings;
        let target = Target::new(key_prefix, server);
        let store = Arc::new(Store::open(directory, target, *max_bytes)?);
        // What is there already is ahead of what comes now. Where the lock is not free, the replay looks again.
        let _ = store.adopt();
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|store| store.strong_count() > 0);
        opened.push(Arc::downgrade(&store));
        drop(opened);
        let (calls, inbox) = mpsc::channel(WAITING_CALLS);
        let changed = Arc::new(Notify::new());
        let inbox = Arc::new(Inbox::new(inbox));
        let (disk, rung) = (Arc::clone(&store), Arc::clone(&changed));
        let writer = runtime.spawn(keep_up(move || {
            write(Arc::clone(&disk), Arc::clone(&inbox), Arc::clone(&rung))
        }));
        Ok(Self {
            store,
            calls,
            changed,
            writer,
        })
    }

    /// Lets go of the files, when what was handed in is written.
    pub async fn close(self) {
        let Self {
            store,
            calls,
            writer,
            ..
        } = self;
        drop((store, calls));
        let _ = timeout(DISK_LIMIT, writer).await;
    }

    /// Whether jobs wait to be replayed.
    pub fn has_backlog(&self) -> bool {
        self.store.jobs() > 0
    }

    /// Whether jobs wait that those of a lane, which come now, have to wait behind.
    pub fn is_ahead_of(&self, lane: &Lane) -> bool {
        self.store.is_ahead_of(lane)
    }

    /// Takes jobs; when it returns they outlive a power cut. Another process that holds the directory's lock is waited for
    /// no longer than `limit`.
    ///
    /// # Errors
    ///
    /// Why nothing of them was taken, or why that is not known.
    pub async fn take(
        &self,
        lane: Lane,
        jobs: Vec<NewJob>,
        level: Option<Durability>,
        limit: Duration,
    ) -> Result<(), NotTaken> {
        let deadline = Instant::now() + limit;
        let now_ms = SystemClock.now_ms();
        let jobs = jobs
            .into_iter()
            .map(|mut job| {
                // A delay runs from now on, however long the queue is away.
                if let Due::After(ms) = job.due {
                    job.due = Due::At(now_ms.saturating_add_unsigned(ms));
                }
                Some(job)
            })
            .collect();
        let record = Record { lane, level, jobs };
        let (reply, answer) = oneshot::channel();
        let call = Call {
            record,
            deadline,
            reply,
        };
        match timeout_at(deadline, self.calls.send(call)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(NotTaken::Nothing("the spool's threads have ended".into())),
            Err(_) => return Err(NotTaken::Nothing("the disk does not keep up".into())),
        }
        match timeout_at(deadline + DISK_LIMIT, answer).await {
            Ok(Ok(result)) => result.map_err(NotTaken::Nothing),
            Ok(Err(_)) => Err(NotTaken::Unknown(
                "a thread of the spool has panicked".into(),
            )),
            Err(_) => Err(NotTaken::Unknown("the spool's disk does not answer".into())),
        }
    }

    /// Rings when there may be something to replay.
    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Takes over the files of processes that are gone.
    pub(super) async fn adopt(&self) -> io::Result<()> {
        self.on_disk(Store::adopt).await
    }

    /// Begins a pass over all that is to be replayed.
    pub(super) async fn begin(&self) -> io::Result<()> {
        self.on_disk(|store| {
            store.begin();
            Ok(())
        })
        .await
    }

    /// Ends a pass; says whether anything is left that the queue has not taken.
    pub(super) async fn end(&self) -> io::Result<bool> {
        self.on_disk(|store| Ok(store.end())).await
    }

    /// The next jobs of a pass; `most` fit into one call of the queue.
    pub(super) async fn next(&self, most: usize) -> io::Result<Option<Batch>> {
        self.on_disk(move |store| store.next(most)).await
    }

    /// Notes that a batch is in the queue.
    pub(super) async fn done(&self, batch: Batch) -> io::Result<()> {
        self.on_disk(move |store| store.done(&batch)).await
    }

    /// Notes that the queue has not taken a batch, which may pass.
    pub(super) async fn wait(&self, batch: Batch) -> io::Result<()> {
        self.on_disk(move |store| {
            store.wait(&batch);
            Ok(())
        })
        .await
    }

    /// Notes that the queue has refused a batch in a way that does not pass by itself.
    pub(super) async fn refused(&self, batch: Batch) -> io::Result<()> {
        self.on_disk(move |store| store.refused(&batch, PATIENCE))
            .await
    }

    /// Lets go of it in a process that was forked from its owner.
    pub fn abandon(&self) {
        self.store.abandon();
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let store = Arc::clone(&self.store);
        spawn_blocking(move || work(&store))
            .await
            .map_err(io::Error::other)?
    }
}

/// Writes what waits, with one flush for all of it.
async fn write(store: Arc<Store>, inbox: Arc<Inbox<mpsc::Receiver<Call>>>, changed: Arc<Notify>) {
    let mut inbox = inbox.lock().await;
    let mut waiting = Vec::new();
    while inbox.recv_many(&mut waiting, WAITING_CALLS).await > 0 {
        let (calls, replies): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|call| ((call.record, call.deadline), call.reply))
            .unzip();
        let disk = Arc::clone(&store);
        let results = spawn_blocking(move || append(&disk, calls)).await;
        changed.notify_one();
        // After a panic nobody knows what is written: replies that are dropped say so.
        for (reply, result) in replies.into_iter().zip(results.unwrap_or_default()) {
            // A caller that has given up hears nothing; what was taken is taken.
            let _ = reply.send(result);
        }
    }
}

/// Writes records together, or where that fails each by itself: the last ones may not fit any more.
fn append(store: &Store, calls: Vec<(Record, Instant)>) -> Vec<Result<(), String>> {
    let (records, deadlines): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
    #[cfg(test)]
    for record in &records {
        record.panic_if_asked();
    }
    let left = |deadline: &Instant| deadline.saturating_duration_since(Instant::now());
    let first = deadlines.iter().min().map_or(Duration::ZERO, left);
    if store.append(&records, first).is_ok() {
        return vec![Ok(()); records.len()];
    }
    records
        .iter()
        .zip(&deadlines)
        .map(|(record, deadline)| {
            store
                .append(std::slice::from_ref(record), left(deadline))
                .map_err(|error| error.to_string())
        })
        .collect()
}
