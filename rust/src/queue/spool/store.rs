//! The files of a spool as one process uses them: what it writes to, and what is still to be replayed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind::NotFound};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::file::{
    ENDING, ENDINGS, Found, MOST_PREFIX_BYTES, NotAdopted, Span, SpoolFile, is_named, paths,
    sync_directory,
};
use super::lock::{Held, LOCK, open_lock};
use super::record::Record;
use super::target::Target;
use crate::metrics::COUNTERS;
use crate::queue::{Durability, Lane, MAX_CALL_BYTES, NewJob};

/// Most jobs that are replayed in one go with a level that has to be confirmed: they share one confirmation.
const CONFIRMED_JOBS: usize = 5_000;

/// How long the replay waits for the lock: briefly, since producers of this process wait behind, and it looks again anyway.
const BACKGROUND_LIMIT: Duration = Duration::from_millis(500);

/// The spool of one process.
pub(super) struct Store {
    directory: PathBuf,
    /// The queue: files for others are left to others.
    target: Target,
    max_bytes: u64,
    /// Nothing in a process that was forked from the owner.
    lock: Mutex<Option<Arc<File>>>,
    state: Mutex<State>,
    /// Jobs to be replayed, for looks without a lock.
    jobs: AtomicU64,
    /// The lanes that all of those jobs are of, where the queue has just taken everything else; nothing where that is not
    /// known.
    only: Mutex<Option<HashSet<Lane>>>,
}

#[derive(Default)]
struct State {
    /// What is to be replayed, the oldest first; one that is not sealed is the last, and our own.
    files: VecDeque<SpoolFile>,
    /// Lanes whose next record the queue has not taken in this pass: what is behind it waits for the next one.
    waiting: HashSet<Lane>,
    /// Lanes of the last pass whose next record is tried alone, before all that is behind it.
    tried: HashSet<Lane>,
    /// For each lane the record that the queue refuses for good, and since when.
    refused: HashMap<Lane, (PathBuf, u64, Instant)>,
    /// Files that could not be opened when they were last looked at.
    closed: u64,
    /// Files for other queues that nobody had then.
    foreign: u64,
}

/// Jobs to be replayed together, and what to note when they are.
pub struct Batch {
    /// How durable the queue shall keep them.
    pub level: Option<Durability>,
    /// The jobs, in the order in which they were taken.
    pub jobs: Vec<NewJob>,
    /// The lane that their records name.
    pub noted: Lane,
    /// The file that they are in.
    path: PathBuf,
    /// Where their records are.
    spans: Vec<Span>,
}

impl Batch {
    /// Whether it is one call of a producer, and not several.
    pub fn is_one_call(&self) -> bool {
        self.spans.len() == 1
    }

    fn start(&self) -> u64 {
        self.spans.first().map_or(0, |span| span.start)
    }

    fn end(&self) -> u64 {
        self.spans.last().map_or(0, |span| span.end)
    }
}

impl Store {
    /// Makes the directory where it is not there, for this user alone.
    pub(super) fn open(directory: &Path, target: Target, max_bytes: u64) -> io::Result<Self> {
        if target.prefix.len() > MOST_PREFIX_BYTES {
            return Err(io::Error::other("the key prefix is too long for a spool"));
        }
        make(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            target,
            max_bytes,
            lock: Mutex::new(Some(Arc::new(open_lock(directory)?))),
            state: Mutex::default(),
            jobs: AtomicU64::new(0),
            only: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jobs that wait to be replayed by this process.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs.load(Relaxed)
    }

    fn hold(&self, limit: Duration) -> io::Result<Held> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = lock.as_mut().ok_or_else(|| {
            io::Error::other("the spool was opened by a process that has forked this one")
        })?;
        // Where somebody has emptied the directory, others lock another file by that name.
        if !is_named(lock, &self.directory.join(LOCK)) {
            *lock = Arc::new(open_lock(&self.directory)?);
        }
        Held::take(&self.directory, Arc::clone(lock), limit)
    }

