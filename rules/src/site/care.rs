//! What people do to the store as a whole: maintenance, taking out of service, checks by hand; and its
//! flood of alarms.

use super::slot::Cover;
use super::{Event, SHELF_MAX, Service, Site, Watch, change};
use crate::{Condition, DeviceId, Diagnosis, Evidence, Now, Quantity, Utc};

impl Site {
    /// Goes on from what the journal holds of a device, as [`Site::restore`] does of an alarm.
    pub fn restore_service(&mut self, now: Now, device: DeviceId, service: Service) {
        if let Some(device) = self.devices.get_mut(usize::from(device.0)) {
            device.watch = match service {
                Service::InUse => Watch::InUse,
                // As with a shelf, a clock in the past must not make it eternal.
                Service::Maintenance { until } => {
                    Watch::Maintenance { until: now.mono + (until - now.utc).min(SHELF_MAX) }
                }
                Service::OutOfService => Watch::OutOfService,
            };
        }
    }

    /// An alarm was announced before a restart: became active and unacknowledged without having been
    /// covered. To be told of the last dozen, oldest first.
    pub fn restore_announced(&mut self, now: Now, at: Utc) {
        self.flood.restore(now, at);
    }

    /// When the refrigeration was last checked by hand, or when watching began.
    pub fn restore_inspected(&mut self, now: Now, at: Utc) {
        self.inspected = Some(now.mono_of(at));
    }

    /// Sets whether `device` is watched, and covers or uncovers its alarms.
    pub(super) fn watch(&mut self, now: Now, device: DeviceId, watch: Watch, out: &mut dyn FnMut(Event)) {
        let Some(of) = self.devices.get_mut(usize::from(device.0)) else { return };
        let is_news = !matches!((of.watch, watch), (Watch::InUse, Watch::InUse))
            && !matches!((of.watch, watch), (Watch::OutOfService, Watch::OutOfService));
        of.watch = watch;
        if is_news {
            out(Event::Service { device, service: self.service(now, device) });
            self.cover_all(now, |slot| slot.device == device, out);
        }
    }

    /// Finds out whether the store as a whole has an alarm.
    pub(super) fn look_at_store(&mut self, now: Now, out: &mut dyn FnMut(Event)) {
        let Some((store, first)) = self.store else { return };
        let first = usize::from(first);
        let was = self.alarms[first].is_true();
        let is = self.policy.has_flood && self.flood.is_on(now.mono, was);
        if is != was {
            let (since, count) = self.flood.measure(now.mono);
            let count = u8::try_from(count).unwrap_or(u8::MAX);
            let evidence = Evidence::since(now.utc_of(since)).with(Quantity::Alarms, f64::from(count));
            self.change_alarm(now, first, change(is, evidence), Diagnosis::default(), out);
            self.cover_all(now, |slot| slot.cover() == Some(Cover::Alarm(store, Condition::AlarmFlood)), out);
        }
        let inspected = *self.inspected.get_or_insert(now.mono);
        let was = self.alarms[first + 1].is_true();
        let interval = self.policy.inspection_interval;
        let is = interval.is_some_and(|interval| now.mono - inspected >= interval);
        if is != was {
            let usual = interval.unwrap_or_default();
            let evidence = Evidence::since(now.utc_of(inspected + usual))
                .with_span(Quantity::Interval, now.mono - inspected)
                .with_span(Quantity::UsualInterval, usual);
            self.change_alarm(now, first + 1, change(is, evidence), Diagnosis::default(), out);
        }
    }

    /// Takes over how the journal is: whether it is stopped, whether it was damaged.
    pub(super) fn look_at_journal(&mut self, now: Now, found: [bool; 2], out: &mut dyn FnMut(Event)) {
        let Some((_, first)) = self.store else { return };
        for (place, is) in (usize::from(first) + 2..).zip(found) {
            if is != self.alarms[place].is_true() {
                let change = change(is, Evidence::since(now.utc));
                self.change_alarm(now, place, change, Diagnosis::default(), out);
            }
        }
    }

    /// Whether the device is watched.
    pub fn service(&self, now: Now, device: DeviceId) -> Service {
        match self.device(device).map_or(Watch::InUse, |device| device.watch) {
            Watch::InUse => Service::InUse,
            Watch::Maintenance { until } => Service::Maintenance { until: now.utc_of(until) },
            Watch::OutOfService => Service::OutOfService,
        }
    }
}
