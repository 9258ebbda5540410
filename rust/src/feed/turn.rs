//! A turn: one lease call on one lane, and what it has found there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::queue::{QueueError, Source, Standing};

use super::deal::deal;
use super::loss::reclaim;
use super::shared::Shared;

/// What a turn has found.
#[derive(Default)]
pub(super) struct Found {
    /// How many jobs it has leased, save those that were given back at once.
    pub(super) leased: usize,
    /// Whether jobs wait for a slot.
    pub(super) is_waiting: bool,
    pub(super) suspects: u64,
    pub(super) next_due: Option<Instant>,
}

/// What has become of a turn.
pub(super) struct Answer {
    pub(super) place: usize,
    pub(super) took: Duration,
    pub(super) result: Result<Found, QueueError>,
}

/// The task of one turn. It goes on though nobody waits for it any more: what it leases is dealt out when it comes.
pub(super) async fn run(shared: Arc<Shared>, place: usize, want: usize) -> Answer {
    let asked_at = Instant::now();
    let _turning = shared.lanes[place].turning.lock().await;
    let result = if shared.stopping() {
        // Whoever settles this lane may have done so before this task began.
        Ok(Found::default())
    } else {
        take_turn(&shared, place, want).await
    };
    Answer {
        place,
        took: asked_at.elapsed(),
        result,
    }
}

/// Waits for the turn of a lane that nobody has waited for, then asks for what an unanswered call may have leased.
pub(super) async fn settle(shared: Arc<Shared>, place: usize) {
    let _turning = shared.lanes[place].turning.lock().await;
    let uncertain = shared.lanes[place].identity().uncertain;
    if uncertain {
        // Without an answer the jobs come back when the lease has run out.
        let _ = take_turn(&shared, place, 0).await;
    }
}

/// One turn on one lane: joins where that is due, asks, and deals out the answer.
async fn take_turn(shared: &Shared, place: usize, want: usize) -> Result<Found, QueueError> {
    let lane = &shared.lanes[place];
    let (incarnation, joined, call) = {
        let identity = lane.identity();
        (identity.incarnation.clone(), identity.joined, identity.call)
    };
    if !joined {
        let sent_at = Instant::now();
        shared
            .engine
            .join(&lane.lane, &incarnation, &shared.options.info)
            .await?;
        lane.identity().joined = true;
        lane.renewed(&incarnation, sent_at);
    }
    let asked_at = Instant::now();
    lane.identity().uncertain = true;
    let turn = shared
        .engine
        .turn(&lane.lane, &incarnation, call, want, shared.options.source)
        .await?;
    shared.look_at_clock(place, turn.now_ms, asked_at);
    {
        let mut identity = lane.identity();
        if identity.incarnation == incarnation {
            identity.uncertain = false;
            identity.call += 1;
        }
    }
    match turn.standing {
        Standing::Lost => {
            shared.lose(place, &incarnation);
            return Ok(Found {
                is_waiting: true,
                ..Found::default()
            });
        }
        Standing::Expired => lane.beat_now.notify_one(),
        Standing::Alive => {}
    }
    let waiting = match shared.options.source {
        Source::Pending => turn.waiting,
        Source::Suspects => turn.suspects,
    };
    let next_due = turn.next_due_ms.map(|due_ms| {
        let ahead_ms = u64::try_from(due_ms - turn.now_ms).unwrap_or(0);
        Instant::now() + Duration::from_millis(ahead_ms)
    });
    let leases = turn.leases.len();
    let given_back = deal(
        shared,
        place,
        &incarnation,
        turn.leases,
        turn.now_ms,
        asked_at,
    );
    let found = Found {
        leased: leases - given_back,
        is_waiting: turn.standing == Standing::Alive && waiting > 0,
        suspects: turn.suspects,
        next_due,
    };
    shared.hold_if_owed(place).await?;
    // Our own lease may have run out too: a beat brings it back as long as nobody else has reclaimed it.
    for name in turn.lost.into_iter().filter(|name| *name != incarnation) {
        reclaim(shared, place, &name).await?;
    }
    Ok(found)
}
