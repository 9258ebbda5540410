//! The walk of an audit: over all places and jobs, page by page, by one caller at a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::redis::{RedisQueue, Step};
use super::scripts::Script;
use super::{QueueError, reply};

/// Most entries of lists that are walked over, since their ids are kept here: with more, only the other places are.
pub(super) const MOST_LISTED: u64 = 200_000;
/// How long a walk may go on before it tells that it does; after that another may begin.
pub(super) const WALK_MS: i64 = 60_000;
/// How often it tells.
const TELL: Duration = Duration::from_secs(15);
/// How long no walk is made over a difference that the last one has found nothing to mend for.
pub(super) const REST_MS: i64 = 3_600_000;
/// The same where there was too much to look at all of it.
pub(super) const REST_SOON_MS: i64 = 60_000;
/// Entries of a list, or members, that one call reads.
const LIST_PAGE: usize = 500;
/// Jobs that one call looks at; their bytes are read with them.
const JOB_PAGE: usize = 50;
/// Members of a sorted set or hash that one call looks at.
const MEMBER_PAGE: usize = 200;
/// Most jobs that one walk mends.
const MOST_MENDED: usize = 1_000;

/// A walk that is ours until somebody else may begin one.
pub(super) struct Walk {
    until_ms: i64,
    told_at: Instant,
}

impl Walk {
    /// A walk that may last until then; none where that is 0.
    pub(super) fn until(until_ms: i64) -> Option<Self> {
        let told_at = Instant::now();
        (until_ms > 0).then_some(Self { until_ms, told_at })
    }
}

/// How many entries of lists there are for an id.
pub(super) type Listed = HashMap<Uuid, u64>;

/// How many entries of each cancelled job a worker is to drop, as far as that is told.
#[derive(Default)]
pub(super) struct Marks {
    counts: Vec<(Bytes, Option<u64>)>,
    of_ids: HashMap<Uuid, u64>,
}

impl Marks {
    /// Those that name no number, nothing that can be on a list, or more entries than there are.
    pub(super) fn wrong<'a>(&'a self, listed: &'a Listed) -> impl Iterator<Item = &'a [u8]> {
        let wrong = self.counts.iter().filter(|(mark, count)| {
            let there = id_of(mark).and_then(|id| listed.get(&id)).copied();
            count.is_none_or(|count| count == 0 || count > there.unwrap_or(0))
        });
        wrong.map(|(mark, _)| mark.as_ref())
    }
}

fn id_of(member: &[u8]) -> Option<Uuid> {
    (member.len() == 17).then(|| Uuid::from_slice(&member[..16]).ok())?
}

impl RedisQueue {
    /// Whether a walk is still ours; now and then it is told that it goes on.
    pub(super) async fn goes_on(&self, step: &Step, walk: &mut Walk) -> Result<bool, QueueError> {
        if walk.until_ms > 0 && walk.told_at.elapsed() >= TELL {
            walk.told_at = Instant::now();
            walk.until_ms = self.tell(step, walk, WALK_MS, None, 0).await?;
        }
        Ok(walk.until_ms > 0)
    }

    /// Tells that a walk is over, and for which difference nothing was left to mend.
    pub(super) async fn end_walk(
        &self,
        step: &Step,
        walk: &Walk,
        left: Option<i64>,
        rest_ms: i64,
    ) -> Result<(), QueueError> {
        if walk.until_ms > 0 {
            self.tell(step, walk, 0, left, rest_ms).await?;
        }
        Ok(())
    }

    async fn tell(
        &self,
        step: &Step,
        walk: &Walk,
        walk_ms: i64,
        left: Option<i64>,
        rest_ms: i64,
    ) -> Result<i64, QueueError> {
        let mut command = self.command(Script::Walk, step, &[&step.keys.meta]);
        command
            .arg(walk.until_ms)
            .arg(walk_ms)
            .arg(left.map_or_else(String::new, |left| left.to_string()))
            .arg(rest_ms);
        reply::int(&self.run(Script::Walk, step, &command).await?)
    }

