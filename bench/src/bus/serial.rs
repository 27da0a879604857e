//! The bus on a serial line at 9600 baud whose characters take their true time: how near the cycle comes to
//! the planner's bound, how long a write waits on a full line, and what bad units cost the good ones.
//!
//! The line and its units are the simulator's, a process of its own; every register says which unit and
//! address it is of, so that a wrong value is known when it is seen. The bus is the drivers' own, in this
//! process. Devices are polled as fast as the line allows.

use crate::report::{Row, percentile};
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use storesim::pattern;
use storewarden_demo::children::Part;
use storewarden_demo::ready::wait_for_addresses;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::modbus::cost::LineCost;
use storewarden_drivers::modbus::device::{BusDevice, Polls};
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::load::Load;
use storewarden_drivers::modbus::request::{Request, Write};
use storewarden_drivers::modbus::serial::{Parity, Serial};
use storewarden_drivers::modbus::task::{BusConfig, Command, run};
use storewarden_drivers::profile::{Profile, Table};
use storewarden_rules::{Millis, PointId, Reading, Sample};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// 11 bits a character: 1.146 ms.
const LINE: Serial = Serial { baud: 9600, parity: Parity::Even, stop_bits: 1 };
/// Registers of a unit: two reads, of 10 and of 20 registers.
const BLOCKS: [(u16, u16); 2] = [(0, 10), (100, 20)];
/// The register that is written to; read with the second block, and not checked.
const WRITTEN: u16 = 120;
/// How long a unit thinks, ms.
const TURNAROUND_MS: u16 = 5;
/// How long an answer is waited for, ms.
const TIMEOUT_MS: u16 = 300;
/// How late the late unit answers, ms.
const LATE_MS: u16 = 450;
/// Units of the line whose cycle is measured.
const CYCLE_UNITS: u8 = 6;
/// Units of the stormy line, and how many of them are good.
const STORM_UNITS: u8 = 12;
const STORM_GOOD: u8 = 7;
/// How long one line is watched.
const WATCHED: Duration = Duration::from_secs(60);
/// How long the stormy line works before it is held against the bound.
const FINDING_OUT: Duration = Duration::from_secs(30);
/// How long it is watched then: two of the longest pauses between probes of one unit.
const STORM: Duration = Duration::from_secs(120);
/// How long a line works before it is watched.
const WARM_UP: Duration = Duration::from_secs(3);
/// Writes to a full line.
const WRITES: u32 = 120;

/// Cycle to the planner's bound.
const CYCLE_MAX: f64 = 1.05;
/// What a write may take beyond the longest request and its own frames, ms.
const WRITE_MS: f64 = 20.0;
/// Refresh interval of the good units with the bad ones on the line, to that without them.
const STORM_MAX: f64 = 1.05;

/// What was seen on one line.
#[derive(Default)]
struct Seen {
    /// Whole polls of all good units.
    polls: u32,
    /// Values that are not those of their unit and address.
    wrong: u32,
}

/// Measures all three.
pub async fn measure() -> io::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let mut rows = Vec::new();
    cycle_and_writes(dir.path(), &mut rows).await?;
    storm(dir.path(), &mut rows).await?;
    Ok(rows)
}

async fn cycle_and_writes(dir: &Path, rows: &mut Vec<Row>) -> io::Result<()> {
    let mut line = Line::start(dir, "full", CYCLE_UNITS, CYCLE_UNITS).await?;
    sleep(WARM_UP).await;
    let cycle_ms = line.cycle_ms(CYCLE_UNITS, WATCHED).await?;
    let bound_ms = ms(line.load.cycle);
    rows.push(Row::at_most(
        "bus",
        "cycle of 6 units at 9600 baud, to the planner's bound",
        &[cycle_ms / bound_ms],
        "×",
        CYCLE_MAX,
    ));
    rows.push(Row::compared("bus", "the same cycle", &[cycle_ms], "ms", format!("bound: {bound_ms:.1} ms")));

    let longest = line.load.jobs.iter().flat_map(|job| &job.reads).map(|read| read.time).max();
    let bound_ms = longest.map_or(0.0, ms) + WRITE_MS;
    let mut waits = Vec::new();
    for count in 0..WRITES {
        // Primes, so that writes come at every moment of the cycle.
        sleep(Duration::from_millis(u64::from(97 + count * 31 % 211))).await;
        waits.push(line.write(count).await?);
    }
    let what = "a command on a full line, until verified, less its own frames";
    let p99 = percentile(&waits, 0.99);
    rows.push(Row::compared("bus", what, &waits, "ms", "all of them"));
    rows.push(Row::at_most("bus", format!("{what}: p99"), &[p99], "ms", bound_ms));
    line.stop(dir, "full", rows)
}

