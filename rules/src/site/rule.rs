//! One rule at work: a detector or schedule with the points it looks at.

use super::Points;
use crate::detect::{
    Demand, DemandConfig, Direction, LightDark, LightDarkConfig, LightDarkInput, NoResponse,
    NoResponseConfig, TemperatureInput, TemperatureLimit, TemperatureLimitConfig,
};
use crate::schedule::{LightSchedule, LightScheduleConfig};
use crate::{
    BadReason, Cause, Change, Condition, Evidence, Millis, Now, PointId, Quality, Quantity, Sample, Utc,
};

/// What a device is watched for, or switched by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Air temperature beyond a limit.
    TemperatureLimit {
        /// Air temperature, °C.
        air: PointId,
        /// Flag: the device defrosts.
        defrost: Option<PointId>,
        /// Flag: the compressor (or its cooling demand) is on; only tells causes apart.
        compressor: Option<PointId>,
        /// Settings.
        config: TemperatureLimitConfig,
    },
    /// Loss of sight of the device.
    NoResponse {
        /// The point the device is watched by: while it has no good value the cabinet is out of sight,
        /// whatever else the device says. None: anything good from the device will do.
        vital: Option<PointId>,
        /// Settings.
        config: NoResponseConfig,
    },
    /// Mean power above the contract.
    Demand {
        /// Power, W.
        power: PointId,
        /// Settings.
        config: DemandConfig,
    },
    /// A light that stays dark. What it was commanded to comes from the [`Rule::LightSchedule`] of
    /// the same switch; without one it never raises.
    LightDark {
        /// Flag: what the switch reads back.
        switch: PointId,
        /// Power of the lamp circuit, W.
        power: Option<PointId>,
        /// Settings.
        config: LightDarkConfig,
    },
    /// When a light is on.
    LightSchedule {
        /// Flag: the switch, read and written.
        switch: PointId,
        /// Settings.
        config: LightScheduleConfig,
    },
}

impl Rule {
    /// What it can find; a schedule finds nothing.
    pub fn condition(&self) -> Option<Condition> {
        match self {
            Self::TemperatureLimit { config, .. } => Some(match config.direction {
                Direction::High => Condition::TemperatureHigh,
                Direction::Low => Condition::TemperatureLow,
            }),
            Self::NoResponse { .. } => Some(Condition::NoResponse),
            Self::Demand { .. } => Some(Condition::DemandHigh),
            Self::LightDark { .. } => Some(Condition::LightDark),
            Self::LightSchedule { .. } => None,
        }
    }

    /// The points a new reading of which steps it at once. The schedule and a cause can wait for
    /// the next tick; silence is watched per device.
    pub(super) fn watched(&self) -> [Option<PointId>; 2] {
        match *self {
            Self::TemperatureLimit { air, defrost, .. } => [Some(air), defrost],
            Self::Demand { power, .. } => [Some(power), None],
            Self::LightDark { switch, power, .. } => [Some(switch), power],
            Self::NoResponse { .. } | Self::LightSchedule { .. } => [None, None],
        }
    }

    /// Every point it names.
    pub(super) fn points(&self) -> [Option<PointId>; 3] {
        let [first, second] = self.watched();
        match *self {
            Self::TemperatureLimit { compressor, .. } => [first, second, compressor],
            Self::LightSchedule { switch, .. } => [Some(switch), None, None],
            Self::NoResponse { vital, .. } => [vital, None, None],
            _ => [first, second, None],
        }
    }
}

/// A rule's state machine. The window of a demand is large and lives in the site, by number.
pub(super) enum Running {
    TemperatureLimit {
        detector: TemperatureLimit,
        air: PointId,
        defrost: Option<PointId>,
        compressor: Option<PointId>,
    },
    NoResponse {
        detector: NoResponse,
        vital: Option<PointId>,
    },
    Demand {
        detector: usize,
        power: PointId,
    },
    LightDark {
        detector: LightDark,
        switch: PointId,
        power: Option<PointId>,
    },
    LightSchedule {
        schedule: LightSchedule,
        switch: PointId,
    },
}

/// What a rule sees besides its points.
pub(super) struct Sight<'a> {
    pub points: &'a Points,
    pub demands: &'a mut [Demand],
    /// Something good just came from the device.
    pub heard: bool,
    /// What the light of this rule was last commanded to.
    pub commanded: Option<bool>,
}

impl Running {
    /// The state machine of `rule`; `demand` is the number of its window, if it is a demand.
    pub(super) fn new(rule: Rule, poll: Millis, demand: usize) -> Self {
        match rule {
            Rule::TemperatureLimit { air, defrost, compressor, config } => {
                Self::TemperatureLimit { detector: TemperatureLimit::new(config), air, defrost, compressor }
            }
            Rule::NoResponse { vital, config } => {
                Self::NoResponse { detector: NoResponse::new(config, poll), vital }
            }
            Rule::Demand { power, .. } => Self::Demand { detector: demand, power },
            Rule::LightDark { switch, power, config } => {
                Self::LightDark { detector: LightDark::new(config), switch, power }
            }
            Rule::LightSchedule { switch, config } => {
                Self::LightSchedule { schedule: LightSchedule::new(config), switch }
            }
        }
    }

