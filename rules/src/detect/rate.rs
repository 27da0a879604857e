//! Air that warms faster than a closed, cooled cabinet can.

use crate::cabinet::{Frame, Scene};
use crate::{Change, Class, Millis, Now, Utc};

/// Settings of a [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateConfig {
    /// K/min.
    pub limit: f32,
    /// Over which it is measured.
    pub window: Millis,
}

impl RateConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self { limit: 0.5, window: Millis::from_mins(10) })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct Rate {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<RateConfig>,
}

impl Rate {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<RateConfig>) -> Self {
        Self { config }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, _now: Now, _frame: &Frame, _scene: &Scene) -> Option<Change> {
        None
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, _now: Now, _since: Utc) {}
}
