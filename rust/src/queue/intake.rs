//! The way in for producers: to the queue, or to the spool while the queue is away.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::gather::Gather;
use super::spool::{NotTaken, Spool};
use super::{Durability, Lane, NewJob, QueueError};
use crate::runtime::keep_up;

/// How long one attempt to replay a batch may take.
const REPLAY_LIMIT: Duration = Duration::from_secs(10);

/// First and longest pause after such an attempt has failed.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often files of processes that are gone are looked for.
const ADOPT_INTERVAL: Duration = Duration::from_secs(15);

/// How long closing waits for what the replay is just sending; what is then not confirmed stays in the spool.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// What has become of a job that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The queue has stored it.
    New,
    /// The queue knew its id already.
    Known,
    /// It is on this machine's disk, and will go to the queue when that is back.
    Spooled,
}

/// What a process enqueues through.
pub struct Intake {
    gather: Arc<Gather>,
    spool: Option<Arc<Spool>>,
    replay: Mutex<Option<Replay>>,
}

/// The replay task: it ends when its owner says so, or is gone.
struct Replay {
    go_on: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Intake {
    /// An intake that spools where there is a spool; what that holds is replayed from now on.
    pub fn start(gather: Gather, spool: Option<Arc<Spool>>, runtime: &Handle) -> Self {
        let gather = Arc::new(gather);
        let replay = spool.as_ref().map(|spool| {
            let (go_on, stop) = watch::channel(true);
            let (to, from) = (Arc::clone(&gather), Arc::clone(spool));
            let task = keep_up(move || replay(Arc::clone(&to), Arc::clone(&from), stop.clone()));
            Replay {
                go_on,
                task: runtime.spawn(task),
            }
        });
        Self {
            gather,
            spool,
            replay: Mutex::new(replay),
        }
    }

    /// Stores jobs of one lane as durably as asked for, or spools them while the queue does not answer; says for each
    /// what has become of it. While others wait in the spool, jobs go there at once, behind them, unless only other lanes' do.
    ///
    /// # Errors
    ///
    /// As of [`Gather::enqueue`]; what the spool could not take is then as if there were none. The spool has as long as
    /// the queue, so that a call takes at most about twice the limit.
    pub async fn enqueue(
        &self,
        lane: Lane,
        jobs: Vec<NewJob>,
        level: Option<Durability>,
        limit: Duration,
    ) -> Result<Vec<Kept>, QueueError> {
        let Some(spool) = &self.spool else {
            return kept(self.gather.enqueue(lane, jobs, level, limit).await);
        };
        let count = jobs.len();
        if count > 0
            && spool.is_ahead_of(&lane)
            && spool
                .take(lane.clone(), jobs.clone(), level, limit)
                .await
                .is_ok()
        {
            return Ok(vec![Kept::Spooled; count]);
        }
        match self
            .gather
            .enqueue(lane.clone(), jobs.clone(), level, limit)
            .await
        {
            Err(error) if error.transient() => {
                let ids = jobs.iter().map(|job| job.member.id()).collect();
                match spool.take(lane, jobs, level, limit).await {
                    Ok(()) => Ok(vec![Kept::Spooled; count]),
                    Err(NotTaken::Nothing(text)) => Err(and_the_spool(error, &text)),
                    Err(NotTaken::Unknown(text)) => Err(QueueError::MaybeStored(text, ids)),
                }
            }
            answer => kept(answer),
        }
    }

    /// Ends the replay, and lets go of the spool when no call uses it any more: what is in there is for whoever opens it next.
    pub async fn close(self: Arc<Self>) {
        let replay = self
            .replay
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Replay { go_on, mut task }) = replay {
            go_on.send_replace(false);
            if timeout(CLOSE_LIMIT, &mut task).await.is_err() {
                task.abort();
                let _ = task.await;
            }
        }
        let spool = Arc::into_inner(self).and_then(|intake| intake.spool);
        if let Some(spool) = spool.and_then(Arc::into_inner) {
            spool.close().await;
        }
    }

    /// Lets go of the spool in a process that was forked from its owner.
    pub fn abandon(&self) {
        if let Some(spool) = &self.spool {
            spool.abandon();
        }
    }
}

fn kept(answer: Result<Vec<bool>, QueueError>) -> Result<Vec<Kept>, QueueError> {
    let word = |new| if new { Kept::New } else { Kept::Known };
    answer.map(|stored| stored.into_iter().map(word).collect())
}

/// An error of the queue, with why the spool did not help.
fn and_the_spool(error: QueueError, text: &str) -> QueueError {
    match error {
        QueueError::Unavailable(said) => {
            QueueError::Unavailable(format!("{said}; not spooled: {text}"))
        }
        QueueError::MaybeStored(said, ids) => {
            QueueError::MaybeStored(format!("{said}; not spooled: {text}"), ids)
        }
        error => error,
    }
}

/// The replay task: what is spooled goes to the queue in order, however long that takes.
async fn replay(to: Arc<Gather>, from: Arc<Spool>, mut stop: watch::Receiver<bool>) {
    let changed = from.changed();
    let mut pause = FIRST_PAUSE;
    while goes_on(&stop) {
        let begun = Instant::now();
        // Errors of the file system are tried again: the jobs stay where they are, and the metrics show them.
        let mut failed = from.adopt().await.is_err();
        // Only a queue that answers gets what is read: a job that is on its way cannot be erased in its file any more.
        let is_away = from.has_backlog() && !to.answers().await;
        failed |= is_away || pass(&to, &from, &stop).await.unwrap_or(true);
        let next = async {
            if failed {
                // A look at much that waits must not keep the disk busy.
                sleep(pause.max(10 * begun.elapsed()).min(ADOPT_INTERVAL)).await;
            } else {
                let _ = timeout(ADOPT_INTERVAL, changed.notified()).await;
            }
        };
        tokio::select! {
            () = next => {}
            _ = stop.changed() => {}
        }
        pause = if failed {
            LONGEST_PAUSE.min(pause * 2)
        } else {
            FIRST_PAUSE
        };
    }
}

/// Whether the owner is there, and has not said that it shall end.
fn goes_on(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() && stop.has_changed().is_ok()
}

/// Replays all that the queue takes; says whether anything is left. Behind a call that it does not take only those of the
/// same lane wait.
async fn pass(to: &Gather, from: &Spool, stop: &watch::Receiver<bool>) -> io::Result<bool> {
    from.begin().await?;
    while let Some(batch) = from.next(to.batch_size()).await? {
        if !goes_on(stop) {
            return Ok(true);
        }
        // The number of shards may be another one now than when they were taken.
        let queue = &batch.noted.queue;
        let sent = to
            .enqueue_spread(queue, batch.jobs.clone(), batch.level, REPLAY_LIMIT)
            .await;
        match sent {
            Ok(()) => from.done(batch).await?,
            Err(QueueError::Corrupt(_)) => from.refused(batch).await?,
            Err(error) if error.transient() && !to.answers().await => return Ok(true),
            Err(_) => from.wait(batch).await?,
        }
    }
    from.end().await
}
