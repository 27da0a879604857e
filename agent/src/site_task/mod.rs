//! The task that owns the rules: readings in, alarms to the journal, commands to the buses, telemetry
//! to the outbox, a snapshot to the console. It decides nothing itself.

mod snapshot;

use crate::assemble::{Assembled, Names};
use crate::console::{RequestError, SiteRequest};
use crate::journal::alarms::{self, AlarmChange, Stored};
use crate::journal::{Journal, JournalError, audit, outbox};
use crate::report::Reports;
use crate::telemetry::Gathering;
use crate::view::{LabelView, StoreView};
use chrono::{DateTime, Offset};
use chrono_tz::Tz;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::modbus::command::CommandError;
use storewarden_drivers::modbus::task::Command;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{CommandOutcome, Stream};
use storewarden_rules::{
    AlarmEvent, AlarmState, Condition, DeviceId, Event, Input, Millis, Now, PointId, Reading, Restored, Utc,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How long a command may take to reach its device.
const COMMAND_DEADLINE: Millis = Millis::from_secs(10);

/// Blocks judged in one go at most; then the others of the task have their turn.
const BLOCKS_AT_ONCE: usize = 64;

/// Telemetry messages that may wait for the journal's disk; beyond, the site waits, and the buses with it.
/// Together they are written with one sync.
const COMMITTING_MAX: usize = 4;

/// The journal's answer, on its way.
type Answer = Pin<Box<dyn Future<Output = Result<u64, JournalError>> + Send>>;

/// What the task is made of.
pub struct SiteTask {
    /// The rules and their names.
    pub assembled: Assembled,
    /// Where alarms and telemetry go.
    pub journal: Journal,
    /// The time.
    pub clock: Clock,
    /// The store's time zone.
    pub timezone: Tz,
    /// Which bus each device's commands go to, by device id.
    pub commands: HashMap<DeviceId, mpsc::Sender<Command>>,
    /// After this long a reading is reported even if it did not change.
    pub heartbeat: Millis,
    /// How often a telemetry message is closed.
    pub telemetry_every: Millis,
    /// Telemetry messages kept at most while headquarters is away.
    pub telemetry_messages_max: u64,
    /// The snapshot for the console; ids and name are filled in by whoever made it.
    pub view: watch::Sender<Arc<StoreView>>,
    /// Whether the link to headquarters is up.
    pub hq_online: watch::Receiver<bool>,
    /// What the labels show.
    pub labels: watch::Receiver<Vec<LabelView>>,
}

/// The latest of one alarm that the rules do not know: its number and who acted.
#[derive(Default)]
struct Occurrence {
    number: u64,
    by: String,
}

/// What a person did.
struct Act {
    by: String,
    shelved_until: Option<Utc>,
}

/// The running task.
struct Running {
    task: SiteTask,
    names: Arc<Names>,
    occurrences: HashMap<(DeviceId, Condition), Occurrence>,
    last_number: u64,
    /// When each point was last read or missed, by point id; 0 if never.
    read_at: Vec<Utc>,
    /// Whether each device has answered, now or before a restart, by device id.
    known: Vec<bool>,
    reports: Reports,
    gathering: Gathering,
    gathered_since: Now,
    /// Telemetry messages handed to the journal, oldest first; the answer is how many others it dropped.
    committing: VecDeque<Answer>,
    /// How many messages wait for headquarters, for the next view.
    counting: Option<Answer>,
    readings: u64,
    events: Vec<Event>,
    outcomes: JoinSet<(CommandOutcome, Result<(), CommandError>)>,
}

impl SiteTask {
    /// Runs until `readings` closes, which is how a stop begins: the buses end first. Returns the
    /// number of readings judged.
    pub async fn run(
        self,
        mut readings: mpsc::Receiver<Vec<Reading>>,
        mut requests: mpsc::Receiver<SiteRequest>,
    ) -> Result<u64, JournalError> {
        let mut running = Running::restore(self).await?;
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut blocks = Vec::new();
        loop {
            tokio::select! {
                count = readings.recv_many(&mut blocks, BLOCKS_AT_ONCE) => match count {
                    0 => break,
                    _ => running.judge(&mut blocks).await?,
                },
                _ = tick.tick() => running.tick().await?,
                Some(outbox_pending) = answered(&mut running.counting) => {
                    running.counting = None;
                    running.publish(outbox_pending?);
                }
                Some(request) = requests.recv() => running.request(request).await?,
                Some(Ok((outcome, result))) = running.outcomes.join_next() => {
                    running.command_done(outcome, result).await?;
                }
            }
        }
        // The buses have ended, so every command has its answer.
        while let Some(done) = running.outcomes.join_next().await {
            if let Ok((outcome, result)) = done {
                running.command_done(outcome, result).await?;
            }
        }
        running.close_telemetry().await?;
        running.telemetry_committed(0).await?;
        Ok(running.readings)
    }
}

impl Running {
    /// Continues where the journal says the last run ended.
    async fn restore(mut task: SiteTask) -> Result<Self, JournalError> {
        let names = task.assembled.names.clone();
        let ids: Vec<String> = names.devices().map(|(_, device)| device.id.clone()).collect();
        let (stored, last_number, known) = task
            .journal
            .run(move |db| {
                let known = ids.iter().map(|id| alarms::knows_device(db, id));
                let known: Vec<bool> = known.collect::<Result<_, _>>()?;
                Ok((alarms::load(db)?, alarms::last_number(db)?, known))
            })
            .await?;
        let now = task.clock.now();
        for (device, _) in (0..).map(DeviceId).zip(&known).filter(|(_, known)| **known) {
            task.assembled.site.resume(device);
        }
        let mut occurrences = HashMap::new();
        for alarm in stored {
            let condition = alarm.condition;
            let rule = names
                .find_device(&alarm.device)
                .filter(|device| task.assembled.site.watches(*device, condition));
            let Some(device) = rule else {
                retire(&task.journal, now.utc, alarm).await?;
                continue;
            };
            occurrences.insert((device, condition), Occurrence { number: alarm.alarm, by: alarm.by.clone() });
            for restored in restored(alarm) {
                task.assembled.site.restore(now, device, condition, restored);
            }
        }
        let gathering = Gathering::new(&names);
        Ok(Self {
            read_at: vec![Utc(0); names.points().len()],
            reports: Reports::new(task.heartbeat, names.points().iter().map(|point| point.deadband)),
            task,
            names,
            occurrences,
            last_number,
            known,
            gathering,
            gathered_since: now,
            committing: VecDeque::new(),
            counting: None,
            readings: 0,
            events: Vec::new(),
            outcomes: JoinSet::new(),
        })
    }

    /// Every reading goes to the rules; what is an exception by [`Reports`] goes to telemetry too.
    async fn judge(&mut self, blocks: &mut Vec<Vec<Reading>>) -> Result<(), JournalError> {
        let now = self.task.clock.now();
        for block in blocks.drain(..) {
            self.readings += block.len() as u64;
            for reading in &block {
                if reading.sample.good().is_some() {
                    let device = self.names.point(reading.point).device;
                    if !self.known[usize::from(device.0)] {
                        self.remember(device).await?;
                    }
                }
                self.read_at[usize::from(reading.point.0)] = reading.at;
                if self.reports.take(now.mono, reading) {
                    self.gathering.add(reading);
                }
                let events = &mut self.events;
                self.task.assembled.site.step(now, Input::Reading(*reading), &mut |event| events.push(event));
            }
            if self.gathering.is_full() {
                self.close_telemetry().await?;
            }
        }
        self.carry_out(now, None).await
    }

    /// The first answer of a device ever is worth a row: after a restart it gets no start-up hold-off.
    async fn remember(&mut self, device: DeviceId) -> Result<(), JournalError> {
        self.known[usize::from(device.0)] = true;
        let id = self.names.device(device).id.clone();
        self.task.journal.run(move |db| alarms::record_device(db, &id)).await.map(drop)
    }

    async fn tick(&mut self) -> Result<(), JournalError> {
        let now = self.task.clock.now();
        let utc_offset_s = utc_offset_s(self.task.timezone, now.utc);
        let events = &mut self.events;
        self.task.assembled.site.step(now, Input::Tick { utc_offset_s }, &mut |event| events.push(event));
        self.carry_out(now, None).await?;
        if now.mono - self.gathered_since.mono >= self.task.telemetry_every {
            self.telemetry_committed(0).await?;
            self.close_telemetry().await?;
        }
        // The count stands behind whatever is being committed: the view waits for it, the rules do not.
        if self.counting.is_none() {
            self.counting = Some(Box::pin(self.task.journal.begin(outbox::pending).await?));
        }
        Ok(())
    }

    async fn request(&mut self, request: SiteRequest) -> Result<(), JournalError> {
        let (alarm, by, reply, shelve) = match request {
            SiteRequest::Acknowledge { alarm, by, reply } => (alarm, by, reply, None),
            SiteRequest::Shelve { alarm, by, minutes, reply } => {
                (alarm, by, reply, Some(Millis::from_mins(minutes.into())))
            }
        };
        let found = self.occurrences.iter().find(|(_, occurrence)| occurrence.number == alarm && alarm > 0);
        let Some((&(device, condition), _)) = found else {
            let _ = reply.send(Err(RequestError::UnknownAlarm));
            return Ok(());
        };
        let now = self.task.clock.now();
        let input = match shelve {
            None => Input::Acknowledge { device, condition },
            Some(span) => Input::Shelve { device, condition, span },
        };
        let shelved_until = shelve.map(|span| now.utc + span);
        let events = &mut self.events;
        self.task.assembled.site.step(now, input, &mut |event| events.push(event));
        let changed = !self.events.is_empty();
        self.carry_out(now, Some(&Act { by, shelved_until })).await?;
        let _ = reply.send(if changed { Ok(()) } else { Err(RequestError::NotNow) });
        Ok(())
    }

    /// Commits what the rules said and sends the commands. `act` tells what a person did to cause it.
    async fn carry_out(&mut self, now: Now, act: Option<&Act>) -> Result<(), JournalError> {
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Alarm(event) => self.alarm(now, event, act).await?,
                Event::Pending { device, condition, since } => {
                    let id = self.names.device(device).id.clone();
                    self.task
                        .journal
                        .run(move |db| alarms::record_pending(db, &id, condition, since))
                        .await?;
                }
                Event::Command { device, point, value } => self.command(device, point, value).await?,
            }
        }
        Ok(())
    }

    async fn alarm(&mut self, now: Now, event: AlarmEvent, act: Option<&Act>) -> Result<(), JournalError> {
        let occurrence = self.occurrences.entry((event.device, event.condition)).or_default();
        if event.previous == AlarmState::Normal || occurrence.number == 0 {
            self.last_number += 1;
            *occurrence = Occurrence { number: self.last_number, by: String::new() };
        }
        if let Some(act) = act {
            occurrence.by.clone_from(&act.by);
        }
        let device = self.names.device(event.device);
        let change = AlarmChange {
            alarm: occurrence.number,
            device: device.id.clone(),
            device_name: device.name.clone(),
            condition: event.condition,
            state: event.state,
            at: event.at,
            diagnosis: event.diagnosis,
            evidence: event.evidence,
            shelved_until: act.and_then(|act| act.shelved_until),
            by: act.map_or_else(String::new, |act| act.by.clone()),
        };
        tracing::warn!(device = %change.device, condition = change.condition.name(), state = change.state.name(),
            cause = change.diagnosis.cause.name(), alarm = change.alarm, by = %change.by, "alarm");
        let identity = self.task.journal.identity().clone();
        self.task
            .journal
            .run(move |db| {
                if !change.by.is_empty() {
                    let detail = format!("alarm {} is {}", change.alarm, change.state.name());
                    audit::append(db, now.utc, &change.by, "alarm", &detail)?;
                }
                alarms::record(db, &identity, now.utc, &change)
            })
            .await
    }

    async fn command(&mut self, device: DeviceId, point: PointId, value: f64) -> Result<(), JournalError> {
        let target = self.names.point(point);
        let outcome = CommandOutcome {
            device: self.names.device(target.device).id.clone(),
            point: target.name.clone(),
            value,
            by: "schedule".into(),
            ..CommandOutcome::default()
        };
        tracing::info!(device = %self.names.device(device).id, point = %format_args!("{}/{}", outcome.device, outcome.point), value, "command");
        let (reply, answer) = oneshot::channel();
        let command = Command { point, value, deadline: COMMAND_DEADLINE, reply };
        let sent = match self.task.commands.get(&target.device) {
            Some(bus) => bus.try_send(command).is_ok(),
            None => false,
        };
        if !sent {
            return self.command_done(outcome, Err(CommandError::QueueFull)).await;
        }
        self.outcomes.spawn(async move { (outcome, answer.await.unwrap_or(Err(CommandError::Stopped))) });
        Ok(())
    }

    async fn command_done(
        &mut self,
        mut outcome: CommandOutcome,
        result: Result<(), CommandError>,
    ) -> Result<(), JournalError> {
        let now = self.task.clock.now();
        outcome.at_ms = now.utc.0;
        outcome.done = result.is_ok();
        if let Err(error) = &result {
            outcome.reason = error.to_string();
            tracing::warn!(device = %outcome.device, point = %outcome.point, %error, "command failed");
        }
        let identity = self.task.journal.identity().clone();
        self.task
            .journal
            .run(move |db| {
                let what = if outcome.done { "command" } else { "command-failed" };
                let detail =
                    format!("{}/{} = {} {}", outcome.device, outcome.point, outcome.value, outcome.reason);
                audit::append(db, now.utc, &outcome.by, what, &detail)?;
                outbox::append(db, &identity, now.utc, Body::CommandOutcome(outcome.clone())).map(drop)
            })
            .await
    }

    /// Hands the readings gathered to the journal, and waits only if too many messages wait there.
    async fn close_telemetry(&mut self) -> Result<(), JournalError> {
        self.gathered_since = self.task.clock.now();
        let Some(telemetry) = self.gathering.take() else { return Ok(()) };
        self.telemetry_committed(COMMITTING_MAX - 1).await?;
        let (identity, now) = (self.task.journal.identity().clone(), self.gathered_since.utc);
        let max = self.task.telemetry_messages_max;
        let stored = self.task.journal.begin(move |db| {
            outbox::append_encoded(db, &identity, now, Stream::Telemetry, &telemetry)?;
            outbox::bound_telemetry(db, &identity, now, max)
        });
        self.committing.push_back(Box::pin(stored.await?));
        Ok(())
    }

    /// Waits until at most `left` telemetry messages are not committed yet.
    async fn telemetry_committed(&mut self, left: usize) -> Result<(), JournalError> {
        while self.committing.len() > left
            && let Some(stored) = self.committing.pop_front()
        {
            let dropped = stored.await?;
            if dropped > 0 {
                tracing::warn!(
                    messages = dropped,
                    "headquarters has been away too long: the oldest telemetry was dropped"
                );
            }
        }
        Ok(())
    }
}

