//! Means of a minute: what looks at shapes and days need not see every reading.

use crate::time::minutes;
use crate::{Millis, Mono, Now, cabinet::Scene};

/// Room that is assumed where none is measured, °C.
pub const ROOM: f32 = 24.0;
/// Least length of a frame.
pub const FRAME_MIN: Millis = Millis::from_mins(1);

/// Means over the time between two frames: a minute, or longer if the air is read less often. Each is
/// none if it was never known within the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Frame {
    /// When it ends.
    pub at: Mono,
    /// How long it is: a minute or more.
    pub span: Millis,
    /// Trusted air temperature, °C: the mean of its readings.
    pub air: Option<f32>,
    /// Evaporator, °C.
    pub evaporator: Option<f32>,
    /// Room, °C.
    pub ambient: Option<f32>,
    /// Power, W.
    pub power: Option<f32>,
    /// Share of the known time in which cooling was asked for, 0 to 1.
    pub asked: Option<f32>,
    /// Share of the known time in which the compressor ran, 0 to 1.
    pub running: Option<f32>,
    /// Share of the known time in which the door was open, 0 to 1.
    pub door: Option<f32>,
}

impl Frame {
    /// Its length in minutes.
    pub fn minutes(&self) -> f32 {
        minutes(self.span)
    }

    /// The room, °C: what is usual in a shop where none is measured.
    pub fn room(&self) -> f32 {
        self.ambient.unwrap_or(ROOM)
    }
}

/// A mean in the making.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f32,
    weight: f32,
}

impl Mean {
    fn add(&mut self, value: Option<f32>, weight: f32) {
        if let Some(value) = value {
            self.sum += value * weight;
            self.weight += weight;
        }
    }
    fn take(&mut self) -> Option<f32> {
        let Self { sum, weight } = core::mem::take(self);
        (weight > 0.0).then(|| sum / weight)
    }
}

/// Gathers scenes into frames. A frame ends with the first reading of the air at least a minute after
/// the frame before; without readings it ends after [`Framing::SILENCE`] with none.
#[derive(Clone, Debug)]
pub struct Framing {
    /// Both [`Mono::NEVER`] before the first scene.
    begun: Mono,
    last: Mono,
    air: Mean,
    evaporator: Mean,
    ambient: Mean,
    power: Mean,
    asked: Mean,
    running: Mean,
    door: Mean,
}

impl Framing {
    /// After this long without a reading of the air a frame ends without one.
    pub const SILENCE: Millis = Millis::from_mins(20);

    /// Before the first scene.
    pub fn new() -> Self {
        Self {
            begun: Mono::NEVER,
            last: Mono::NEVER,
            air: Mean::default(),
            evaporator: Mean::default(),
            ambient: Mean::default(),
            power: Mean::default(),
            asked: Mean::default(),
            running: Mean::default(),
            door: Mean::default(),
        }
    }

    /// Takes a scene in; gives the frame that it ends, if it does. What was read before holds until
    /// now, so each value weighs as long as it stood; the air weighs by its readings.
    pub fn step(&mut self, now: Now, scene: &Scene) -> Option<Frame> {
        let begun = self.begun.get_or_insert(now.mono);
        let last = self.last.replace(now.mono).unwrap_or(now.mono);
        // A first reading counts too, if lightly.
        let weight = f32_of(now.mono - last).max(1.0);
        if scene.is_new {
            self.air.add(scene.trusted, 1.0);
        }
        self.evaporator.add(scene.evaporator, weight);
        self.ambient.add(scene.ambient, weight);
        self.power.add(scene.power, weight);
        self.asked.add(scene.asked.map(share), weight);
        self.running.add(scene.running.map(share), weight);
        self.door.add(scene.door.map(share), weight);
        let span = now.mono - begun;
        let ends = (scene.is_new && span >= FRAME_MIN) || span >= Self::SILENCE;
        ends.then(|| {
            self.begun = now.mono;
            Frame {
                at: now.mono,
                span,
                air: self.air.take(),
                evaporator: self.evaporator.take(),
                ambient: self.ambient.take(),
                power: self.power.take(),
                asked: self.asked.take(),
                running: self.running.take(),
                door: self.door.take(),
            }
        })
    }
}

impl Default for Framing {
    fn default() -> Self {
        Self::new()
    }
}

/// All of the time, or none of it.
pub fn share(on: bool) -> f32 {
    if on { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds between two steps")]
fn f32_of(span: Millis) -> f32 {
    span.0 as f32
}
