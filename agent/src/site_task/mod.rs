//! The task that owns the rules: readings in, alarms to the journal, commands to the buses, telemetry
//! to the outbox, a snapshot to the console. It decides nothing itself.

mod snapshot;

use crate::assemble::{Assembled, Names};
use crate::clock_trust::Trust;
use crate::console::{Act, RequestError, SiteRequest};
use crate::hq_link::LinkState;
use crate::journal::alarms::{self, AlarmChange, Stored};
use crate::journal::care::{self, Repair};
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
use storewarden_rules::cabinet::LEARNT;
use storewarden_rules::{
    AlarmEvent, AlarmState, Chatter, Condition, DeviceId, Event, Input, Millis, Mono, Now, OpenRepair,
    PointId, Priority, Reading, Restored, Service, Utc,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How long a command may take to reach its device.
const COMMAND_DEADLINE: Millis = Millis::from_secs(10);

/// How often what was learnt of the cabinets is saved: what an hour teaches may be lost.
const LEARNT_EVERY: Millis = Millis::from_mins(60);

/// Blocks judged in one go at most; then the others of the task have their turn.
const BLOCKS_AT_ONCE: usize = 64;

/// Telemetry messages that may wait for the journal's disk; beyond, the next are refused. Together they are
/// written with one sync.
const COMMITTING_MAX: usize = 4;

/// A fact that has waited so long for the journal's disk waits for somebody to mend it.
const STOPPED_AFTER: Millis = Millis::from_secs(10);

/// How long it is shown that the journal was damaged.
const DAMAGE_SHOWN: Millis = Millis::from_mins(24 * 60);

/// The journal's answer, on its way.
type Answer<T = u64> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send>>;

/// A fact handed to the journal.
struct Fact {
    since: Mono,
    stored: Answer<()>,
    /// People who are told once it is stored.
    replies: Vec<(Reply, Result<(), RequestError>)>,
}

type Reply = oneshot::Sender<Result<(), RequestError>>;

/// A telemetry message handed to the journal.
struct Message {
    since: Mono,
    /// The time it tells of, and of what was refused before it.
    span: (Utc, Utc),
    /// How many others it dropped.
    stored: Answer,
}

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
    pub clock_trust: watch::Receiver<Trust>,
    /// What the labels show.
    pub labels: watch::Receiver<Vec<LabelView>>,
}

/// The latest of one alarm that the rules do not know: its number and who acted.
#[derive(Default)]
struct Occurrence {
    number: u64,
    by: String,
    repair: Option<Repair>,
}

