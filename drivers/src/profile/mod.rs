//! Device profiles: the register map and behaviour of a device model, as a TOML file.
//!
//! A profile states facts about a model and nothing about a store. Every file names the source of
//! its numbers and whether they were ever tried on hardware. `docs/device-profiles.md` describes
//! the format for people who write one.

pub mod class;
mod collection;
mod file;
mod lint;
pub mod words;

pub use collection::{Origin, ProfileFaults, Profiles};
pub use file::schema;
pub use lint::lint;

use crate::modbus::serial::Serial;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;
use storewarden_rules::{BadReason, Class, Sample, Unit};

/// The profiles that ship with the program: file name and text.
const BUILT_IN: &[(&str, &str)] = &[
    ("abb-b23", include_str!("../../profiles/abb-b23.toml")),
    ("acrel-adl3000-e", include_str!("../../profiles/acrel-adl3000-e.toml")),
    ("acrel-adw300", include_str!("../../profiles/acrel-adw300.toml")),
    ("carel-ir33", include_str!("../../profiles/carel-ir33.toml")),
    ("carlo-gavazzi-em24", include_str!("../../profiles/carlo-gavazzi-em24.toml")),
    ("carlo-gavazzi-em340", include_str!("../../profiles/carlo-gavazzi-em340.toml")),
    ("chint-dtsu666", include_str!("../../profiles/chint-dtsu666.toml")),
    ("chint-dtsu666-401e", include_str!("../../profiles/chint-dtsu666-401e.toml")),
    ("danfoss-ekc-202b", include_str!("../../profiles/danfoss-ekc-202b.toml")),
    ("danfoss-ekc-202d", include_str!("../../profiles/danfoss-ekc-202d.toml")),
    ("danfoss-ekc-204a1", include_str!("../../profiles/danfoss-ekc-204a1.toml")),
    ("danfoss-erc-213", include_str!("../../profiles/danfoss-erc-213.toml")),
    ("dixell-xr", include_str!("../../profiles/dixell-xr.toml")),
    ("dixell-xr77u", include_str!("../../profiles/dixell-xr77u.toml")),
    ("eastron-sdm120", include_str!("../../profiles/eastron-sdm120.toml")),
    ("eastron-sdm230", include_str!("../../profiles/eastron-sdm230.toml")),
    ("eastron-sdm630", include_str!("../../profiles/eastron-sdm630.toml")),
    ("eastron-sdm72d-m", include_str!("../../profiles/eastron-sdm72d-m.toml")),
    ("eastron-sdm72d-m-v2", include_str!("../../profiles/eastron-sdm72d-m-v2.toml")),
    ("eliwell-idplus-9xx", include_str!("../../profiles/eliwell-idplus-9xx.toml")),
    ("haier-ycj-a002", include_str!("../../profiles/haier-ycj-a002.toml")),
    ("inepro-pro380", include_str!("../../profiles/inepro-pro380.toml")),
    ("onokom-air-dk-1", include_str!("../../profiles/onokom-air-dk-1.toml")),
    ("orno-we-504", include_str!("../../profiles/orno-we-504.toml")),
    ("orno-we-514", include_str!("../../profiles/orno-we-514.toml")),
    ("orno-we-516", include_str!("../../profiles/orno-we-516.toml")),
    ("parker-psk214", include_str!("../../profiles/parker-psk214.toml")),
    ("pzem-004t-v3", include_str!("../../profiles/pzem-004t-v3.toml")),
    ("pzem-016", include_str!("../../profiles/pzem-016.toml")),
    ("schneider-iem3000", include_str!("../../profiles/schneider-iem3000.toml")),
    ("shelly-plus-1", include_str!("../../profiles/shelly-plus-1.toml")),
    ("shelly-plus-1pm", include_str!("../../profiles/shelly-plus-1pm.toml")),
    ("shelly-pro-3em", include_str!("../../profiles/shelly-pro-3em.toml")),
    ("tasmota-ds18b20", include_str!("../../profiles/tasmota-ds18b20.toml")),
    ("tasmota-plug", include_str!("../../profiles/tasmota-plug.toml")),
    ("tasmota-relay-4", include_str!("../../profiles/tasmota-relay-4.toml")),
    ("waveshare-relay-8", include_str!("../../profiles/waveshare-relay-8.toml")),
    ("waveshare-relay-d-8", include_str!("../../profiles/waveshare-relay-d-8.toml")),
    ("wirenboard-map3e", include_str!("../../profiles/wirenboard-map3e.toml")),
    ("wirenboard-mr6c", include_str!("../../profiles/wirenboard-mr6c.toml")),
    ("xy-md02", include_str!("../../profiles/xy-md02.toml")),
    ("zigbee2mqtt-plug", include_str!("../../profiles/zigbee2mqtt-plug.toml")),
    ("zigbee2mqtt-temperature", include_str!("../../profiles/zigbee2mqtt-temperature.toml")),
];

