//! The queue on a server, as operators see it: find, list, counts, records.

use bytes::Bytes;

use super::redis::RedisQueue;
use super::scripts::Script;
use super::{Ending, Found, Incarnation, Lane, Member, Place, Priority, QueueError, Stats, reply};

impl RedisQueue {
    /// Where a job is, and what is known of it.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn find(&self, lane: &Lane, id: uuid::Uuid) -> Result<Found, QueueError> {
        loop {
            let step = self.ready(lane).await?;
            let k = &step.keys;
            let incarnations = self.incarnations(&step).await?;
            let running: Vec<String> = incarnations.iter().map(|name| k.running(name)).collect();
            let mut keys: Vec<&str> = vec![
                &k.jobs,
                &k.scheduled,
                &k.parked,
                &k.dead,
                &k.failures,
                &k.history,
                &k.crashes,
                &k.done[0],
                &k.done[1],
                &k.ended[0],
                &k.ended[1],
                &k.leases,
            ];
            keys.extend(running.iter().map(String::as_str));
            let mut command = self.command(Script::Find, &step, &keys);
            command.arg(id.as_bytes().as_slice());
            for name in &incarnations {
                command.arg(name.as_str());
            }
            let mut items = reply::array(self.run(Script::Find, &step, &command).await?)?;
            let word = reply::text(reply::next(&mut items)?)?;
            if word == "again" {
                continue;
            }
            let time = reply::int(&reply::next(&mut items)?)?;
            let mut part = || items.next().map_or(Ok(None), reply::maybe_bytes);
            let (bytes, history, failure) = (part()?, part()?, part()?);
            let crashes = part()?.and_then(|text| leading_number(&text)).unwrap_or(0);
            let holder = part()?
                .and_then(|name| String::from_utf8(name.into()).ok())
                .unwrap_or_default();
            let letter = part()?.and_then(|letter| letter.first().copied());
            let member = letter
                .and_then(Priority::from_letter)
                .map(|priority| Member::new(id, priority));
            let place = match word.as_str() {
                "pending" => Place::Pending,
                "scheduled" => Place::Scheduled(time),
                "parked" => Place::Parked(time),
                "running" => Place::Running(Incarnation::named(holder)),
                "dead" => Place::Dead(time),
                "completed" => Place::Completed,
                other => match other
                    .bytes()
                    .next()
                    .filter(|_| other.len() == 1)
                    .and_then(Ending::from_letter)
                {
                    Some(ending) => Place::Ended(ending),
                    None => Place::Missing,
                },
            };
            return Ok(Found {
                place,
                member,
                bytes,
                history,
                failure,
                crashes,
            });
        }
    }

    /// How many jobs are where.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn stats(&self, lane: &Lane) -> Result<Stats, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let command = self.command(
            Script::Stats,
            &step,
            &[
                &k.pending[0],
                &k.pending[1],
                &k.pending[2],
                &k.pending[3],
                &k.suspects,
                &k.scheduled,
                &k.parked,
                &k.dead,
                &k.jobs,
                &k.meta,
                &k.workers,
                &k.leases,
            ],
        );
        let mut items = reply::array(self.run(Script::Stats, &step, &command).await?)?;
        let now_ms = reply::int(&reply::next(&mut items)?)?;
        let mut number = || reply::count(&reply::next(&mut items)?);
        let listed = number()? + number()? + number()? + number()?;
        let (suspects, scheduled, parked, dead, jobs) =
            (number()?, number()?, number()?, number()?, number()?);
        let mut counters = Vec::new();
        for (name, value) in reply::pairs(reply::next(&mut items)?)? {
            let name = reply::shown(name)?;
            if COUNTERS.contains(&name.as_str()) {
                // What is no number begins anew when it is next added to.
                counters.push((name, reply::int(&value).unwrap_or(0)));
            }
        }
        let ghosts = counters
            .iter()
            .find(|(name, _)| name == "ghosts")
            .map_or(0, |(_, count)| u64::try_from(*count).unwrap_or(0));
        counters.retain(|(name, _)| name != "ghosts");
        counters.sort();
        let mut who = std::collections::HashMap::new();
        for (name, info) in reply::pairs(reply::next(&mut items)?)? {
            who.insert(reply::shown(name)?, reply::shown(info)?);
        }
        let mut workers = Vec::new();
        for (name, expiry) in reply::pairs(reply::next(&mut items)?)? {
            let name = reply::shown(name)?;
            let info = who.remove(&name).unwrap_or_default();
            workers.push((Incarnation::named(name), info, reply::int(&expiry)?));
        }
        let pending = (listed + suspects).saturating_sub(ghosts);
        let running = jobs.saturating_sub(pending + scheduled + parked + dead);
        Ok(Stats {
            now_ms,
            pending,
            suspects,
            scheduled,
            parked,
            running,
            dead,
            counters,
            workers,
        })
    }

    /// The bytes of jobs, in the order of the ids; nothing where there are none.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn bytes_of(
        &self,
        lane: &Lane,
        members: &[Member],
    ) -> Result<Vec<Option<Bytes>>, QueueError> {
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let step = self.ready(lane).await?;
        let mut command = redis::cmd("HMGET");
        command.arg(&step.keys.jobs);
        for member in members {
            command.arg(member.id().as_bytes().as_slice());
        }
        reply::array(self.read(&step, &command).await?)?
            .map(reply::maybe_bytes)
            .collect()
    }

    /// The newest records of finished jobs, the newest first, at most about `limit` of them.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn recent(&self, lane: &Lane, limit: usize) -> Result<Vec<Bytes>, QueueError> {
        let step = self.ready(lane).await?;
        let mut command = redis::cmd("XREVRANGE");
        command
            .arg(&step.keys.recent)
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(limit);
        let mut records = Vec::new();
        for entry in reply::array(self.read(&step, &command).await?)? {
            let fields = reply::pairs(reply::array(entry)?.nth(1).unwrap_or_default())?;
            for (name, value) in fields {
                if reply::bytes(name)?.as_ref() == b"r" {
                    let all = reply::bytes(value)?;
                    records.extend(
                        all.split(|byte| *byte == b'\n')
                            .rev()
                            .map(|record| all.slice_ref(record)),
                    );
                }
            }
        }
        records.truncate(limit);
        Ok(records)
    }
}

/// The fields of `:meta` that count jobs.
pub(super) const COUNTERS: [&str; 25] = [
    "enqueued",
    "completed",
    "retried",
    "dead",
    "released",
    "reclaimed",
    "cancelled",
    "removed",
    "replayed",
    "trimmed",
    "trimmed_by_age",
    "erased",
    "logged",
    "parked",
    "unparked",
    "orphans",
    "mended_number",
    "clock_jumps",
    "mended_homeless",
    "mended_doubled",
    "mended_unleased",
    "mended_leases",
    "mended_ghosts",
    "audit_walks",
    "ghosts",
];

fn leading_number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text)
        .ok()?
        .split(':')
        .next()?
        .parse()
        .ok()
}
