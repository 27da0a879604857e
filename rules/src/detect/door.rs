//! A door that stays open, by its contact or by what the air does.

use crate::cabinet::{Frame, Phase, Scene};
use crate::diagnosis::Symptoms;
use crate::time::minutes;
use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity, Utc};

/// Settings of a [`Door`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DoorConfig {
    /// How long the contact may say open.
    pub delay: Millis,
    /// How long the air must look like an open door where there is no contact.
    pub inferred_delay: Millis,
}

impl DoorConfig {
    /// The usual settings of a class; none for what is not refrigeration. 10 min: controllers ship 60,
    /// and 5 to 10 are better for staff; 30 min where it is inferred, longer than stocking takes. Choices of this project.
    pub fn for_class(class: Class) -> Option<Self> {
        class
            .is_refrigeration()
            .then_some(Self { delay: Millis::from_mins(10), inferred_delay: Millis::from_mins(30) })
    }
}

/// Least height above the band, K and in widths of the band.
const HEIGHT_MIN: f32 = 3.0;
const HEIGHT_WIDTHS: f32 = 1.0;
/// At least this share of the height comes within the first ten minutes: it climbs at once.
const AT_ONCE: f32 = 0.4;
const AT_ONCE_MIN: f32 = 10.0;
/// The least share of the way to the room that is left.
const LEFT_MIN: f32 = 0.2;
/// A door lets the air climb so many times as fast as a machine that rests does, where that is known.
const CLIMB_MIN: f32 = 1.6;
/// Slower than this it has levelled off, K/min over the last ten minutes.
const LEVEL: f32 = 0.08;

/// **With a contact**: raised when it has said open for `delay`, cleared when it says shut. **Without**:
/// raised when the believed air, outside a defrost and what may be one, climbed out of its band at once
/// (1.6 times as fast as it warms while the machine rests, once that is learnt) and has stood at least 3 K (and a width of the band) above it for `inferred_delay`, levelled off, while the
/// compressor runs as far as is known; cleared when it is back.
#[derive(Clone, Debug)]
pub struct Door {
    config: Option<DoorConfig>,
    contact: Option<bool>,
    open_since: Mono,
    /// Since when the air is above its band, where it was, and where it was ten minutes later.
    above: Option<(Mono, f32)>,
    early: Option<f32>,
    /// The speed of those ten minutes, of how fast the cabinet warms by itself.
    climb_ratio: Option<f32>,
    slope_ratio: Option<f32>,
    mark: Option<(Mono, f32)>,
    slope: Option<f32>,
    levelled: Option<bool>,
    at_once: Option<bool>,
    raised: Option<Mono>,
    /// The contact raised it, so only the contact clears it.
    by_contact: bool,
}

impl Door {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<DoorConfig>) -> Self {
        Self {
            config,
            contact: None,
            open_since: Mono::NEVER,
            above: None,
            early: None,
            climb_ratio: None,
            slope_ratio: None,
            mark: None,
            slope: None,
            levelled: None,
            at_once: None,
            raised: None,
            by_contact: false,
        }
    }

    /// To be called at every reading and once a second: follows the contact.
    pub fn step(&mut self, now: Now, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        self.contact = scene.door;
        match scene.door? {
            true => {
                let since = self.open_since.get_or_insert(now.mono);
                if self.raised.is_some() || now.mono - since < config.delay {
                    return None;
                }
                self.raised = Some(since);
                self.by_contact = true;
                Some(Change::Raised(self.evidence(now, since, scene.trusted)))
            }
            false => {
                self.open_since = Mono::NEVER;
                self.by_contact = false;
                let since = self.raised.take()?;
                Some(Change::Cleared(self.evidence(now, since, scene.trusted)))
            }
        }
    }

    /// To be called with every frame: what the air does.
    pub fn frame(&mut self, now: Now, frame: &Frame, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let (air, band) = (frame.air?, scene.band?);
        if air <= band.high + 0.5 {
            self.above = None;
            (self.early, self.mark, self.slope) = (None, None, None);
            (self.levelled, self.at_once) = (None, None);
            (self.slope_ratio, self.climb_ratio) = (None, None);
            if !self.by_contact
                && let Some(since) = self.raised.take()
            {
                return Some(Change::Cleared(self.evidence(now, since, Some(air))));
            }
            return None;
        }
        let (since, from) = *self.above.get_or_insert((frame.at, band.high));
        let lasted = minutes(frame.at - since);
        if lasted >= AT_ONCE_MIN && self.early.is_none() {
            self.early = Some(air);
            // A defrost climbs as it must.
            let by_itself = scene.warming.filter(|_| !matches!(scene.phase, Phase::Defrost { .. }));
            self.climb_ratio = by_itself.map(|warming| (air - from) / lasted / warming);
        }
        match self.mark {
            Some((at, mark)) if minutes(frame.at - at) >= 10.0 => {
                self.slope = Some((air - mark) / minutes(frame.at - at));
                self.mark = Some((frame.at, air));
            }
            Some(_) => {}
            None => self.mark = Some((frame.at, air)),
        }
        let height = air - from;
        self.at_once = self.early.map(|early| early - from >= AT_ONCE * height);
        // A machine that stands warms ever more slowly, the nearer the room is.
        let room = frame.room();
        let left = ((room - air) / (room - from).max(1.0)).clamp(LEFT_MIN, 1.0);
        self.slope_ratio = self.slope.zip(scene.warming).map(|(slope, warming)| slope / (warming * left));
        self.levelled = self.slope.map(|slope| slope.abs() <= LEVEL);
        let open = self.contact.is_none()
            && scene.phase.is_cooling()
            && height >= HEIGHT_MIN.max(HEIGHT_WIDTHS * band.width())
            && lasted >= minutes(config.inferred_delay)
            && self.at_once == Some(true)
            && self.levelled == Some(true)
            && self.climb_ratio.is_none_or(|ratio| ratio >= CLIMB_MIN)
            && scene.running != Some(false);
        if !open || self.raised.is_some() {
            return None;
        }
        self.raised = Some(since);
        Some(Change::Raised(self.evidence(now, since, Some(air))))
    }

    fn evidence(&self, now: Now, since: Mono, air: Option<f32>) -> Evidence {
        Evidence::since(now.utc_of(since))
            .with_known(Quantity::Temperature, air.map(f64::from))
            .with_span(Quantity::Held, now.mono - since)
            .with_known(Quantity::Rate, self.slope.map(f64::from))
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, now: Now, symptoms: &mut Symptoms) {
        symptoms.door = self.contact;
        symptoms.door_minutes = self.open_since.known().map(|since| minutes(now.mono - since));
        symptoms.rise = self.slope.map(|slope| slope * 60.0);
        symptoms.slope_ratio = self.slope_ratio;
        symptoms.climb_ratio = self.climb_ratio;
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.raised = Some(now.mono_of(since));
    }
}
