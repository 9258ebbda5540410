//! What a server says of itself, and whether jobs may be entrusted to it.

use redis::{Cmd, Value};

use super::QueueError;
use super::durability::Durability;

/// A server's answers to `INFO` and `CONFIG GET appendfsync`, as far as we need them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `redis` or `valkey`.
    pub product: &'static str,
    /// Its version, three numbers.
    pub version: String,
    /// Changes with each start of the server and with each failover.
    pub run_id: String,
    /// What it proves by its answer alone.
    pub durability: Durability,
    /// Whether it keeps an append-only file.
    pub appendonly: bool,
    /// When it flushes that file; unknown where the user may not read the configuration.
    pub appendfsync: Option<String>,
    /// Whether it has `WAITAOF`.
    pub has_waitaof: bool,
    /// Replicas that are connected and up to date.
    pub replicas: usize,
    /// What it does when its memory is full.
    pub maxmemory_policy: String,
}

/// Oldest versions that have script flags and everything else that the scripts need.
const OLDEST_REDIS: (u32, u32) = (7, 0);
const OLDEST_VALKEY: (u32, u32) = (7, 2);

/// Oldest version of either that has `WAITAOF`.
const OLDEST_WAITAOF: (u32, u32) = (7, 2);

/// The question of which [`ServerFacts::answered`] reads the answer first.
pub fn info_command() -> Cmd {
    let mut command = redis::cmd("INFO");
    command
        .arg("server")
        .arg("replication")
        .arg("memory")
        .arg("persistence");
    command
}

/// The question of which [`ServerFacts::answered`] reads the answer second; it may be refused.
pub fn fsync_command() -> Cmd {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("appendfsync");
    command
}

/// The value of a setting in the answer to `CONFIG GET` for one or several.
pub fn setting(answer: &Value, name: &str) -> Option<String> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    match answer {
        Value::Array(items) => items
            .chunks_exact(2)
            .find(|pair| text(&pair[0]).as_deref() == Some(name))
            .and_then(|pair| text(&pair[1])),
        Value::Map(pairs) => pairs
            .iter()
            .find(|(key, _)| text(key).as_deref() == Some(name))
            .and_then(|(_, value)| text(value)),
        _ => None,
    }
}

impl ServerFacts {
    /// Reads the answers to [`info_command`] and, where it was not refused, to [`fsync_command`].
    ///
    /// # Errors
    ///
    /// As [`ServerFacts::read`], and `Unsuitable` where the server does not describe itself.
    pub fn answered(info: Value, fsync: Option<&Value>) -> Result<Self, QueueError> {
        let text = match info {
            Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Value::VerbatimString { text, .. } => text,
            _ => {
                return Err(QueueError::Unsuitable(
                    "the server does not describe itself".to_owned(),
                ));
            }
        };
        let fsync = fsync.and_then(|answer| setting(answer, "appendfsync"));
        Self::read(&text, fsync.as_deref())
    }

    /// What it keeps, in order from the least.
    pub(super) fn keeps(&self) -> (Durability, usize) {
        (self.durability, self.replicas)
    }

    /// Whether it flushes before it answers.
    pub fn flushes_always(&self) -> bool {
        self.appendfsync.as_deref() == Some("always")
    }

    /// Whether it leaves the flush to the kernel.
    pub fn flushes_never(&self) -> bool {
        self.appendfsync.as_deref() == Some("no")
    }

    /// Reads the text of `INFO`.
    ///
    /// # Errors
    ///
    /// `Unsuitable` where the server is too old or evicts keys, `Unavailable` where it is a replica (a failover may be
    /// under way).
    pub fn read(info: &str, appendfsync: Option<&str>) -> Result<Self, QueueError> {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map_or("", str::trim)
        };
        // Valkey gives a redis_version of 7.2.4 for the sake of old clients; its own is in another field.
        let (product, version, oldest) = match field("valkey_version") {
            "" => ("redis", field("redis_version"), OLDEST_REDIS),
            version => ("valkey", version, OLDEST_VALKEY),
        };
        let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
        let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if number < oldest {
            let (major, minor) = oldest;
            return Err(QueueError::Unsuitable(format!(
                "{product} {version} is too old: {major}.{minor} or newer is needed"
            )));
        }
        let policy = field("maxmemory_policy");
        if policy.starts_with("allkeys-") {
            return Err(QueueError::Unsuitable(format!(
                "its maxmemory-policy is {policy}, which would evict jobs without an error: set noeviction"
            )));
        }
        if field("role") == "slave" {
            return Err(QueueError::Unavailable(
                "the server is a replica".to_owned(),
            ));
        }
        let appendonly = field("aof_enabled") == "1";
        let durability = match (appendonly, appendfsync) {
            (true, Some("always")) => Durability::Disk,
            (true, _) => Durability::Process,
            (false, _) => Durability::Memory,
        };
        let replicas = info
            .lines()
            .filter(|line| line.starts_with("slave") && line.contains("state=online"))
            .count();
        Ok(Self {
            product,
            version: version.to_owned(),
            run_id: field("run_id").to_owned(),
            durability,
            appendonly,
            appendfsync: appendfsync.map(str::to_owned),
            has_waitaof: number >= OLDEST_WAITAOF,
            replicas,
            maxmemory_policy: policy.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, policy: &str, role: &str, aof: &str) -> String {
        format!(
            "# Server\r\n{version}\r\nrun_id:abc\r\nrole:{role}\r\nmaxmemory_policy:{policy}\r\naof_enabled:{aof}\r\n"
        )
    }

    #[test]
    fn a_server_that_is_too_old_is_refused() {
        let error = ServerFacts::read(
            &info("redis_version:6.2.14", "noeviction", "master", "0"),
            None,
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server is unsuitable: redis 6.2.14 is too old: 7.0 or newer is needed"
        );
    }

    #[test]
    fn a_valkey_server_is_judged_by_its_own_version() {
        let text = info(
            "redis_version:7.2.4\r\nvalkey_version:9.1.2",
            "noeviction",
            "master",
            "1",
        );
        let facts = ServerFacts::read(&text, Some("everysec")).unwrap();
        assert_eq!(
            (facts.product, facts.version.as_str(), facts.durability),
            ("valkey", "9.1.2", Durability::Process)
        );
    }

    #[test]
    fn a_server_that_evicts_any_key_is_refused() {
        let text = info("redis_version:7.0.15", "allkeys-lru", "master", "0");
        assert!(matches!(
            ServerFacts::read(&text, None),
            Err(QueueError::Unsuitable(_))
        ));
    }

    #[test]
    fn a_replica_is_a_passing_state() {
        let text = info("redis_version:7.0.15", "noeviction", "slave", "0");
        assert!(ServerFacts::read(&text, None).unwrap_err().transient());
    }

    #[test]
    fn fsync_always_means_disk() {
        let text = info("redis_version:7.0.15", "noeviction", "master", "1");
        assert_eq!(
            ServerFacts::read(&text, Some("always")).unwrap().durability,
            Durability::Disk
        );
    }
}
