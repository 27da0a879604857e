//! The probable cause: what the conditions and numbers of one cabinet, weighed together, speak for.
//!
//! A naive Bayes scale. Each condition has its usual causes with their shares before anything else is
//! known ([`causes_of`]). Each symptom multiplies a cause's weight by how often that cause shows it
//! ([`FLAGS`], [`MEASURES`]); one that is not known multiplies nothing. The weights are then brought to a
//! sum of 1. All shares are rounded expert figures of refrigeration service, a choice of this project:
//! none was fitted to recordings. [`Cause::Unknown`] stands for whatever is not in the tables, and shows
//! every symptom as often as not.
//!
//! A cause is said from a probability of 0.25 on ([`SAID_FROM`]). Below that, and wherever "none of
//! these" weighs most, the diagnosis is [`Cause::Unknown`] with probability 0, and what is most likely
//! stands among the alternatives: never more is claimed than is known.

mod tables;

use crate::condition::index_of;
use crate::{Cause, Condition};
use tables::{FLAGS, MEASURES, causes_of};

/// Least probability with which a cause is said.
const SAID_FROM: f32 = 0.25;
/// Causes of one condition, at most.
const CAUSES_MAX: usize = 20;
/// However clear a symptom is, it makes a cause at most this much less likely: probes and flags lie.
const LEAST: f32 = 0.01;

/// A cause with its probability, and what else it might be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Diagnosis {
    /// The most probable cause.
    pub cause: Cause,
    /// Its probability by the weights of this module, 0 to 1; 0 for [`Cause::Unknown`].
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
    /// Cooling is asked for or needed, and by its power the compressor has not started for minutes.
    pub not_starting: bool,
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
    /// Cooling has been asked for for minutes: the difference now, of what it usually is while running.
    pub cold_ratio: Option<f32>,
    /// Evaporator minus what it usually is while running, K.
    pub evaporator_shift: Option<f32>,
    /// How much `approach_ratio` grows between two defrosts and falls with each: ice, not a fan.
    pub approach_growth: Option<f32>,
    /// The approach grew within an hour and not over days: a fan, not ice.
    pub sudden: Option<bool>,
    /// The door contact.
    pub door: Option<bool>,
    /// For how long the contact has said open, min.
    pub door_minutes: Option<f32>,
    /// How far the air is above its usual band, K.
    pub excess: Option<f32>,
    /// How fast the air warms now, K/h.
    pub rise: Option<f32>,
    /// How fast the air climbed out of its band, of how fast it warms while the machine rests.
    pub climb_ratio: Option<f32>,
    /// How fast the air warms now, of how fast it would if the machine rested.
    pub slope_ratio: Option<f32>,
    /// The present rise began when a regular timer's defrost was due.
    pub when_due: Option<bool>,
    /// What is wrong with the defrosts, if something is.
    pub defrost: Option<Cause>,
    /// What is wrong with the probe, if something is.
    pub probe: Option<Cause>,
    /// The cabinet draws no power.
    pub no_power: bool,
}

impl Symptoms {
    /// Whether `condition`, one of a cabinet, is true.
    fn is_active(&self, condition: Condition) -> bool {
        self.active & (1 << index_of(condition)) != 0
    }
}

/// Weighs `symptoms` into the cause of `condition`.
pub fn diagnose(condition: Condition, symptoms: &Symptoms) -> Diagnosis {
    let mut weights = heapless::Vec::<(Cause, f32), CAUSES_MAX>::new();
    for (cause, share) in causes_of(condition) {
        let pushed = weights.push((*cause, *share));
        debug_assert!(pushed.is_ok(), "a condition has at most CAUSES_MAX causes");
    }
    for flag in FLAGS {
        let Some(shown) = (flag.shown)(symptoms) else { continue };
        for (cause, weight) in &mut weights {
            let often = often(flag.of, *cause, flag.others);
            *weight *= if shown { often } else { 1.0 - often }.max(LEAST);
        }
    }
    for measure in MEASURES {
        let Some(value) = (measure.value)(symptoms).filter(|value| value.is_finite()) else { continue };
        for (cause, weight) in &mut weights {
            // What is none of these makes every size as likely.
            let likelihood = match measure.of.iter().find(|(named, _)| named == cause) {
                Some((_, likelihoods)) => between(measure.at, likelihoods, value),
                None if *cause == Cause::Unknown => 0.4,
                None => between(measure.at, measure.others, value),
            };
            *weight *= likelihood.max(LEAST);
        }
    }
    ranked(&mut weights)
}

/// The entry of `cause`; a half for [`Cause::Unknown`], `others` for one that is not in the row.
fn often(of: &[(Cause, f32)], cause: Cause, others: f32) -> f32 {
    let otherwise = if cause == Cause::Unknown { 0.5 } else { others };
    of.iter().find(|(named, _)| *named == cause).map_or(otherwise, |(_, often)| *often)
}

/// The likelihood of `value`: straight lines between those at the sizes, level beyond.
fn between(at: &[f32], likelihoods: &[f32], value: f32) -> f32 {
    let above = at.iter().take_while(|size| **size <= value).count();
    match above {
        0 => likelihoods[0],
        all if all == at.len() => likelihoods[all - 1],
        above => {
            let part = (value - at[above - 1]) / (at[above] - at[above - 1]);
            likelihoods[above - 1] + part * (likelihoods[above] - likelihoods[above - 1])
        }
    }
}

/// Brings the weights to a sum of 1 and names the first three.
fn ranked(weights: &mut [(Cause, f32)]) -> Diagnosis {
    let sum: f32 = weights.iter().map(|(_, weight)| weight).sum();
    if !sum.is_normal() {
        return Diagnosis::default();
    }
    weights.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
    let is_said = weights[0].0 != Cause::Unknown && weights[0].1 / sum >= SAID_FROM;
    let mut known = weights
        .iter()
        .filter(|(cause, _)| *cause != Cause::Unknown)
        .map(|(cause, weight)| (*cause, weight / sum))
        .chain(core::iter::repeat((Cause::Unknown, 0.0)));
    let mut next = || known.next().unwrap_or_default();
    let (cause, probability) = if is_said { next() } else { (Cause::Unknown, 0.0) };
    Diagnosis { cause, probability, alternatives: [next(), next()] }
}