/// Ids of the profiles that ship with the program.
pub fn built_in_ids() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(id, _)| *id)
}

/// The shipped profile of that id.
pub fn built_in(id: &str) -> Option<Profile> {
    let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == id)?;
    Some(Profile::parse(id, text).expect("a test parses every shipped profile"))
}

/// The register map (or the topics) and the behaviour of a device model.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name of the file without `.toml`.
    pub id: String,
    /// Who makes it.
    pub maker: String,
    /// The maker's name of the model.
    pub model: String,
    /// What such a device can be used for.
    pub classes: Vec<Class>,
    /// Where the numbers come from.
    pub source: String,
    /// What a technician must know; empty if nothing.
    pub note: String,
    /// Whether the map was tried on hardware.
    pub verified: bool,
    /// Its points, each name once.
    pub points: Vec<Point>,
    /// How it is spoken to.
    pub wire: Wire,
}

/// How a model is spoken to.
#[derive(Clone, Debug)]
pub enum Wire {
    /// Over Modbus.
    Modbus(Modbus),
    /// Over MQTT.
    Mqtt(Mqtt),
}

/// One quantity of the model, however it is carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// `air_temperature`, `power_total`, …: the word rules and config use.
    pub name: String,
    /// Unit of the value.
    pub unit: Unit,
    /// How often it is worth reading.
    pub pace: Pace,
    /// Values outside cannot be; in `unit`.
    pub range: Option<RangeInclusive<f64>>,
    /// The values that may be written, if any may.
    pub accepts: Option<Accepts>,
    /// What it means when this flag is 1, if that is an alarm.
    pub alarm: Option<AlarmMeaning>,
    /// The states behind the values of a code ([`words::state`]), by value.
    pub states: Vec<(i64, String)>,
    /// Its name for people, where [`words::point`] has none.
    pub text: Option<words::Text>,
}

impl Point {
    /// Its name for people: the profile's own, else the shared one, if there is one.
    pub fn text(&self) -> Option<words::Text> {
        self.text.clone().or_else(|| words::point(&self.name))
    }

    /// The word of the state that `value` of a code stands for ([`words::state`]).
    pub fn state(&self, value: f64) -> Option<&str> {
        #[expect(clippy::cast_precision_loss, reason = "codes are small")]
        let found = self.states.iter().find(|(code, _)| *code as f64 == value);
        found.map(|(_, word)| word.as_str())
    }

    /// `sample`, unless it is a value that cannot be: then it is bad, [`BadReason::OutOfRange`].
    pub fn plausible(&self, sample: Sample) -> Sample {
        match (sample, &self.range) {
            (Sample::Good(value), Some(range)) if !range.contains(&value) => {
                Sample::Bad(BadReason::OutOfRange)
            }
            _ => sample,
        }
    }
}

