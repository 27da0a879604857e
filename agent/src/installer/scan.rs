//! `storewarden scan`: which units answer on a line, how the line is set, and which models they may be.
//!
//! It only reads. A unit is there when an answer or a refusal comes from it, each with the right
//! address and check sum: no other setting of a serial line brings that.

use super::connection::{Session, block_on, check_unit};
use super::model::{Fit, Heard, fit, hopeless, likely, trial};
use super::{Connection, profiles_of, shown, table};
use crate::failure::Failure;
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::request::{Outcome, Request};
use storewarden_drivers::modbus::serial::{Parity, Serial};
use storewarden_drivers::profile::{Profile, Profiles, Table};
use storewarden_rules::Unit;

/// The settings that are tried on a serial port, the most common of shop equipment first. A receiver
/// looks at the first stop bit only, so one stop bit finds devices with two.
const SETTINGS: [(u32, Parity); 18] = [
    (9600, Parity::Even),
    (9600, Parity::None),
    (19_200, Parity::Even),
    (19_200, Parity::None),
    (38_400, Parity::None),
    (38_400, Parity::Even),
    (115_200, Parity::None),
    (115_200, Parity::Even),
    (2400, Parity::None),
    (2400, Parity::Even),
    (4800, Parity::None),
    (4800, Parity::Even),
    (57_600, Parity::None),
    (57_600, Parity::Even),
    (1200, Parity::None),
    (1200, Parity::Even),
    (9600, Parity::Odd),
    (19_200, Parity::Odd),
];
/// How long a unit may take to begin the answer to a probe. Common controllers need 5 to 50 ms; the
/// slow ones are found by the second probe or with `--timeout`.
const PROBE_SERIAL: Duration = Duration::from_millis(150);
/// Behind a gateway there is its own wait for the device on top, mostly 0.3 to 1 s; before it ends the
/// gateway says nothing.
const PROBE_TCP: Duration = Duration::from_millis(1000);
/// What every device answers, be it by a refusal; the second asks once more of one that missed the
/// first, and reaches the few that ignore functions they do not know.
const PROBES: [Table; 2] = [Table::HoldingRegister, Table::InputRegister];
/// A gateway's word for a unit that is not there. Some say 4, "it failed", instead, which a device hardly
/// ever says of a read: behind a gateway that is no proof.
const NOT_THERE: [u8; 3] = [0x0A, 0x0B, 4];
/// How many units in a row that all answer are taken for one device that ignores the address.
const ALL_ANSWER: usize = 8;
/// From this share of sensible points on a single candidate is called probable.
const SHARE_SURE: f64 = 0.8;
/// Unanswered reads of one table after which the others of that table are not tried.
const SILENT_READS: u32 = 2;

/// What to look for.
struct Wanted {
    units: Vec<u8>,
    all: bool,
    timeout: Option<Duration>,
}