async fn storm(dir: &Path, rows: &mut Vec<Row>) -> io::Result<()> {
    let (mut first, mut cycles) = (Vec::new(), Vec::new());
    for (name, units) in [("fair", STORM_GOOD), ("storm", STORM_UNITS)] {
        let mut line = Line::start(dir, name, STORM_GOOD, units).await?;
        // Finding out that a unit is bad costs some time-outs once.
        first.push(line.cycle_ms(STORM_GOOD, FINDING_OUT).await?);
        cycles.push(line.cycle_ms(STORM_GOOD, STORM).await?);
        line.stop(dir, name, rows)?;
    }
    let what = "refresh of 7 good units beside 3 dead, 1 late, 1 garbling, to that without those";
    rows.push(Row::at_most("bus", what, &[cycles[1] / cycles[0]], "×", STORM_MAX));
    let peer = "the row before: afterwards";
    rows.push(Row::compared("bus", "the same, over the first 30 s", &[first[1] / first[0]], "×", peer));
    Ok(())
}

/// A line, its units, and the bus that polls them.
struct Line {
    load: Load,
    device: BusDevice,
    readings: mpsc::Receiver<Vec<Reading>>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    simulator: Part,
    wrong: u32,
    points: u16,
}

impl Line {
    /// `units` units, of which those beyond `good` are bad: one late, one garbling, the others dead.
    async fn start(dir: &Path, name: &str, good: u8, units: u8) -> io::Result<Self> {
        let path = |suffix: &str| dir.join(format!("{name}.{suffix}"));
        std::fs::write(path("toml"), simulator(&path("pty"), good, units))?;
        let simulator = Part::start(
            dir,
            "storesim",
            [
                "run".into(),
                path("toml").into_os_string(),
                "--ready".into(),
                path("ready").into_os_string(),
                "--line-stats".into(),
                path("stats").into_os_string(),
            ],
        )?;
        let port = wait_for_addresses(&path("ready"), "buses").await?.swap_remove(0);
        let profile = Profile::parse("pattern", &profile()).map_err(io::Error::other)?;
        let points = u16::try_from(addresses().count()).map_err(io::Error::other)?;
        let devices: Vec<BusDevice> = (1..=units)
            .map(|unit| device(&profile, unit))
            .collect::<Option<_>>()
            .ok_or_else(|| io::Error::other("not a Modbus profile"))?;
        let load = Load::of(LineCost::Rtu(LINE), &devices[..usize::from(good)]);
        let device = devices[0].clone();
        let (sender, readings) = mpsc::channel(1024);
        let (commands, receiver) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let transport = Transport::Serial { port, serial: LINE };
        let bus = BusConfig { name: name.into(), transport, cost: LineCost::Rtu(LINE), devices };
        tokio::spawn(run(bus, sender, receiver, Clock::start(), stop.clone()));
        Ok(Self { load, device, readings, commands, stop, simulator, wrong: 0, points })
    }

    /// Mean time from one poll of a good unit to the next, ms.
    async fn cycle_ms(&mut self, good: u8, span: Duration) -> io::Result<f64> {
        // What was read before does not count.
        while self.readings.try_recv().is_ok() {}
        let began = Instant::now();
        let mut seen = Seen::default();
        while let Some(left) = span.checked_sub(began.elapsed()) {
            match timeout(left, self.readings.recv()).await {
                Ok(Some(block)) => self.look(&block, good, &mut seen),
                Ok(None) => return Err(io::Error::other("the bus ended")),
                Err(_) => break,
            }
        }
        self.wrong += seen.wrong;
        Ok(ms(began.elapsed()) * f64::from(good) / f64::from(seen.polls.max(1)))
    }

    fn look(&self, block: &[Reading], good: u8, seen: &mut Seen) {
        for reading in block {
            let (unit, point) = (1 + reading.point.0 / self.points, reading.point.0 % self.points);
            let Ok(unit) = u8::try_from(unit) else { continue };
            let Sample::Good(value) = reading.sample else { continue };
            let address = address(point);
            if address != WRITTEN && value != f64::from(pattern::word(unit, address)) {
                seen.wrong += 1;
            }
            // The last point of a poll.
            seen.polls += u32::from(unit <= good && point == self.points - 1);
        }
    }

