//! Durability levels: how much of what was accepted outlives what, and what proves it.

use std::fmt;

use super::QueueError;
use super::facts::ServerFacts;

/// Most replicas that a level may ask for; far more than anybody runs.
pub const MOST_REPLICAS: u8 = 16;

/// How much of what was accepted outlives what; each level keeps what the ones before it keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// Nothing outlives the server: it keeps no append-only file.
    Memory,
    /// What was accepted outlives the server's process, but up to two seconds of it may go with the power.
    Process,
    /// What was accepted is on the disk.
    Disk,
    /// So many replicas have it as well.
    Replica(u8),
}

impl Durability {
    /// The level of a word used in files: `memory`, `process`, `disk`, or `replica:n` with n from 1 to 16.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "memory" => Some(Self::Memory),
            "process" => Some(Self::Process),
            "disk" => Some(Self::Disk),
            _ => {
                let digits = word.strip_prefix("replica:")?;
                let count: u8 = digits.parse().ok()?;
                let plain = digits == count.to_string();
                (plain && (1..=MOST_REPLICAS).contains(&count)).then_some(Self::Replica(count))
            }
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Process => f.write_str("process"),
            Self::Disk => f.write_str("disk"),
            Self::Replica(count) => write!(f, "replica:{count}"),
        }
    }
}

/// What has to be asked about the primary's own disk after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flush {
    /// Nothing: it keeps no append-only file, or leaves the flush to the kernel; the replicas answer for the write.
    Unasked,
    /// `WAITAOF`: whether the write is flushed.
    Awaited,
    /// The server does not know `WAITAOF`: whether it still flushes before it answers.
    Always,
}

/// What has to be asked after a write, before it counts as accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proof {
    /// About the primary's own disk.
    pub flush: Flush,
    /// Replicas that must have it.
    pub replicas: u8,
}

impl ServerFacts {
    /// What proves a level on this server; nothing where its answer alone does.
    ///
    /// # Errors
    ///
    /// `Unsuitable`, or `TooFewReplicas` where nothing else is amiss, with what was found and what is needed.
    pub fn proof(&self, level: Durability) -> Result<Option<Proof>, QueueError> {
        // A file that the server never flushes by itself proves nothing, however long it is waited for.
        let flushed = self.appendonly && !self.flushes_never();
        let flush = match (flushed, self.has_waitaof, self.flushes_always()) {
            (true, true, _) => Flush::Awaited,
            (true, false, true) => Flush::Always,
            _ => Flush::Unasked,
        };
        let lacking = |needed: &str| {
            format!(
                "durability is {level}, but the server cannot give it; found: {}; needed: {needed}",
                self.found()
            )
        };
        let refused = |needed: &str| Err(QueueError::Unsuitable(lacking(needed)));
        match level {
            Durability::Memory => Ok(None),
            Durability::Process if self.appendonly => Ok(None),
            Durability::Process => refused("appendonly yes"),
            Durability::Disk if flush == Flush::Unasked => refused(if self.has_waitaof {
                "appendonly yes with appendfsync everysec or always"
            } else {
                "appendonly yes with appendfsync always, or a server that has WAITAOF (Redis or Valkey 7.2 or newer)"
            }),
            Durability::Disk => Ok(Some(Proof { flush, replicas: 0 })),
            Durability::Replica(wanted) if self.replicas < usize::from(wanted) => {
                let needed = if wanted == 1 { "replica" } else { "replicas" };
                Err(QueueError::TooFewReplicas(lacking(&format!(
                    "{wanted} connected {needed}"
                ))))
            }
            Durability::Replica(replicas) => Ok(Some(Proof { flush, replicas })),
        }
    }