/// What a controller's alarm flag says. [`words::alarm`] has the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmMeaning {
    /// Warmer than the controller's limit.
    HighTemperature,
    /// Colder than the controller's limit.
    LowTemperature,
    /// A sensor is broken or missing.
    ProbeFault,
    /// The door was open for too long.
    DoorOpen,
    /// The power was away.
    PowerFailure,
    /// A defrost ended by time, not by temperature.
    DefrostTimeout,
    /// Cooling was held back after a defrost for too long.
    HoldTimeout,
    /// The condenser is too warm: dirt, or its fan.
    Condenser,
    /// A pressure switch opened.
    Pressure,
    /// A contact that somebody wired to the controller says so.
    ExternalInput,
    /// The temperature record for food safety has an event.
    Haccp,
    /// The clock lost the time.
    Clock,
    /// The controller itself is broken.
    ControllerFault,
    /// One of the controller's alarms; which one it does not say here.
    General,
}

impl AlarmMeaning {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 14] = [
        Self::HighTemperature,
        Self::LowTemperature,
        Self::ProbeFault,
        Self::DoorOpen,
        Self::PowerFailure,
        Self::DefrostTimeout,
        Self::HoldTimeout,
        Self::Condenser,
        Self::Pressure,
        Self::ExternalInput,
        Self::Haccp,
        Self::Clock,
        Self::ControllerFault,
        Self::General,
    ];

    /// As written in profiles.
    pub fn name(self) -> &'static str {
        match self {
            Self::HighTemperature => "high_temperature",
            Self::LowTemperature => "low_temperature",
            Self::ProbeFault => "probe_fault",
            Self::DoorOpen => "door_open",
            Self::PowerFailure => "power_failure",
            Self::DefrostTimeout => "defrost_timeout",
            Self::HoldTimeout => "hold_timeout",
            Self::Condenser => "condenser",
            Self::Pressure => "pressure",
            Self::ExternalInput => "external_input",
            Self::Haccp => "haccp",
            Self::Clock => "clock",
            Self::ControllerFault => "controller_fault",
            Self::General => "general",
        }
    }
}

/// How often a point is worth reading; the store says what that means in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// What changes within seconds and somebody waits for: switches, power.
    Fast,
    /// What rules look at.
    #[default]
    Normal,
    /// Settings, counters, multipliers.
    Slow,
}

/// Values that a point takes, in its unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepts {
    /// Anything from the first to the last.
    Range(RangeInclusive<f64>),
    /// One of these.
    OneOf(Vec<f64>),
}

impl Accepts {
    /// Whether `value` is one of them.
    pub fn contains(&self, value: f64) -> bool {
        match self {
            Self::Range(range) => range.contains(&value),
            Self::OneOf(values) => values.contains(&value),
        }
    }
}

/// The Modbus side of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Modbus {
    /// Unit addresses the device can be set to; 0 and 248 to 255 over TCP only.
    pub units: RangeInclusive<u8>,
    /// Most registers it answers in one read (1 to 125).
    pub registers_max: u16,
    /// Most bits it answers in one read (1 to 2000).
    pub bits_max: u16,
    /// Most unused addresses a merged read may span; 0 where gaps answer with an exception.
    pub gap_max: u16,
    /// Addresses that no read may touch unless a point is there.
    pub forbidden: Vec<Forbidden>,
    /// Quiet time it needs between two frames, ms.
    pub guard_ms: u16,
    /// Longest time it may take to answer, ms.
    pub timeout_ms: u16,
    /// How long it commonly takes to begin its answer, ms; for planning only.
    pub turnaround_ms: u16,
    /// How its serial port is set when it leaves the factory.
    pub serial: Option<Serial>,
    /// Its way to notice that nobody talks to it any more.
    pub watchdog: Option<Watchdog>,
    /// Where each point is: as many as [`Profile::points`], in the same order.
    pub registers: Vec<Register>,
}

/// Addresses that no read may touch unless a point is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// In which table.
    pub table: Table,
    /// First to last.
    pub addresses: RangeInclusive<u16>,
}

