//! The task that owns the rules: readings in, alarms to the journal, commands to the buses, telemetry
//! to the outbox, a snapshot to the console. It decides nothing itself.

mod act;
mod keeping;
mod order;
mod restore;
mod snapshot;

use crate::assemble::{Assembled, Names};
use crate::clock_trust::{ClockTrust, Trust};
use crate::console::SiteRequest;
use crate::hq_link::LinkState;
use crate::journal::alarms::{self, AlarmChange};
use crate::journal::care::{self, Repair};
use crate::journal::{Journal, JournalError, audit, outbox};
use crate::report::Reports;
use crate::telemetry::Gathering;
use crate::view::{LabelView, StoreView};
use act::Hand;
use chrono::{DateTime, Offset};
use chrono_tz::Tz;
use keeping::{Answer, Keeping, first};
pub use order::Order;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::modbus::command::CommandError;
use storewarden_drivers::modbus::task::Command;
use storewarden_proto::v1::CommandOutcome;
use storewarden_proto::v1::envelope::Body;
use storewarden_rules::{
    AlarmEvent, AlarmState, Condition, DeviceId, Event, Input, LABEL_CONDITIONS, Millis, Now, PointId,
    Reading, Service, Utc,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How long a command may take to reach its device.
const COMMAND_DEADLINE: Millis = Millis::from_secs(10);

/// How often what was learnt of the cabinets is saved: what an hour teaches may be lost.
const LEARNT_EVERY: Millis = Millis::from_mins(60);

/// How often what was read is handed to the journal: a crash loses so much.
const TELEMETRY_PART_EVERY: Millis = Millis::from_secs(10);

/// Blocks judged in one go at most; then the others of the task have their turn.
const BLOCKS_AT_ONCE: usize = 64;

/// How long it is shown that the journal was damaged.
const DAMAGE_SHOWN: Millis = Millis::from_mins(24 * 60);

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
    /// Telemetry kept at most while headquarters is away.
    pub telemetry_budget: outbox::Budget,
    /// The snapshot for the console; ids and name are filled in by whoever made it.
    pub view: watch::Sender<Arc<StoreView>>,
    /// Whether the link to headquarters is up.
    pub hq_link: watch::Receiver<LinkState>,
    /// How far the clock may be trusted.
    pub clock_trust: watch::Receiver<ClockTrust>,
    /// Whether a price is due by a clock that cannot be trusted.
    pub prices_held: watch::Receiver<bool>,
    /// Of how many labels each of [`LABEL_CONDITIONS`] is true; none until that is known.
    pub labels_found: watch::Receiver<Option<[u16; LABEL_CONDITIONS.len()]>>,
    /// What the labels show.
    pub labels: watch::Receiver<Vec<LabelView>>,
}

/// Something that headquarters orders to be written.
#[derive(Debug)]
pub struct Ordered {
    /// What.
    pub order: Order,
    /// Who ordered it.
    pub by: String,
    /// How long it may take to be sent.
    pub deadline: Millis,
    /// Answered when the device reads what was written, or with why not.
    pub reply: oneshot::Sender<Result<(), String>>,
}

/// The latest of one alarm that the rules do not know: its number and who acted.
#[derive(Default)]
struct Occurrence {
    number: u64,
    by: String,
    repair: Option<Repair>,
}

