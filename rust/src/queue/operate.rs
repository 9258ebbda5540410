//! The queue on a server, as operators steer it: cancel, replay, remove, unpark.

use super::redis::RedisQueue;
use super::scripts::Script;
use super::{Cancelled, Lane, Member, QueueError, reply};

impl RedisQueue {
    /// Cancels a job, wherever it is.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating answers `Ended`.
    pub async fn cancel(&self, lane: &Lane, member: Member) -> Result<Cancelled, QueueError> {
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
            let mut command = self.command(Script::Cancel, &step, &keys);
            command.arg(member.as_bytes());
            for name in &incarnations {
                command.arg(name.as_str());
            }
            return Ok(
                match reply::text(self.run(Script::Cancel, &step, &command).await?)?.as_str() {
                    "again" => continue,
                    "pending" => Cancelled::Pending,
                    "scheduled" | "parked" => Cancelled::Scheduled,
                    "running" => Cancelled::Running,
                    "dead" => Cancelled::Dead,
                    "ended" => Cancelled::Ended,
                    _ => Cancelled::Missing,
                },
            );
        }
    }

    /// Sends dead letters back: member, time of death in ms, history from now on.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating changes nothing and answers `false`.
    pub async fn replay(
        &self,
        lane: &Lane,
        letters: &[(Member, i64, Vec<u8>)],
    ) -> Result<Vec<bool>, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(
            Script::Replay,
            &step,
            &[
                &k.dead,
                &k.failures,
                &k.jobs,
                &k.history,
                &k.crashes,
                &k.pending[0],
                &k.pending[1],
                &k.pending[2],
                &k.pending[3],
                &k.meta,
                &k.wake,
            ],
        );
        command.arg(letters.len());
        for (member, died_ms, history) in letters {
            command
                .arg(member.as_bytes())
                .arg(*died_ms)
                .arg(history.as_slice());
        }
        let digits = reply::digits(
            self.run(Script::Replay, &step, &command).await?,
            letters.len(),
        )?;
        Ok(digits.into_iter().map(|digit| digit == b'1').collect())
    }

    /// Takes dead letters away for good: member, time of death in ms.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating changes nothing and answers `false`.
    pub async fn remove(
        &self,
        lane: &Lane,
        letters: &[(Member, i64)],
    ) -> Result<Vec<bool>, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(
            Script::Remove,
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
            ],
        );
        command.arg(letters.len());
        for (member, died_ms) in letters {
            command.arg(member.as_bytes()).arg(*died_ms);
        }
        let digits = reply::digits(
            self.run(Script::Remove, &step, &command).await?,
            letters.len(),
        )?;
        Ok(digits.into_iter().map(|digit| digit == b'1').collect())
    }

    /// Moves parked jobs on: to their list, or with a failure to the dead letters where their time is up.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; repeating changes nothing and answers `false`.
    pub async fn unpark(
        &self,
        lane: &Lane,
        members: &[Member],
        failure: Option<&[u8]>,
    ) -> Result<Vec<bool>, QueueError> {
        let step = self.ready(lane).await?;
        let k = &step.keys;
        let mut command = self.command(
            Script::Unpark,
            &step,
            &[
                &k.parked,
                &k.pending[0],
                &k.pending[1],
                &k.pending[2],
                &k.pending[3],
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
                &k.wake,
            ],
        );
        command
            .arg(members.len())
            .arg(if failure.is_some() { "dead" } else { "pending" })
            .arg(failure.unwrap_or_default())
            .arg(self.options().dead_letter_max)
            .arg(2 * self.options().batch_size);
        for member in members {
            command.arg(member.as_bytes());
        }
        let digits = reply::digits(
            self.run(Script::Unpark, &step, &command).await?,
            members.len(),
        )?;
        Ok(digits.into_iter().map(|digit| digit == b'1').collect())
    }
}
