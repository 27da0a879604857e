//! Going on where the journal says the last run ended.

use super::keeping::Keeping;
use super::{Occurrence, Running, SiteTask};
use crate::assemble::Assembled;
use crate::journal::JournalError;
use crate::journal::alarms::{self, AlarmChange, Stored};
use crate::journal::care;
use crate::journal::meter::Meter;
use crate::report::Reports;
use crate::telemetry::Gathering;
use std::collections::HashMap;
use storewarden_rules::cabinet::LEARNT;
use storewarden_rules::{AlarmState, Chatter, Condition, DeviceId, Now, OpenRepair, Priority, Restored, Utc};
use tokio::task::JoinSet;

impl Running {
    /// Continues where the journal says the last run ended.
    pub(super) async fn restore(mut task: SiteTask, mut keeping: Keeping) -> Result<Self, JournalError> {
        let names = task.assembled.names.clone();
        let ids: Vec<String> = names.devices().map(|(_, device)| device.id.clone()).collect();
        let now = task.clock.now();
        let meter = keeping.meter(now);
        let (stored, last_number, known) = task
            .journal
            .read(move |db| {
                let known = ids.iter().map(|id| alarms::knows_device(db, id));
                let known: Vec<bool> = known.collect::<Result<_, _>>()?;
                Ok((alarms::load(db, meter)?, alarms::last_number(db)?, known))
            })
            .await?;
        for (device, _) in (0..).map(DeviceId).zip(&known).filter(|(_, known)| **known) {
            task.assembled.site.resume(device);
        }
        let service_by = restore_care(&mut task, now, meter).await?;
        let mut occurrences = HashMap::new();
        for alarm in stored {
            let rule = Option::zip(names.find_device(&alarm.device), names.find_condition(&alarm.condition))
                .filter(|(device, condition)| task.assembled.site.watches(*device, *condition));
            let Some((device, condition)) = rule else {
                retire(&mut keeping, now, alarm).await?;
                continue;
            };
            let occurrence = Occurrence { number: alarm.alarm, by: alarm.by.clone(), repair: None };
            occurrences.insert((device, condition), occurrence);
            let parent = alarm.parent.as_ref();
            let parent = parent
                .and_then(|(id, condition)| Some((names.find_device(id)?, names.find_condition(condition)?)));
            // The clock that wrote the alarm, had it gone on while the agent ran: the alarm has waited as
            // long as that, whatever the present clock shows.
            let of_alarm = Now { mono: now.mono, utc: alarm.changed + alarm.waited };
            for restored in restored(alarm, parent) {
                let now = if matches!(restored, Restored::Alarm { .. }) { of_alarm } else { now };
                task.assembled.site.restore(now, device, condition, restored);
            }
        }
        for (device, condition, repair, since) in
            task.journal.read(move |db| care::open_repairs(db, meter)).await?
        {
            let known = Option::zip(names.find_device(&device), names.find_condition(&condition));
            let Some((device, condition)) = known else { continue };
            let open = OpenRepair { since, escalation: repair.escalation };
            task.assembled.site.restore(now, device, condition, Restored::Repair(open));
            occurrences.entry((device, condition)).or_insert_with(Occurrence::default).repair = Some(repair);
        }
        let gathering = Gathering::new(&names);
        Ok(Self {
            read_at: vec![Utc(0); names.points().len()],
            reports: Reports::new(task.heartbeat, names.points().iter().map(|point| point.deadband)),
            task,
            names,
            occurrences,
            last_number,
            service_by,
            learnt_at: now,
            known,
            gathering,
            gathered_since: now,
            closed_at: now,
            keeping,
            outbox_pending: 0,
            started: now,
            counting: None,
            readings: 0,
            events: Vec::new(),
            outcomes: JoinSet::new(),
        })
    }

