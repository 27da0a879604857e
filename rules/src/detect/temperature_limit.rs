//! Air temperature beyond its limit for longer than the delay.

use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity, Sample, Utc};

/// On which side of the limit the temperature is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Too warm above the limit.
    High,
    /// Too cold below the limit.
    Low,
}

/// Settings of a [`TemperatureLimit`]. Limits are the chain's policy; the defaults are per class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemperatureLimitConfig {
    /// Which side of the limit is wrong.
    pub direction: Direction,
    /// °C. Exactly at the limit is still right.
    pub limit: f64,
    /// K, 0 or more. A raised condition clears only this far inside the limit.
    pub hysteresis: f64,
    /// How long the temperature must be beyond the limit without a break.
    pub delay: Millis,
    /// The delay instead of `delay` during a defrost, after it, and after start-up of the
    /// equipment, until the temperature has once been right. Only for [`Direction::High`].
    pub delay_hold_off: Millis,
}

impl TemperatureLimitConfig {
    /// The upper limit for a class of equipment, if it has a customary one.
    ///
    /// Freezers −15 °C, the warm excursion that ISO 23953 allows an L1 cabinet; chillers and cold rooms
    /// +7 °C, the warmest of its class M2. Delays 30 min and 90 min (factory settings of the Danfoss EKC
    /// 202 family), hysteresis 0.5 K (a choice of this project). Below them stands
    /// [`Self::pre_alarm_for_class`].
    pub fn for_class(class: Class) -> Option<Self> {
        let limit = match class {
            Class::Chiller | Class::ColdRoom => 7.0,
            Class::Freezer => -15.0,
            _ => return None,
        };
        Some(Self {
            direction: Direction::High,
            limit,
            hysteresis: 0.5,
            delay: Millis::from_mins(30),
            delay_hold_off: Millis::from_mins(90),
        })
    }

    /// The level below the alarm for a class of equipment, if it has a customary one.
    ///
    /// Freezers −18 °C, chillers and cold rooms +5 °C: what the goods should have (Chinese supermarket
    /// practice; FDA Food Code 3-501.16; EU 37/2005). For longer than a defrost with its recovery, 90 min
    /// and 180 min around one (choices of this project): a habit, not an event.
    pub fn pre_alarm_for_class(class: Class) -> Option<Self> {
        let limit = match class {
            Class::Chiller | Class::ColdRoom => 5.0,
            Class::Freezer => -18.0,
            _ => return None,
        };
        Some(Self {
            limit,
            delay: Millis::from_mins(90),
            delay_hold_off: Millis::from_mins(180),
            ..Self::for_class(class)?
        })
    }

    fn is_beyond(&self, temperature: f64) -> bool {
        match self.direction {
            Direction::High => temperature > self.limit,
            Direction::Low => temperature < self.limit,
        }
    }

    fn is_recovered(&self, temperature: f64) -> bool {
        match self.direction {
            Direction::High => temperature <= self.limit - self.hysteresis,
            Direction::Low => temperature >= self.limit + self.hysteresis,
        }
    }

    fn worse(&self, a: f64, b: f64) -> f64 {
        match self.direction {
            Direction::High => a.max(b),
            Direction::Low => a.min(b),
        }
    }
}

/// What a [`TemperatureLimit`] looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemperatureInput {
    /// Air temperature, °C.
    pub temperature: Sample,
    /// Whether the device defrosts; none while that is unknown or there is no such flag.
    pub defrost: Option<bool>,
    /// Known to be no defrost and no recovery from one: nothing is held off any longer.
    pub no_defrost: bool,
}

/// Raised when T > limit (T < limit for [`Direction::Low`]) has held for the delay without a break;
/// cleared when T ≤ limit − hysteresis (T ≥ limit + hysteresis).
///
/// **Hold-off.** After the Danfoss EKC 202 family: during and after a defrost, and at start-up of
/// the equipment, the longer delay is in force until the temperature, with the defrost over, has
/// once been right; not for a fixed time. The delay counts from the start of the excursion, also
/// when a defrost comes later, so it is bounded. A defrost flag that stays on (or was on and went
/// unknown) for longer than the hold-off delay no longer extends anything.
///
/// **Unknown data.** Stale and bad samples never begin, settle or clear anything; an excursion that
/// has begun keeps running and is raised at its delay. An unknown defrost flag counts as it last was.
///
/// With both delays 0 it raises at the very reading; with hysteresis 0 too it is the naive rule.
#[derive(Clone, Debug)]
pub struct TemperatureLimit {
    config: TemperatureLimitConfig,
    state: State,
    /// Worst good sample of the excursion; none right after a restart.
    worst: Option<f64>,
    hold_off: bool,
    /// Since when the defrost flag is on; [`Mono::NEVER`] while it is off.
    defrost_since: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Right,
    Pending { since: Mono },
    Raised { since: Mono },
}

