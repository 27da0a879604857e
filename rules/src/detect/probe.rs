//! An air probe that cannot be believed.

use crate::cabinet::{Frame, Phase, Scene};
use crate::diagnosis::Symptoms;
use crate::time::minutes;
use crate::{BadReason, Cause, Change, Class, Evidence, Millis, Mono, Now, Quantity, Sample, Utc};

/// Settings of a [`Probe`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeConfig {
    /// K: a step of the air of this and more within `jump_within` is not believed at once.
    pub jump: f32,
    /// See `jump`.
    pub jump_within: Millis,
    /// A jump that is back within this was the probe; one that stays longer is believed.
    pub return_within: Millis,
    /// How long the probe must be called broken.
    pub fault_delay: Millis,
    /// How long the value may stay exactly the same while the machine works.
    pub stuck_after: Millis,
    /// K of lasting disagreement with the evaporator's probe while the machine rests.
    pub drift: f32,
}

impl ProbeConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    ///
    /// 15 K in 3 min and back within 15 min: a loose contact gave 27 K in 2 min and was back after 7 (a
    /// freezer's own log); neither a door nor a defrost moves the air so fast. Broken for 2 min, stuck
    /// for 4 h, 1 K of drift (EN 12830 asks 1 K of a recorder): choices of this project.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self {
            jump: 15.0,
            jump_within: Millis::from_mins(3),
            return_within: Millis::from_mins(15),
            fault_delay: Millis::from_mins(2),
            stuck_after: Millis::from_mins(240),
            drift: 1.0,
        })
    }
}

/// What no air of a cabinet or room can be, °C.
const COLDEST: f64 = -60.0;
const WARMEST: f64 = 60.0;
/// A jump is back when it is within this share of its height.
const BACK: f32 = 0.3;
/// How long a jump that was the probe stays a condition.
const JUMP_SHOWN: Millis = Millis::from_mins(60);
/// A value within this has not moved, K: one step of most controllers, and its flicker.
const STILL: f32 = 0.15;
/// A probe whose smallest step is this coarse rests for hours by right, K.
const COARSE: f32 = 0.4;
/// Once a day was seen, so is one within this share of what the calmest hour moved: noise, and the flicker
/// between two coarse steps.
const STILL_SHARE: f32 = 0.4;
/// A controller whose own probe is stuck does not switch so often meanwhile.
const SWITCHES_MAX: u8 = 4;
/// Once the probe was seen for a day it may rest for this long, or this many times as long as it ever did.
const STUCK_LEARNT: f32 = 60.0;
const STUCK_LEARNT_FACTOR: f32 = 2.5;
const STUCK_SEEN: f32 = 24.0 * 60.0;
/// From this on a value may be stuck, and is not held against other probes.
const STUCK_PERHAPS: Millis = Millis::from_mins(20);
/// Of the air alone, without anything that shows the machine at work, a value is stuck only after this.
const STUCK_BLIND: Millis = Millis::from_mins(720);
/// A value must stay this many times as long as it ever did.
const STUCK_FACTOR: f32 = 6.0;
/// Sightings of the machine at work that show that the air should have moved.
const WORK_MIN: u8 = 4;
/// The machine must have rested this long before the two probes are compared, min.
const REST_MIN: f32 = 6.0;
/// Comparisons from which the usual difference is learnt, and the weight of a new one.
const COMPARED_MIN: f32 = 40.0;
const SLOW: f32 = 1.0 / 60.0;

