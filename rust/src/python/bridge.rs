//! The way from futures of the core to asyncio: what its threads finish reaches the event loop without them ever
//! touching the interpreter.
//!
//! Each loop has a *port*. A core thread leaves its result at the port, and writes one byte to a socket pair if it is the
//! first since the loop last looked; the loop then takes all results there are and turns them into Python objects. So a
//! loop is woken once for any number of results, and a thread of the core never waits for the interpreter's lock.
//!
//! A result that nobody can take any more, because its asyncio future was cancelled or its loop is gone, is handed to
//! the `abandon` hook of its call.

use std::collections::HashMap;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, PyOnceLock};
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use tokio::runtime::Handle;

use super::errors::queue_exception;
use crate::queue::QueueError;
use crate::runtime;

/// How often a blocked call looks for Ctrl-C.
const SIGNAL_CHECK: Duration = Duration::from_millis(50);

/// Runs a future of the core and returns an `asyncio.Future` of the running loop for what `convert` makes of its result.
///
/// A future that is ready at once is answered at once. Cancelling the asyncio future does not stop the core's: its result
/// is then dropped.
///
/// # Errors
///
/// `RuntimeError` where no loop is running; what the loop raises; as [`runtime_handle`].
pub fn future_into_py<T: Send + 'static>(
    py: Python<'_>,
    future: impl Future<Output = T> + Send + 'static,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    future_into_py_or(py, future, convert, drop)
}

/// As [`future_into_py`]; a result that nobody can take any more goes to `abandon`, on any thread.
///
/// # Errors
///
/// As [`future_into_py`].
pub fn future_into_py_or<T: Send + 'static>(
    py: Python<'_>,
    future: impl Future<Output = T> + Send + 'static,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    abandon: impl FnOnce(T) + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    let event_loop = running_loop(py)?;
    let awaited = event_loop.call_method0(intern!(py, "create_future"))?;
    let runtime = runtime_handle(py)?;
    let mut future = Box::pin(future);
    let first = py.detach(|| {
        let _inside = runtime.enter();
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    });
    if let Poll::Ready(result) = first {
        settle(&awaited, convert(py, result))?;
        return Ok(awaited);
    }
    let port = Port::of(&event_loop)?;
    let delivery = Delivery { convert, abandon };
    let ticket = port.get().expect(awaited.clone().unbind());
    runtime.spawn(async move {
        let result = future.await;
        ticket.redeem(delivery, result);
    });
    Ok(awaited)
}

/// Waits for a future of the core while other Python threads run.
///
/// # Errors
///
/// `KeyboardInterrupt`, or what else a signal handler raises; the future is dropped then. As [`runtime_handle`].
pub fn block_on<T: Send>(py: Python<'_>, future: impl Future<Output = T> + Send) -> PyResult<T> {
    let runtime = runtime_handle(py)?;
    let mut future = pin!(future);
    loop {
        let waited = py.detach(|| {
            runtime.block_on(async { tokio::time::timeout(SIGNAL_CHECK, future.as_mut()).await })
        });
        match waited {
            Ok(result) => return Ok(result),
            Err(_) => py.check_signals()?,
        }
    }
}

/// The runtime of this process.
///
/// # Errors
///
/// `QueueUnavailable` where the system gives the process no more threads or files.
pub fn runtime_handle(py: Python<'_>) -> PyResult<Handle> {
    runtime::handle().map_err(|error| {
        let text = format!("this process gets no threads for it: {error}");
        queue_exception(py, &QueueError::Unavailable(text))
    })
}

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    GET.import(py, "asyncio", "get_running_loop")?.call0()
}

/// Gives an asyncio future its result or exception.
fn settle(awaited: &Bound<'_, PyAny>, result: PyResult<Py<PyAny>>) -> PyResult<()> {
    let py = awaited.py();
    match result {
        Ok(value) => awaited.call_method1(intern!(py, "set_result"), (value,)),
        Err(error) => awaited.call_method1(intern!(py, "set_exception"), (error,)),
    }
    .map(drop)
}

/// What to do with the result of a call.
struct Delivery<C, A> {
    convert: C,
    abandon: A,
}

/// A result on its way to the loop.
trait Parcel: Send {
    fn convert(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>>;
    fn abandon(self: Box<Self>);
}

struct Ready<T, C, A> {
    result: T,
    delivery: Delivery<C, A>,
}

impl<T, C, A> Parcel for Ready<T, C, A>
where
    T: Send,
    C: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send,
    A: FnOnce(T) + Send,
{
    fn convert(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        (self.delivery.convert)(py, self.result)
    }

    fn abandon(self: Box<Self>) {
        (self.delivery.abandon)(self.result);
    }
}

/// Stands for the result of a task that ended without one.
struct Broken;

impl Parcel for Broken {
    fn convert(self: Box<Self>, _: Python<'_>) -> PyResult<Py<PyAny>> {
        Err(PyRuntimeError::new_err(
            "the core failed to answer; this is a fault of fraiseql_observers",
        ))
    }

