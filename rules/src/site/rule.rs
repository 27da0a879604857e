//! One rule at work: a detector or schedule with the points it looks at.

use super::Points;
use crate::cabinet::{CABINET_CONDITIONS, Cabinet, CabinetConfig, CabinetPoints, Scene};
use crate::detect::{
    Census, Demand, DemandConfig, Direction, LightDark, LightDarkConfig, LightDarkInput, NoResponse,
    NoResponseConfig, Outage, OutageConfig, TemperatureInput, TemperatureLimit, TemperatureLimitConfig,
};
use crate::expression::{Expression, Program};
use crate::schedule::{LightSchedule, LightScheduleConfig};
use crate::{
    BadReason, Cause, Change, Condition, Diagnosis, Evidence, Millis, Now, PointId, Quality, Sample, Utc,
};

/// What a device is watched for, or switched by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Everything about a refrigerated cabinet.
    Cabinet {
        /// What is known of it.
        points: CabinetPoints,
        /// Settings.
        config: CabinetConfig,
    },
    /// Whatever hangs on this line, circuit or store has gone at once; what hangs on it was told with
    /// [`Site::hang`](super::Site::hang).
    Outage {
        /// Settings.
        config: OutageConfig,
    },
    /// Air temperature beyond a limit, of equipment that is no cabinet.
    TemperatureLimit {
        /// Air temperature, °C.
        air: PointId,
        /// Flag: the device defrosts.
        defrost: Option<PointId>,
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
    /// A rule that the chain or the store wrote itself.
    Expression {
        /// Its number, below [`crate::USER_RULES_MAX`]; the configuration has its name.
        number: u8,
        /// When it is true.
        program: Program,
        /// For how long; 0 or more.
        delay: Millis,
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
    /// What it can find, in the order in which its alarms are kept; a schedule finds nothing.
    pub fn conditions(&self) -> heapless::Vec<Condition, { CABINET_CONDITIONS.len() }> {
        match self {
            Self::Cabinet { config, .. } => {
                CABINET_CONDITIONS.into_iter().filter(|condition| config.watches(*condition)).collect()
            }
            _ => self.condition().into_iter().collect(),
        }
    }

    /// The one thing it can find; none for a cabinet, which finds many, and for a schedule.
    fn condition(&self) -> Option<Condition> {
        match self {
            Self::TemperatureLimit { config, .. } => Some(match config.direction {
                Direction::High => Condition::TemperatureHigh,
                Direction::Low => Condition::TemperatureLow,
            }),
            Self::Outage { config } => Some(config.condition),
            Self::NoResponse { .. } => Some(Condition::NoResponse),
            Self::Demand { .. } => Some(Condition::DemandHigh),
            Self::LightDark { .. } => Some(Condition::LightDark),
            Self::Expression { number, .. } => Some(Condition::User(*number)),
            Self::Cabinet { .. } | Self::LightSchedule { .. } => None,
        }
    }

    /// The points a new reading of which steps it at once. The rest can wait for the next tick; silence
    /// is watched per device.
    pub(super) fn watched(&self) -> [Option<PointId>; 2] {
        match *self {
            Self::Cabinet { points, .. } => [Some(points.air), None],
            Self::TemperatureLimit { air, defrost, .. } => [Some(air), defrost],
            Self::Demand { power, .. } => [Some(power), None],
            Self::LightDark { switch, power, .. } => [Some(switch), power],
            Self::Outage { .. }
            | Self::NoResponse { .. }
            | Self::Expression { .. }
            | Self::LightSchedule { .. } => [None, None],
        }
    }

    /// Whether every point it names `is_known`.
    pub(super) fn names_only(&self, is_known: impl Fn(PointId) -> bool) -> bool {
        match *self {
            Self::Cabinet { points, .. } => points.all().all(is_known),
            Self::LightSchedule { switch, .. } => is_known(switch),
            Self::Expression { program, .. } => program.points().all(is_known),
            Self::NoResponse { vital, .. } => vital.is_none_or(is_known),
            _ => self.watched().into_iter().flatten().all(is_known),
        }
    }
}

/// A rule's state machine. Cabinets, expressions and the windows of demands are large and live in the
/// site, by number.
pub(super) enum Running {
    Cabinet { cabinet: usize, points: CabinetPoints },
    Outage(Outage),
    TemperatureLimit { detector: TemperatureLimit, air: PointId, defrost: Option<PointId> },
    NoResponse { detector: NoResponse, vital: Option<PointId> },
    Demand { detector: usize, power: PointId },
    LightDark { detector: LightDark, switch: PointId, power: Option<PointId> },
    Expression { expression: usize, condition: Condition },
    LightSchedule { schedule: LightSchedule, switch: PointId },
}

/// What a rule sees besides its points.
pub(super) struct Sight<'a> {
    pub points: &'a Points,
    pub cabinets: &'a mut [Cabinet],
    pub demands: &'a mut [Demand],
    pub expressions: &'a mut [Expression],
    /// Something good just came from the device.
    pub heard: bool,
    /// The point that was just read, if one was.
    pub read: Option<PointId>,
    /// What the light of this rule was last commanded to.
    pub commanded: Option<bool>,
    /// What hangs on the device of this rule.
    pub census: Census,
}

