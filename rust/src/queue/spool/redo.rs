//! What is about to be written over in a file, on the disk before it is: a crash in between must not damage a record.
//!
//! The note is made whole or not at all, and whoever takes the directory's lock next finishes what it says. A copy of the
//! file in place of it would not do: its owner has it open.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::file::sync_directory;
use super::record::{HEAD, Reader, body_length, is_whole, sealed};

/// The note, and its name while it is being written.
const NOTE: &str = "erasing";
const NEW: &str = "erasing.new";

/// Bytes that shall stand at a place of a file.
pub(super) struct Change {
    pub(super) place: u64,
    pub(super) bytes: Vec<u8>,
}

/// Notes changes of a file of a directory, whose lock is held.
pub(super) fn note(directory: &Path, name: &str, changes: &[Change]) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(name.as_bytes());
    for change in changes {
        body.extend(change.place.to_le_bytes());
        let length = u32::try_from(change.bytes.len()).unwrap_or(u32::MAX);
        body.extend(length.to_le_bytes());
        body.extend(&change.bytes);
    }
    let new = directory.join(NEW);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    #[cfg(test)]
    super::tests::disk::change()?;
    file.write_all(&sealed(&body))?;
    file.sync_all()?;
    #[cfg(test)]
    super::tests::disk::change()?;
    fs::rename(new, directory.join(NOTE))?;
    sync_directory(directory)
}

/// Makes the changes that are noted in a directory, whose lock is held. While that fails nobody may use the directory:
/// later the note would write over other records.
pub(super) fn finish(directory: &Path) -> io::Result<()> {
    let path = directory.join(NOTE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        bytes => bytes,
    };
    let finished = bytes.and_then(|bytes| make(directory, &bytes));
    let removed = finished.and_then(|()| fs::remove_file(&path));
    removed
        .and_then(|()| sync_directory(directory))
        .map_err(|error| {
            let text = format!("an erasure was cut off and cannot be finished: {error}");
            io::Error::new(error.kind(), text)
        })
}

fn make(directory: &Path, note: &[u8]) -> io::Result<()> {
    let Some((name, changes)) = read(note) else {
        return Ok(());
    };
    let file = match OpenOptions::new().write(true).open(directory.join(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    for change in changes {
        #[cfg(test)]
        super::tests::disk::change()?;
        file.write_all_at(&change.bytes, change.place)?;
    }
    #[cfg(test)]
    super::tests::disk::change()?;
    file.sync_data()
}

/// The name and the changes of a note; nothing where the disk has damaged it.
fn read(bytes: &[u8]) -> Option<(String, Vec<Change>)> {
    let (head, body) = bytes.split_at_checked(HEAD)?;
    if body_length(head)? != body.len() || !is_whole(head, body) {
        return None;
    }
    let mut rest = Reader { bytes: body, at: 0 };
    let length = usize::from(u16::from_le_bytes(rest.array()?));
    let name = String::from_utf8(rest.take(length)?.to_vec()).ok()?;
    let mut changes = Vec::new();
    while rest.at < body.len() {
        let place = u64::from_le_bytes(rest.array()?);
        let length = usize::try_from(u32::from_le_bytes(rest.array()?)).ok()?;
        let bytes = rest.take(length)?.to_vec();
        changes.push(Change { place, bytes });
    }
    Some((name, changes))
}
