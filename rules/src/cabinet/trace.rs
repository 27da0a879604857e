//! The curve before an alarm: what travels to headquarters as its evidence window.

use crate::cabinet::Frame;
use crate::{Millis, Mono, Now, Utc};

/// Least time between two samples of the curve.
const STEP: Millis = Millis::from_mins(5);
/// Samples kept: three hours at the least step.
const SAMPLES: usize = 36;
/// Stands for an unknown temperature.
const UNKNOWN: i16 = i16::MIN;
/// Stands for unknown power.
const UNKNOWN_POWER: u16 = u16::MAX;

/// One sample of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceSample {
    /// When.
    pub at: Utc,
    /// Air, °C.
    pub air: Option<f32>,
    /// Evaporator, °C.
    pub evaporator: Option<f32>,
    /// Power, W.
    pub power: Option<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Seconds since the slot before; longer pauses than 18 h count as 18 h.
    after_s: u16,
    /// 0.01 °C.
    air: i16,
    evaporator: i16,
    /// W.
    power: u16,
}

/// The last three hours, every five minutes (or as often as the air is read).
#[derive(Clone, Debug)]
pub struct Trace {
    slots: heapless::Deque<Slot, SAMPLES>,
    /// [`Mono::NEVER`] before the first sample.
    last: Mono,
}

impl Trace {
    /// An empty curve.
    pub fn new() -> Self {
        Self { slots: heapless::Deque::new(), last: Mono::NEVER }
    }

    /// Takes a frame in, if the last sample is old enough.
    pub fn push(&mut self, at: Mono, frame: &Frame) {
        if self.last.known().is_some_and(|last| at - last < STEP) {
            return;
        }
        let after = self.last.replace(at).map_or(Millis(0), |last| at - last);
        if self.slots.is_full() {
            self.slots.pop_front();
        }
        let slot = Slot {
            after_s: u16::try_from(after.0 / 1000).unwrap_or(u16::MAX),
            air: hundredths(frame.air),
            evaporator: hundredths(frame.evaporator),
            power: watts(frame.power),
        };
        let pushed = self.slots.push_back(slot);
        debug_assert!(pushed.is_ok(), "room was made");
    }

    /// The curve, oldest first.
    pub fn samples(&self, now: Now) -> impl Iterator<Item = TraceSample> {
        // The newest is known; each other is as much older as the ones after it say.
        let all: i64 = self.slots.iter().skip(1).map(|slot| i64::from(slot.after_s)).sum();
        let mut at = now.utc_of(self.last.known().unwrap_or(now.mono) + Millis::from_secs(-all));
        self.slots.iter().enumerate().map(move |(place, slot)| {
            if place > 0 {
                at = at + Millis::from_secs(i64::from(slot.after_s));
            }
            TraceSample {
                at,
                air: celsius(slot.air),
                evaporator: celsius(slot.evaporator),
                power: (slot.power != UNKNOWN_POWER).then(|| f32::from(slot.power)),
            }
        })
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
fn hundredths(celsius: Option<f32>) -> i16 {
    celsius.map_or(UNKNOWN, |celsius| libm::roundf((celsius * 100.0).clamp(-32_000.0, 32_000.0)) as i16)
}

fn celsius(hundredths: i16) -> Option<f32> {
    (hundredths != UNKNOWN).then(|| f32::from(hundredths) / 100.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
fn watts(power: Option<f32>) -> u16 {
    power.map_or(UNKNOWN_POWER, |power| libm::roundf(power.clamp(0.0, 65_000.0)) as u16)
}
