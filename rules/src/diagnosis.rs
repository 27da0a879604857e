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
    /// The air climbed out of its band at once, and not little by little.
    pub climbed_at_once: Option<bool>,
    /// The air has levelled off above its band.
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

/// A yes or no that is read out of the symptoms; none while they do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    NotStarting,
    Runs,
    RunsOn,
    PowerLow,
    PowerHigh,
    LoadHigh,
    Apart,
    Close,
    EvaporatorCold,
    EvaporatorWarm,
    Sudden,
    DoorContact,
    AtOnce,
    Levelled,
    RisesToRoom,
    StartsMany,
    DefrostDoesNotEnd,
}

impl Sign {
    const ALL: [Self; 17] = [
        Self::NotStarting,
        Self::Runs,
        Self::RunsOn,
        Self::PowerLow,
        Self::PowerHigh,
        Self::LoadHigh,
        Self::Apart,
        Self::Close,
        Self::EvaporatorCold,
        Self::EvaporatorWarm,
        Self::Sudden,
        Self::DoorContact,
        Self::AtOnce,
        Self::Levelled,
        Self::RisesToRoom,
        Self::StartsMany,
        Self::DefrostDoesNotEnd,
    ];

    fn read(self, s: &Symptoms) -> Option<bool> {
        match self {
            // Only where the power tells whether it runs.
            Self::NotStarting => s.running.map(|_| s.not_starting),
            Self::Runs => s.running,
            Self::RunsOn => s.running_minutes.map(|minutes| minutes > 45.0),
            Self::PowerLow => s.run_power_ratio.map(|ratio| ratio < 0.92),
            Self::PowerHigh => s.run_power_ratio.map(|ratio| ratio > 1.07),
            Self::LoadHigh => s.run_share_ratio.map(|ratio| ratio > 1.15),
            Self::Apart => s.approach_ratio.map(|ratio| ratio > 1.25),
            Self::Close => s.approach_ratio.map(|ratio| ratio < 0.85),
            Self::EvaporatorCold => s.evaporator_shift.map(|shift| shift < -2.0),
            Self::EvaporatorWarm => s.evaporator_shift.map(|shift| shift > 2.0),
            Self::Sudden => s.sudden,
            Self::DoorContact => s.door.map(|_| s.door_minutes.is_some_and(|minutes| minutes > 3.0)),
            Self::AtOnce => s.climbed_at_once,
            Self::Levelled => s.levelled_off,
            Self::RisesToRoom => s.rises_to_ambient,
            Self::StartsMany => s.starts_ratio.map(|ratio| ratio > 1.8),
            Self::DefrostDoesNotEnd => Some(s.defrost == Some(Cause::DefrostNotEnded)),
        }
    }
}

/// Causes of a cabinet that does not keep its temperature, and how often each is the one before anything
/// else is known. Unknown competes with a fixed share: a cause is named only when something speaks for
/// it. Choices of this project, from the order in which technicians look.
const PRIORS: [(Cause, f32); 10] = [
    (Cause::Unknown, 0.22),
    (Cause::DoorOpen, 0.16),
    (Cause::CompressorNotRunning, 0.16),
    (Cause::WarmLoad, 0.08),
    (Cause::EvaporatorFan, 0.09),
    (Cause::EvaporatorIced, 0.09),
    (Cause::RefrigerantLoss, 0.08),
    (Cause::CondenserFouled, 0.07),
    (Cause::DefrostNotEnded, 0.03),
    (Cause::CompressorShortCycling, 0.02),
];

/// How much a sign speaks for a cause: the factor on its odds if the sign is there, and if it is known
/// to be absent. What stands in no row weighs 1.
struct Weight(Sign, Cause, f32, f32);