impl Running {
    /// The state machine of `rule`; `number` is that of its cabinet or window, if it has one.
    pub(super) fn new(rule: Rule, poll: Millis, number: usize) -> Self {
        match rule {
            Rule::Cabinet { points, .. } => Self::Cabinet { cabinet: number, points },
            Rule::Outage { config } => Self::Outage(Outage::new(config)),
            Rule::TemperatureLimit { air, defrost, config } => {
                Self::TemperatureLimit { detector: TemperatureLimit::new(config), air, defrost }
            }
            Rule::NoResponse { vital, config } => {
                Self::NoResponse { detector: NoResponse::new(config, poll), vital }
            }
            Rule::Demand { power, .. } => Self::Demand { detector: number, power },
            Rule::LightDark { switch, power, config } => {
                Self::LightDark { detector: LightDark::new(config), switch, power }
            }
            Rule::Expression { number: name, .. } => {
                Self::Expression { expression: number, condition: Condition::User(name) }
            }
            Rule::LightSchedule { switch, config } => {
                Self::LightSchedule { schedule: LightSchedule::new(config), switch }
            }
        }
    }

    /// The equipment was running before the agent started.
    pub(super) fn resume(&mut self, cabinets: &mut [Cabinet]) {
        match self {
            Self::TemperatureLimit { detector, .. } => detector.resume(),
            Self::Cabinet { cabinet, .. } => cabinets[*cabinet].resume(),
            _ => {}
        }
    }

    pub(super) fn restore_pending(
        &mut self,
        now: Now,
        condition: Condition,
        since: Utc,
        cabinets: &mut [Cabinet],
        expressions: &mut [Expression],
    ) {
        match self {
            Self::Expression { expression, .. } => expressions[*expression].restore_pending(now, since),
            Self::Cabinet { cabinet, .. } => cabinets[*cabinet].restore_pending(now, condition, since),
            Self::TemperatureLimit { detector, .. } => detector.restore_pending(now, since),
            Self::LightDark { detector, .. } => detector.restore_pending(now, since),
            // These have no pending state to go on from.
            Self::Outage(_) | Self::NoResponse { .. } | Self::Demand { .. } | Self::LightSchedule { .. } => {}
        }
    }

    pub(super) fn restore_raised(
        &mut self,
        now: Now,
        condition: Condition,
        evidence: &Evidence,
        cabinets: &mut [Cabinet],
        demands: &mut [Demand],
        expressions: &mut [Expression],
    ) {
        let since = evidence.since;
        match self {
            Self::Cabinet { cabinet, .. } => cabinets[*cabinet].restore_raised(now, condition, evidence),
            Self::Outage(detector) => detector.restore_raised(now, since),
            Self::TemperatureLimit { detector, .. } => detector.restore_raised(now, evidence),
            Self::NoResponse { detector, .. } => detector.restore_raised(now, since),
            Self::Demand { detector, .. } => demands[*detector].restore_raised(now, since),
            Self::LightDark { detector, .. } => detector.restore_raised(now, since),
            Self::Expression { expression, .. } => expressions[*expression].restore_raised(now, since),
            Self::LightSchedule { .. } => {}
        }
    }

