//! The shape of a profile's file, key by key, and the checks that turn it into a [`Profile`].

use super::words::{self, Text};
use super::{
    Accepts, AlarmMeaning, Ask, Availability, Forbidden, Kind, Mask, Modbus, Mqtt, Pace, Point, Profile,
    ProfileError, Register, RegisterWrite, SafeOutput, Source, Table, Topic, TopicWrite, Watchdog, Wire,
    WordOrder, WriteFunction, class,
};
use crate::modbus::serial::{Parity, Serial};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use storewarden_rules::{Class, Unit};
use toml::Spanned;

const RANGE: &str = "`range` is [lowest, highest]";

/// The JSON Schema of a profile, for editors: what each key is and which values it takes. What concerns
/// several keys at once only [`Profile::parse`] knows.
pub fn schema() -> String {
    let schema = SchemaGenerator::default().into_root_schema_for::<ProfileFile>();
    format!("{:#}\n", schema.as_value())
}

/// A Storewarden device profile: the register map (or the topics) and the behaviour of a device model.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "names the two kinds of file for the schema")]
enum ProfileFile {
    Modbus(ModbusFile),
    Mqtt(MqttFile),
}

/// Where a fault is in the text, and what to write instead.
pub(super) struct Fault {
    at: Range<usize>,
    what: String,
}

impl Fault {
    pub(super) fn new(at: &Range<usize>, what: impl Into<String>) -> Self {
        Self { at: at.clone(), what: what.into() }
    }

