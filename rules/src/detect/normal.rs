//! Where the air usually is between defrosts.

use crate::cabinet::{Frame, Scene};

/// The usual range of the air between defrosts, °C.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// As cold as it usually gets.
    pub low: f32,
    /// As warm as it usually gets.
    pub high: f32,
}

/// Learns the [`Band`].
#[derive(Clone, Debug)]
pub struct Normal {}

impl Normal {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 4;

    /// Nothing is learnt yet.
    pub fn new() -> Self {
        Self {}
    }

    /// To be called with every frame.
    pub fn frame(&mut self, _frame: &Frame, _scene: &Scene) {}

    /// The band, once learnt.
    pub fn band(&self) -> Option<Band> {
        None
    }

    /// What was learnt, [`Self::LEARNT`] numbers, NaN where unknown.
    pub fn learnt(&self, _numbers: &mut [f32]) {}

    /// Goes on from what was learnt.
    pub fn restore_learnt(&mut self, _numbers: &[f32]) {}
}

impl Default for Normal {
    fn default() -> Self {
        Self::new()
    }
}
