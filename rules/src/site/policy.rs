//! What a chain decides about alarms as such, whatever they are about.

use crate::{Millis, Priority};

/// Settings of the life of all alarms of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmPolicy {
    /// A high alarm that nobody has acknowledged for this long is escalated, and again after as long,
    /// three times. None: never. Supervisors escalate after N min to the next receiver; the 15 min
    /// are a choice of this project.
    pub escalate_high: Option<Millis>,
    /// The same of a medium alarm: 60 min, a choice of this project.
    pub escalate_medium: Option<Millis>,
    /// The same of a low alarm: never, a choice of this project.
    pub escalate_low: Option<Millis>,
    /// A repair open for this long is escalated, and again after as long, three times. 24 h: what chains
    /// ask of their maintenance.
    pub repair_max: Option<Millis>,
    /// Longest time between two checks of the refrigeration by hand. 10 days: about three a month is
    /// customary. None: nobody is reminded.
    pub inspection_interval: Option<Millis>,
    /// How long neither a raise nor a clear may come of an alarm that chatters (3 raises within a minute,
    /// ISA-18.2) before a clear is believed. 10 min, a choice of this project. None: clears are never
    /// held back.
    pub chatter_quiet: Option<Millis>,
    /// Whether a flood is an alarm and keeps low ones quiet (ISA-18.2: begins at more than 10 alarms in
    /// 10 min, ends below 5).
    pub has_flood: bool,
}

impl Default for AlarmPolicy {
    fn default() -> Self {
        const DAY: i64 = 24 * 60;
        Self {
            escalate_high: Some(Millis::from_mins(15)),
            escalate_medium: Some(Millis::from_mins(60)),
            escalate_low: None,
            repair_max: Some(Millis::from_mins(DAY)),
            inspection_interval: Some(Millis::from_mins(10 * DAY)),
            chatter_quiet: Some(Millis::from_mins(10)),
            has_flood: true,
        }
    }
}

impl AlarmPolicy {
    /// After how long an unacknowledged alarm of that priority is escalated.
    pub fn escalate(&self, priority: Priority) -> Option<Millis> {
        match priority {
            Priority::High => self.escalate_high,
            Priority::Medium => self.escalate_medium,
            Priority::Low => self.escalate_low,
        }
    }
}
