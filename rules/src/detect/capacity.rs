//! Cooling capacity that falls over days.

use crate::cabinet::{Frame, Scene};
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Now, Utc};

/// Settings of a [`CapacityLoss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityConfig {
    /// Share of the learnt capacity whose loss is a condition, 0 to 1.
    pub loss: f32,
    /// Days of undisturbed cooling from which the usual is learnt.
    pub learn_days: u8,
}

impl CapacityConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self { loss: 0.15, learn_days: 3 })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct CapacityLoss {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<CapacityConfig>,
}

impl CapacityLoss {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 16;

    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<CapacityConfig>) -> Self {
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

    /// What was learnt, [`Self::LEARNT`] numbers, NaN where unknown.
    pub fn learnt(&self, _numbers: &mut [f32]) {}

    /// Goes on from what was learnt.
    pub fn restore_learnt(&mut self, _numbers: &[f32]) {}
}
