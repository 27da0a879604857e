//! What happens next at one broker. No socket and no clock: the shell tells [`Equipment`] what came and
//! does what it says.
//!
//! Promises, each with a test:
//! - A device that its availability does not call present, and every device while the broker is away,
//!   reads [`BadReason::NoResponse`] at once and then once per poll interval.
//! - The last word of a present device is repeated once per poll interval, with the time of the message
//!   it came in, until the profile's `silent_max` has passed since; then nothing more is said, and the
//!   site's own staleness takes its course. A word from before an absence is never repeated.
//! - A retained message is of unknown age. It says whether a device is there (that is what it is kept
//!   for) and the value of a flag or code, which a device tells at every change; a retained measurement
//!   is no value. None confirms a command.
//! - A command is done when the device itself has told the value, after it was sent and before its
//!   deadline. It is sent once.
//!
//! A point that speaks on several topics has the value of its last message.

use crate::clock::Moment;
use crate::modbus::command::CommandError;
use crate::mqtt::payload::{Payload, text_of};
use crate::profile::{Accepts, Mqtt, Point};
use std::collections::HashMap;
use std::time::Duration;
use storewarden_rules::{BadReason, PointId, Reading, Sample, Unit, Utc};

/// Commands kept per device, waiting or sent; one more is refused.
pub const COMMANDS_MAX: usize = 16;
/// Longest payload that is looked at, bytes; a report of the shipped profiles' devices is below 2 KiB.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// How long after the connection a device may take to be found present: its last will is kept by the
/// broker and comes at once. A shorter poll interval counts instead.
const GRACE: Duration = Duration::from_secs(5);
/// How long [`Equipment`] may be left alone when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// A device and what is wanted of it.
#[derive(Clone, Debug)]
pub struct MqttDevice {
    /// Id in the config; for logs.
    pub name: String,
    /// What stands for `{topic}` in the profile's topics.
    pub topic: String,
    /// Its topics.
    pub mqtt: Mqtt,
    /// Its points, in the order of `mqtt.topics`.
    pub points: Vec<Point>,
    /// How often its last word is repeated; at least 1 ms.
    pub poll: Duration,
    /// What to report: whose value, and its index in `points`.
    pub wanted: Vec<(PointId, usize)>,
}

/// What came.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The connection to the broker stands.
    Connected,
    /// It is lost.
    Disconnected,
    /// A message.
    Message {
        /// Its topic.
        topic: &'a str,
        /// Its payload.
        payload: &'a [u8],
        /// Whether the broker kept it from earlier.
        retained: bool,
    },
    /// Time has passed.
    Tick,
}

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Publish, QoS 1, not retained.
    Publish {
        /// To this topic.
        topic: String,
        /// This payload.
        payload: String,
    },
    /// Hand these on.
    Report(Vec<Reading>),
    /// Tell whoever gave the command of this ticket.
    Answer {
        /// As [`Equipment::command`] returned it.
        ticket: u64,
        /// What became of it.
        result: Result<(), CommandError>,
    },
    /// Log this.
    Changed(Change),
}

/// A change of state that an operator wants to know, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The device of this index is not there, by its own last will or a bridge's word.
    DeviceSilent(usize),
    /// It is there.
    DeviceBack(usize),
    /// The message of a point made no sense. Told again only after one that did.
    Unreadable {
        /// Index of the device.
        device: usize,
        /// Index of the point in its `points`.
        point: usize,
    },
}

#[derive(Debug)]
struct Device {
    config: MqttDevice,
    /// What each availability message last said; none: nothing yet.
    available: Vec<Option<bool>>,
    /// Whether it was last found present; none: the broker is away, or has not said.
    told: Option<bool>,
    /// In the order of `config.wanted`.
    heard: Vec<Heard>,
    /// When its last words are repeated.
    due: Duration,
    /// When it is asked again.
    ask_due: Option<Duration>,
    /// In the order they came.
    commands: Vec<Command>,
}

