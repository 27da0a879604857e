//! Estimated temperature of the goods, and how long they may still be sold.

use crate::cabinet::{Frame, Scene};
use crate::{Change, Class, Evidence, Millis, Now};

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
    pub fn for_class(class: Class) -> Option<Self> {
        let (limit, lag, budget) = match class {
            Class::Freezer => (-15.0, Millis::from_mins(240), 600.0),
            Class::Chiller | Class::ColdRoom => (5.0, Millis::from_mins(120), 1_200.0),
            _ => return None,
        };
        Some(Self { limit, lag, budget })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct Exposure {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<ExposureConfig>,
}

impl Exposure {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<ExposureConfig>) -> Self {
        Self { config }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, _now: Now, _frame: &Frame, _scene: &Scene) -> Option<Change> {
        None
    }

    /// Time until the budget is used up, if the air stays as it is; none if that is never.
    pub fn time_left(&self) -> Option<Millis> {
        None
    }

    /// Continues a condition that was raised before the restart with `evidence`.
    pub fn restore_raised(&mut self, _now: Now, _evidence: &Evidence) {}
}