/// The knowledge of the trade, one line each.
const WEIGHTS: [Weight; 68] = [
    // Asked for, and by its power it does not run: the machine itself.
    Weight(Sign::NotStarting, Cause::CompressorNotRunning, 40.0, 0.2),
    Weight(Sign::NotStarting, Cause::DoorOpen, 0.1, 1.0),
    Weight(Sign::NotStarting, Cause::WarmLoad, 0.1, 1.0),
    Weight(Sign::NotStarting, Cause::EvaporatorFan, 0.1, 1.0),
    Weight(Sign::NotStarting, Cause::EvaporatorIced, 0.1, 1.0),
    Weight(Sign::NotStarting, Cause::RefrigerantLoss, 0.2, 1.0),
    Weight(Sign::NotStarting, Cause::CondenserFouled, 0.2, 1.0),
    Weight(Sign::Runs, Cause::CompressorNotRunning, 0.03, 1.5),
    // It runs on and on: it is asked for more than it can do.
    Weight(Sign::RunsOn, Cause::DoorOpen, 1.5, 0.7),
    Weight(Sign::RunsOn, Cause::EvaporatorFan, 1.5, 0.7),
    Weight(Sign::RunsOn, Cause::EvaporatorIced, 1.5, 0.7),
    Weight(Sign::RunsOn, Cause::RefrigerantLoss, 1.5, 0.7),
    Weight(Sign::RunsOn, Cause::CondenserFouled, 1.5, 0.7),
    // Thin gas is little work, a hot condenser is much.
    Weight(Sign::PowerLow, Cause::RefrigerantLoss, 4.0, 0.4),
    Weight(Sign::PowerLow, Cause::EvaporatorFan, 1.6, 0.8),
    Weight(Sign::PowerLow, Cause::EvaporatorIced, 1.6, 0.8),
    Weight(Sign::PowerLow, Cause::CondenserFouled, 0.1, 1.2),
    Weight(Sign::PowerLow, Cause::DoorOpen, 0.5, 1.1),
    Weight(Sign::PowerHigh, Cause::CondenserFouled, 6.0, 0.3),
    Weight(Sign::PowerHigh, Cause::DoorOpen, 1.5, 0.9),
    Weight(Sign::PowerHigh, Cause::WarmLoad, 1.5, 0.9),
    Weight(Sign::PowerHigh, Cause::RefrigerantLoss, 0.1, 1.2),
    Weight(Sign::PowerHigh, Cause::EvaporatorFan, 0.3, 1.1),
    Weight(Sign::PowerHigh, Cause::EvaporatorIced, 0.3, 1.1),
    // Over days it runs longer for the same.
    Weight(Sign::LoadHigh, Cause::RefrigerantLoss, 1.8, 0.5),
    Weight(Sign::LoadHigh, Cause::CondenserFouled, 1.8, 0.5),
    Weight(Sign::LoadHigh, Cause::EvaporatorIced, 1.3, 0.8),
    // Air and evaporator drift apart when too little air passes.
    Weight(Sign::Apart, Cause::EvaporatorFan, 8.0, 0.15),
    Weight(Sign::Apart, Cause::EvaporatorIced, 8.0, 0.15),
    Weight(Sign::Apart, Cause::RefrigerantLoss, 0.4, 1.2),
    Weight(Sign::Apart, Cause::CondenserFouled, 0.3, 1.2),
    Weight(Sign::Apart, Cause::DoorOpen, 0.6, 1.1),
    Weight(Sign::Apart, Cause::CompressorNotRunning, 0.3, 1.1),
    Weight(Sign::Close, Cause::RefrigerantLoss, 3.0, 0.8),
    Weight(Sign::Close, Cause::CondenserFouled, 1.5, 0.9),
    Weight(Sign::Close, Cause::CompressorNotRunning, 2.0, 0.9),
    Weight(Sign::EvaporatorCold, Cause::EvaporatorFan, 3.0, 0.6),
    Weight(Sign::EvaporatorCold, Cause::EvaporatorIced, 3.0, 0.6),
    Weight(Sign::EvaporatorCold, Cause::DoorOpen, 0.3, 1.1),
    Weight(Sign::EvaporatorCold, Cause::CondenserFouled, 0.4, 1.1),
    Weight(Sign::EvaporatorWarm, Cause::DoorOpen, 2.0, 0.7),
    Weight(Sign::EvaporatorWarm, Cause::WarmLoad, 1.8, 0.8),
    Weight(Sign::EvaporatorWarm, Cause::RefrigerantLoss, 1.8, 0.8),
    Weight(Sign::EvaporatorWarm, Cause::CondenserFouled, 1.8, 0.8),
    Weight(Sign::EvaporatorWarm, Cause::CompressorNotRunning, 2.5, 0.7),
    Weight(Sign::EvaporatorWarm, Cause::EvaporatorFan, 0.1, 1.1),
    Weight(Sign::EvaporatorWarm, Cause::EvaporatorIced, 0.2, 1.1),
    Weight(Sign::Sudden, Cause::EvaporatorFan, 4.0, 0.6),
    Weight(Sign::Sudden, Cause::EvaporatorIced, 0.2, 1.6),
    // Where there is a contact it knows.
    Weight(Sign::DoorContact, Cause::DoorOpen, 60.0, 0.02),
    Weight(Sign::DoorContact, Cause::WarmLoad, 0.5, 1.0),
    // The shape of the air, where nothing else tells.
    Weight(Sign::AtOnce, Cause::DoorOpen, 2.5, 0.5),
    Weight(Sign::AtOnce, Cause::WarmLoad, 2.0, 0.7),
    Weight(Sign::AtOnce, Cause::CompressorNotRunning, 0.7, 1.3),
    Weight(Sign::AtOnce, Cause::RefrigerantLoss, 0.3, 1.2),
    Weight(Sign::AtOnce, Cause::EvaporatorIced, 0.3, 1.2),
    Weight(Sign::AtOnce, Cause::CondenserFouled, 0.3, 1.2),
    Weight(Sign::Levelled, Cause::DoorOpen, 2.5, 0.6),
    Weight(Sign::Levelled, Cause::CompressorNotRunning, 0.3, 1.3),
    Weight(Sign::Levelled, Cause::WarmLoad, 0.8, 1.0),
    Weight(Sign::RisesToRoom, Cause::CompressorNotRunning, 2.5, 0.4),
    Weight(Sign::RisesToRoom, Cause::DoorOpen, 0.7, 1.2),
    Weight(Sign::RisesToRoom, Cause::WarmLoad, 0.4, 1.3),
    Weight(Sign::StartsMany, Cause::CompressorShortCycling, 60.0, 0.05),
    Weight(Sign::StartsMany, Cause::CompressorNotRunning, 0.5, 1.0),
    Weight(Sign::DefrostDoesNotEnd, Cause::DefrostNotEnded, 60.0, 0.05),
    Weight(Sign::DefrostDoesNotEnd, Cause::CompressorNotRunning, 0.3, 1.0),
    Weight(Sign::DefrostDoesNotEnd, Cause::DoorOpen, 0.3, 1.0),
];

