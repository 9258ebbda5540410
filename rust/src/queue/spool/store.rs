//! The files of a spool as one process uses them: what it writes to, and what is still to be replayed.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::file::{Found, SpoolFile, paths};
use super::record::Record;
use crate::metrics::COUNTERS;
use crate::queue::{Durability, Lane, MAX_CALL_BYTES, NewJob};

/// Most jobs that are replayed in one go; with a level that has to be confirmed they share one confirmation.
const BATCH_JOBS: usize = 5_000;

/// The file whose lock keeps writers, readers and erasers of a directory apart.
const LOCK: &str = "lock";

/// The spool of one process.
pub(super) struct Store {
    directory: PathBuf,
    max_bytes: u64,
    lock: File,
    state: Mutex<State>,
    /// Jobs to be replayed, for looks without a lock.
    jobs: AtomicU64,
}

#[derive(Default)]
struct State {
    /// What is to be replayed, the oldest first; one that is not sealed is the last, and our own.
    files: VecDeque<SpoolFile>,
}

/// Jobs to be replayed together, and what to note when they are.
pub struct Batch {
    /// Where they belong.
    pub lane: Lane,
    /// How durable the queue shall keep them.
    pub level: Option<Durability>,
    /// The jobs, in the order in which they were taken.
    pub jobs: Vec<NewJob>,
    /// Where the last of them ends.
    to: u64,
    /// How many jobs that covers, erased ones included.
    covered: u64,
}

/// The directory's lock, held.
pub(super) struct Held<'a>(&'a File);

impl<'a> Held<'a> {
    /// Waits for the lock.
    pub(super) fn take(lock: &'a File) -> io::Result<Self> {
        lock.lock()?;
        Ok(Self(lock))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // It also goes with the file, at the latest with the process.
        let _ = self.0.unlock();
    }
}

/// Opens the file whose lock is the directory's.
pub(super) fn open_lock(directory: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join(LOCK))
}