    /// Writes to the first unit; how long until it was verified, less the line time of the write and of
    /// its read-back, ms.
    async fn write(&mut self, count: u32) -> io::Result<f64> {
        let word = u16::try_from(count % 1000).map_err(io::Error::other)?;
        let (reply, outcome) = oneshot::channel();
        let command = Command {
            point: PointId(self.points - 1),
            value: f64::from(word),
            deadline: Millis::from_secs(10),
            reply,
        };
        let began = Instant::now();
        self.commands.send(command).await.map_err(|_| io::Error::other("the bus ended"))?;
        let mut outcome = std::pin::pin!(outcome);
        // The bus waits for nobody who does not take its readings.
        let result = loop {
            tokio::select! {
                result = &mut outcome => break result,
                Some(_) = self.readings.recv() => {}
            }
        };
        let took = began.elapsed();
        result.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let cost = LineCost::Rtu(LINE);
        let write = Request::Write(Write::Register { address: WRITTEN, word });
        // Nobody waits for the silence behind the last answer.
        let own = cost.request(&self.device.modbus, &write)
            + cost.read(&self.device.modbus, Table::HoldingRegister, 1)
            - cost.quiet(&self.device.modbus);
        Ok(ms(took) - ms(own))
    }

    /// Ends it; tells of wrong values, and of a machine too busy to keep the line's times.
    fn stop(self, dir: &Path, name: &str, rows: &mut Vec<Row>) -> io::Result<()> {
        self.stop.cancel();
        let text = std::fs::read_to_string(dir.join(format!("{name}.stats")))?;
        let stats: serde_json::Value = serde_json::from_str(&text)?;
        let counts = &stats["buses"][0];
        let count = |key: &str| counts[key].as_f64().unwrap_or(f64::NAN);
        rows.push(Row::bounded(
            "bus",
            &format!("wrong values, line `{name}`"),
            self.wrong.into(),
            "values",
            0.0,
        ));
        let (tardy, answers) = (count("tardy"), count("answers"));
        let peer = format!("of {answers} answers; the simulator's, when the machine is busy");
        rows.push(Row::compared(
            "bus",
            format!("answers more than 1 ms late, line `{name}`"),
            &[tardy],
            "answers",
            peer,
        ));
        drop(self.simulator);
        Ok(())
    }
}

fn device(profile: &Profile, unit: u8) -> Option<BusDevice> {
    let points = u16::try_from(addresses().count()).ok()?;
    let first = u16::from(unit - 1) * points;
    Some(BusDevice {
        name: format!("unit-{unit}"),
        unit,
        modbus: profile.modbus()?.clone(),
        points: profile.points.clone(),
        polls: Polls::every(Duration::ZERO),
        timeout: None,
        safe: None,
        wanted: (first..).map(PointId).zip(0..addresses().count()).collect(),
    })
}

/// The addresses in the order of the profile's points.
fn addresses() -> impl Iterator<Item = u16> {
    BLOCKS.into_iter().flat_map(|(start, count)| start..start + count).chain([WRITTEN])
}

fn address(point: u16) -> u16 {
    addresses().nth(point.into()).unwrap_or(WRITTEN)
}

fn profile() -> String {
    let mut text = format!(
        "maker = 'figures'\nmodel = 'pattern'\nclasses = ['light']\nsource = 'figures'\nverified = false\n[modbus]\ntimeout_ms = {TIMEOUT_MS}\nturnaround_ms = {TURNAROUND_MS}\n"
    );
    for address in addresses() {
        let write = if address == WRITTEN { "write = { function = 6, range = [0, 65535] }\n" } else { "" };
        let _ = write!(
            text,
            "[[point]]\nname = 'r{address}'\nfunction = 3\naddress = {address}\nkind = 'u16'\nunit = '1'\n{write}"
        );
    }
    // What the class requires; nobody reads it.
    text.push_str("[[point]]\nname = 'relay_1'\nfunction = 1\naddress = 0\nkind = 'bool'\nunit = 'flag'\nwrite = { function = 5, range = [0, 1] }\n");
    text
}

fn simulator(pty: &Path, good: u8, units: u8) -> String {
    let mut text = format!(
        "seed = 7\n[[bus]]\npty = \"{}\"\nbaud = {}\nparity = \"even\"\nstop_bits = 1\nturnaround = \"{TURNAROUND_MS}ms\"\n",
        pty.display(),
        LINE.baud
    );
    for unit in 1..=units {
        let _ =
            write!(text, "[[bus.unit]]\nunit = {unit}\nid = \"unit-{unit}\"\nmodel = {{ pattern = {{}} }}\n");
    }
    for unit in good + 1..=units {
        let kind = match unit - good {
            1 => format!("kind = \"late\"\ndelay = \"{LATE_MS}ms\""),
            2 => "kind = \"bit_flips\"".into(),
            _ => "kind = \"no_response\"".into(),
        };
        let _ = write!(text, "[[fault]]\nat = \"0s\"\ndevice = \"unit-{unit}\"\n{kind}\n");
    }
    text
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