    /// The same with line and column; `file` is its name for people.
    pub(super) fn place(self, file: &str, text: &str) -> ProfileError {
        let before = text.get(..self.at.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ProfileError {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: self.what,
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        Self { at: error.span().unwrap_or_default(), what: error.message().to_owned() }
    }
}

/// Where things are in the text.
pub(super) struct Places {
    pub classes: Range<usize>,
    pub points: Vec<Range<usize>>,
}

/// Which of the two kinds of file it is.
#[derive(Deserialize)]
struct Which {
    mqtt: Option<IgnoredAny>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ModbusFile {
    /// Who makes it.
    maker: String,
    /// The maker's name of the model.
    model: String,
    /// What such a device can be used for; each class requires some points.
    #[schemars(schema_with = "classes_schema")]
    classes: Spanned<Vec<String>>,
    /// Where the numbers come from.
    source: String,
    /// What a technician must know: firmware that differs, settings the device needs.
    #[serde(default)]
    note: String,
    /// Whether it was compared with hardware.
    verified: bool,
    /// What the device can take.
    #[schemars(with = "FileModbus")]
    modbus: Spanned<FileModbus>,
    #[serde(default)]
    #[schemars(with = "Vec<RegisterFile>")]
    point: Vec<Spanned<RegisterFile>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct FileModbus {
    /// Unit addresses it can be set to, first and last; 0 and 248 to 255 over TCP only.
    units: [u8; 2],
    /// Most registers it answers in one read.
    #[schemars(range(min = 1, max = 125))]
    registers_max: u16,
    /// Most coils or inputs it answers in one read.
    #[schemars(range(min = 1, max = 2000))]
    bits_max: u16,
    /// Most unused addresses a merged read may span; 0 where they answer with an exception.
    gap_max: u16,
    /// Addresses that no read may touch unless a point is there.
    forbidden: Vec<ForbiddenFile>,
    /// Quiet time it needs between two frames, ms.
    guard_ms: u16,
    /// Longest time it may take to answer, ms.
    #[schemars(range(min = 1))]
    timeout_ms: u16,
    /// How long it commonly takes to begin its answer, ms; for planning only.
    turnaround_ms: u16,
    /// How its serial port is set when it leaves the factory.
    serial: Option<SerialFile>,
    /// Its way to notice that nobody talks to it any more.
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ForbiddenFile {
    /// The function code that reads the table: 1, 2, 3 or 4.
    #[schemars(range(min = 1, max = 4))]
    function: u8,
    /// First and last.
    addresses: [u16; 2],
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SerialFile {
    /// Bits per second.
    #[schemars(range(min = 1200, max = 115_200))]
    baud: u32,
    parity: ParityFile,
    #[schemars(range(min = 1, max = 2))]
    stop_bits: u8,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ParityFile {
    None,
    Even,
    Odd,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WatchdogFile {
    /// Holding register of the time after which it acts.
    address: u16,
    /// What one of that register is, ms.
    #[schemars(range(min = 1))]
    tick_ms: u32,
    /// Where the safe state of each output is set.
    outputs: Vec<SafeOutputFile>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SafeOutputFile {
    /// Name of the output's point.
    point: String,
    /// Holding register of its safe state, 0 or 1.
    state: u16,
    /// Holding register and the value it must hold for the safe state to be taken.
    behaviour: Option<[u16; 2]>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RegisterFile {
    /// The word that rules and config use; once per profile.
    #[schemars(regex(pattern = "^[a-z0-9_]+$"))]
    name: String,
    #[schemars(schema_with = "unit_schema")]
    unit: String,
    /// How often it is worth reading.
    #[serde(default)]
    pace: Pace,
    /// Values outside cannot be; lowest and highest, in the unit.
    range: Option<[f64; 2]>,
    /// What it means when this flag is 1, if that is an alarm.
    alarm: Option<AlarmMeaning>,
    /// The states behind the values of a code.
    #[serde(default)]
    #[schemars(schema_with = "states_schema")]
    states: BTreeMap<String, String>,
    /// Its name for people, where the shared table of words has none.
    text: Option<Text>,
    /// The function code that reads it: 1 coil, 2 discrete input, 3 holding register, 4 input register.
    #[schemars(range(min = 1, max = 4))]
    function: u8,
    /// 0-based wire address.
    address: u16,
    /// How the raw words make a number.
    kind: Kind,
    /// Only this bit of it, 0 being the least significant.
    bit: Option<u8>,
    /// Only these bits of it, lowest and highest.
    bits: Option<[u8; 2]>,
    /// Order of the bytes of numbers of two or four registers.
    #[serde(default)]
    word_order: WordOrder,
    /// value = raw × scale + offset.
    #[serde(default = "one")]
    scale: f64,
    /// Added after scaling.
    #[serde(default)]
    offset: f64,
    /// Points whose values multiply this one: ratios of transformers that the device reports.
    #[serde(default)]
    scale_by: Vec<String>,
    /// Raw words, as one unsigned number, that mean "no such sensor" or "broken".
    #[serde(default)]
    unavailable: Vec<u64>,
    /// How it is written, if it may be.
    write: Option<RegisterWriteFile>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RegisterWriteFile {
    /// 5 or 15 a coil, 6 one holding register, 16 several.
    #[schemars(schema_with = "write_function_schema")]
    function: u8,
    /// Lowest and highest value that may be written, in the unit.
    range: Option<[f64; 2]>,
    /// Or: the values that may be written.
    values: Option<Vec<f64>>,
    /// Where it is written, if not where it is read.
    address: Option<u16>,
    /// The words for certain values, where they are not what is read.
    #[serde(default)]
    words: Vec<(f64, u16)>,
    /// The bits are in the high byte; the low byte says which of them count.
    #[serde(default)]
    mask_in_low_byte: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MqttFile {
    /// Who makes it.
    maker: String,
    /// The maker's name of the model.
    model: String,
    /// What such a device can be used for; each class requires some points.
    #[schemars(schema_with = "classes_schema")]
    classes: Spanned<Vec<String>>,
    /// Where the numbers come from.
    source: String,
    /// What a technician must know: firmware that differs, settings the device needs.
    #[serde(default)]
    note: String,
    /// Whether it was compared with hardware.
    verified: bool,
    /// Its topics and what else it needs of the broker.
    #[schemars(with = "FileMqtt")]
    mqtt: Spanned<FileMqtt>,
    #[serde(default)]
    #[schemars(with = "Vec<TopicFile>")]
    point: Vec<Spanned<TopicFile>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FileMqtt {
    /// Messages that say whether the device is there; all must say so.
    #[serde(default)]
    availability: Vec<AvailabilityFile>,
    /// What to publish to be told everything.
    #[serde(default)]
    ask: Vec<AskFile>,
    /// How often to ask, s; without it only when the device is found.
    #[schemars(range(min = 1))]
    ask_every_s: Option<u32>,
    /// How long its last word may be taken to hold, s.
    #[serde(default = "silent_max_s")]
    #[schemars(range(min = 1))]
    silent_max_s: u32,
}

/// Two and a half of the five minutes that devices commonly leave between two reports.
fn silent_max_s() -> u32 {
    750
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AvailabilityFile {
    /// The exact topic; `{topic}` stands for the device's own part.
    topic: String,
    /// Where in the payload's JSON: keys with dots between; empty: the whole payload.
    #[serde(default)]
    path: String,
    /// The text that means yes; any other means no.
    online: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskFile {
    /// The exact topic; `{topic}` stands for the device's own part.
    topic: String,
    /// The payload; `{topic}` stands for the device's own part.
    payload: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TopicFile {
    /// The word that rules and config use; once per profile.
    #[schemars(regex(pattern = "^[a-z0-9_]+$"))]
    name: String,
    #[schemars(schema_with = "unit_schema")]
    unit: String,
    /// How often it is worth reading.
    #[serde(default)]
    pace: Pace,
    /// Values outside cannot be; lowest and highest, in the unit.
    range: Option<[f64; 2]>,
    /// What it means when this flag is 1, if that is an alarm.
    alarm: Option<AlarmMeaning>,
    /// The states behind the values of a code.
    #[serde(default)]
    #[schemars(schema_with = "states_schema")]
    states: BTreeMap<String, String>,
    /// Its name for people, where the shared table of words has none.
    text: Option<Text>,
    /// The messages that carry it; the last one counts.
    from: Vec<SourceFile>,
    /// Words that stand for values: { OFF = 0.0, ON = 1.0 }.
    #[serde(default)]
    texts: BTreeMap<String, f64>,
    /// value = number × scale + offset; not for words.
    #[serde(default = "one")]
    scale: f64,
    /// Added after scaling.
    #[serde(default)]
    offset: f64,
    /// How it is written, if it may be.
    write: Option<TopicWriteFile>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    /// The exact topic; `{topic}` stands for the device's own part.
    topic: String,
    /// Where in the payload's JSON: keys and indices with dots between; empty: the whole payload.
    #[serde(default)]
    path: String,
    /// A text that must stand in the same message, or the value is not what it is taken for.
    expect: Option<ExpectFile>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExpectFile {
    /// Where in the payload's JSON.
    path: String,
    /// The text that must be there.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TopicWriteFile {
    /// The exact topic; `{topic}` stands for the device's own part.
    topic: String,
    /// The payload; `{value}` stands for the word of the value or its raw number.
    payload: String,
    /// Lowest and highest value that may be written, in the unit.
    range: Option<[f64; 2]>,
    /// Or: the values that may be written.
    values: Option<Vec<f64>>,
    /// Words of values in commands, where they are not those of reports.
    #[serde(default)]
    texts: BTreeMap<String, f64>,
}

fn one() -> f64 {
    1.0
}

fn classes_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = Class::ALL.iter().map(|class| class.name()).collect();
    json_schema!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": names } })
}

fn unit_schema(_: &mut SchemaGenerator) -> Schema {
    let symbols: Vec<_> = Unit::ALL.iter().map(|unit| unit.symbol()).collect();
    json_schema!({ "type": "string", "enum": symbols, "description": "Unit of the value." })
}

fn states_schema(_: &mut SchemaGenerator) -> Schema {
    let states: Vec<_> = words::states().collect();
    json_schema!({
        "type": "object",
        "additionalProperties": false,
        "patternProperties": { "^-?[0-9]+$": { "type": "string", "enum": states } },
        "description": "The states behind the values of a code: { \"14\" = \"defrost\" }.",
    })
}

fn write_function_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "enum": [5, 6, 15, 16] })
}

impl Profile {
    /// Reads the text of profile `id`.
    pub fn parse(id: &str, text: &str) -> Result<Self, ProfileError> {
        match read(id, text) {
            Ok((profile, _)) => Ok(profile),
            Err(fault) => Err(fault.place(&format!("{id}.toml"), text)),
        }
    }

    /// What concerns several points at once.
    fn check(&self, places: &Places) -> Result<(), Fault> {
        if self.points.is_empty() {
            return Err(Fault::new(&(0..0), "has no [[point]]; write one for each value it has"));
        }
        for (index, (point, at)) in self.points.iter().zip(&places.points).enumerate() {
            let fault = |what: String| Err(Fault::new(at, format!("point `{}`: {what}", point.name)));
            if self.points[..index].iter().any(|other| other.name == point.name) {
                return fault("named twice; each name once".into());
            }
            if let Some(modbus) = self.modbus()
                && let register = &modbus.registers[index]
                && !register.table.is_bits()
                && register.kind.width() > modbus.registers_max
            {
                return fault("wider than `registers_max`; it could never be read".into());
            }
            if let Some(modbus) = self.modbus()
                && let mut factors = modbus.registers[index].scale_by.iter()
                && let Some(factor) = factors.find(|factor| !modbus.registers[**factor].scale_by.is_empty())
            {
                let name = &self.points[*factor].name;
                return fault(format!(
                    "`scale_by` names `{name}`, which has a `scale_by` itself; name every factor here"
                ));
            }
            if let Some(unit) = words::unit(&point.name)
                && unit != point.unit
            {
                return fault(format!(
                    "is in `{}` in every profile; write unit = \"{}\" and a `scale` that makes it so, or another name",
                    unit.symbol(),
                    unit.symbol()
                ));
            }
        }
        if self.classes.is_empty() {
            return Err(Fault::new(&places.classes, "`classes` is empty; write what it is used for"));
        }
        for class in &self.classes {
            if let Some(missing) = class::requirements(*class).iter().find(|needed| !needed.is_met(self)) {
                let what = format!(
                    "a {} needs {missing}; add it, or leave \"{}\" out of `classes`",
                    class.name(),
                    class.name()
                );
                return Err(Fault::new(&places.classes, what));
            }
        }
        Ok(())
    }
}

/// The profile, and where in the text its parts are.
pub(super) fn read(id: &str, text: &str) -> Result<(Profile, Places), Fault> {
    let which: Which = toml::from_str(text)?;
    let (profile, places) = if which.mqtt.is_some() {
        let file: MqttFile = toml::from_str(text)?;
        let places =
            Places { classes: file.classes.span(), points: file.point.iter().map(Spanned::span).collect() };
        let mut points = Vec::new();
        let mut topics = Vec::new();
        for (point, at) in file.point.into_iter().zip(&places.points) {
            let point = point.into_inner();
            let name = point.name.clone();
            let (point, topic) =
                point.check().map_err(|what| Fault::new(at, format!("point `{name}`: {what}")))?;
            points.push(point);
            topics.push(topic);
        }
        let at = file.mqtt.span();
        let mqtt = file.mqtt.into_inner().check(topics).map_err(|what| Fault::new(&at, what))?;
        let profile = Profile {
            id: id.to_owned(),
            maker: file.maker,
            model: file.model,
            classes: classes(file.classes.get_ref()).map_err(|what| Fault::new(&places.classes, what))?,
            source: file.source,
            note: file.note,
            verified: file.verified,
            points,
            wire: Wire::Mqtt(mqtt),
        };
        (profile, places)
    } else {
        let file: ModbusFile = toml::from_str(text)?;
        let places =
            Places { classes: file.classes.span(), points: file.point.iter().map(Spanned::span).collect() };
        let names: Vec<String> = file.point.iter().map(|point| point.get_ref().name.clone()).collect();
        let mut points = Vec::new();
        let mut registers = Vec::new();
        for (point, at) in file.point.into_iter().zip(&places.points) {
            let point = point.into_inner();
            let name = point.name.clone();
            let (point, register) =
                point.check(&names).map_err(|what| Fault::new(at, format!("point `{name}`: {what}")))?;
            points.push(point);
            registers.push(register);
        }
        let at = file.modbus.span();
        let modbus = file.modbus.into_inner().check(&points, registers);
        let profile = Profile {
            id: id.to_owned(),
            maker: file.maker,
            model: file.model,
            classes: classes(file.classes.get_ref()).map_err(|what| Fault::new(&places.classes, what))?,
            source: file.source,
            note: file.note,
            verified: file.verified,
            wire: Wire::Modbus(modbus.map_err(|what| Fault::new(&at, what))?),
            points,
        };
        (profile, places)
    };
    profile.check(&places)?;
    Ok((profile, places))
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
    fn check(self, names: &[String]) -> Result<(Point, Register), String> {
        named(&self.name)?;
        let table = table(self.function)?;
        if table.is_bits() != (self.kind == Kind::Bool) {
            return Err("functions 1 and 2 read kind \"bool\", 3 and 4 read numbers".into());
        }
        if self.address.checked_add(self.kind.width() - 1).is_none() {
            return Err("reaches beyond address 65535".into());
        }
        scaling(self.scale, self.offset)?;
        let bits = match (self.bit, self.bits) {
            (None, None) => None,
            (Some(bit), None) => Some((bit, bit)),
            (None, Some([low, high])) => Some((low, high)),
            (Some(_), Some(_)) => return Err("write `bit` or `bits`, not both".into()),
        };
        if let Some((low, high)) = bits {
            let whole = matches!(self.kind, Kind::U16 | Kind::U32 | Kind::U64);
            if !whole || low > high || u16::from(high) >= 16 * self.kind.width() {
                return Err(
                    "`bit` and `bits` take bits of kind u16, u32 or u64; write the lowest first".into()
                );
            }
        }
        let scale_by = self
            .scale_by
            .iter()
            .map(|factor| {
                names
                    .iter()
                    .position(|name| name == factor && *name != self.name)
                    .ok_or_else(|| format!("`scale_by` names `{factor}`, which is no other point"))
            })
            .collect::<Result<Vec<_>, String>>()?;
        let (accepts, write) = match &self.write {
            None => (None, None),
            Some(write) => {
                let accepts = accepts(write.range, write.values.clone())?;
                let write = write.check(table, self.kind, self.address, bits)?;
                (Some(accepts), Some(write))
            }
        };
        let point = point(
            self.name,
            &self.unit,
            self.pace,
            self.range,
            accepts,
            self.alarm,
            &self.states,
            self.text,
        )?;
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
    fn check(self) -> Result<(Point, Topic), String> {
        named(&self.name)?;
        scaling(self.scale, self.offset)?;
        if self.from.is_empty() {
            return Err("`from` names no message; write where its value comes from".into());
        }
        for source in &self.from {
            topic(&source.topic)?;
        }
        if !self.texts.values().all(|value| value.is_finite()) {
            return Err("`texts` stand for finite numbers".into());
        }
        let (accepts, write) = match &self.write {
            None => (None, None),
            Some(write) => (Some(accepts(write.range, write.values.clone())?), Some(write.check()?)),
        };
        let point = point(
            self.name,
            &self.unit,
            self.pace,
            self.range,
            accepts,
            self.alarm,
            &self.states,
            self.text,
        )?;
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

/// What both kinds of file say of a point.
#[expect(clippy::too_many_arguments, reason = "the keys that both kinds of file share")]
fn point(
    name: String,
    symbol: &str,
    pace: Pace,
    bounds: Option<[f64; 2]>,
    accepts: Option<Accepts>,
    alarm: Option<AlarmMeaning>,
    states: &BTreeMap<String, String>,
    text: Option<Text>,
) -> Result<Point, String> {
    let unit = unit(symbol)?;
    if alarm.is_some() && unit != Unit::Flag {
        return Err("`alarm` says what a flag means; write unit = \"flag\"".into());
    }
    if !states.is_empty() && unit != Unit::Code {
        return Err("`states` are those of a code; write unit = \"code\"".into());
    }
    let states = states.iter().map(|(code, word)| state(code, word)).collect::<Result<_, _>>()?;
    let range = bounds.map(|bounds| range(bounds).ok_or_else(|| RANGE.to_owned())).transpose()?;
    Ok(Point { name, unit, pace, range, accepts, alarm, states, text })
}

fn state(code: &str, word: &str) -> Result<(i64, String), String> {
    let number = code.parse().map_err(|_| format!("`states` has the key `{code}`; write a whole number"))?;
    if words::state(word).is_none() {
        let known: Vec<_> = words::states().collect();
        return Err(format!("unknown state `{word}`; write one of {}", known.join(", ")));
    }
    Ok((number, word.to_owned()))
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