/// The last word about a point.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    last: Option<Word>,
    unreadable: bool,
}

#[derive(Clone, Copy, Debug)]
struct Word {
    sample: Sample,
    at: Moment,
}

#[derive(Debug)]
struct Command {
    ticket: u64,
    /// Index in `config.wanted`.
    point: usize,
    value: f64,
    until: Duration,
    sent: bool,
}

/// What a topic means to a device.
#[derive(Clone, Copy, Debug)]
enum Use {
    Availability {
        device: usize,
        index: usize,
    },
    Point {
        device: usize,
        /// Index in `config.wanted`.
        point: usize,
        source: usize,
    },
}

/// The devices at one broker.
#[derive(Debug)]
pub struct Equipment {
    devices: Vec<Device>,
    /// By exact topic.
    uses: HashMap<String, Vec<Use>>,
    connected: bool,
    next_ticket: u64,
}

impl Equipment {
    /// Devices whose broker is not connected yet; their first readings are due in a poll interval.
    pub fn new(devices: Vec<MqttDevice>, now: Duration) -> Self {
        let mut uses: HashMap<String, Vec<Use>> = HashMap::new();
        for (device, config) in devices.iter().enumerate() {
            for (index, said) in config.mqtt.availability.iter().enumerate() {
                let topic = config.resolve(&said.topic);
                uses.entry(topic).or_default().push(Use::Availability { device, index });
            }
            for (point, (_, index)) in config.wanted.iter().enumerate() {
                for (source, from) in config.mqtt.topics[*index].from.iter().enumerate() {
                    let topic = config.resolve(&from.topic);
                    uses.entry(topic).or_default().push(Use::Point { device, point, source });
                }
            }
        }
        let device = |config: MqttDevice| Device {
            available: vec![None; config.mqtt.availability.len()],
            told: None,
            heard: vec![Heard::default(); config.wanted.len()],
            due: now + config.poll,
            ask_due: None,
            commands: Vec::new(),
            config,
        };
        Self { devices: devices.into_iter().map(device).collect(), uses, connected: false, next_ticket: 0 }
    }

