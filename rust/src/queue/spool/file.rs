//! One file of a spool: a head that says how far it has been replayed, then records. Who holds its lock owns it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::record::{DONE, HEAD, MARK, Record, body_length, is_done, is_mark, is_whole};
use super::target::Target;
use crate::clock::{Clock, SystemClock};

/// How the name of a spool file ends, that of damaged bytes which were put aside from one, and that of a file of records
/// which the queue has refused for good.
pub(super) const ENDING: &str = "spool";
const DAMAGED: &str = "damaged";
pub(super) const REFUSED: &str = "refused";

/// What a file begins with; behind it stand how far it has been replayed, and the prefix of the queue that it is for.
const TITLE: &[u8; 24] = b"fraiseql_observers:spl:2";

/// Room for that prefix; what it does not fill is zeros.
pub(super) const MOST_PREFIX_BYTES: usize = 64;

/// Where the first record is.
pub(super) const START: u64 = 24 + 8 + MOST_PREFIX_BYTES as u64;

/// A file that this process owns.
pub(super) struct SpoolFile {
    pub(super) path: PathBuf,
    file: File,
    /// The queue that its jobs are for.
    target: Target,
    /// Up to where it has been replayed.
    pub(super) read: u64,
    /// Where the replay goes on in this pass; what stands between waits, or is done.
    pub(super) place: u64,
    /// Up to where records are replayed one by one, since together the queue has refused them.
    pub(super) alone_until: u64,
    /// Whether it could not be read in this pass.
    pub(super) faulty: bool,
    /// Where the next record goes.
    pub(super) end: u64,
    /// Jobs behind `read`.
    pub(super) jobs: u64,
    /// Whether nothing more may be written: a flush has failed, after which no later one says anything.
    pub(super) sealed: bool,
}

/// Where a record stands, and how many jobs it has, erased ones included.
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) jobs: u64,
}

/// What stands at a place of a file.
pub(super) enum Found {
    /// A record, and where it ends.
    Record(Record, u64),
    /// A record that is done already, and where it ends.
    Done(u64),
    /// Bytes that are none, and where the next record is.
    Damaged(u64),
    /// A record that was never written to its end, so never confirmed to anybody.
    Torn,
    /// The end.
    End,
}

