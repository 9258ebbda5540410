//! Whom and what the keys of a lane name: jobs by member, workers by incarnation, the lane itself.

use std::fmt;

use uuid::Uuid;

/// How urgent a job is; each is served 8 : 4 : 2 : 1 times as often as the ones below it together allow.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before everything else.
    Critical,
    /// Before the usual.
    High,
    /// The usual.
    Default,
    /// When there is room.
    Low,
}

impl Priority {
    /// All priorities, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Default, Self::Low];

    /// The letter that a member ends with.
    pub const fn letter(self) -> u8 {
        match self {
            Self::Critical => b'c',
            Self::High => b'h',
            Self::Default => b'd',
            Self::Low => b'l',
        }
    }

    /// The priority of a letter.
    pub fn from_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.letter() == letter)
    }

    /// The word used in files and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Default => "default",
            Self::Low => "low",
        }
    }

    /// The priority of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == name)
    }
}

/// A job as lists and sets of a lane know it: its id and its priority letter, 17 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member([u8; 17]);

impl Member {
    /// The member of a job.
    pub fn new(id: Uuid, priority: Priority) -> Self {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(id.as_bytes());
        bytes[16] = priority.letter();
        Self(bytes)
    }

    /// Reads a member as the server returned it.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 17] = bytes.try_into().ok()?;
        Priority::from_letter(bytes[16])?;
        Some(Self(bytes))
    }

    /// The job's id.
    pub fn id(&self) -> Uuid {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        Uuid::from_bytes(id)
    }

    /// The job's priority.
    pub fn priority(&self) -> Priority {
        Priority::from_letter(self.0[16]).unwrap_or(Priority::Default)
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id(), self.priority().as_str())
    }
}

/// The identity that a worker process holds until it loses its lease: 32 hexadecimal digits, at random.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(String);

impl Incarnation {
    /// A new identity.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// An identity that somebody else holds.
    pub fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One queue on one shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// The queue's name.
    pub queue: String,
    /// The shard's number, below the number of shards.
    pub shard: u16,
}

impl Lane {
    /// The lane of a job: its queue, and the shard that its id falls to.
    pub fn of(queue: &str, id: Uuid, shards: u16) -> Self {
        let (high, low) = id.as_u64_pair();
        // Ids of version 7 start with the time, so both halves take part.
        let mixed = (high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let shard = u16::try_from(mixed % u64::from(shards.max(1))).unwrap_or(0);
        Self {
            queue: queue.to_owned(),
            shard,
        }
    }

    /// The first shard of the same queue.
    #[must_use]
    pub fn first(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            shard: 0,
        }
    }
}
