//! The access point as a state machine: tasks in, radio time, results out.
//!
//! What the vendor leaves open and this one decides: a tag that is not bound gives a result with
//! rf −256 (nobody answered); an image of the wrong size, status 0x01 (display module); a page that
//! was never stored, status 0x03 (refresh error).

use super::{
    Shown,
    message::{self, Pattern, TagRecord, Task},
    model,
};
use crate::config::Gateway;
use std::collections::{HashMap, VecDeque};

/// Message codes of the vendor.
mod code {
    pub const LIMIT_REACHED: u8 = 7;
    pub const INVALID_TASK: u8 = 8;
}

/// Statuses of a result, as the vendor's demonstration names them.
mod status {
    pub const GOOD: u8 = 0x00;
    pub const DISPLAY: u8 = 0x01;
    pub const REFRESH: u8 = 0x03;
    pub const DUPLICATE_TOKEN: u8 = 0xF1;
}

const NO_ANSWER_DBM: i32 = -256;
const BATTERY_DECIVOLT: u8 = 30;
const SHOP_C: i8 = 22;

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
    /// A label shows a new image.
    Shown(Shown),
}

#[derive(Debug, Default)]
struct Tag {
    token: Option<u16>,
    pages: HashMap<u8, Vec<u8>>,
    count: u32,
}

/// One access point. All times are ms since 1970, handed in.
#[derive(Debug)]
pub struct AccessPoint {
    config: Gateway,
    tags: HashMap<String, Tag>,
    waiting: VecDeque<Task>,
    sending: Option<(Task, u64)>,
    /// None while there is no broker to say it to.
    heartbeat_at_ms: Option<u64>,
}

impl AccessPoint {
    /// An access point with nothing to do.
    pub fn new(config: Gateway) -> Self {
        let tags = config.labels.iter().map(|label| (label.clone(), Tag::default())).collect();
        Self { config, tags, waiting: VecDeque::new(), sending: None, heartbeat_at_ms: None }
    }

    /// The broker has accepted it: it introduces itself.
    pub fn connected(&mut self, now_ms: u64) -> Vec<Output> {
        self.heartbeat_at_ms = Some(now_ms + self.config.heartbeat_ms);
        let server = format!("{}:{}", self.config.host, self.config.port);
        let payload = message::infor(&self.config.ap, &server, self.config.heartbeat_ms / 1000);
        vec![Output::Publish { topic: "infor", payload, exactly_once: true }]
    }

    /// The broker is gone. What waits is kept, and goes on over the air.
    pub fn disconnected(&mut self) {
        self.heartbeat_at_ms = None;
    }

    /// A payload has come on `taskESL2`.
    pub fn take(&mut self, now_ms: u64, payload: &[u8]) -> Vec<Output> {
        let mut complaint = None;
        for task in message::decode_tasks(payload).unwrap_or_else(|| vec![None]) {
            match task {
                None => complaint = Some(code::INVALID_TASK),
                Some(task) => complaint = self.queue(task).or(complaint),
            }
        }
        self.start(now_ms);
        complaint.map(|code| said(message::message(code))).into_iter().collect()
    }

    /// Queues a task; a newer one takes the place of a waiting older one, without a word.
    fn queue(&mut self, task: Task) -> Option<u8> {
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

    fn start(&mut self, now_ms: u64) {
        if self.sending.is_none() {
            let airtime_ms = self.config.airtime_ms;
            self.sending = self.waiting.pop_front().map(|task| (task, now_ms + airtime_ms));
        }
    }

    /// When [`Self::tick`] has something to do; none if not before the next message.
    pub fn next_ms(&self) -> Option<u64> {
        let sent = self.sending.as_ref().map(|(_, done_ms)| *done_ms);
        [sent, self.heartbeat_at_ms].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        if let Some((task, _)) = self.sending.take_if(|(_, done_ms)| *done_ms <= now_ms) {
            let (record, shown) = self.radio(task, now_ms);
            self.start(now_ms);
            outputs.extend(shown.map(Output::Shown));
            let payload = message::result(self.waiting.len(), self.busy(), &[record]);
            outputs.push(Output::Publish { topic: "result", payload, exactly_once: true });
        }
        if self.heartbeat_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.heartbeat_at_ms = Some(now_ms + self.config.heartbeat_ms);
            let payload = message::heartbeat(&self.config.ap, self.waiting.len(), self.busy(), &[]);
            outputs.push(Output::Publish { topic: "heartbeat", payload, exactly_once: false });
        }
        outputs
    }

    fn busy(&self) -> usize {
        usize::from(self.sending.is_some())
    }

    /// One label over the air.
    fn radio(&mut self, task: Task, now_ms: u64) -> (TagRecord, Option<Shown>) {
        let mut record = TagRecord {
            tag: task.tag.clone(),
            rf_dbm: NO_ANSWER_DBM,
            battery: 0,
            status: status::GOOD,
            token: task.token,
            temperature_c: 0,
            utc_s: now_ms / 1000,
            count: 0,
        };
        let Some(tag) = self.tags.get_mut(&task.tag) else { return (record, None) };
        record.rf_dbm = -58;
        record.battery = BATTERY_DECIVOLT;
        record.temperature_c = SHOP_C;
        let image = if tag.token.replace(task.token) == Some(task.token) {
            Err(status::DUPLICATE_TOKEN)
        } else {
            tag.obey(&task)
        };
        record.count = tag.count;
        match image {
            Err(status) => {
                record.status = status;
                (record, None)
            }
            Ok(image) => {
                let shown = |png| Shown { ap: self.config.ap.clone(), label: task.tag.clone(), png };
                (record, image.map(shown))
            }
        }
    }
}

impl Tag {
    /// The image now on the display if it was refreshed, or the status of a refusal.
    fn obey(&mut self, task: &Task) -> Result<Option<Vec<u8>>, u8> {
        if matches!(task.pattern, Pattern::Display | Pattern::Store) {
            if !model::fits(&task.tag, &task.image) {
                return Err(status::DISPLAY);
            }
            self.pages.insert(task.page, task.image.clone());
        }
        if matches!(task.pattern, Pattern::Store | Pattern::Led) {
            return Ok(None);
        }
        let image = self.pages.get(&task.page).cloned().ok_or(status::REFRESH)?;
        self.count += 1;
        Ok(Some(image))
    }
}

fn said(payload: Vec<u8>) -> Output {
    Output::Publish { topic: "message", payload, exactly_once: false }
}

#[cfg(test)]
mod tests;
