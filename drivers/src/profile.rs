//! Device profiles: the register map and behaviour of a device model, as a TOML file.
//!
//! A profile states facts about a model and nothing about a store. Every file names the source of
//! its numbers and whether they were ever tried on hardware. `docs/device-profiles.md` describes
//! the format for people who write one.

use serde::Deserialize;
use std::ops::RangeInclusive;
use storewarden_rules::{Class, Unit};

/// The profiles that ship with the program: file name and text.
const BUILT_IN: &[(&str, &str)] = &[
    ("carel-ir33", include_str!("../profiles/carel-ir33.toml")),
    ("danfoss-ekc-202d", include_str!("../profiles/danfoss-ekc-202d.toml")),
    ("eastron-sdm630", include_str!("../profiles/eastron-sdm630.toml")),
    ("waveshare-relay-8", include_str!("../profiles/waveshare-relay-8.toml")),
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

/// The register map and behaviour of a device model.
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
    /// Whether the map was tried on hardware.
    pub verified: bool,
    /// Limits of its Modbus side.
    pub modbus: Modbus,
    /// Its points, each name once.
    pub points: Vec<Point>,
}

/// Limits of a device's Modbus side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modbus {
    /// Unit addresses the device can be set to.
    pub units: RangeInclusive<u8>,
    /// Most registers it answers in one read (1 to 125).
    pub registers_max: u16,
    /// Most bits it answers in one read (1 to 2000).
    pub bits_max: u16,
    /// Most unused addresses a merged read may span; 0 where gaps answer with an exception.
    pub gap_max: u16,
    /// Quiet time it needs between two frames, ms.
    pub guard_ms: u16,
    /// Longest time it may take to answer, ms.
    pub timeout_ms: u16,
}

/// One quantity of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// `air_temperature`, `power_total`, …: the word rules and config use.
    pub name: String,
    /// Which of the four Modbus tables it is in.
    pub table: Table,
    /// 0-based wire address of its first register or bit.
    pub address: u16,
    /// How the raw words make a number.
    pub kind: Kind,
    /// Order of the bytes in numbers of two or four registers.
    pub word_order: WordOrder,
    /// value = raw × scale + offset.
    pub scale: f64,
    /// Added after scaling.
    pub offset: f64,
    /// Unit of the value.
    pub unit: Unit,
    /// Raw values (as unsigned words) that mean "no such sensor" or "broken".
    pub unavailable: Vec<u64>,
    /// Values outside cannot be; in `unit`.
    pub range: Option<RangeInclusive<f64>>,
    /// How it is written, if it may be.
    pub write: Option<Write>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
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

/// How a point is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The function code.
    pub function: WriteFunction,
    /// Values the device accepts, in the point's unit.
    pub range: RangeInclusive<f64>,
}

/// Function code of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteFunction {
    /// 5, one coil.
    Coil,
    /// 6, one register.
    Register,
    /// 16, several registers.
    Registers,
}

/// Why a text is not a profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML of the right shape; the message has line and column.
    #[error("profile {id}: {source}")]
    Shape {
        /// The profile's id.
        id: String,
        /// What and where.
        #[source]
        source: toml::de::Error,
    },
    /// The right shape, but it cannot be.
    #[error("profile {id}, point `{point}`: {what}")]
    Point {
        /// The profile's id.
        id: String,
        /// The point's name.
        point: String,
        /// What is wrong and what to write instead.
        what: String,
    },
    /// A fault of the profile as a whole.
    #[error("profile {id}: {what}")]
    Profile {
        /// The profile's id.
        id: String,
        /// What is wrong and what to write instead.
        what: String,
    },
}

