//! Dealing: what a turn has leased goes to the worker, or where else it belongs.

use std::sync::Arc;
use std::time::Instant;

use crate::job::{Decoded, Job};
use crate::metrics::Failure;
use crate::policy::failure;
use crate::queue::record::{self, History};
use crate::queue::{Incarnation, Lease, Nack, Token, Verdict};

use super::job::LeasedJob;
use super::report::{Change, Pending};
use super::shared::Shared;

/// Hands out what can run; what cannot goes where it belongs without taking a slot. Returns how many jobs found no free
/// slot, and are given back.
pub(super) fn deal(
    shared: &Shared,
    place: usize,
    incarnation: &Incarnation,
    dealt: Vec<Lease>,
    now_ms: i64,
    asked_at: Instant,
) -> usize {
    let mut jobs = Vec::with_capacity(dealt.len());
    for lease in dealt {
        let token = Token {
            member: lease.member,
            call: lease.call,
        };
        match decode(shared, &lease) {
            Ok((job, history)) => {
                let leased =
                    LeasedJob::new(job, token, place, incarnation.clone(), history, asked_at);
                if now_ms > leased.expires_at_ms() {
                    shared.put(expired(&leased));
                } else if shared
                    .options
                    .known_actions
                    .contains(&leased.job.action_type)
                {
                    jobs.push(Arc::new(leased));
                } else {
                    let reason = format!("unknown action type {:?}", leased.job.action_type);
                    let until = leased.expires_at_ms();
                    shared.put(parked(place, incarnation, token, until, &reason));
                }
            }
            Err(Refused::Newer(what)) => {
                let until = now_ms.saturating_add(
                    i64::try_from(shared.options.max_age.as_millis()).unwrap_or(i64::MAX),
                );
                shared.put(parked(
                    place,
                    incarnation,
                    token,
                    until,
                    &format!("newer worker needed: {what}"),
                ));
            }
            Err(Refused::Corrupt(why)) => shared.put(Pending {
                lane: place,
                incarnation: incarnation.clone(),
                action_type: "other".into(),
                change: Change::Nack(
                    Nack {
                        token,
                        verdict: Verdict::Dead,
                        history: Vec::new(),
                        failure: failure(Failure::Corrupt, None, None, &why),
                        record: Vec::new(),
                    },
                    Some(Failure::Corrupt),
                ),
            }),
        }
    }
    let others = shared.hand_out(jobs);
    for job in &others {
        shared.release_stale(job);
    }
    others.len()
}

enum Refused {
    Newer(String),
    Corrupt(String),
}

fn decode(shared: &Shared, lease: &Lease) -> Result<(Job, History), Refused> {
    match Job::decode_stored(&lease.bytes, lease.member.id()) {
        Decoded::Job(job) => {
            let (history, garbled) = History::unpack(lease.history.as_deref());
            if garbled {
                shared.notice(format!("garbled_history: {}", job.id));
            }
            Ok((*job, history))
        }
        Decoded::Newer(what) => Err(Refused::Newer(what)),
        Decoded::Corrupt(why) => Err(Refused::Corrupt(why)),
    }
}

fn parked(
    lane: usize,
    incarnation: &Incarnation,
    token: Token,
    until_ms: i64,
    reason: &str,
) -> Pending {
    Pending {
        lane,
        incarnation: incarnation.clone(),
        action_type: "other".into(),
        change: Change::Nack(
            Nack {
                token,
                verdict: Verdict::Park(until_ms),
                history: Vec::new(),
                failure: record::Failure::because(reason).pack(),
                record: Vec::new(),
            },
            None,
        ),
    }
}

fn expired(job: &LeasedJob) -> Pending {
    Pending {
        lane: job.lane,
        incarnation: job.incarnation.clone(),
        action_type: job.job.action_type.as_str().into(),
        change: Change::Nack(
            Nack {
                token: job.token,
                verdict: Verdict::Dead,
                history: Vec::new(),
                failure: failure(
                    Failure::Expired,
                    Some(&job.job),
                    None,
                    "older than max_age_secs",
                ),
                record: Vec::new(),
            },
            Some(Failure::Expired),
        ),
    }
}
