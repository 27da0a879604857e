//! What is sent to a label gateway, and when. No socket and no clock.
//!
//! The gateway's own queue cannot be trusted: a newer task for a label silently replaces the older,
//! "limit reached" and "invalid task" name no task, and a lost task is never reported. So few tasks
//! are given to it at a time, one per label, and each has a time-out of ours.

use crate::esl::estation::message::{TagResult, task};
use crate::esl::estation::task::{GatewayEvent, LabelTask, Proof};
use std::collections::{BTreeMap, VecDeque};
use storewarden_rules::{Millis, Mono, Now};

/// Labels in flight at most.
const WINDOW: usize = 8;
/// Times a task without a result is sent again, and the pause before each.
const RETRY_PAUSES: [Millis; 3] = [Millis::from_secs(10), Millis::from_secs(30), Millis::from_secs(90)];
/// How long nothing new is sent after the gateway said that it has too much to do.
const BUSY_PAUSE: Millis = Millis::from_secs(5);
/// `message` codes.
const MODULE_BUSY: i64 = 6;
const LIMIT_REACHED: i64 = 7;
const INVALID_TASK: i64 = 8;

/// Limits of one gateway.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a result may take.
    pub result: Millis,
    /// How long the gateway may be silent; several of its heartbeats.
    pub silence: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Self { result: Millis::from_secs(120), silence: Millis::from_secs(60) }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Bring this image onto its label.
    Task(LabelTask),
    /// The gateway connected anew.
    Infor,
    /// The gateway said this code.
    Message(i64),
    /// What became of tasks.
    Results(Vec<TagResult>),
    /// The gateway lives.
    Heartbeat,
    /// The broker is away.
    Offline,
    /// Time passed; to be given about once a second.
    Tick,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Publish this `taskESL2` payload.
    Publish(Vec<u8>),
    /// Tell this.
    Event(GatewayEvent),
}

#[derive(Debug)]
enum Stage {
    /// In `ready`, to be sent in turn.
    Ready,
    InFlight {
        token: u16,
        until: Mono,
    },
    Pausing {
        until: Mono,
    },
}

/// The one task of a label that is being worked on, and the one that comes after it.
#[derive(Debug)]
struct Work {
    task: LabelTask,
    stage: Stage,
    /// How often it was sent again.
    retries: usize,
    queued: Option<LabelTask>,
}

/// The state of one gateway. Holds at most two images per label; labels are those of the config.
#[derive(Debug)]
pub struct Gateway {
    limits: Limits,
    /// By tag id in upper case, as gateways differ in how they write it.
    labels: BTreeMap<String, Work>,
    /// Tag ids in the order of sending; ones that are no longer ready are skipped.
    ready: VecDeque<String>,
    last_token: u16,
    /// When it was last heard; none while offline.
    heard: Option<Mono>,
    hold_until: Mono,
    /// One at a time, until the invalid task among those in flight is found.
    narrow: bool,
}

impl Gateway {
    /// A gateway of which nothing is known. Tokens rise from `token` on: it must differ from run to run,
    /// for a label refuses a token it has seen, and a late result of an earlier run must not be taken for
    /// this one's.
    pub fn new(limits: Limits, token: u16) -> Self {
        Self {
            limits,
            labels: BTreeMap::new(),
            ready: VecDeque::new(),
            last_token: token,
            heard: None,
            hold_until: Mono(i64::MIN),
            narrow: false,
        }
    }