/// A relay module's safe state when nobody talks to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// Holding register of the time after which it acts.
    pub address: u16,
    /// What one of that register is, ms.
    pub tick_ms: u32,
    /// Where the safe state of each output is set.
    pub outputs: Vec<SafeOutput>,
}

/// The safe state of one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeOutput {
    /// Index of the output's point.
    pub point: usize,
    /// Holding register of its safe state, 0 or 1.
    pub state: u16,
    /// Holding register that must hold a value for the safe state to be taken, and that value.
    pub behaviour: Option<(u16, u16)>,
}

/// Where a point is in the tables of a device, and how the raw words make its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// Which of the four Modbus tables it is in.
    pub table: Table,
    /// 0-based wire address of its first register or bit.
    pub address: u16,
    /// How the raw words make a number.
    pub kind: Kind,
    /// Only these bits of it, lowest to highest, bit 0 being the least significant.
    pub bits: Option<(u8, u8)>,
    /// Order of the bytes in numbers of two or four registers.
    pub word_order: WordOrder,
    /// value = raw × scale + offset.
    pub scale: f64,
    /// Added after scaling.
    pub offset: f64,
    /// Points (indices) by whose values this one is multiplied: ratios of transformers that the device
    /// reports.
    pub scale_by: Vec<usize>,
    /// Raw values (as unsigned words) that mean "no such sensor" or "broken".
    pub unavailable: Vec<u64>,
    /// How it is written, if it may be.
    pub write: Option<RegisterWrite>,
}

/// How a register or coil is written.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterWrite {
    /// The function code.
    pub function: WriteFunction,
    /// 0-based wire address; mostly where it is read.
    pub address: u16,
    /// The words for certain values, where they are not what is read: `(value, word)`.
    pub words: Vec<(f64, u16)>,
    /// How the other bits of the word are left as they are.
    pub mask: Mask,
}

/// How a write leaves the other bits of a word alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mask {
    /// The whole word is written.
    #[default]
    Whole,
    /// The word is read, changed and written back.
    ReadModifyWrite,
    /// The bits are in the high byte; the low byte says which of them count.
    LowByte,
}

/// The MQTT side of a model. `{topic}` in a topic stands for the device's own part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mqtt {
    /// Messages that say whether the device is there; all must say so.
    pub availability: Vec<Availability>,
    /// What to publish to be told everything: at the start, whenever the device comes back, and every
    /// [`Mqtt::ask_every`].
    pub ask: Vec<Ask>,
    /// How often to ask; none: a device that reports by itself.
    pub ask_every: Option<Duration>,
    /// How long a value of a device that is there may be taken to hold without being told again.
    pub silent_max: Duration,
    /// Where each point is: as many as [`Profile::points`], in the same order.
    pub topics: Vec<Topic>,
}

/// A message that says whether the device is there (its Last Will, mostly).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Its topic.
    pub topic: String,
    /// Where in the payload's JSON, keys with dots between; empty, or a payload that is no JSON object:
    /// the whole payload.
    pub path: String,
    /// The text that means yes; any other means no.
    pub online: String,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: String,
}

/// Where a point is among a device's messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// The messages that carry it; at least one.
    pub from: Vec<Source>,
    /// Texts that stand for values: `("ON", 1.0)`.
    pub texts: Vec<(String, f64)>,
    /// value = number × scale + offset.
    pub scale: f64,
    /// Added after scaling.
    pub offset: f64,
    /// How it is written, if it may be.
    pub write: Option<TopicWrite>,
}

/// A message that carries a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its topic.
    pub topic: String,
    /// Where in the payload's JSON: keys of objects and indices of arrays, with dots between; empty: the
    /// whole payload.
    pub path: String,
    /// A path and the text that must be there, or the value is not what this profile takes it for:
    /// `("TempUnit", "C")`.
    pub expect: Option<(String, String)>,
}