/// Watches the probe of the air.
///
/// - **Broken**: its quality is bad for a reason of the sensor, or the value is beyond −60 to 60 °C.
/// - **Jump and return**: |ΔT| ≥ `jump` at `jump` / `jump_within` or faster, back within
///   `return_within`. Between, the air is not believed ([`Probe::trusted`] is none); what stays longer is.
/// - **Stuck**: a value of the usual ones that stays within 0.4 of what the calmest hour of the last day
///   moved, for an hour and 2.5 times its longest such rest, unless the controller switches meanwhile.
///   Before a day was seen: within 0.15 K for `stuck_after` and six times its longest rest so far, while
///   the machine worked (it switched, or the evaporator moved); without any sight of the machine for 12 h.
/// - **Drift**: when the machine has rested for six minutes outside a defrost, air and evaporator differ
///   by `drift` more, or less, than they usually do then.
#[derive(Clone, Debug)]
pub struct Probe {
    config: Option<ProbeConfig>,
    broken_since: Mono,
    is_broken: bool,
    /// A believed value from up to `jump_within` ago, and the one that will follow it.
    anchor: Option<(Mono, f32)>,
    next_anchor: Option<(Mono, f32)>,
    jump: Option<Jump>,
    jumped_at: Mono,
    /// Since when the value has kept within these two.
    same: Option<(Mono, f32, f32)>,
    /// How far apart these may be, K: as it was when the rest began, which makes the hours calmer.
    still: f32,
    longest_same: f32,
    /// The value it keeps is one of the usual ones.
    usual_value: bool,
    /// The smallest step that was seen, K.
    step: f32,
    /// For how long the probe was seen to move, min.
    seen: f32,
    /// Minutes since then in which the controller changed its mind.
    switches: u8,
    /// Times the machine was seen at work since the value last moved.
    work: u8,
    worked: (Option<bool>, Option<f32>),
    rested: f32,
    usual: f32,
    compared: f32,
    difference: f32,
    cause: Option<Cause>,
    raised: Option<Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Jump {
    since: Mono,
    from: f32,
    top: f32,
}

impl Probe {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 3;

    /// A detector that knows nothing yet; without settings it believes everything in range.
    pub fn new(config: Option<ProbeConfig>) -> Self {
        Self {
            config,
            broken_since: Mono::NEVER,
            is_broken: false,
            anchor: None,
            next_anchor: None,
            jump: None,
            jumped_at: Mono::NEVER,
            same: None,
            still: STILL,
            usual_value: false,
            longest_same: 0.0,
            step: f32::MAX,
            seen: 0.0,
            switches: 0,
            work: 0,
            worked: (None, None),
            rested: 0.0,
            usual: 0.0,
            compared: 0.0,
            difference: 0.0,
            cause: None,
            raised: None,
        }
    }

    /// The air as the limits may take it: as read, but unknown if no cabinet can have such a value.
    pub fn believable(&self, scene: &Scene) -> Sample {
        match scene.air {
            Sample::Good(value) if !(COLDEST..=WARMEST).contains(&value) => {
                Sample::Bad(BadReason::Implausible)
            }
            sample => sample,
        }
    }

    /// The air temperature, unless the probe is not to be believed just now.
    #[expect(clippy::cast_possible_truncation, reason = "temperatures")]
    pub fn trusted(&self, scene: &Scene) -> Option<f32> {
        if self.jump.is_some() || self.is_broken {
            return None;
        }
        self.believable(scene).good().map(|celsius| celsius as f32)
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, now: Now, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let sample = self.believable(scene);
        let sensor = matches!(
            sample,
            Sample::Bad(BadReason::SensorFault | BadReason::OutOfRange | BadReason::Implausible)
        );
        if sensor {
            let since = self.broken_since.get_or_insert(now.mono);
            self.is_broken |= now.mono - since >= config.fault_delay;
        } else if sample.good().is_some() {
            self.broken_since = Mono::NEVER;
            self.is_broken = false;
        }
        #[expect(clippy::cast_possible_truncation, reason = "temperatures")]
        if let Some(air) = sample.good().filter(|_| scene.is_new) {
            self.follow(now.mono, air as f32, &config);
        }
        self.judge(now, &config)
    }

