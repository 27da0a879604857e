//! The access point as a state machine: tasks in, radio time, results out.
//!
//! What the vendor leaves open and this one decides: a tag that is not bound gives a result with
//! rf −256 (nobody answered); an image of the wrong size, status 0x01 (display module); a page that
//! was never stored, status 0x03 (refresh error); a label that starts anew says so with status 0x02
//! and token 0, or with the token of the task it was at.

use super::{
    Fact, Shown,
    label::{Label, Truth, status},
    message::{self, Pattern, TagRecord, Task},
    nature::{Incident, LabelNature, Nature},
};
use crate::config::Gateway;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};

/// Message codes of the vendor.
mod code {
    pub const BUSY: u8 = 6;
    pub const LIMIT_REACHED: u8 = 7;
    pub const INVALID_TASK: u8 = 8;
}

/// Bytes of an MB, as disks count them.
const MB: u64 = 1_000_000;

/// What happens to the access point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The broker has accepted it.
    Connected,
    /// The broker is gone. What waits is kept, and goes on over the air.
    Disconnected,
    /// A payload has come on `taskESL2`.
    Tasks(&'a [u8]),
    /// Something goes wrong.
    Incident(&'a Incident),
    /// Time has passed.
    Tick,
}

/// What the access point wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Publish under `/estation/{ap}/{topic}`.
    Publish {
        /// Last part of the topic.
        topic: &'static str,
        /// MessagePack.
        payload: Vec<u8>,
        /// Whether with QoS 2 (otherwise 0).
        exactly_once: bool,
    },
    /// Something happened to a label.
    Fact(Fact),
}

/// A task on the air.
#[derive(Debug)]
struct Sending {
    task: Task,
    done_ms: u64,
}

/// One access point. All times are ms since 1970, handed in; chance is decided by the seed alone.
#[derive(Debug)]
pub struct AccessPoint {
    config: Gateway,
    dice: fastrand::Rng,
    labels: BTreeMap<String, Label>,
    waiting: VecDeque<Task>,
    sending: Vec<Sending>,
    /// None while there is no broker to say it to.
    heartbeat_at_ms: Option<u64>,
    /// Labels heard since the last heartbeat.
    heard: Vec<TagRecord>,
    free_bytes: u64,
    /// What it believes that labels show, where it relies on that.
    believed: BTreeMap<String, [u8; 32]>,
}

impl AccessPoint {
    /// An access point with nothing to do.
    pub fn new(config: Gateway, seed: u64) -> Self {
        let odd = |tag: &String| config.odd.iter().find(|odd| odd.tag == *tag).cloned();
        let labels = config
            .labels
            .iter()
            .map(|tag| (tag.clone(), Label::new(odd(tag).unwrap_or_else(|| LabelNature::plain(tag)))));
        Self {
            labels: labels.collect(),
            dice: fastrand::Rng::with_seed(seed),
            waiting: VecDeque::new(),
            sending: Vec::new(),
            heartbeat_at_ms: None,
            heard: Vec::new(),
            free_bytes: config.nature.free_mb * MB,
            believed: BTreeMap::new(),
            config,
        }
    }

    /// What each label really shows now, by tag id.
    pub fn truth(&self) -> impl Iterator<Item = (&str, &Truth)> {
        self.labels.iter().map(|(tag, label)| (tag.as_str(), &label.truth))
    }

    /// When [`Input::Tick`] has something to do; none if not before something else happens.
    pub fn next_ms(&self) -> Option<u64> {
        let sent = self.sending.iter().map(|sending| sending.done_ms).min();
        [sent, self.heartbeat_at_ms].into_iter().flatten().min()
    }

