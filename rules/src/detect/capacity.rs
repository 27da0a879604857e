//! Cooling capacity that falls over days.

use crate::cabinet::{Frame, Scene, share};
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`CapacityLoss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityConfig {
    /// Share of the learnt capacity whose loss is a condition, 0 to 1.
    pub loss: f32,
    /// Days of undisturbed cooling from which the usual is learnt.
    pub learn_days: u8,
}

impl CapacityConfig {
    /// The usual settings of a class; none for what is not refrigeration. 15 % of the capacity, learnt
    /// over three days: day-to-day energy of one healthy appliance varies by 4 to 11 % (recordings of
    /// seven), so that less cannot be told from weather and customers.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self { loss: 0.15, learn_days: 3 })
    }
}

/// How often a mean over the last day is looked at.
const BLOCK: Millis = Millis::from_mins(12 * 60);
/// Least minutes of a block that count.
const BLOCK_MIN: f32 = 90.0;
/// The least difference between room and air, K.
const LIFT_MIN: f32 = 4.0;
/// Least spread of a day's mean, as a share: of what is corrected for the room, and of what is not.
const SPREAD: f32 = 0.07;
const SPREAD_BLIND: f32 = 0.08;
/// The same of the power while running, which follows the room too, if less.
const SPREAD_POWER: f32 = 0.04;
/// Within this it draws what it usually does, where the room is measured and where not.
const SAME_POWER: f32 = 0.03;
const SAME_POWER_BLIND: f32 = 0.05;
/// Then only a load that has strayed this far, and this much more of it, counts.
const SAME_HEIGHT: f32 = 7.0;
const SAME_WORTH: f32 = 1.03;
/// So much more or less of it is strange, with so much more load.
const STRANGE_POWER: f32 = 0.10;
const MORE_LOAD: f32 = 1.05;
/// Slack and height of the sum, in spreads.
const SLACK: f32 = 0.8;
const HEIGHT: f32 = 4.0;
/// The same of the load that the air alone shows: its days spread as much as others, but what is left of a
/// loss in the teeth of the air is less.
const HEIGHT_AIR: f32 = 2.5;
const WORTH_AIR: f32 = 0.95;
/// Weight of a new day once learnt, while nothing is suspected.
const SLOW: f32 = 0.03;
/// Weight of a minute in the fast means: ten minutes.
const FAST: f32 = 1.0 / 10.0;
/// So long the last run may be ago and its approach and power still count.
const FOLLOWED_MAX: Millis = Millis::from_mins(20);
/// The air must be read this often to tell by itself when the machine runs.
const TEETH_SEEN: Millis = Millis::from_mins(6);
/// Cold comes this long after it is asked for, min.
const ASKED_MIN: f32 = 6.0;
/// Air within this has not moved, K.
const STILL: f32 = 0.15;
/// The air over the evaporator this many times as far as usual, for this long, is a fault by itself.
const APART: f32 = 1.5;
const APART_FOR: f32 = 30.0;
/// Twice as far counts as much more: then it is said in twelve minutes.
const FAR_APART: f32 = 2.0;
const FAR_WEIGHT: f32 = 2.5;

/// A daily mean, what it usually is, and how far the days since have strayed above it.
#[derive(Clone, Copy, Debug, Default)]
struct Daily {
    sum: f32,
    weight: f32,
    before: (f32, f32),
    mean: f32,
    spread: f32,
    days: f32,
    strayed: f32,
    ratio: Option<f32>,
    /// Days below the usual stray as those above do.
    falls_too: bool,
}

impl Daily {
    fn add(&mut self, value: f32, weight: f32) {
        self.sum += value * weight;
        self.weight += weight;
    }

    /// Ends a block: learns the day that it completes, or holds it against what was learnt.
    fn close(&mut self, learn: f32, least_spread: f32) {
        let block = (core::mem::take(&mut self.sum), core::mem::take(&mut self.weight));
        let before = core::mem::replace(&mut self.before, block);
        if block.1 < BLOCK_MIN || before.1 < BLOCK_MIN {
            return;
        }
        // Both halves of the day weigh the same, however much of each was seen.
        let day = 0.5 * (block.0 / block.1 + before.0 / before.1);
        if self.days < learn {
            self.days += 0.5;
            let weight = 0.5 / self.days;
            self.spread += weight * ((day - self.mean).abs() - self.spread);
            self.mean += weight * (day - self.mean);
            if self.days <= 0.5 {
                self.spread = 0.0;
            }
            return;
        }
        if self.mean <= 0.0 {
            return;
        }
        let ratio = day / self.mean;
        let spread = least_spread.max(1.25 * self.spread / self.mean);
        let beyond = if self.falls_too { (ratio - 1.0).abs() } else { ratio - 1.0 };
        let far = beyond / spread;
        self.strayed = (self.strayed + far - SLACK).clamp(0.0, 3.0 * HEIGHT);
        self.ratio = Some(ratio);
        if self.strayed <= 0.0 {
            self.mean += SLOW * (day - self.mean);
        }
    }

    fn is_learnt(&self, learn: f32) -> bool {
        self.days >= learn
    }
}

/// Three means over the last day, looked at every twelve hours while the cabinet cools undisturbed:
///
/// - **load**: share of the time running (by power, by the flag, else by the air, which falls while
///   cooled, if it is read every six minutes) per kelvin between the room and the air. A machine with
///   20 % less capacity runs 25 % longer;
/// - **approach**: air minus evaporator while running. Less air over the evaporator (ice, a weak fan)
///   makes it grow;
/// - **power** while running: less where less is pumped, more against a dirty condenser.
///
/// Each is held against the mean of its first `learn_days` days by a one-sided sum, S ← max(0, S +
/// (x/x̄ − 1)/σ − 0.8) (of power by its amount), with σ the days' own spread and at least 7 % (the load
/// 8 % where the room is not measured, power 4 %). Raised when S > 4 and the ratio of load or approach
/// alone is worth `loss`; a load that grows while the power stays within 3 % (5 % without the room) of
/// what it was needs S > 7 and 3 % more; power that is 10 % off counts with 5 % more load. A load
/// that only the air shows counts from S > 2.5 on and a twentieth less: the teeth of the air blur a loss, and
/// a healthy cabinet's days with it. Cleared when S
/// is back at 0. What is learnt follows at 3 % a day, only while S is 0. At once raised when the approach
/// has been twice the learnt one for twelve minutes, or 1.5 times for half an hour: a fan that stands.
#[derive(Clone, Debug)]
pub struct CapacityLoss {
    config: Option<CapacityConfig>,
    block: Mono,
    load: Daily,
    approach: Daily,
    evaporator: Daily,
    power: Daily,
    sees_room: bool,
    by_air: bool,
    fast_load: Option<f32>,
    fast_approach: Option<f32>,
    fast_evaporator: Option<f32>,
    fast_power: Option<f32>,
    /// When the compressor was last seen running.
    followed: Mono,
    /// For how long cooling has been asked for, min, and air minus evaporator since then.
    asked_minutes: f32,
    cold: f32,
    apart_minutes: f32,
    /// For how long the air has been exactly the same.
    last_air: Option<f32>,
    same_minutes: f32,
    raised: Option<Mono>,
}

impl CapacityLoss {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 12;

    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<CapacityConfig>) -> Self {
        Self {
            config,
            block: Mono::NEVER,
            load: Daily::default(),
            approach: Daily::default(),
            evaporator: Daily::default(),
            power: Daily { falls_too: true, ..Daily::default() },
            sees_room: false,
            by_air: false,
            fast_load: None,
            fast_approach: None,
            fast_evaporator: None,
            fast_power: None,
            followed: Mono::NEVER,
            asked_minutes: 0.0,
            cold: 0.0,
            apart_minutes: 0.0,
            last_air: None,
            same_minutes: 0.0,
            raised: None,
        }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, now: Now, frame: &Frame, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let learn = f32::from(config.learn_days);
        if scene.phase.is_cooling() {
            self.follow(frame, scene, learn);
        }
        let block = self.block.get_or_insert(frame.at);
        if frame.at - block >= BLOCK {
            self.block = frame.at;
            let least = if self.sees_room { SPREAD } else { SPREAD_BLIND };
            self.load.close(learn, least);
            self.approach.close(learn, SPREAD);
            self.power.close(learn, SPREAD_POWER);
            // Of this only the mean is asked for.
            self.evaporator.close(learn, SPREAD);
        }
        let worth = 1.0 / (1.0 - config.loss).max(0.1);
        let lost = |daily: &Daily| daily.strayed > HEIGHT && daily.ratio.is_some_and(|ratio| ratio >= worth);
        let apart = self.apart_minutes >= APART_FOR;
        let power_by = self.power.ratio.map(|ratio| (ratio - 1.0).abs());
        // Power alone may be the room; with more to do besides it is the machine.
        let strange = self.power.strayed > HEIGHT
            && power_by.is_some_and(|by| by >= STRANGE_POWER)
            && self.load.ratio.is_some_and(|ratio| ratio >= MORE_LOAD);
        // A machine that draws what it always did mostly is well, and only has more to do.
        let same = if self.sees_room { SAME_POWER } else { SAME_POWER_BLIND };
        let (height, worth_load) = match power_by {
            Some(by) if by < same => (SAME_HEIGHT, SAME_WORTH * worth),
            None if self.by_air => (HEIGHT_AIR, WORTH_AIR * worth),
            _ => (HEIGHT, worth),
        };
        let overloaded =
            self.load.strayed > height && self.load.ratio.is_some_and(|ratio| ratio >= worth_load);
        let is_lost = overloaded || lost(&self.approach) || strange || apart;
        let is_well = self.load.strayed <= 0.0 && self.approach.strayed <= 0.0 && !strange && !apart;
        match self.raised {
            None if is_lost => {
                self.raised = Some(now.mono);
                Some(Change::Raised(self.evidence(now, now.mono)))
            }
            Some(since) if is_well => {
                self.raised = None;
                Some(Change::Cleared(self.evidence(now, since)))
            }
            _ => None,
        }
    }

    fn follow(&mut self, frame: &Frame, scene: &Scene, learn: f32) {
        let minutes = frame.minutes();
        let fast = (FAST * minutes).min(1.0);
        let blend = |mean: Option<f32>, value: f32| mean.map_or(value, |mean| mean + fast * (value - mean));
        let Some(air) = frame.air else { return };
        self.by_air = frame.running.or(frame.asked).is_none();
        let share = frame.running.or(frame.asked).or_else(|| {
            // The teeth of air that is read more seldom have lost their points.
            scene.cools.filter(|_| frame.span <= TEETH_SEEN).map(share)
        });
        if let Some(share) = share {
            self.sees_room |= frame.ambient.is_some();
            let lift = (frame.room() - air).max(LIFT_MIN);
            self.load.add(share / lift, minutes);
            self.fast_load =
                Some(self.fast_load.map_or(share / lift, |mean| mean + 0.08 * fast * (share / lift - mean)));
        }
        if let Some((asked, evaporator)) = frame.asked.zip(frame.evaporator) {
            self.asked_minutes = if asked > 0.98 { self.asked_minutes + minutes } else { 0.0 };
            self.cold = if self.asked_minutes < ASKED_MIN {
                air - evaporator
            } else {
                self.cold + fast * (air - evaporator - self.cold)
            };
        }
        if frame.running.or(frame.asked).is_none_or(|share| share < 0.98) {
            return;
        }
        self.followed = frame.at;
        if let Some(power) = frame.power {
            self.power.add(power, 2.0 * minutes);
            self.fast_power = Some(blend(self.fast_power, power));
        }
        let Some(evaporator) = frame.evaporator else { return };
        let approach = air - evaporator;
        // Minutes of running are fewer than minutes: they weigh double, so that a half day has enough.
        self.approach.add(approach, 2.0 * minutes);
        self.evaporator.add(evaporator, 2.0 * minutes);
        self.fast_approach = Some(blend(self.fast_approach, approach));
        self.fast_evaporator = Some(blend(self.fast_evaporator, evaporator));
        // A value that does not move at all is the probe's affair.
        if self.last_air.is_some_and(|last| (last - air).abs() <= STILL) {
            self.same_minutes += minutes;
        } else {
            (self.last_air, self.same_minutes) = (Some(air), 0.0);
        }
        let apart = scene.door != Some(true)
            && self.same_minutes < 10.0
            && self.approach.is_learnt(learn)
            && self.approach.mean > 1.0
            && approach > APART * self.approach.mean;
        let weight = if approach > FAR_APART * self.approach.mean { FAR_WEIGHT } else { 1.0 };
        self.apart_minutes = if apart {
            (self.apart_minutes + weight * minutes).min(2.0 * APART_FOR)
        } else {
            (self.apart_minutes - minutes).max(0.0)
        };
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, now: Now, symptoms: &mut Symptoms) {
        let Some(config) = self.config else { return };
        let learn = f32::from(config.learn_days);
        let of = |daily: &Daily, fast: Option<f32>| {
            fast.filter(|_| daily.is_learnt(learn) && daily.mean > 0.0).map(|fast| fast / daily.mean)
        };
        // By the air alone an hour tells nothing of the machine, only a day does.
        let fast = of(&self.load, self.fast_load).filter(|_| !self.by_air);
        symptoms.run_share_ratio = if self.load.strayed > 0.0 { self.load.ratio.or(fast) } else { fast };
        symptoms.sudden = self
            .approach
            .is_learnt(learn)
            .then_some(self.apart_minutes >= APART_FOR && self.approach.strayed <= HEIGHT);
        let asked = (self.asked_minutes >= ASKED_MIN).then_some(self.cold);
        symptoms.cold_ratio = of(&self.approach, asked);
        // What was seen when it last ran says nothing once that is long ago.
        if self.followed.known().is_none_or(|followed| now.mono - followed > FOLLOWED_MAX) {
            return;
        }
        symptoms.approach_ratio = of(&self.approach, self.fast_approach);
        symptoms.run_power_ratio = of(&self.power, self.fast_power);
        symptoms.evaporator_shift = self
            .fast_evaporator
            .filter(|_| self.evaporator.is_learnt(learn))
            .map(|fast| fast - self.evaporator.mean);
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.raised = Some(now.mono_of(since));
        // So much strayed that a restart does not clear it.
        self.load.strayed = HEIGHT;
    }

    fn evidence(&self, now: Now, since: Mono) -> Evidence {
        let known = |value: Option<f32>| value.map(f64::from);
        let percent = |value: f32| f64::from(value) * 100.0;
        let load = self.load.ratio.filter(|_| self.load.strayed > 0.0);
        Evidence::since(now.utc_of(since))
            .with_known(Quantity::Capacity, load.map(|ratio| percent(1.0 / ratio)))
            .with_known(Quantity::Difference, known(self.fast_approach))
            .with_known(Quantity::UsualDifference, known(Some(self.approach.mean).filter(|mean| *mean > 0.0)))
            .with_known(Quantity::EvaporatorTemperature, known(self.fast_evaporator))
    }

    /// What was learnt, [`Self::LEARNT`] numbers, NaN where unknown.
    pub fn learnt(&self, numbers: &mut [f32]) {
        let all = [self.load, self.approach, self.evaporator, self.power]
            .map(|daily| [daily.mean, daily.spread, daily.days]);
        for (number, value) in numbers.iter_mut().zip(all.into_iter().flatten()) {
            *number = value;
        }
    }

    /// Goes on from what was learnt.
    pub fn restore_learnt(&mut self, numbers: &[f32]) {
        let dailies = [&mut self.load, &mut self.approach, &mut self.evaporator, &mut self.power];
        for (daily, numbers) in dailies.into_iter().zip(numbers.chunks_exact(3)) {
            if numbers.iter().all(|number| number.is_finite()) {
                (daily.mean, daily.spread, daily.days) = (numbers[0], numbers[1], numbers[2]);
            }
        }
    }
}
