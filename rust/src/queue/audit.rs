//! The audit: proof that each job is in exactly one place, and repair where it is not.
//!
//! One call counts jobs and places at one moment; as long as they are equal, nothing more is done. Where they are not,
//! one caller at a time walks over the places and the jobs page by page, and what seems to be nowhere, in several places
//! or without a job is judged again by the script that mends it. No call grows with the backlog. What a walk finds
//! nothing to mend for is remembered, so that the next walk waits until the numbers differ otherwise, or for an hour.

use super::redis::{RedisQueue, Step};
use super::scripts::Script;
use super::walk::{MOST_LISTED, REST_MS, REST_SOON_MS, WALK_MS, Walk};
use super::{Incarnation, Lane, Member, Priority, QueueError, reply};
use crate::job::{Decoded, Job};

/// Most worker processes that are looked for without a lease, and leases that one audit shortens.
const MOST_NAMES: usize = 1_000;
/// Jobs whose bytes one call reads.
const BYTES_PAGE: usize = 50;
/// Most entries of a list that mending looks through for each job: a millisecond or so.
const MOST_LOOKED_THROUGH: usize = 20_000;
/// Jobs, or marks of cancelled ones, that one call mends.
const MEND_PAGE: usize = 5;

/// What an audit came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Whether it was time to look.
    pub looked: bool,
    /// Whether places and jobs were walked over.
    pub walked: bool,
    /// Jobs without a place, less places without a job: 0 where all is well.
    pub amiss: i64,
    /// Jobs that were nowhere and are pending now.
    pub homeless: u64,
    /// Jobs that were in several places and are in one now.
    pub doubled: u64,
    /// Places that belonged to no job and are taken out.
    pub orphans: u64,
    /// Marks of cancelled jobs, or their count, that were wrong.
    pub ghosts: u64,
    /// What could not be looked at, since there is too much of it: it is looked at again soon.
    pub postponed: u64,
}

impl Audited {
    /// How much was mended.
    pub const fn mended(&self) -> u64 {
        self.homeless + self.doubled + self.orphans + self.ghosts
    }
}

/// What a count says.
struct Counted {
    amiss: i64,
    listed: u64,
    walk: Option<Walk>,
}

impl RedisQueue {
    /// Counts jobs and places, unless somebody has done so within the interval, and mends what is amiss.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; what was mended is mended.
    pub async fn audit(&self, lane: &Lane, interval_ms: u64) -> Result<Audited, QueueError> {
        let step = self.ready(lane).await?;
        let Some(counted) = self.count_places(&step, interval_ms).await? else {
            return Ok(Audited::default());
        };
        let mut audited = Audited {
            looked: true,
            walked: counted.walk.is_some(),
            amiss: counted.amiss,
            ..Audited::default()
        };
        let Some(mut walk) = counted.walk else {
            return Ok(audited);
        };
        audited.orphans = self.take_strays_out(&step, &mut walk).await?;
        if counted.listed > MOST_LISTED {
            audited.postponed += 1;
        } else {
            self.mend_jobs(lane, &step, &mut walk, &mut audited).await?;
        }
        let left = (audited.mended() == 0).then_some(audited.amiss);
        let rest_ms = if audited.postponed > 0 {
            REST_SOON_MS
        } else {
            REST_MS
        };
        self.end_walk(&step, &walk, left, rest_ms).await?;
        Ok(audited)
    }

