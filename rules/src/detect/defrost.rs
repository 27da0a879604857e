//! Defrosts, by their flag or by their shape: whether they end, come, and last as usual.

use crate::cabinet::{Frame, Phase, Scene};
use crate::detect::Band;
use crate::diagnosis::Symptoms;
use crate::time::minutes;
use crate::{Cause, Change, Class, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`Defrost`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DefrostConfig {
    /// Longest time from the start of a defrost to the end of its heat. 45 min: factory setting of the
    /// Danfoss EKC 202 family; 15 min of grace are added before it is a condition.
    pub duration_max: Millis,
    /// Longest time from then until the air is back where it usually is. 90 min: the same family's
    /// alarm delay after a defrost.
    pub recovery_max: Millis,
    /// Shortest time between two starts that is not too often. 2 h; a choice of this project.
    pub interval_min: Millis,
    /// Missed when none came for this many usual intervals. 2.5; a choice of this project.
    pub missed_factor: f32,
    /// Defrosts here are heated, as every freezer's are: without power beyond rest it is none. A chiller
    /// may defrost by a pause alone.
    pub heated: bool,
}

impl DefrostConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self {
            duration_max: Millis::from_mins(45),
            recovery_max: Millis::from_mins(90),
            interval_min: Millis::from_mins(120),
            missed_factor: 2.5,
            heated: class == Class::Freezer,
        })
    }
}

/// A rise shorter or lower than this is traffic at the door, K and min.
const HEIGHT_MIN: f32 = 1.5;
const LASTS_MIN: f32 = 6.0;
/// No defrost lasts longer than this with its recovery.
const LASTS_MAX: Millis = Millis::from_mins(240);
/// Before a band is learnt a recovery lasts this long at most, and is judged by nothing.
const FIRST_MAX: Millis = Millis::from_mins(60);
/// Of its learnt height and length a rise may have this much and still be one.
const MORE: f32 = 1.4;
/// A rise lower than this share of the learnt height is none.
const LESS: f32 = 0.5;
/// A rise that comes before this share of a regular timer's interval, and is lower than this share of the
/// learnt height, is none: two departures at once.
const EARLY: f32 = 0.8;
const LOW: f32 = 0.8;
/// Defrosts from which the shape counts as learnt, and intervals from which the timer does.
const SHAPES_MIN: u8 = 3;
const INTERVALS_MIN: u8 = 5;
/// Weight of a new defrost in what is learnt.
const NEW: f32 = 0.2;
/// A timer is regular if its intervals stray less than this share of the usual one.
const REGULAR: f32 = 0.12;
/// Weight of a start in the share that comes when due, and the least share that is relied on.
const REGULAR_NEW: f32 = 0.15;
const REGULAR_MIN: f32 = 0.8;
/// A rise within this of a regular timer's due time may be its defrost, min.
const DUE_MIN: f32 = 10.0;
/// Sooner than this share of a regular interval is too soon.
const HASTY: f32 = 0.6;
/// Cooling that is asked for this long during a rise tells that it is no defrost; power does not: a
/// heater may draw as much as the compressor.
const RUNS_MAX: Millis = Millis::from_mins(12);
/// As long as water may drip off before cooling begins, and the cabinet wait for its compressor.
const RESTS_MAX: Millis = Millis::from_mins(20);
/// Over the air by this much, and above this, an evaporator is being heated, K and °C.
const EVAPORATOR_OVER: f32 = 1.0;
const EVAPORATOR_WARM: f32 = -2.0;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// In the band, or nothing known.
    Calm,
    /// Out of the band without a flag.
    Rising { since: Mono, from: f32, peak: f32, peak_at: Mono, denied: bool, heated: bool },
    /// The flag is on.
    Flagged { since: Mono, from: f32, peak: f32 },
    /// The heat is off (or the peak is over); back to the band.
    Recovering { start: Mono, from: f32, peak: f32, since: Mono },
}