/// How a point is written over MQTT.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicWrite {
    /// The topic to publish to.
    pub topic: String,
    /// The payload; `{value}` stands for the text of the value or its raw number.
    pub payload: String,
    /// Texts of values in commands, where they are not [`Topic::texts`].
    pub texts: Vec<(String, f64)>,
}

/// One of the four Modbus tables, named by the function code that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Function 1.
    Coil,
    /// Function 2.
    DiscreteInput,
    /// Function 3.
    HoldingRegister,
    /// Function 4.
    InputRegister,
}

impl Table {
    /// Whether its entries are single bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::DiscreteInput)
    }
}

/// How raw words make a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A coil or discrete input.
    Bool,
    /// Unsigned, one register.
    U16,
    /// Signed, one register.
    S16,
    /// Unsigned, two registers.
    U32,
    /// Signed, two registers.
    S32,
    /// Unsigned, four registers.
    U64,
    /// Signed, four registers.
    S64,
    /// IEEE 754 single, two registers.
    F32,
    /// IEEE 754 double, four registers.
    F64,
}

impl Kind {
    /// How many addresses it occupies.
    pub fn width(self) -> u16 {
        match self {
            Self::Bool | Self::U16 | Self::S16 => 1,
            Self::U32 | Self::S32 | Self::F32 => 2,
            Self::U64 | Self::S64 | Self::F64 => 4,
        }
    }
}

/// Order of the four bytes A (most significant) to D on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WordOrder {
    /// High word first, high byte first: the Modbus convention.
    #[default]
    Abcd,
    /// Low word first.
    Cdab,
    /// High word first, bytes swapped.
    Badc,
    /// Low word first, bytes swapped.
    Dcba,
}

/// Function code of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteFunction {
    /// 5, one coil.
    Coil,
    /// 15, several coils.
    Coils,
    /// 6, one register.
    Register,
    /// 16, several registers.
    Registers,
}

/// A fault of a profile's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct ProfileError {
    /// The file, as the reader knows it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl Profile {
    /// The point of that name.
    pub fn point(&self, name: &str) -> Option<&Point> {
        self.points.iter().find(|point| point.name == name)
    }

    /// Leaves out the points that are neither named nor multiply one that is.
    pub fn keep(&mut self, named: impl Fn(&str) -> bool) {
        let mut kept: Vec<bool> = self.points.iter().map(|point| named(&point.name)).collect();
        if let Wire::Modbus(modbus) = &self.wire {
            for register in
                modbus.registers.iter().zip(kept.clone()).filter_map(|(r, kept)| kept.then_some(r))
            {
                register.scale_by.iter().for_each(|factor| kept[*factor] = true);
            }
        }
        let place = |index: &usize| kept[..*index].iter().filter(|kept| **kept).count();
        match &mut self.wire {
            Wire::Modbus(modbus) => {
                retain(&mut modbus.registers, &kept);
                for register in &mut modbus.registers {
                    register.scale_by.iter_mut().for_each(|factor| *factor = place(factor));
                }
                if let Some(watchdog) = &mut modbus.watchdog {
                    watchdog.outputs.retain(|output| kept[output.point]);
                    watchdog.outputs.iter_mut().for_each(|output| output.point = place(&output.point));
                }
            }
            Wire::Mqtt(mqtt) => retain(&mut mqtt.topics, &kept),
        }
        retain(&mut self.points, &kept);
    }

    /// Its MQTT side, if it has one.
    pub fn mqtt(&self) -> Option<&Mqtt> {
        match &self.wire {
            Wire::Mqtt(mqtt) => Some(mqtt),
            Wire::Modbus(_) => None,
        }
    }

    /// Its Modbus side, if it has one.
    pub fn modbus(&self) -> Option<&Modbus> {
        match &self.wire {
            Wire::Modbus(modbus) => Some(modbus),
            Wire::Mqtt(_) => None,
        }
    }
}

fn retain<T>(all: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    all.retain(|_| kept.next() == Some(&true));
}

#[cfg(test)]
mod tests;