impl TemperatureLimit {
    /// A detector for equipment that starts now: the hold-off is in force.
    pub fn new(config: TemperatureLimitConfig) -> Self {
        Self { config, state: State::Right, worst: None, hold_off: true, defrost_since: Mono::NEVER }
    }

    /// The equipment was running before: no hold-off for its start-up.
    pub fn resume(&mut self) {
        self.hold_off = false;
    }

    /// Continues an excursion that began at `since` and was not raised before the restart.
    pub fn restore_pending(&mut self, now: Now, since: Utc) {
        self.state = State::Pending { since: now.mono_of(since) };
    }

    /// Continues a condition that was raised before the restart with `evidence`.
    pub fn restore_raised(&mut self, now: Now, evidence: &Evidence) {
        self.state = State::Raised { since: now.mono_of(evidence.since) };
        self.worst = evidence.value(Quantity::WorstTemperature);
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, now: Now, input: TemperatureInput) -> Option<Change> {
        self.follow_defrost(now.mono, input.defrost);
        if input.no_defrost {
            self.hold_off = false;
        }
        let temperature = input.temperature.good();
        if let Some(temperature) = temperature {
            if !self.config.is_beyond(temperature) && self.defrost_since.known().is_none() {
                self.hold_off = false;
            }
            if self.state == State::Right && self.config.is_beyond(temperature) {
                self.worst = Some(temperature);
                return Some(self.begin(now, temperature));
            }
            if self.state != State::Right {
                self.worst =
                    Some(self.worst.map_or(temperature, |worst| self.config.worse(worst, temperature)));
            }
        }
        match self.state {
            State::Right => None,
            State::Pending { since } => match temperature {
                Some(temperature) if !self.config.is_beyond(temperature) => {
                    self.state = State::Right;
                    Some(Change::Settled)
                }
                _ => self.raise_if_due(now, since, temperature),
            },
            State::Raised { since } => {
                let temperature = temperature.filter(|t| self.config.is_recovered(*t))?;
                self.state = State::Right;
                Some(Change::Cleared(self.evidence(now, since, Some(temperature))))
            }
        }
    }

    /// Whether the present excursion is explained by a defrost that does not end: the flag was on
    /// before the excursion began and still is.
    pub fn defrost_not_ended(&self) -> bool {
        let since = match self.state {
            State::Right => return false,
            State::Pending { since } | State::Raised { since } => since,
        };
        self.defrost_since.known().is_some_and(|defrost| defrost <= since)
    }

    /// Its settings.
    pub fn config(&self) -> &TemperatureLimitConfig {
        &self.config
    }

    /// Which side of the limit is wrong.
    pub fn direction(&self) -> Direction {
        self.config.direction
    }

    /// Whether the device defrosts, as far as is known.
    pub fn is_defrosting(&self) -> bool {
        self.defrost_since.known().is_some()
    }

    fn follow_defrost(&mut self, now: Mono, defrost: Option<bool>) {
        match (defrost, self.defrost_since.known()) {
            (Some(true), None) => {
                self.defrost_since = now;
                self.hold_off = true;
            }
            (Some(false), Some(_)) => self.defrost_since = Mono::NEVER,
            _ if self.is_overdue(now) => self.hold_off = false,
            _ => {}
        }
    }

    fn is_overdue(&self, now: Mono) -> bool {
        self.defrost_since.known().is_some_and(|since| now - since > self.config.delay_hold_off)
    }

    fn delay(&self) -> Millis {
        match self.config.direction {
            Direction::High if self.hold_off => self.config.delay_hold_off,
            Direction::High | Direction::Low => self.config.delay,
        }
    }

    fn begin(&mut self, now: Now, temperature: f64) -> Change {
        self.state = State::Pending { since: now.mono };
        match self.raise_if_due(now, now.mono, Some(temperature)) {
            Some(raised) => raised,
            None => Change::Pending(now.utc),
        }
    }

    fn raise_if_due(&mut self, now: Now, since: Mono, temperature: Option<f64>) -> Option<Change> {
        if now.mono - since < self.delay() {
            return None;
        }
        self.state = State::Raised { since };
        Some(Change::Raised(self.evidence(now, since, temperature)))
    }

