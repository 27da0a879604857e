//! Growing pauses between tries.

use std::time::Duration;

/// Pauses that double from the first to the longest, each shortened by up to a half at random, so
/// that many clients of a restarted server do not come back in the same moment.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pause {
    /// From `first` to `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// After a success: begin again with the first.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// The pause after a failure; `random` is from 0 to 1.
    pub(crate) fn after_failure(&mut self, random: f64) -> Duration {
        let pause = self.next.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0);
        self.next = (self.next * 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again() {
        let mut pause = Pause::new(Duration::from_millis(500), Duration::from_secs(3));
        let pauses: Vec<_> = (0..5).map(|_| pause.after_failure(0.0).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 3000, 3000]);
        assert_eq!(pause.after_failure(1.0), Duration::from_millis(1500));
        pause.reset();
        assert_eq!(pause.after_failure(0.0), Duration::from_millis(500));
    }
}
