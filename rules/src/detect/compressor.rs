//! A compressor that does not start, never stops, or starts too often.

use crate::cabinet::{Frame, Phase, Scene};
use crate::diagnosis::Symptoms;
use crate::time::minutes;
use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`Compressor`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompressorConfig {
    /// How long cooling may be asked for, or be needed, before the compressor runs.
    pub start_delay: Millis,
    /// How long it may run without a pause outside the usual.
    pub run_max: Millis,
    /// Too often: more starts per hour than this many times the most that was learnt.
    pub starts_factor: f32,
    /// Never too often below this many starts per hour.
    pub starts_min: f32,
}

impl CompressorConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    ///
    /// 15 min: longer than the least off time and a start that is tried again. 6 h without a pause. Twice
    /// the learnt starts and never below 5 an hour: healthy units start 7 to 48 times a day (recordings
    /// of seven fridges and freezers). Choices of this project.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self {
            start_delay: Millis::from_mins(15),
            run_max: Millis::from_mins(360),
            starts_factor: 2.0,
            starts_min: 5.0,
        })
    }
}

/// Least difference of the two levels of power, W, and as a share of the lower.
const STEP_MIN: f32 = 25.0;
const STEP_SHARE: f32 = 0.3;
/// Where between the two levels it counts as running and, once running, as stopped.
const RUNS_FROM: f32 = 0.5;
const STOPS_BELOW: f32 = 0.35;
/// So far above the running compressor a power is a heater's.
const HEATER: f32 = 1.45;
const HEATER_STAYS: f32 = 1.25;
/// Below this share of the step it draws no more than at rest: neither compressor nor heater.
const RESTS_BELOW: f32 = 0.15;
/// A compressor that starts again sooner has not stopped: its power was misread for a moment.
const OFF_MIN: Millis = Millis::from_secs(60);
/// Minutes of running from which its power is learnt.
const RUN_LEARNT: f32 = 240.0;
/// Weight of a minute in the levels: about two hours.
const LEVEL_NEW: f32 = 1.0 / 120.0;
/// Hours from which the starts count as learnt.
const HOURS_MIN: f32 = 24.0;
/// Needed: the air is this far above its band, K.
const NEEDED: f32 = 2.5;
/// Share of the learnt longest run that is too long.
const RUN_FACTOR: f32 = 3.0;

/// Whether the compressor runs, and whether it does what it should.
///
/// **Running.** Where the cabinet's own power is known two levels are learnt, at rest and running (with
/// the controller's flag from what it says, without it from the least and the greatest of the minutes);
/// above half of the step it runs. A power that is high while the flag says that no cooling is asked for
/// is a heater's. Without power the flag that asks is taken for the truth.
///
/// **Raised** ([`crate::Condition::CompressorAbnormal`]) outside a defrost when
/// - it is asked for, or the air is 2.5 K above its band, and by its power it has not run for
///   `start_delay`;
/// - it has run without a pause for `run_max` and three times its longest run so far, and the air is
///   above its band;
/// - it started more than `starts_factor` times as often within an hour as in any hour learnt, and more
///   than `starts_min` times.
#[derive(Clone, Debug)]
pub struct Compressor {
    config: Option<CompressorConfig>,
    rest: Option<f32>,
    run: Option<f32>,
    run_minutes: f32,
    running: Option<bool>,
    asked: Option<bool>,
    by_power: bool,
    heats: bool,
    rests: Option<bool>,
    /// Like every instant here [`Mono::NEVER`] if there is none.
    off_since: Mono,
    ran_since: Mono,
    needed_since: Mono,
    longest_run: f32,
    hour: Mono,
    starts: u8,
    starts_before: u8,
    most_starts: f32,
    hours: f32,
    wrong: Option<Wrong>,
    raised: Option<Mono>,
    /// Raised before a restart, and not yet seen again.
    restored: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    DoesNotStart,
    NeverStops,
    TooOften,
}

impl Compressor {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 5;

    /// A detector that knows nothing yet; without settings it never raises, but tells whether it runs.
    pub fn new(config: Option<CompressorConfig>) -> Self {
        Self {
            config,
            rest: None,
            run: None,
            run_minutes: 0.0,
            running: None,
            asked: None,
            by_power: false,
            heats: false,
            rests: None,
            off_since: Mono::NEVER,
            ran_since: Mono::NEVER,
            needed_since: Mono::NEVER,
            longest_run: 0.0,
            hour: Mono::NEVER,
            starts: 0,
            starts_before: 0,
            most_starts: 0.0,
            hours: 0.0,
            wrong: None,
            raised: None,
            restored: false,
        }
    }