/// The running task.
struct Running {
    task: SiteTask,
    names: Arc<Names>,
    occurrences: HashMap<(DeviceId, Condition), Occurrence>,
    last_number: u64,
    /// Who took a device into maintenance or out of service.
    service_by: HashMap<DeviceId, String>,
    learnt_at: Now,
    /// When each point was last read or missed, by point id; 0 if never.
    read_at: Vec<Utc>,
    /// Whether each device has answered, now or before a restart, by device id.
    known: Vec<bool>,
    reports: Reports,
    gathering: Gathering,
    gathered_since: Now,
    /// When the last message was closed.
    closed_at: Now,
    keeping: Keeping,
    /// Messages that waited for headquarters when they were last counted.
    outbox_pending: u64,
    started: Now,
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
        mut orders: mpsc::Receiver<Ordered>,
        mut reloads: mpsc::Receiver<Assembled>,
    ) -> Result<u64, JournalError> {
        let keeping = Keeping::new(self.journal.clone(), self.clock.clone());
        let mut running = Running::restore(self, keeping).await?;
        // What the run before left becomes messages, and headquarters hears since when nobody read.
        running.keep_telemetry(false)?;
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
                Some(outbox_pending) = first(running.counting.as_mut()) => {
                    running.counting = None;
                    running.outbox_pending = outbox_pending?;
                    running.publish(running.outbox_pending);
                }
                Some(stored) = running.keeping.next() => stored?,
                Some(request) = requests.recv() => running.request(request).await?,
                Some(ordered) = orders.recv() => running.order(ordered),
                // Rules begin from what the journal holds: they wait until it holds all.
                Some(assembled) = reloads.recv(), if !running.keeping.is_stopped() => {
                    running = running.reload(assembled).await?;
                }
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
        running.keep_learnt()?;
        running.close_telemetry()?;
        running.keeping.settle().await?;
        Ok(running.readings)
    }
}

impl Running {
    /// Every reading goes to the rules; what is an exception by [`Reports`] goes to telemetry too.
    async fn judge(&mut self, blocks: &mut Vec<Vec<Reading>>) -> Result<(), JournalError> {
        let now = self.task.clock.now();
        for block in blocks.drain(..) {
            self.readings += block.len() as u64;
            for reading in &block {
                if reading.sample.good().is_some() {
                    let device = self.names.point(reading.point).device;
                    if !self.known[usize::from(device.0)] {
                        self.remember(device)?;
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
                self.keep_telemetry(false)?;
            }
        }
        self.carry_out(now, None).await
    }

    /// The first answer of a device ever is worth a row: after a restart it gets no start-up hold-off.
    fn remember(&mut self, device: DeviceId) -> Result<(), JournalError> {
        self.known[usize::from(device.0)] = true;
        let id = self.names.device(device).id.clone();
        self.keeping.fact(move |db| alarms::record_device(db, &id).map(drop))
    }

    async fn tick(&mut self) -> Result<(), JournalError> {
        let now = self.task.clock.now();
        let utc_offset_s = utc_offset_s(self.task.timezone, now.utc);
        let events = &mut self.events;
        self.task.assembled.site.step(now, Input::Tick { utc_offset_s }, &mut |event| events.push(event));
        self.carry_out(now, None).await?;
        if now.mono - self.closed_at.mono >= self.task.telemetry_every {
            self.close_telemetry()?;
        } else if now.mono - self.gathered_since.mono >= TELEMETRY_PART_EVERY
            && !self.keeping.is_telemetry_under_way()
        {
            self.keep_telemetry(false)?;
        }
        if now.mono - self.learnt_at.mono >= LEARNT_EVERY {
            self.keep_learnt()?;
        }
        self.look_at_headquarters(now);
        self.look_at_labels(now);
        self.look_at_journal(now).await?;
        // The count stands behind whatever is being committed: the view waits for it a second at most.
        if self.counting.is_some() {
            self.publish(self.outbox_pending);
        } else if let Ok(counted) = self.task.journal.hand_over(outbox::pending) {
            self.counting = Some(Box::pin(counted));
        }
        Ok(())
    }

    fn step(&mut self, now: Now, input: Input) {
        let events = &mut self.events;
        self.task.assembled.site.step(now, input, &mut |event| events.push(event));
    }

    /// Saves what was learnt of each cabinet.
    fn keep_learnt(&mut self) -> Result<(), JournalError> {
        self.learnt_at = self.task.clock.now();
        let site = &self.task.assembled.site;
        let learnt = self
            .names
            .devices()
            .filter_map(|(id, device)| site.cabinet(id).map(|cabinet| (device.id.clone(), cabinet.learnt())));
        let learnt: Vec<_> = learnt.collect();
        let keep = move |db: &rusqlite::Connection| {
            learnt.iter().try_for_each(|(device, numbers)| care::record_learnt(db, device, numbers))
        };
        self.keeping.fact(keep)
    }

    /// Commits what the rules said and sends the commands. `hand` tells what a person did to cause it.
    async fn carry_out(&mut self, now: Now, hand: Option<&Hand>) -> Result<(), JournalError> {
        let meter = self.keeping.meter(now);
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Alarm(event) | Event::Update(event) => self.alarm(now, event, hand).await?,
                Event::Pending { device, condition, since } => {
                    let id = self.names.device(device).id.clone();
                    let condition = self.names.condition(condition).to_owned();
                    self.keeping.fact(move |db| alarms::record_pending(db, &id, &condition, since, meter))?;
                }
                Event::Chatter { device, condition, chatter } => {
                    let id = self.names.device(device).id.clone();
                    let condition = self.names.condition(condition).to_owned();
                    let keep = move |db: &rusqlite::Connection| {
                        alarms::record_chatter(db, &id, &condition, chatter, meter)
                    };
                    self.keeping.fact(keep)?;
                }
                Event::Service { device, service } => self.service(now, device, service, hand).await?,
                Event::Command { device, point, value } => self.command(device, point, value).await?,
            }
        }
        Ok(())
    }