    fn found(&self) -> String {
        let fsync = match (self.appendonly, &self.appendfsync) {
            (false, _) => String::new(),
            (true, Some(word)) => format!(", appendfsync {word}"),
            (true, None) => ", appendfsync not to be read (CONFIG GET is refused)".to_owned(),
        };
        format!(
            "{} {}, appendonly {}{fsync}, connected replicas {}",
            self.product,
            self.version,
            if self.appendonly { "yes" } else { "no" },
            self.replicas
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version: &str, aof: &str, fsync: Option<&str>, replicas: usize) -> ServerFacts {
        let mut info = format!(
            "{version}\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:{aof}\r\n"
        );
        for _ in 0..replicas {
            info += "slave0:ip=127.0.0.1,port=1,state=online,offset=1,lag=0\r\n";
        }
        info += "slave9:ip=127.0.0.1,port=1,state=wait_bgsave,offset=0,lag=0\r\n";
        ServerFacts::read(&info, fsync).unwrap()
    }

    const OLD: &str = "redis_version:7.0.15";
    const NEW: &str = "redis_version:7.2.4\r\nvalkey_version:9.1.2";

    #[test]
    fn what_is_printed_is_read_again() {
        for word in ["memory", "process", "disk", "replica:1", "replica:16"] {
            assert_eq!(Durability::parse(word).unwrap().to_string(), word);
        }
        for word in [
            "",
            "auto",
            "Disk",
            "replica",
            "replica:",
            "replica:0",
            "replica:17",
            "replica:01",
            "replica:+1",
            "replica:-1",
            "replica:1 ",
            "replica:999",
        ] {
            assert_eq!(Durability::parse(word), None, "{word:?}");
        }
    }

    #[test]
    fn levels_are_in_order() {
        let words = ["memory", "process", "disk", "replica:1", "replica:2"];
        assert!(
            words
                .map(|word| Durability::parse(word).unwrap())
                .is_sorted()
        );
    }

    #[test]
    fn a_disk_is_proved_by_waiting_or_by_a_server_that_always_flushes() {
        let proof = |flush| Ok(Some(Proof { flush, replicas: 0 }));
        let everysec = Some("everysec");
        assert_eq!(
            facts(NEW, "1", everysec, 0).proof(Durability::Disk),
            proof(Flush::Awaited)
        );
        assert_eq!(
            facts(NEW, "1", Some("always"), 0).proof(Durability::Disk),
            proof(Flush::Awaited)
        );
        assert_eq!(
            facts(OLD, "1", Some("always"), 0).proof(Durability::Disk),
            proof(Flush::Always)
        );
        let error = facts(OLD, "1", everysec, 0)
            .proof(Durability::Disk)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("found: redis 7.0.15, appendonly yes, appendfsync everysec"),
            "{error}"
        );
        assert!(
            error.contains("appendfsync always, or a server that has WAITAOF"),
            "{error}"
        );
        // What may not be read is not proved.
        assert!(facts(OLD, "1", None, 0).proof(Durability::Disk).is_err());
        assert!(
            facts(NEW, "0", Some("always"), 0)
                .proof(Durability::Disk)
                .is_err()
        );
    }

    #[test]
    fn a_file_that_is_never_flushed_proves_no_disk_and_replicas_answer_alone() {
        let never = facts(NEW, "1", Some("no"), 1);
        let error = never.proof(Durability::Disk).unwrap_err().to_string();
        assert!(
            error.contains("appendfsync no") && error.ends_with("appendfsync everysec or always"),
            "{error}"
        );
        let proof = Proof {
            flush: Flush::Unasked,
            replicas: 1,
        };
        assert_eq!(never.proof(Durability::Replica(1)), Ok(Some(proof)));
        assert_eq!(never.proof(Durability::Process), Ok(None));
    }

    #[test]
    fn a_process_needs_an_append_only_file_and_memory_needs_nothing() {
        assert_eq!(
            facts(OLD, "1", None, 0).proof(Durability::Process),
            Ok(None)
        );
        assert_eq!(facts(NEW, "0", None, 0).proof(Durability::Memory), Ok(None));
        let error = facts(NEW, "0", None, 0)
            .proof(Durability::Process)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("appendonly no") && error.ends_with("needed: appendonly yes"),
            "{error}"
        );
    }

    #[test]
    fn replicas_count_when_they_are_connected() {
        let found = facts(NEW, "1", None, 2);
        let proof = Proof {
            flush: Flush::Awaited,
            replicas: 2,
        };
        assert_eq!(found.proof(Durability::Replica(2)), Ok(Some(proof)));
        let error = found.proof(Durability::Replica(3)).unwrap_err().to_string();
        assert!(
            error.contains("connected replicas 2; needed: 3 connected replicas"),
            "{error}"
        );
        let proof = Proof {
            flush: Flush::Unasked,
            replicas: 1,
        };
        assert_eq!(
            facts(OLD, "0", None, 1).proof(Durability::Replica(1)),
            Ok(Some(proof))
        );
    }
}