    /// Whether the compressor really runs, by its power, else by the flag that asks for it.
    pub fn running(&mut self, now: Now, scene: &Scene) -> Option<bool> {
        self.asked = scene.asked;
        self.rests = None;
        let levels = self.levels();
        self.by_power = scene.power.is_some() && levels.is_some();
        let running = match (scene.power, levels) {
            (Some(power), Some((rest, run))) => {
                let threshold = if self.running == Some(true) { STOPS_BELOW } else { RUNS_FROM };
                let high = power > rest + threshold * (run - rest);
                let as_heater = power > if self.heats { HEATER_STAYS } else { HEATER } * run;
                self.heats =
                    high && (scene.asked == Some(false) || scene.defrost_flag == Some(true) || as_heater);
                self.rests = Some(power < rest + RESTS_BELOW * (run - rest));
                Some(high && !self.heats)
            }
            // Once the power told, the flag that only asks is no substitute.
            (None, Some(_)) => None,
            _ => scene.asked,
        };
        if running == Some(true)
            && self.running == Some(false)
            && self.off_since.known().is_none_or(|since| now.mono - since >= OFF_MIN)
        {
            self.starts = self.starts.saturating_add(1);
        }
        if running == Some(false) && self.running == Some(true) {
            self.off_since = now.mono;
        }
        match running {
            Some(true) => {
                self.ran_since.get_or_insert(now.mono);
            }
            Some(false) => {
                if let Some(since) = self.ran_since.take()
                    && self.wrong.is_none()
                {
                    // Kept for about a month of such runs.
                    let ran = minutes(now.mono - since);
                    self.longest_run = if ran > self.longest_run { ran } else { self.longest_run * 0.999 };
                }
            }
            None => {}
        }
        self.running = running;
        running
    }

    /// Whether the power is no more than at rest: neither compressor nor heater; none while it does not
    /// tell.
    pub fn rests(&self) -> Option<bool> {
        self.rests
    }

    /// Power at rest and running, once they are apart.
    fn levels(&self) -> Option<(f32, f32)> {
        let levels = self.rest.zip(self.run);
        levels.filter(|(rest, run)| run - rest >= STEP_MIN.max(STEP_SHARE * rest))
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, now: Now, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let defrosts = matches!(scene.phase, Phase::Defrost { .. } | Phase::Recovery { .. });
        let above = scene.trusted.zip(scene.band).map(|(air, band)| air - band.high);
        let warm = above.is_some_and(|above| above > NEEDED) && scene.phase.is_cooling();
        let needed = !defrosts && (scene.asked == Some(true) || warm);
        if needed && self.rests == Some(true) {
            self.needed_since.get_or_insert(now.mono);
        } else if self.running == Some(true) || defrosts || scene.asked == Some(false) && !warm {
            self.needed_since = Mono::NEVER;
        }
        let wrong = self.find(now, &config, above.is_some_and(|above| above > 1.0), defrosts);
        let changed = match (wrong, self.raised) {
            (Some(wrong), None) => {
                self.raised = Some(now.mono);
                Some(Change::Raised(self.evidence(now, wrong, scene)))
            }
            // After a restart only a compressor that is seen at work clears it.
            (None, Some(_)) if self.restored && self.running != Some(true) => None,
            (None, Some(since)) => {
                self.raised = None;
                Some(Change::Cleared(
                    Evidence::since(now.utc_of(since)).with_span(Quantity::Held, now.mono - since),
                ))
            }
            _ => None,
        };
        self.restored &= wrong.is_none() && self.running != Some(true);
        self.wrong = wrong;
        changed
    }

    fn find(&self, now: Now, config: &CompressorConfig, warm: bool, defrosts: bool) -> Option<Wrong> {
        if self.needed_since.known().is_some_and(|since| now.mono - since >= config.start_delay) {
            return Some(Wrong::DoesNotStart);
        }
        let long = (RUN_FACTOR * self.longest_run).max(minutes(config.run_max));
        if self.longest_run > 0.0
            && warm
            && !defrosts
            && self.ran_since.known().is_some_and(|since| minutes(now.mono - since) >= long)
        {
            return Some(Wrong::NeverStops);
        }
        let usual = (config.starts_factor * self.most_starts).max(config.starts_min);
        let many = f32::from(self.starts) > usual && self.hours >= HOURS_MIN;
        // Held until an hour is quiet again.
        let still = self.wrong == Some(Wrong::TooOften) && f32::from(self.starts_before) > usual;
        (many || still).then_some(Wrong::TooOften)
    }

    /// To be called with every frame: learns.
    pub fn frame(&mut self, _now: Now, frame: &Frame, scene: &Scene) -> Option<Change> {
        let heats = matches!(scene.phase, Phase::Defrost { .. }) || scene.defrost_flag == Some(true);
        if let Some(power) = frame.power.filter(|_| !heats) {
            self.learn_levels(frame, power);
        }
        let hour = self.hour.get_or_insert(frame.at);
        if frame.at - hour >= Millis::from_mins(60) {
            self.hour = frame.at;
            let hours = minutes(frame.at - hour) / 60.0;
            self.starts_before = core::mem::take(&mut self.starts);
            if self.wrong.is_none() && frame.running.is_some() {
                self.hours += hours;
                self.most_starts = (self.most_starts * 0.998).max(f32::from(self.starts_before) / hours);
            }
        }
        None
    }