    /// The equipment was running before the agent started.
    pub(super) fn resume(&mut self) {
        if let Self::TemperatureLimit { detector, .. } = self {
            detector.resume();
        }
    }

    pub(super) fn restore_pending(&mut self, now: Now, since: Utc) {
        match self {
            Self::TemperatureLimit { detector, .. } => detector.restore_pending(now, since),
            Self::LightDark { detector, .. } => detector.restore_pending(now, since),
            // These have no pending state to go on from.
            Self::NoResponse { .. } | Self::Demand { .. } | Self::LightSchedule { .. } => {}
        }
    }

    pub(super) fn restore_raised(&mut self, now: Now, evidence: &Evidence, demands: &mut [Demand]) {
        let since = evidence.since;
        match self {
            Self::TemperatureLimit { detector, .. } => detector.restore_raised(now, evidence),
            Self::NoResponse { detector, .. } => detector.restore_raised(now, since),
            Self::Demand { detector, .. } => demands[*detector].restore_raised(now, since),
            Self::LightDark { detector, .. } => detector.restore_raised(now, since),
            Self::LightSchedule { .. } => {}
        }
    }

    /// Looks at the points; gives the change of mind and, where it raised, the probable cause.
    pub(super) fn look(&mut self, now: Now, sight: Sight) -> Option<(Change, Cause)> {
        let sample = |point: PointId| sight.points.sample(now.mono, point);
        let flag = |point: Option<PointId>| point.and_then(|point| sample(point).flag());
        match self {
            Self::TemperatureLimit { detector, air, defrost, compressor } => {
                // Right after a restart a point that was not yet asked is not silent: a delay that
                // ran out meanwhile is judged by the first reading.
                if !sight.points.is_due(now.mono, *air) {
                    return None;
                }
                let input = TemperatureInput { temperature: sample(*air), defrost: flag(*defrost) };
                let change = detector.step(now, input)?;
                let cause = warm_cause(detector, &change, flag(*compressor));
                Some((change, cause))
            }
            Self::NoResponse { detector, vital } => {
                let change = detector.step(now, sight.heard)?;
                // The device answers, but not with this value.
                let cause = match vital.map(|vital| sample(vital).quality()) {
                    Some(Quality::Bad(reason)) if reason != BadReason::NoResponse => Cause::ValueUnusable,
                    _ => Cause::DeviceSilent,
                };
                Some((change, cause))
            }
            Self::Demand { detector, power } => {
                Some((sight.demands[*detector].step(now, sample(*power))?, Cause::LoadAboveContract))
            }
            Self::LightDark { detector, switch, power } => {
                let read_back = sample(*switch);
                let input =
                    LightDarkInput { commanded: sight.commanded, read_back, power: power.map(sample) };
                let cause = match read_back.flag() {
                    Some(false) => Cause::SwitchDidNotObey,
                    Some(true) | None => Cause::LampOrCircuit,
                };
                Some((detector.step(now, input)?, cause))
            }
            Self::LightSchedule { .. } => None,
        }
    }

    /// Steps a schedule; gives the point and state to command now, if one is to be.
    pub(super) fn command(
        &mut self,
        now: Now,
        utc_offset_s: i32,
        points: &Points,
    ) -> Option<(PointId, bool)> {
        let Self::LightSchedule { schedule, switch } = self else { return None };
        let read_back: Sample = points.sample(now.mono, *switch);
        Some((*switch, schedule.step(now, utc_offset_s, read_back.flag())?))
    }
}

/// A cabinet this much colder than at its worst is cooling down, K: beyond the sensor's steps and noise.
const COOLS_DOWN: f64 = 0.5;

fn cools_down(change: &Change) -> Option<bool> {
    let Change::Raised(evidence) = change else { return None };
    let (worst, temperature) =
        (evidence.value(Quantity::WorstTemperature)?, evidence.value(Quantity::Temperature)?);
    Some(worst - temperature >= COOLS_DOWN)
}

/// Why a cabinet is too warm, as far as its flags tell. A defrost stops the compressor by design, so
/// while one is on the compressor's flag says nothing. Nothing is claimed of a cabinet that is too
/// cold.
fn warm_cause(detector: &TemperatureLimit, change: &Change, compressor: Option<bool>) -> Cause {
    if detector.direction() == Direction::Low {
        Cause::Unknown
    } else if detector.is_defrosting() {
        if detector.defrost_not_ended() { Cause::DefrostNotEnded } else { Cause::Unknown }
    } else {
        match compressor {
            Some(false) => Cause::CompressorNotRunning,
            Some(true) => match cools_down(change) {
                Some(true) => Cause::LoadOrCapacity,
                Some(false) => Cause::CoolingWithoutEffect,
                None => Cause::Unknown,
            },
            None => Cause::Unknown,
        }
    }
}