impl Store {
    /// Makes the directory where it is not there, for this user alone.
    pub(super) fn open(directory: &Path, max_bytes: u64) -> io::Result<Self> {
        if !directory.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
        }
        Ok(Self {
            directory: directory.to_owned(),
            max_bytes,
            lock: open_lock(directory)?,
            state: Mutex::default(),
            jobs: AtomicU64::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jobs that wait to be replayed by this process.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs.load(Relaxed)
    }

    /// Writes records, all or none; when it returns they outlive a power cut.
    pub(super) fn append(&self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut jobs = 0;
        for record in records {
            bytes.extend(record.encode());
            jobs += record.jobs.len() as u64;
        }
        let mut state = self.state();
        let _held = Held::take(&self.lock)?;
        let mut used = 0;
        for path in paths(&self.directory)? {
            // One that is gone since is one less.
            used += path.metadata().map_or(0, |about| about.len());
        }
        if used + bytes.len() as u64 > self.max_bytes {
            return Err(io::Error::other(format!(
                "the spool is full: it may hold {} bytes (storage.spool_max_bytes)",
                self.max_bytes
            )));
        }
        if state.files.back().is_none_or(|file| file.sealed) {
            state.files.push_back(SpoolFile::create(&self.directory)?);
        }
        if let Some(file) = state.files.back_mut() {
            file.append(&bytes)?;
            file.jobs += jobs;
        }
        self.count(&state);
        COUNTERS.spooled(jobs);
        Ok(())
    }

    /// Takes over files whose owners are gone.
    pub(super) fn adopt(&self) -> io::Result<()> {
        let mut state = self.state();
        let _held = Held::take(&self.lock)?;
        // From the newest to the oldest, so that the oldest is first at last.
        for path in paths(&self.directory)?.into_iter().rev() {
            if state.files.iter().any(|file| file.path == path) {
                continue;
            }
            match SpoolFile::adopt(&path) {
                Ok(Some(file)) => state.files.push_front(file),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        tidy(&mut state)?;
        self.count(&state);
        Ok(())
    }

    /// The next jobs to be replayed, all of one lane and level; what is no record is put aside on the way.
    pub(super) fn next(&self) -> io::Result<Option<Batch>> {
        let mut state = self.state();
        let _held = Held::take(&self.lock)?;
        loop {
            tidy(&mut state)?;
            self.count(&state);
            let Some(file) = state.files.front_mut() else {
                return Ok(None);
            };
            match file.at(file.read)? {
                Found::Record(..) => {
                    let batch = gathered(file)?;
                    if !batch.jobs.is_empty() {
                        return Ok(Some(batch));
                    }
                    file.replayed(batch.to, batch.covered)?;
                }
                Found::Damaged(next) => {
                    file.put_aside(next)?;
                    COUNTERS.spool_damaged();
                    file.replayed(next, 0)?;
                }
                Found::Torn => {
                    COUNTERS.spool_torn();
                    let end = file.end;
                    file.replayed(end, 0)?;
                }
                // `tidy` has taken away or emptied what was read to its end: our own file, and nothing is left.
                Found::End => return Ok(None),
            }
        }
    }

    /// Notes that a batch, the last that `next` gave, is in the queue.
    pub(super) fn done(&self, batch: &Batch) -> io::Result<()> {
        let mut state = self.state();
        let _held = Held::take(&self.lock)?;
        if let Some(file) = state.files.front_mut() {
            file.replayed(batch.to, batch.covered)?;
        }
        tidy(&mut state)?;
        self.count(&state);
        COUNTERS.spool_replayed(batch.jobs.len() as u64);
        Ok(())
    }

    /// Lets go of the files in a process that was forked from the owner: they stay the owner's.
    pub(super) fn abandon(&self) {
        // A thread that held this when the process was forked does not exist here.
        if let Ok(mut state) = self.state.try_lock() {
            state.files.clear();
        }
        COUNTERS.spool_holds(0, 0);
    }

    fn count(&self, state: &State) {
        let jobs = state.files.iter().map(|file| file.jobs).sum();
        let bytes = state.files.iter().map(|file| file.end - file.read).sum();
        self.jobs.store(jobs, Relaxed);
        COUNTERS.spool_holds(jobs, bytes);
    }
}

/// Removes files that are replayed to their end, and empties our own.
fn tidy(state: &mut State) -> io::Result<()> {
    while let Some(file) = state.files.front_mut()
        && file.read >= file.end
    {
        if !file.sealed {
            if file.read > super::file::START {
                file.empty()?;
            }
            break;
        }
        std::fs::remove_file(&file.path)?;
        state.files.pop_front();
    }
    Ok(())
}

/// Records from where a file has been replayed to, as far as they belong together.
fn gathered(file: &SpoolFile) -> io::Result<Batch> {
    let mut batch: Option<Batch> = None;
    let mut place = file.read;
    let mut bytes = 0;
    while let Found::Record(record, end) = file.at(place)? {
        let batch = batch.get_or_insert_with(|| Batch {
            lane: record.lane.clone(),
            level: record.level,
            jobs: Vec::new(),
            to: place,
            covered: 0,
        });
        let more: usize = record
            .jobs
            .iter()
            .flatten()
            .map(|job| job.bytes.len())
            .sum();
        let fits = batch.jobs.len() + record.jobs.len() <= BATCH_JOBS
            && bytes + more <= 4 * MAX_CALL_BYTES;
        if record.lane != batch.lane || record.level != batch.level || !(fits || batch.covered == 0)
        {
            break;
        }
        bytes += more;
        batch.covered += record.jobs.len() as u64;
        batch.jobs.extend(record.jobs.into_iter().flatten());
        batch.to = end;
        place = end;
    }
    batch.ok_or_else(|| io::Error::other("there is no record"))
}

impl Drop for Store {
    fn drop(&mut self) {
        // An empty file of our own is nobody's any more; others are for whoever opens the directory next.
        let mut state = self.state();
        let Ok(_held) = Held::take(&self.lock) else {
            return;
        };
        if let Some(file) = state.files.pop_back()
            && file.read >= file.end
        {
            let _ = std::fs::remove_file(&file.path);
        }
        if self.jobs() > 0 {
            COUNTERS.spool_holds(0, 0);
        }
    }
}
