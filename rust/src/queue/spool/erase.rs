//! Erasing jobs in a spool, whoever owns its files.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::file::{ENDING, Found, REFUSED, START, borrowed, paths};
use super::lock::{Held, open_lock};
use super::record::{HEAD, MARK, Record, erase, id_at, sealed};
use super::redo::{self, Change};

/// How long a process that holds the directory's lock is waited for.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// Erases every job in a directory that `matches` by its id and bytes, replayed ones that are still on the disk included.
/// Returns the ids, each once.
///
/// A job that its owner is just sending to the queue may arrive there all the same: erase in the queue afterwards.
///
/// # Errors
///
/// Those of the file system; what was erased before stays erased.
pub fn erase_matching(
    directory: &Path,
    mut matches: impl FnMut(Uuid, &[u8]) -> bool,
) -> io::Result<Vec<Uuid>> {
    let mut erased = Vec::new();
    if !directory.is_dir() {
        return Ok(erased);
    }
    let _held = Held::take(directory, Arc::new(open_lock(directory)?), LOCK_LIMIT)?;
    for path in paths(directory, &[ENDING, REFUSED])? {
        let Some(file) = borrowed(&path)? else {
            continue;
        };
        let mut changes = Vec::new();
        let mut place = START;
        loop {
            let end = match file.at(place)? {
                Found::Record(_, end) | Found::Done(end) => end,
                Found::Damaged(next) => {
                    place = next;
                    continue;
                }
                Found::Torn | Found::End => break,
            };
            if let (Some(mut body), _) = file.body_at(place)? {
                let mut is_other = false;
                for job in Record::places(&body).unwrap_or_default() {
                    if let Some(id) = id_at(&body, &job)
                        && matches(id, &body[job.bytes.clone()])
                    {
                        erase(&mut body, &job);
                        erased.push(id);
                        is_other = true;
                    }
                }
                if is_other {
                    let bytes = sealed(&body);
                    debug_assert_eq!(bytes.len(), HEAD + body.len());
                    // The mark stays as it is: it says whether the record is done.
                    changes.push(Change {
                        place: place + MARK.len() as u64,
                        bytes: bytes[MARK.len()..].to_vec(),
                    });
                }
            }
            place = end;
        }
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && !changes.is_empty()
        {
            redo::note(directory, name, &changes)?;
            redo::finish(directory)?;
        }
    }
    erased.sort_unstable();
    erased.dedup();
    Ok(erased)
}
