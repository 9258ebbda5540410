//! The dead letters of a queue on a server: page by page, and the oldest let go.

use super::redis::RedisQueue;
use super::scripts::Script;
use super::{
    DEAD_LETTER_MAX_AGE_MS, Lane, Letter, LetterMark, Letters, MAX_CALL_BYTES, QueueError, reply,
};

impl RedisQueue {
    /// Dead letters behind a mark, or from the newest on, with all that is kept of each.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn letters(
        &self,
        lane: &Lane,
        after: Option<&LetterMark>,
        limit: usize,
    ) -> Result<Letters, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(
            Script::Letters,
            &step,
            &[&k.dead, &k.jobs, &k.failures, &k.history],
        );
        match after {
            Some(mark) => command.arg(mark.died_at_ms).arg(&mark.entry),
            None => command.arg("").arg(""),
        };
        command.arg(limit).arg(MAX_CALL_BYTES);
        let mut items = reply::array(self.run(Script::Letters, &step, &command).await?)?;
        let more = reply::int(&reply::next(&mut items)?)? == 1;
        let mut page = Letters {
            letters: Vec::new(),
            last: None,
            more,
        };
        while let Some(entry) = items.next() {
            let entry = reply::bytes(entry)?;
            let died_at_ms = reply::int(&reply::next(&mut items)?)?;
            let mut part = || reply::maybe_bytes(reply::next(&mut items)?);
            let (bytes, failure, history) = (part()?, part()?, part()?);
            // An entry of foreign hands is no letter, but a place to go on from.
            if let Some(member) = super::Member::from_bytes(&entry) {
                page.letters.push(Letter {
                    member,
                    died_at_ms,
                    bytes,
                    failure,
                    history,
                });
            }
            page.last = Some(LetterMark {
                died_at_ms,
                entry: entry.to_vec(),
            });
        }
        Ok(page)
    }

    /// Lets the oldest dead letters go where there are too many or they are too old, at most two batches of them, and
    /// records of finished jobs too. Returns how many letters went.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating is safe.
    pub async fn trim(&self, lane: &Lane) -> Result<u64, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(
            Script::Trim,
            &step,
            &[
                &k.dead,
                &k.failures,
                &k.jobs,
                &k.history,
                &k.crashes,
                &k.done[0],
                &k.done[1],
                &k.ended[0],
                &k.ended[1],
                &k.meta,
                &k.recent,
            ],
        );
        command
            .arg(self.options().dead_letter_max)
            .arg(DEAD_LETTER_MAX_AGE_MS)
            .arg(2 * self.options().batch_size)
            .arg(self.options().completed_retention_max)
            .arg(self.options().completed_retention_ms);
        reply::count(&self.run(Script::Trim, &step, &command).await?)
    }
}