    fn only(&self) -> MutexGuard<'_, Option<HashSet<Lane>>> {
        self.only.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether jobs wait that those of a lane have to wait behind.
    pub(super) fn is_ahead_of(&self, lane: &Lane) -> bool {
        self.jobs() > 0 && self.only().as_ref().is_none_or(|only| only.contains(lane))
    }

    /// Writes records, all or none; when it returns they outlive a power cut.
    pub(super) fn append(&self, records: &[Record], limit: Duration) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut jobs = 0;
        for record in records {
            bytes.extend(record.encode());
            jobs += record.jobs.len() as u64;
        }
        let mut state = self.state();
        let _held = self.hold(limit)?;
        let mut used = 0;
        for path in paths(&self.directory, &ENDINGS)? {
            // One that is gone since is one less.
            used += path.metadata().map_or(0, |about| about.len());
        }
        if used + bytes.len() as u64 > self.max_bytes {
            return Err(io::Error::other(format!(
                "the spool is full: it may hold {} bytes (storage.spool_max_bytes)",
                self.max_bytes
            )));
        }
        if let Some(file) = state.files.back_mut() {
            file.sealed |= !file.is_named();
        }
        if state.files.back().is_none_or(|file| file.sealed) {
            state
                .files
                .push_back(SpoolFile::create(&self.directory, &self.target)?);
        }
        if let Some(file) = state.files.back_mut() {
            file.append(&bytes)?;
            file.jobs += jobs;
        }
        self.only()
            .take_if(|only| !records.iter().all(|record| only.contains(&record.lane)));
        self.count(&state);
        COUNTERS.spooled(jobs);
        Ok(())
    }

    /// Takes over files whose owners are gone; one that cannot be opened is left for later, and counted.
    pub(super) fn adopt(&self) -> io::Result<()> {
        let mut state = self.state();
        let _held = self.hold(BACKGROUND_LIMIT)?;
        // From the newest to the oldest, so that the oldest is first at last.
        (state.closed, state.foreign) = (0, 0);
        for path in paths(&self.directory, &[ENDING])?.into_iter().rev() {
            if state.files.iter().any(|file| file.path == path) {
                continue;
            }
            match SpoolFile::adopt(&path, &self.target) {
                Ok(file) => {
                    state.files.push_front(file);
                    *self.only() = None;
                }
                Err(NotAdopted::Owned) => {}
                Err(NotAdopted::ForOthers) => state.foreign += 1,
                Err(NotAdopted::Unreadable(error)) if error.kind() == NotFound => {}
                Err(NotAdopted::Unreadable(_)) => state.closed += 1,
            }
        }
        tidy(&mut state);
        self.count(&state);
        Ok(())
    }

    /// Begins a pass over all that is to be replayed.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.tried = std::mem::take(&mut state.waiting);
        for file in &mut state.files {
            file.place = file.read;
            file.faulty = false;
        }
    }

    /// Ends a pass; says whether anything is left that the queue has not taken.
    pub(super) fn end(&self) -> bool {
        let state = self.state();
        let faulty = state.files.iter().any(|file| file.faulty);
        // What was written since the last look of the pass is not in it.
        let seen = state.files.iter().all(|file| file.place >= file.end);
        *self.only() =
            (seen && !faulty && !state.waiting.is_empty()).then(|| state.waiting.clone());
        faulty || !state.waiting.is_empty()
    }

    /// The next jobs of this pass, all of one lane and level; what is no record is put aside on the way. Without a level
    /// they are one call of a producer, or several that together are one call of at most `most` jobs.
    pub(super) fn next(&self, most: usize) -> io::Result<Option<Batch>> {
        let mut state = self.state();
        let _held = self.hold(BACKGROUND_LIMIT)?;
        tidy(&mut state);
        let State {
            files,
            waiting,
            tried,
            ..
        } = &mut *state;
        let mut found = None;
        for file in files.iter_mut().filter(|file| !file.faulty) {
            match next_in(file, waiting, tried, most) {
                Ok(None) => {}
                Ok(batch) => {
                    found = batch;
                    break;
                }
                // The others go on without it.
                Err(_) => file.faulty = true,
            }
        }
        self.count(&state);
        Ok(found)
    }

    /// Notes that a batch is in the queue.
    pub(super) fn done(&self, batch: &Batch) -> io::Result<()> {
        if self.settle(batch, |_| Ok(()))? {
            COUNTERS.spool_replayed(batch.jobs.len() as u64);
        }
        Ok(())
    }

    /// Notes that the queue has not taken a batch, which may pass: its calls are tried one by one, and where it was one,
    /// the jobs of its lane wait for the next pass.
    pub(super) fn wait(&self, batch: &Batch) {
        let mut state = self.state();
        if batch.is_one_call() {
            state.waiting.insert(batch.noted.clone());
        } else if let Some(file) = state.files.iter_mut().find(|file| file.path == batch.path) {
            (file.place, file.alone_until) = (batch.start(), batch.end());
        }
    }

    /// Notes that the queue has refused a batch in a way that does not pass by itself. Once it has done that to a call for
    /// this long, the call is put aside; until then it waits, and others go on.
    pub(super) fn refused(&self, batch: &Batch, patience: Duration) -> io::Result<()> {
        if batch.is_one_call() {
            let mut state = self.state();
            let seen = state.refused.get(&batch.noted);
            let since = match seen {
                Some((path, start, since)) if *path == batch.path && *start == batch.start() => {
                    *since
                }
                _ => Instant::now(),
            };
            let seen = (batch.path.clone(), batch.start(), since);
            state.refused.insert(batch.noted.clone(), seen);
            drop(state);
            if since.elapsed() >= patience {
                let aside =
                    |file: &SpoolFile| batch.spans.iter().try_for_each(|span| file.set_aside(span));
                if self.settle(batch, aside)? {
                    COUNTERS.spool_refused(batch.jobs.len() as u64);
                }
                return Ok(());
            }
        }
        self.wait(batch);
        Ok(())
    }

    /// Takes a batch out of its file, after something else was done with it; false where the disk does not let us, so that
    /// the batch comes again in the next pass, and what is behind it in its file too.
    fn settle(
        &self,
        batch: &Batch,
        before: impl FnOnce(&SpoolFile) -> io::Result<()>,
    ) -> io::Result<bool> {
        let mut state = self.state();
        let _held = self.hold(BACKGROUND_LIMIT)?;
        if let Some(file) = state.files.iter_mut().find(|file| file.path == batch.path) {
            let written = before(file).and_then(|()| file.replayed(&batch.spans));
            if written.is_err() {
                file.faulty = true;
                return Ok(false);
            }
        }
        state.tried.remove(&batch.noted);
        state.refused.remove(&batch.noted);
        tidy(&mut state);
        self.count(&state);
        Ok(true)
    }

    /// Lets go of the files in a process that was forked from the owner: they stay the owner's.
    pub(super) fn abandon(&self) {
        // A thread that held this when the process was forked does not exist here.
        if let Ok(mut state) = self.state.try_lock() {
            state.files.clear();
        }
        if let Ok(mut lock) = self.lock.try_lock() {
            *lock = None;
        }
        COUNTERS.spool_holds(0, 0);
    }

    fn count(&self, state: &State) {
        let jobs = state.files.iter().map(|file| file.jobs).sum();
        let bytes = state.files.iter().map(|file| file.end - file.read).sum();
        let faulty = state.files.iter().filter(|file| file.faulty).count() as u64;
        self.jobs.store(jobs, Relaxed);
        COUNTERS.spool_holds(jobs, bytes);
        COUNTERS.spool_unreadable(state.closed + faulty);
        COUNTERS.spool_foreign(state.foreign);
    }
}

