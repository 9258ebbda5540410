//! Leasing: asking for jobs when slots are free, and knowing when to ask.
//!
//! A round asks the lanes one after the other, each for its part of the free slots. A turn is a task of its own: a lane
//! that answers late or fails keeps the others waiting once at most.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

use crate::queue::Source;

use super::shared::Shared;
use super::turn::{self, Answer, Found};

/// How long a feed with a few free slots waits for more of them, so that one call fills many.
const GROUPING: Duration = Duration::from_millis(2);

/// First and longest pause after a failure that may pass; the drawn pause is between half of it and all of it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long the other lanes wait for one lane's turn. A lane that takes longer, or fails, is not waited for until it has
/// answered within this time: what it leases then finds its slots filled, perhaps, and is given back.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a lane that has failed is left alone.
#[derive(Default)]
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

/// What the lease task knows of a lane.
struct Asked {
    /// When the turn began that has not been answered yet.
    since: Option<Instant>,
    /// What the last turn has found; nothing while one is under way.
    found: Found,
    pause: Pause,
    /// Whether its last turn was answered while it was waited for.
    is_prompt: bool,
    /// How many jobs it has leased in this round.
    served: usize,
}

impl Asked {
    /// A lane of which nothing is known: jobs may wait there.
    fn new() -> Self {
        Self {
            since: None,
            found: Found {
                is_waiting: true,
                ..Found::default()
            },
            pause: Pause::default(),
            is_prompt: true,
            served: 0,
        }
    }

    fn can_be_asked(&self) -> bool {
        self.since.is_none() && !self.pause.lasts()
    }

    /// When it is to be asked again at the latest; nothing where an answer or a wake-up call will tell.
    fn next_due(&self) -> Option<Instant> {
        if self.since.is_some() {
            return None;
        }
        self.pause.until.or(self.found.next_due)
    }
}

/// The lease task.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut leasing = Leasing::new(Arc::clone(&shared));
    while !shared.stopping() {
        leasing.give_sign();
        if shared.unfit() {
            tokio::select! {
                Some(joined) = leasing.turns.join_next() => leasing.note(joined),
                () = shared.fit_again.notified() => {}
                () = sleep(LONGEST_PAUSE) => {}
                () = shared.until_stopping() => {}
            }
            continue;
        }
        leasing.make_round().await;
        leasing.rest().await;
    }
    leasing.turns.detach_all();
    shared.settled.store(true, Relaxed);
    shared.quiet.notify_waiters();
}

