//! Forgetting on a server: all jobs of a lane page by page, one of them taken away wherever it is, records redacted.

use bytes::Bytes;
use uuid::Uuid;

use super::redis::RedisQueue;
use super::scripts::Script;
use super::{Erased, Lane, MAX_CALL_BYTES, Priority, QueueError, RecordEntry, ScannedJobs, reply};

/// Jobs asked for in one step of a scan before their size is known, and the bounds of what is asked for then.
const FIRST_STEP: usize = 64;
const SHORTEST_STEP: usize = 16;
const LONGEST_STEP: usize = 1000;

/// What takes the place of bytes that were erased where the entry has to stay: no job, and nobody's name.
pub(in crate::queue) const BLANK: &[u8] = b"-";

impl RedisQueue {
    /// Some of the jobs that have not ended, in no order, and where to go on. What is there from the first step to the last
    /// is seen at least once, perhaps twice.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn scan(&self, lane: &Lane, mark: Option<&[u8]>) -> Result<ScannedJobs, QueueError> {
        let step = self.ready(lane).await?;
        let (cursor, count) = mark.map_or(("0", FIRST_STEP), read_mark);
        let mut command = redis::cmd("HSCAN");
        command
            .arg(&step.keys.jobs)
            .arg(cursor)
            .arg("COUNT")
            .arg(count);
        let mut answer = reply::array(self.read(&step, &command).await?)?;
        let next = reply::text(reply::next(&mut answer)?)?;
        let mut jobs = Vec::new();
        let mut size = 0;
        for (field, value) in reply::pairs(reply::next(&mut answer)?)? {
            let bytes = reply::bytes(value)?;
            size += bytes.len();
            // What is no id is no job of ours.
            if let Ok(id) = Uuid::from_slice(&reply::bytes(field)?) {
                jobs.push((id, bytes));
            }
        }
        let count = match size / jobs.len().max(1) {
            0 => LONGEST_STEP,
            each => (MAX_CALL_BYTES / each).clamp(SHORTEST_STEP, LONGEST_STEP),
        };
        Ok(ScannedJobs {
            jobs,
            next: (next != "0").then(|| format!("{next}:{count}").into_bytes()),
        })
    }

    /// Takes away everything that is kept of a job, if its bytes are still these.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating answers `Gone`.
    pub async fn erase(
        &self,
        lane: &Lane,
        id: Uuid,
        bytes: &[u8],
        priority: Option<Priority>,
    ) -> Result<Erased, QueueError> {
        let digest = sha1_smol::Sha1::from(bytes).digest().to_string();
        loop {
            let step = self.ready(lane).await?;
            let k = &step.keys;
            let incarnations = self.incarnations(&step).await?;
            let held: Vec<String> = incarnations
                .iter()
                .flat_map(|name| [k.running(name), k.cancels(name)])
                .collect();
            let mut keys: Vec<&str> = vec![
                &k.jobs,
                &k.scheduled,
                &k.parked,
                &k.dead,
                &k.failures,
                &k.history,
                &k.crashes,
                &k.ghosts,
                &k.done[0],
                &k.done[1],
                &k.ended[0],
                &k.ended[1],
                &k.meta,
                &k.leases,
            ];
            keys.extend(held.iter().map(String::as_str));
            let mut command = self.command(Script::Erase, &step, &keys);
            command.arg(id.as_bytes().as_slice()).arg(&digest);
            match priority {
                Some(priority) => command.arg([priority.letter()].as_slice()),
                None => command.arg(""),
            };
            command.arg(BLANK);
            for name in &incarnations {
                command.arg(name.as_str());
            }
            let word = reply::text(self.run(Script::Erase, &step, &command).await?)?;
            if word != "again" {
                return Erased::from_name(&word)
                    .ok_or_else(|| QueueError::Corrupt(format!("erase: {word:?} is no answer")));
            }
        }
    }

    /// Entries of the records of finished jobs behind another one, the oldest first.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn records(
        &self,
        lane: &Lane,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<RecordEntry>, QueueError> {
        let step = self.ready(lane).await?;
        let mut command = redis::cmd("XRANGE");
        command.arg(&step.keys.recent);
        match after {
            Some(id) => command.arg([b"(", id].concat()),
            None => command.arg("-"),
        };
        command.arg("+").arg("COUNT").arg(limit);
        let mut entries = Vec::new();
        for entry in reply::array(self.read(&step, &command).await?)? {
            let mut parts = reply::array(entry)?;
            let id = reply::bytes(reply::next(&mut parts)?)?;
            let mut records = Bytes::new();
            for (name, value) in reply::pairs(reply::next(&mut parts)?)? {
                if reply::bytes(name)?.as_ref() == b"r" {
                    records = reply::bytes(value)?;
                }
            }
            entries.push(RecordEntry { id, records });
        }
        Ok(entries)
    }

    /// Puts other records in place of those of an entry, if it is still as it was read; none of them takes it away.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating answers `false`.
    pub async fn redact(
        &self,
        lane: &Lane,
        entry: &RecordEntry,
        stay: &[Bytes],
    ) -> Result<bool, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(Script::Redact, &step, &[&k.recent, &k.meta]);
        command
            .arg(entry.id.as_ref())
            .arg(entry.records.as_ref())
            .arg(stay.len())
            .arg(stay.join(&b'\n'));
        Ok(reply::int(&self.run(Script::Redact, &step, &command).await?)? == 1)
    }
}

/// The cursor of the server and the length of the next step.
fn read_mark(mark: &[u8]) -> (&str, usize) {
    let text = std::str::from_utf8(mark).unwrap_or("0");
    let (cursor, count) = text.split_once(':').unwrap_or((text, ""));
    (cursor, count.parse().unwrap_or(FIRST_STEP))
}