/// Makes a directory and those above it, for this user alone; when it returns they outlive a power cut.
fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let above = directory.parent().unwrap_or(directory);
    make(above)?;
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if !directory.is_dir() => return Err(error),
        _ => {}
    }
    sync_directory(above)
}

/// Removes files that are replayed to their end, and empties our own; what fails is tried again with the next look.
fn tidy(state: &mut State) {
    state.files.retain_mut(|file| {
        if file.read < file.end {
            return true;
        }
        if file.sealed {
            return file.is_named() && std::fs::remove_file(&file.path).is_err();
        }
        if file.read > super::file::START && file.empty().is_err() {
            file.sealed = true;
        }
        true
    });
}

/// The next jobs of a file.
fn next_in(
    file: &mut SpoolFile,
    waiting: &HashSet<Lane>,
    tried: &HashSet<Lane>,
    most: usize,
) -> io::Result<Option<Batch>> {
    loop {
        let is_front = file.place == file.read;
        let (end, jobs) = match file.at(file.place)? {
            Found::Record(record, end) if waiting.contains(&record.lane) => {
                file.place = end;
                continue;
            }
            Found::Record(record, end) => {
                let is_alone = tried.contains(&record.lane) || file.place < file.alone_until;
                let batch = gathered(file, record, end, if is_alone { 0 } else { most })?;
                if !batch.jobs.is_empty() {
                    file.place = batch.end();
                    return Ok(Some(batch));
                }
                file.replayed(&batch.spans)?;
                file.place = file.place.max(batch.end());
                continue;
            }
            Found::Done(end) => (end, 0),
            Found::Damaged(next) => {
                // Behind what waits it is put aside when that is gone.
                if is_front {
                    file.put_aside(next)?;
                    COUNTERS.spool_damaged();
                }
                (next, 0)
            }
            Found::Torn => {
                if is_front {
                    COUNTERS.spool_torn();
                }
                (file.end, 0)
            }
            Found::End => return Ok(None),
        };
        if is_front {
            let start = file.read;
            file.replayed(&[Span { start, end, jobs }])?;
        }
        file.place = file.place.max(end);
    }
}

