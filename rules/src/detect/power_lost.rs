//! A cabinet that draws no power at all.

use crate::cabinet::Scene;
use crate::diagnosis::Symptoms;
use crate::{Change, Class, Millis, Now, Utc};

/// Settings of a [`PowerLost`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLostConfig {
    /// W: less than the least a live cabinet draws.
    pub below: f32,
    /// For how long.
    pub delay: Millis,
}

impl PowerLostConfig {
    /// The usual settings of a class; none for what is not refrigeration.
    pub fn for_class(class: Class) -> Option<Self> {
        class.is_refrigeration().then_some(Self { below: 2.0, delay: Millis::from_mins(3) })
    }
}

/// (equation)
#[derive(Clone, Debug)]
pub struct PowerLost {
    #[expect(dead_code, reason = "the detector is not there yet")]
    config: Option<PowerLostConfig>,
}

impl PowerLost {
    /// A detector that knows nothing yet; without settings it never raises.
    pub fn new(config: Option<PowerLostConfig>) -> Self {
        Self { config }
    }

    /// To be called at every reading and once a second.
    pub fn step(&mut self, _now: Now, _scene: &Scene) -> Option<Change> {
        None
    }

    /// What it knows that bears on a cause.
    pub fn symptoms(&self, _now: Now, _symptoms: &mut Symptoms) {}

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, _now: Now, _since: Utc) {}
}
