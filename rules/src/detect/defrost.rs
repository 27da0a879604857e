//! Defrosts, by their flag or by their shape: whether they end, come, and last as usual.

use crate::cabinet::{Frame, Phase, Scene};
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Millis, Now, Utc};

/// Settings of a [`Defrost`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DefrostConfig {
    /// Longest time from the start of a defrost to the end of its heat.
    pub duration_max: Millis,
    /// Longest time from then until the air is back where it usually is.
    pub recovery_max: Millis,
    /// Shortest time between two starts that is not too often.
    pub interval_min: Millis,
    /// Missed when none came for this many usual intervals.
    pub missed_factor: f32,
}

impl DefrostConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self {
            duration_max: Millis::from_mins(45),
            recovery_max: Millis::from_mins(90),
            interval_min: Millis::from_mins(120),
            missed_factor: 2.5,
        })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct Defrost {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<DefrostConfig>,
}

impl Defrost {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 8;

    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<DefrostConfig>) -> Self {
        Self { config }
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, _now: Now, _scene: &Scene) -> Option<Change> {
        None
    }

    /// To be called with every frame.
    pub fn frame(&mut self, _now: Now, _frame: &Frame, _scene: &Scene) -> Option<Change> {
        None
    }

    /// Whether the cabinet defrosts now.
    pub fn phase(&self) -> Phase {
        Phase::Unknown
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
