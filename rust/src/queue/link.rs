//! One connection to the server that is made again when it is lost.
//!
//! Nothing here repeats a command: the caller knows whether that is safe. Every reply has a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::QueueError;
use super::endpoint::Endpoint;
use super::facts::{self, ServerFacts};
use super::tls;

/// Longest that making a connection may take, the greeting included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest that the reply to a command that does not block may take.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection as it is now.
#[derive(Clone)]
pub struct Live {
    connection: MultiplexedConnection,
    /// What the server said of itself when the connection was made.
    pub facts: Arc<ServerFacts>,
    /// Grows with each connection of this link.
    pub generation: u64,
    /// The server that sentinels have named, where there are any.
    primary: Option<(String, u16)>,
}

/// A place for one connection.
pub struct Link {
    endpoint: Arc<Endpoint>,
    live: Mutex<Option<Live>>,
    generation: AtomicU64,
}

impl Link {
    /// A link that connects when it is first used.
    pub fn new(endpoint: &Arc<Endpoint>) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            live: Mutex::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// The number of the connection that was made last.
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// The connection, made now if there is none.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Refused` or `Unsuitable`; nothing has been asked of the server then.
    pub async fn live(&self) -> Result<Live, QueueError> {
        let mut slot = self.live.lock().await;
        if let Some(live) = &*slot
            && !self.endpoint.has_moved(live.primary.as_ref()).await
        {
            return Ok(live.clone());
        }
        *slot = None;
        let made = timeout(CONNECT_TIMEOUT, self.connect())
            .await
            .map_err(|_| QueueError::Unavailable(format!("{} does not answer", self.endpoint())))?;
        let (connection, primary, facts) = made?;
        let live = Live {
            connection,
            facts: Arc::new(facts),
            generation: self.generation.fetch_add(1, AcqRel) + 1,
            primary,
        };
        *slot = Some(live.clone());
        Ok(live)
    }

    async fn connect(
        &self,
    ) -> Result<(MultiplexedConnection, Option<(String, u16)>, ServerFacts), QueueError> {
        let (mut connection, primary) = self.endpoint.connect().await?;
        // Asked together, so that a slow link costs one round trip.
        let mut beside = connection.clone();
        let (info_command, fsync_command) = (facts::info_command(), facts::fsync_command());
        let (info, fsync) = tokio::join!(
            send(&mut connection, &info_command),
            send(&mut beside, &fsync_command),
        );
        let info = info.map_err(|error| self.classify(&error, false))?;
        // A least-privilege user may not read the configuration; the facts then say less, never more.
        let fsync = match fsync {
            Ok(answer) => Some(answer),
            Err(error) if error.is_io_error() => return Err(self.classify(&error, false)),
            Err(_) => None,
        };
        let facts =
            ServerFacts::answered(info, fsync.as_ref()).inspect_err(|_| self.endpoint.doubt())?;
        Ok((connection, primary, facts))
    }

    /// Sends a command and waits for its reply at most `limit`.
    ///
    /// # Errors
    ///
    /// `Unconfirmed` where the connection broke or the time ran out after sending; else by the kind of reply.
    /// After any of these the next call makes a new connection if this one can no longer be trusted.
    pub async fn call(
        &self,
        live: &Live,
        command: &Cmd,
        limit: Duration,
    ) -> Result<Value, CallError> {
        let mut connection = live.connection.clone();
        match timeout(limit, send(&mut connection, command)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if error.code() == Some("NOSCRIPT") {
                    return Err(CallError::NoScript);
                }
                // What cannot be read leaves no way to tell where the next reply begins.
                let lost = error.is_io_error()
                    || error.is_connection_dropped()
                    || error.kind() == ErrorKind::Parse;
                if lost || moved_away(&error) {
                    self.forget(live).await;
                }
                let error = self.classify(&error, true);
                Err(if lost {
                    CallError::Lost(error)
                } else {
                    CallError::Queue(error)
                })
            }
            Err(_) => {
                self.forget(live).await;
                let text = format!(
                    "{} did not answer within {} s",
                    self.endpoint(),
                    limit.as_secs()
                );
                Err(CallError::Queue(QueueError::Unconfirmed(text)))
            }
        }
    }

    /// As [`Link::call`], for a command that only reads. That a connection was lost shows when it is next used; what
    /// changes nothing is then asked once more, on a new one.
    ///
    /// # Errors
    ///
    /// As of [`Link::call`] and [`Link::live`].
    pub async fn ask(
        &self,
        live: &Live,
        command: &Cmd,
        limit: Duration,
    ) -> Result<Value, CallError> {
        let result = self.call(live, command, limit).await;
        if matches!(&result, Err(CallError::Lost(_))) {
            let again = self.live().await.map_err(CallError::Queue)?;
            return self.call(&again, command, limit).await;
        }
        result
    }

    /// Gives up a connection, unless a newer one has taken its place already.
    pub async fn forget(&self, live: &Live) {
        let mut slot = self.live.lock().await;
        if slot
            .as_ref()
            .is_some_and(|current| current.generation == live.generation)
        {
            *slot = None;
        }
    }

    /// The address without credentials.
    pub fn endpoint(&self) -> &str {
        self.endpoint.shown()
    }

    fn classify(&self, error: &RedisError, sent: bool) -> QueueError {
        if !sent && let Some(complaint) = tls::complaint(self.endpoint(), error) {
            return complaint;
        }
        classify(self.endpoint(), error, sent)
    }
}

