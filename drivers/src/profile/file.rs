//! The shape of a profile's file, key by key, and the checks that turn it into a [`Profile`].

use super::{
    Accepts, Ask, Availability, Forbidden, Kind, Mask, Modbus, Mqtt, Pace, Point, Profile, ProfileError,
    Register, RegisterWrite, SafeOutput, Source, Table, Topic, TopicWrite, Watchdog, Wire, WordOrder,
    WriteFunction,
};
use crate::modbus::serial::{Parity, Serial};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use storewarden_rules::{Class, Unit};

const RANGE: &str = "`range` is [lowest, highest]";

/// Which of the two kinds of file it is.
#[derive(Deserialize)]
struct Which {
    mqtt: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModbusFile {
    maker: String,
    model: String,
    classes: Vec<String>,
    source: String,
    verified: bool,
    modbus: FileModbus,
    #[serde(default)]
    point: Vec<RegisterFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileModbus {
    units: [u8; 2],
    registers_max: u16,
    bits_max: u16,
    gap_max: u16,
    forbidden: Vec<ForbiddenFile>,
    guard_ms: u16,
    timeout_ms: u16,
    turnaround_ms: u16,
    serial: Option<SerialFile>,
    watchdog: Option<WatchdogFile>,
}

impl Default for FileModbus {
    fn default() -> Self {
        Self {
            units: [1, 247],
            registers_max: 125,
            bits_max: 2000,
            gap_max: 0,
            forbidden: Vec::new(),
            guard_ms: 0,
            timeout_ms: 1000,
            turnaround_ms: 20,
            serial: None,
            watchdog: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForbiddenFile {
    function: u8,
    addresses: [u16; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SerialFile {
    baud: u32,
    parity: ParityFile,
    stop_bits: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ParityFile {
    None,
    Even,
    Odd,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchdogFile {
    address: u16,
    tick_ms: u32,
    outputs: Vec<SafeOutputFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SafeOutputFile {
    point: String,
    state: u16,
    behaviour: Option<[u16; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterFile {
    name: String,
    unit: String,
    #[serde(default)]
    pace: Pace,
    range: Option<[f64; 2]>,
    function: u8,
    address: u16,
    kind: Kind,
    bit: Option<u8>,
    bits: Option<[u8; 2]>,
    #[serde(default)]
    word_order: WordOrder,
    #[serde(default = "one")]
    scale: f64,
    #[serde(default)]
    offset: f64,
    #[serde(default)]
    scale_by: Vec<String>,
    #[serde(default)]
    unavailable: Vec<u64>,
    write: Option<RegisterWriteFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterWriteFile {
    function: u8,
    range: Option<[f64; 2]>,
    values: Option<Vec<f64>>,
    address: Option<u16>,
    #[serde(default)]
    words: Vec<(f64, u16)>,
    #[serde(default)]
    mask_in_low_byte: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MqttFile {
    maker: String,
    model: String,
    classes: Vec<String>,
    source: String,
    verified: bool,
    mqtt: FileMqtt,
    #[serde(default)]
    point: Vec<TopicFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMqtt {
    #[serde(default)]
    availability: Vec<AvailabilityFile>,
    #[serde(default)]
    ask: Vec<AskFile>,
    ask_every_s: Option<u32>,
    #[serde(default = "silent_max_s")]
    silent_max_s: u32,
}

/// Two and a half of the five minutes that devices commonly leave between two reports.
fn silent_max_s() -> u32 {
    750
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AvailabilityFile {
    topic: String,
    #[serde(default)]
    path: String,
    online: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskFile {
    topic: String,
    payload: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicFile {
    name: String,
    unit: String,
    #[serde(default)]
    pace: Pace,
    range: Option<[f64; 2]>,
    from: Vec<SourceFile>,
    #[serde(default)]
    texts: BTreeMap<String, f64>,
    #[serde(default = "one")]
    scale: f64,
    #[serde(default)]
    offset: f64,
    write: Option<TopicWriteFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    topic: String,
    #[serde(default)]
    path: String,
    expect: Option<ExpectFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectFile {
    path: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicWriteFile {
    topic: String,
    payload: String,
    range: Option<[f64; 2]>,
    values: Option<Vec<f64>>,
    #[serde(default)]
    texts: BTreeMap<String, f64>,
}

fn one() -> f64 {
    1.0
}

impl Profile {
    /// Reads the text of profile `id`.
    pub fn parse(id: &str, text: &str) -> Result<Self, ProfileError> {
        let shape = |source| ProfileError::Shape { id: id.to_owned(), source };
        let which: Which = toml::from_str(text).map_err(shape)?;
        let fault = |what: String| ProfileError::Profile { id: id.to_owned(), what };
        let profile = if which.mqtt.is_some() {
            let file: MqttFile = toml::from_str(text).map_err(shape)?;
            let (points, topics) = file
                .point
                .into_iter()
                .map(|point| point.check(id))
                .collect::<Result<(Vec<_>, Vec<_>), _>>()?;
            Self {
                id: id.to_owned(),
                maker: file.maker,
                model: file.model,
                classes: classes(&file.classes).map_err(fault)?,
                source: file.source,
                verified: file.verified,
                points,
                wire: Wire::Mqtt(file.mqtt.check(topics).map_err(fault)?),
            }
        } else {
            let file: ModbusFile = toml::from_str(text).map_err(shape)?;
            let names: Vec<String> = file.point.iter().map(|point| point.name.clone()).collect();
            let (points, registers) = file
                .point
                .into_iter()
                .map(|point| point.check(id, &names))
                .collect::<Result<(Vec<_>, Vec<_>), _>>()?;
            Self {
                id: id.to_owned(),
                maker: file.maker,
                model: file.model,
                classes: classes(&file.classes).map_err(fault)?,
                source: file.source,
                verified: file.verified,
                wire: Wire::Modbus(file.modbus.check(&points, registers).map_err(fault)?),
                points,
            }
        };
        profile.check()?;
        Ok(profile)
    }

    /// What concerns several points at once.
    fn check(&self) -> Result<(), ProfileError> {
        if self.points.is_empty() {
            return Err(ProfileError::Profile { id: self.id.clone(), what: "has no [[point]]".into() });
        }
        for (index, point) in self.points.iter().enumerate() {
            let fault = |what: &str| ProfileError::Point {
                id: self.id.clone(),
                point: point.name.clone(),
                what: what.into(),
            };
            if self.points[..index].iter().any(|other| other.name == point.name) {
                return Err(fault("named twice; each name once"));
            }
            if let Some(modbus) = self.modbus()
                && let register = &modbus.registers[index]
                && !register.table.is_bits()
                && register.kind.width() > modbus.registers_max
            {
                return Err(fault("wider than `registers_max`; it could never be read"));
            }
        }
        Ok(())
    }
}

fn classes(names: &[String]) -> Result<Vec<Class>, String> {
    let class = |name: &String| {
        Class::from_name(name).ok_or_else(|| {
            let known: Vec<_> = Class::ALL.iter().map(|class| class.name()).collect();
            format!("unknown class `{name}`; write one of {}", known.join(", "))
        })
    };
    names.iter().map(class).collect()
}

impl FileModbus {
    fn check(self, points: &[Point], registers: Vec<Register>) -> Result<Modbus, String> {
        let units = self.units[0]..=self.units[1];
        if units.is_empty() {
            return Err("`units` must be [first, last] within 0 to 255".into());
        }
        if !(1..=125).contains(&self.registers_max) || !(1..=2000).contains(&self.bits_max) {
            return Err("`registers_max` must be 1 to 125 and `bits_max` 1 to 2000".into());
        }
        if self.timeout_ms == 0 {
            return Err("`timeout_ms` must be above 0".into());
        }
        let forbidden = self.forbidden.into_iter().map(ForbiddenFile::check).collect::<Result<_, _>>()?;
        Ok(Modbus {
            units,
            registers_max: self.registers_max,
            bits_max: self.bits_max,
            gap_max: self.gap_max,
            forbidden,
            guard_ms: self.guard_ms,
            timeout_ms: self.timeout_ms,
            turnaround_ms: self.turnaround_ms,
            serial: self.serial.map(SerialFile::check).transpose()?,
            watchdog: self.watchdog.map(|watchdog| watchdog.check(points)).transpose()?,
            registers,
        })
    }
}

impl ForbiddenFile {
    fn check(self) -> Result<Forbidden, String> {
        let table = table(self.function)?;
        let addresses = self.addresses[0]..=self.addresses[1];
        if addresses.is_empty() {
            return Err("`forbidden` addresses are [first, last]".into());
        }
        Ok(Forbidden { table, addresses })
    }
}

impl SerialFile {
    fn check(self) -> Result<Serial, String> {
        if !(1200..=115_200).contains(&self.baud) || !(1..=2).contains(&self.stop_bits) {
            return Err("`serial` needs a baud of 1200 to 115200 and 1 or 2 stop bits".into());
        }
        let parity = match self.parity {
            ParityFile::None => Parity::None,
            ParityFile::Even => Parity::Even,
            ParityFile::Odd => Parity::Odd,
        };
        Ok(Serial { baud: self.baud, parity, stop_bits: self.stop_bits })
    }
}

impl WatchdogFile {
    fn check(self, points: &[Point]) -> Result<Watchdog, String> {
        if self.tick_ms == 0 {
            return Err("`watchdog.tick_ms` must be above 0".into());
        }
        let outputs = self
            .outputs
            .into_iter()
            .map(|output| {
                let point = points.iter().position(|point| point.name == output.point).ok_or_else(|| {
                    format!("`watchdog.outputs` names `{}`, which is no point", output.point)
                })?;
                let behaviour = output.behaviour.map(|[address, value]| (address, value));
                Ok(SafeOutput { point, state: output.state, behaviour })
            })
            .collect::<Result<_, String>>()?;
        Ok(Watchdog { address: self.address, tick_ms: self.tick_ms, outputs })
    }
}

impl RegisterFile {
    fn check(self, id: &str, names: &[String]) -> Result<(Point, Register), ProfileError> {
        let fault = |what: String| ProfileError::Point { id: id.to_owned(), point: self.name.clone(), what };
        named(&self.name).map_err(fault)?;
        let table = table(self.function).map_err(fault)?;
        if table.is_bits() != (self.kind == Kind::Bool) {
            return Err(fault("functions 1 and 2 read kind \"bool\", 3 and 4 read numbers".into()));
        }
        if self.address.checked_add(self.kind.width() - 1).is_none() {
            return Err(fault("reaches beyond address 65535".into()));
        }
        scaling(self.scale, self.offset).map_err(fault)?;
        let bits = match (self.bit, self.bits) {
            (None, None) => None,
            (Some(bit), None) => Some((bit, bit)),
            (None, Some([low, high])) => Some((low, high)),
            (Some(_), Some(_)) => return Err(fault("write `bit` or `bits`, not both".into())),
        };
        if let Some((low, high)) = bits {
            let whole = matches!(self.kind, Kind::U16 | Kind::U32 | Kind::U64);
            if !whole || low > high || u16::from(high) >= 16 * self.kind.width() {
                return Err(fault(
                    "`bit` and `bits` take bits of kind u16, u32 or u64; write the lowest first".into(),
                ));
            }
        }
        let scale_by = self
            .scale_by
            .iter()
            .map(|factor| {
                names
                    .iter()
                    .position(|name| name == factor && *name != self.name)
                    .ok_or_else(|| fault(format!("`scale_by` names `{factor}`, which is no other point")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let (accepts, write) = match &self.write {
            None => (None, None),
            Some(write) => {
                let accepts = accepts(write.range, write.values.clone()).map_err(fault)?;
                let write = write.check(table, self.kind, self.address, bits).map_err(fault)?;
                (Some(accepts), Some(write))
            }
        };
        let point = Point {
            unit: unit(&self.unit).map_err(fault)?,
            pace: self.pace,
            range: self.range.map(|bounds| range(bounds).ok_or_else(|| fault(RANGE.into()))).transpose()?,
            accepts,
            name: self.name.clone(),
        };
        let register = Register {
            table,
            address: self.address,
            kind: self.kind,
            bits,
            word_order: self.word_order,
            scale: self.scale,
            offset: self.offset,
            scale_by,
            unavailable: self.unavailable,
            write,
        };
        Ok((point, register))
    }
}

impl RegisterWriteFile {
    fn check(
        &self,
        table: Table,
        kind: Kind,
        address: u16,
        bits: Option<(u8, u8)>,
    ) -> Result<RegisterWrite, String> {
        let elsewhere = self.address.is_some();
        let function = match (self.function, table) {
            (5, Table::Coil) => WriteFunction::Coil,
            (15, Table::Coil) => WriteFunction::Coils,
            // A flag may be read in one table and commanded in another.
            (5, _) if elsewhere => WriteFunction::Coil,
            (15, _) if elsewhere => WriteFunction::Coils,
            (6, Table::HoldingRegister) if kind.width() == 1 => WriteFunction::Register,
            (16, Table::HoldingRegister) => WriteFunction::Registers,
            (6, _) if elsewhere => WriteFunction::Register,
            (16, _) if elsewhere => WriteFunction::Registers,
            (other, _) => {
                return Err(format!(
                    "write function {other} cannot reach it; 5 and 15 write coils, 6 one holding register, 16 several"
                ));
            }
        };
        let coil = matches!(function, WriteFunction::Coil | WriteFunction::Coils);
        let mask = match (self.mask_in_low_byte, bits) {
            (true, Some((low, high))) if low >= 8 && high <= 15 && !coil => Mask::LowByte,
            (true, _) => return Err("`mask_in_low_byte` needs `bit` or `bits` from 8 to 15".into()),
            (false, Some(_)) if !elsewhere && !coil => Mask::ReadModifyWrite,
            (false, _) => Mask::Whole,
        };
        Ok(RegisterWrite {
            function,
            address: self.address.unwrap_or(address),
            words: self.words.clone(),
            mask,
        })
    }
}

impl FileMqtt {
    fn check(self, topics: Vec<Topic>) -> Result<Mqtt, String> {
        if self.silent_max_s == 0 || self.ask_every_s == Some(0) {
            return Err("`silent_max_s` and `ask_every_s` must be above 0".into());
        }
        if self.ask_every_s.is_some() && self.ask.is_empty() {
            return Err("`ask_every_s` needs an `ask` that says what to publish".into());
        }
        let availability = |said: AvailabilityFile| {
            topic(&said.topic)?;
            Ok(Availability { topic: said.topic, path: said.path, online: said.online })
        };
        let ask = |ask: AskFile| {
            topic(&ask.topic)?;
            Ok(Ask { topic: ask.topic, payload: ask.payload })
        };
        Ok(Mqtt {
            availability: self.availability.into_iter().map(availability).collect::<Result<_, String>>()?,
            ask: self.ask.into_iter().map(ask).collect::<Result<_, String>>()?,
            ask_every: self.ask_every_s.map(|seconds| Duration::from_secs(seconds.into())),
            silent_max: Duration::from_secs(self.silent_max_s.into()),
            topics,
        })
    }
}

impl TopicFile {
    fn check(self, id: &str) -> Result<(Point, Topic), ProfileError> {
        let fault = |what: String| ProfileError::Point { id: id.to_owned(), point: self.name.clone(), what };
        named(&self.name).map_err(fault)?;
        scaling(self.scale, self.offset).map_err(fault)?;
        if self.from.is_empty() {
            return Err(fault("`from` names no message; write where its value comes from".into()));
        }
        for source in &self.from {
            topic(&source.topic).map_err(fault)?;
        }
        if !self.texts.values().all(|value| value.is_finite()) {
            return Err(fault("`texts` stand for finite numbers".into()));
        }
        let (accepts, write) = match &self.write {
            None => (None, None),
            Some(write) => {
                let accepts = accepts(write.range, write.values.clone()).map_err(fault)?;
                (Some(accepts), Some(write.check().map_err(fault)?))
            }
        };
        let point = Point {
            unit: unit(&self.unit).map_err(fault)?,
            pace: self.pace,
            range: self.range.map(|bounds| range(bounds).ok_or_else(|| fault(RANGE.into()))).transpose()?,
            accepts,
            name: self.name.clone(),
        };
        let topic = Topic {
            from: self.from.into_iter().map(SourceFile::into_source).collect(),
            texts: self.texts.into_iter().collect(),
            scale: self.scale,
            offset: self.offset,
            write,
        };
        Ok((point, topic))
    }
}

impl SourceFile {
    fn into_source(self) -> Source {
        let expect = self.expect.map(|expect| (expect.path, expect.text));
        Source { topic: self.topic, path: self.path, expect }
    }
}

impl TopicWriteFile {
    fn check(&self) -> Result<TopicWrite, String> {
        topic(&self.topic)?;
        if !self.payload.contains("{value}") {
            return Err("`write.payload` has no {value}; write where the value goes".into());
        }
        Ok(TopicWrite {
            topic: self.topic.clone(),
            payload: self.payload.clone(),
            texts: self.texts.clone().into_iter().collect(),
        })
    }
}

/// A topic to subscribe or publish to by its exact name; `{topic}` in it is the device's own part.
fn topic(text: &str) -> Result<(), String> {
    let rest = text.replace("{topic}", "");
    if text.is_empty() || rest.contains(['+', '#', '{', '}', '\0']) {
        return Err(format!(
            "`{text}` is no topic; write it out, without + and #, with {{topic}} for the device's own part"
        ));
    }
    Ok(())
}

fn table(function: u8) -> Result<Table, String> {
    Ok(match function {
        1 => Table::Coil,
        2 => Table::DiscreteInput,
        3 => Table::HoldingRegister,
        4 => Table::InputRegister,
        other => return Err(format!("`function` {other} does not read; write 1, 2, 3 or 4")),
    })
}

fn named(name: &str) -> Result<(), String> {
    let good =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if good { Ok(()) } else { Err("a name is made of a-z, 0-9 and _".into()) }
}

fn scaling(scale: f64, offset: f64) -> Result<(), String> {
    if scale.is_finite() && scale != 0.0 && offset.is_finite() {
        Ok(())
    } else {
        Err("`scale` must be a number other than 0 and `offset` a number".into())
    }
}

fn unit(symbol: &str) -> Result<Unit, String> {
    Unit::from_symbol(symbol).ok_or_else(|| {
        let known: Vec<_> = Unit::ALL.iter().map(|unit| unit.symbol()).collect();
        format!("unknown unit `{symbol}`; write one of {}", known.join(", "))
    })
}

fn accepts(bounds: Option<[f64; 2]>, values: Option<Vec<f64>>) -> Result<Accepts, String> {
    match (bounds, values) {
        (Some(bounds), None) => range(bounds).map(Accepts::Range).ok_or_else(|| RANGE.into()),
        (None, Some(values)) if !values.is_empty() && values.iter().all(|value| value.is_finite()) => {
            Ok(Accepts::OneOf(values))
        }
        _ => Err("`write` needs `range` = [lowest, highest] or `values` = [one, or, another]".into()),
    }
}

fn range([low, high]: [f64; 2]) -> Option<RangeInclusive<f64>> {
    (low.is_finite() && high.is_finite() && low <= high).then_some(low..=high)
}