    fn follow(&mut self, at: Mono, air: f32, config: &ProbeConfig) {
        if let Some(jump) = &mut self.jump {
            if (air - jump.from).abs() > (jump.top - jump.from).abs() {
                jump.top = air;
            }
            let back = (air - jump.from).abs() <= BACK * (jump.top - jump.from).abs();
            if back {
                self.jumped_at = at;
            }
            if back || at - jump.since > config.return_within {
                self.jump = None;
                self.anchor = Some((at, air));
                self.next_anchor = None;
            }
            return;
        }
        for (since, from) in [self.next_anchor, self.anchor].into_iter().flatten() {
            let step = (air - from).abs();
            let speed = step / minutes(at - since).max(0.05);
            if step >= config.jump && speed >= config.jump / minutes(config.jump_within) {
                self.jump = Some(Jump { since: at, from, top: air });
                return;
            }
        }
        // The anchor is between one and two halves of the window old.
        match self.next_anchor {
            Some((since, _)) if minutes(at - since) < 0.5 * minutes(config.jump_within) => {}
            next => {
                self.anchor = next.or(Some((at, air)));
                self.next_anchor = Some((at, air));
            }
        }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, _now: Now, frame: &Frame, scene: &Scene) -> Option<Change> {
        let (running, evaporator) = (scene.running, frame.evaporator);
        let (before, from) = self.worked;
        let switched = running.zip(before).is_some_and(|(now, before)| now != before);
        let moved = evaporator.zip(from).is_some_and(|(now, from)| (now - from).abs() > 3.0);
        if switched || moved {
            self.work = self.work.saturating_add(1);
        }
        if moved || from.is_none() {
            self.worked.1 = evaporator;
        }
        self.worked.0 = running;
        // A thermostat that switches within a minute sees its probe move.
        if frame.asked.is_some_and(|share| (0.05..0.95).contains(&share)) {
            self.switches = self.switches.saturating_add(1);
        }
        match (frame.air, self.config) {
            (Some(air), Some(config)) => self.rest(frame.at, air, scene, &config),
            // Silence is no rest.
            _ => (self.same, self.work, self.switches) = (None, 0, 0),
        }
        self.compare(frame, scene);
        None
    }

    /// Follows for how long the value has not moved.
    fn rest(&mut self, at: Mono, air: f32, scene: &Scene, config: &ProbeConfig) {
        // A cabinet that has come to rest above its band has a fault; its probe has none.
        self.usual_value = scene.band.is_some_and(|band| air <= band.high + STILL);
        match self.same {
            Some((since, low, high)) if high.max(air) - low.min(air) <= self.still => {
                self.same = Some((since, low.min(air), high.max(air)));
            }
            Some((since, low, high)) => {
                self.step = self.step.min((air - low).abs().min((air - high).abs()));
                let rested = minutes(at - since);
                if rested < minutes(config.stuck_after) || self.step >= COARSE {
                    self.longest_same = self.longest_same.max(rested);
                }
                self.seen = (self.seen + rested.min(60.0)).min(2.0 * STUCK_SEEN);
                self.begin(at, air, scene);
            }
            None => self.begin(at, air, scene),
        }
    }

    fn begin(&mut self, at: Mono, air: f32, scene: &Scene) {
        self.same = Some((at, air, air));
        self.still = scene.calmest.map_or(STILL, |calmest| STILL.max(STILL_SHARE * calmest));
        (self.work, self.switches) = (0, 0);
    }

    /// Compares the two probes while the machine rests.
    fn compare(&mut self, frame: &Frame, scene: &Scene) {
        let rests = frame.running.is_some_and(|share| share < 0.02) && scene.phase == Phase::Cooling;
        self.rested = if rests { self.rested + frame.minutes() } else { 0.0 };
        let (Some(air), Some(evaporator)) = (frame.air, frame.evaporator) else { return };
        if self.rested < REST_MIN {
            return;
        }
        let difference = air - evaporator;
        if self.compared < COMPARED_MIN {
            self.compared += 1.0;
            self.usual += (difference - self.usual) / self.compared;
            self.difference = self.usual;
        } else {
            self.difference += SLOW * (difference - self.difference);
            if (self.difference - self.usual).abs() < 0.5 {
                self.usual += 0.05 * SLOW * (difference - self.usual);
            }
        }
    }

