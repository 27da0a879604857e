//! `storewarden read`: every point of a device once, or registers without a profile.

use super::connection::{Session, block_on, check_unit};
use super::orders::{in_all_orders, pair, single};
use super::reading::{PointReading, Target};
use super::{Connection, modbus_of, profile_of, profiles_of, shown, table};
use crate::config::SERIAL;
use crate::failure::Failure;
use clap::Args;
use serde_json::{Map, json};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use storewarden_drivers::modbus::request::{Answer, Outcome, Request, exception_meaning};
use storewarden_drivers::modbus::serial::Serial;
use storewarden_drivers::profile::{Kind, Modbus, Profile, Profiles, Table};
use storewarden_rules::{BadReason, Sample};

/// How long a unit without a profile may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// `storewarden read`.
#[derive(Args)]
pub struct Read {
    #[command(flatten)]
    connection: Connection,
    /// Unit address.
    #[arg(long)]
    unit: u8,
    #[command(flatten)]
    what: What,
    /// Only this point; may be given several times.
    #[arg(long = "point", value_name = "NAME", requires = "profile")]
    points: Vec<String>,
    /// Show numbers of several registers in all four orders of their bytes.
    #[arg(long, requires = "profile")]
    orders: bool,
    /// 0-based wire address of the first register or bit, decimal or 0x….
    #[arg(long, value_parser = address, requires = "function", default_value = "0")]
    address: u16,
    /// How many registers (1 to 125) or bits (1 to 2000).
    #[arg(long, requires = "function", default_value_t = 1)]
    count: u16,
    /// The user's folder of profiles, besides those that ship with the program.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Profile of the device, as `storewarden profile list` shows them.
    #[arg(long)]
    profile: Option<String>,
    /// Read registers without a profile: 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=4))]
    function: Option<u8>,
}

fn address(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "write 0 to 65535 or 0x0000 to 0xFFFF".into())
}

impl Read {
    /// Does it.
    ///
    /// # Errors
    ///
    /// Where the line cannot be opened, a name is unknown, or nothing was read.
    pub fn run(self) -> Result<(), Failure> {
        let out = &mut std::io::stdout().lock();
        match (&self.what.profile, self.what.function) {
            (_, Some(function)) => {
                let wanted = Registers { function, address: self.address, count: self.count };
                registers(&self.connection, self.unit, wanted, self.json, out)
            }
            (profile, None) => {
                let profiles = profiles_of(self.profiles.as_deref())?;
                let wanted = Points {
                    profile: profile.as_deref().unwrap_or_default(),
                    named: &self.points,
                    orders: self.orders,
                };
                points(&profiles, &self.connection, self.unit, &wanted, self.json, out)
            }
        }
    }
}

/// Which points of a device; none named: all.
struct Points<'a> {
    profile: &'a str,
    named: &'a [String],
    orders: bool,
}

/// Registers or bits of a unit.
struct Registers {
    function: u8,
    address: u16,
    count: u16,
}

/// How the serial line is set where the command does not say: as the device leaves the factory.
pub fn usual(modbus: &Modbus) -> Serial {
    modbus.serial.unwrap_or(SERIAL)
}

