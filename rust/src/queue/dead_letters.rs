//! The dead letters of all queues and shards together: read newest first, sent back, taken away.

use std::collections::HashMap;

use super::overview::Overview;
use super::view::JobView;
use super::{Lane, LetterMark, Member, QueueError};

/// Fewest letters asked of each of several lanes: a page is what is newer than the last letter of any of them, so that
/// asking for one letter each would make pages of one letter.
const FEWEST: usize = 16;

/// A letter's place in a call, with its member and time of death in ms.
type Placed = (usize, Member, i64);

/// A page of dead letters over several lanes.
#[derive(Clone, Debug, Default)]
pub struct LetterPage {
    /// The letters, the newest first.
    pub letters: Vec<JobView>,
    /// Behind which mark older ones follow; nothing where there are none.
    pub next: Option<LetterMark>,
}

impl Overview {
    /// How many dead letters there are.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn dead_count(&self) -> Result<u64, QueueError> {
        let mut dead = 0;
        for lane in self.lanes() {
            dead += self.engine.stats(&lane).await?.dead;
        }
        Ok(dead)
    }

    /// About `limit` dead letters behind a mark, or from the newest on. What dies meanwhile is newer than any mark, so
    /// that a walk ends however fast letters die.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn letters(
        &self,
        after: Option<LetterMark>,
        limit: usize,
    ) -> Result<LetterPage, QueueError> {
        let lanes: Vec<Lane> = self.lanes().collect();
        let each = if lanes.len() == 1 {
            limit
        } else {
            (2 * limit)
                .div_ceil(lanes.len())
                .clamp(FEWEST, limit.max(FEWEST))
        };
        let mut found = Vec::new();
        let mut next: Option<LetterMark> = None;
        for lane in &lanes {
            let page = self.engine.letters(lane, after.as_ref(), each).await?;
            if page.more {
                // What this lane has not shown yet is older than its last letter: up to there the order is sure.
                next = next.max(page.last);
            }
            found.extend(page.letters.into_iter().map(|letter| {
                let mark = LetterMark {
                    died_at_ms: letter.died_at_ms,
                    entry: letter.member.as_bytes().to_vec(),
                };
                (mark, lane, letter)
            }));
        }
        found.retain(|(mark, _, _)| next.as_ref().is_none_or(|next| mark >= next));
        found.sort_by(|(one, _, _), (other, _, _)| other.cmp(one));
        let letters = found
            .into_iter()
            .filter_map(|(_, lane, letter)| JobView::of_letter(lane, letter))
            .collect();
        // A mark that does not move belongs to a time that no clock can show: nothing can be behind it.
        let next = next.filter(|next| after.as_ref() != Some(next));
        Ok(LetterPage { letters, next })
    }

    /// Sends dead letters back. Says which were sent: the others are no dead letters any more, or died again since they
    /// were looked at.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; some letters may have been sent.
    pub async fn replay(&self, letters: &[JobView]) -> Result<Vec<bool>, QueueError> {
        let mut replayed = vec![false; letters.len()];
        for (lane, chunk) in self.by_lane(letters) {
            // By the queue's clock, which also says when the job will be too old.
            let now_ms = self.engine.stats(&lane).await?.now_ms;
            let sent: Vec<(Member, i64, Vec<u8>)> = chunk
                .iter()
                .map(|(place, member, died_at_ms)| {
                    let mut history = letters[*place].history.clone();
                    history.replayed(now_ms);
                    (*member, *died_at_ms, history.pack())
                })
                .collect();
            let answers = self.engine.replay(&lane, &sent).await?;
            for ((place, _, _), done) in chunk.into_iter().zip(answers) {
                replayed[place] = done;
            }
        }
        Ok(replayed)
    }

    /// Takes dead letters away for good. Says which were taken.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; some letters may have been taken.
    pub async fn remove(&self, letters: &[JobView]) -> Result<Vec<bool>, QueueError> {
        let mut removed = vec![false; letters.len()];
        for (lane, chunk) in self.by_lane(letters) {
            let taken: Vec<(Member, i64)> = chunk
                .iter()
                .map(|(_, member, died_at_ms)| (*member, *died_at_ms))
                .collect();
            let answers = self.engine.remove(&lane, &taken).await?;
            for ((place, _, _), done) in chunk.into_iter().zip(answers) {
                removed[place] = done;
            }
        }
        Ok(removed)
    }

    /// The places in `letters` of those that are dead letters, by lane and in batches of what one call takes.
    fn by_lane(&self, letters: &[JobView]) -> Vec<(Lane, Vec<Placed>)> {
        let mut lanes: HashMap<&Lane, Vec<Placed>> = HashMap::new();
        for (place, letter) in letters.iter().enumerate() {
            if let (Some(member), Some(died_at_ms)) = (letter.member, letter.died_at()) {
                let of_lane = lanes.entry(&letter.lane).or_default();
                of_lane.push((place, member, died_at_ms));
            }
        }
        let batch_size = self.engine.options().batch_size;
        let in_batches = |(lane, of_lane): (&Lane, Vec<_>)| {
            let batches: Vec<_> = of_lane
                .chunks(batch_size)
                .map(|batch: &[Placed]| (lane.clone(), batch.to_vec()))
                .collect();
            batches
        };
        lanes.into_iter().flat_map(in_batches).collect()
    }
}