    /// Takes note of `input` and says what to do.
    pub fn step(&mut self, now_ms: u64, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Connected => self.introduce(now_ms, &mut out),
            Input::Disconnected => self.heartbeat_at_ms = None,
            Input::Tasks(payload) => self.take(payload, &mut out),
            Input::Incident(incident) => self.suffer(now_ms, incident, &mut out),
            Input::Tick => {}
        }
        self.pass_time(now_ms, &mut out);
        out
    }

    fn introduce(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.heartbeat_at_ms = Some(now_ms + self.config.heartbeat_ms);
        let infor = message::Infor {
            ap: &self.config.ap,
            disk_mb: self.config.nature.disk_mb,
            free_mb: self.free_bytes / MB,
            server: &format!("{}:{}", self.config.host, self.config.port),
            heartbeat_s: self.config.heartbeat_ms / 1000,
        };
        out.push(Output::Publish { topic: "infor", payload: message::infor(&infor), exactly_once: true });
    }

    fn take(&mut self, payload: &[u8], out: &mut Vec<Output>) {
        let mut complaint = None;
        if self.chance(|nature| nature.busy) {
            complaint = Some(code::BUSY);
        } else {
            for task in message::decode_tasks(payload).unwrap_or_else(|| vec![None]) {
                match task {
                    None => complaint = Some(code::INVALID_TASK),
                    Some(task) => complaint = self.queue(task).or(complaint),
                }
            }
        }
        out.extend(complaint.map(|code| Output::Publish {
            topic: "message",
            payload: message::message(code),
            exactly_once: false,
        }));
    }

    /// Queues a task; a newer one takes the place of a waiting older one, without a word.
    fn queue(&mut self, task: Task) -> Option<u8> {
        if self.config.nature.hoards {
            match self.free_bytes.checked_sub(task.sent_bytes) {
                Some(left) => self.free_bytes = left,
                None => return None,
            }
        }
        if let Some(older) = self.waiting.iter_mut().find(|older| older.tag == task.tag) {
            *older = task;
            return None;
        }
        if self.waiting.len() >= self.config.queue_max {
            return Some(code::LIMIT_REACHED);
        }
        self.waiting.push_back(task);
        None
    }

    fn suffer(&mut self, now_ms: u64, incident: &Incident, out: &mut Vec<Output>) {
        let (tag, is_silent) = match incident {
            Incident::Restart => {
                self.waiting.clear();
                self.sending.clear();
                if self.heartbeat_at_ms.is_some() {
                    self.introduce(now_ms, out);
                }
                return;
            }
            Incident::Calm => {
                let nature = &mut self.config.nature;
                *nature =
                    Nature { lost_results: 0.0, unheard: 0.0, busy: 0.0, resets: 0.0, ..nature.clone() };
                return;
            }
            Incident::DiskFull => {
                (self.free_bytes, self.config.nature.hoards) = (0, true);
                return;
            }
            Incident::Reset(tag) => {
                let Some(label) = self.labels.get_mut(tag) else { return };
                label.reset(now_ms);
                let record = label.record(now_ms, 0, status::RESET);
                let is_heard = label.answers();
                let ap = self.config.ap.clone();
                out.push(Output::Fact(Fact::Blank { ap, label: tag.clone() }));
                if is_heard {
                    self.tell(record, out);
                }
                return;
            }
            Incident::Stranger(tag) => {
                let Some(label) = self.labels.get_mut(tag) else { return };
                let (image, token) = (b"nobody of ours sent this", self.dice.u16(1..));
                label.intrude(now_ms, image);
                let record = label.record(now_ms, token, status::GOOD);
                out.push(self.shown(tag, image));
                self.tell(record, out);
                return;
            }
            Incident::Silent(tag) => (tag, true),
            Incident::Audible(tag) => (tag, false),
        };
        if let Some(label) = self.labels.get_mut(tag) {
            label.is_silent = is_silent;
        }
    }

    fn pass_time(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        loop {
            self.send(now_ms);
            let first = self.sending.iter().enumerate().min_by_key(|(_, sending)| sending.done_ms);
            let Some((index, done_ms)) = first.map(|(index, first)| (index, first.done_ms)) else { break };
            if done_ms > now_ms {
                break;
            }
            let Sending { task, .. } = self.sending.swap_remove(index);
            let record = self.radio(&task, done_ms, out);
            if !self.chance(|nature| nature.lost_results) {
                self.tell(record, out);
            }
        }
        if self.heartbeat_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.heartbeat_at_ms = Some(now_ms + self.config.heartbeat_ms);
            let heard = std::mem::take(&mut self.heard);
            let (waiting, sending) = (self.waiting.len(), self.sending.len());
            let payload = message::heartbeat(&self.config.ap, waiting, sending, &heard);
            out.push(Output::Publish { topic: "heartbeat", payload, exactly_once: false });
        }
    }

    /// Gives free channels something to do.
    fn send(&mut self, now_ms: u64) {
        while self.sending.len() < self.config.nature.channels {
            // One at a time per label: the radio has one conversation with it.
            let is_free = |task: &Task| self.sending.iter().all(|sending| sending.task.tag != task.tag);
            let Some(index) = self.waiting.iter().position(is_free) else { return };
            let Some(task) = self.waiting.remove(index) else { return };
            let Nature { wake_ms, byte_us, .. } = self.config.nature;
            let own_ms = self.labels.get(&task.tag).and_then(|label| label.nature.wake_ms);
            let airtime_ms = self.config.airtime_ms + task.sent_bytes * byte_us / 1000;
            let done_ms = wakes_ms(&task.tag, now_ms, own_ms.unwrap_or(wake_ms)) + airtime_ms;
            self.sending.push(Sending { task, done_ms });
        }
    }

    /// One label over the air.
    fn radio(&mut self, task: &Task, now_ms: u64, out: &mut Vec<Output>) -> TagRecord {
        let (is_unheard, resets) =
            (self.chance(|nature| nature.unheard), self.chance(|nature| nature.resets));
        let Some(label) = self.labels.get_mut(&task.tag).filter(|label| label.answers() && !is_unheard)
        else {
            return Label::no_answer(now_ms, &task.tag, task.token);
        };
        if resets {
            label.reset(now_ms);
            out.push(Output::Fact(Fact::Blank { ap: self.config.ap.clone(), label: task.tag.clone() }));
            return label.record(now_ms, task.token, status::RESET);
        }
        let image = Sha256::digest(&task.image).into();
        let is_believed = task.pattern == Pattern::Display && self.believed.get(&task.tag) == Some(&image);
        if self.config.nature.believes_memory && is_believed {
            return label.record(now_ms, task.token, status::GOOD);
        }
        let done = label.obey(now_ms, task, self.config.nature.refresh_uv);
        let status = done.as_ref().err().copied().unwrap_or(status::GOOD);
        let record = label.record(now_ms, task.token, status);
        if let Ok(Some(png)) = done {
            self.believed.insert(task.tag.clone(), Sha256::digest(&png).into());
            out.push(self.shown(&task.tag, &png));
        }
        record
    }

    fn tell(&mut self, record: TagRecord, out: &mut Vec<Output>) {
        let records = std::slice::from_ref(&record);
        let payload = message::result(self.waiting.len(), self.sending.len(), records);
        out.push(Output::Publish { topic: "result", payload, exactly_once: true });
        if self.heartbeat_at_ms.is_some() {
            self.heard.push(record);
        }
    }

    fn shown(&self, tag: &str, png: &[u8]) -> Output {
        let ap = self.config.ap.clone();
        Output::Fact(Fact::Shown(Shown { ap, label: tag.to_owned(), png: png.to_vec() }))
    }

    fn chance(&mut self, share: impl Fn(&Nature) -> f64) -> bool {
        let share = share(&self.config.nature);
        // Without a die where nothing can happen: a trap that is off moves no other.
        share > 0.0 && self.dice.f64() < share
    }
}

/// When the label listens next, at `now_ms` at the earliest. Its moment follows from its id, so that
/// labels are spread over the interval.
fn wakes_ms(tag: &str, now_ms: u64, every_ms: u64) -> u64 {
    if every_ms == 0 {
        return now_ms;
    }
    let digest = Sha256::digest(tag);
    let moment_ms = digest[..6].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)) % every_ms;
    let phase_ms = now_ms % every_ms;
    now_ms + (moment_ms + every_ms - phase_ms) % every_ms
}

#[cfg(test)]
mod tests;
