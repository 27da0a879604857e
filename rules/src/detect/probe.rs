//! An air probe that cannot be believed.

use crate::cabinet::{Frame, Scene};
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Millis, Now, Utc};

/// Settings of a [`Probe`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeConfig {
    /// K: a step of the air higher than this within `jump_within` is not believed at once.
    pub jump: f32,
    /// See `jump`.
    pub jump_within: Millis,
    /// A jump that is back within this was the probe; one that stays longer is believed.
    pub return_within: Millis,
    /// How long the controller must call the probe broken.
    pub fault_delay: Millis,
    /// How long the value may stay exactly the same while the machine works.
    pub stuck_after: Millis,
    /// K of lasting disagreement with the other probes.
    pub drift: f32,
}

impl ProbeConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self {
            jump: 12.0,
            jump_within: Millis::from_mins(3),
            return_within: Millis::from_mins(15),
            fault_delay: Millis::from_mins(2),
            stuck_after: Millis::from_mins(240),
            drift: 3.0,
        })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct Probe {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<ProbeConfig>,
}

impl Probe {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 6;

    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<ProbeConfig>) -> Self {
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

    /// The air temperature, unless the probe is not to be believed just now.
    #[expect(clippy::cast_possible_truncation, reason = "temperatures")]
    pub fn trusted(&self, scene: &Scene) -> Option<f32> {
        scene.air.good().map(|celsius| celsius as f32)
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
