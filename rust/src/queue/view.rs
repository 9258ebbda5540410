//! A job as people see it: its bytes, and all that lives beside them, put together.

use bytes::Bytes;
use uuid::Uuid;

use super::record::{Failure, FinishedJob, History, Outcome};
use super::{Ending, Found, Lane, Letter, Member, Place};
use crate::job::{Decoded, Job, JobState};

/// One job, at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobView {
    /// Its id.
    pub id: Uuid,
    /// The queue and shard that it is on.
    pub lane: Lane,
    /// Where it is.
    pub place: Place,
    /// Its id and priority, where they can be told.
    pub member: Option<Member>,
    /// The job, where its bytes are still there and are a job.
    pub job: Option<Box<Job>>,
    /// Its bytes, where they are still there.
    pub raw: Option<Bytes>,
    /// Its attempts.
    pub history: History,
    /// Why it is dead or parked.
    pub failure: Option<Failure>,
    /// How often a worker was lost while it ran.
    pub crashes: u32,
    /// What is kept of it where it has ended, for a while.
    pub finished: Option<FinishedJob>,
}

impl JobView {
    /// Puts together what was found of a job; nothing where the queue does not know it.
    pub fn of(lane: &Lane, id: Uuid, found: Found) -> Option<Self> {
        if found.place == Place::Missing {
            return None;
        }
        let job = found
            .bytes
            .as_ref()
            .and_then(|bytes| match Job::decode_stored(bytes, id) {
                Decoded::Job(job) => Some(job),
                Decoded::Newer(_) | Decoded::Corrupt(_) => None,
            });
        let member = found
            .member
            .or_else(|| job.as_ref().map(|job| Member::new(id, job.priority)));
        Some(Self {
            id,
            lane: lane.clone(),
            place: found.place,
            member,
            job,
            raw: found.bytes,
            history: History::unpack(found.history.as_deref()).0,
            failure: found.failure.as_deref().map(Failure::unpack),
            crashes: found.crashes,
            finished: None,
        })
    }

    /// A dead letter, from a page of them.
    pub fn of_letter(lane: &Lane, letter: Letter) -> Option<Self> {
        let found = Found {
            place: Place::Dead(letter.died_at_ms),
            member: Some(letter.member),
            bytes: letter.bytes,
            history: letter.history,
            failure: letter.failure,
            crashes: 0,
        };
        Self::of(lane, letter.member.id(), found)
    }

    /// A finished job of which only the record is left.
    pub fn of_finished(lane: &Lane, finished: FinishedJob) -> Self {
        Self {
            id: finished.id,
            lane: lane.clone(),
            place: match finished.outcome {
                Outcome::Completed => Place::Completed,
                Outcome::Logged | Outcome::DeadLettered => Place::Ended(Ending::Logged),
            },
            member: None,
            job: None,
            raw: None,
            history: History::default(),
            failure: None,
            crashes: 0,
            finished: Some(finished),
        }
    }

    /// The state that users see.
    pub fn state(&self) -> JobState {
        match self.place {
            Place::Pending => JobState::Pending,
            Place::Scheduled(_) | Place::Parked(_) => JobState::Scheduled,
            Place::Running(_) => JobState::Running,
            // There is no view of a missing job.
            Place::Completed | Place::Missing => JobState::Completed,
            Place::Ended(Ending::Cancelled) => JobState::Cancelled,
            Place::Dead(_) | Place::Ended(_) => JobState::DeadLettered,
        }
    }

    /// The number of the attempt that runs or comes next; of a job that has ended, of the last one.
    pub fn attempt(&self) -> u32 {
        match (&self.finished, self.state()) {
            (Some(finished), _) => finished.attempts,
            (None, JobState::Pending | JobState::Scheduled | JobState::Running) => {
                self.history.next_attempt()
            }
            (None, _) => self.history.attempts,
        }
    }

    /// The last error.
    pub fn last_error(&self) -> Option<&str> {
        let failed = || self.failure.as_ref()?.error.as_deref();
        self.history.last_error.as_deref().or_else(failed)
    }

    /// When the next attempt is due, in ms, where one has failed and it waits for its time.
    pub fn retry_at(&self) -> Option<i64> {
        match self.place {
            Place::Scheduled(at_ms) if self.history.attempts > 0 => Some(at_ms),
            _ => None,
        }
    }

    /// What a parked job waits for.
    pub fn parked(&self) -> Option<&str> {
        match self.place {
            Place::Parked(_) => Some(
                self.failure
                    .as_ref()
                    .map_or("unknown", |failure| failure.reason.as_str()),
            ),
            _ => None,
        }
    }

    /// Why a dead letter is one.
    pub fn reason(&self) -> Option<&str> {
        match self.place {
            Place::Dead(_) => Some(
                self.failure
                    .as_ref()
                    .map_or("unknown", |failure| failure.reason.as_str()),
            ),
            _ => None,
        }
    }

    /// Since when a dead letter is one, in ms.
    pub fn died_at(&self) -> Option<i64> {
        match self.place {
            Place::Dead(at_ms) => Some(at_ms),
            _ => None,
        }
    }

    /// How a job ended that was not acked and is not kept.
    pub fn ended(&self) -> Option<&'static str> {
        match self.place {
            Place::Ended(how) => Some(match how {
                Ending::Cancelled => "cancelled",
                Ending::Removed => "removed",
                Ending::Trimmed => "trimmed",
                Ending::Logged => "logged",
            }),
            _ => None,
        }
    }
}
