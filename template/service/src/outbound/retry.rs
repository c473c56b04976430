//! When to try again: later each time, at no time in step with others, and all together within a budget.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::Again;

/// How often an event is tried. With the pauses between, a receiver may be away for some 15 seconds.
pub const ATTEMPTS: u32 = 10;

/// The longest pause after the first attempt; it doubles with each.
const FIRST: Duration = Duration::from_millis(100);

/// No pause is longer, nor what a receiver asks for.
const LONGEST: Duration = Duration::from_secs(10);

/// How many retries each first attempt earns: when all fails, the load grows by a fifth, not tenfold.
const EARNED: f64 = 0.2;

/// How many retries are earned in a second whatever else happens, or those that wait would wait for ever.
const EARNED_PER_SECOND: f64 = 1.0;

/// How many retries can be saved up.
const SAVED: f64 = 100.0;

/// How many are there in the beginning.
const RESERVE: f64 = 10.0;

/// The pause after attempt number `attempt`, the first of which is 1.
///
/// It is random between zero and a bound that doubles: those who failed together don't come back together (["full
/// jitter"]). What the receiver asked for is waited for before.
///
/// ["full jitter"]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
pub(super) fn pause(attempt: u32, again: Again) -> Duration {
    let bound = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST);
    let asked = match again {
        Again::After(asked) => asked.min(LONGEST),
        Again::Later | Again::Never => Duration::ZERO,
    };
    asked + bound.mul_f64(random())
}

/// From 0 to 1. A new `RandomState` has other keys than the last one.
fn random() -> f64 {
    f64::from(u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// What all retries together may spend: a token each. A receiver that is overloaded is not helped by being asked more
/// often, however few retries each event has (Google's [SRE book], "Handling Overload"; Finagle's `RetryBudget`).
///
/// [SRE book]: https://sre.google/sre-book/handling-overload/
#[derive(Debug)]
pub(super) struct Budget(Mutex<Tokens>);

#[derive(Debug)]
struct Tokens {
    /// How many there are, and parts of one.
    saved: f64,
    /// When time was last paid for.
    paid: Instant,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Tokens { saved: RESERVE, paid: Instant::now() }))
    }

    /// A first attempt is made.
    pub(super) fn earn(&self) {
        self.change(|saved| *saved += EARNED);
    }

    /// Waits for a token, and takes it.
    ///
    /// # Cancel safety
    /// Dropping it takes none.
    pub(super) async fn spend(&self) {
        while let Some(missing) = self.take() {
            sleep(Duration::from_secs_f64(missing / EARNED_PER_SECOND)).await;
        }
    }

    /// Takes a token, or says what part of one is missing.
    fn take(&self) -> Option<f64> {
        self.change(|saved| {
            // Sums of fifths don't always make a whole.
            let missing = 1.0 - *saved;
            if missing > 1e-3 {
                return Some(missing);
            }
            *saved = (*saved - 1.0).max(0.0);
            None
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut f64) -> T) -> T {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        tokens.saved = (tokens.saved + EARNED_PER_SECOND * (now - tokens.paid).as_secs_f64()).min(SAVED);
        tokens.paid = now;
        let result = change(&mut tokens.saved);
        tokens.saved = tokens.saved.min(SAVED);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        for (attempt, bound) in [(1, 100), (2, 200), (4, 800), (8, 10_000), (40, 10_000)] {
            let pauses: Vec<_> = (0..100).map(|_| pause(attempt, Again::Later)).collect();
            let bound = Duration::from_millis(bound);
            assert!(pauses.iter().all(|pause| *pause <= bound), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause > bound / 2), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause < bound / 2), "{pauses:?}");
        }
    }

    #[test]
    fn what_the_receiver_asks_for_is_waited_for_within_reason() {
        let minute = Again::After(Duration::from_secs(60));
        let (two, asked) = (Duration::from_secs(2), Again::After(Duration::from_secs(2)));
        assert!((two..=two + FIRST).contains(&pause(1, asked)));
        assert!(pause(1, minute) <= LONGEST + FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_a_fifth_of_the_requests_beyond_a_reserve() {
        let budget = Budget::new();
        for _ in 0..100 {
            budget.earn();
        }
        let spent = std::iter::repeat_with(|| budget.take()).take_while(Option::is_none).count();
        assert_eq!(spent, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn without_requests_there_is_one_retry_a_second() {
        let budget = Budget::new();
        let start = Instant::now();
        for _ in 0..15 {
            budget.spend().await;
        }
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_times_save_up_only_so_much() {
        let budget = Budget::new();
        sleep(Duration::from_secs(3600)).await;
        let spent = std::iter::repeat_with(|| budget.take()).take_while(Option::is_none).count();
        assert_eq!(spent, 100);
    }
}