/// `storewarden scan`.
#[derive(Args)]
pub struct Scan {
    #[command(flatten)]
    connection: Connection,
    /// Unit addresses, as 1-32 or 1,2,17-20; 1 to 247.
    #[arg(long, default_value = "1-32", value_parser = parse_units)]
    units: Units,
    /// Try every setting of the serial port, also after one that was answered.
    #[arg(long)]
    all: bool,
    /// How long a unit may take to begin its answer: 150ms on a serial port unless said, 1s over TCP.
    #[arg(long, value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// The user's folder of profiles, besides those that ship with the program.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

impl Scan {
    /// Does it.
    ///
    /// # Errors
    ///
    /// Where the line cannot be opened, or nothing answers.
    pub fn run(self) -> Result<(), Failure> {
        let profiles = profiles_of(self.profiles.as_deref())?;
        let wanted = Wanted { units: self.units.0, all: self.all, timeout: self.timeout };
        scan(&profiles, &self.connection, &wanted, self.json, &mut std::io::stdout().lock())
    }
}

/// A unit that answers.
struct Found {
    unit: u8,
    answer: String,
    models: Vec<Fit>,
}

/// A line on which something answers.
struct FoundLine {
    transport: Transport,
    units: Vec<Found>,
    /// All units answer, so the address means nothing: only the first is in `units`.
    ignores_address: bool,
}

/// Looks for devices and prints what is found.
fn scan(
    profiles: &Profiles,
    connection: &Connection,
    wanted: &Wanted,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let settings = settings(connection);
    let probe = |transport: &Transport| match transport {
        Transport::Serial { .. } => wanted.timeout.unwrap_or(PROBE_SERIAL),
        Transport::Tcp { .. } | Transport::RtuOverTcp { .. } => wanted.timeout.unwrap_or(PROBE_TCP),
    };
    for unit in &wanted.units {
        check_unit(&settings[0], *unit, 0..=255)?;
    }
    let longest: Duration = settings.iter().map(|line| at_most(line, probe(line), wanted.units.len())).sum();
    eprintln!(
        "{}: {} unit addresses, {}; {} if nothing answers, some seconds more for each device found. Nothing is written to any device.",
        settings[0],
        wanted.units.len(),
        if settings.len() == 1 { "1 setting".into() } else { format!("{} settings", settings.len()) },
        humantime::format_duration(Duration::from_secs(longest.as_secs() + 1)),
    );
    let lines = block_on(async {
        let mut lines = Vec::new();
        for transport in &settings {
            let line = line(profiles, transport, &wanted.units, probe(transport)).await?;
            let found = !line.units.is_empty();
            lines.extend(found.then_some(line));
            if found && !wanted.all {
                break;
            }
        }
        Ok(lines)
    })?;
    if json {
        let lines: Vec<_> = lines.iter().map(|line| as_json(profiles, line)).collect();
        writeln!(out, "{}", json!({ "lines": lines })).map_err(Failure::output)?;
    } else {
        lines.iter().try_for_each(|line| print(out, profiles, line)).map_err(Failure::output)?;
    }
    if lines.is_empty() {
        return Err(Failure::Outcome(
            "nothing answers; check power, wiring (A and B swapped? ground connected?), that no other program owns the line, and try more addresses with --units 1-247".into(),
        ));
    }
    Ok(())
}

/// The lines to try: one, or one for each setting of a serial port that the command leaves open.
fn settings(connection: &Connection) -> Vec<Transport> {
    let usual = |(baud, parity)| Serial { baud, parity, stop_bits: 1 };
    let all = SETTINGS.map(usual).map(|serial| connection.transport(serial));
    // Without a port of our own the speed is the gateway's affair.
    if !matches!(all[0], Transport::Serial { .. }) {
        return vec![all[0].clone()];
    }
    let mut settings: Vec<Transport> = Vec::new();
    for transport in all {
        if !settings.contains(&transport) {
            settings.push(transport);
        }
    }
    settings
}

/// How long the probes of one line take if nothing answers.
fn at_most(transport: &Transport, timeout: Duration, units: usize) -> Duration {
    let characters = match transport {
        Transport::Tcp { .. } => Duration::ZERO,
        // A request, and the silences around it.
        Transport::RtuOverTcp { serial, .. } | Transport::Serial { serial, .. } => {
            serial.characters(8 + 7) + 2 * serial.t3_5()
        }
    };
    let probes = u32::try_from(units * PROBES.len()).unwrap_or(u32::MAX);
    (timeout + characters) * probes
}

async fn line(
    profiles: &Profiles,
    transport: &Transport,
    units: &[u8],
    timeout: Duration,
) -> Result<FoundLine, Failure> {
    let mut session = Session::open(transport.clone()).await?;
    let progress = Progress::new();
    let mut there = Vec::new();
    for (number, unit) in units.iter().enumerate() {
        progress.show(&format!(
            "{transport}: unit {unit}, {} of {}, {} found",
            number + 1,
            units.len(),
            there.len()
        ));
        if let Some(answer) = probe(&mut session, *unit, timeout).await? {
            there.push((*unit, answer));
        }
    }
    let ignores_address = there.len() >= ALL_ANSWER && there.len() == units.len();
    there.truncate(if ignores_address { 1 } else { there.len() });
    let mut found = Vec::new();
    for (unit, answer) in there {
        progress.show(&format!("{transport}: which model is unit {unit}?"));
        let heard = listen(profiles, &mut session, unit, timeout).await?;
        let fits = profiles.iter().filter_map(|p| Some(fit(p, p.modbus()?, &heard))).collect();
        found.push(Found { unit, answer, models: likely(fits) });
    }
    progress.show("");
    Ok(FoundLine { transport: transport.clone(), units: found, ignores_address })
}

/// What proves that the unit is there, if it is.
async fn probe(session: &mut Session, unit: u8, timeout: Duration) -> Result<Option<String>, Failure> {
    let gateway = matches!(session.transport(), Transport::Tcp { .. });
    for table in PROBES {
        let request = Request::Read { table, start: 0, count: 1 };
        match session.ask(unit, &request, timeout).await? {
            Outcome::Answer(_) => return Ok(Some("answers".into())),
            Outcome::Exception(code) if gateway && NOT_THERE.contains(&code) => {}
            Outcome::Exception(code) => return Ok(Some(format!("answers with exception {code}"))),
            Outcome::Written | Outcome::Garbled | Outcome::TimedOut | Outcome::Lost => {}
        }
    }
    Ok(None)
}

/// What the unit answers to the trial reads of all profiles, each asked once.
async fn listen(
    profiles: &Profiles,
    session: &mut Session,
    unit: u8,
    timeout: Duration,
) -> Result<Heard, Failure> {
    let mut heard = Heard::new();
    // A device that ignores what it does not know costs a time-out each time.
    let mut silent: HashMap<Table, u32> = HashMap::new();
    for trial in profiles.iter().filter_map(Profile::modbus).map(trial) {
        for read in &trial {
            if hopeless(&trial, &heard) {
                break;
            }
            let key = (read.table, read.start, read.count);
            let silence = silent.entry(read.table).or_default();
            if heard.contains_key(&key) || *silence >= SILENT_READS {
                continue;
            }
            let request = Request::Read { table: read.table, start: read.start, count: read.count };
            let outcome = session.ask(unit, &request, 2 * timeout).await?;
            match outcome {
                Outcome::TimedOut | Outcome::Lost | Outcome::Garbled => *silence += 1,
                _ => *silence = 0,
            }
            heard.insert(key, outcome);
        }
    }
    Ok(heard)
}

/// One line on a terminal that is written over and over; elsewhere nothing.
struct Progress {
    terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal() }
    }

    fn show(&self, text: &str) {
        if self.terminal {
            eprint!("\r\x1b[K{text}");
            let _ = std::io::stderr().flush();
        }
    }
}