    fn judge(&mut self, now: Now, config: &ProbeConfig) -> Option<Change> {
        let cause = self.find(now, config);
        let changed = match (cause, self.raised) {
            (Some(_), None) => {
                self.raised = Some(now.mono);
                Some(Change::Raised(self.evidence(now, cause)))
            }
            (None, Some(_)) => {
                let evidence = self.evidence(now, self.cause);
                self.raised = None;
                Some(Change::Cleared(evidence))
            }
            _ => None,
        };
        self.cause = cause;
        changed
    }

    fn find(&self, now: Now, config: &ProbeConfig) -> Option<Cause> {
        if self.is_broken {
            return Some(Cause::ProbeBroken);
        }
        if self.jumped_at.known().is_some_and(|at| now.mono - at < JUMP_SHOWN) {
            return Some(Cause::ProbeJump);
        }
        let (since, _, _) = self.same?;
        let fine = self.step < COARSE;
        let least = if fine && self.work >= WORK_MIN { config.stuck_after } else { STUCK_BLIND };
        let rests = now.mono - since;
        let strange = self.usual_value
            && self.switches < SWITCHES_MAX
            && self.seen >= STUCK_SEEN
            && minutes(rests) >= STUCK_LEARNT.max(STUCK_LEARNT_FACTOR * self.longest_same);
        // Once it is called stuck only a move shows the contrary.
        let still_stuck = self.cause == Some(Cause::ProbeStuck) && minutes(rests) >= STUCK_LEARNT;
        if strange || still_stuck {
            return Some(Cause::ProbeStuck);
        }
        if rests >= least && minutes(rests) >= STUCK_FACTOR * self.longest_same {
            return Some(Cause::ProbeStuck);
        }
        // What does not move drifts from everything that does.
        if rests >= STUCK_PERHAPS {
            return None;
        }
        let drifts = self.compared >= COMPARED_MIN && (self.difference - self.usual).abs() >= config.drift;
        drifts.then_some(Cause::ProbeDrift)
    }

    fn evidence(&self, now: Now, cause: Option<Cause>) -> Evidence {
        let since = match cause {
            Some(Cause::ProbeStuck) => self.same.map(|same| same.0),
            Some(Cause::ProbeBroken) => self.broken_since.known(),
            Some(Cause::ProbeJump) => self.jumped_at.known(),
            _ => self.raised,
        };
        let evidence = Evidence::since(now.utc_of(since.unwrap_or(now.mono)));
        match cause {
            Some(Cause::ProbeDrift) => evidence
                .with(Quantity::Difference, f64::from(self.difference))
                .with(Quantity::UsualDifference, f64::from(self.usual)),
            Some(Cause::ProbeStuck) => evidence
                .with_known(Quantity::Temperature, self.same.map(|same| f64::from(same.1)))
                .with_known(Quantity::Duration, self.same.map(|same| (now.mono - same.0).as_secs_f64()))
                .with(Quantity::UsualDuration, f64::from(self.longest_same) * 60.0),
            _ => evidence,
        }
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, _now: Now, symptoms: &mut Symptoms) {
        let drift = self.config.map_or(f32::MAX, |config| config.drift);
        let drifts = self.compared >= COMPARED_MIN && (self.difference - self.usual).abs() >= 0.5 * drift;
        symptoms.probe = self.cause.or(drifts.then_some(Cause::ProbeDrift));
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.raised = Some(now.mono_of(since));
    }

    /// What was learnt, [`Self::LEARNT`] numbers, NaN where unknown.
    pub fn learnt(&self, numbers: &mut [f32]) {
        if let [longest, usual, compared] = numbers {
            (*longest, *usual, *compared) = (self.longest_same, self.usual, self.compared);
        }
    }

    /// Goes on from what was learnt.
    pub fn restore_learnt(&mut self, numbers: &[f32]) {
        if let [longest, usual, compared] = *numbers
            && numbers.iter().all(|number| number.is_finite())
        {
            (self.longest_same, self.usual, self.compared) = (longest, usual, compared);
            self.difference = usual;
        }
    }
}
