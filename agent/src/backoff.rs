//! Growing pauses between tries, with jitter. Pure: the random share comes in.

use std::time::Duration;

/// First pause.
const FIRST: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// How often in a row it failed.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It failed once more: how long to pause. `share` (0 to 1) spreads the pause over its upper half,
    /// so that thousands of stores do not return in the same second.
    pub fn failed(&mut self, share: f64) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        pause.mul_f64(0.5 + share.clamp(0.0, 1.0) / 2.0)
    }
    /// It worked: the next pause is short again.
    pub fn worked(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_again() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.failed(1.0).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.failed(0.0).as_secs(), 15);
        backoff.worked();
        assert_eq!(backoff.failed(0.0).as_millis(), 250);
    }
}