fn print(out: &mut impl Write, profiles: &Profiles, line: &FoundLine) -> std::io::Result<()> {
    writeln!(out, "{}", line.transport)?;
    if line.ignores_address {
        writeln!(
            out,
            "Every unit address answers: this is one device that ignores the address, not a gateway. Only the first is looked at."
        )?;
    }
    for found in &line.units {
        writeln!(out)?;
        let Some((best, others)) = found.models.split_first() else {
            writeln!(out, "unit {}: {}; no known model fits", found.unit, found.answer)?;
            continue;
        };
        let say = match others {
            [] if best.share() >= SHARE_SURE => "probably",
            [] => "perhaps",
            _ => "could be",
        };
        writeln!(out, "unit {}: {}; {say}:", found.unit, found.answer)?;
        let mut rows = Vec::new();
        for model in [best].into_iter().chain(others) {
            let Some(profile) = profiles.get(&model.profile) else { continue };
            let value = |(name, value, _): &(String, f64, Unit)| {
                Some(format!("{name} {}", shown(profile.point(name)?, *value)))
            };
            let values: Vec<_> = model.values.iter().filter_map(value).collect();
            rows.push(vec![
                format!("  {}", model.profile),
                format!("{} {}", profile.maker, profile.model),
                format!("{} of {} points make sense", model.good, model.asked),
                values.join(", "),
            ]);
        }
        table(out, &rows)?;
    }
    writeln!(out, "\nFor store.toml, once the values agree with each device's own display:\n")?;
    write!(out, "{}", as_toml(profiles, line))
}

fn as_json(profiles: &Profiles, line: &FoundLine) -> Value {
    let serial = serial_of(&line.transport).map(|serial| {
        json!({ "baud": serial.baud, "parity": parity_name(serial.parity), "stop_bits": serial.stop_bits })
    });
    let model = |fit: &Fit| {
        let values: Map<_, _> = fit
            .values
            .iter()
            .map(|(name, value, unit)| (name.clone(), json!({ "value": value, "unit": unit.symbol() })))
            .collect();
        json!({ "profile": fit.profile, "points_good": fit.good, "points_asked": fit.asked, "values": values })
    };
    let units: Vec<_> = line
        .units
        .iter()
        .map(|found| {
            let models: Vec<_> = found.models.iter().map(model).collect();
            json!({ "unit": found.unit, "answer": found.answer, "models": models })
        })
        .collect();
    json!({
        "line": line.transport.to_string(), "serial": serial, "ignores_address": line.ignores_address,
        "units": units, "toml": as_toml(profiles, line),
    })
}

