//! The audit: proof that each job is in exactly one place, and repair where it is not.
//!
//! One call counts jobs and places at one moment; as long as they are equal, nothing more is done. Where they are not, the
//! lists are walked page by page and their ids kept here, then the jobs, and what seems to be nowhere or in several places
//! is judged again by the script that mends it. No call grows with the backlog.

use std::collections::HashSet;

use uuid::Uuid;

use super::redis::{RedisQueue, Step};
use super::scripts::Script;
use super::{Incarnation, Lane, Member, Priority, QueueError, reply};
use crate::job::{Decoded, Job};

/// Most worker processes that are looked for without a lease, and leases that one audit shortens.
const MOST_NAMES: usize = 1_000;
/// Entries of a list that one call reads.
const LIST_PAGE: usize = 500;
/// Jobs that one call looks at; their bytes are read with them.
const JOB_PAGE: usize = 50;
/// Most entries whose ids are kept here, 16 bytes each: with more of them pending, the walk waits until they are fewer.
const MOST_LISTED: usize = 200_000;
/// Most entries of a list that mending looks through for each job: a millisecond or so.
const MOST_LOOKED_THROUGH: usize = 20_000;
/// Jobs that one call mends, and all calls of one audit.
const MEND_PAGE: usize = 5;
const MOST_MENDED: usize = 1_000;

/// What an audit came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Whether it was time to look.
    pub looked: bool,
    /// Jobs without a place, less places without a job: 0 where all is well.
    pub amiss: i64,
    /// Jobs that were nowhere and are pending now.
    pub homeless: u64,
    /// Jobs that were in several places and are in one now.
    pub doubled: u64,
}

impl RedisQueue {
    /// Counts jobs and places, unless somebody has done so within the interval, and mends what is amiss.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; what was mended is mended.
    pub async fn audit(&self, lane: &Lane, interval_ms: u64) -> Result<Audited, QueueError> {
        let step = self.ready(lane).await?;
        let Some((jobs, places, listed)) = self.count_places(&step, interval_ms).await? else {
            return Ok(Audited::default());
        };
        let mut audited = Audited {
            looked: true,
            amiss: jobs - places,
            ..Audited::default()
        };
        if audited.amiss == 0 || usize::try_from(listed).is_ok_and(|listed| listed > MOST_LISTED) {
            return Ok(audited);
        }
        let on_lists = self.ids_on_lists(&step).await?;
        let suspicious = self.suspicious(&step, &on_lists).await?;
        let mut members = Vec::with_capacity(suspicious.len());
        for page in suspicious.chunks(JOB_PAGE) {
            let some: Vec<Member> = page
                .iter()
                .map(|id| Member::new(*id, Priority::Default))
                .collect();
            for (id, bytes) in page.iter().zip(self.bytes_of(lane, &some).await?) {
                let priority = match bytes.map(|bytes| Job::decode_stored(&bytes, *id)) {
                    Some(Decoded::Job(job)) => job.priority,
                    // Whoever leases it sees what it is.
                    _ => Priority::Default,
                };
                members.push(Member::new(*id, priority));
            }
        }
        for page in members.chunks(MEND_PAGE) {
            let (homeless, doubled) = self.mend(&step, page).await?;
            audited.homeless += homeless;
            audited.doubled += doubled;
        }
        Ok(audited)
    }

    /// How many jobs have bytes, how many places are taken, and how many entries the lists have.
    async fn count_places(
        &self,
        step: &Step,
        interval_ms: u64,
    ) -> Result<Option<(i64, i64, i64)>, QueueError> {
        let k = &step.keys;
        loop {
            let (names, running) = self.running_hashes(step).await?;
            let mut keys: Vec<&str> = vec![&k.jobs, &k.scheduled, &k.parked, &k.dead];
            keys.extend(k.pending.iter().map(String::as_str));
            keys.extend(
                [&k.suspects, &k.meta, &k.leases, &k.workers, &k.calls].map(String::as_str),
            );
            keys.extend(running.iter().map(String::as_str));
            let mut command = self.command(Script::Audit, step, &keys);
            command
                .arg(interval_ms)
                .arg(MOST_NAMES)
                .arg(self.options().lease_duration_ms);
            for name in &names {
                command.arg(name.as_str());
            }
            let mut items = reply::array(self.run(Script::Audit, step, &command).await?)?;
            let mut number = || reply::int(&reply::next(&mut items)?);
            match number()? {
                -1 => return Ok(None),
                -2 => {}
                jobs => return Ok(Some((jobs, number()?, number()?))),
            }
        }
    }

