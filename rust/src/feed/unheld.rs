//! What the queue knows as ours beside what we know as ours: after a power cut a server may have forgotten leases that it
//! gave, and remember others that have ended.
//!
//! A job that we run and that the queue does not know as ours may be leased by somebody else: it is let go. One that the
//! queue holds for us and that we know nothing of would wait for ever, since we beat: it is given back.

use std::collections::HashSet;
use std::sync::Arc;

use crate::metrics::COUNTERS;
use crate::queue::{Incarnation, QueueError, Token};

use super::job::{Cause, LeasedJob, Phase};
use super::report::{Change, Pending};
use super::shared::Shared;

/// Each so many-th beat both are compared even where their numbers agree: as much may have been forgotten as is
/// remembered wrongly.
const LOOK_CLOSELY: u32 = 5;

/// A call that is so far ahead of ours is none that we have made, nor one that we make between two beats.
const FAR_AHEAD: u64 = 10_000;

/// What the beats of one lane have found so far.
#[derive(Clone, Default)]
pub(super) struct Looks {
    /// Beats since the last close look.
    beats: u32,
    /// What the last look found in the queue that nobody knew here.
    strays: HashSet<Token>,
}

/// Compares both where their numbers differ. `known` is how many jobs the queue holds for this identity.
pub(super) async fn reconcile(
    shared: &Shared,
    place: usize,
    incarnation: &Incarnation,
    known: u64,
    looks: &mut Looks,
) -> Result<(), QueueError> {
    looks.beats += 1;
    if known == shared.in_hand(place).len() as u64 && looks.beats < LOOK_CLOSELY {
        looks.strays.clear();
        return Ok(());
    }
    looks.beats = 0;
    let open = shared.open_jobs(place, incarnation);
    let next_call = shared.lanes[place].identity().call;
    let lane = &shared.lanes[place].lane;
    let held: HashSet<Token> = shared
        .engine
        .held(lane, incarnation)
        .await?
        .into_iter()
        .collect();
    let mut let_go = 0;
    for job in open {
        // Whoever ends a job here does so before the queue is told: one that has not ended must still be held.
        if !held.contains(&job.token) && job.end().is_some() {
            COUNTERS.lease_lost();
            shared.tell_to_stop(job, Cause::LeaseLost);
            let_go += 1;
        }
    }
    if let_go > 0 {
        shared.notice(format!(
            "unheld: the queue has forgotten {let_go} leases, whose jobs are stopped"
        ));
    }
    let in_hand = shared.in_hand(place);
    let unknown: HashSet<Token> = held
        .into_iter()
        // A call without an answer yet may have leased what we are about to hear of.
        .filter(|token| {
            let answered = token.call < next_call || token.call > next_call + FAR_AHEAD;
            answered && !in_hand.contains(token)
        })
        .collect();
    let mut given_back = 0;
    for token in unknown.intersection(&looks.strays) {
        given_back += 1;
        shared.put(Pending {
            lane: place,
            incarnation: incarnation.clone(),
            action_type: "other".into(),
            change: Change::Release(*token, shared.options.source),
        });
    }
    if given_back > 0 {
        shared.notice(format!(
            "strays: {given_back} jobs that the queue held for this worker are given back"
        ));
    }
    looks.strays = unknown;
    Ok(())
}

impl Shared {
    /// The jobs of an identity whose end has not been decided.
    fn open_jobs(&self, place: usize, incarnation: &Incarnation) -> Vec<Arc<LeasedJob>> {
        let inner = self.inner();
        let of_it = inner.held.values().filter(|job| {
            job.lane == place
                && job.incarnation == *incarnation
                && !matches!(job.phase(), Phase::Ended)
        });
        of_it.cloned().collect()
    }

    /// The tokens of all jobs of a lane that have not ended here, or whose end is not written.
    fn in_hand(&self, place: usize) -> HashSet<Token> {
        let inner = self.inner();
        let open = inner
            .held
            .values()
            .filter(|job| job.lane == place && !matches!(job.phase(), Phase::Ended))
            .map(|job| job.token);
        open.chain(inner.outboxes[place].tokens()).collect()
    }
}
