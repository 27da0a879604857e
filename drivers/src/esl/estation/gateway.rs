//! What is sent to a label gateway, and when. No socket and no clock.
//!
//! The gateway's own queue cannot be trusted: a newer task for a label silently replaces the older,
//! "limit reached" and "invalid task" name no task, and a lost task is never reported. So few tasks
//! are given to it at a time, one per label, and each has a time-out of ours. How many are few depends on
//! the gateway: it gets more while it says that hardly any wait, and fewer when it complains. So a slow one
//! is always busy and never full, and a quick one is not held back.

use crate::esl::estation::message::{Results, TagResult, task, tasks};
use crate::esl::estation::task::{GatewayEvent, LabelTask, Trouble};
use std::collections::{BTreeMap, VecDeque};
use storewarden_rules::{Millis, Mono, Now};

/// Labels in flight: at first, at least, and at most. The least keeps a gateway's radio busy while a result
/// is on its way; the most is a hundredth of what gateways queue (10,000).
const WINDOW_FIRST: usize = 16;
const WINDOW_MIN: usize = 4;
/// No more tasks than these are in flight.
pub const WINDOW_MAX: usize = 100;
/// Of a window, the part that may wait in the gateway while it still gets more.
const WAITING_PART: usize = 4;
/// Times a task without a result is sent again, and the pause before each.
const RETRY_PAUSES: [Millis; 3] = [Millis::from_secs(10), Millis::from_secs(30), Millis::from_secs(90)];
/// How long nothing new is sent after the gateway said that it has too much to do.
const BUSY_PAUSE: Millis = Millis::from_secs(5);
/// `message` codes.
const MODULE_BUSY: i64 = 6;
const LIMIT_REACHED: i64 = 7;
const INVALID_TASK: i64 = 8;
/// MB: a gateway with less space left is short of it. A choice of this project: images of a shop take some
/// tens of MB.
const SPACE_MIN_MB: i64 = 50;
/// Bytes of images in one payload at most.
const PAYLOAD_MAX: usize = 64 << 10;

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
    /// The gateway connected anew, with so much space left for images, MB.
    Infor(Option<i64>),
    /// The gateway said this code.
    Message(i64),
    /// What became of tasks.
    Results(Results),
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
    /// Under its token in `air`.
    InFlight,
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
    /// What is in flight: by token, whose, and when a result is due.
    air: BTreeMap<u16, (String, Mono)>,
    window: usize,
    first_token: u16,
    last_token: u16,
    /// Tasks sent since the start.
    sent: u64,
    /// When the first was.
    began: Option<Mono>,
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
            air: BTreeMap::new(),
            window: WINDOW_FIRST,
            first_token: next_token(token),
            last_token: token,
            sent: 0,
            began: None,
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
            Input::Infor(free_mb) => {
                self.hear(now.mono, &mut out);
                self.send_again();
                out.push(Output::Event(GatewayEvent::Restarted));
                out.extend(
                    free_mb.map(|free| Output::Event(GatewayEvent::Space { is_short: free < SPACE_MIN_MB })),
                );
            }
            Input::Message(code) => {
                self.hear(now.mono, &mut out);
                self.complained(now.mono, code, &mut out);
            }
            Input::Results(results) => {
                self.hear(now.mono, &mut out);
                if results.waiting <= self.window / WAITING_PART {
                    self.window = (self.window + results.labels.len()).min(WINDOW_MAX);
                }
                results.labels.into_iter().for_each(|tag| self.result(now.mono, &tag, &mut out));
            }
            Input::Heartbeat => self.hear(now.mono, &mut out),
            Input::Offline => self.lose(&mut out),
            Input::Tick => self.pass_time(now.mono, &mut out),
        }
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
        if let Some(older) = work.queued.take() {
            out.push(superseded(older));
        }
        if work.task.action == task.action {
            // Its result is as good for the newer task.
            work.task.task = task.task;
            return;
        }
        match work.stage {
            Stage::InFlight => work.queued = Some(task),
            Stage::Ready | Stage::Pausing { .. } => {
                let urgent = task.urgent;
                out.push(superseded(std::mem::replace(&mut work.task, task)));
                (work.stage, work.retries) = (Stage::Ready, 0);
                self.line_up(key, urgent);
            }
        }
    }

    fn start(&mut self, key: String, task: LabelTask) {
        self.line_up(key.clone(), task.urgent);
        self.labels.insert(key, Work { task, stage: Stage::Ready, retries: 0, queued: None });
    }

    /// A label may stand in the line twice: the second time it is over.
    fn line_up(&mut self, key: String, urgent: bool) {
        if urgent {
            self.ready.push_front(key);
        } else {
            self.ready.push_back(key);
        }
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
        for (key, _) in std::mem::take(&mut self.air).into_values() {
            if let Some(work) = self.labels.get_mut(&key) {
                work.stage = Stage::Ready;
                self.ready.push_back(key);
            }
        }
    }

    fn complained(&mut self, now: Mono, code: i64, out: &mut Vec<Output>) {
        match code {
            MODULE_BUSY | LIMIT_REACHED => {
                self.hold_until = now + BUSY_PAUSE;
                self.window = (self.window / 2).max(WINDOW_MIN);
            }
            INVALID_TASK => {
                let mut in_flight = self.air.iter();
                match (in_flight.next(), in_flight.next()) {
                    (Some((token, (key, _))), None) => {
                        let (token, key) = (*token, key.clone());
                        self.air.remove(&token);
                        let reason = "the gateway calls the task invalid; check the label's model";
                        self.fail(&key, Trouble::Invalid, reason, out);
                    }
                    (Some(_), Some(_)) => self.narrow = true,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn result(&mut self, now: Mono, tag: &TagResult, out: &mut Vec<Output>) {
        let key = tag.label.to_ascii_uppercase();
        let failure = tag.failure();
        if self.air.get(&tag.token).is_none_or(|(label, _)| *label != key) {
            // Of a task that is over, of an earlier run, or of nobody's.
            if let Some((Trouble::Reset, _)) = failure {
                out.push(Output::Event(GatewayEvent::Reset { label: tag.label.clone() }));
            } else if failure.is_none() && !self.was_ours(now, tag.token) {
                out.push(Output::Event(GatewayEvent::Unasked { label: tag.label.clone() }));
            }
            return;
        }
        self.air.remove(&tag.token);
        let Some(work) = self.labels.get(&key) else { return };
        if tag.saw_token_before() && work.retries < RETRY_PAUSES.len() {
            self.collide(&key, out);
        } else if let Some((trouble, reason)) = failure {
            self.fail(&key, trouble, reason, out);
        } else if let Some(task) = self.finish(&key) {
            out.push(Output::Event(GatewayEvent::Done {
                proof: task.action.proof(),
                label: task.label,
                task: task.task,
                rf_dbm: tag.rf_dbm,
                battery_mv: tag.battery_mv,
                temperature_c: tag.temperature_c,
            }));
        }
    }

    /// Whether this program gave `token`, or may have in a run before.
    fn was_ours(&self, now: Mono, token: u16) -> bool {
        let tokens = u64::from(u16::MAX);
        let place = (u64::from(token) + tokens - u64::from(self.first_token)) % tokens;
        token == 0 || place < self.sent || self.began.is_none_or(|began| now - began < self.limits.result)
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

    fn fail(&mut self, key: &str, trouble: Trouble, reason: &str, out: &mut Vec<Output>) {
        if let Some(LabelTask { label, task, .. }) = self.finish(key) {
            let reason = reason.to_owned();
            out.push(Output::Event(GatewayEvent::Failed { label, task, trouble, reason }));
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
        for (key, work) in &mut self.labels {
            if matches!(work.stage, Stage::Pausing { until } if now >= until) {
                work.stage = Stage::Ready;
                self.ready.push_back(key.clone());
            }
        }
        let late: Vec<_> = self.air.extract_if(.., |_, (_, until)| now >= *until).collect();
        for (_, (key, _)) in late {
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
            self.fail(key, Trouble::NoResult, "the gateway never told a result; check the gateway", out);
        }
    }

    fn send(&mut self, now: Mono, out: &mut Vec<Output>) {
        if self.heard.is_none() || now < self.hold_until {
            return;
        }
        let window = if self.narrow { 1 } else { self.window };
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while self.air.len() < window {
            let Some(key) = self.ready.pop_front() else { break };
            let Some(work) = self.labels.get_mut(&key) else { continue };
            if !matches!(work.stage, Stage::Ready) {
                continue;
            }
            self.last_token = next_token(self.last_token);
            self.sent += 1;
            self.began.get_or_insert(now);
            work.stage = Stage::InFlight;
            let LabelTask { label, action, .. } = &work.task;
            let size = action.size();
            if bytes + size > PAYLOAD_MAX && !entries.is_empty() {
                out.push(Output::Publish(tasks(std::mem::take(&mut entries))));
                bytes = 0;
            }
            bytes += size;
            entries.push(task(label, self.last_token, action));
            self.air.insert(self.last_token, (key, now + self.limits.result));
        }
        if !entries.is_empty() {
            out.push(Output::Publish(tasks(entries)));
        }
    }
}

/// Tokens are 1 to 65,535, in turn.
fn next_token(token: u16) -> u16 {
    token.checked_add(1).unwrap_or(1)
}

fn superseded(LabelTask { label, task, .. }: LabelTask) -> Output {
    Output::Event(GatewayEvent::Superseded { label, task })
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