    async fn alarm(&mut self, now: Now, event: AlarmEvent, hand: Option<&Hand>) -> Result<(), JournalError> {
        let is_update = event.state == event.previous;
        let occurrence = self.occurrences.entry((event.device, event.condition)).or_default();
        if (event.previous == AlarmState::Normal && !is_update) || occurrence.number == 0 {
            self.last_number += 1;
            occurrence.number = self.last_number;
            occurrence.by.clear();
        }
        if let Some(hand) = hand
            && !is_update
        {
            occurrence.by.clone_from(&hand.by);
        }
        if let (Some(repair), Some(open)) = (&mut occurrence.repair, event.repair) {
            repair.escalation = open.escalation;
        }
        // Told once more with its end.
        let repair = occurrence.repair.clone();
        if event.repair.is_none() {
            occurrence.repair = None;
        }
        let cabinet = self.task.assembled.site.cabinet(event.device);
        let is_announced = event.state == AlarmState::ActiveUnacknowledged && !is_update;
        let curve = cabinet.filter(|_| is_announced).map(|cabinet| cabinet.trace().samples(now).collect());
        let parent = event.parent.map(|(device, condition)| {
            (self.names.device(device).id.clone(), self.names.condition(condition).to_owned())
        });
        let device = self.names.device(event.device);
        let change = AlarmChange {
            alarm: occurrence.number,
            device: device.id.clone(),
            device_name: device.name.clone(),
            condition: self.names.condition(event.condition).to_owned(),
            priority: event.condition.priority(),
            state: event.state,
            previous: event.previous,
            at: event.at,
            meter: self.keeping.meter(now),
            diagnosis: event.diagnosis,
            evidence: event.evidence,
            parent,
            escalation: event.escalation,
            chatter: event.chatter,
            repair,
            curve: curve.unwrap_or_default(),
            shelved_until: hand.and_then(|hand| hand.shelved_until),
            by: hand.map_or_else(String::new, |hand| hand.by.clone()),
        };
        tracing::warn!(device = %change.device, condition = change.condition, state = change.state.name(),
            cause = change.diagnosis.cause.name(), alarm = change.alarm, by = %change.by,
            escalation = change.escalation, "alarm");
        self.keeping.change(now, (event.device, event.condition), change)
    }