    fn learn_levels(&mut self, frame: &Frame, power: f32) {
        let weight = (LEVEL_NEW * frame.minutes()).min(0.5);
        let (rest, run) = (self.rest.unwrap_or(power), self.run.unwrap_or(power));
        match frame.asked {
            // A compressor that was asked for and draws no more than at rest teaches nothing.
            Some(share) if share > 0.98 => {
                let known = self.levels().is_none_or(|(rest, run)| power > rest + STOPS_BELOW * (run - rest));
                let weight = if self.levels().is_none() { 0.5 } else { weight };
                if known {
                    self.run = Some(run + weight * (power - run));
                }
            }
            Some(share) if share < 0.02 => {
                // A heater is no rest.
                if power < rest * 1.5 + 10.0 {
                    self.rest = Some(rest + weight * (power - rest));
                } else if self.rest.is_none() {
                    self.rest = Some(power);
                }
            }
            Some(_) => {}
            None => {
                if self.levels().is_none() {
                    (self.rest, self.run) = (Some(rest.min(power)), Some(run.max(power)));
                    self.run_minutes = 0.0;
                } else if power < rest + STOPS_BELOW * (run - rest) {
                    self.rest = Some(rest + weight * (power - rest));
                } else if power > rest + STEP_MIN.max(STEP_SHARE * rest)
                    && (power < HEATER * run || self.run_minutes < RUN_LEARNT)
                {
                    // The first hours weigh the same each: a heater among them is soon outweighed.
                    self.run_minutes += frame.minutes();
                    let early = frame.minutes() / self.run_minutes;
                    self.run = Some(run + early.max(weight).min(1.0) * (power - run));
                }
            }
        }
    }

    fn evidence(&self, now: Now, wrong: Wrong, scene: &Scene) -> Evidence {
        let known = |value: Option<f32>| value.map(f64::from);
        match wrong {
            Wrong::DoesNotStart => Evidence::since(now.utc_of(self.needed_since.known().unwrap_or(now.mono)))
                .with_known(Quantity::Power, known(scene.power))
                .with_known(Quantity::UsualPower, known(self.run))
                .with_known(Quantity::Temperature, known(scene.trusted)),
            Wrong::NeverStops => {
                let since = self.ran_since.known().unwrap_or(now.mono);
                Evidence::since(now.utc_of(since))
                    .with_span(Quantity::Duration, now.mono - since)
                    .with(Quantity::UsualDuration, f64::from(self.longest_run) * 60.0)
                    .with_known(Quantity::Temperature, known(scene.trusted))
            }
            Wrong::TooOften => Evidence::since(now.utc_of(self.hour.known().unwrap_or(now.mono)))
                .with(Quantity::Starts, f64::from(self.starts))
                .with(Quantity::UsualStarts, f64::from(self.most_starts)),
        }
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, now: Now, symptoms: &mut Symptoms) {
        symptoms.asked = self.asked;
        symptoms.running = self.running.filter(|_| self.by_power);
        symptoms.running_minutes = self.ran_since.known().map(|since| minutes(now.mono - since));
        symptoms.not_starting = self.wrong == Some(Wrong::DoesNotStart)
            || self.needed_since.known().is_some_and(|since| now.mono - since >= Millis::from_mins(6));
        symptoms.starts_ratio = (self.hours >= HOURS_MIN && self.most_starts > 0.0)
            .then(|| f32::from(self.starts.max(self.starts_before)) / self.most_starts);
    }

    /// Continues a condition that was raised before the restart and had held since `since`: which it was
    /// is seen when the compressor is.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.raised = Some(now.mono_of(since));
        self.restored = true;
    }

    /// What was learnt, [`Self::LEARNT`] numbers, NaN where unknown.
    pub fn learnt(&self, numbers: &mut [f32]) {
        let unknown = f32::NAN;
        let all = [
            self.rest.unwrap_or(unknown),
            self.run.unwrap_or(unknown),
            self.longest_run,
            self.most_starts,
            self.hours,
        ];
        for (number, value) in numbers.iter_mut().zip(all) {
            *number = value;
        }
    }

    /// Goes on from what was learnt.
    pub fn restore_learnt(&mut self, numbers: &[f32]) {
        let [rest, run, longest_run, most_starts, hours] = *numbers else { return };
        let known = |number: f32| number.is_finite().then_some(number);
        (self.rest, self.run) = (known(rest), known(run));
        self.longest_run = known(longest_run).unwrap_or(0.0);
        self.most_starts = known(most_starts).unwrap_or(0.0);
        self.hours = known(hours).unwrap_or(0.0);
    }
}