/// Recognises defrosts and judges them.
///
/// **With a flag** the flag says when. **Without** a rise out of the [`Band`] may be one
/// ([`Phase::Perhaps`]) while it looks like those seen here: not much higher or longer than the learnt
/// ones (before three are learnt: than any defrost may be), the compressor does not run through it, and
/// the evaporator, if there is a probe, is not being cooled. It is one, at the latest, when it came back
/// in time; an evaporator above the air and near 0 °C tells at once. A low rise long before a regular
/// timer is due is none. Learnt are running means of height,
/// duration and interval, each new defrost weighing a fifth.
///
/// **Judged** ([`crate::Condition::DefrostAbnormal`]): heat longer than `duration_max` and 15 min, by
/// the flag or by its power (does not end); recovery longer than `recovery_max` (too long); none
/// for `missed_factor` usual intervals, where the timer is regular; three in a row at less than 0.6
/// of a regular interval, or closer than `interval_min` where the timer is not (too often).
#[derive(Clone, Debug)]
pub struct Defrost {
    config: Option<DefrostConfig>,
    state: State,
    /// Whether the device ever showed a flag.
    has_flag: bool,
    ran_since: Mono,
    /// Since when it draws no more than at rest.
    rested_since: Mono,
    /// Since when it draws neither what it does at rest nor what the compressor does: heat.
    heated_since: Mono,
    /// When the air was last known inside the band, and where.
    inside: Option<(Mono, f32)>,
    last_start: Mono,
    recognised: u32,
    height: f32,
    duration: f32,
    interval: f32,
    stray: f32,
    shapes: u8,
    intervals: u8,
    /// Share of the starts that came one interval after the one before: low where some pass unseen.
    regular: f32,
    /// Starts in a row that came too soon.
    hasty: u8,
    wrong: Option<Cause>,
    raised: Option<Mono>,
}

impl Defrost {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 6;

    /// A detector that knows nothing yet; without settings it never raises, but recognises all the same.
    pub fn new(config: Option<DefrostConfig>) -> Self {
        Self {
            config,
            state: State::Calm,
            has_flag: false,
            ran_since: Mono::NEVER,
            rested_since: Mono::NEVER,
            heated_since: Mono::NEVER,
            inside: None,
            last_start: Mono::NEVER,
            recognised: 0,
            height: 0.0,
            duration: 0.0,
            interval: 0.0,
            stray: 0.0,
            shapes: 0,
            intervals: 0,
            regular: 1.0,
            hasty: 0,
            wrong: None,
            raised: None,
        }
    }