    /// The topics to subscribe to, each once.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.uses.keys().map(String::as_str)
    }

    /// The device of that index.
    pub fn device(&self, index: usize) -> &MqttDevice {
        &self.devices[index].config
    }

    /// The most messages it may want published at one moment: all questions and all commands.
    pub fn publishes_max(&self) -> usize {
        self.devices.iter().map(|device| device.config.mqtt.ask.len() + COMMANDS_MAX).sum()
    }

    /// Takes note of what came and says what to do now.
    pub fn step(&mut self, now: Moment, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Connected => {
                self.connected = true;
                for device in &mut self.devices {
                    device.due = now.mono + device.config.poll.min(GRACE);
                }
            }
            Input::Disconnected => {
                self.connected = false;
                for device in &mut self.devices {
                    device.available.fill(None);
                    device.forget();
                    device.due = now.mono;
                }
            }
            Input::Message { topic, payload, retained } => {
                self.message(now, topic, payload, retained, &mut out);
            }
            Input::Tick => {}
        }
        for (index, device) in self.devices.iter_mut().enumerate() {
            device.settle(now, index, self.connected, &mut out);
        }
        out
    }

    /// Takes a command that must be done within `deadline`; the outcome follows as [`Output::Answer`]
    /// with the returned ticket. [`Equipment::step`] sends it.
    pub fn command(
        &mut self,
        now: Moment,
        point: PointId,
        value: f64,
        deadline: Duration,
    ) -> Result<u64, CommandError> {
        let (device, point) = self
            .devices
            .iter_mut()
            .find_map(|device| {
                let index = device.config.wanted.iter().position(|(id, _)| *id == point)?;
                Some((device, index))
            })
            .ok_or(CommandError::NotHere)?;
        let (_, index) = device.config.wanted[point];
        let (Some(accepts), Some(_)) =
            (&device.config.points[index].accepts, &device.config.mqtt.topics[index].write)
        else {
            return Err(CommandError::ReadOnly);
        };
        match accepts {
            _ if accepts.contains(value) => {}
            Accepts::Range(range) => {
                let (low, high) = (*range.start(), *range.end());
                return Err(CommandError::OutOfRange { value, low, high });
            }
            Accepts::OneOf(_) => return Err(CommandError::NotAccepted { value }),
        }
        if device.commands.len() >= COMMANDS_MAX {
            return Err(CommandError::QueueFull);
        }
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        device.commands.push(Command { ticket, point, value, until: now.mono + deadline, sent: false });
        Ok(ticket)
    }

    /// When to call [`Equipment::step`] with a tick, at the latest.
    pub fn due(&self, now: Moment) -> Duration {
        let devices = self.devices.iter().flat_map(|device| {
            let commands = device.commands.iter().map(|command| command.until);
            commands.chain([device.due]).chain(device.ask_due.filter(|_| device.told == Some(true)))
        });
        devices.min().unwrap_or(now.mono + IDLE)
    }

    fn message(&mut self, now: Moment, topic: &str, payload: &[u8], retained: bool, out: &mut Vec<Output>) {
        let Some(uses) = self.uses.get(topic) else { return };
        if payload.len() > PAYLOAD_BYTES_MAX {
            return;
        }
        let payload = Payload::parse(payload);
        // One report per device: its uses of a topic follow each other.
        let mut reports: Vec<(usize, Vec<Reading>)> = Vec::new();
        for topic_use in uses {
            match *topic_use {
                Use::Availability { device, index } => {
                    let device = &mut self.devices[device];
                    let said = &device.config.mqtt.availability[index];
                    device.available[index] = Some(payload.text(&said.path).as_deref() == Some(&said.online));
                }
                Use::Point { device: index, point, source } => {
                    let device = &mut self.devices[index];
                    let Some(reading) = device.hear(now, index, point, source, &payload, retained, out)
                    else {
                        continue;
                    };
                    match reports.last_mut() {
                        Some((last, report)) if *last == index => report.push(reading),
                        _ => reports.push((index, vec![reading])),
                    }
                }
            }
        }
        out.extend(reports.into_iter().map(|(_, report)| Output::Report(report)));
    }
}

impl MqttDevice {
    fn resolve(&self, topic: &str) -> String {
        topic.replace("{topic}", &self.topic)
    }
}

impl Device {
    /// What a message says about a point: a reading, if the device is known to be there.
    #[expect(clippy::too_many_arguments, reason = "the parts of one message and of one use of it")]
    fn hear(
        &mut self,
        now: Moment,
        index: usize,
        point: usize,
        source: usize,
        payload: &Payload,
        retained: bool,
        out: &mut Vec<Output>,
    ) -> Option<Reading> {
        let (id, at) = self.config.wanted[point];
        let (quantity, topic) = (&self.config.points[at], &self.config.mqtt.topics[at]);
        if retained && !matches!(quantity.unit, Unit::Flag | Unit::Code) {
            return None;
        }
        let sample = quantity.plausible(payload.sample(topic, &topic.from[source]));
        let unreadable = sample == Sample::Bad(BadReason::Garbled);
        let heard = &mut self.heard[point];
        if unreadable && !heard.unreadable {
            out.push(Output::Changed(Change::Unreadable { device: index, point: at }));
        }
        *heard = Heard { last: Some(Word { sample, at: now }), unreadable };
        if !retained && let Sample::Good(value) = sample {
            self.commands.retain(|command| {
                let done = command.sent && command.point == point && same(command.value, value);
                if done {
                    out.push(Output::Answer { ticket: command.ticket, result: Ok(()) });
                }
                !done
            });
        }
        (self.told == Some(true)).then_some(Reading { point: id, at: now.utc, sample })
    }

