//! The probable cause: what the conditions and numbers of one cabinet, weighed together, speak for.

use crate::{Cause, Condition};

/// A cause with its probability, and what else it might be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Diagnosis {
    /// The most probable cause.
    pub cause: Cause,
    /// Its probability by the weights of this module, 0 to 1; 0 for [`Cause::Unknown`] alone.
    pub probability: f32,
    /// The next two, with theirs; probability 0 where there is none.
    pub alternatives: [(Cause, f32); 2],
}

impl Diagnosis {
    /// A cause that is certain by what the condition means.
    pub const fn certain(cause: Cause) -> Self {
        Self { cause, probability: 1.0, alternatives: [(Cause::Unknown, 0.0); 2] }
    }
}

/// What the detectors know that bears on a cause. None: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Symptoms {
    /// Bit by place in [`crate::cabinet::CABINET_CONDITIONS`]: which conditions are true.
    pub active: u16,
    /// The controller asks for cooling.
    pub asked: Option<bool>,
    /// The compressor runs, by its power.
    pub running: Option<bool>,
    /// The compressor has run, or was asked to, without a pause for this long, min.
    pub running_minutes: Option<f32>,
    /// Power while running, of what it usually is, 1 = as usual.
    pub run_power_ratio: Option<f32>,
    /// Share of time running, of what it usually is at this difference to the room.
    pub run_share_ratio: Option<f32>,
    /// Starts per hour, of what they usually are.
    pub starts_ratio: Option<f32>,
    /// Air minus evaporator while running, of what it usually is.
    pub approach_ratio: Option<f32>,
    /// Evaporator minus what it usually is while running, K.
    pub evaporator_shift: Option<f32>,
    /// How much `approach_ratio` grows between two defrosts and falls with each: ice, not a fan.
    pub approach_growth: Option<f32>,
    /// The door contact.
    pub door: Option<bool>,
    /// How far the air is above its usual band, K.
    pub excess: Option<f32>,
    /// How fast the air warms now, K/h.
    pub rise: Option<f32>,
    /// The air climbed at once and levelled off.
    pub levelled_off: Option<bool>,
    /// The air rises towards the room without levelling off.
    pub rises_to_ambient: Option<bool>,
    /// What is wrong with the defrosts, if something is.
    pub defrost: Option<Cause>,
    /// What is wrong with the probe, if something is.
    pub probe: Option<Cause>,
    /// The cabinet draws no power.
    pub no_power: bool,
}

/// Weighs `symptoms` into the cause of `condition`.
pub fn diagnose(_condition: Condition, _symptoms: &Symptoms) -> Diagnosis {
    Diagnosis::default()
}
