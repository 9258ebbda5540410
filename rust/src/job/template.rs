//! Jobs made by the thousand: what all jobs of one action share is written once.

use bytes::Bytes;
use uuid::Uuid;

use super::write::{write_text, write_text_or_null, write_time, write_uuid};
use super::{RetryPolicy, SCHEMA};
use crate::instant::Instant;
use crate::queue::{Due, Member, NewJob, Priority};

/// Bytes of an id, of three times, and of the keys around them, so that a job needs one buffer.
const VARIABLE_BYTES: usize = 192;

/// One action of one observer, ready to become jobs.
#[derive(Clone, Debug)]
pub struct JobTemplate {
    id_name: String,
    priority: Priority,
    max_age_ms: i64,
    before_event: Vec<u8>,
    before_times: Vec<u8>,
    after_times: Vec<u8>,
    end: Vec<u8>,
}

impl JobTemplate {
    /// Prepares the jobs of action number `action_index` of an observer; the action itself stays in its configuration.
    ///
    /// `max_age_ms` is the longest that a job may live from when it is first due.
    pub fn new(
        observer: &str,
        action_index: u32,
        action_type: &str,
        queue: &str,
        priority: Priority,
        retry: &RetryPolicy,
        max_age_ms: i64,
    ) -> Self {
        let mut before_event = b",\"observer\":".to_vec();
        write_text(&mut before_event, observer);
        before_event.extend_from_slice(
            format!(",\"action_index\":{action_index},\"action\":{{\"type\":").as_bytes(),
        );
        write_text(&mut before_event, action_type);
        before_event.extend_from_slice(b"},\"event\":");

        let mut before_times = b",\"queue\":".to_vec();
        write_text(&mut before_times, queue);
        before_times.extend_from_slice(
            format!(",\"priority\":\"{}\",\"created_at\":", priority.as_str()).as_bytes(),
        );

        let after_times = format!(
            ",\"max_attempts\":{},\"backoff_strategy\":\"{}\",\"initial_delay_ms\":{},\"max_delay_ms\":{},\"jitter\":\"{}\",\"traceparent\":",
            retry.max_attempts,
            retry.backoff_strategy.as_str(),
            retry.initial_delay_ms,
            retry.max_delay_ms,
            retry.jitter.as_str(),
        );
        Self {
            id_name: format!("{action_index}:{observer}"),
            priority,
            max_age_ms,
            before_event,
            before_times,
            after_times: after_times.into_bytes(),
            end: format!(",\"schema\":{SCHEMA}}}").into_bytes(),
        }
    }

    /// The id of the job for an event; see [`super::observer_job_id`].
    pub fn job_id(&self, event_id: Uuid) -> Uuid {
        Uuid::new_v5(&event_id, self.id_name.as_bytes())
    }

    /// The job for an event, as the queue stores it. `event` is the event as JSON, and is taken as it is.
    pub fn job(
        &self,
        event_id: Uuid,
        event: &[u8],
        created_at_ms: i64,
        due: Due,
        traceparent: Option<&str>,
    ) -> NewJob {
        let id = self.job_id(event_id);
        NewJob {
            member: Member::new(id, self.priority),
            due,
            bytes: self.bytes(id, event, created_at_ms, due, traceparent),
        }
    }

    fn bytes(
        &self,
        id: Uuid,
        event: &[u8],
        created_at_ms: i64,
        due: Due,
        traceparent: Option<&str>,
    ) -> Bytes {
        let scheduled_at_ms = match due {
            Due::Now => created_at_ms,
            Due::After(ms) => created_at_ms.saturating_add_unsigned(ms),
            Due::At(ms) => ms,
        };
        let expires_at_ms = scheduled_at_ms.saturating_add(self.max_age_ms);
        let mut out = Vec::with_capacity(
            self.before_event.len()
                + self.before_times.len()
                + self.after_times.len()
                + event.len()
                + traceparent.map_or(0, str::len)
                + VARIABLE_BYTES,
        );
        out.extend_from_slice(b"{\"id\":");
        write_uuid(&mut out, id);
        out.extend_from_slice(&self.before_event);
        out.extend_from_slice(event);
        out.extend_from_slice(&self.before_times);
        write_time(&mut out, Instant::from_unix_ms(created_at_ms));
        out.extend_from_slice(b",\"scheduled_at\":");
        write_time(&mut out, Instant::from_unix_ms(scheduled_at_ms));
        out.extend_from_slice(b",\"expires_at\":");
        write_time(&mut out, Instant::from_unix_ms(expires_at_ms));
        out.extend_from_slice(&self.after_times);
        write_text_or_null(&mut out, traceparent);
        out.extend_from_slice(&self.end);
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::{BackoffStrategy, Jitter};
    use crate::job::{Decoded, Job};

    const EVENT: &[u8] = br#"{"id":"00112233-4455-6677-8899-aabbccddeeff","data":{"a":[1, 2]}}"#;

    fn template() -> JobTemplate {
        let retry = RetryPolicy {
            max_attempts: 5,
            backoff_strategy: BackoffStrategy::Linear,
            initial_delay_ms: 100,
            max_delay_ms: 30_000,
            jitter: Jitter::None,
        };
        JobTemplate::new(
            "order \"shipped\"",
            2,
            "webhook",
            "bulk",
            Priority::High,
            &retry,
            60_000,
        )
    }

    fn decoded(job: &NewJob) -> Job {
        match Job::decode(&job.bytes) {
            Decoded::Job(job) => *job,
            other => panic!("not a job: {other:?}"),
        }
    }

    #[test]
    fn a_job_of_a_template_is_written_as_any_other() {
        let event_id = Uuid::from_u128(7);
        let made = template().job(
            event_id,
            EVENT,
            1_700_000_000_123,
            Due::After(5_000),
            Some("00-ab-cd-01"),
        );
        let job = decoded(&made);
        assert_eq!(job.to_json(), made.bytes);
        assert_eq!((job.id, job.priority), (made.member.id(), Priority::High));
        assert_eq!(
            job.id,
            crate::job::observer_job_id(event_id, 2, "order \"shipped\"")
        );
        assert_eq!(job.event, EVENT);
        assert_eq!(&job.action[..], br#"{"type":"webhook"}"#);
        assert_eq!(job.scheduled_at, Instant::from_unix_ms(1_700_000_005_123));
        assert_eq!(job.expires_at, Instant::from_unix_ms(1_700_000_065_123));
        assert!(job.is_by_reference());
    }

    #[test]
    fn a_job_due_at_once_is_scheduled_when_it_is_made() {
        let job = decoded(&template().job(Uuid::nil(), EVENT, 1_700_000_000_000, Due::Now, None));
        assert_eq!((job.created_at, job.traceparent), (job.scheduled_at, None));
        let job = decoded(&template().job(Uuid::nil(), EVENT, 0, Due::At(i64::MAX), None));
        assert_eq!(job.scheduled_at, Instant::from_unix_ms(i64::MAX));
    }

    #[test]
    fn a_usual_job_needs_one_buffer() {
        let made = template().job(Uuid::nil(), EVENT, 1_700_000_000_123, Due::Now, None);
        let template = template();
        let fixed =
            template.before_event.len() + template.before_times.len() + template.after_times.len();
        assert!(made.bytes.len() - fixed - EVENT.len() <= VARIABLE_BYTES);
    }
}
