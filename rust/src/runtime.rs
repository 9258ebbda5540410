//! The core's own threads: one tokio runtime per process, which never needs the interpreter.
//!
//! After a fork the child has none of its parent's threads, so the first use in a new process builds a new
//! runtime and leaves the inherited one alone: to drop it would unregister the parent's sockets from the
//! event queue that both share.

use std::process;
use std::sync::Mutex;

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads that serve the queue. Two, so that a beat is never behind the decoding of a batch.
const WORKER_THREADS: usize = 2;

static CURRENT: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime of this process.
///
/// # Panics
///
/// If the system gives the process no more threads.
pub fn handle() -> Handle {
    let mut current = CURRENT
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let pid = process::id();
    if let Some((owner, runtime)) = *current
        && owner == pid
    {
        return runtime.handle().clone();
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("fraiseql-observers")
        .enable_all()
        .build()
        .expect("the system gives the process a few threads");
    // Leaked on purpose: threads end with the process, and nothing has to run when the interpreter is gone.
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    *current = Some((pid, runtime));
    runtime.handle().clone()
}
