//! The way in: events are matched, their jobs made, and the jobs stored, in one go and off the interpreter.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use uuid::Uuid;

use crate::clock::{Clock, SystemClock};
use crate::event::{Event, EventError};
use crate::job::JobTemplate;
use crate::matcher::Matcher;
use crate::metrics::COUNTERS;
use crate::queue::intake::{Intake, Kept};
use crate::queue::{Due, Durability, Lane, NewJob, QueueError};

/// Most texts of errors that a summary holds.
const MOST_ERRORS: usize = 100;

/// What the jobs of one rule have in common.
#[derive(Clone, Debug)]
pub struct RuleJobs {
    /// One template per action, in the order of the actions.
    pub templates: Vec<JobTemplate>,
    /// The queue that they go to.
    pub queue: String,
    /// How long after the event is accepted they are due.
    pub delay: Duration,
}

/// What became of one event.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Rules that matched.
    pub matched: usize,
    /// Jobs stored.
    pub jobs_queued: usize,
    /// Jobs that the queue knew already.
    pub duplicates: usize,
    /// Jobs on this machine's disk, since the queue was away.
    pub jobs_spooled: usize,
    /// Rules left out because their condition could not be evaluated.
    pub conditions_skipped: usize,
    /// Jobs that were not stored.
    pub queueing_errors: usize,
    /// The ids of the jobs stored or known, in the order of rules and actions.
    pub job_ids: Vec<Uuid>,
    /// Texts of what went wrong, each once.
    pub errors: Vec<String>,
    /// The first reason for which a job was not stored.
    pub failure: Option<QueueError>,
    /// Why the event was refused, where it was.
    pub refused: Option<EventError>,
}

impl Summary {
    fn note(&mut self, text: String) {
        if self.errors.len() < MOST_ERRORS && !self.errors.contains(&text) {
            self.errors.push(text);
        }
    }
}

impl Summary {
    /// Notes why one of its jobs was not stored. That some may be stored outweighs every other reason.
    fn fail(&mut self, error: &QueueError, id: Uuid) {
        self.queueing_errors += 1;
        self.note(error.to_string());
        match (error, &mut self.failure) {
            (QueueError::MaybeStored(..), Some(QueueError::MaybeStored(_, ids))) => {
                *ids = ids.iter().copied().chain([id]).collect();
            }
            (QueueError::MaybeStored(text, _), failure) => {
                *failure = Some(QueueError::MaybeStored(text.clone(), [id].into()));
            }
            (_, failure) => {
                failure.get_or_insert_with(|| error.clone());
            }
        }
    }
}

/// Rules, and the queue that their jobs go to.
pub struct Pipeline {
    matcher: Arc<Matcher>,
    rules: RwLock<HashMap<Arc<str>, Arc<RuleJobs>>>,
    shards: u16,
    max_payload_bytes: usize,
}

/// The jobs of several events that go to one lane, with the event that each belongs to.
type Lanes = HashMap<Lane, (Vec<NewJob>, Vec<usize>)>;

impl Pipeline {
    /// A pipeline without rules; an event whose JSON is longer than `max_payload_bytes` makes no jobs.
    pub fn new(matcher: Arc<Matcher>, shards: u16, max_payload_bytes: usize) -> Self {
        Self {
            matcher,
            rules: RwLock::default(),
            shards,
            max_payload_bytes,
        }
    }

    /// Says what jobs a rule makes.
    pub fn set_rule(&self, name: &str, jobs: RuleJobs) {
        self.rules
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.into(), Arc::new(jobs));
    }

    /// Forgets a rule; false where there is none of that name.
    pub fn remove_rule(&self, name: &str) -> bool {
        self.rules
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name)
            .is_some()
    }

    /// Matches events and stores their jobs; one summary per event, in their order.
    ///
    /// The outcome of storing is in the summaries: an event whose jobs were not all stored as durably as `level` asks for
    /// has a `failure`.
    pub async fn process(
        &self,
        events: &[Arc<Event>],
        intake: &Intake,
        level: Option<Durability>,
        limit: Duration,
    ) -> Vec<Summary> {
        let (mut summaries, lanes) = self.plan(events);
        for (lane, (jobs, owners)) in lanes {
            let ids: Vec<Uuid> = jobs.iter().map(|job| job.member.id()).collect();
            match intake.enqueue(lane, jobs, level, limit).await {
                Ok(stored) => {
                    for ((owner, id), kept) in owners.into_iter().zip(ids).zip(stored) {
                        let summary = &mut summaries[owner];
                        summary.job_ids.push(id);
                        match kept {
                            Kept::New => summary.jobs_queued += 1,
                            Kept::Known => summary.duplicates += 1,
                            Kept::Spooled => summary.jobs_spooled += 1,
                        }
                    }
                }
                Err(error) => {
                    for (owner, id) in owners.into_iter().zip(ids) {
                        summaries[owner].fail(&error, id);
                    }
                }
            }
        }
        summaries
    }

    fn plan(&self, events: &[Arc<Event>]) -> (Vec<Summary>, Lanes) {
        let now_ms = SystemClock.now_ms();
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let mut lanes = Lanes::new();
        let mut summaries = Vec::with_capacity(events.len());
        for (place, event) in events.iter().enumerate() {
            let found = self.matcher.find(event);
            let mut summary = Summary::default();
            for error in found.errors {
                summary.conditions_skipped += error.names.len();
                summary.note(error.text);
            }
            let matched: Vec<&Arc<RuleJobs>> = found
                .matched
                .iter()
                .filter_map(|rule| rules.get(&rule.name))
                .collect();
            summary.matched = matched.len();
            COUNTERS.event(!matched.is_empty(), summary.conditions_skipped);
            if !matched.is_empty() {
                let bytes = event.to_json();
                if bytes.len() > self.max_payload_bytes {
                    let error = EventError::too_large(self.max_payload_bytes);
                    summary.queueing_errors += matched
                        .iter()
                        .map(|jobs| jobs.templates.len())
                        .sum::<usize>();
                    summary.note(error.to_string());
                    summary.refused = Some(error);
                } else {
                    self.add_jobs(&mut lanes, &matched, place, event, &bytes, now_ms);
                }
            }
            summaries.push(summary);
        }
        (summaries, lanes)
    }

    fn add_jobs(
        &self,
        lanes: &mut Lanes,
        matched: &[&Arc<RuleJobs>],
        place: usize,
        event: &Event,
        bytes: &[u8],
        now_ms: i64,
    ) {
        for jobs in matched {
            let due = if jobs.delay.is_zero() {
                Due::Now
            } else {
                Due::After(u64::try_from(jobs.delay.as_millis()).unwrap_or(u64::MAX))
            };
            for template in &jobs.templates {
                let job = template.job(event.id, bytes, now_ms, due, None);
                let lane = Lane::of(&jobs.queue, job.member.id(), self.shards);
                let (jobs, owners) = lanes.entry(lane).or_default();
                jobs.push(job);
                owners.push(place);
            }
        }
    }
}