/// The line and its devices as the configuration has them, but for classes that a person must choose;
/// units of unknown model as comments.
fn as_toml(profiles: &Profiles, line: &FoundLine) -> String {
    let mut text = String::from("[[bus]]\nid = \"bus-1\"\n");
    let (key, place) = match &line.transport {
        Transport::Tcp { address } => ("tcp", address),
        Transport::RtuOverTcp { address, .. } => ("rtu_over_tcp", address),
        Transport::Serial { port, .. } => ("serial", port),
    };
    // A string cannot fail to be written to.
    let _ = writeln!(text, "{key} = {place:?}");
    if let Some(serial) = serial_of(&line.transport) {
        let (baud, parity, stop_bits) = (serial.baud, parity_name(serial.parity), serial.stop_bits);
        let _ = writeln!(text, "baud = {baud}\nparity = \"{parity}\"\nstop_bits = {stop_bits}");
    }
    for found in &line.units {
        let unit = found.unit;
        let Some(profile) = found.models.first().and_then(|best| profiles.get(&best.profile)) else {
            let _ = writeln!(text, "\n# unit {unit}: answers, model not known");
            continue;
        };
        // What the device is for decides its limits, and no register tells: a freezer taken for a chiller
        // would thaw without an alarm. So a choice is left to be made, and no start without it.
        let classes: Vec<_> = profile.classes.iter().map(|class| class.name()).collect();
        let (class, id, class_note) = match classes[..] {
            [class] => (class, class, String::new()),
            _ => ("?", "device", format!("  # write one of {}", classes.join(", "))),
        };
        let others: Vec<_> = found.models.iter().skip(1).map(|model| model.profile.as_str()).collect();
        let profile_note = if others.is_empty() {
            String::new()
        } else {
            format!("  # could also be {}", others.join(", "))
        };
        let _ = writeln!(
            text,
            "\n[[device]]\nid = \"{id}-{unit}\"\nclass = \"{class}\"{class_note}\nprofile = \"{}\"{profile_note}\nbus = \"bus-1\"\nunit = {unit}",
            profile.id,
        );
    }
    text
}

fn serial_of(transport: &Transport) -> Option<Serial> {
    match transport {
        Transport::Tcp { .. } => None,
        Transport::RtuOverTcp { serial, .. } | Transport::Serial { serial, .. } => Some(*serial),
    }
}

fn parity_name(parity: Parity) -> &'static str {
    match parity {
        Parity::None => "none",
        Parity::Even => "even",
        Parity::Odd => "odd",
    }
}

/// Unit addresses as `1-32` or `1,2,17-20`; else what to write instead.
fn parse_units(text: &str) -> Result<Units, String> {
    let mut units = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<u8>(), last.trim().parse::<u8>()) else {
            return Err("write addresses from 1 to 247, as 1-32 or 1,2,17-20".into());
        };
        if first == 0 || first > last {
            return Err("write addresses from 1 to 247, the lower first; 0 is for all devices at once".into());
        }
        units.extend((first..=last).filter(|unit| !units.contains(unit)).collect::<Vec<_>>());
    }
    Ok(Units(units))
}

/// Unit addresses of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Units(Vec<u8>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    #[test]
    fn addresses_are_ranges_and_single_ones() {
        assert_eq!(parse_units("1-3,2,17").unwrap().0, [1, 2, 3, 17]);
        for wrong in ["", "0", "3-1", "1-", "256", "a"] {
            assert!(parse_units(wrong).is_err(), "{wrong}");
        }
    }

    fn found(transport: Transport) -> FoundLine {
        let fit = |profile: &str| Fit {
            profile: profile.into(),
            good: 9,
            asked: 10,
            telling: 1,
            values: vec![("air_temperature".into(), -18.5, Unit::Celsius)],
        };
        let models = vec![fit("danfoss-ekc-202d"), fit("carel-ir33")];
        let units = vec![
            Found { unit: 1, answer: "answers".into(), models },
            Found { unit: 2, answer: "answers with exception 2".into(), models: Vec::new() },
            Found { unit: 7, answer: "answers".into(), models: vec![fit("eastron-sdm630")] },
        ];
        FoundLine { transport, units, ignores_address: false }
    }

    #[test]
    fn what_is_printed_is_a_configuration_once_a_person_has_said_what_the_cabinets_are() {
        let address = "10.0.0.9:502".to_owned();
        let serial = Serial { baud: 38_400, parity: Parity::None, stop_bits: 2 };
        for transport in [
            Transport::Tcp { address: address.clone() },
            Transport::RtuOverTcp { address, serial },
            Transport::Serial { port: "/dev/ttyUSB0".into(), serial },
        ] {
            let line = found(transport.clone());
            let toml = as_toml(&Profiles::built_in(), &line);
            let text = format!("[store]\nchain = \"c\"\nid = \"s\"\ntimezone = \"Asia/Shanghai\"\n\n{toml}");
            let faults = Config::parse(Path::new("store.toml"), &text).unwrap_err();
            assert_eq!(faults.len(), 1, "{text}\n{faults}");
            assert!(faults.to_string().contains("unknown class `?`"), "{faults}");
            let decided = text.replace("class = \"?\"", "class = \"freezer\"");
            let config =
                Config::parse(Path::new("store.toml"), &decided).unwrap_or_else(|f| panic!("{text}\n{f}"));
            assert_eq!(config.buses[0].transport, transport);
            let ids: Vec<_> = config.devices.iter().map(|device| device.profile.id.as_str()).collect();
            assert_eq!(ids, ["danfoss-ekc-202d", "eastron-sdm630"]);
            assert!(text.contains("could also be carel-ir33") && text.contains("unit 2"), "{text}");
        }
    }
}