/// What a person did, as far as the rules do not know it.
struct Hand {
    by: String,
    shelved_until: Option<Utc>,
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
    /// Facts handed to the journal, oldest first.
    keeping: VecDeque<Fact>,
    /// The latest change of each alarm, from when the journal took no more on.
    held: HashMap<(DeviceId, Condition), AlarmChange>,
    /// Facts that are lost, because the journal took no more.
    lost: u64,
    /// Telemetry messages handed to the journal, oldest first.
    committing: VecDeque<Message>,
    /// Of which time telemetry was refused, until a message carries that to the journal.
    refused: Option<(Utc, Utc)>,
    /// Whether the newest telemetry was refused.
    is_refusing: bool,
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
        mut reloads: mpsc::Receiver<Assembled>,
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
                    running.outbox_pending = outbox_pending?;
                    running.publish(running.outbox_pending);
                }
                Some(stored) = first_kept(&mut running.keeping) => running.kept(stored)?,
                Some(stored) = first_committed(&mut running.committing) => running.telemetry_stored(stored)?,
                Some(request) = requests.recv() => running.request(request).await?,
                // Rules begin from what the journal holds: they wait until it holds all.
                Some(assembled) = reloads.recv(), if !running.is_stopped() => {
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
        running.settle().await?;
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
            .read(move |db| {
                let known = ids.iter().map(|id| alarms::knows_device(db, id));
                let known: Vec<bool> = known.collect::<Result<_, _>>()?;
                Ok((alarms::load(db)?, alarms::last_number(db)?, known))
            })
            .await?;
        let now = task.clock.now();
        for (device, _) in (0..).map(DeviceId).zip(&known).filter(|(_, known)| **known) {
            task.assembled.site.resume(device);
        }
        let service_by = restore_care(&mut task, now).await?;
        let (mut occurrences, mut keeping) = (HashMap::new(), VecDeque::new());
        for alarm in stored {
            let rule = Option::zip(names.find_device(&alarm.device), names.find_condition(&alarm.condition))
                .filter(|(device, condition)| task.assembled.site.watches(*device, *condition));
            let Some((device, condition)) = rule else {
                keeping.extend(retire(&task.journal, now, alarm).await?);
                continue;
            };
            let occurrence = Occurrence { number: alarm.alarm, by: alarm.by.clone(), repair: None };
            occurrences.insert((device, condition), occurrence);
            let parent = alarm.parent.as_ref();
            let parent = parent
                .and_then(|(id, condition)| Some((names.find_device(id)?, names.find_condition(condition)?)));
            for restored in restored(alarm, parent) {
                task.assembled.site.restore(now, device, condition, restored);
            }
        }
        for (device, condition, repair) in task.journal.read(care::open_repairs).await? {
            let known = Option::zip(names.find_device(&device), names.find_condition(&condition));
            let Some((device, condition)) = known else { continue };
            let open = OpenRepair { since: repair.since, escalation: repair.escalation };
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
            keeping,
            held: HashMap::new(),
            lost: 0,
            committing: VecDeque::new(),
            refused: None,
            is_refusing: false,
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
    async fn reload(mut self, assembled: Assembled) -> Result<Self, JournalError> {
        self.keep_learnt()?;
        self.settle().await?;
        let fresh = Self::restore(SiteTask { assembled, ..self.task }).await?;
        Ok(Self {
            lost: self.lost,
            refused: self.refused,
            is_refusing: self.is_refusing,
            outbox_pending: self.outbox_pending,
            started: self.started,
            read_at: self.read_at,
            reports: self.reports,
            gathering: self.gathering,
            gathered_since: self.gathered_since,
            counting: self.counting,
            readings: self.readings,
            outcomes: self.outcomes,
            ..fresh
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
                self.close_telemetry()?;
            }
        }
        self.carry_out(now, None).await
    }

    /// The first answer of a device ever is worth a row: after a restart it gets no start-up hold-off.
    fn remember(&mut self, device: DeviceId) -> Result<(), JournalError> {
        self.known[usize::from(device.0)] = true;
        let id = self.names.device(device).id.clone();
        self.keep(move |db| alarms::record_device(db, &id).map(drop))
    }

    async fn tick(&mut self) -> Result<(), JournalError> {
        let now = self.task.clock.now();
        let utc_offset_s = utc_offset_s(self.task.timezone, now.utc);
        let events = &mut self.events;
        self.task.assembled.site.step(now, Input::Tick { utc_offset_s }, &mut |event| events.push(event));
        self.carry_out(now, None).await?;
        if now.mono - self.gathered_since.mono >= self.task.telemetry_every {
            self.close_telemetry()?;
        }
        if now.mono - self.learnt_at.mono >= LEARNT_EVERY {
            self.keep_learnt()?;
        }
        self.look_at_journal(now).await?;
        // The count stands behind whatever is being committed: the view waits for it a second at most.
        if self.counting.is_some() {
            self.publish(self.outbox_pending);
        } else if let Ok(counted) = self.task.journal.hand_over(outbox::pending) {
            self.counting = Some(Box::pin(counted));
        }
        Ok(())
    }

    async fn request(&mut self, request: SiteRequest) -> Result<(), JournalError> {
        let SiteRequest { act, by, reply } = request;
        let answer = self.act(act, by).await?;
        // Told once it is stored; while nothing can be, at once: the rules have taken it over.
        match self.keeping.back_mut() {
            Some(last) => last.replies.push((reply, answer)),
            _ => drop(reply.send(answer)),
        }
        if self.is_stopped() {
            self.reply_all();
        }
        Ok(())
    }

    /// Does what a person asks; the outer error is the journal's.
    async fn act(&mut self, act: Act, by: String) -> Result<Result<(), RequestError>, JournalError> {
        let now = self.task.clock.now();
        let mut hand = Hand { by, shelved_until: None };
        let (alarm, device) = match &act {
            Act::Acknowledge { alarm }
            | Act::Shelve { alarm, .. }
            | Act::Unshelve { alarm }
            | Act::Repair { alarm, .. }
            | Act::Repaired { alarm } => (Some(*alarm), None),
            Act::Maintain { device, .. }
            | Act::RemoveFromService { device }
            | Act::ReturnToService { device } => (None, Some(device)),
            Act::Inspected { note } => {
                let (by, note) = (hand.by.clone(), note.clone());
                let inspected = move |db: &rusqlite::Connection| {
                    audit::append(db, now.utc, &by, "inspection", &note)?;
                    care::record_inspection(db, now.utc, &by, &note)
                };
                self.keep(inspected)?;
                self.step(now, Input::Inspected);
                self.carry_out(now, Some(&hand)).await?;
                return Ok(Ok(()));
            }
        };
        let input = if let Some(id) = device {
            let Some(device) = self.names.find_device(id) else {
                return Ok(Err(RequestError::UnknownDevice));
            };
            match act {
                Act::Maintain { minutes, .. } => {
                    Input::Maintain { device, span: Millis::from_mins(minutes.into()) }
                }
                Act::RemoveFromService { .. } => Input::RemoveFromService { device },
                _ => Input::ReturnToService { device },
            }
        } else {
            let is_meant = |occurrence: &Occurrence| {
                let of_repair = occurrence.repair.as_ref().map(|repair| repair.alarm);
                Some(occurrence.number) == alarm || of_repair == alarm
            };
            let mut known = self.occurrences.iter_mut().filter(|_| alarm > Some(0));
            let Some((&(device, condition), occurrence)) = known.find(|(_, o)| is_meant(o)) else {
                return Ok(Err(RequestError::UnknownAlarm));
            };
            match act {
                Act::Shelve { minutes, .. } => {
                    let span = Millis::from_mins(minutes.into());
                    hand.shelved_until = Some(now.utc + span);
                    Input::Shelve { device, condition, span }
                }
                Act::Unshelve { .. } => Input::Unshelve { device, condition },
                Act::Repair { .. } if occurrence.repair.is_some() => return Ok(Err(RequestError::NotNow)),
                Act::Repair { alarm, reference } => {
                    let (by, since) = (hand.by.clone(), now.utc);
                    occurrence.repair = Some(Repair { alarm, reference, by, since, ..Repair::default() });
                    Input::Repair { device, condition }
                }
                Act::Repaired { .. } => {
                    if let Some(repair) = &mut occurrence.repair {
                        repair.fixed = Some((hand.by.clone(), now.utc));
                    }
                    Input::Repaired { device, condition }
                }
                _ => Input::Acknowledge { device, condition },
            }
        };
        self.step(now, input);
        let changed = !self.events.is_empty();
        self.carry_out(now, Some(&hand)).await?;
        Ok(if changed { Ok(()) } else { Err(RequestError::NotNow) })
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
        self.keep(keep)
    }

    /// Commits what the rules said and sends the commands. `hand` tells what a person did to cause it.
    async fn carry_out(&mut self, now: Now, hand: Option<&Hand>) -> Result<(), JournalError> {
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Alarm(event) | Event::Update(event) => self.alarm(now, event, hand).await?,
                Event::Pending { device, condition, since } => {
                    let id = self.names.device(device).id.clone();
                    let condition = self.names.condition(condition).to_owned();
                    self.keep(move |db| alarms::record_pending(db, &id, &condition, since))?;
                }
                Event::Chatter { device, condition, chatter } => {
                    let id = self.names.device(device).id.clone();
                    let condition = self.names.condition(condition).to_owned();
                    let keep =
                        move |db: &rusqlite::Connection| alarms::record_chatter(db, &id, &condition, chatter);
                    self.keep(keep)?;
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
        // After one that is held the next is, so that they stay in order.
        if !self.held.is_empty() || !self.hand_over_change(now, change.clone())? {
            let replaced = self.held.insert((event.device, event.condition), change);
            self.lost += u64::from(replaced.is_some());
        }
        Ok(())
    }

    /// Hands an alarm's change to the journal; false if it takes no more.
    fn hand_over_change(&mut self, now: Now, change: AlarmChange) -> Result<bool, JournalError> {
        let identity = self.task.journal.identity().clone();
        self.hand_over(move |db| {
            let is_update = change.state == change.previous;
            if let Some(repair) = change.repair.as_ref().filter(|_| is_update) {
                care::record_repair(db, &change.device, &change.condition, repair)?;
            }
            if !change.by.is_empty() {
                audit::append(db, now.utc, &change.by, "alarm", &audit_detail(&change))?;
            }
            alarms::record(db, &identity, now.utc, &change)
        })
    }

    /// Hands a fact to the journal without waiting; false if it takes no more.
    fn hand_over(
        &mut self,
        job: impl FnMut(&rusqlite::Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<bool, JournalError> {
        match self.task.journal.hand_over(job) {
            Ok(stored) => {
                let since = self.task.clock.now().mono;
                self.keeping.push_back(Fact { since, stored: Box::pin(stored), replies: Vec::new() });
                Ok(true)
            }
            Err(JournalError::Full) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Hands over a fact that is lost if the journal takes no more.
    fn keep(
        &mut self,
        job: impl FnMut(&rusqlite::Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), JournalError> {
        if !self.hand_over(job)? {
            self.lost += 1;
        }
        Ok(())
    }

    /// The oldest fact is stored, or cannot be by the journal's fault.
    fn kept(&mut self, stored: Result<(), JournalError>) -> Result<(), JournalError> {
        let fact = self.keeping.pop_front();
        stored?;
        for (reply, answer) in fact.into_iter().flat_map(|fact| fact.replies) {
            let _ = reply.send(answer);
        }
        Ok(())
    }

    fn reply_all(&mut self) {
        for (reply, answer) in self.keeping.iter_mut().flat_map(|fact| fact.replies.drain(..)) {
            let _ = reply.send(answer);
        }
    }

    /// Whether the journal cannot be written: its disk is full, read-only or does not answer.
    fn is_stopped(&self) -> bool {
        let now = self.task.clock.now().mono;
        let oldest = self.keeping.front().map(|fact| fact.since);
        let oldest = oldest.into_iter().chain(self.committing.front().map(|message| message.since)).min();
        self.is_refusing || oldest.is_some_and(|since| now - since >= STOPPED_AFTER)
    }

    /// Tells the rules how the journal is, and hands over what was held.
    async fn look_at_journal(&mut self, now: Now) -> Result<(), JournalError> {
        let is_stopped = self.is_stopped();
        let is_damaged = self.task.journal.was_damaged() && now.mono - self.started.mono < DAMAGE_SHOWN;
        self.step(now, Input::Journal { is_stopped, is_damaged });
        self.carry_out(now, None).await?;
        if is_stopped {
            self.reply_all();
        }
        while let Some(key) = self.held.keys().next().copied()
            && let Some(change) = self.held.get(&key).cloned()
            && self.hand_over_change(now, change)?
        {
            self.held.remove(&key);
        }
        if self.lost > 0 && self.held.is_empty() {
            let lost = self.lost;
            let detail = format!("{lost} facts were not recorded: the disk took nothing for too long");
            if self.hand_over(move |db| audit::append(db, now.utc, "agent", "journal-stopped", &detail))? {
                tracing::error!(lost, "the journal took no more: these facts are lost to it");
                self.lost = 0;
            }
        }
        Ok(())
    }

    /// Waits until the journal has all that was handed to it.
    async fn settle(&mut self) -> Result<(), JournalError> {
        while let Some(stored) = first_kept(&mut self.keeping).await {
            self.kept(stored)?;
        }
        while let Some(stored) = first_committed(&mut self.committing).await {
            self.telemetry_stored(stored)?;
        }
        Ok(())
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
        let keep = move |db: &rusqlite::Connection| {
            if !by.is_empty() {
                let detail = format!("{id} is {}", service_name(service));
                audit::append(db, now.utc, &by, "service", &detail)?;
            }
            care::record_service(db, &id, service, &by)
        };
        self.keep(keep)
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
        self.keep(move |db| {
            let what = if outcome.done { "command" } else { "command-failed" };
            let detail =
                format!("{}/{} = {} {}", outcome.device, outcome.point, outcome.value, outcome.reason);
            audit::append(db, now.utc, &outcome.by, what, &detail)?;
            outbox::append(db, &identity, now.utc, Body::CommandOutcome(outcome.clone())).map(drop)
        })
    }

    /// Hands the readings gathered to the journal; if too many messages wait there, they are refused.
    fn close_telemetry(&mut self) -> Result<(), JournalError> {
        let from = self.gathered_since.utc;
        let now = self.task.clock.now();
        self.gathered_since = now;
        let telemetry = self.gathering.take();
        // Where nothing else is told, the gap is: so it shows that the disk takes telemetry again.
        if telemetry.is_none() && self.refused.is_none() {
            return Ok(());
        }
        // A clock that was set back does not turn the span around.
        let before = self.refused.take();
        let span = (before.map_or(from, |(first, _)| first).min(now.utc), now.utc);
        if self.committing.len() >= COMMITTING_MAX {
            self.refuse(span);
            return Ok(());
        }
        let (identity, budget) = (self.task.journal.identity().clone(), self.task.telemetry_budget);
        let offered = self.task.journal.offer(move |db| {
            if let Some(lost) = before {
                outbox::append_loss(db, &identity, now.utc, lost)?;
            }
            if let Some(telemetry) = &telemetry {
                outbox::append_encoded(db, &identity, now.utc, Stream::Telemetry, telemetry)?;
            }
            outbox::bound_telemetry(db, &identity, now.utc, budget)
        });
        match offered {
            Ok(stored) => {
                let since = now.mono;
                self.committing.push_back(Message { since, span, stored: Box::pin(stored) });
            }
            Err(JournalError::Full) => self.refuse(span),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Telemetry of that time is lost; headquarters is told with the next that is not.
    fn refuse(&mut self, (from, to): (Utc, Utc)) {
        let (first, last) = self.refused.unwrap_or((from, to));
        self.refused = Some((first.min(from), last.max(to)));
        self.is_refusing = true;
    }

    /// The oldest telemetry message is stored, or the disk did not take it.
    fn telemetry_stored(&mut self, stored: Result<u64, JournalError>) -> Result<(), JournalError> {
        let message = self.committing.pop_front();
        self.is_refusing &= stored.is_err();
        match stored {
            Ok(0) => {}
            Ok(dropped) => tracing::warn!(
                messages = dropped,
                "headquarters has been away too long: the oldest telemetry was dropped"
            ),
            Err(JournalError::Refused) => {
                if let Some(message) = message {
                    self.refuse(message.span);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The answer about the oldest fact, if one is on its way.
async fn first_kept(keeping: &mut VecDeque<Fact>) -> Option<Result<(), JournalError>> {
    match keeping.front_mut() {
        Some(fact) => Some(fact.stored.as_mut().await),
        None => None,
    }
}

/// The answer about the oldest telemetry message, if one is on its way.
async fn first_committed(committing: &mut VecDeque<Message>) -> Option<Result<u64, JournalError>> {
    match committing.front_mut() {
        Some(message) => Some(message.stored.as_mut().await),
        None => None,
    }
}

/// The answer, if one is on its way.
async fn answered(answer: &mut Option<Answer>) -> Option<Result<u64, JournalError>> {
    match answer {
        Some(answer) => Some(answer.await),
        None => None,
    }
}

/// Tells the rules what people do about devices and what was learnt of them; who took devices out of use.
async fn restore_care(task: &mut SiteTask, now: Now) -> Result<HashMap<DeviceId, String>, JournalError> {
    let names = task.assembled.names.clone();
    let ids: Vec<String> = names.devices().map(|(_, device)| device.id.clone()).collect();
    let load = move |db: &rusqlite::Connection| {
        let learnt = ids.iter().map(|id| care::learnt::<LEARNT>(db, id));
        let learnt: Vec<_> = learnt.collect::<Result<_, _>>()?;
        Ok((learnt, care::services(db)?, alarms::announced(db)?, care::last_inspection(db)?))
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

/// As the view, the log and the audit trail write it.
fn service_name(service: Service) -> &'static str {
    match service {
        Service::InUse => "in_use",
        Service::Maintenance { .. } => "maintenance",
        Service::OutOfService => "out_of_service",
    }
}

/// What a person did to an alarm.
fn audit_detail(change: &AlarmChange) -> String {
    match &change.repair {
        Some(Repair { fixed: Some(_), .. }) if change.state == change.previous => {
            format!("alarm {}: repair is finished", change.alarm)
        }
        Some(repair) if change.state == change.previous => {
            format!("alarm {}: repair {} is ordered", change.alarm, repair.reference)
        }
        _ => format!("alarm {} is {}", change.alarm, change.state.name()),
    }
}

/// Ends an alarm whose device or rule is no longer in the config: nobody would ever see it return.
async fn retire(journal: &Journal, now: Now, alarm: Stored) -> Result<Option<Fact>, JournalError> {
    if alarm.state == AlarmState::Normal {
        return Ok(None);
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
    let identity = journal.identity().clone();
    let stored = journal.begin(move |db| alarms::record(db, &identity, now.utc, &change)).await?;
    Ok(Some(Fact { since: now.mono, stored: Box::pin(stored), replies: Vec::new() }))
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

/// Offset of local time from UTC at that moment, seconds.
pub fn utc_offset_s(timezone: Tz, at: Utc) -> i32 {
    let utc = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    utc.with_timezone(&timezone).offset().fix().local_minus_utc()
}

#[cfg(test)]
mod tests;
