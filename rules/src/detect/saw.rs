//! The teeth of a thermostat in the air: it falls while cooled and rises while not.

use crate::Mono;
use crate::cabinet::{Frame, Scene};
use crate::time::minutes;

/// The air has turned from this share of the band's width on.
const TURN_WIDTHS: f32 = 0.25;
/// A rise of this share of the width tells how fast the cabinet warms by itself.
const LEG_WIDTHS: f32 = 0.5;
/// Rises from which that counts as learnt, and the weight of a new one.
const LEGS_MIN: u8 = 10;
const NEW: f32 = 0.05;

/// Follows the air's turns while the cabinet cools, and learns how fast it warms while the machine rests:
/// the mean of its rises, of which a door makes some faster. Whatever warms much faster than that was let
/// in or is heated; what warms as fast is a machine that stands.
#[derive(Clone, Debug)]
pub struct Saw {
    cools: bool,
    /// The last turn, and the furthest since. The instant is [`Mono::NEVER`] before the first frame.
    turn: (Mono, f32),
    extreme: (Mono, f32),
    /// K/min.
    warming: f32,
    legs: u8,
}

impl Saw {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 2;

    /// Nothing is known yet.
    pub const fn new() -> Self {
        Self { cools: false, turn: (Mono::NEVER, 0.0), extreme: (Mono::NEVER, 0.0), warming: 0.0, legs: 0 }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, frame: &Frame, scene: &Scene) {
        let (Some(air), Some(band)) = (frame.air, scene.band) else { return };
        let here = (frame.at, air);
        if !scene.phase.is_cooling() || self.turn.0.known().is_none() {
            (self.turn, self.extreme) = (here, here);
            return;
        }
        let back = if self.cools { air - self.extreme.1 } else { self.extreme.1 - air };
        if back > TURN_WIDTHS * band.width() {
            if !self.cools {
                self.learn(band.width());
            }
            self.cools = !self.cools;
            (self.turn, self.extreme) = (self.extreme, here);
        } else if back < 0.0 {
            self.extreme = here;
        }
    }

    /// A rise is over.
    fn learn(&mut self, width: f32) {
        let (height, lasted) = (self.extreme.1 - self.turn.1, minutes(self.extreme.0 - self.turn.0));
        if height < LEG_WIDTHS * width || lasted <= 0.0 {
            return;
        }
        self.legs = self.legs.saturating_add(1);
        let weight = (1.0 / f32::from(self.legs)).max(NEW);
        self.warming += weight * (height / lasted - self.warming);
    }

    /// Whether it is being cooled, by the air alone.
    pub fn cools(&self) -> Option<bool> {
        self.turn.0.known().map(|_| self.cools)
    }

    /// How fast it warms while the machine rests, K/min, once learnt.
    pub fn warming(&self) -> Option<f32> {
        (self.legs >= LEGS_MIN).then_some(self.warming)
    }

    /// What was learnt, [`Self::LEARNT`] numbers.
    pub fn learnt(&self, numbers: &mut [f32]) {
        if let [warming, legs] = numbers {
            (*warming, *legs) = (self.warming, f32::from(self.legs));
        }
    }

    /// Goes on from what was learnt.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counted in a byte")]
    pub fn restore_learnt(&mut self, numbers: &[f32]) {
        if let [warming, legs] = *numbers
            && warming.is_finite()
        {
            (self.warming, self.legs) = (warming, legs as u8);
        }
    }
}

impl Default for Saw {
    fn default() -> Self {
        Self::new()
    }
}
