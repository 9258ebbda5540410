//! Leasing: asking for jobs when slots are free, and knowing when to ask.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::queue::{QueueError, Source, Standing};

use super::deal::deal;
use super::loss::reclaim;
use super::shared::Shared;

/// How long a feed with a few free slots waits for more of them, so that one call fills many.
const GROUPING: Duration = Duration::from_millis(2);

/// First and longest pause after a failure that may pass; the drawn pause is between half of it and all of it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the turns of one round have found.
#[derive(Default)]
struct Round {
    leased: usize,
    suspects: u64,
    /// Lanes whose jobs wait for a slot.
    waiting: Vec<usize>,
    next_due: Option<Instant>,
}

impl Round {
    /// Whether jobs wait in a lane that has room for them.
    fn can_go_on(&self, shared: &Shared) -> bool {
        self.waiting.iter().any(|place| wanted(shared, *place) > 0)
    }
}

/// How long a lane that has failed is left alone.
#[derive(Clone, Default)]
struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Pause {
    fn lasts(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// Begins, grows or ends with the outcome of a turn; `part` of it is waited.
    fn note(&mut self, answered: bool, part: f64) {
        if answered {
            *self = Self::default();
        } else {
            self.length = (self.length * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.until = Some(Instant::now() + self.length.mul_f64(part));
        }
    }
}

/// The lease task.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut first = 0;
    let mut pauses = vec![Pause::default(); shared.lanes.len()];
    let mut watching = false;
    while !shared.stopping() {
        if shared.unfit() {
            shared.signs().round_at = Instant::now();
            tokio::select! {
                () = shared.fit_again.notified() => {}
                () = sleep(LONGEST_PAUSE) => {}
                () = shared.until_stopping() => {}
            }
            continue;
        }
        shared.signs().round_at = Instant::now();
        let mut round = Round::default();
        for step in 0..shared.lanes.len() {
            let place = (first + step) % shared.lanes.len();
            if pauses[place].lasts() {
                continue;
            }
            let result = take_turn(&shared, place, wanted(&shared, place), &mut round).await;
            let part = shared.with_random(|random| 0.5 + random.f64() / 2.0);
            pauses[place].note(result.is_ok(), part);
            match &result {
                Ok(()) if pauses.iter().any(|pause| pause.until.is_some()) => {}
                result => shared.note_health(result.as_ref().copied()),
            }
        }
        first = (first + 1) % shared.lanes.len().max(1);
        // Lanes that fail are asked again after a while of their own; the others go on.
        if let Some(until) = pauses.iter().filter_map(|pause| pause.until).min() {
            if pauses.iter().all(|pause| pause.until.is_some()) {
                tokio::select! {
                    () = sleep(until.saturating_duration_since(Instant::now())) => {}
                    () = shared.until_stopping() => {}
                }
                continue;
            }
            round.next_due = Some(round.next_due.map_or(until, |due| due.min(until)));
        }
        note_idleness(&shared, &round);
        match shared.options.source {
            Source::Pending if round.suspects > 0 => shared.notice("suspects_waiting"),
            Source::Suspects if round.suspects == 0 && round.leased == 0 => {
                shared.notice("suspects_done");
            }
            _ => {}
        }
        rest(&shared, &round, &mut watching).await;
    }
    shared.settled.store(true, Relaxed);
    shared.quiet.notify_waiters();
}

/// Notes since when jobs wait beside free slots without one being leased.
fn note_idleness(shared: &Shared, round: &Round) {
    let is_idle = round.leased == 0 && round.can_go_on(shared);
    let mut signs = shared.signs();
    if is_idle {
        signs.idle_since.get_or_insert_with(Instant::now);
    } else {
        signs.idle_since = None;
    }
}

/// Waits until the lease task has ended, then asks once more for what an unanswered call may have leased.
pub(super) async fn settle(shared: &Shared) {
    loop {
        let changed = shared.quiet.notified();
        if shared.settled.load(Relaxed) {
            break;
        }
        changed.await;
    }
    for place in 0..shared.lanes.len() {
        let uncertain = shared.lanes[place].identity().uncertain;
        if uncertain {
            // Without an answer the jobs come back when the lease has run out.
            let _ = take_turn(shared, place, 0, &mut Round::default()).await;
        }
    }
}

/// How many jobs a lane could lease.
fn wanted(shared: &Shared, place: usize) -> usize {
    let inner = shared.inner();
    // A job holds its slot until its outcome is written: till then it is leased, and would run again if we died.
    shared.room(&inner).saturating_sub(inner.in_the_way(place))
}

/// How many jobs could be leased from the lane that has most room.
pub(super) fn wanted_at_most(shared: &Shared) -> usize {
    let of_lanes = (0..shared.lanes.len()).map(|place| wanted(shared, place));
    of_lanes.max().unwrap_or(0)
}

/// Waits for a reason to ask again.
async fn rest(shared: &Shared, round: &Round, watching: &mut bool) {
    let poll = shared.options.poll_interval;
    let due = round.next_due.map_or(poll, |at| {
        at.saturating_duration_since(Instant::now()).min(poll)
    });
    if wanted_at_most(shared) == 0 {
        if std::mem::take(watching) {
            // Somebody with free slots shall watch the next due time instead. A token lost here costs a poll interval.
            for lane in &shared.lanes {
                let _ = shared.engine.pass_on_wake(&lane.lane).await;
            }
        }
        tokio::select! {
            () = shared.room.notified() => {}
            () = sleep(poll) => return,
            () = shared.until_stopping() => return,
        }
        gather_room(shared).await;
    } else if round.can_go_on(shared) {
        gather_room(shared).await;
    } else {
        *watching = round.next_due.is_some();
        tokio::select! {
            () = shared.woken.notified() => {}
            () = shared.room.notified(), if !round.waiting.is_empty() => {}
            () = sleep(due) => {}
            () = shared.until_stopping() => {}
        }
    }
}

/// Lets a few more slots become free, where less than half of them are.
async fn gather_room(shared: &Shared) {
    let half = shared.options.slots.div_ceil(2);
    let grouped = async {
        while wanted_at_most(shared) < half {
            shared.room.notified().await;
        }
    };
    tokio::select! {
        () = grouped => {}
        () = sleep(GROUPING) => {}
        () = shared.until_stopping() => {}
    }
}

/// One turn on one lane: joins where that is due, asks, and deals out the answer.
async fn take_turn(
    shared: &Shared,
    place: usize,
    want: usize,
    round: &mut Round,
) -> Result<(), QueueError> {
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
            round.waiting.push(place);
            return Ok(());
        }
        Standing::Expired => lane.beat_now.notify_one(),
        Standing::Alive => {}
    }
    let waiting = match shared.options.source {
        Source::Pending => turn.waiting,
        Source::Suspects => turn.suspects,
    };
    if turn.standing == Standing::Alive && waiting > 0 {
        round.waiting.push(place);
    }
    if let Some(due_ms) = turn.next_due_ms {
        let ahead_ms = u64::try_from(due_ms - turn.now_ms).unwrap_or(0);
        let due = Instant::now() + Duration::from_millis(ahead_ms);
        round.next_due = Some(round.next_due.map_or(due, |at| at.min(due)));
    }
    round.suspects += turn.suspects;
    let leases = turn.leases.len();
    let given_back = deal(
        shared,
        place,
        &incarnation,
        turn.leases,
        turn.now_ms,
        asked_at,
    );
    round.leased += leases - given_back;
    shared.hold_if_owed(place).await?;
    // Our own lease may have run out too: a beat brings it back as long as nobody else has reclaimed it.
    for name in turn.lost.into_iter().filter(|name| *name != incarnation) {
        reclaim(shared, place, &name).await?;
    }
    Ok(())
}
