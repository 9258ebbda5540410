//! How long to wait before the next attempt.

use fastrand::Rng;

/// How the delay grows from one attempt to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackoffStrategy {
    /// Doubles each time.
    Exponential,
    /// Grows by the initial delay each time.
    Linear,
    /// Stays the same.
    Fixed,
}

impl BackoffStrategy {
    /// Every strategy.
    pub const ALL: [Self; 3] = [Self::Exponential, Self::Linear, Self::Fixed];

    /// The word in files and jobs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exponential => "exponential",
            Self::Linear => "linear",
            Self::Fixed => "fixed",
        }
    }

    /// The strategy of a word.
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == word)
    }
}

/// What chance does to the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// The delay is uniform between zero and the calculated one, so that jobs that failed together do not return together.
    Full,
    /// The delay is the calculated one.
    None,
}

impl Jitter {
    /// Every kind of jitter.
    pub const ALL: [Self; 2] = [Self::Full, Self::None];

    /// The word in files and jobs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::None => "none",
        }
    }

    /// The jitter of a word.
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|jitter| jitter.as_str() == word)
    }
}

/// The delay in milliseconds after attempt number `attempt` has failed, before jitter.
///
/// Exponential `initial * 2^(attempt - 1)`, linear `initial * attempt`, fixed `initial`; each saturating, and never
/// above `max_delay_ms`. Attempts count from 1; 0 is taken as 1.
pub fn calculate_backoff(
    strategy: BackoffStrategy,
    attempt: u32,
    initial_delay_ms: u64,
    max_delay_ms: u64,
) -> u64 {
    let attempt = attempt.max(1);
    let delay = match strategy {
        BackoffStrategy::Exponential => {
            initial_delay_ms.saturating_mul(2_u64.saturating_pow(attempt - 1))
        }
        BackoffStrategy::Linear => initial_delay_ms.saturating_mul(attempt.into()),
        BackoffStrategy::Fixed => initial_delay_ms,
    };
    delay.min(max_delay_ms)
}

/// Draws the wait in milliseconds from a calculated delay, never under `retry_after_ms` (0 where nobody asked for one).
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
pub fn draw_delay(delay_ms: u64, jitter: Jitter, retry_after_ms: u64, rng: &mut Rng) -> u64 {
    let drawn = match jitter {
        Jitter::Full => rng.u64(0..=delay_ms),
        Jitter::None => delay_ms,
    };
    drawn.max(retry_after_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_grows_as_it_says_up_to_the_cap() {
        let delays = |strategy| {
            [1, 2, 3, 10].map(|attempt| calculate_backoff(strategy, attempt, 100, 1_000))
        };
        assert_eq!(delays(BackoffStrategy::Exponential), [100, 200, 400, 1_000]);
        assert_eq!(delays(BackoffStrategy::Linear), [100, 200, 300, 1_000]);
        assert_eq!(delays(BackoffStrategy::Fixed), [100; 4]);
        assert_eq!(calculate_backoff(BackoffStrategy::Fixed, 1, 500, 200), 200);
    }

    #[test]
    fn huge_numbers_saturate_instead_of_wrapping() {
        for strategy in [BackoffStrategy::Exponential, BackoffStrategy::Linear] {
            assert_eq!(
                calculate_backoff(strategy, u32::MAX, u64::MAX, u64::MAX),
                u64::MAX
            );
        }
        assert_eq!(
            calculate_backoff(BackoffStrategy::Exponential, u32::MAX, 0, 1_000),
            0
        );
    }

    #[test]
    fn full_jitter_reaches_both_ends_and_never_leaves_them() {
        let mut rng = Rng::with_seed(7);
        let mut seen = [false; 4];
        for _ in 0..200 {
            let delay = draw_delay(3, Jitter::Full, 0, &mut rng);
            seen[usize::try_from(delay).expect("at most 3")] = true;
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!(draw_delay(3, Jitter::None, 0, &mut rng), 3);
        assert_eq!(draw_delay(0, Jitter::Full, 0, &mut rng), 0);
    }

    #[test]
    fn the_wait_is_never_under_retry_after() {
        let mut rng = Rng::with_seed(7);
        assert_eq!(
            draw_delay(100, Jitter::Full, 3_600_000, &mut rng),
            3_600_000
        );
        assert_eq!(draw_delay(100, Jitter::None, 1, &mut rng), 100);
    }

    #[test]
    fn the_same_seed_draws_the_same_waits() {
        let draw = || draw_delay(u64::MAX, Jitter::Full, 0, &mut Rng::with_seed(42));
        assert_eq!(draw(), draw());
    }
}