    fn abandon(self: Box<Self>) {}
}

/// The side of a port that core threads know.
struct Inbox {
    parcels: Mutex<Vec<(u64, Box<dyn Parcel>)>>,
    wake: UnixStream,
}

impl Inbox {
    fn put(&self, number: u64, parcel: Box<dyn Parcel>) {
        let mut parcels = lock(&self.parcels);
        parcels.push((number, parcel));
        let first = parcels.len() == 1;
        drop(parcels);
        if first {
            // A full pipe wakes the loop anyway, and where the loop is gone nobody has to be woken.
            let _ = (&self.wake).write(&[1]);
        }
    }
}

/// The right, and the duty, to answer one asyncio future.
struct Ticket {
    inbox: Weak<Inbox>,
    number: u64,
    open: bool,
}

impl Ticket {
    fn redeem<T, C, A>(mut self, delivery: Delivery<C, A>, result: T)
    where
        T: Send + 'static,
        C: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
        A: FnOnce(T) + Send + 'static,
    {
        self.open = false;
        match self.inbox.upgrade() {
            Some(inbox) => inbox.put(self.number, Box::new(Ready { result, delivery })),
            None => (delivery.abandon)(result),
        }
    }
}

impl Drop for Ticket {
    /// A task that panicked or was stopped must not leave somebody waiting for ever.
    fn drop(&mut self) {
        if self.open
            && let Some(inbox) = self.inbox.upgrade()
        {
            inbox.put(self.number, Box::new(Broken));
        }
    }
}

/// Where the results for one event loop arrive. It never outlives its process: a fork gets ports of its own.
#[pyclass(frozen)]
struct Port {
    pid: u32,
    event_loop: Py<PyWeakrefReference>,
    inbox: Arc<Inbox>,
    doorbell: UnixStream,
    awaited: Mutex<Awaited>,
}

/// The asyncio futures that a port has to answer.
#[derive(Default)]
struct Awaited {
    next: u64,
    futures: HashMap<u64, Py<PyAny>>,
}

/// The ports of all loops that were in use lately: nearly always one.
static PORTS: Mutex<Vec<Py<Port>>> = Mutex::new(Vec::new());

impl Port {
    /// The port of a loop, made when it is first asked for.
    fn of<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let found = PORTS
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(|port| port.get().serves(event_loop))
            .map(|port| port.clone_ref(py));
        if let Some(port) = found {
            return Ok(port.into_bound(py));
        }
        let port = Self::open(event_loop)?;
        // To ask a loop and to drop a port may run Python code, and with it a fork: never under the lock.
        let known = std::mem::take(
            &mut *PORTS
                .lock_py_attached(py)
                .unwrap_or_else(PoisonError::into_inner),
        );
        let (live, ended): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|port| port.get().is_live(py));
        let mut ports = PORTS
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        ports.extend(live);
        ports.push(port.clone().unbind());
        drop(ports);
        drop(ended);
        Ok(port)
    }

    fn open<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let (wake, doorbell) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        doorbell.set_nonblocking(true)?;
        let descriptor = doorbell.as_raw_fd();
        let inbox = Inbox {
            parcels: Mutex::default(),
            wake,
        };
        let port = Bound::new(
            py,
            Self {
                pid: process::id(),
                event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
                inbox: Arc::new(inbox),
                doorbell,
                awaited: Mutex::default(),
            },
        )?;
        event_loop.call_method1(
            intern!(py, "add_reader"),
            (descriptor, port.getattr(intern!(py, "drain"))?),
        )?;
        Ok(port)
    }

    fn serves(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        let own = self.event_loop.bind(event_loop.py()).upgrade();
        self.pid == process::id() && own.is_some_and(|own| own.is(event_loop))
    }

    fn is_live(&self, py: Python<'_>) -> bool {
        let event_loop = self.event_loop.bind(py).upgrade();
        let closed = |event_loop: Bound<'_, PyAny>| {
            event_loop
                .call_method0(intern!(py, "is_closed"))?
                .is_truthy()
        };
        self.pid == process::id()
            && event_loop.is_some_and(|event_loop| !closed(event_loop).unwrap_or(true))
    }

    fn expect(&self, future: Py<PyAny>) -> Ticket {
        let mut awaited = lock(&self.awaited);
        let number = awaited.next;
        awaited.next += 1;
        awaited.futures.insert(number, future);
        Ticket {
            inbox: Arc::downgrade(&self.inbox),
            number,
            open: true,
        }
    }
}

#[pymethods]
impl Port {
    /// Answers every future whose result has arrived. The loop calls it when the doorbell has rung.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let mut bytes = [0; 16];
        loop {
            match (&self.doorbell).read(&mut bytes) {
                Ok(16) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        let parcels = std::mem::take(&mut *lock(&self.inbox.parcels));
        let mut failed = None;
        for (number, parcel) in parcels {
            let Some(future) = lock(&self.awaited).futures.remove(&number) else {
                parcel.abandon();
                continue;
            };
            // One future that cannot be answered must not keep the others from their answers.
            if let Err(error) = answer(future.bind(py), parcel) {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

fn answer(future: &Bound<'_, PyAny>, parcel: Box<dyn Parcel>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        parcel.abandon();
        return Ok(());
    }
    settle(future, parcel.convert(py))
}

impl Drop for Port {
    fn drop(&mut self) {
        // After a fork the lock may be held by a thread that the child does not have.
        if self.pid != process::id() {
            return;
        }
        for (_, parcel) in std::mem::take(&mut *lock(&self.inbox.parcels)) {
            parcel.abandon();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