impl Profile {
    /// Reads the text of profile `id`.
    pub fn parse(id: &str, text: &str) -> Result<Self, ProfileError> {
        let file: File =
            toml::from_str(text).map_err(|source| ProfileError::Shape { id: id.to_owned(), source })?;
        let fault = |what: String| ProfileError::Profile { id: id.to_owned(), what };
        let classes = file
            .classes
            .iter()
            .map(|name| {
                Class::from_name(name).ok_or_else(|| {
                    let known: Vec<_> = Class::ALL.iter().map(|class| class.name()).collect();
                    fault(format!("unknown class `{name}`; write one of {}", known.join(", ")))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let modbus = Modbus {
            units: file.modbus.units[0]..=file.modbus.units[1],
            registers_max: file.modbus.registers_max,
            bits_max: file.modbus.bits_max,
            gap_max: file.modbus.gap_max,
            guard_ms: file.modbus.guard_ms,
            timeout_ms: file.modbus.timeout_ms,
        };
        if modbus.units.is_empty() || *modbus.units.start() == 0 || *modbus.units.end() > 247 {
            return Err(fault("`units` must be [first, last] within 1 to 247".into()));
        }
        if !(1..=125).contains(&modbus.registers_max) || !(1..=2000).contains(&modbus.bits_max) {
            return Err(fault("`registers_max` must be 1 to 125 and `bits_max` 1 to 2000".into()));
        }
        if modbus.timeout_ms == 0 {
            return Err(fault("`timeout_ms` must be above 0".into()));
        }
        let mut points: Vec<Point> = Vec::with_capacity(file.point.len());
        for point in file.point {
            let point = point.check(id)?;
            if points.iter().any(|other| other.name == point.name) {
                return Err(ProfileError::Point {
                    id: id.to_owned(),
                    point: point.name,
                    what: "named twice; each name once".into(),
                });
            }
            if !point.table.is_bits() && point.kind.width() > modbus.registers_max {
                return Err(ProfileError::Point {
                    id: id.to_owned(),
                    point: point.name,
                    what: "wider than `registers_max`; it could never be read".into(),
                });
            }
            points.push(point);
        }
        if points.is_empty() {
            return Err(fault("has no [[point]]".into()));
        }
        Ok(Self {
            id: id.to_owned(),
            maker: file.maker,
            model: file.model,
            classes,
            source: file.source,
            verified: file.verified,
            modbus,
            points,
        })
    }

    /// The point of that name.
    pub fn point(&self, name: &str) -> Option<&Point> {
        self.points.iter().find(|point| point.name == name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    maker: String,
    model: String,
    classes: Vec<String>,
    source: String,
    verified: bool,
    modbus: FileModbus,
    #[serde(default)]
    point: Vec<FilePoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileModbus {
    units: [u8; 2],
    registers_max: u16,
    bits_max: u16,
    gap_max: u16,
    guard_ms: u16,
    timeout_ms: u16,
}

impl Default for FileModbus {
    fn default() -> Self {
        Self {
            units: [1, 247],
            registers_max: 125,
            bits_max: 2000,
            gap_max: 0,
            guard_ms: 0,
            timeout_ms: 1000,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePoint {
    name: String,
    function: u8,
    address: u16,
    kind: Kind,
    #[serde(default)]
    word_order: WordOrder,
    #[serde(default = "one")]
    scale: f64,
    #[serde(default)]
    offset: f64,
    unit: String,
    #[serde(default)]
    unavailable: Vec<u64>,
    range: Option<[f64; 2]>,
    write: Option<FileWrite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWrite {
    function: u8,
    range: [f64; 2],
}

fn one() -> f64 {
    1.0
}

impl FilePoint {
    fn check(self, id: &str) -> Result<Point, ProfileError> {
        let fault = |what: String| ProfileError::Point { id: id.to_owned(), point: self.name.clone(), what };
        let named = !self.name.is_empty()
            && self.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !named {
            return Err(fault("a name is made of a-z, 0-9 and _".into()));
        }
        let table = match self.function {
            1 => Table::Coil,
            2 => Table::DiscreteInput,
            3 => Table::HoldingRegister,
            4 => Table::InputRegister,
            other => return Err(fault(format!("`function` {other} does not read; write 1, 2, 3 or 4"))),
        };
        if table.is_bits() != (self.kind == Kind::Bool) {
            return Err(fault("functions 1 and 2 read kind \"bool\", 3 and 4 read numbers".into()));
        }
        if self.address.checked_add(self.kind.width() - 1).is_none() {
            return Err(fault("reaches beyond address 65535".into()));
        }
        if !self.scale.is_finite() || self.scale == 0.0 || !self.offset.is_finite() {
            return Err(fault("`scale` must be a number other than 0 and `offset` a number".into()));
        }
        let unit = Unit::from_symbol(&self.unit).ok_or_else(|| {
            let known: Vec<_> = Unit::ALL.iter().map(|unit| unit.symbol()).collect();
            fault(format!("unknown unit `{}`; write one of {}", self.unit, known.join(", ")))
        })?;
        let write = match &self.write {
            None => None,
            Some(write) => {
                let function = match (write.function, table) {
                    (5, Table::Coil) => WriteFunction::Coil,
                    (6, Table::HoldingRegister) if self.kind.width() == 1 => WriteFunction::Register,
                    (16, Table::HoldingRegister) => WriteFunction::Registers,
                    (other, _) => {
                        let what = format!(
                            "write function {other} cannot reach it; 5 writes a coil, 6 one holding register, 16 several"
                        );
                        return Err(fault(what));
                    }
                };
                Some(Write { function, range: range(write.range).ok_or_else(|| fault(RANGE.into()))? })
            }
        };
        let range = match self.range {
            None => None,
            Some(bounds) => Some(range(bounds).ok_or_else(|| fault(RANGE.into()))?),
        };
        Ok(Point {
            table,
            address: self.address,
            kind: self.kind,
            word_order: self.word_order,
            scale: self.scale,
            offset: self.offset,
            unit,
            unavailable: self.unavailable,
            range,
            write,
            name: self.name,
        })
    }
}

const RANGE: &str = "`range` is [lowest, highest]";

fn range([low, high]: [f64; 2]) -> Option<RangeInclusive<f64>> {
    (low.is_finite() && high.is_finite() && low <= high).then_some(low..=high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_parses_and_says_where_it_comes_from() {
        for id in built_in_ids() {
            let profile = built_in(id).expect("listed");
            assert_eq!(profile.id, id);
            assert!(!profile.source.is_empty() && !profile.classes.is_empty(), "{id}");
            assert!(!profile.verified, "{id}: nothing was tried on hardware yet");
        }
    }

    #[test]
    fn faults_are_named_with_what_to_write_instead() {
        let head = "maker='x'\nmodel='x'\nclasses=['meter']\nsource='x'\nverified=false\n[modbus]\n";
        let point = "[[point]]\nname='p'\nfunction=3\naddress=0\nkind='u16'\nunit='W'\n";
        let cases = [
            (format!("{head}gap=3\n{point}"), "unknown field `gap`"),
            (format!("{head}units=[0, 3]\n{point}"), "within 1 to 247"),
            (format!("{head}{}", point.replace("function=3", "function=6")), "does not read"),
            (format!("{head}{}", point.replace("'W'", "'watts'")), "write one of °C, W"),
            (format!("{head}{}", point.replace("'u16'", "'bool'")), "functions 1 and 2"),
            (format!("{head}{}", point.replace("'u16'", "'u64'").replace("=0", "=65533")), "beyond address"),
            (format!("{head}{point}{point}"), "named twice"),
            (format!("{head}{point}range=[5, 1]\n"), "[lowest, highest]"),
            (format!("{head}{point}write={{function=5, range=[0, 1]}}\n"), "cannot reach it"),
            (head.to_owned(), "no [[point]]"),
        ];
        for (text, expected) in cases {
            let error = Profile::parse("x", &text).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error:?} should say {expected:?}");
        }
    }
}