    /// Takes note of `input` and says what to do.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Task(task) => self.take(task, &mut out),
            Input::Infor => {
                self.hear(now.mono, &mut out);
                self.send_again();
                out.push(Output::Event(GatewayEvent::Restarted));
            }
            Input::Message(code) => {
                self.hear(now.mono, &mut out);
                self.complained(now.mono, code, &mut out);
            }
            Input::Results(tags) => {
                self.hear(now.mono, &mut out);
                tags.into_iter().for_each(|tag| self.result(tag, &mut out));
            }
            Input::Heartbeat => self.hear(now.mono, &mut out),
            Input::Offline => self.lose(&mut out),
            Input::Tick => {}
        }
        self.pass_time(now.mono, &mut out);
        self.send(now.mono, &mut out);
        out
    }

    /// Labels whose task is not over.
    pub fn pending(&self) -> usize {
        self.labels.len()
    }

    fn take(&mut self, task: LabelTask, out: &mut Vec<Output>) {
        let key = task.label.to_ascii_uppercase();
        let Some(work) = self.labels.get_mut(&key) else {
            self.start(key, task);
            return;
        };
        if let Some(older) = work.queued.take().filter(|older| older.png != task.png) {
            out.push(superseded(older));
        }
        if work.task.png == task.png {
            // Its result is as good for the newer task.
            work.task.task = task.task;
            return;
        }
        match work.stage {
            Stage::InFlight { .. } => work.queued = Some(task),
            Stage::Ready => out.push(superseded(std::mem::replace(&mut work.task, task))),
            Stage::Pausing { .. } => {
                out.push(superseded(std::mem::replace(&mut work.task, task)));
                (work.stage, work.retries) = (Stage::Ready, 0);
                self.ready.push_back(key);
            }
        }
    }

    fn start(&mut self, key: String, task: LabelTask) {
        self.ready.push_back(key.clone());
        self.labels.insert(key, Work { task, stage: Stage::Ready, retries: 0, queued: None });
    }

    fn hear(&mut self, now: Mono, out: &mut Vec<Output>) {
        if self.heard.replace(now).is_none() {
            out.push(Output::Event(GatewayEvent::Online));
        }
    }

    /// Whether what was in flight arrived is unknown now. A label may refresh twice; better than
    /// not at all.
    fn lose(&mut self, out: &mut Vec<Output>) {
        if self.heard.take().is_some() {
            out.push(Output::Event(GatewayEvent::Offline));
        }
        self.send_again();
    }

    fn send_again(&mut self) {
        for (key, work) in &mut self.labels {
            if let Stage::InFlight { .. } = work.stage {
                work.stage = Stage::Ready;
                self.ready.push_back(key.clone());
            }
        }
    }

    fn complained(&mut self, now: Mono, code: i64, out: &mut Vec<Output>) {
        match code {
            MODULE_BUSY | LIMIT_REACHED => self.hold_until = now + BUSY_PAUSE,
            INVALID_TASK => {
                let mut in_flight =
                    self.labels.iter().filter(|(_, work)| matches!(work.stage, Stage::InFlight { .. }));
                match (in_flight.next(), in_flight.next()) {
                    (Some((key, _)), None) => {
                        let key = key.clone();
                        self.fail(&key, "the gateway calls the task invalid; check the label's model", out);
                    }
                    (Some(_), Some(_)) => self.narrow = true,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn result(&mut self, tag: TagResult, out: &mut Vec<Output>) {
        let key = tag.label.to_ascii_uppercase();
        let Some(work) = self.labels.get(&key) else { return };
        if !matches!(work.stage, Stage::InFlight { token, .. } if token == tag.token) {
            return;
        }
        if tag.saw_token_before() && work.retries < RETRY_PAUSES.len() {
            self.collide(&key, out);
        } else if let Some(reason) = tag.failure() {
            self.fail(&key, &reason, out);
        } else if let Some(task) = self.finish(&key) {
            out.push(Output::Event(GatewayEvent::Shown {
                label: task.label,
                task: task.task,
                proof: Proof::Refreshed,
                rf_dbm: tag.rf_dbm,
                battery_mv: tag.battery_mv,
                temperature_c: tag.temperature_c,
            }));
        }
    }

    /// The token was one of an earlier run: nothing is wrong with the label, and another token will do.
    fn collide(&mut self, key: &str, out: &mut Vec<Output>) {
        let Some(work) = self.labels.get_mut(key) else { return };
        if work.queued.is_some() {
            out.extend(self.finish(key).map(superseded));
            return;
        }
        work.retries += 1;
        work.stage = Stage::Ready;
        self.ready.push_back(key.to_owned());
    }

    fn fail(&mut self, key: &str, reason: &str, out: &mut Vec<Output>) {
        if let Some(LabelTask { label, task, .. }) = self.finish(key) {
            out.push(Output::Event(GatewayEvent::Failed { label, task, reason: reason.to_owned() }));
        }
    }

    /// Ends the label's task and makes the queued one ready.
    fn finish(&mut self, key: &str) -> Option<LabelTask> {
        let work = self.labels.remove(key)?;
        if let Some(next) = work.queued {
            self.start(key.to_owned(), next);
        }
        Some(work.task)
    }

    fn pass_time(&mut self, now: Mono, out: &mut Vec<Output>) {
        if self.heard.is_some_and(|heard| now - heard > self.limits.silence) {
            self.lose(out);
        }
        let mut late = Vec::new();
        for (key, work) in &mut self.labels {
            match work.stage {
                Stage::InFlight { until, .. } if now >= until => late.push(key.clone()),
                Stage::Pausing { until } if now >= until => {
                    work.stage = Stage::Ready;
                    self.ready.push_back(key.clone());
                }
                _ => {}
            }
        }
        for key in late {
            self.miss(now, &key, out);
        }
        self.narrow &=
            self.labels.values().any(|work| !matches!(work.stage, Stage::Ready) || work.retries > 0);
    }

    /// No result came in time.
    fn miss(&mut self, now: Mono, key: &str, out: &mut Vec<Output>) {
        let Some(work) = self.labels.get_mut(key) else { return };
        if work.queued.is_some() {
            out.extend(self.finish(key).map(superseded));
        } else if let Some(pause) = RETRY_PAUSES.get(work.retries) {
            work.retries += 1;
            work.stage = Stage::Pausing { until: now + *pause };
        } else {
            self.fail(key, "the gateway never told a result; check the gateway", out);
        }
    }

    fn send(&mut self, now: Mono, out: &mut Vec<Output>) {
        if self.heard.is_none() || now < self.hold_until {
            return;
        }
        let window = if self.narrow { 1 } else { WINDOW };
        let mut in_flight =
            self.labels.values().filter(|work| matches!(work.stage, Stage::InFlight { .. })).count();
        while in_flight < window {
            let Some(key) = self.ready.pop_front() else { return };
            let Some(work) = self.labels.get_mut(&key) else { continue };
            if !matches!(work.stage, Stage::Ready) {
                continue;
            }
            self.last_token = self.last_token.checked_add(1).unwrap_or(1);
            work.stage = Stage::InFlight { token: self.last_token, until: now + self.limits.result };
            in_flight += 1;
            out.push(Output::Publish(task(&work.task.label, self.last_token, &work.task.png)));
        }
    }
}

fn superseded(LabelTask { label, task, .. }: LabelTask) -> Output {
    Output::Event(GatewayEvent::Superseded { label, task })
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