    /// Whether the cabinet defrosts now.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Calm if self.inside.is_none() => Phase::Unknown,
            State::Calm => Phase::Cooling,
            State::Rising { since, denied: true, .. } => Phase::Excursion { since },
            State::Rising { since, heated: true, .. } | State::Flagged { since, .. } => {
                Phase::Defrost { since }
            }
            State::Rising { since, .. } => Phase::Perhaps { since },
            State::Recovering { since, .. } => Phase::Recovery { since },
        }
    }

    /// How many defrosts were recognised.
    pub fn recognised(&self) -> u32 {
        self.recognised
    }

    /// When the last one began.
    pub fn last_start(&self) -> Option<Mono> {
        self.last_start.known()
    }

    /// To be called at every reading and once a second: follows the flag.
    pub fn step(&mut self, now: Now, scene: &Scene) -> Option<Change> {
        if let Some(flag) = scene.defrost_flag {
            self.has_flag = true;
            match (flag, self.state) {
                (true, State::Flagged { .. }) => {}
                (true, _) => {
                    let from = scene.trusted.unwrap_or(f32::NAN);
                    self.start(now.mono);
                    self.state = State::Flagged { since: now.mono, from, peak: from };
                }
                (false, State::Flagged { since, from, peak }) => {
                    self.learn_duration(now.mono - since);
                    self.state = State::Recovering { start: since, from, peak, since: now.mono };
                }
                (false, _) => {}
            }
        } else if self.has_flag {
            // Whether one came meanwhile is not known.
            self.last_start = Mono::NEVER;
        }
        None
    }

    /// To be called with every frame.
    pub fn frame(&mut self, now: Now, frame: &Frame, scene: &Scene) -> Option<Change> {
        self.ran_since.hold(frame.asked.is_some_and(|share| share > 0.9), frame.at);
        self.rested_since.hold(scene.rests == Some(true), frame.at);
        self.heated_since.hold(scene.rests == Some(false) && scene.running == Some(false), frame.at);
        if let Some(air) = frame.air {
            self.follow(frame, air, scene);
        } else if !self.has_flag {
            self.last_start = Mono::NEVER;
        }
        self.judge(now)
    }

    fn follow(&mut self, frame: &Frame, air: f32, scene: &Scene) {
        let at = frame.at;
        let Some(band) = scene.band else {
            // Nothing is usual yet: what the flag says still counts.
            if matches!(self.state, State::Calm) {
                self.inside = None;
            } else if let State::Recovering { from, since, .. } = self.state
                && (air <= from + 1.0 || at - since > FIRST_MAX)
            {
                self.state = State::Calm;
            }
            return;
        };
        let out = band.high + (0.5 * band.width()).max(1.0);
        let back = band.high + (0.25 * band.width()).max(0.5);
        match self.state {
            State::Calm => {
                if air > out && !self.has_flag {
                    let (since, from) = self.inside.unwrap_or((at, band.high));
                    self.state =
                        State::Rising { since, from, peak: air, peak_at: at, denied: false, heated: false };
                    self.doubt(frame, air, band);
                } else if air <= back {
                    self.inside = Some((at, air));
                } else if self.inside.is_none() {
                    self.inside = Some((at, band.high));
                }
            }
            State::Rising { since, from, peak, peak_at, denied, heated } => {
                if air <= back {
                    self.returned(at, since, from, peak, denied);
                    return;
                }
                let (peak, peak_at) = if air > peak { (air, at) } else { (peak, peak_at) };
                self.state = State::Rising { since, from, peak, peak_at, denied, heated };
                let fallen = peak - air > (0.3 * (peak - from)).max(1.0);
                if fallen && !denied {
                    self.state = State::Recovering { start: since, from, peak, since: peak_at };
                } else {
                    self.doubt(frame, air, band);
                }
            }
            State::Flagged { since, from, peak } => {
                let from = if from.is_nan() { air } else { from };
                let peak = if peak.is_nan() { air } else { peak.max(air) };
                self.state = State::Flagged { since, from, peak };
            }
            State::Recovering { start, from, peak, since } => {
                let peak = if peak.is_nan() { air } else { peak.max(air) };
                if air <= back {
                    self.returned(at, start, from, peak, false);
                } else if at - start > LASTS_MAX || (!self.has_flag && air > peak) {
                    // It does not come back: whatever it was, it is not a defrost any more.
                    self.state =
                        State::Rising { since: start, from, peak, peak_at: at, denied: true, heated: false };
                } else {
                    self.state = State::Recovering { start, from, peak, since };
                }
            }
        }
    }

    /// Whether the present rise may still be a defrost.
    fn doubt(&mut self, frame: &Frame, air: f32, band: Band) {
        let State::Rising { since, from, peak, denied, heated, .. } = &mut self.state else { return };
        if *denied {
            return;
        }
        if let Some(evaporator) = frame.evaporator {
            *heated |= evaporator > air + EVAPORATOR_OVER && evaporator > EVAPORATOR_WARM;
        }
        let lasts = minutes(frame.at - *since);
        let height = *peak - *from;
        let learnt = self.shapes >= SHAPES_MIN;
        // What is read seldom is late twice.
        let longest = if learnt { MORE * self.duration + 15.0 } else { 90.0 } + 2.0 * frame.minutes();
        let highest = if learnt { MORE * self.height + 2.0 } else { (*from - band.low).abs() + 40.0 };
        let cooled =
            frame.evaporator.is_some_and(|evaporator| evaporator < air - 4.0 && evaporator < band.low);
        let heated_here = self.config.is_none_or(|config| config.heated);
        let unheated =
            heated_here && self.rested_since.known().is_some_and(|rested| frame.at - rested >= RESTS_MAX);
        let runs = self.ran_since.known().is_some_and(|ran| frame.at - ran >= RUNS_MAX);
        *denied =
            !*heated && (lasts > longest || height > highest || (cooled && lasts > 10.0) || runs || unheated);
        if *heated && lasts > 120.0 {
            *denied = true;
        }
    }

    /// The air is back in its band.
    fn returned(&mut self, at: Mono, start: Mono, from: f32, peak: f32, denied: bool) {
        let flagged = self.has_flag;
        self.state = State::Calm;
        self.inside = Some((at, from));
        let (height, lasts) = (peak - from, minutes(at - start));
        let learnt = self.shapes >= SHAPES_MIN;
        let fits = height >= HEIGHT_MIN
            && lasts >= LASTS_MIN
            && (!learnt || (height >= LESS * self.height && lasts <= 2.0 * self.duration + 30.0))
            && !(self.is_early(start) && height < LOW * self.height);
        if flagged {
            if height > 0.0 {
                self.learn_height(height);
            }
        } else if fits && !denied {
            self.start(start);
            self.learn_height(height);
            self.learn_duration(at - start);
        }
    }

    /// Whether the timer is regular.
    fn is_regular(&self) -> bool {
        self.intervals >= INTERVALS_MIN && self.stray < REGULAR * self.interval
    }

    /// Whether a defrost at `at` comes well before it is due.
    fn is_early(&self, at: Mono) -> bool {
        self.is_regular()
            && self.last_start.known().is_some_and(|last| minutes(at - last) < EARLY * self.interval)
    }

    /// Whether a regular timer was due to start one at `at`, which may be a few periods after the last
    /// that was seen; none where there is none.
    fn was_due(&self, at: Mono) -> Option<bool> {
        let last = self.last_start.known().filter(|_| self.is_regular())?;
        let periods = minutes(at - last) / self.interval;
        let off = (periods - libm::roundf(periods)).abs() * self.interval;
        Some(periods > 0.5 && off <= DUE_MIN.max(2.0 * self.stray))
    }

    fn start(&mut self, at: Mono) {
        self.recognised += 1;
        if let Some(last) = self.last_start.replace(at) {
            let interval = minutes(at - last);
            let shortest = self.config.map_or(120.0, |config| minutes(config.interval_min));
            let learnt = self.intervals >= INTERVALS_MIN;
            let hasty =
                if self.is_regular() { interval < HASTY * self.interval } else { interval < shortest };
            self.hasty = if hasty { self.hasty.saturating_add(1) } else { 0 };
            let next = !learnt || (0.5 * self.interval..1.6 * self.interval).contains(&interval);
            self.regular += REGULAR_NEW * (if next { 1.0 } else { 0.0 } - self.regular);
            if next {
                let weight = if self.intervals == 0 { 1.0 } else { NEW };
                self.stray += weight * ((interval - self.interval).abs() - self.stray);
                if self.intervals == 0 {
                    self.stray = 0.0;
                }
                self.interval += weight * (interval - self.interval);
                self.intervals = self.intervals.saturating_add(1);
            }
        }
    }

    fn learn_height(&mut self, height: f32) {
        let weight = if self.shapes == 0 { 1.0 } else { NEW };
        self.height += weight * (height - self.height);
        self.shapes = self.shapes.saturating_add(1);
    }

    fn learn_duration(&mut self, lasts: Millis) {
        let weight = if self.duration <= 0.0 { 1.0 } else { NEW };
        self.duration += weight * (minutes(lasts) - self.duration);
    }

    fn judge(&mut self, now: Now) -> Option<Change> {
        let config = self.config?;
        let (wrong, evidence) = self.wrong(now, &config);
        self.wrong = wrong;
        match (wrong, self.raised) {
            (Some(_), None) => {
                self.raised = Some(now.mono);
                Some(Change::Raised(evidence))
            }
            (None, Some(since)) => {
                self.raised = None;
                Some(Change::Cleared(
                    Evidence::since(now.utc_of(since)).with_span(Quantity::Held, now.mono - since),
                ))
            }
            _ => None,
        }
    }

    fn wrong(&self, now: Now, config: &DefrostConfig) -> (Option<Cause>, Evidence) {
        let grace = 15.0;
        match self.state {
            State::Flagged { since, .. } => {
                let lasts = minutes(now.mono - since);
                if lasts > minutes(config.duration_max) + grace {
                    let evidence = self.lasting(now, since);
                    return (Some(Cause::DefrostNotEnded), evidence);
                }
            }
            State::Recovering { since, start, .. }
                if (self.has_flag || self.shapes >= SHAPES_MIN) && now.mono - since > config.recovery_max =>
            {
                return (Some(Cause::DefrostTooLong), self.lasting(now, start));
            }
            State::Rising { .. } => {
                let heated = self.heated_since.known();
                let limit = minutes(config.duration_max) + grace;
                if let Some(since) = heated.filter(|since| minutes(now.mono - *since) > limit) {
                    return (Some(Cause::DefrostNotEnded), self.lasting(now, since));
                }
            }
            _ => {}
        }
        if self.hasty >= if self.has_flag { 3 } else { 5 } {
            let evidence =
                Evidence::since(now.utc).with(Quantity::UsualInterval, f64::from(self.interval) * 60.0);
            return (Some(Cause::DefrostTooFrequent), evidence);
        }
        // Without a flag some pass unseen: only a timer that has kept well for long can miss one.
        let keeps = self.intervals >= 12 && self.stray < 0.5 * REGULAR * self.interval;
        let sure = self.has_flag || (keeps && self.regular >= REGULAR_MIN);
        if let Some(last) = self.last_start.known().filter(|_| self.is_regular() && sure) {
            let since = minutes(now.mono - last);
            let factor = if self.has_flag { 1.0 } else { 2.0 } * config.missed_factor;
            if since > factor * self.interval {
                let evidence = Evidence::since(now.utc_of(last))
                    .with(Quantity::Interval, f64::from(since) * 60.0)
                    .with(Quantity::UsualInterval, f64::from(self.interval) * 60.0);
                return (Some(Cause::DefrostMissed), evidence);
            }
        }
        (None, Evidence::default())
    }

    fn lasting(&self, now: Now, since: Mono) -> Evidence {
        Evidence::since(now.utc_of(since))
            .with_span(Quantity::Duration, now.mono - since)
            .with(Quantity::UsualDuration, f64::from(self.duration) * 60.0)
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, _now: Now, symptoms: &mut Symptoms) {
        symptoms.defrost = self.wrong;
        symptoms.when_due = match self.state {
            State::Rising { since, .. } if !self.has_flag => self.was_due(since),
            _ => None,
        };
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.raised = Some(now.mono_of(since));
    }

    /// What was learnt, [`Self::LEARNT`] numbers, NaN where unknown.
    pub fn learnt(&self, numbers: &mut [f32]) {
        let all = [
            self.height,
            self.duration,
            self.interval,
            self.stray,
            f32::from(self.shapes),
            f32::from(self.intervals),
        ];
        for (number, value) in numbers.iter_mut().zip(all) {
            *number = value;
        }
    }

    /// Goes on from what was learnt.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they were counted in bytes")]
    pub fn restore_learnt(&mut self, numbers: &[f32]) {
        let [height, duration, interval, stray, shapes, intervals] = *numbers else { return };
        if numbers.iter().all(|number| number.is_finite()) {
            (self.height, self.duration, self.interval, self.stray) = (height, duration, interval, stray);
            (self.shapes, self.intervals) = (shapes as u8, intervals as u8);
        }
    }
}