/// A record and those behind it, as far as they belong together: up to `most` jobs where they need no confirmation.
fn gathered(file: &SpoolFile, first: Record, end: u64, most: usize) -> io::Result<Batch> {
    let size = |record: &Record| -> usize {
        let jobs = record.jobs.iter().flatten();
        jobs.map(|job| job.bytes.len()).sum()
    };
    let (most, most_bytes) = match first.level {
        Some(_) if most > 0 => (CONFIRMED_JOBS, 4 * MAX_CALL_BYTES),
        _ => (most, MAX_CALL_BYTES),
    };
    let mut bytes = size(&first);
    let mut batch = Batch {
        noted: first.lane,
        level: first.level,
        path: file.path.clone(),
        spans: vec![Span {
            start: file.place,
            end,
            jobs: first.jobs.len() as u64,
        }],
        jobs: first.jobs.into_iter().flatten().collect(),
    };
    while let Found::Record(record, end) = file.at(batch.end())? {
        bytes += size(&record);
        if record.lane != batch.noted
            || record.level != batch.level
            || batch.jobs.len() + record.jobs.len() > most
            || bytes > most_bytes
        {
            break;
        }
        batch.spans.push(Span {
            start: batch.end(),
            end,
            jobs: record.jobs.len() as u64,
        });
        batch.jobs.extend(record.jobs.into_iter().flatten());
    }
    Ok(batch)
}

impl Drop for Store {
    fn drop(&mut self) {
        // An empty file of our own is nobody's any more; others are for whoever opens the directory next.
        let mut state = self.state();
        let Ok(_held) = self.hold(BACKGROUND_LIMIT) else {
            return;
        };
        if let Some(file) = state.files.pop_back()
            && file.read >= file.end
            && file.is_named()
        {
            let _ = std::fs::remove_file(&file.path);
        }
        if self.jobs() > 0 {
            COUNTERS.spool_holds(0, 0);
        }
    }
}
