//! Beats: the lease is renewed every third of its length, on a connection of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::job::Cause;
use super::lane::Beaten;
use super::shared::Shared;
use super::unheld::{self, Looks};

/// Pause before a beat is tried again that found no answer.
const AGAIN: Duration = Duration::from_millis(200);

/// The beat task of a lane. It makes no call but the beat, so that nothing delays the next one.
pub(super) async fn run(shared: Arc<Shared>, place: usize) {
    let mut pause = shared.options.lease_duration / 3;
    while !shared.closed() {
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.lanes[place].beat_now.notified() => {}
            () = shared.until_closed() => return,
        }
        pause = shared.options.lease_duration / 3;
        if !beat(&shared, place).await {
            pause = AGAIN;
        }
    }
}

/// The look task of a lane: what a beat gives cause to do, beside the beats, since it takes the connection for commands
/// and may wait there. Where several beats have passed meanwhile, only the last one counts.
pub(super) async fn look(shared: Arc<Shared>, place: usize) {
    let mut looks = Looks::default();
    let mut beaten = shared.lanes[place].beaten.subscribe();
    loop {
        tokio::select! {
            changed = beaten.changed() => if changed.is_err() { return },
            () = shared.until_closed() => return,
        }
        let Some(last) = beaten.borrow_and_update().clone() else {
            continue;
        };
        if let Err(error) = shared.hold_if_owed(place).await {
            shared.note_health(Err(&error));
        }
        let looked = unheld::reconcile(&shared, place, &last.incarnation, last.held, &mut looks);
        if let Err(error) = looked.await {
            shared.note_health(Err(&error));
        }
    }
}

/// Renews the lease of one lane; false where there was no answer.
async fn beat(shared: &Shared, place: usize) -> bool {
    let lane = &shared.lanes[place];
    let (incarnation, joined, heard) = {
        let mut identity = lane.identity();
        (
            identity.incarnation.clone(),
            identity.joined,
            std::mem::take(&mut identity.heard),
        )
    };
    if !joined {
        return true;
    }
    let sent_at = Instant::now();
    let beat = match shared.engine.beat(&lane.lane, &incarnation, &heard).await {
        Ok(beat) => beat,
        Err(error) => {
            shared.note_health(Err(&error));
            lane.identity().heard.extend(heard);
            return false;
        }
    };
    shared.look_at_clock(place, beat.now_ms, sent_at);
    let beaten = Beaten {
        incarnation: incarnation.clone(),
        held: beat.held,
    };
    if !beat.alive {
        shared.lose(place, &incarnation);
        lane.beaten.send_replace(Some(beaten));
        shared.woken.notify_one();
        return true;
    }
    lane.renewed(&incarnation, sent_at);
    let running: Vec<_> = shared
        .inner()
        .held
        .values()
        .filter(|job| job.lane == place && beat.cancelled.contains(&job.token.member))
        .cloned()
        .collect();
    for job in running {
        if job.end().is_some() {
            shared.tell_to_stop(job, Cause::Cancelled);
        }
    }
    {
        let mut identity = lane.identity();
        if identity.incarnation == incarnation {
            identity.heard.extend(beat.cancelled);
        }
    }
    lane.beaten.send_replace(Some(beaten));
    true
}
