//! The queue on a server, page by page: which jobs are in a state.

use std::collections::HashMap;

use super::redis::{RedisQueue, Step};
use super::{Lane, Listed, Listing, Member, QueueError, reply};

/// Most entries that one command reads, however long the page is.
const CHUNK: usize = 1000;

impl RedisQueue {
    /// A page of jobs. Entries that cancelled jobs have left on the pending lists are no jobs and take no room.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn list(
        &self,
        lane: &Lane,
        listing: Listing,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Listed>, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        match listing {
            Listing::Pending => self.list_pending(&step, offset, limit).await,
            Listing::Running => self.list_running(&step, offset, limit).await,
            Listing::Scheduled => {
                self.list_ranked(&step, &k.scheduled, false, offset, limit)
                    .await
            }
            Listing::Parked => {
                self.list_ranked(&step, &k.parked, false, offset, limit)
                    .await
            }
            Listing::Dead => self.list_ranked(&step, &k.dead, true, offset, limit).await,
        }
    }

    async fn list_pending(
        &self,
        step: &Step,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Listed>, QueueError> {
        let wanted = offset.saturating_add(limit);
        let mut jobs = Vec::new();
        let mut ghosts: HashMap<Member, u64> = HashMap::new();
        for key in step.keys.pending.iter().chain([&step.keys.suspects]) {
            let (mut read, mut chunk) = (0_usize, wanted.min(CHUNK));
            while jobs.len() < wanted {
                let mut command = redis::cmd("LRANGE");
                command
                    .arg(key)
                    .arg(-(read + chunk).cast_signed())
                    .arg(-(read + 1).cast_signed());
                let entries = reply::array(self.read(step, &command).await?)?;
                let found = entries.len();
                read += found;
                let mut members: Vec<Member> = entries
                    .filter_map(|entry| reply::member(entry).ok())
                    .collect();
                members.reverse();
                for (member, count) in self.ghosts_of(step, &members).await? {
                    ghosts.entry(member).or_insert(count);
                }
                // A turn drops the first entries that it meets, so the first ones are those of cancelled jobs.
                jobs.extend(members.into_iter().filter(|member| {
                    let Some(left) = ghosts.get_mut(member).filter(|left| **left > 0) else {
                        return true;
                    };
                    *left -= 1;
                    false
                }));
                if found < chunk {
                    break;
                }
                chunk = CHUNK;
            }
        }
        Ok(jobs
            .into_iter()
            .skip(offset)
            .take(limit)
            .map(|member| Listed { member, time_ms: 0 })
            .collect())
    }

    /// How many entries of cancelled jobs the lists hold of each member that has some.
    async fn ghosts_of(
        &self,
        step: &Step,
        members: &[Member],
    ) -> Result<Vec<(Member, u64)>, QueueError> {
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(&step.keys.ghosts);
        for member in members {
            command.arg(member.as_bytes());
        }
        let counts = reply::array(self.read(step, &command).await?)?;
        let mut ghosts = Vec::new();
        for (member, count) in members.iter().zip(counts) {
            if !matches!(count, redis::Value::Nil) {
                ghosts.push((*member, reply::count(&count).unwrap_or(1)));
            }
        }
        Ok(ghosts)
    }

    async fn list_running(
        &self,
        step: &Step,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Listed>, QueueError> {
        let mut jobs = Vec::new();
        for incarnation in self.incarnations(step).await? {
            let mut command = redis::cmd("HKEYS");
            command.arg(step.keys.running(&incarnation));
            let held = reply::stored_members(self.read(step, &command).await?)?;
            jobs.extend(held.into_iter().map(|member| Listed { member, time_ms: 0 }));
        }
        Ok(jobs.into_iter().skip(offset).take(limit).collect())
    }

    async fn list_ranked(
        &self,
        step: &Step,
        key: &str,
        newest_first: bool,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Listed>, QueueError> {
        let mut jobs = Vec::new();
        let end = offset.saturating_add(limit);
        let mut first = offset;
        while first < end {
            let last = end.min(first.saturating_add(CHUNK)) - 1;
            let mut command = redis::cmd("ZRANGE");
            command.arg(key).arg(first).arg(last);
            if newest_first {
                command.arg("REV");
            }
            command.arg("WITHSCORES");
            let page = reply::pairs(self.read(step, &command).await?)?;
            let is_last = page.len() <= last - first;
            for (entry, score) in page {
                if let Ok(member) = reply::member(entry) {
                    jobs.push(Listed {
                        member,
                        time_ms: reply::int(&score)?,
                    });
                }
            }
            if is_last {
                break;
            }
            first = last + 1;
        }
        Ok(jobs)
    }
}
