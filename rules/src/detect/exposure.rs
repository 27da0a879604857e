//! Estimated temperature of the goods, and how long they may still be sold.

use crate::cabinet::{Frame, Scene};
use crate::time::minutes;
use crate::{Change, Class, Evidence, Millis, Mono, Now, Quantity};

/// Settings of an [`Exposure`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExposureConfig {
    /// °C that the goods may have.
    pub limit: f32,
    /// Time constant of the goods behind the air.
    pub lag: Millis,
    /// K·min above the limit after which the goods must be thrown away.
    pub budget: f32,
}

impl ExposureConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    ///
    /// Freezer: −15 °C, the warm excursion of ISO 23953 L1 and the tolerance of EU 37/2005; 600 K·min,
    /// an hour at −5 °C (a choice of this project). Chiller and cold room: 7 °C, the warmest of ISO
    /// 23953 M2; 1,200 K·min, four hours (FDA Food Code 3-501.19) at 5 K above it. Time constants of
    /// 240 min for a packed freezer, 120 min for a chiller and 240 min for a cold room: the middle of
    /// the minutes to hours that packages take; choices of this project.
    pub fn for_class(class: Class) -> Option<Self> {
        let (limit, lag, budget) = match class {
            Class::Freezer => (-15.0, 240, 600.0),
            Class::Chiller => (7.0, 120, 1_200.0),
            Class::ColdRoom => (7.0, 240, 1_200.0),
            _ => return None,
        };
        Some(Self { limit, lag: Millis::from_mins(lag), budget })
    }
}

/// Raised and cleared this far apart, K.
const HYSTERESIS: f32 = 0.5;
/// While the cabinet defrosts, or may, and until it has recovered, the goods follow this much more slowly:
/// the fan stands, and the probe hangs beside the heat.
const SHELTERED: f32 = 3.0;
/// A gap in the readings longer than this leaves the goods where they were believed to be.
const GAP_MAX: Millis = Millis::from_mins(60);

/// The goods follow the air with one lag: dG/dt = (T − G) / τ. Raised when G > limit; cleared when
/// G ≤ limit − 0.5 K. Exposure is ∫ max(0, G − limit) dt in K·min, and what is left of the budget
/// divided by the present excess, with the air as it is, is the time until the goods must go.
///
/// During a defrost, or what may be one, τ is three times as long.
///
/// **Unknown data.** While the air is unknown or not believed the goods stay where they were; after an
/// hour without it the present air begins anew only if that is colder (rule 4: unknown never clears).
/// A cabinet that was warm when it was first seen is starting up, not spoiling goods: G begins at the
/// limit at the warmest.
#[derive(Clone, Debug)]
pub struct Exposure {
    config: Option<ExposureConfig>,
    goods: Option<f32>,
    air: f32,
    /// When the air was last known; [`Mono::NEVER`] before the first time.
    last: Mono,
    exposure: f32,
    /// [`Mono::NEVER`] while it is not.
    raised: Mono,
    /// Whether the air has ever been right: before, the cabinet starts up.
    was_right: bool,
}

impl Exposure {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<ExposureConfig>) -> Self {
        Self {
            config,
            goods: None,
            air: 0.0,
            last: Mono::NEVER,
            exposure: 0.0,
            raised: Mono::NEVER,
            was_right: false,
        }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, now: Now, frame: &Frame, scene: &Scene) -> Option<Change> {
        let config = self.config?;
        let air = frame.air?;
        let gap = self.last.replace(frame.at).map_or(frame.span, |last| frame.at - last);
        self.was_right |= air <= config.limit;
        if !self.was_right {
            return None;
        }
        let sheltered = scene.phase.holds_off() == Some(true);
        let lag = minutes(config.lag) * if sheltered { SHELTERED } else { 1.0 };
        let span = minutes(gap.min(GAP_MAX));
        let before = self.goods.unwrap_or_else(|| air.min(config.limit));
        // Exact for an air that was constant over the span.
        let goods = air + (before - air) * libm::expf(-span / lag);
        self.goods = Some(goods);
        self.air = air;
        let excess = goods - config.limit;
        if excess > 0.0 {
            self.exposure += excess * span;
        }
        match self.raised.known() {
            None if excess > 0.0 => {
                self.raised = frame.at;
                Some(Change::Raised(self.evidence(now, frame.at)))
            }
            Some(since) if excess <= -HYSTERESIS => {
                self.raised = Mono::NEVER;
                let cleared = Change::Cleared(self.evidence(now, since));
                self.exposure = 0.0;
                Some(cleared)
            }
            _ => {
                if self.raised.known().is_none() && excess <= -HYSTERESIS {
                    self.exposure = 0.0;
                }
                None
            }
        }
    }

    /// Estimated temperature of the goods, °C.
    pub fn goods(&self) -> Option<f32> {
        self.goods
    }

    /// Time until the budget is used up, if the air stays as it is; none if that is never, or more than
    /// two days away.
    pub fn time_left(&self) -> Option<Millis> {
        let config = self.config?;
        let goods = self.goods?;
        let lag = minutes(config.lag);
        let (mut excess, drive) = (goods - config.limit, self.air - config.limit);
        if drive <= 0.0 && excess <= 0.0 {
            return None;
        }
        let mut left = config.budget - self.exposure;
        // In steps of ten minutes: two days are 288 of them.
        for step in 0..288_i64 {
            if left <= 0.0 {
                return Some(Millis::from_mins(step * 10));
            }
            excess = drive + (excess - drive) * libm::expf(-10.0 / lag);
            left -= excess.max(0.0) * 10.0;
        }
        None
    }

    /// Continues a condition that was raised before the restart with `evidence`.
    pub fn restore_raised(&mut self, now: Now, evidence: &Evidence) {
        self.raised = now.mono_of(evidence.since);
        self.was_right = true;
        #[expect(clippy::cast_possible_truncation, reason = "temperatures and degree-minutes")]
        let number = |quantity| evidence.value(quantity).map(|value| value as f32);
        self.goods = number(Quantity::GoodsTemperature);
        self.exposure = number(Quantity::Exposure).unwrap_or(0.0);
    }

    fn evidence(&self, now: Now, since: Mono) -> Evidence {
        let known = |value: Option<f32>| value.map(f64::from);
        Evidence::since(now.utc_of(since))
            .with_known(Quantity::GoodsTemperature, known(self.goods))
            .with(Quantity::Temperature, f64::from(self.air))
            .with_known(Quantity::TemperatureLimit, known(self.config.map(|config| config.limit)))
            .with(Quantity::Exposure, f64::from(self.exposure))
            .with_known(Quantity::TimeLeft, self.time_left().map(|left| left.as_secs_f64()))
    }
}