    fn evidence(&self, now: Now, since: Mono, temperature: Option<f64>) -> Evidence {
        Evidence::since(now.utc_of(since))
            .with_known(Quantity::Temperature, temperature)
            .with_known(Quantity::WorstTemperature, self.worst)
            .with(Quantity::TemperatureLimit, self.config.limit)
            .with_span(Quantity::Delay, self.delay())
            .with_span(Quantity::Held, now.mono - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BadReason;

    const UNKNOWN: Sample = Sample::Bad(BadReason::NoResponse);

    fn config() -> TemperatureLimitConfig {
        let customary = TemperatureLimitConfig::for_class(Class::Freezer).expect("refrigeration");
        TemperatureLimitConfig { limit: -18.0, ..customary }
    }
    fn at(minutes: i64) -> Now {
        Now { mono: Mono(-5_000), utc: Utc(1_700_000_000_000) }.after(Millis::from_mins(minutes))
    }
    fn look(temperature: f64, defrost: bool) -> TemperatureInput {
        TemperatureInput { temperature: Sample::Good(temperature), defrost: Some(defrost), no_defrost: false }
    }
    fn running() -> TemperatureLimit {
        let mut detector = TemperatureLimit::new(config());
        assert_eq!(detector.step(at(-1), look(-20.0, false)), None);
        detector
    }
    /// Looks once a minute from `from` until something is said that is not `Pending`.
    fn until_said(
        detector: &mut TemperatureLimit,
        from: i64,
        input: TemperatureInput,
    ) -> Option<(i64, Change)> {
        (from..from + 600).find_map(|minute| match detector.step(at(minute), input) {
            None | Some(Change::Pending(_)) => None,
            Some(change) => Some((minute, change)),
        })
    }

    #[test]
    fn an_excursion_is_raised_at_its_delay_with_its_worst_and_cleared_with_hysteresis() {
        let mut detector = running();
        assert_eq!(detector.step(at(0), look(-18.0, false)), None, "at the limit is right");
        assert_eq!(detector.step(at(1), look(-17.9, false)), Some(Change::Pending(at(1).utc)));
        detector.step(at(2), look(-9.0, false));
        let (minute, change) = until_said(&mut detector, 3, look(-12.0, false)).expect("raised");
        assert_eq!(minute, 31);
        let Change::Raised(evidence) = change else { panic!("{change:?}") };
        assert_eq!(evidence.since, at(1).utc);
        let value = |quantity| evidence.value(quantity);
        assert_eq!(value(Quantity::Temperature), Some(-12.0));
        assert_eq!(value(Quantity::WorstTemperature), Some(-9.0));
        assert_eq!(value(Quantity::TemperatureLimit), Some(-18.0));
        assert_eq!(value(Quantity::Delay), Some(1800.0));
        assert_eq!(value(Quantity::Held), Some(1800.0));
        assert_eq!(detector.step(at(40), look(-18.4, false)), None, "within the hysteresis");
        assert!(matches!(detector.step(at(41), look(-18.5, false)), Some(Change::Cleared(_))));
    }

    #[test]
    fn back_in_time_it_settles() {
        let mut detector = running();
        detector.step(at(0), look(-10.0, false));
        assert_eq!(detector.step(at(29), look(-18.0, false)), Some(Change::Settled));
        assert_eq!(detector.step(at(60), look(-18.0, false)), None);
        let (_, change) = until_said(&mut detector, 61, look(-17.0, false)).expect("raised");
        let Change::Raised(evidence) = change else { panic!("{change:?}") };
        assert_eq!(evidence.value(Quantity::WorstTemperature), Some(-17.0), "of this excursion");
    }

    #[test]
    fn too_cold_is_the_mirror_and_knows_no_hold_off() {
        let low = TemperatureLimitConfig { direction: Direction::Low, limit: -1.0, ..config() };
        let mut detector = TemperatureLimit::new(low);
        assert!(matches!(detector.step(at(0), look(-1.1, true)), Some(Change::Pending(_))));
        let (minute, change) = until_said(&mut detector, 1, look(-3.0, true)).expect("raised");
        assert_eq!(minute, 30);
        assert!(matches!(change, Change::Raised(_)));
        assert_eq!(detector.step(at(31), look(-0.6, false)), None);
        assert!(matches!(detector.step(at(32), look(-0.5, false)), Some(Change::Cleared(_))));
    }

    #[test]
    fn a_starting_cabinet_has_the_longer_delay_until_it_was_once_cold() {
        let mut detector = TemperatureLimit::new(config());
        assert_eq!(until_said(&mut detector, 0, look(20.0, false)).expect("raised").0, 90);
        let mut resumed = TemperatureLimit::new(config());
        resumed.resume();
        assert_eq!(until_said(&mut resumed, 0, look(20.0, false)).expect("raised").0, 30);
    }

    #[test]
    fn after_a_defrost_the_longer_delay_lasts_until_it_was_once_cold() {
        let mut detector = running();
        assert_eq!(detector.step(at(0), look(-20.0, true)), None);
        detector.step(at(5), look(-10.0, true));
        detector.step(at(25), look(-6.0, false));
        assert_eq!(until_said(&mut detector, 26, look(-12.0, false)).expect("raised").0, 95);
        let mut recovered = running();
        recovered.step(at(0), look(-20.0, true));
        recovered.step(at(25), look(-18.0, false));
        assert_eq!(until_said(&mut recovered, 26, look(-12.0, false)).expect("raised").0, 56);
    }

    #[test]
    fn a_defrost_during_an_excursion_does_not_start_it_anew() {
        let mut detector = running();
        detector.step(at(0), look(-10.0, false));
        assert_eq!(until_said(&mut detector, 20, look(-10.0, true)).expect("raised").0, 90);
    }

    #[test]
    fn a_defrost_flag_that_sticks_no_longer_extends_anything() {
        let mut detector = running();
        detector.step(at(0), look(-20.0, true));
        detector.step(at(80), look(-10.0, true));
        let (minute, _) = until_said(&mut detector, 81, look(-10.0, true)).expect("raised");
        assert_eq!(minute, 110, "30 min, since the flag has been on for more than 90");
        assert!(detector.defrost_not_ended());

        let mut unknown = running();
        unknown.step(at(0), look(-20.0, true));
        let blind = TemperatureInput { temperature: Sample::Good(-10.0), defrost: None, no_defrost: false };
        assert_eq!(until_said(&mut unknown, 1, blind).expect("raised").0, 91);
    }

    #[test]
    fn an_unknown_defrost_flag_counts_as_it_last_was() {
        let mut detector = running();
        detector.step(at(0), look(-20.0, true));
        let blind = |t| TemperatureInput { temperature: Sample::Good(t), defrost: None, no_defrost: false };
        assert_eq!(detector.step(at(5), blind(-20.0)), None, "cold, but the defrost may go on");
        assert_eq!(until_said(&mut detector, 10, blind(-10.0)).expect("raised").0, 91);
    }

    #[test]
    fn silence_does_not_keep_an_excursion_quiet_nor_end_it() {
        let mut detector = running();
        detector.step(at(0), look(-10.0, false));
        let silent = TemperatureInput { temperature: UNKNOWN, defrost: None, no_defrost: false };
        let (minute, change) = until_said(&mut detector, 1, silent).expect("raised");
        assert_eq!(minute, 30);
        let Change::Raised(evidence) = change else { panic!("{change:?}") };
        assert!(evidence.facts.iter().all(|f| f.quantity != Quantity::Temperature), "it is not known now");
        let stale =
            TemperatureInput { temperature: Sample::Stale(-25.0), defrost: Some(false), no_defrost: false };
        assert_eq!(detector.step(at(50), stale), None);
    }

    #[test]
    fn without_delays_it_is_the_naive_rule() {
        let naive = TemperatureLimitConfig {
            hysteresis: 0.0,
            delay: Millis(0),
            delay_hold_off: Millis(0),
            ..config()
        };
        let mut detector = TemperatureLimit::new(naive);
        assert!(matches!(detector.step(at(0), look(-17.9, false)), Some(Change::Raised(_))));
        assert!(matches!(detector.step(at(1), look(-18.0, false)), Some(Change::Cleared(_))));
    }

    #[test]
    fn a_restart_goes_on_where_it_was() {
        let mut pending = TemperatureLimit::new(config());
        pending.resume();
        pending.restore_pending(at(20), at(0).utc);
        assert_eq!(until_said(&mut pending, 20, look(-10.0, false)).expect("raised").0, 30);
        let mut raised = TemperatureLimit::new(config());
        let known = Evidence::since(at(0).utc).with(Quantity::WorstTemperature, -7.0);
        raised.restore_raised(at(40), &known);
        assert_eq!(raised.step(at(41), look(-10.0, false)), None, "not raised twice");
        let Some(Change::Cleared(evidence)) = raised.step(at(42), look(-19.0, false)) else { panic!() };
        assert_eq!(evidence.since, at(0).utc);
        assert_eq!(evidence.value(Quantity::WorstTemperature), Some(-7.0));
    }
}