    /// Tells the rules how the store stands with headquarters, if it has one.
    fn look_at_headquarters(&mut self, now: Now) {
        let reports = self.task.journal.identity().reports;
        let is_refusing = match *self.task.hq_link.borrow() {
            LinkState::Offline => None,
            LinkState::Online => Some(false),
            LinkState::Refused => Some(true),
        };
        let trust = self.task.clock_trust.borrow().at(now);
        let is_clock_wrong = match trust {
            // What is not known is an alarm once it matters.
            Trust::Unknown if *self.task.prices_held.borrow() => Some(true),
            Trust::Unknown => None,
            Trust::Wrong => Some(true),
            Trust::Synchronised | Trust::Holdover => Some(false),
        };
        let [is_refusing, is_clock_wrong] =
            [is_refusing, is_clock_wrong].map(|found| if reports { found } else { Some(false) });
        self.step(now, Input::Headquarters { is_refusing, is_clock_wrong });
    }

    /// Tells the rules what is wrong with the labels.
    fn look_at_labels(&mut self, now: Now) {
        let found = *self.task.labels_found.borrow();
        if let Some(found) = found {
            self.step(now, Input::Labels { found });
        }
    }

    /// Tells the rules how the journal is, and hands over what was held.
    async fn look_at_journal(&mut self, now: Now) -> Result<(), JournalError> {
        let is_stopped = self.keeping.is_stopped();
        let is_damaged = self.task.journal.was_damaged() && now.mono - self.started.mono < DAMAGE_SHOWN;
        self.step(now, Input::Journal { is_stopped, is_damaged });
        self.carry_out(now, None).await?;
        self.keeping.retry(now)
    }

    /// Hands the readings gathered to the journal, which makes a message of all since the last.
    fn close_telemetry(&mut self) -> Result<(), JournalError> {
        self.closed_at = self.task.clock.now();
        self.keep_telemetry(true)
    }

    /// Hands the readings gathered to the journal.
    fn keep_telemetry(&mut self, closes: bool) -> Result<(), JournalError> {
        let from = std::mem::replace(&mut self.gathered_since, self.task.clock.now()).utc;
        self.keeping.telemetry(from, self.gathering.take(), closes, self.task.telemetry_budget)
    }

    /// A device is watched or no longer watched.
    async fn service(
        &mut self,
        now: Now,
        device: DeviceId,
        service: Service,
        hand: Option<&Hand>,
    ) -> Result<(), JournalError> {
        let by = hand.map_or_else(String::new, |hand| hand.by.clone());
        if service == Service::InUse {
            self.service_by.remove(&device);
        } else {
            self.service_by.insert(device, by.clone());
        }
        let id = self.names.device(device).id.clone();
        tracing::warn!(device = %id, service = service_name(service), %by, "service");
        let meter = self.keeping.meter(now);
        let keep = move |db: &rusqlite::Connection| {
            if !by.is_empty() {
                let detail = format!("{id} is {}", service_name(service));
                audit::append(db, now.utc, &by, "service", &detail)?;
            }
            care::record_service(db, &id, service, &by, meter)
        };
        self.keeping.fact(keep)
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
        self.keeping.fact(move |db| {
            let what = if outcome.done { "command" } else { "command-failed" };
            let detail =
                format!("{}/{} = {} {}", outcome.device, outcome.point, outcome.value, outcome.reason);
            audit::append(db, now.utc, &outcome.by, what, &detail)?;
            outbox::append(db, &identity, now.utc, Body::CommandOutcome(outcome.clone())).map(drop)
        })
    }
}

/// As the view, the log and the audit trail write it.
fn service_name(service: Service) -> &'static str {
    match service {
        Service::InUse => "in_use",
        Service::Maintenance { .. } => "maintenance",
        Service::OutOfService => "out_of_service",
    }
}

/// Offset of local time from UTC at that moment, seconds.
pub fn utc_offset_s(timezone: Tz, at: Utc) -> i32 {
    let utc = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    utc.with_timezone(&timezone).offset().fix().local_minus_utc()
}

#[cfg(test)]
mod tests;