/// Waits until the lease task has ended, then until no turn is under way and none is without an answer.
pub(super) async fn settle(shared: &Arc<Shared>) {
    loop {
        let changed = shared.quiet.notified();
        if shared.settled.load(Relaxed) {
            break;
        }
        changed.await;
    }
    let mut lanes = JoinSet::new();
    for place in 0..shared.lanes.len() {
        lanes.spawn(turn::settle(Arc::clone(shared), place));
    }
    while lanes.join_next().await.is_some() {}
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

/// The lease task's own books.
struct Leasing {
    shared: Arc<Shared>,
    lanes: Vec<Asked>,
    /// In which order the lanes are asked.
    order: Vec<usize>,
    turns: JoinSet<Answer>,
    /// Whether this worker watches the next due time.
    watching: bool,
}

impl Leasing {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            lanes: shared.lanes.iter().map(|_| Asked::new()).collect(),
            order: (0..shared.lanes.len()).collect(),
            turns: JoinSet::new(),
            watching: false,
            shared,
        }
    }

    /// Shows that this task goes on; a turn without end counts as a round without end.
    fn give_sign(&self) {
        let oldest = self.lanes.iter().filter_map(|lane| lane.since).min();
        self.shared.signs().round_at = oldest.unwrap_or_else(Instant::now);
    }

    /// Asks each lane that is neither left alone nor still without an answer.
    async fn make_round(&mut self) {
        while let Some(joined) = self.turns.try_join_next() {
            self.note(joined);
        }
        // Whoever had most comes last, so that a single slot goes from lane to lane too.
        let lanes = &self.lanes;
        self.order.sort_by_key(|place| lanes[*place].served);
        for lane in &mut self.lanes {
            lane.served = 0;
        }
        // Slots that become free meanwhile are for the next round, or chance would give them to whoever is asked then.
        let room = wanted_at_most(&self.shared);
        for step in 0..self.order.len() {
            let place = self.order[step];
            if self.lanes[place].can_be_asked() && !self.shared.stopping() {
                let want = self.part(step, room.saturating_sub(self.served()));
                self.ask(place, want).await;
            }
        }
        self.note_idleness();
        self.note_suspects();
    }

    /// How many jobs the lane at this step may lease: the room is shared with those behind it where jobs wait.
    fn part(&self, step: usize, room: usize) -> usize {
        let sharing = self.order[step + 1..].iter().filter(|place| {
            let lane = &self.lanes[**place];
            lane.found.is_waiting && lane.is_prompt && lane.can_be_asked()
        });
        let wanted = wanted(&self.shared, self.order[step]);
        wanted.min(room).div_ceil(sharing.count() + 1)
    }

    /// Begins a turn, and waits for it where its lane has been prompt.
    async fn ask(&mut self, place: usize, want: usize) {
        // With many lanes, each as slow as may be, a round takes longer than a task may be silent.
        self.give_sign();
        let lane = &mut self.lanes[place];
        lane.since = Some(Instant::now());
        lane.found = Found::default();
        self.turns
            .spawn(turn::run(Arc::clone(&self.shared), place, want));
        if !self.lanes[place].is_prompt {
            return;
        }
        let too_long = sleep(PATIENCE);
        tokio::pin!(too_long);
        while self.lanes[place].since.is_some() {
            tokio::select! {
                Some(joined) = self.turns.join_next() => self.note(joined),
                () = &mut too_long => {
                    self.lanes[place].is_prompt = false;
                    return;
                }
                () = self.shared.until_stopping() => return,
            }
        }
    }

    /// Notes what has become of a turn.
    fn note(&mut self, joined: Result<Answer, JoinError>) {
        let answer = match joined {
            Ok(answer) => answer,
            // Who guards the lease task has the process replaced.
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        let part = self.shared.with_random(|random| 0.5 + random.f64() / 2.0);
        let lane = &mut self.lanes[answer.place];
        lane.since = None;
        lane.pause.note(answer.result.is_ok(), part);
        lane.is_prompt = answer.result.is_ok() && answer.took <= PATIENCE;
        let failing = self.lanes.iter().any(|lane| lane.pause.until.is_some());
        match answer.result {
            Ok(found) => {
                if !failing {
                    self.shared.note_health(Ok(()));
                }
                let lane = &mut self.lanes[answer.place];
                lane.served += found.leased;
                lane.found = found;
            }
            Err(error) => self.shared.note_health(Err(&error)),
        }
    }

    /// Whether jobs wait in a lane that has room for them and can be asked.
    fn can_go_on(&self) -> bool {
        self.lanes.iter().enumerate().any(|(place, lane)| {
            lane.found.is_waiting && lane.can_be_asked() && wanted(&self.shared, place) > 0
        })
    }

    fn served(&self) -> usize {
        self.lanes.iter().map(|lane| lane.served).sum()
    }

    /// Notes since when jobs wait beside free slots without one being leased.
    fn note_idleness(&self) {
        let is_idle = self.served() == 0 && self.can_go_on();
        let mut signs = self.shared.signs();
        if is_idle {
            signs.idle_since.get_or_insert_with(Instant::now);
        } else {
            signs.idle_since = None;
        }
    }

    fn note_suspects(&self) {
        let suspects: u64 = self.lanes.iter().map(|lane| lane.found.suspects).sum();
        let is_known = self
            .lanes
            .iter()
            .all(|lane| lane.since.is_none() && lane.pause.until.is_none());
        match self.shared.options.source {
            Source::Pending if suspects > 0 => self.shared.notice("suspects_waiting"),
            Source::Suspects if suspects == 0 && self.served() == 0 && is_known => {
                self.shared.notice("suspects_done");
            }
            _ => {}
        }
    }

    /// Waits for a reason to ask again.
    async fn rest(&mut self) {
        let shared = &self.shared;
        let poll = shared.options.poll_interval;
        let next_due = self.lanes.iter().filter_map(Asked::next_due).min();
        // Lanes that fail are asked again after a while of their own; the others go on.
        let all_fail = self
            .lanes
            .iter()
            .all(|lane| lane.since.is_some() || lane.pause.until.is_some());
        if all_fail {
            let again = next_due.map_or(poll, |at| at.saturating_duration_since(Instant::now()));
            tokio::select! {
                Some(joined) = self.turns.join_next() => self.note(joined),
                () = sleep(again) => {}
                () = shared.until_stopping() => {}
            }
        } else if wanted_at_most(shared) == 0 {
            if std::mem::take(&mut self.watching) {
                self.pass_on_wake();
            }
            tokio::select! {
                () = shared.room.notified() => {}
                () = sleep(poll) => return,
                () = shared.until_stopping() => return,
            }
            gather_room(shared).await;
        } else if self.can_go_on() {
            gather_room(shared).await;
        } else {
            let due = next_due.map_or(poll, |at| {
                at.saturating_duration_since(Instant::now()).min(poll)
            });
            self.watching = next_due.is_some();
            let is_waiting = self.lanes.iter().any(|lane| lane.found.is_waiting);
            tokio::select! {
                Some(joined) = self.turns.join_next() => self.note(joined),
                () = shared.woken.notified() => {}
                () = shared.room.notified(), if is_waiting => {}
                () = sleep(due) => {}
                () = shared.until_stopping() => {}
            }
        }
    }

    /// Has somebody with free slots watch the next due time instead. A token lost here costs a poll interval.
    fn pass_on_wake(&self) {
        for (place, lane) in self.lanes.iter().enumerate() {
            if lane.is_prompt {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    let _ = shared.engine.pass_on_wake(&shared.lanes[place].lane).await;
                });
            }
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