    /// Does what is due: comings and goings, commands, questions, repetitions.
    fn settle(&mut self, now: Moment, index: usize, connected: bool, out: &mut Vec<Output>) {
        let present = connected && self.available.iter().all(|said| *said == Some(true));
        match (self.told, present) {
            (Some(true), true) => {}
            (before, true) => {
                if before == Some(false) {
                    out.push(Output::Changed(Change::DeviceBack(index)));
                }
                self.told = Some(true);
                (self.due, self.ask_due) = (now.mono, Some(now.mono));
            }
            // While the broker is away only its connection is news.
            (_, false) if !connected => self.told = None,
            (Some(true), false) => {
                out.push(Output::Changed(Change::DeviceSilent(index)));
                self.told = Some(false);
                self.forget();
                self.due = now.mono;
            }
            (None, false) if now.mono >= self.due => {
                out.push(Output::Changed(Change::DeviceSilent(index)));
                self.told = Some(false);
            }
            (_, false) => {}
        }
        self.expire(now, out);
        if present {
            self.send(out);
            self.ask(now, out);
        }
        if now.mono >= self.due {
            let poll = self.config.poll.max(Duration::from_millis(1));
            self.due = now.mono + poll;
            let report = self.repeat(now, present);
            if !report.is_empty() {
                out.push(Output::Report(report));
            }
        }
    }

    /// What it said before it went is not known to hold any more.
    fn forget(&mut self) {
        self.heard.iter_mut().for_each(|heard| heard.last = None);
    }

    fn repeat(&self, now: Moment, present: bool) -> Vec<Reading> {
        let silent_max = self.config.mqtt.silent_max;
        let reading = |((point, _), heard): (&(PointId, usize), &Heard)| {
            let reading = |at: Utc, sample| Some(Reading { point: *point, at, sample });
            match heard.last {
                _ if !present => reading(now.utc, Sample::Bad(BadReason::NoResponse)),
                Some(word) if now.mono.saturating_sub(word.at.mono) <= silent_max => {
                    reading(word.at.utc, word.sample)
                }
                _ => None,
            }
        };
        self.config.wanted.iter().zip(&self.heard).filter_map(reading).collect()
    }

    /// Sends what waits; of several commands for a point the next one waits until the one before is over,
    /// so that a device's word confirms the right one.
    fn send(&mut self, out: &mut Vec<Output>) {
        for next in 0..self.commands.len() {
            let (before, rest) = self.commands.split_at_mut(next);
            let command = &mut rest[0];
            if command.sent || before.iter().any(|other| other.point == command.point) {
                continue;
            }
            let (_, at) = self.config.wanted[command.point];
            let topic = &self.config.mqtt.topics[at];
            let write = topic.write.as_ref().expect("only points with a `write` take commands");
            command.sent = true;
            out.push(Output::Publish {
                topic: self.config.resolve(&write.topic),
                payload: write.payload.replace("{value}", &text_of(topic, &write.texts, command.value)),
            });
        }
    }

    fn expire(&mut self, now: Moment, out: &mut Vec<Output>) {
        self.commands.retain(|command| {
            let over = now.mono >= command.until;
            if over {
                let error = if command.sent { CommandError::NoAnswer } else { CommandError::TooLate };
                out.push(Output::Answer { ticket: command.ticket, result: Err(error) });
            }
            !over
        });
    }

    fn ask(&mut self, now: Moment, out: &mut Vec<Output>) {
        if self.ask_due.is_none_or(|due| now.mono < due) {
            return;
        }
        self.ask_due = self.config.mqtt.ask_every.map(|every| now.mono + every);
        out.extend(self.config.mqtt.ask.iter().map(|ask| Output::Publish {
            topic: self.config.resolve(&ask.topic),
            payload: ask.payload.replace("{topic}", &self.config.topic),
        }));
    }
}

/// Whether a device that was told `wanted` and says `told` has taken it: it may round as far as text does.
fn same(wanted: f64, told: f64) -> bool {
    (wanted - told).abs() <= 1e-6 * wanted.abs().max(1.0)
}

#[cfg(test)]
#[path = "equipment_tests.rs"]
mod tests;
