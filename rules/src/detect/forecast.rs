//! Time until the air is at its limit.

use crate::cabinet::{Frame, Scene};
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Millis, Now, Utc};

/// Settings of a [`Forecast`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForecastConfig {
    /// Raised when the limit will be reached sooner than this.
    pub horizon: Millis,
    /// K above the usual band from which on a rise counts.
    pub rise_min: f32,
    /// How long the rise must have lasted.
    pub window: Millis,
}

impl ForecastConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self {
            horizon: Millis::from_mins(60),
            rise_min: 2.0,
            window: Millis::from_mins(15),
        })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct Forecast {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<ForecastConfig>,
}

impl Forecast {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<ForecastConfig>, _limit: Option<f64>) -> Self {
        Self { config }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, _now: Now, _frame: &Frame, _scene: &Scene) -> Option<Change> {
        None
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, _now: Now, _symptoms: &mut Symptoms) {}

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, _now: Now, _since: Utc) {}
}
