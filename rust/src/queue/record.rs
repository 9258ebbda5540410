//! What is kept beside a job: its attempts, why it is dead or parked, and how it ended. All of it is small JSON that
//! the queue stores and never reads.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most bytes of a packed history.
pub const MAX_HISTORY_BYTES: usize = 4096;
/// Most attempts kept; older ones are only counted.
pub const MAX_ATTEMPTS_KEPT: usize = 20;
/// Most bytes of an error text and of a name in a failure.
const MAX_FAILURE_TEXT: usize = 1024;
/// Most bytes of a worker's name.
const MAX_WORKER: usize = 64;
/// Most bytes of the last error and of the error of each attempt, the first pair that fits being taken.
const ERROR_BYTES: [(usize, usize); 5] = [(1024, 1024), (1024, 120), (512, 60), (256, 20), (64, 0)];

/// One execution of a job that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs)] // the wire format has exactly these
pub struct Attempt {
    /// Its number, from 1 when the job was made or last replayed.
    pub attempt: u32,
    /// When it began, in ms since 1970.
    pub started_at: i64,
    /// How long it took.
    pub duration_ms: u64,
    /// Whether it succeeded.
    pub success: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// The status that the receiver answered with, where there was one.
    pub status_code: Option<u16>,
    /// Which worker ran it.
    pub worker: String,
}

/// The past of a job that has failed or been replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct History {
    /// Attempts ever, replays included.
    #[serde(rename = "n")]
    pub attempts_ever: u32,
    /// Attempts since the job was made or last replayed: what counts against its budget.
    #[serde(rename = "c")]
    pub attempts: u32,
    /// When it was last replayed, in ms since 1970.
    #[serde(rename = "r")]
    pub replayed_at: Option<i64>,
    /// The last attempts, the oldest first.
    #[serde(rename = "a")]
    pub last: Vec<Attempt>,
    /// The last error.
    #[serde(rename = "e")]
    pub last_error: Option<String>,
}

impl History {
    /// Reads packed bytes; no bytes are an empty history.
    ///
    /// Bytes that are none give an empty history too, since a job must not be held up by what is only told about it;
    /// the second value says so, for the caller to count.
    pub fn unpack(bytes: Option<&[u8]>) -> (Self, bool) {
        match bytes {
            None | Some([]) => (Self::default(), false),
            Some(bytes) => serde_json::from_slice(bytes)
                .map_or_else(|_| (Self::default(), true), |read| (read, false)),
        }
    }

    /// The number of the attempt that runs now or comes next, from 1.
    pub const fn next_attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }

    /// Adds an attempt that failed; its texts are shortened to what is ever kept of them.
    pub fn failed(&mut self, mut attempt: Attempt) {
        shorten(&mut attempt.worker, MAX_WORKER);
        if let Some(error) = &mut attempt.error {
            shorten(error, ERROR_BYTES[0].0);
        }
        self.attempts_ever = self.attempts_ever.saturating_add(1);
        self.attempts = self.attempts.saturating_add(1);
        self.last_error.clone_from(&attempt.error);
        self.last.push(attempt);
        let over = self.last.len().saturating_sub(MAX_ATTEMPTS_KEPT);
        self.last.drain(..over);
    }

    /// Gives the job a fresh budget of attempts; what was stays to be seen.
    pub fn replayed(&mut self, now_ms: i64) {
        self.attempts = 0;
        self.replayed_at = Some(now_ms);
    }

    /// The history as bytes, never more than [`MAX_HISTORY_BYTES`]: texts are shortened first, then the oldest attempts
    /// left out.
    pub fn pack(&self) -> Vec<u8> {
        let mut kept = self.clone();
        for (last, each) in ERROR_BYTES {
            if let Some(error) = &mut kept.last_error {
                shorten(error, last);
            }
            for error in kept
                .last
                .iter_mut()
                .filter_map(|attempt| attempt.error.as_mut())
            {
                shorten(error, each);
            }
            let bytes = to_json(&kept);
            if bytes.len() <= MAX_HISTORY_BYTES {
                return bytes;
            }
        }
        loop {
            // Without attempts what is left is a few numbers and 64 bytes of text, so that this ends.
            kept.last.remove(0);
            let bytes = to_json(&kept);
            if bytes.len() <= MAX_HISTORY_BYTES || kept.last.is_empty() {
                return bytes;
            }
        }
    }
}

/// Why a job is dead or parked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::exhaustive_structs)] // the wire format has exactly these
pub struct Failure {
    /// One word: `permanent_error`, `retries_exhausted`, `crash_limit`, `corrupt`, `expired`; of a parked job
    /// `rule_gone`, `unknown_kind` and the like.
    pub reason: String,
    /// What sort of error it was, where there was one.
    pub error_type: Option<String>,
    /// The observer whose job it is.
    pub observer: Option<String>,
    /// The error's text.
    pub error: Option<String>,
}

