//! A light that is commanded on and stays dark.

use crate::{Change, Evidence, Millis, Mono, Now, Quantity, Sample, Utc};

/// Settings of a [`LightDark`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LightDarkConfig {
    /// How long it may be dark: longer than a relay and a meter take to follow a command.
    pub delay: Millis,
    /// Least power (W) of a lamp circuit that shines; used where the circuit's power is measured.
    pub power_min: f64,
}

impl Default for LightDarkConfig {
    /// Two minutes and 5 W: choices of this project, to be set to the lamp.
    fn default() -> Self {
        Self { delay: Millis::from_mins(2), power_min: 5.0 }
    }
}

/// What a [`LightDark`] looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LightDarkInput {
    /// What the light was last commanded to; none before the first command.
    pub commanded: Option<bool>,
    /// What the switch reads back.
    pub read_back: Sample,
    /// Power of the lamp circuit, W; none where it is not measured.
    pub power: Option<Sample>,
}

impl LightDarkInput {
    /// Whether it is dark, as far as is known: one good sign of dark is enough, shining needs all.
    fn is_dark(&self, power_min: f64) -> Option<bool> {
        let off = self.read_back.flag().map(|on| !on);
        let no_power = match self.power {
            Some(power) => power.good().map(|power| power < power_min),
            None => Some(false),
        };
        match (off, no_power) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }
    }
}

/// Raised when a light that is commanded on reads back off, or its circuit draws less than the
/// least power, for longer than the delay. Cleared when it shines, or is commanded off: then it is
/// no longer put to the test.
///
/// **Unknown data.** Unknown samples neither raise nor clear; the time that runs keeps running.
#[derive(Clone, Debug)]
pub struct LightDark {
    config: LightDarkConfig,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Right,
    Pending { since: Mono },
    Raised { since: Mono },
}

impl LightDark {
    /// A detector for one light.
    pub fn new(config: LightDarkConfig) -> Self {
        Self { config, state: State::Right }
    }

    /// Continues a darkness that began at `since` and was not raised before the restart.
    pub fn restore_pending(&mut self, now: Now, since: Utc) {
        self.state = State::Pending { since: now.mono_of(since) };
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.state = State::Raised { since: now.mono_of(since) };
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, now: Now, input: LightDarkInput) -> Option<Change> {
        let dark = match input.commanded? {
            true => input.is_dark(self.config.power_min),
            false => Some(false),
        };
        match (self.state, dark?) {
            (State::Right, true) => {
                self.state = State::Pending { since: now.mono };
                Some(Change::Pending(now.utc))
            }
            (State::Pending { since }, true) if now.mono - since > self.config.delay => {
                self.state = State::Raised { since };
                Some(Change::Raised(self.evidence(now, since, input)))
            }
            (State::Pending { .. }, false) => {
                self.state = State::Right;
                Some(Change::Settled)
            }
            (State::Raised { since }, false) => {
                self.state = State::Right;
                Some(Change::Cleared(self.evidence(now, since, input)))
            }
            (State::Right, false) | (State::Pending { .. } | State::Raised { .. }, true) => None,
        }
    }

    fn evidence(&self, now: Now, since: Mono, input: LightDarkInput) -> Evidence {
        let power = input.power.and_then(Sample::good);
        Evidence::since(now.utc_of(since))
            .with_known(Quantity::ReadBack, input.read_back.good())
            .with_known(Quantity::LampPower, power)
            .with_known(Quantity::LampPowerLimit, power.map(|_| self.config.power_min))
            .with_span(Quantity::Held, now.mono - since)
            .with_span(Quantity::Delay, self.config.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BadReason;

    const UNKNOWN: Sample = Sample::Bad(BadReason::NoResponse);
    const ON: Sample = Sample::Good(1.0);
    const OFF: Sample = Sample::Good(0.0);

    fn at(seconds: i64) -> Now {
        Now::default().after(Millis::from_secs(seconds))
    }
    fn look(commanded: bool, read_back: Sample, power: Option<Sample>) -> LightDarkInput {
        LightDarkInput { commanded: Some(commanded), read_back, power }
    }

    #[test]
    fn a_switch_that_does_not_obey_is_raised_after_the_delay() {
        let mut light = LightDark::new(LightDarkConfig::default());
        assert!(matches!(light.step(at(0), look(true, OFF, None)), Some(Change::Pending(_))));
        assert_eq!(light.step(at(120), look(true, OFF, None)), None);
        let Some(Change::Raised(evidence)) = light.step(at(121), look(true, OFF, None)) else { panic!() };
        assert_eq!((evidence.facts[0].quantity, evidence.facts[0].value), (Quantity::ReadBack, 0.0));
        assert!(matches!(light.step(at(130), look(true, ON, None)), Some(Change::Cleared(_))));
    }

    #[test]
    fn a_lamp_that_draws_nothing_is_dark_though_its_switch_is_on() {
        let mut light = LightDark::new(LightDarkConfig::default());
        light.step(at(0), look(true, ON, Some(Sample::Good(0.4))));
        let change = light.step(at(200), look(true, ON, Some(Sample::Good(0.4))));
        let Some(Change::Raised(evidence)) = change else { panic!("{change:?}") };
        assert!(evidence.facts.iter().any(|f| f.quantity == Quantity::LampPower && f.value == 0.4));
    }

    #[test]
    fn commanded_off_it_is_no_longer_put_to_the_test() {
        let mut light = LightDark::new(LightDarkConfig::default());
        light.step(at(0), look(true, OFF, None));
        assert_eq!(light.step(at(60), look(false, OFF, None)), Some(Change::Settled));
        light.step(at(100), look(true, OFF, None));
        assert!(matches!(light.step(at(300), look(true, OFF, None)), Some(Change::Raised(_))));
        assert!(matches!(light.step(at(301), look(false, OFF, None)), Some(Change::Cleared(_))));
    }

    #[test]
    fn off_is_not_dark() {
        let mut light = LightDark::new(LightDarkConfig::default());
        assert_eq!(light.step(at(0), look(false, OFF, None)), None);
        assert_eq!(light.step(at(900), look(false, OFF, None)), None);
        let never = LightDarkInput { commanded: None, read_back: OFF, power: None };
        assert_eq!(light.step(at(1800), never), None);
    }

    #[test]
    fn unknown_neither_raises_nor_clears() {
        let mut light = LightDark::new(LightDarkConfig::default());
        light.step(at(0), look(true, OFF, None));
        assert_eq!(light.step(at(500), look(true, UNKNOWN, None)), None);
        assert!(matches!(light.step(at(501), look(true, OFF, None)), Some(Change::Raised(_))));
        assert_eq!(light.step(at(600), look(true, UNKNOWN, None)), None);
        assert_eq!(light.step(at(601), look(true, ON, Some(UNKNOWN))), None, "a switch is not yet light");
    }
}
