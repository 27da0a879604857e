//! What keeps an alarm quiet: another that explains it, work on its device, a flood; and the cause that is
//! weighed again while it lasts.

use super::family::{explains, explains_below};
use super::slot::{Cover, Slot};
use super::{Event, Running, Site, WEIGH_EVERY, Watch};
use crate::{Condition, DeviceId, Now, Priority};

impl Site {
    /// After a condition of `device` became true or untrue: puts beneath it what it explains.
    pub(super) fn explain_all(&mut self, now: Now, device: DeviceId, out: &mut dyn FnMut(Event)) {
        for place in 0..self.alarms.len() {
            let slot = &self.alarms[place];
            let concerned = slot.device == device
                || self.devices[usize::from(slot.device.0)].hangs_on.contains(&Some(device));
            if concerned {
                self.cover(now, place, out);
            }
        }
    }

    /// Looks anew why the alarms that are `concerned` are quiet, if they are.
    pub(super) fn cover_all(
        &mut self,
        now: Now,
        concerned: impl Fn(&Slot) -> bool,
        out: &mut dyn FnMut(Event),
    ) {
        for place in 0..self.alarms.len() {
            if concerned(&self.alarms[place]) {
                self.cover(now, place, out);
            }
        }
    }

    pub(super) fn cover(&mut self, now: Now, place: usize, out: &mut dyn FnMut(Event)) {
        let slot = &self.alarms[place];
        if slot.is_active() {
            let cover = self.cover_of(slot.device, slot.condition, slot.cover());
            self.alarms[place].set_cover(now, cover, out);
        }
    }

    /// Why `condition` of `device` is to be quiet, if it is: no work is done on it and it is in use, no
    /// alarm explains it, and it did not come in a flood. `present` is why it is quiet so far.
    pub(super) fn cover_of(
        &self,
        device: DeviceId,
        condition: Condition,
        present: Option<Cover>,
    ) -> Option<Cover> {
        match self.devices[usize::from(device.0)].watch {
            Watch::OutOfService => return Some(Cover::OutOfService),
            Watch::Maintenance { .. } => return Some(Cover::Maintenance),
            Watch::InUse => {}
        }
        let parent = self.parent_of(device, condition);
        let parent = parent.map(|(device, condition)| Cover::Alarm(device, condition));
        // What came before the flood, or with another reason to be quiet, is not put beneath it.
        parent.or_else(|| self.flooding(condition).filter(|flood| present == Some(*flood)))
    }

    /// The flood that keeps a new alarm quiet, if there is one.
    pub(super) fn flooding(&self, condition: Condition) -> Option<Cover> {
        let (store, first) = self.store?;
        let is_beneath = condition.priority() == Priority::Low && self.alarms[usize::from(first)].is_true();
        is_beneath.then_some(Cover::Alarm(store, Condition::AlarmFlood))
    }

    /// The active alarm that explains `condition` of `device`; of several the one that explains the
    /// others, so that all lie beneath the same.
    pub(super) fn parent_of(&self, device: DeviceId, condition: Condition) -> Option<(DeviceId, Condition)> {
        self.alarms
            .iter()
            .filter(|slot| slot.is_active())
            .map(|slot| (slot.device, slot.condition))
            .filter(|parent| self.explains(*parent, (device, condition)))
            .reduce(|first, second| if self.explains(second, first) { second } else { first })
    }

    /// Whether `parent`, if it is active, explains `child`.
    pub(super) fn explains(&self, parent: (DeviceId, Condition), child: (DeviceId, Condition)) -> bool {
        if parent.0 == child.0 {
            return explains(parent.1, child.1);
        }
        explains_below(parent.1, child.1)
            && self.devices[usize::from(child.0.0)].hangs_on.contains(&Some(parent.0))
    }

    /// Weighs the causes of the cabinets' lasting alarms again, once a minute.
    pub(super) fn weigh(&mut self, now: Now, out: &mut dyn FnMut(Event)) {
        let weighed = *self.weighed.get_or_insert(now.mono);
        if now.mono - weighed < WEIGH_EVERY {
            return;
        }
        self.weighed = Some(now.mono);
        for rule in &self.rules {
            let Running::Cabinet { cabinet, .. } = rule.running else { continue };
            let first = usize::from(rule.first_alarm);
            for slot in &mut self.alarms[first..first + usize::from(rule.alarm_count)] {
                if slot.is_active() {
                    let diagnosis = self.cabinets[cabinet].diagnose(now, slot.condition);
                    slot.weigh(now, diagnosis, out);
                }
            }
        }
    }
}