/// How sure a detector is that found its cause itself.
const FOUND: f32 = 0.9;

/// Weighs `symptoms` into the cause of `condition`: each cause begins with its share of [`PRIORS`], is
/// multiplied by its factor for each sign that is known ([`WEIGHTS`]), and the products are brought to a
/// sum of 1. What a detector names itself (the probe, the defrost, the power) is taken from it.
pub fn diagnose(condition: Condition, symptoms: &Symptoms) -> Diagnosis {
    let found = match condition {
        Condition::ProbeFault => symptoms.probe,
        Condition::DefrostAbnormal => symptoms.defrost,
        Condition::PowerLost => Some(Cause::DevicePower),
        Condition::TemperatureLow => None,
        _ if symptoms.no_power => Some(Cause::DevicePower),
        _ => symptoms.probe.filter(|cause| *cause != Cause::ProbeJump),
    };
    if let Some(cause) = found {
        return Diagnosis { cause, probability: FOUND, ..Diagnosis::default() };
    }
    if condition == Condition::TemperatureLow {
        return Diagnosis::default();
    }
    let mut shares = PRIORS;
    for sign in Sign::ALL {
        let Some(is_there) = sign.read(symptoms) else { continue };
        for Weight(_, cause, yes, no) in WEIGHTS.iter().filter(|weight| weight.0 == sign) {
            if let Some((_, share)) = shares.iter_mut().find(|(known, _)| known == cause) {
                *share *= if is_there { *yes } else { *no };
            }
        }
    }
    let sum: f32 = shares.iter().map(|(_, share)| share).sum();
    shares.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
    let [first, second, third, ..] = shares.map(|(cause, share)| (cause, share / sum));
    Diagnosis { cause: first.0, probability: first.1, alternatives: [second, third] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(symptoms: Symptoms) -> Cause {
        diagnose(Condition::TemperatureHigh, &symptoms).cause
    }

    #[test]
    fn probabilities_are_shares_and_in_order() {
        let symptoms = Symptoms { door: Some(true), door_minutes: Some(20.0), ..Symptoms::default() };
        let diagnosis = diagnose(Condition::LimitForecast, &symptoms);
        let [second, third] = diagnosis.alternatives;
        assert!(diagnosis.probability > second.1 && second.1 >= third.1);
        assert!(diagnosis.probability + second.1 + third.1 <= 1.0);
        assert_eq!(diagnosis.cause, Cause::DoorOpen);
    }

    #[test]
    fn without_a_sign_nothing_is_claimed() {
        let diagnosis = diagnose(Condition::TemperatureHigh, &Symptoms::default());
        assert_eq!(diagnosis.cause, Cause::Unknown);
        assert!(diagnosis.probability < 0.5);
    }

    #[test]
    fn a_technician_would_say_the_same() {
        let warm = Symptoms { excess: Some(6.0), running: Some(true), ..Symptoms::default() };
        let runs = Symptoms { running_minutes: Some(90.0), ..warm };
        assert_eq!(
            cause(Symptoms {
                running: Some(false),
                not_starting: true,
                rises_to_ambient: Some(true),
                ..warm
            }),
            Cause::CompressorNotRunning
        );
        assert_eq!(
            cause(Symptoms {
                approach_ratio: Some(1.9),
                evaporator_shift: Some(-7.0),
                sudden: Some(true),
                ..runs
            }),
            Cause::EvaporatorFan
        );
        assert_eq!(
            cause(Symptoms {
                approach_ratio: Some(1.4),
                evaporator_shift: Some(-4.0),
                sudden: Some(false),
                ..runs
            }),
            Cause::EvaporatorIced
        );
        assert_eq!(
            cause(Symptoms { run_share_ratio: Some(1.4), run_power_ratio: Some(0.8), ..runs }),
            Cause::RefrigerantLoss
        );
        assert_eq!(
            cause(Symptoms { run_share_ratio: Some(1.3), run_power_ratio: Some(1.2), ..runs }),
            Cause::CondenserFouled
        );
        assert_eq!(
            cause(Symptoms { climbed_at_once: Some(true), levelled_off: Some(true), ..runs }),
            Cause::DoorOpen
        );
        assert_eq!(
            cause(Symptoms {
                climbed_at_once: Some(false),
                levelled_off: Some(false),
                rises_to_ambient: Some(true),
                ..Symptoms::default()
            }),
            Cause::CompressorNotRunning
        );
        assert_eq!(cause(Symptoms { no_power: true, ..warm }), Cause::DevicePower);
        assert_eq!(cause(Symptoms { starts_ratio: Some(4.0), ..warm }), Cause::CompressorShortCycling);
    }

    #[test]
    fn every_weight_is_of_a_cause_that_competes() {
        for Weight(sign, cause, yes, no) in &WEIGHTS {
            assert!(PRIORS.iter().any(|(known, _)| known == cause), "{sign:?} {cause:?}");
            assert!(*yes > 0.0 && *no > 0.0);
        }
    }
}