/// The answer, if one is on its way.
async fn answered(answer: &mut Option<Answer>) -> Option<Result<u64, JournalError>> {
    match answer {
        Some(answer) => Some(answer.await),
        None => None,
    }
}

/// Ends an alarm whose device or rule is no longer in the config: nobody would ever see it return.
async fn retire(journal: &Journal, now: Utc, alarm: Stored) -> Result<(), JournalError> {
    if alarm.state == AlarmState::Normal {
        return Ok(());
    }
    tracing::warn!(device = %alarm.device, condition = alarm.condition.name(),
        "the config no longer has what this alarm was about; it is over");
    let change = AlarmChange {
        alarm: alarm.alarm,
        device_name: alarm.device.clone(),
        device: alarm.device,
        condition: alarm.condition,
        state: AlarmState::Normal,
        at: now,
        diagnosis: alarm.diagnosis,
        evidence: alarm.evidence,
        shelved_until: None,
        by: "config".into(),
    };
    let identity = journal.identity().clone();
    journal.run(move |db| alarms::record(db, &identity, now, &change)).await
}

/// What the rules need to go on with an alarm.
fn restored(alarm: Stored) -> impl Iterator<Item = Restored> {
    let pending = alarm.pending.map(|since| Restored::Pending { since });
    let active = (alarm.state != AlarmState::Normal).then_some(Restored::Alarm {
        state: alarm.state,
        changed_at: alarm.changed,
        diagnosis: alarm.diagnosis,
        evidence: alarm.evidence,
        shelved_until: alarm.shelved_until,
    });
    active.into_iter().chain(pending)
}

/// Offset of local time from UTC at that moment, seconds.
pub fn utc_offset_s(timezone: Tz, at: Utc) -> i32 {
    let utc = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    utc.with_timezone(&timezone).offset().fix().local_minus_utc()
}

#[cfg(test)]
mod tests;
