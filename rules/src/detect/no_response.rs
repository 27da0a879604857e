//! Loss of sight of a device.

use crate::{Change, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`NoResponse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoResponseConfig {
    /// How long nothing good may come; at least three poll intervals are always allowed.
    pub delay: Millis,
}

impl Default for NoResponseConfig {
    /// Two minutes (a choice of this project): longer than a controller's restart.
    fn default() -> Self {
        Self { delay: Millis::from_mins(2) }
    }
}

/// Raised when nothing good has come from any point of the device for longer than
/// max(delay, 3 × poll interval); cleared by the first good reading.
///
/// Silence counts from the last good reading, or from the first step if there was none.
#[derive(Clone, Debug)]
pub struct NoResponse {
    delay: Millis,
    last_good: Option<Mono>,
    raised: bool,
}

impl NoResponse {
    /// A detector for a device that is polled every `poll`.
    pub fn new(config: NoResponseConfig, poll: Millis) -> Self {
        Self { delay: config.delay.max(Millis(3 * poll.0)), last_good: None, raised: false }
    }

    /// Continues a silence that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.last_good = Some(now.mono_of(since));
        self.raised = true;
    }

    /// To be called at every reading of the device, with whether it was good, and once a second
    /// with `false`.
    pub fn step(&mut self, now: Now, good: bool) -> Option<Change> {
        let since = *self.last_good.get_or_insert(now.mono);
        if good {
            self.last_good = Some(now.mono);
            let was_raised = core::mem::replace(&mut self.raised, false);
            return was_raised.then(|| Change::Cleared(self.evidence(now, since)));
        }
        if self.raised || now.mono - since <= self.delay {
            return None;
        }
        self.raised = true;
        Some(Change::Raised(self.evidence(now, since)))
    }

    fn evidence(&self, now: Now, since: Mono) -> Evidence {
        Evidence::since(now.utc_of(since))
            .with_span(Quantity::Held, now.mono - since)
            .with_span(Quantity::Delay, self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Now {
        Now::default().after(Millis::from_secs(seconds))
    }

    #[test]
    fn silence_is_raised_once_after_its_delay_and_cleared_by_the_first_good_reading() {
        let mut detector =
            NoResponse::new(NoResponseConfig { delay: Millis::from_secs(60) }, Millis::from_secs(5));
        assert_eq!(detector.step(at(0), true), None);
        assert_eq!(detector.step(at(60), false), None, "exactly the delay is not longer than it");
        let Some(Change::Raised(evidence)) = detector.step(at(61), false) else { panic!("silent for 61 s") };
        assert_eq!(evidence.since, at(0).utc);
        assert_eq!(evidence.facts[0].value, 61.0);
        assert_eq!(detector.step(at(3600), false), None, "raised once");
        assert!(matches!(detector.step(at(3601), true), Some(Change::Cleared(_))));
        assert_eq!(detector.step(at(3602), true), None);
    }

    #[test]
    fn a_slowly_polled_device_is_given_three_polls() {
        let mut detector =
            NoResponse::new(NoResponseConfig { delay: Millis::from_secs(60) }, Millis::from_mins(5));
        assert_eq!(detector.step(at(0), true), None);
        assert_eq!(detector.step(at(900), false), None);
        assert!(matches!(detector.step(at(901), false), Some(Change::Raised(_))));
    }

    #[test]
    fn a_device_that_never_answered_is_silent_since_the_first_step() {
        let mut detector = NoResponse::new(NoResponseConfig::default(), Millis::from_secs(5));
        assert_eq!(detector.step(at(0), false), None);
        assert!(matches!(detector.step(at(121), false), Some(Change::Raised(_))));
    }

    #[test]
    fn a_restored_silence_is_not_raised_again() {
        let mut detector = NoResponse::new(NoResponseConfig::default(), Millis::from_secs(5));
        detector.restore_raised(at(10_000), Utc(1_000_000));
        assert_eq!(detector.step(at(20_000), false), None);
        let Some(Change::Cleared(evidence)) = detector.step(at(20_001), true) else { panic!("it answered") };
        assert_eq!(evidence.since, Utc(1_000_000));
    }
}