/// Reads the points of a device and prints them.
fn points(
    profiles: &Profiles,
    connection: &Connection,
    unit: u8,
    wanted: &Points,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let profile = profile_of(profiles, wanted.profile)?;
    let modbus = modbus_of(profile)?;
    let indices = wanted
        .named
        .iter()
        .map(|name| {
            profile.points.iter().position(|point| point.name == *name).ok_or_else(|| {
                let known: Vec<_> = profile.points.iter().map(|point| point.name.as_str()).collect();
                Failure::Input(format!("{} has no point `{name}`; it has {}\n", profile.id, known.join(", ")))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let indices = if indices.is_empty() { (0..profile.points.len()).collect() } else { indices };
    let target = Target { unit, modbus, points: &profile.points };
    let transport = connection.transport(usual(modbus));
    check_unit(&transport, unit, modbus.units.clone())?;
    let line = transport.to_string();
    let readings = block_on(async {
        let mut session = Session::open(transport).await?;
        target.read(&mut session, &indices).await
    })?;
    let silent = readings.iter().all(|reading| reading.sample == Sample::Bad(BadReason::NoResponse));
    let print = if json { print_json } else { print_text };
    // A table of points that say nothing would hide the one line that does.
    if json || !silent {
        print(out, profile, modbus, &indices, &readings, wanted.orders).map_err(Failure::output)?;
    }
    if silent {
        return Err(no_answer(unit, &line));
    }
    if readings.iter().all(|reading| reading.raw.is_none()) {
        return Err(Failure::Outcome(format!(
            "unit {unit} answers but has none of these points; is it a {}?",
            profile.model
        )));
    }
    Ok(())
}

fn no_answer(unit: u8, line: &str) -> Failure {
    Failure::Outcome(format!(
        "unit {unit} does not answer on {line}; check address, wiring (A and B swapped?) and serial settings, or look with `storewarden scan`"
    ))
}

fn print_json(
    out: &mut dyn Write,
    profile: &Profile,
    modbus: &Modbus,
    indices: &[usize],
    readings: &[PointReading],
    orders: bool,
) -> std::io::Result<()> {
    let mut points = Map::new();
    for (index, reading) in indices.iter().zip(readings) {
        let point = &profile.points[*index];
        let mut entry = json!({
            "value": reading.sample.good(), "unit": point.unit.symbol(),
            "quality": reading.quality(), "raw": reading.raw,
        });
        if let Some(orders) = orders_of(modbus, *index, reading, orders) {
            entry["orders"] =
                orders.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        }
        points.insert(point.name.clone(), entry);
    }
    writeln!(out, "{}", json!({ "points": points }))
}

fn print_text(
    out: &mut dyn Write,
    profile: &Profile,
    modbus: &Modbus,
    indices: &[usize],
    readings: &[PointReading],
    orders: bool,
) -> std::io::Result<()> {
    let mut rows = vec![["point", "value", "quality", "raw"].map(str::to_owned).to_vec()];
    for (index, reading) in indices.iter().zip(readings) {
        let point = &profile.points[*index];
        let value = reading.sample.good().map_or("-".into(), |value| shown(point, value));
        let raw = reading.raw.as_deref().map_or("-".into(), hex);
        rows.push(vec![point.name.clone(), value, reading.quality(), raw]);
        for (name, value) in orders_of(modbus, *index, reading, orders).into_iter().flatten() {
            let value = value.map_or("-".into(), |value| shown(point, value));
            rows.push(vec![format!("  as {name}"), value]);
        }
    }
    table(out, &rows)
}

/// What a number would be in every order: where that is asked for, or where in the profile's own it
/// cannot be.
fn orders_of(
    modbus: &Modbus,
    index: usize,
    reading: &PointReading,
    asked: bool,
) -> Option<Vec<(&'static str, Option<f64>)>> {
    let undecided = matches!(reading.sample, Sample::Bad(BadReason::OutOfRange | BadReason::SensorFault));
    if !asked && !undecided {
        return None;
    }
    let orders = in_all_orders(&modbus.registers[index], reading.raw.as_deref()?)?;
    Some(orders.into_iter().map(|(name, sample)| (name, sample.good())).collect())
}

fn hex(raw: &[u16]) -> String {
    raw.iter().map(|word| format!("{word:04X}")).collect::<Vec<_>>().join(" ")
}

/// Reads registers or bits of a unit and prints what they may mean.
fn registers(
    connection: &Connection,
    unit: u8,
    wanted: Registers,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let Registers { function, address, count } = wanted;
    let table = match function {
        1 => Table::Coil,
        2 => Table::DiscreteInput,
        3 => Table::HoldingRegister,
        _ => Table::InputRegister,
    };
    let most = if table.is_bits() { 2000 } else { 125 };
    if !(1..=most).contains(&count) || address.checked_add(count - 1).is_none() {
        return Err(Failure::Input(format!(
            "function {function} reads 1 to {most} at once, none beyond address 65535; write another --count\n"
        )));
    }
    let transport = connection.transport(SERIAL);
    check_unit(&transport, unit, 0..=255)?;
    let line = transport.to_string();
    let outcome = block_on(async {
        let mut session = Session::open(transport).await?;
        session.ask_twice(unit, &Request::Read { table, start: address, count }, TIMEOUT).await
    })?;
    let answer = match outcome {
        Outcome::Answer(answer) => answer,
        Outcome::Exception(code) => {
            return Err(Failure::Outcome(format!(
                "unit {unit} refuses with exception {code} ({})",
                exception_meaning(code)
            )));
        }
        Outcome::Garbled | Outcome::Written => {
            return Err(Failure::Outcome(format!(
                "something came back on {line} that is no answer; two devices of one address, or wrong serial settings?"
            )));
        }
        Outcome::TimedOut | Outcome::Lost => return Err(no_answer(unit, &line)),
    };
    let printed = if json {
        let raw: Vec<u16> = match &answer {
            Answer::Words(words) => words.clone(),
            Answer::Bits(bits) => bits.iter().map(|bit| u16::from(*bit)).collect(),
        };
        writeln!(out, "{}", json!({ "function": function, "address": address, "raw": raw }))
    } else {
        print_registers(out, address, &answer)
    };
    printed.map_err(Failure::output)
}

fn print_registers(out: &mut impl Write, address: u16, answer: &Answer) -> std::io::Result<()> {
    let words = match answer {
        Answer::Bits(bits) => {
            let rows: Vec<_> = (address..)
                .zip(bits)
                .map(|(address, bit)| vec![place(address), if *bit { "1" } else { "0" }.into()])
                .collect();
            return table(out, &rows);
        }
        Answer::Words(words) => words,
    };
    let mut rows = vec![["address", "raw", "u16", "s16"].map(str::to_owned).to_vec()];
    for (address, word) in (address..).zip(words) {
        let as_kind = |kind| number(single(kind, *word));
        rows.push(vec![place(address), format!("{word:04X}"), as_kind(Kind::U16), as_kind(Kind::S16)]);
    }
    table(out, &rows)?;
    let mut rows = vec![["address", "as", "ABCD", "CDAB", "BADC", "DCBA"].map(str::to_owned).to_vec()];
    for (address, words) in (address..).step_by(2).zip(words.as_chunks::<2>().0) {
        for (name, kind) in [("u32", Kind::U32), ("s32", Kind::S32), ("f32", Kind::F32)] {
            let mut row = vec![place(address), name.to_owned()];
            row.extend(pair(kind, *words).map(|(_, sample)| number(sample)));
            rows.push(row);
        }
    }
    if rows.len() > 1 {
        writeln!(out)?;
        table(out, &rows)?;
    }
    Ok(())
}

/// An address as register lists write it, either way.
fn place(address: u16) -> String {
    format!("{address} (0x{address:04X})")
}

/// Seven digits are what a single holds; very large and small ones with an exponent.
fn number(sample: Sample) -> String {
    match sample.good() {
        None => "-".into(),
        Some(value) if value == 0.0 || (1e-3..1e10).contains(&value.abs()) => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Some(value) => format!("{value:.4e}"),
    }
}