/// Paths of the files of a directory whose names have one of these endings, the oldest first.
pub(super) fn paths(directory: &Path, endings: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in directory.read_dir()? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| endings.contains(&ending)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// What every file of a spool that grows with its jobs ends with.
pub(super) const ENDINGS: [&str; 3] = [ENDING, DAMAGED, REFUSED];

impl SpoolFile {
    /// Makes a file of our own.
    pub(super) fn create(directory: &Path, target: &Target) -> io::Result<Self> {
        let path = directory.join(fresh_name(target, ENDING));
        let file = created(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        let made = Self {
            path,
            file,
            target: target.clone(),
            read: START,
            place: START,
            alone_until: START,
            faulty: false,
            end: START,
            jobs: 0,
            sealed: false,
        };
        let written = made.write_head().and_then(|()| made.file.sync_all());
        if let Err(error) = written.and_then(|()| sync_directory(directory)) {
            let _ = std::fs::remove_file(&made.path);
            return Err(error);
        }
        Ok(made)
    }

    /// Takes over a file that nobody owns any more.
    pub(super) fn adopt(path: &Path, target: &Target) -> Result<Self, NotAdopted> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotAdopted::Owned),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut adopted = Self {
            path: path.to_owned(),
            end: file.metadata()?.len(),
            file,
            target: target.clone(),
            read: START,
            place: START,
            alone_until: START,
            faulty: false,
            jobs: 0,
            sealed: true,
        };
        match read_head(&adopted.file)? {
            Some((_, its)) if its != target.prefix => return Err(NotAdopted::ForOthers),
            Some(_) if !target.is_named_by(path) => return Err(NotAdopted::ForOthers),
            Some((read, _)) => adopted.read = read,
            // Its maker ended before it had written anything.
            None if adopted.is_unbegun()? => adopted.end = START,
            None => {
                let text = "its head is none of ours";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
            }
        }
        if adopted.read > adopted.end {
            adopted.read = START.min(adopted.end);
        }
        adopted.place = adopted.read;
        adopted.jobs = adopted.count()?;
        Ok(adopted)
    }

    /// Whether its name is still its own: what is written to a file that somebody has removed is gone with this process.
    pub(super) fn is_named(&self) -> bool {
        is_named(&self.file, &self.path)
    }

    /// Whether it is shorter than a head, and holds no more than the beginning of ours, or room for it.
    fn is_unbegun(&self) -> io::Result<bool> {
        if self.end >= START {
            return Ok(false);
        }
        let bytes = self.bytes(0, self.end)?;
        let title = &bytes[..bytes.len().min(TITLE.len())];
        Ok(TITLE.starts_with(title) || bytes.iter().all(|byte| *byte == 0))
    }

    /// Writes bytes behind the last record; when it returns they are on the disk.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        let bytes = super::tests::disk::part_of(bytes);
        let written = self.file.write_all_at(bytes, self.end);
        #[cfg(test)]
        let written = written.and_then(|()| super::tests::disk::change());
        let flushed =
            written.and_then(|()| self.file.sync_data().inspect_err(|_| self.sealed = true));
        if let Err(error) = flushed {
            // What is half there must not stand before later records; where even this fails, a reader sees it as torn.
            if self.file.set_len(self.end).is_err() {
                self.sealed = true;
            }
            return Err(error);
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Reads what stands at a place.
    pub(super) fn at(&self, place: u64) -> io::Result<Found> {
        if place >= self.end {
            return Ok(Found::End);
        }
        let (whole, end) = self.body_at(place)?;
        if let Some(record) = whole.as_deref().and_then(Record::decode) {
            return Ok(if is_done(&self.bytes(place, place + 4)?) {
                Found::Done(end)
            } else {
                Found::Record(record, end)
            });
        }
        if let Some(next) = self.next_mark(place + 1)? {
            return Ok(Found::Damaged(next));
        }
        // Cut short, or never more than room for it: nobody was told that it is stored.
        if end > self.end || self.is_zero(place)? {
            return Ok(Found::Torn);
        }
        Ok(Found::Damaged(self.end))
    }

    /// The body of the record at a place, where it is whole, and where it would end.
    pub(super) fn body_at(&self, place: u64) -> io::Result<(Option<Vec<u8>>, u64)> {
        let mut head = [0; HEAD];
        let start = place + HEAD as u64;
        if start > self.end {
            return Ok((None, start));
        }
        self.file.read_exact_at(&mut head, place)?;
        let Some(length) = body_length(&head) else {
            return Ok((None, place));
        };
        let end = start + length as u64;
        if end > self.end {
            return Ok((None, end));
        }
        let mut body = vec![0; length];
        self.file.read_exact_at(&mut body, start)?;
        Ok((is_whole(&head, &body).then_some(body), end))
    }

    /// Where the next whole record behind a damaged one is.
    fn next_mark(&self, from: u64) -> io::Result<Option<u64>> {
        let rest = self.bytes(from, self.end)?;
        for (offset, part) in rest.windows(MARK.len()).enumerate() {
            let place = from + offset as u64;
            if is_mark(part) && self.body_at(place)?.0.is_some() {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    fn is_zero(&self, from: u64) -> io::Result<bool> {
        Ok(self.bytes(from, self.end)?.iter().all(|byte| *byte == 0))
    }

    fn bytes(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }

    /// Puts bytes that are no record into a file beside this one, for people.
    pub(super) fn put_aside(&self, to: u64) -> io::Result<()> {
        let bytes = self.bytes(self.read, to)?;
        let mut aside = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.path.with_extension(DAMAGED))?;
        aside.write_all(&bytes)?;
        aside.sync_data()?;
        sync_parent(&self.path)
    }

    /// Puts a record into a file of its own that is a spool file too, but for how its name ends. With that put right it
    /// takes no other file's name.
    pub(super) fn set_aside(&self, span: &Span) -> io::Result<()> {
        #[cfg(test)]
        super::tests::disk::change()?;
        let bytes = self.bytes(span.start, span.end)?;
        let path = self.path.with_file_name(fresh_name(&self.target, REFUSED));
        let aside = created(&path)?;
        let written = write_head(&aside, START, &self.target.prefix)
            .and_then(|()| aside.write_all_at(&bytes, START))
            .and_then(|()| aside.sync_all())
            .and_then(|()| sync_parent(&path));
        written.inspect_err(|_| {
            let _ = std::fs::remove_file(&path);
        })
    }

    /// Notes that records are replayed, and how far the file is.
    pub(super) fn replayed(&mut self, spans: &[Span]) -> io::Result<()> {
        for span in spans {
            if span.start == self.read {
                self.read = span.end;
            } else {
                #[cfg(test)]
                super::tests::disk::change()?;
                self.file.write_all_at(&[DONE], span.start + 3)?;
            }
            self.jobs = self.jobs.saturating_sub(span.jobs);
        }
        while self.read + 4 <= self.end
            && is_done(&self.bytes(self.read, self.read + 4)?)
            && let Found::Done(end) = self.at(self.read)?
        {
            self.read = end;
        }
        self.place = self.place.max(self.read);
        self.write_head()
    }

    /// Empties a file that was replayed to its end.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        (self.read, self.end, self.jobs) = (START, START, 0);
        (self.place, self.alone_until) = (START, START);
        #[cfg(test)]
        super::tests::disk::change()?;
        self.file.set_len(START)?;
        self.write_head()?;
        self.file.sync_data()
    }

    fn write_head(&self) -> io::Result<()> {
        write_head(&self.file, self.read, &self.target.prefix)
    }

    fn count(&self) -> io::Result<u64> {
        let (mut place, mut jobs) = (self.read, 0);
        loop {
            match self.at(place)? {
                Found::Record(record, end) => {
                    jobs += record.jobs.len() as u64;
                    place = end;
                }
                Found::Damaged(next) | Found::Done(next) => place = next,
                Found::Torn | Found::End => return Ok(jobs),
            }
        }
    }
}

/// Why a file is not taken over.
pub(super) enum NotAdopted {
    /// Somebody has it.
    Owned,
    /// It is for another queue.
    ForOthers,
    /// It cannot be opened or read.
    Unreadable(io::Error),
}

impl From<io::Error> for NotAdopted {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// A name that no other file has, later ones behind it.
fn fresh_name(target: &Target, ending: &str) -> String {
    format!(
        "{:015}-{}-{:08x}.{}.{ending}",
        SystemClock.now_ms(),
        std::process::id(),
        fastrand::u32(..),
        target.server
    )
}

fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Whether a path leads to an open file.
pub(super) fn is_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(file), Ok(named)) => (file.dev(), file.ino()) == (named.dev(), named.ino()),
        (_, Err(error)) => error.kind() != io::ErrorKind::NotFound,
        (Err(_), Ok(_)) => true,
    }
}