    /// Walks over lists and jobs, and mends what is amiss there.
    async fn mend_jobs(
        &self,
        lane: &Lane,
        step: &Step,
        walk: &mut Walk,
        audited: &mut Audited,
    ) -> Result<(), QueueError> {
        let marks = self.marks(step, walk).await?;
        let listed = self.listed(step, walk).await?;
        let wrong: Vec<&[u8]> = marks.wrong(&listed).collect();
        // The count of all marks is looked at though no single one seems wrong.
        for page in wrong
            .chunks(MEND_PAGE)
            .chain(wrong.is_empty().then_some(&[][..]))
        {
            if !self.goes_on(step, walk).await? {
                return Ok(());
            }
            let (mended, postponed) = self.mend_marks(step, page).await?;
            audited.ghosts += mended;
            audited.postponed += postponed;
        }
        let (suspicious, left_out) = self.suspicious(step, walk, &listed, &marks).await?;
        audited.postponed += left_out;
        for page in suspicious.chunks(BYTES_PAGE) {
            let some: Vec<Member> = page
                .iter()
                .map(|id| Member::new(*id, Priority::Default))
                .collect();
            let mut members = Vec::with_capacity(page.len());
            for (id, bytes) in page.iter().zip(self.bytes_of(lane, &some).await?) {
                let priority = match bytes.map(|bytes| Job::decode_stored(&bytes, *id)) {
                    Some(Decoded::Job(job)) => job.priority,
                    // Whoever leases it sees what it is.
                    _ => Priority::Default,
                };
                members.push(Member::new(*id, priority));
            }
            for page in members.chunks(MEND_PAGE) {
                if !self.goes_on(step, walk).await? {
                    return Ok(());
                }
                self.mend(step, page, audited).await?;
            }
        }
        Ok(())
    }

    /// How many more jobs have bytes than places are taken, how many entries the lists have, and whether to walk.
    async fn count_places(
        &self,
        step: &Step,
        interval_ms: u64,
    ) -> Result<Option<Counted>, QueueError> {
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
                .arg(self.options().lease_duration_ms)
                .arg(WALK_MS)
                .arg(REST_MS);
            for name in &names {
                command.arg(name.as_str());
            }
            let mut items = reply::array(self.run(Script::Audit, step, &command).await?)?;
            let mut number = || reply::int(&reply::next(&mut items)?);
            match number()? {
                -1 => return Ok(None),
                -2 => {}
                jobs => {
                    let amiss = jobs - number()?;
                    let listed = number()?.unsigned_abs();
                    let walk = Walk::until(number()?);
                    return Ok(Some(Counted {
                        amiss,
                        listed,
                        walk,
                    }));
                }
            }
        }
    }

    /// Has marks of cancelled jobs judged anew: how many were wrong, and what could not be looked at.
    async fn mend_marks(&self, step: &Step, marks: &[&[u8]]) -> Result<(u64, u64), QueueError> {
        let k = &step.keys;
        let mut keys: Vec<&str> = k.pending.iter().map(String::as_str).collect();
        keys.extend([&k.suspects, &k.ghosts, &k.meta].map(String::as_str));
        let mut command = self.command(Script::Ghosts, step, &keys);
        command.arg(MOST_LOOKED_THROUGH);
        for mark in marks {
            command.arg(*mark);
        }
        let mut items = reply::array(self.run(Script::Ghosts, step, &command).await?)?;
        let mut number = || reply::count(&reply::next(&mut items)?);
        Ok((number()? + number()?, number()?))
    }

    async fn mend(
        &self,
        step: &Step,
        members: &[Member],
        audited: &mut Audited,
    ) -> Result<(), QueueError> {
        let k = &step.keys;
        loop {
            let (names, running) = self.running_hashes(step).await?;
            let mut keys: Vec<&str> = vec![&k.jobs, &k.scheduled, &k.parked, &k.dead];
            keys.extend(k.pending.iter().map(String::as_str));
            keys.extend([&k.suspects, &k.meta, &k.wake, &k.leases, &k.ghosts].map(String::as_str));
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
                audited.homeless += homeless.unsigned_abs();
                audited.doubled += reply::count(&reply::next(&mut items)?)?;
                audited.postponed += reply::count(&reply::next(&mut items)?)?;
                return Ok(());
            }
        }
    }

    /// All incarnations that have a lease, and their running hashes.
    pub(super) async fn running_hashes(
        &self,
        step: &Step,
    ) -> Result<(Vec<Incarnation>, Vec<String>), QueueError> {
        let names = self.incarnations(step).await?;
        let hashes = names.iter().map(|name| step.keys.running(name)).collect();
        Ok((names, hashes))
    }
}