/// What an error means for who called; `sent` says whether the command may have been done.
pub(super) fn classify(at: &str, error: &RedisError, sent: bool) -> QueueError {
    let said = || {
        format!(
            "{at}: {}",
            error
                .detail()
                .map_or_else(|| error.to_string(), str::to_owned)
        )
    };
    if said().contains("ACL failure in script") || said().contains("The user executing the script")
    {
        // What a script may not do for its user comes without a code of its own.
        return QueueError::Refused(format!("NOPERM in a script: {}", said().trim()));
    }
    match error.code() {
        Some("OOM") => return QueueError::Full(format!("{at}: the server's memory is full")),
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => {
            return QueueError::Refused(format!(
                "{at}: {} {}",
                error.code().unwrap_or_default(),
                error.detail().unwrap_or_default()
            ));
        }
        Some("MOVED") => {
            let (address, _) = error.redirect_node().unwrap_or((at, 0));
            return QueueError::Elsewhere(match address.strip_prefix(':') {
                // The same host, says a node that does not know its own name.
                Some(port) => format!(
                    "{}:{port}",
                    at.rsplit_once(':').map_or(at, |(host, _)| host)
                ),
                None => address.to_owned(),
            });
        }
        // The keys of a lane are being moved. To follow would not help: the other node serves no script of which a key is
        // missing there, and of a lane's keys some always are. It passes.
        Some("ASK") => {
            return QueueError::Unavailable(format!("{at} is moving the keys to another node"));
        }
        Some("WRONGTYPE") => return QueueError::Corrupt(said()),
        Some(
            code @ ("READONLY" | "MASTERDOWN" | "LOADING" | "BUSY" | "UNKILLABLE" | "MISCONF"
            | "NOREPLICAS" | "TRYAGAIN" | "CLUSTERDOWN"),
        ) => {
            return QueueError::Unavailable(format!("{at} answers {code}"));
        }
        _ => {}
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            QueueError::Refused(format!("{at}: the login is refused"))
        }
        ErrorKind::InvalidClientConfig => QueueError::Unsuitable(said()),
        ErrorKind::Parse if !sent => QueueError::Unsuitable(format!(
            "{at} does not answer as a Redis or Valkey server does"
        )),
        ErrorKind::Parse => QueueError::Unconfirmed(format!("{at}: an answer that cannot be read")),
        _ if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() => {
            let text = format!("{at}: {}", plain(error));
            if sent {
                QueueError::Unconfirmed(text)
            } else {
                QueueError::Unavailable(text)
            }
        }
        _ if said().contains("max number of clients") => QueueError::Unavailable(said()),
        _ => QueueError::Corrupt(said()),
    }
}

/// Sends a command; an error that the server answers is an error. Only whole replies are errors in what we ask.
pub(super) async fn send(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<Value, RedisError> {
    match connection.send_packed_command(command).await? {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// Why a call has no value.
pub enum CallError {
    /// The server has forgotten the script; nothing was done.
    NoScript,
    /// The connection was lost, before or after the command reached the server.
    Lost(QueueError),
    /// Everything else.
    Queue(QueueError),
}

impl CallError {
    /// What it means for who called. Where no script was called, none can be forgotten.
    pub fn into_queue_error(self) -> QueueError {
        match self {
            Self::NoScript => {
                QueueError::Corrupt("a plain command was answered with NOSCRIPT".to_owned())
            }
            Self::Lost(error) | Self::Queue(error) => error,
        }
    }
}

/// Whether the reply says that another server has to be asked, which only a new connection can find.
fn moved_away(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "NOAUTH"))
}

/// What happened to a connection, in words.
fn plain(error: &RedisError) -> String {
    if error.is_connection_refusal() {
        "connection refused".to_owned()
    } else if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connection_dropped() {
        "the connection was lost".to_owned()
    } else {
        error.to_string()
    }
}
