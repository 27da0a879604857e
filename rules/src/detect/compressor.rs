//! A compressor that does not start, never stops, or starts too often.

use crate::cabinet::{Frame, Scene};
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Millis, Now, Utc};

/// Settings of a [`Compressor`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompressorConfig {
    /// How long cooling may be asked for before the compressor runs.
    pub start_delay: Millis,
    /// How long it may run without a pause outside the usual.
    pub run_max: Millis,
    /// Too often: more starts per hour than this many times the learnt ones.
    pub starts_factor: f32,
    /// Never too often below this many starts per hour.
    pub starts_min: f32,
}

impl CompressorConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self {
            start_delay: Millis::from_mins(15),
            run_max: Millis::from_mins(360),
            starts_factor: 2.0,
            starts_min: 6.0,
        })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct Compressor {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<CompressorConfig>,
}

impl Compressor {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 10;

    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<CompressorConfig>) -> Self {
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

    /// Whether the compressor really runs, by its power, else by the flag that asks for it.
    pub fn running(&mut self, _now: Now, scene: &Scene) -> Option<bool> {
        scene.asked
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
