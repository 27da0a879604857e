//! What is wrong with the shelf labels and their gateways, as whoever brings prices to them finds it. Each is
//! one alarm of the store, however many labels it concerns: which they are stands in the work list.

use super::{Event, STORE_CONDITIONS, Site, change};
use crate::{Condition, Diagnosis, Evidence, Millis, Mono, Now, Quantity};

/// What can be wrong with labels, in the order in which it is told.
pub const LABEL_CONDITIONS: [Condition; 9] = [
    Condition::LabelMisuse,
    Condition::LabelKey,
    Condition::LabelDisplay,
    Condition::LabelBattery,
    Condition::LabelSilent,
    Condition::LabelSignal,
    Condition::LabelLate,
    Condition::GatewayOffline,
    Condition::GatewayDisk,
];

/// A gateway that restarts is back before; of labels only what has lasted is found at all.
const AWAY: Millis = Millis::from_mins(5);
/// Since when each holds.
pub(super) struct Labels {
    since: [Mono; LABEL_CONDITIONS.len()],
}

impl Labels {
    pub(super) fn new() -> Self {
        Self { since: [Mono::NEVER; LABEL_CONDITIONS.len()] }
    }
}

impl Site {
    /// Takes over of how many labels, or gateways, each condition is true.
    pub(super) fn look_at_labels(
        &mut self,
        now: Now,
        found: [u16; LABEL_CONDITIONS.len()],
        out: &mut dyn FnMut(Event),
    ) {
        let Some((_, first)) = self.store else { return };
        for (place, (members, condition)) in found.into_iter().zip(LABEL_CONDITIONS).enumerate() {
            let is = members > 0;
            let held = &mut self.labels.since[place];
            held.hold(is, now.mono);
            let since = held.known().unwrap_or(now.mono);
            let delay = if condition == Condition::GatewayOffline { AWAY } else { Millis(0) };
            let alarm = usize::from(first) + STORE_CONDITIONS.len() + place;
            if is != self.alarms[alarm].is_true() && (!is || now.mono - since >= delay) {
                let evidence = Evidence::since(now.utc_of(since)).with(Quantity::Members, f64::from(members));
                self.change_alarm(now, alarm, change(is, evidence), Diagnosis::default(), out);
            }
        }
    }
}