impl Failure {
    /// A failure that is no error of an attempt.
    pub fn because(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            ..Self::default()
        }
    }

    /// The failure as bytes; long texts are shortened.
    pub fn pack(&self) -> Vec<u8> {
        let mut kept = self.clone();
        shorten(&mut kept.reason, MAX_FAILURE_TEXT);
        for text in [&mut kept.error_type, &mut kept.observer, &mut kept.error]
            .into_iter()
            .flatten()
        {
            shorten(text, MAX_FAILURE_TEXT);
        }
        to_json(&kept)
    }

    /// Reads packed bytes; what is none is a failure for the reason `unknown`.
    pub fn unpack(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Self::because("unknown"))
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums)] // the ends of a job that a worker can bring about
pub enum Outcome {
    /// It did what it was for.
    Completed,
    /// It failed for good under `on_failure = "log"`.
    Logged,
    /// It failed for good.
    DeadLettered,
}

/// What stays of a finished job for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs)] // the wire format has exactly these
pub struct FinishedJob {
    /// The job's id.
    pub id: Uuid,
    /// The observer whose job it was.
    pub observer: Option<String>,
    /// Its queue.
    pub queue: String,
    /// When it was made, in ms since 1970.
    pub created_at: i64,
    /// When its last attempt began.
    pub started_at: i64,
    /// When it ended.
    pub finished_at: i64,
    /// How many attempts it took since it was made or last replayed.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Outcome,
}

impl FinishedJob {
    /// The record as one line of JSON: records are stored many to an entry, with a line feed between them.
    pub fn pack(&self) -> Vec<u8> {
        to_json(self)
    }

    /// Reads packed bytes, or `None` where they are no record.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Cuts a text to at most `max` bytes, between two characters.
pub fn shorten(text: &mut String, max: usize) {
    if text.len() > max {
        let end = (0..=max)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
}

fn to_json<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("records of texts and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u32, error: &str) -> Attempt {
        Attempt {
            attempt: number,
            started_at: 1_700_000_000_000,
            duration_ms: 12,
            success: false,
            error: Some(error.to_owned()),
            status_code: Some(500),
            worker: "host:4711".to_owned(),
        }
    }

    #[test]
    fn a_history_comes_back_as_it_was_packed() {
        let mut history = History::default();
        history.failed(attempt(1, "refused"));
        history.replayed(5);
        history.failed(attempt(1, "refused again"));
        assert_eq!(
            (
                history.attempts_ever,
                history.attempts,
                history.next_attempt()
            ),
            (2, 1, 2)
        );
        assert_eq!(history.last_error.as_deref(), Some("refused again"));
        assert_eq!(History::unpack(Some(&history.pack())), (history, false));
    }

    #[test]
    fn a_history_stays_small_whatever_the_errors_say() {
        for error in [
            "x".repeat(100_000),
            "\u{1}".repeat(100_000),
            "🦀".repeat(30_000),
            String::new(),
        ] {
            let mut history = History::default();
            for number in 1..=150 {
                history.failed(Attempt {
                    worker: "\u{2}".repeat(500),
                    ..attempt(number, &error)
                });
                assert!(history.pack().len() <= MAX_HISTORY_BYTES);
            }
            let (read, garbled) = History::unpack(Some(&history.pack()));
            assert!(!garbled);
            assert_eq!((read.attempts_ever, read.attempts), (150, 150));
            assert!(!read.last.is_empty());
            assert_eq!(read.last.last().map(|last| last.attempt), Some(150));
        }
    }

    #[test]
    fn twenty_attempts_with_usual_errors_are_all_kept() {
        let mut history = History::default();
        for number in 1..=25 {
            history.failed(attempt(
                number,
                "HTTP 503 from https://example.org: service unavailable",
            ));
        }
        let (read, _) = History::unpack(Some(&history.pack()));
        assert_eq!(read.last.len(), MAX_ATTEMPTS_KEPT);
        assert_eq!(read.last.first().map(|first| first.attempt), Some(6));
    }

    #[test]
    fn garbled_bytes_are_an_empty_history_and_said_to_be_garbled() {
        for bytes in [&b"\xff"[..], b"[]x", b"{\"n\":-1}"] {
            assert_eq!(History::unpack(Some(bytes)), (History::default(), true));
        }
        assert_eq!(History::unpack(None), (History::default(), false));
        assert_eq!(History::unpack(Some(b"")), (History::default(), false));
        // A newer version may have added something.
        assert_eq!(
            History::unpack(Some(b"{\"n\":2,\"later\":1}"))
                .0
                .attempts_ever,
            2
        );
    }

    #[test]
    fn failures_and_records_come_back_and_stay_on_one_line() {
        let failure = Failure {
            error: Some("line\nfeed".to_owned()),
            ..Failure::because("retries_exhausted")
        };
        assert_eq!(Failure::unpack(&failure.pack()), failure);
        assert_eq!(Failure::unpack(b"junk").reason, "unknown");
        let job = FinishedJob {
            id: Uuid::from_u128(7),
            observer: Some("a\nb".to_owned()),
            queue: "default".to_owned(),
            created_at: 1,
            started_at: 2,
            finished_at: 3,
            attempts: 1,
            outcome: Outcome::Completed,
        };
        assert!(!job.pack().contains(&b'\n'));
        assert_eq!(FinishedJob::unpack(&job.pack()), Some(job));
        assert_eq!(FinishedJob::unpack(b"junk"), None);
    }
}
