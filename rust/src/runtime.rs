//! The core's own threads: one tokio runtime per process, which never needs the interpreter.
//!
//! After a fork the child has none of its parent's threads, so the first use in a new process builds a new
//! runtime and leaves the inherited one alone: to drop it would unregister the parent's sockets from the
//! event queue that both share.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Mutex;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::sleep;

/// Threads that serve the queue. Two, so that a beat is never behind the decoding of a batch.
const WORKER_THREADS: usize = 2;

/// The pause before a task that has panicked starts anew: one that cannot even begin must not keep a thread busy.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

static CURRENT: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime of this process.
///
/// # Errors
///
/// If the system gives the process no more threads or files; later it may.
pub fn handle() -> io::Result<Handle> {
    let mut current = CURRENT
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let pid = process::id();
    if let Some((owner, runtime)) = *current
        && owner == pid
    {
        return Ok(runtime.handle().clone());
    }
    // Beside its own threads there is to be one for files, and one to spare for who takes one meanwhile.
    threads_to_spare(WORKER_THREADS + 2)?;
    let built = catch_unwind(|| {
        Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("fraiseql-observers")
            .enable_all()
            .build()
    });
    // Where it gets no thread tokio panics; only for files it has an error.
    let runtime = built.unwrap_or_else(|_| Err(io::Error::other("no more threads")))?;
    // Leaked on purpose: threads end with the process, and nothing has to run when the interpreter is gone.
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    *current = Some((pid, runtime));
    Ok(runtime.handle().clone())
}

/// Tries whether the system gives so many threads: tokio waits for ever for its first one if it does not get the second.
fn threads_to_spare(count: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        // They end when it opens, on whatever way out of here.
        let _shut = gate.lock();
        (0..count).try_for_each(|_| {
            let waiting = || drop(gate.lock());
            thread::Builder::new()
                .spawn_scoped(scope, waiting)
                .map(drop)
        })
    })
}

/// Runs a task until it ends by itself: after a panic it starts anew. What it was at is gone then, and whoever waits for an
/// answer hears so, since the way to give one is dropped.
pub async fn keep_up<F: Future<Output = ()>>(start: impl Fn() -> F) {
    loop {
        let mut task = Box::pin(start());
        let ended = poll_fn(|context| {
            // Nothing of a task that has panicked is looked at again.
            let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context)));
            polled.map_or(Poll::Ready(false), |poll| poll.map(|()| true))
        });
        if ended.await {
            return;
        }
        drop(task);
        sleep(RESTART_PAUSE).await;
    }
}