    /// Takes out of sorted sets and running hashes what belongs to no job; says how much that was.
    pub(super) async fn take_strays_out(
        &self,
        step: &Step,
        walk: &mut Walk,
    ) -> Result<u64, QueueError> {
        let k = &step.keys;
        let (_, running) = self.running_hashes(step).await?;
        let ranked = [&k.scheduled, &k.parked, &k.dead].map(|key| (key, "ranked"));
        let held = running.iter().map(|key| (key, "held"));
        let mut taken_out = 0;
        for (key, kind) in ranked.into_iter().chain(held) {
            let mut cursor = "0".to_owned();
            while self.goes_on(step, walk).await? {
                let keys = [&k.jobs, &k.failures, &k.history, &k.crashes, &k.meta, key]
                    .map(String::as_str);
                let mut command = self.command(Script::Strays, step, &keys);
                command.arg(&cursor).arg(MEMBER_PAGE).arg(kind);
                let mut items = reply::array(self.run(Script::Strays, step, &command).await?)?;
                cursor = reply::text(reply::next(&mut items)?)?;
                taken_out += reply::count(&reply::next(&mut items)?)?;
                if cursor == "0" {
                    break;
                }
            }
        }
        Ok(taken_out)
    }

    /// The marks of cancelled jobs, at most about as many as entries of lists are walked over.
    pub(super) async fn marks(&self, step: &Step, walk: &mut Walk) -> Result<Marks, QueueError> {
        let mut marks = Marks::default();
        let mut cursor = "0".to_owned();
        while self.goes_on(step, walk).await? {
            let mut command = redis::cmd("HSCAN");
            command.arg(&step.keys.ghosts).arg(&cursor);
            command.arg("COUNT").arg(LIST_PAGE);
            let mut items = reply::array(self.read(step, &command).await?)?;
            cursor = reply::text(reply::next(&mut items)?)?;
            for (mark, count) in reply::pairs(reply::next(&mut items)?)? {
                let (mark, count) = (reply::bytes(mark)?, reply::bytes(count)?);
                let count = std::str::from_utf8(&count)
                    .ok()
                    .and_then(|c| c.parse().ok());
                if let Some(id) = id_of(&mark) {
                    *marks.of_ids.entry(id).or_default() += count.unwrap_or(1);
                }
                marks.counts.push((mark, count));
            }
            if cursor == "0" || marks.counts.len() as u64 > MOST_LISTED {
                break;
            }
        }
        Ok(marks)
    }

    /// How often ids are on lists. From the left, where new ones come in, so that none that stays is missed.
    pub(super) async fn listed(&self, step: &Step, walk: &mut Walk) -> Result<Listed, QueueError> {
        let mut listed = Listed::new();
        for key in step.keys.pending.iter().chain([&step.keys.suspects]) {
            let mut first = 0;
            while self.goes_on(step, walk).await? {
                let mut command = redis::cmd("LRANGE");
                command.arg(key).arg(first).arg(first + LIST_PAGE - 1);
                let page = reply::array(self.read(step, &command).await?)?;
                let full = page.len() == LIST_PAGE;
                for member in page.filter_map(|entry| reply::member(entry).ok()) {
                    *listed.entry(member.id()).or_default() += 1;
                }
                first += LIST_PAGE;
                if !full || listed.len() as u64 > MOST_LISTED {
                    break;
                }
            }
        }
        Ok(listed)
    }

    /// The jobs that are in several places or in none, as far as a walk can tell, and how many of them were left out.
    pub(super) async fn suspicious(
        &self,
        step: &Step,
        walk: &mut Walk,
        listed: &Listed,
        marks: &Marks,
    ) -> Result<(Vec<Uuid>, u64), QueueError> {
        let k = &step.keys;
        let (mut sure, mut maybe) = (Vec::new(), Vec::new());
        let mut cursor = "0".to_owned();
        while self.goes_on(step, walk).await? {
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
            // Entries of cancelled jobs go before the job's own.
            let entries = |id: &Uuid| {
                let marked = marks.of_ids.get(id).copied().unwrap_or(0);
                listed.get(id).copied().unwrap_or(0).saturating_sub(marked)
            };
            for id in ids()? {
                match entries(&id) {
                    0 => sure.push(id),
                    1 => {}
                    // Or it was seen twice, since its list has grown meanwhile.
                    _ => maybe.push(id),
                }
            }
            // Or it was on its list when that was walked over.
            maybe.extend(ids()?.into_iter().filter(|id| entries(id) > 0));
            sure.extend(ids()?);
            cursor = next;
            if cursor == "0" || sure.len() >= MOST_MENDED {
                break;
            }
        }
        let left_out = u64::from(cursor != "0");
        sure.extend(maybe);
        let too_many = sure.len().saturating_sub(MOST_MENDED) as u64;
        sure.truncate(MOST_MENDED);
        Ok((sure, left_out + too_many))
    }
}