    /// Looks at the points; gives each condition that changes and, for one that was raised, its
    /// diagnosis.
    pub(super) fn look(&mut self, now: Now, sight: Sight, out: &mut dyn FnMut(Condition, Change, Diagnosis)) {
        let sample = |point: PointId| sight.points.sample(now.mono, point);
        let flag = |point: Option<PointId>| point.and_then(|point| sample(point).flag());
        let mut say = |condition: Condition, change: Option<Change>, cause: Cause| {
            if let Some(change) = change {
                out(condition, change, Diagnosis::certain(cause));
            }
        };
        match self {
            Self::Cabinet { cabinet, points } => {
                // Right after a restart a point that was not yet asked is not silent: a delay that
                // ran out meanwhile is judged by the first reading.
                if !sight.points.is_due(now.mono, points.air) {
                    return;
                }
                let scene = scene(now, sight.points, points, sight.read == Some(points.air));
                let cabinet = &mut sight.cabinets[*cabinet];
                let mut changes = heapless::Vec::<_, { 2 * CABINET_CONDITIONS.len() }>::new();
                cabinet.step(now, scene, &mut |condition, change| {
                    let pushed = changes.push((condition, change));
                    debug_assert!(pushed.is_ok(), "a condition changes at most twice in a step");
                });
                // Weighed when all detectors have spoken, so that the first alarm knows of the second.
                for (condition, change) in changes {
                    let diagnosis = match change {
                        Change::Raised(_) => cabinet.diagnose(now, condition),
                        _ => Diagnosis::default(),
                    };
                    out(condition, change, diagnosis);
                }
            }
            Self::Outage(detector) => {
                let cause = detector.cause();
                say(detector.condition(), detector.step(now, sight.census), cause);
            }
            Self::TemperatureLimit { detector, air, defrost } => {
                if !sight.points.is_due(now.mono, *air) {
                    return;
                }
                let input = TemperatureInput {
                    temperature: sample(*air),
                    defrost: flag(*defrost),
                    no_defrost: false,
                };
                let condition = match detector.direction() {
                    Direction::High => Condition::TemperatureHigh,
                    Direction::Low => Condition::TemperatureLow,
                };
                say(condition, detector.step(now, input), Cause::Unknown);
            }
            Self::NoResponse { detector, vital } => {
                let change = detector.step(now, sight.heard);
                // The device answers, but not with this value.
                let cause = match vital.map(|vital| sample(vital).quality()) {
                    Some(Quality::Bad(reason)) if reason != BadReason::NoResponse => Cause::ValueUnusable,
                    _ => Cause::DeviceSilent,
                };
                say(Condition::NoResponse, change, cause);
            }
            Self::Demand { detector, power } => {
                let change = sight.demands[*detector].step(now, sample(*power));
                say(Condition::DemandHigh, change, Cause::LoadAboveContract);
            }
            Self::LightDark { detector, switch, power } => {
                let read_back = sample(*switch);
                let input =
                    LightDarkInput { commanded: sight.commanded, read_back, power: power.map(sample) };
                let cause = match read_back.flag() {
                    Some(false) => Cause::SwitchDidNotObey,
                    Some(true) | None => Cause::LampOrCircuit,
                };
                say(Condition::LightDark, detector.step(now, input), cause);
            }
            Self::Expression { expression, condition } => {
                let change = sight.expressions[*expression].step(now, sample);
                say(*condition, change, Cause::UserRule);
            }
            Self::LightSchedule { .. } => {}
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

/// What was read of a cabinet, as of now.
#[expect(clippy::cast_possible_truncation, reason = "measurements")]
fn scene(now: Now, points: &Points, of: &CabinetPoints, is_new: bool) -> Scene {
    let number = |point: Option<PointId>| Some(points.sample(now.mono, point?).good()? as f32);
    let flag = |point: Option<PointId>| points.sample(now.mono, point?).flag();
    Scene {
        air: points.sample(now.mono, of.air),
        is_new,
        evaporator: number(of.evaporator),
        ambient: number(of.ambient),
        set_point: number(of.set_point),
        power: number(of.power),
        asked: flag(of.compressor),
        fan: flag(of.fan),
        defrost_flag: flag(of.defrost),
        door: flag(of.door),
        ..Scene::unknown()
    }
}