    /// Goes on with other rules over the same devices and points. They are told what the journal holds, as
    /// after a restart, so that a delay that runs, an alarm and what was learnt go on; an alarm whose rule
    /// is gone is over. What lasts seconds to minutes (the last readings, the shape of the air) comes anew.
    pub(super) async fn reload(mut self, assembled: Assembled) -> Result<Self, JournalError> {
        self.keep_learnt()?;
        self.keeping.settle().await?;
        let fresh = Self::restore(SiteTask { assembled, ..self.task }, self.keeping).await?;
        Ok(Self {
            outbox_pending: self.outbox_pending,
            started: self.started,
            read_at: self.read_at,
            reports: self.reports,
            gathering: self.gathering,
            gathered_since: self.gathered_since,
            closed_at: self.closed_at,
            counting: self.counting,
            readings: self.readings,
            outcomes: self.outcomes,
            ..fresh
        })
    }
}

/// Tells the rules what people do about devices and what was learnt of them; who took devices out of use.
async fn restore_care(
    task: &mut SiteTask,
    now: Now,
    meter: Meter,
) -> Result<HashMap<DeviceId, String>, JournalError> {
    let names = task.assembled.names.clone();
    let ids: Vec<String> = names.devices().map(|(_, device)| device.id.clone()).collect();
    let load = move |db: &rusqlite::Connection| {
        let learnt = ids.iter().map(|id| care::learnt::<LEARNT>(db, id));
        let learnt: Vec<_> = learnt.collect::<Result<_, _>>()?;
        Ok((
            learnt,
            care::services(db, meter)?,
            alarms::announced(db, meter)?,
            care::last_inspection(db, meter)?,
        ))
    };
    let (learnt, services, announced, inspected) = task.journal.read(load).await?;
    let site = &mut task.assembled.site;
    for (device, numbers) in (0..).map(DeviceId).zip(learnt) {
        if let (Some(numbers), Some(cabinet)) = (numbers, site.cabinet_mut(device)) {
            cabinet.restore_learnt(&numbers);
        }
    }
    for at in announced {
        site.restore_announced(now, at);
    }
    site.restore_inspected(now, inspected.unwrap_or(now.utc));
    let mut service_by = HashMap::new();
    for (id, service, by) in services {
        // Of a device the config no longer has nothing is watched; should it come back, it is as it was.
        if let Some(device) = names.find_device(&id) {
            site.restore_service(now, device, service);
            service_by.insert(device, by);
        }
    }
    Ok(service_by)
}

/// Ends an alarm whose device or rule is no longer in the config: nobody would ever see it return.
async fn retire(keeping: &mut Keeping, now: Now, alarm: Stored) -> Result<(), JournalError> {
    if alarm.state == AlarmState::Normal {
        return Ok(());
    }
    tracing::warn!(device = %alarm.device, condition = alarm.condition,
        "the config no longer has what this alarm was about; it is over");
    let change = AlarmChange {
        alarm: alarm.alarm,
        device_name: alarm.device.clone(),
        device: alarm.device,
        // Of a rule that is gone nobody knows any more how urgent it was.
        priority: Condition::from_name(&alarm.condition).map_or(Priority::Medium, Condition::priority),
        condition: alarm.condition,
        state: AlarmState::Normal,
        previous: alarm.state,
        at: now.utc,
        meter: keeping.meter(now),
        diagnosis: alarm.diagnosis,
        evidence: alarm.evidence,
        parent: None,
        escalation: 0,
        chatter: Chatter::default(),
        repair: None,
        curve: Vec::new(),
        shelved_until: None,
        by: "config".into(),
    };
    keeping.change_waiting(now, change).await
}

/// What the rules need to go on with an alarm that `parent` explained.
fn restored(alarm: Stored, parent: Option<(DeviceId, Condition)>) -> impl Iterator<Item = Restored> {
    let pending = alarm.pending.map(|since| Restored::Pending { since });
    let active = (alarm.state != AlarmState::Normal).then_some(Restored::Alarm {
        state: alarm.state,
        changed_at: alarm.changed,
        diagnosis: alarm.diagnosis,
        evidence: alarm.evidence,
        parent,
        escalation: alarm.escalation,
        shelved_until: alarm.shelved_until,
    });
    [Restored::Chatter(alarm.chatter)].into_iter().chain(active).chain(pending)
}
