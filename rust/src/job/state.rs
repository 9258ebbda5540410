//! The states of a job, as users see them.

/// Where a job stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // the states are fixed: nothing else, nowhere else
pub enum JobState {
    /// Ready to be leased.
    Pending,
    /// Waiting for its time, or parked for a worker that can run it.
    Scheduled,
    /// Leased by a worker.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly, kept or not.
    DeadLettered,
    /// Ended by a person.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Scheduled,
        Self::Running,
        Self::Completed,
        Self::DeadLettered,
        Self::Cancelled,
    ];

    /// The word that users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::DeadLettered => "dead_lettered",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a word; `failed`, which older files have, is a dead letter.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "failed" => Some(Self::DeadLettered),
            name => Self::ALL.into_iter().find(|state| state.as_str() == name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_back_from_its_word() {
        for state in JobState::ALL {
            assert_eq!(JobState::from_name(state.as_str()), Some(state));
        }
        assert_eq!(JobState::from_name("failed"), Some(JobState::DeadLettered));
        assert_eq!(JobState::from_name("Pending"), None);
    }
}
