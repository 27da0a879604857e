//! The snapshot of the store that the console and the command line read.

use super::{Running, service_name, utc_offset_s};
use crate::hq_link::LinkState;
use crate::view::{AlarmView, DeviceView, PointView, RepairView, StoreView};
use std::sync::Arc;
use storewarden_rules::{AlarmState, Class, DeviceId, Now, Quality, Sample, Service};

impl Running {
    /// Publishes the store as it is now.
    pub(super) fn publish(&self, outbox_pending: u64) {
        let now = self.task.clock.now();
        let mut view = StoreView {
            at_ms: now.utc.0,
            utc_offset_s: utc_offset_s(self.task.timezone, now.utc),
            readings: self.readings,
            hq_online: *self.task.hq_link.borrow() != LinkState::Offline,
            clock_trust: self.task.clock_trust.borrow().at(now),
            outbox_pending,
            devices: self.equipment().map(|id| self.device_view(now, id)).collect(),
            alarms: self.alarm_views(),
            labels: self.task.labels.borrow().clone(),
            ..StoreView::default()
        };
        self.task.view.send_modify(|shown| {
            view.store.clone_from(&shown.store);
            view.name.clone_from(&shown.name);
            *shown = Arc::new(view);
        });
    }

    /// What has points to show; lines, circuits and the store show themselves by their alarms alone.
    fn equipment(&self) -> impl Iterator<Item = DeviceId> {
        self.names.devices().filter(|(_, device)| Class::ALL.contains(&device.class)).map(|(id, _)| id)
    }

    pub(super) fn device_view(&self, now: Now, id: DeviceId) -> DeviceView {
        let device = self.names.device(id);
        let site = &self.task.assembled.site;
        let points = self.names.shown_of(id).map(|(point, name, unit)| {
            let sample = site.sample(now, point);
            let quality = match sample.quality() {
                Quality::Good => "good",
                Quality::Stale => "stale",
                Quality::Bad(reason) => reason.name(),
            };
            PointView {
                name: name.to_owned(),
                value: match sample {
                    Sample::Good(value) | Sample::Stale(value) => Some(value),
                    Sample::Bad(_) => None,
                },
                unit: unit.symbol(),
                quality,
                at_ms: self.read_at[usize::from(point.0)].0,
            }
        });
        let service = site.service(now, id);
        DeviceView {
            service: service_name(service),
            service_until_ms: match service {
                Service::Maintenance { until } => Some(until.0),
                Service::InUse | Service::OutOfService => None,
            },
            service_by: self.service_by.get(&id).cloned().unwrap_or_default(),
            id: device.id.clone(),
            name: device.name.clone(),
            class: device.class.name(),
            points: points.collect(),
        }
    }

    pub(super) fn alarm_views(&self) -> Vec<AlarmView> {
        let mut alarms: Vec<_> =
            self.task.assembled.site.alarms().filter(|alarm| alarm.state != AlarmState::Normal).collect();
        alarms.sort_by_key(|alarm| (std::cmp::Reverse(alarm.condition.priority()), alarm.since));
        alarms
            .into_iter()
            .map(|alarm| {
                let occurrence = self.occurrences.get(&(alarm.device, alarm.condition));
                let device = self.names.device(alarm.device);
                AlarmView {
                    alarm: occurrence.map_or(0, |o| o.number),
                    device: device.id.clone(),
                    device_name: device.name.clone(),
                    condition: self.names.condition(alarm.condition).to_owned(),
                    cause: alarm.diagnosis.cause.name(),
                    priority: alarm.condition.priority().name(),
                    state: alarm.state.name(),
                    since_ms: alarm.since.0,
                    at_ms: alarm.changed_at.0,
                    by: occurrence.map_or_else(String::new, |o| o.by.clone()),
                    escalation: alarm.escalation,
                    parent: alarm.parent.map_or_else(String::new, |(device, condition)| {
                        format!("{}/{}", self.names.device(device).id, self.names.condition(condition))
                    }),
                    repair: occurrence.and_then(|o| o.repair.as_ref()).map(|repair| RepairView {
                        reference: repair.reference.clone(),
                        by: repair.by.clone(),
                        since_ms: repair.since.0,
                        escalation: repair.escalation,
                    }),
                    evidence: alarm
                        .evidence
                        .facts
                        .iter()
                        .map(|fact| (fact.quantity.name(), fact.value, fact.quantity.unit().symbol()))
                        .collect(),
                }
            })
            .collect()
    }
}
