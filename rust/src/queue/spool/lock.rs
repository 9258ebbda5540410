//! The lock of a spool's directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::redo;

/// The file whose lock keeps writers, readers and erasers of a directory apart.
pub(super) const LOCK: &str = "lock";

/// The pause between two looks whether it is free.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// The directory's lock, held.
pub(super) struct Held(Arc<File>);

impl Held {
    /// Waits for the lock, no longer than `limit`: a process that was stopped while it held it may never go on.
    /// What the last holder has not come to the end of is done first.
    pub(super) fn take(directory: &Path, lock: Arc<File>, limit: Duration) -> io::Result<Self> {
        let deadline = Instant::now() + limit;
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    let held = Self(lock);
                    redo::finish(directory)?;
                    return Ok(held);
                }
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "another process holds the lock of the spool's directory",
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

impl Drop for Held {
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
