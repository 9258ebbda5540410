//! Sentinels: who of a group of servers takes writes now.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use redis::{ConnectionInfo, RedisConnectionInfo, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::QueueError;
use super::endpoint::dial;
use super::link::{classify, send};
use super::reply;
use super::tls::TlsFiles;

/// Longest that one sentinel is listened to: a dead one must leave time for the others.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a sentinel that did not answer is asked after the others: it may be frozen or behind a broken link, and
/// costs all of that patience each time.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// How often sentinels are asked while a connection works: a primary that was replaced goes on taking writes, which are
/// lost, until somebody tells it, and Sentinel takes seconds for that.
const INTERVAL: Duration = Duration::from_secs(1);

/// The sentinels of a group of servers.
pub(super) struct Sentinels {
    places: Vec<ConnectionInfo>,
    service: String,
    /// The sentinel to ask first: the one that has answered last.
    first: AtomicUsize,
    /// When each did not answer.
    silent: std::sync::Mutex<Vec<Option<Instant>>>,
    /// Who was named last, and when.
    named: Mutex<Option<(Instant, (String, u16))>>,
}

impl Sentinels {
    /// The sentinels at these hosts. `login` is name and password at the sentinels themselves.
    pub(super) fn new(
        hosts: &[ConnectionInfo],
        service: String,
        login: &(Option<String>, Option<String>),
    ) -> Self {
        let places: Vec<_> = hosts
            .iter()
            .map(|host| {
                let mut settings = RedisConnectionInfo::default();
                if let Some(name) = &login.0 {
                    settings = settings.set_username(name);
                }
                if let Some(password) = &login.1 {
                    settings = settings.set_password(password);
                }
                host.clone().set_redis_settings(settings)
            })
            .collect();
        Self {
            silent: std::sync::Mutex::new(vec![None; places.len()]),
            places,
            service,
            first: AtomicUsize::new(0),
            named: Mutex::default(),
        }
    }

    /// Host and port of the server that takes writes, as the first sentinel says that answers.
    ///
    /// # Errors
    ///
    /// `Unavailable` where no sentinel answers, `Refused` where none lets us in, `Unsuitable` where none knows the group.
    pub(super) async fn primary(&self, tls: &TlsFiles) -> Result<(String, u16), QueueError> {
        let mut answer = None;
        for place in self.order() {
            let sentinel = &self.places[place];
            let asked = timeout(PATIENCE, self.ask(sentinel, tls)).await;
            self.silent()[place] = asked.is_err().then(Instant::now);
            match asked.unwrap_or_else(|_| {
                let text = format!("the sentinel {} does not answer", sentinel.addr());
                Err(QueueError::Unavailable(text))
            }) {
                Ok(primary) => {
                    self.first.store(place, Relaxed);
                    return Ok(primary);
                }
                // What a person has to put right says more than a sentinel that is away.
                Err(error) => match &answer {
                    Some(QueueError::Refused(_) | QueueError::Unsuitable(_)) => {}
                    _ => answer = Some(error),
                },
            }
        }
        Err(answer.unwrap_or_else(|| QueueError::Unsuitable("no sentinel is named".to_owned())))
    }

    /// The sentinels in the order in which they are asked: those last that did not answer lately.
    fn order(&self) -> Vec<usize> {
        let (first, count) = (self.first.load(Relaxed), self.places.len());
        let mut order: Vec<usize> = (0..count).map(|step| (first + step) % count).collect();
        let silent = self.silent();
        order.sort_by_key(|place| silent[*place].is_some_and(|at| at.elapsed() < LEFT_ALONE));
        order
    }

    fn silent(&self) -> MutexGuard<'_, Vec<Option<Instant>>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Self::primary`], or what was said less than a while ago. Nothing where nobody answers: that a server is not
    /// the primary any more is not known then.
    pub(super) async fn primary_lately(&self, tls: &TlsFiles) -> Option<(String, u16)> {
        let mut named = self.named.lock().await;
        if let Some((at, primary)) = &*named
            && at.elapsed() < INTERVAL
        {
            return Some(primary.clone());
        }
        let primary = self.primary(tls).await.ok()?;
        *named = Some((Instant::now(), primary.clone()));
        Some(primary)
    }

    /// Asks another sentinel first the next time: what the last one named cannot be used.
    pub(super) fn doubt(&self) {
        let next = (self.first.load(Relaxed) + 1) % self.places.len().max(1);
        self.first.store(next, Relaxed);
    }

    async fn ask(
        &self,
        sentinel: &ConnectionInfo,
        tls: &TlsFiles,
    ) -> Result<(String, u16), QueueError> {
        let at = format!("the sentinel {}", sentinel.addr());
        let mut connection = dial(sentinel, tls).await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        let answer = send(&mut connection, &command)
            .await
            .map_err(|error| classify(&at, &error, false))?;
        if matches!(answer, Value::Nil) {
            return Err(QueueError::Unsuitable(format!(
                "{at} knows no service {:?}",
                self.service
            )));
        }
        let mut items = reply::array(answer)?;
        let host = reply::text(reply::next(&mut items)?)?;
        let port = reply::text(reply::next(&mut items)?)?;
        match port.parse() {
            Ok(port) => Ok((host, port)),
            Err(_) => Err(QueueError::Corrupt(format!("{at} names no port"))),
        }
    }
}

impl fmt::Display for Sentinels {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(text, "{} at the sentinels ", self.service)?;
        for (place, sentinel) in self.places.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(text, "{comma}{}", sentinel.addr())?;
        }
        Ok(())
    }
}
