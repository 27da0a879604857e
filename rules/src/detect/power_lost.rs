//! A cabinet that draws no power at all.

use crate::cabinet::Scene;
use crate::diagnosis::Symptoms;
use crate::time::minutes;
use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`PowerLost`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLostConfig {
    /// W: less than the least a live cabinet draws.
    pub below: f32,
    /// For how long.
    pub delay: Millis,
}

impl PowerLostConfig {
    /// The usual settings of a class; none for what is not refrigeration. 2 W, less than a controller
    /// with its display; 3 min, longer than a breaker that is tried once: choices of this project.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self { below: 2.0, delay: Millis::from_mins(3) })
    }
}

/// Minutes alive at rest from which a cabinet counts as one that never rests at nothing: a few rests of
/// a compressor. A choice of this project, as the figures below.
const ALIVE_MIN: f32 = 60.0;
/// Weight of a minute that is not known to be one of rest: a first run may last for hours, so that a day
/// of it tells as much as an hour at rest.
const ALIVE_OTHERWISE: f32 = 1.0 / 24.0;
/// Minutes alive from which both sums are halved: what was long ago counts less.
const ALIVE_MAX: f32 = 600.0;
/// Dark minutes that are all the same usual, as a share of those alive.
const DARK_MAX: f32 = 0.05;
/// Minutes: longer than this one dark span does not count, so that a long cut is not taken for a habit.
const DARK_SPAN_MAX: f32 = 10.0;
/// Minutes: so long at most one reading stands for.
const READING_MAX: f32 = 15.0;

/// Raised when P < `below` for `delay` on a cabinet that draws more also while its compressor rests (one
/// whose controller is on another circuit rests at 0 W, and is left alone); cleared when it draws again.
/// Unknown power changes nothing. Not kept over a restart: it takes an hour of rest to know again.
#[derive(Clone, Debug)]
pub struct PowerLost {
    config: Option<PowerLostConfig>,
    /// Minutes with power, by weight, and without.
    alive: f32,
    dark: f32,
    /// Since when it draws nothing, and when its power was last known; [`Mono::NEVER`] if not.
    dark_since: Mono,
    last: Mono,
    raised: bool,
}