/// Opens a file that somebody may own, to erase something in it; only under the lock of the directory.
pub(super) fn borrowed(path: &Path) -> io::Result<Option<SpoolFile>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let Some((read, prefix)) = read_head(&file)? else {
        return Ok(None);
    };
    Ok(Some(SpoolFile {
        path: path.to_owned(),
        end: file.metadata()?.len(),
        file,
        target: Target {
            prefix,
            server: String::new(),
        },
        read,
        place: read,
        alone_until: START,
        faulty: false,
        jobs: 0,
        sealed: true,
    }))
}

fn write_head(file: &File, read: u64, prefix: &str) -> io::Result<()> {
    let mut head = TITLE.to_vec();
    head.extend(read.to_le_bytes());
    head.extend(prefix.as_bytes());
    head.resize(TITLE.len() + 8 + MOST_PREFIX_BYTES, 0);
    #[cfg(test)]
    super::tests::disk::change()?;
    file.write_all_at(&head, 0)
}

/// How far a file has been replayed, and the prefix of its queue.
fn read_head(file: &File) -> io::Result<Option<(u64, String)>> {
    let mut head = [0; TITLE.len() + 8 + MOST_PREFIX_BYTES];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let Some((read, prefix)) = head
        .strip_prefix(TITLE)
        .and_then(<[u8]>::split_first_chunk::<8>)
    else {
        return Ok(None);
    };
    let prefix = String::from_utf8_lossy(prefix)
        .trim_end_matches('\0')
        .to_owned();
    Ok(Some((u64::from_le_bytes(*read).max(START), prefix)))
}

/// Makes the name of a file outlive a power cut.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes a name that was added to a directory outlive a power cut.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(test)]
    super::tests::disk::change()?;
    File::open(directory)?.sync_all()
}
