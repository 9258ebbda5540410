//! What a server says of itself, and whether jobs may be entrusted to it.

use super::QueueError;

/// How much of what was accepted outlives what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing outlives the server: it keeps no append-only file.
    Memory,
    /// What was accepted outlives the server's process, but up to two seconds of it may go with the power.
    Process,
    /// What was accepted is on the disk.
    Disk,
}

impl Durability {
    /// The word used in files and in what is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Process => "process",
            Self::Disk => "disk",
        }
    }
}

/// A server's answers to `INFO` and `CONFIG GET appendfsync`, as far as we need them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `redis` or `valkey`.
    pub product: &'static str,
    /// Its version, three numbers.
    pub version: String,
    /// Changes with each start of the server and with each failover.
    pub run_id: String,
    /// What it keeps.
    pub durability: Durability,
    /// What it does when its memory is full.
    pub maxmemory_policy: String,
}

/// Oldest versions that have script flags and everything else that the scripts need.
const OLDEST_REDIS: (u32, u32) = (7, 0);
const OLDEST_VALKEY: (u32, u32) = (7, 2);

impl ServerFacts {
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
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < oldest {
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
        let durability = match (field("aof_enabled"), appendfsync) {
            ("1", Some("always")) => Durability::Disk,
            ("1", _) => Durability::Process,
            _ => Durability::Memory,
        };
        Ok(Self {
            product,
            version: version.to_owned(),
            run_id: field("run_id").to_owned(),
            durability,
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
