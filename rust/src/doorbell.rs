//! A doorbell: how the core's threads wake an event loop that watches a descriptor.
//!
//! However often it is rung, one byte at most is on its way, and the loop is woken once.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};

/// Rung by any thread, answered by one.
pub struct Doorbell {
    rung: AtomicBool,
    button: UnixStream,
    bell: UnixStream,
}

impl Doorbell {
    /// A doorbell that has not been rung.
    ///
    /// # Errors
    ///
    /// What the system says where it has no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        let (button, bell) = UnixStream::pair()?;
        button.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok(Self {
            rung: AtomicBool::new(false),
            button,
            bell,
        })
    }

    /// Makes the descriptor readable, unless it is or soon will be.
    pub fn ring(&self) {
        if self.rung.swap(true, AcqRel) {
            return;
        }
        loop {
            match (&self.button).write(&[1]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A full buffer or a closed loop needs no further byte.
                _ => return,
            }
        }
    }

    /// Silences the bell; what rang it before this call can be seen after it.
    ///
    /// The byte is taken first and the mark after it. In the other order a ring in between would mark the bell as rung
    /// and lose its byte, and no later ring would be heard.
    pub fn answer(&self) {
        let mut bytes = [0; 64];
        loop {
            match (&self.bell).read(&mut bytes) {
                Ok(64) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        self.rung.swap(false, AcqRel);
    }
}

impl AsRawFd for Doorbell {
    /// The descriptor to watch for reading.
    fn as_raw_fd(&self) -> RawFd {
        self.bell.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::thread;
    use std::time::Duration;

    use tokio::io::Interest;
    use tokio::net;
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    const RINGS: u64 = 300_000;

    #[test]
    fn no_ring_is_lost_however_close_it_comes_to_an_answer() {
        let doorbell = Arc::new(Doorbell::new().unwrap());
        let news = Arc::new(AtomicU64::new(0));
        let ringer = {
            let (doorbell, news) = (Arc::clone(&doorbell), Arc::clone(&news));
            thread::spawn(move || {
                for _ in 0..RINGS {
                    news.fetch_add(1, SeqCst);
                    doorbell.ring();
                }
            })
        };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let watched = net::UnixStream::from_std(doorbell.bell.try_clone().unwrap()).unwrap();
            let mut seen = 0;
            while seen < RINGS {
                let woken = timeout(Duration::from_secs(5), watched.readable()).await;
                assert!(
                    woken.is_ok(),
                    "asleep for ever: {seen} of {RINGS} rings were seen"
                );
                // To be woken again, the loop says that it has seen this one.
                let _ = watched.try_io(Interest::READABLE, || {
                    Err::<(), _>(ErrorKind::WouldBlock.into())
                });
                doorbell.answer();
                seen = news.load(SeqCst);
            }
        });
        ringer.join().unwrap();
    }
}