    /// The ids on all lists. From the left, where new ones come in, so that none that stays is missed.
    async fn ids_on_lists(&self, step: &Step) -> Result<HashSet<Uuid>, QueueError> {
        let mut ids = HashSet::new();
        for key in step.keys.pending.iter().chain([&step.keys.suspects]) {
            let mut first = 0;
            loop {
                let mut command = redis::cmd("LRANGE");
                command.arg(key).arg(first).arg(first + LIST_PAGE - 1);
                let page = reply::array(self.read(step, &command).await?)?;
                let full = page.len() == LIST_PAGE;
                ids.extend(page.filter_map(|entry| Some(reply::member(entry).ok()?.id())));
                first += LIST_PAGE;
                if !full || ids.len() > MOST_LISTED {
                    break;
                }
            }
        }
        Ok(ids)
    }

    /// The jobs that are in several places, or in none and on no list, as far as a walk can tell.
    async fn suspicious(
        &self,
        step: &Step,
        on_lists: &HashSet<Uuid>,
    ) -> Result<Vec<Uuid>, QueueError> {
        let k = &step.keys;
        let mut found = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let (names, running) = self.running_hashes(step).await?;
            let mut keys: Vec<&str> = vec![&k.jobs, &k.scheduled, &k.parked, &k.dead, &k.leases];
            keys.extend(running.iter().map(String::as_str));
            let mut command = self.command(Script::Unplaced, step, &keys);
            command.arg(&cursor).arg(JOB_PAGE);
            for name in &names {
                command.arg(name.as_str());
            }
            let mut items = reply::array(self.run(Script::Unplaced, step, &command).await?)?;
            let next = reply::text(reply::next(&mut items)?)?;
            if next == "again" {
                continue;
            }
            let mut ids = || -> Result<Vec<Uuid>, QueueError> {
                Ok(reply::array(reply::next(&mut items)?)?
                    .filter_map(|id| Uuid::from_slice(&reply::bytes(id).ok()?).ok())
                    .collect())
            };
            let none = ids()?;
            found.extend(none.into_iter().filter(|id| !on_lists.contains(id)));
            found.extend(ids()?);
            cursor = next;
            if cursor == "0" || found.len() >= MOST_MENDED {
                found.truncate(MOST_MENDED);
                return Ok(found);
            }
        }
    }

    async fn mend(&self, step: &Step, members: &[Member]) -> Result<(u64, u64), QueueError> {
        let k = &step.keys;
        loop {
            let (names, running) = self.running_hashes(step).await?;
            let mut keys: Vec<&str> = vec![&k.jobs, &k.scheduled, &k.parked, &k.dead];
            keys.extend(k.pending.iter().map(String::as_str));
            keys.extend([&k.suspects, &k.meta, &k.wake, &k.leases].map(String::as_str));
            keys.extend(running.iter().map(String::as_str));
            let mut command = self.command(Script::Mend, step, &keys);
            command.arg(members.len()).arg(MOST_LOOKED_THROUGH);
            for member in members {
                command.arg(member.as_bytes());
            }
            for name in &names {
                command.arg(name.as_str());
            }
            let mut items = reply::array(self.run(Script::Mend, step, &command).await?)?;
            let homeless = reply::int(&reply::next(&mut items)?)?;
            if homeless >= 0 {
                let doubled = reply::count(&reply::next(&mut items)?)?;
                return Ok((homeless.unsigned_abs(), doubled));
            }
        }
    }

    /// All incarnations that have a lease, and their running hashes.
    async fn running_hashes(
        &self,
        step: &Step,
    ) -> Result<(Vec<Incarnation>, Vec<String>), QueueError> {
        let names = self.incarnations(step).await?;
        let hashes = names.iter().map(|name| step.keys.running(name)).collect();
        Ok((names, hashes))
    }
}
