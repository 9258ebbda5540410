//! The server's clock beside our own monotonic one: where they disagree, the server's has jumped.
//!
//! Leases run by the server's clock. When that jumps, all of them may run out at once though their workers live, or
//! those of dead workers last for hours; so whoever sees it has reclaiming held back for one lease, in which live
//! workers renew theirs.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How far the clocks may drift apart between two looks, in ms. A slewed clock stays far below it.
const TOLERANCE_MS: i64 = 2_000;

/// A time of the server, read at some moment between two of ours.
#[derive(Clone, Copy)]
struct Look {
    server_ms: i64,
    asked_at: Instant,
    answered_at: Instant,
}

/// The last look at the server's clock.
#[derive(Default)]
pub(super) struct ClockWatch {
    last: Mutex<Option<Look>>,
}

impl ClockWatch {
    /// Takes a time of the server that was asked for and answered at these moments. Says whether its clock has jumped
    /// since the last look.
    pub(super) fn look(&self, server_ms: i64, asked_at: Instant, answered_at: Instant) -> bool {
        let now = Look {
            server_ms,
            asked_at,
            answered_at,
        };
        let last = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(now);
        last.is_some_and(|last| {
            // The server read its clock somewhere between question and answer, both times.
            let passed_ms = server_ms.saturating_sub(last.server_ms);
            let least_ms = ms_between(last.answered_at, asked_at);
            let most_ms = ms_between(last.asked_at, answered_at);
            passed_ms < least_ms - TOLERANCE_MS || passed_ms > most_ms + TOLERANCE_MS
        })
    }
}

/// From one moment to another in ms; negative where the other was before.
fn ms_between(from: Instant, to: Instant) -> i64 {
    let ms =
        |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match to.checked_duration_since(from) {
        Some(after) => ms(after),
        None => -ms(from.duration_since(to)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Looks at the clock twice, `passed_ms` apart by the server, and our own ms after the start at which the second
    /// look was asked for and answered.
    fn jumped(passed_ms: i64, asked_ms: u64, answered_ms: u64) -> bool {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let watch = ClockWatch::default();
        assert!(!watch.look(1_000_000, start, after(10)), "the first look");
        watch.look(1_000_000 + passed_ms, after(asked_ms), after(answered_ms))
    }

    #[test]
    fn clocks_that_go_alike_do_not_jump() {
        assert!(!jumped(10_000, 10_000, 10_005));
        assert!(!jumped(11_900, 10_000, 10_005));
        assert!(!jumped(8_100, 10_000, 10_005));
    }

    #[test]
    fn an_answer_that_was_long_on_its_way_is_no_jump() {
        assert!(!jumped(60_000, 1_000, 60_000));
        assert!(!jumped(1_000, 1_000, 60_000));
    }

    #[test]
    fn looks_that_overtake_each_other_are_no_jump() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let watch = ClockWatch::default();
        assert!(!watch.look(5_000, after(5_000), after(5_010)));
        assert!(!watch.look(4_990, after(4_980), after(5_020)));
    }

    #[test]
    fn a_jump_is_seen_in_both_directions_and_once() {
        assert!(jumped(3_610_000, 10_000, 10_005));
        assert!(jumped(-3_590_000, 10_000, 10_005));
        assert!(jumped(0, 3_000, 3_005));
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let watch = ClockWatch::default();
        watch.look(0, start, start);
        assert!(watch.look(3_600_000, after(10), after(10)));
        assert!(!watch.look(3_600_010, after(20), after(20)));
    }
}
