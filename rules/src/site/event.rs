//! What goes into a site and what comes out.

use super::Chatter;
use crate::{AlarmState, Condition, DeviceId, Diagnosis, Evidence, Millis, PointId, Reading, Utc};

/// What happens to a site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// A point was read, or was not. Delays and staleness count from the step's `now`, not from the
    /// reading's stamp. Readings of points that were not added are ignored.
    Reading(Reading),
    /// A second has passed.
    Tick {
        /// Offset of the store's local time from UTC, seconds.
        utc_offset_s: i32,
    },
    /// A person says that they know.
    Acknowledge {
        /// Whose alarm.
        device: DeviceId,
        /// Which.
        condition: Condition,
    },
    /// A person puts an alarm aside.
    Shelve {
        /// Whose alarm.
        device: DeviceId,
        /// Which.
        condition: Condition,
        /// For how long; at most 24 h, longer spans count as that. 0 or less does nothing.
        span: Millis,
    },
    /// A person takes an alarm off the shelf.
    Unshelve {
        /// Whose alarm.
        device: DeviceId,
        /// Which.
        condition: Condition,
    },
    /// A person works on the device: its alarms are suppressed by design meanwhile.
    Maintain {
        /// Which.
        device: DeviceId,
        /// For how long; at most 24 h, longer spans count as that. 0 or less does nothing.
        span: Millis,
    },
    /// The device is taken out of use: its alarms are out of service until it returns.
    RemoveFromService {
        /// Which.
        device: DeviceId,
    },
    /// The device is in use again, after maintenance or out of service.
    ReturnToService {
        /// Which.
        device: DeviceId,
    },
    /// What an alarm is about is being repaired. One repair at a time: a second does nothing.
    Repair {
        /// Whose alarm.
        device: DeviceId,
        /// Which.
        condition: Condition,
    },
    /// It is repaired.
    Repaired {
        /// Whose alarm.
        device: DeviceId,
        /// Which.
        condition: Condition,
    },
    /// The refrigeration of the store was checked by hand.
    Inspected,
    /// Somebody switches a light against its schedule for `span`, and has sent the first command.
    SwitchLight {
        /// The light.
        device: DeviceId,
        /// On or off.
        on: bool,
        /// For how long; not above 0: nothing.
        span: Millis,
    },
    /// How the journal is, as its keeper finds it; may be told again and again.
    Journal {
        /// Whether it cannot be written.
        is_stopped: bool,
        /// Whether it was found damaged.
        is_damaged: bool,
    },
    /// What is wrong with the shelf labels and their gateways; may be told again and again.
    Labels {
        /// Of how many each of [`super::LABEL_CONDITIONS`] is true, in their order.
        found: [u16; super::LABEL_CONDITIONS.len()],
    },
    /// How the store stands with headquarters, as the link finds it; may be told again and again. None:
    /// nobody knows, as while there is no connection.
    Headquarters {
        /// Whether its broker refuses what the store sends or asks for.
        is_refusing: Option<bool>,
        /// Whether its time and the store's disagree.
        is_clock_wrong: Option<bool>,
    },
}

/// Whether a device is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// It is.
    #[default]
    InUse,
    /// A person works on it: its alarms are suppressed by design.
    Maintenance {
        /// Until then; it ends by itself.
        until: Utc,
    },
    /// It is not in use.
    OutOfService,
}

/// A repair that has begun and is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRepair {
    /// Since when.
    pub since: Utc,
    /// How often it was said that it takes too long, 0 to 3.
    pub escalation: u8,
}

/// What a site says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An alarm changed its state, or while it lasts another cause became probable: then `state` and
    /// `previous` are the same.
    Alarm(AlarmEvent),
    /// Something else about an alarm changed; its state is what it was: it was escalated, or a repair
    /// began or ended. The alarm may be normal: a repair may outlive it.
    Update(AlarmEvent),
    /// An alarm came or went and nothing was said of it, because it chatters or a person shelved it: to
    /// be kept over a restart.
    Chatter {
        /// Whose.
        device: DeviceId,
        /// Which condition.
        condition: Condition,
        /// What to keep.
        chatter: Chatter,
    },
    /// A device is watched or no longer watched: to be kept over a restart.
    Service {
        /// Which.
        device: DeviceId,
        /// Whether it is.
        service: Service,
    },
    /// A delay has begun to run, or no longer runs: to be kept over a restart for [`Site::restore`](super::Site::restore).
    Pending {
        /// Whose.
        device: DeviceId,
        /// Which condition.
        condition: Condition,
        /// Since when; none when it settled or became an alarm.
        since: Option<Utc>,
    },
    /// A point is to be written.
    Command {
        /// Whose.
        device: DeviceId,
        /// Which point.
        point: PointId,
        /// In the point's unit; switches 0 or 1.
        value: f64,
    },
}

/// An alarm's change of state, or its new cause.
///
/// The cause of a cabinet's alarm is weighed again once a minute. Another one is said when its
/// probability is 0.6 or more and the last word on this alarm is 10 min old or older (choices of this
/// project), so that the right part travels though the picture came late.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmEvent {
    /// Whose alarm.
    pub device: DeviceId,
    /// Which condition.
    pub condition: Condition,
    /// What it is now.
    pub state: AlarmState,
    /// What it was; the same as `state` if only the cause is new.
    pub previous: AlarmState,
    /// When it changed.
    pub at: Utc,
    /// Probable cause, as last said.
    pub diagnosis: Diagnosis,
    /// The latest measurements behind it.
    pub evidence: Evidence,
    /// The alarm that explains it, while it is suppressed by design for that; none while it is for the
    /// maintenance of its device.
    pub parent: Option<(DeviceId, Condition)>,
    /// How often it was said that nobody acknowledges it, 0 to 3.
    pub escalation: u8,
    /// The repair, while there is one.
    pub repair: Option<OpenRepair>,
    /// What to keep over a restart.
    pub chatter: Chatter,
}

/// An alarm that is not normal.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmSnapshot {
    /// Whose alarm.
    pub device: DeviceId,
    /// Which condition.
    pub condition: Condition,
    /// Its state.
    pub state: AlarmState,
    /// Since when the condition has (or had) held.
    pub since: Utc,
    /// When the state last changed.
    pub changed_at: Utc,
    /// Probable cause.
    pub diagnosis: Diagnosis,
    /// The latest measurements behind it.
    pub evidence: Evidence,
    /// The alarm that explains it, while it is suppressed by design for that; none while it is for the
    /// maintenance of its device.
    pub parent: Option<(DeviceId, Condition)>,
    /// How often it was said that nobody acknowledges it, 0 to 3.
    pub escalation: u8,
}

/// What was known of a condition before a restart.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    /// Its delay was running: [`Event::Pending`] with a time, and none without after it.
    Pending {
        /// Since when.
        since: Utc,
    },
    /// Its alarm was not normal.
    Alarm {
        /// The state it was in.
        state: AlarmState,
        /// When it came into that state.
        changed_at: Utc,
        /// The diagnosis said with it.
        diagnosis: Diagnosis,
        /// The evidence said with it; at least its `since`.
        evidence: Evidence,
        /// The alarm that explained it, if one did.
        parent: Option<(DeviceId, Condition)>,
        /// How often it was said that nobody acknowledges it, 0 to 3.
        escalation: u8,
        /// Until when it was put aside, if it was. A shelf without an end ends at the first tick.
        shelved_until: Option<Utc>,
    },
    /// What was last said of its chattering, whatever its state.
    Chatter(Chatter),
    /// It was being repaired, whatever its state.
    Repair(OpenRepair),
}
