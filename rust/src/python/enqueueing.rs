//! Storing jobs: from Python's jobs to the lanes that they belong to.

use std::collections::HashMap;
use std::time::Duration;

use pyo3::prelude::*;

use super::convert::durability;
use super::job::{PyJob, check_queue_name};
use super::queue::PyEngine;
use super::waiting::Answer;
use crate::queue::intake::Kept;
use crate::queue::{Lane, NewJob, QueueError};

/// Stores jobs, each on its lane and as durably as asked for; says which of them are new, in the order of the jobs.
///
/// # Errors
///
/// `ValueError` for a job whose queue has no valid name, and for a level that is none.
pub fn enqueueing(
    engine: &PyEngine,
    py: Python<'_>,
    jobs: Vec<Bound<'_, PyJob>>,
    level: &str,
    enqueue_timeout_secs: u64,
) -> PyResult<impl Answer<Vec<bool>>> {
    let level = durability(level)?;
    let intake = engine.intake(py)?;
    let limit = Duration::from_secs(enqueue_timeout_secs);
    let count = jobs.len();
    let mut ids = Vec::with_capacity(count);
    let mut lanes: HashMap<Lane, (Vec<NewJob>, Vec<usize>)> = HashMap::new();
    for (place, job) in jobs.into_iter().enumerate() {
        let queue = job.get().queue_name();
        check_queue_name(queue)?;
        let new = job.get().new_job();
        ids.push(new.member.id());
        let lane = Lane::of(queue, new.member.id(), engine.shards());
        let (jobs, places) = lanes.entry(lane).or_default();
        jobs.push(new);
        places.push(place);
    }
    Ok(async move {
        let mut stored = vec![false; count];
        let mut begun = false;
        for (lane, (jobs, places)) in lanes {
            match intake.enqueue(lane, jobs, level, limit).await {
                Ok(kept) => {
                    begun = true;
                    for (place, kept) in places.into_iter().zip(kept) {
                        // Nobody knows yet whether the queue has known a spooled one.
                        stored[place] = kept != Kept::Known;
                    }
                }
                // What other lanes took is stored: the caller must not believe that nothing is.
                Err(error) if begun => {
                    return Err(QueueError::MaybeStored(error.to_string(), ids.into()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(stored)
    })
}
