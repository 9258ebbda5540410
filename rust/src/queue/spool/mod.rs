//! The spool: jobs that are accepted while the queue is away, on the producer's own disk.
//!
//! What it has taken is flushed before the caller hears of it, and goes to the queue in the order in which it was taken,
//! under the same ids, when the queue is back. Processes share a directory: each writes a file of its own, under a lock
//! that goes with the process, and takes over the files of those that are gone.

mod erase;
mod file;
mod record;
mod store;
#[cfg(test)]
mod tests;

pub use erase::erase_matching;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::spawn_blocking;

use self::record::Record;
pub use self::store::Batch;
use self::store::Store;
use super::{Due, Durability, Lane, NewJob};
use crate::clock::{Clock, SystemClock};

/// Calls that may wait for the disk; they are written and flushed together.
const WAITING_CALLS: usize = 1_000;

/// How long the queue has to refuse a call, by an error that does not pass by itself, before it is put aside.
const PATIENCE: Duration = Duration::from_secs(60);

/// A spool in use.
pub struct Spool {
    store: Arc<Store>,
    calls: mpsc::Sender<Call>,
    changed: Arc<Notify>,
}

struct Call {
    record: Record,
    reply: oneshot::Sender<Result<(), String>>,
}

impl Spool {
    /// Opens the spool of a directory, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn open(directory: &Path, max_bytes: u64, runtime: &Handle) -> io::Result<Self> {
        let store = Arc::new(Store::open(directory, max_bytes)?);
        let (calls, inbox) = mpsc::channel(WAITING_CALLS);
        let changed = Arc::new(Notify::new());
        runtime.spawn(write(Arc::clone(&store), inbox, Arc::clone(&changed)));
        Ok(Self {
            store,
            calls,
            changed,
        })
    }

    /// Whether jobs wait to be replayed.
    pub fn has_backlog(&self) -> bool {
        self.store.jobs() > 0
    }

    /// Whether jobs wait that those of a lane, which come now, have to wait behind.
    pub fn is_ahead_of(&self, lane: &Lane) -> bool {
        self.store.is_ahead_of(lane)
    }

    /// Takes jobs; when it returns they outlive a power cut.
    ///
    /// # Errors
    ///
    /// Why nothing of them was taken.
    pub async fn take(
        &self,
        lane: Lane,
        jobs: Vec<NewJob>,
        level: Option<Durability>,
    ) -> Result<(), String> {
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
        let gone = || "the spool's threads have ended".to_owned();
        self.calls
            .send(Call { record, reply })
            .await
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
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
async fn write(store: Arc<Store>, mut inbox: mpsc::Receiver<Call>, changed: Arc<Notify>) {
    let mut waiting = Vec::new();
    while inbox.recv_many(&mut waiting, WAITING_CALLS).await > 0 {
        let (records, replies): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|call| (call.record, call.reply))
            .unzip();
        let disk = Arc::clone(&store);
        let results = spawn_blocking(move || append(&disk, &records)).await;
        let results = results.unwrap_or_else(|error| vec![Err(error.to_string()); replies.len()]);
        changed.notify_one();
        for (reply, result) in replies.into_iter().zip(results) {
            // A caller that has given up hears nothing; what was taken is taken.
            let _ = reply.send(result);
        }
    }
}

/// Writes records together, or where that fails each by itself: the last ones may not fit any more.
fn append(store: &Store, records: &[Record]) -> Vec<Result<(), String>> {
    if store.append(records).is_ok() {
        return vec![Ok(()); records.len()];
    }
    records
        .iter()
        .map(|record| {
            store
                .append(std::slice::from_ref(record))
                .map_err(|error| error.to_string())
        })
        .collect()
}