impl PowerLost {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<PowerLostConfig>) -> Self {
        Self { config, alive: 0.0, dark: 0.0, dark_since: Mono::NEVER, last: Mono::NEVER, raised: false }
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, now: Now, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let power = scene.power?;
        let stood = self.last.replace(now.mono).map_or(0.0, |last| minutes(now.mono - last));
        if power >= config.below {
            let weight = if scene.running == Some(false) { 1.0 } else { ALIVE_OTHERWISE };
            self.alive += weight * stood.min(READING_MAX);
            if self.alive > ALIVE_MAX {
                (self.alive, self.dark) = (self.alive / 2.0, self.dark / 2.0);
            }
            let since = self.dark_since.replace(Mono::NEVER)?;
            self.dark += minutes(now.mono - since).min(DARK_SPAN_MAX);
            let was_raised = core::mem::take(&mut self.raised);
            return was_raised.then(|| Change::Cleared(Self::evidence(now, since, power)));
        }
        let since = self.dark_since.get_or_insert(now.mono);
        if self.raised || !self.rests_alive() || now.mono - since < config.delay {
            return None;
        }
        self.raised = true;
        Some(Change::Raised(Self::evidence(now, since, power)))
    }

    /// Since when it has drawn nothing, if it draws nothing and is known to draw something at rest: also
    /// before the delay, so that a circuit can be named before its cabinets are.
    pub fn dark_since(&self) -> Option<Mono> {
        self.dark_since.known().filter(|_| self.raised || self.rests_alive())
    }

    fn rests_alive(&self) -> bool {
        self.alive >= ALIVE_MIN && self.dark <= DARK_MAX * self.alive
    }

    fn evidence(now: Now, since: Mono, power: f32) -> Evidence {
        Evidence::since(now.utc_of(since))
            .with(Quantity::Power, f64::from(power))
            .with_span(Quantity::Held, now.mono - since)
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, _now: Now, symptoms: &mut Symptoms) {
        symptoms.no_power = self.raised;
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.dark_since = now.mono_of(since);
        self.raised = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Option<bool> = Some(false);
    const RUNS: Option<bool> = Some(true);

    /// What is said while `power` stands for `minutes`, read every `every_s` seconds, and when, in minutes.
    struct Bench {
        detector: PowerLost,
        second: i64,
        every_s: i64,
    }

    impl Bench {
        fn new(every_s: i64) -> Self {
            Self { detector: PowerLost::new(PowerLostConfig::for_class(Class::Freezer)), second: 0, every_s }
        }
        fn now(&self) -> Now {
            Now::default().after(Millis::from_secs(self.second))
        }
        fn stand(
            &mut self,
            minutes: i64,
            power: Option<f32>,
            running: Option<bool>,
        ) -> Option<(i64, Change)> {
            let (mut said, begun) = (None, self.second);
            while self.second < begun + 60 * minutes {
                self.second += self.every_s;
                let scene = Scene { power, running, ..Scene::unknown() };
                if let Some(change) = self.detector.step(self.now(), &scene) {
                    assert!(said.is_none(), "once");
                    said = Some(((self.second - begun) / 60, change));
                }
            }
            said
        }
        /// Half an hour of cooling and half an hour of rest at `rest` watts, `hours` times.
        fn cool(&mut self, hours: i64, rest: f32) {
            for _ in 0..hours {
                assert_eq!(self.stand(30, Some(150.0), RUNS), None);
                assert_eq!(self.stand(30, Some(rest), REST), None, "at {} s", self.second);
            }
        }
    }

    #[test]
    fn a_cabinet_that_rests_alive_is_missed_and_found_again_however_often_it_is_read() {
        for every_s in [1, 10, 60, 300] {
            let mut bench = Bench::new(every_s);
            bench.cool(6, 8.0);
            let Some((minute, Change::Raised(evidence))) = bench.stand(600, Some(0.3), REST) else {
                panic!("no power, read every {every_s} s")
            };
            assert!((3..=10).contains(&minute), "{minute} min, read every {every_s} s");
            assert_eq!(evidence.value(Quantity::Power), Some(f64::from(0.3_f32)));
            let Some((_, Change::Cleared(_))) = bench.stand(30, Some(150.0), RUNS) else { panic!("back") };
            bench.cool(4, 8.0);
            assert!(bench.stand(15, Some(0.0), REST).is_some(), "a second cut, hours after the first");
        }
    }

    #[test]
    fn a_cabinet_that_rests_at_nothing_is_left_alone_also_after_a_first_run_of_hours() {
        for running in [None, RUNS] {
            let mut bench = Bench::new(10);
            assert_eq!(bench.stand(12 * 60, Some(150.0), running), None);
            bench.cool(24 * 7, 0.0);
        }
    }

    #[test]
    fn one_that_never_rests_is_known_after_a_day() {
        let mut bench = Bench::new(10);
        assert_eq!(bench.stand(25 * 60, Some(90.0), None), None);
        assert!(bench.stand(10, Some(0.0), None).is_some());
    }

    #[test]
    fn a_breaker_tried_once_and_unknown_power_say_nothing() {
        let mut bench = Bench::new(10);
        bench.cool(6, 8.0);
        assert_eq!(bench.stand(2, Some(0.0), REST), None);
        bench.cool(1, 8.0);
        assert_eq!(bench.stand(60, None, None), None);
        assert!(bench.stand(10, Some(0.0), REST).is_some());
        assert_eq!(bench.stand(60, None, None), None, "unknown clears nothing");
        assert!(bench.stand(10, Some(8.0), REST).is_some());
    }

    #[test]
    fn what_was_raised_before_a_restart_is_not_raised_again() {
        let mut bench = Bench::new(10);
        bench.second = 10_000;
        let since = Utc(bench.now().utc.0 - 600_000);
        bench.detector.restore_raised(bench.now(), since);
        assert_eq!(bench.stand(60, Some(0.0), REST), None);
        let Some((_, Change::Cleared(evidence))) = bench.stand(5, Some(150.0), RUNS) else { panic!("back") };
        assert_eq!(evidence.since, since);
    }
}
