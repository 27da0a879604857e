//! What the whole agent takes to poll 20 Modbus TCP devices of 40 registers, beside a bare loop and
//! the programs that people use today, on the same devices and broker, by turns.
//!
//! The bare loop is the floor: it reads and publishes the raw words of each answer, and nothing else. The
//! agent decodes every register into a value with quality and time, keeps due times and time-outs, judges
//! it by the device's rules, reports what changed, commits that to its journal (SQLite, synchronous FULL),
//! publishes it with QoS 1, deletes it once acknowledged, and keeps a page of it all. Its values change
//! once a second, all 800 of them, which is far more than a store's do; a row of its own has values that
//! change with each answer, so that everything read is also reported.
//!
//! Registers are counted by the devices, CPU time and memory come from /proc. The broker and the devices
//! are processes of their own and are not counted. Memory is the proportional set, as for the peers: the
//! agent is the executable that ships and shares nothing but the C library with the others.

use super::peers::{Place, Program};
use crate::process::{self, Memory};
use crate::report::Row;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use storesim::port;
use storewarden_demo::children::Part;
use storewarden_demo::ready::{wait_for_addresses, wait_for_port};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Devices, each behind a port of its own.
const DEVICES: u32 = 20;
/// How long a value stays where it does not change with each answer, ms.
const STEP_MS: u32 = 1000;
/// How long one run measures.
const RUN: Duration = Duration::from_secs(4);
/// Runs of each kind, by turns.
const RUNS: usize = 3;
/// How long a program works before it is looked at.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long a program may take until it polls.
const START_LIMIT: Duration = Duration::from_secs(60);
/// 10 Hz, ms.
const STEADY_MS: u32 = 100;

/// Registers per second through rules and journal.
const REGISTERS_PER_S_MIN: f64 = 2e6;
/// Of the bare loop's registers per second, where both publish with QoS 1.
const SHARE_OF_BARE_MIN: f64 = 0.75;
/// Of the registers per second of whichever peer is the fastest.
const LEAD_MIN: f64 = 1.0;
/// CPU time per decoded point, µs.
const CPU_US_MAX: f64 = 0.5;
/// CPU at 10 Hz, % of a core.
const STEADY_CPU_MAX: f64 = 2.0;
/// Memory at 10 Hz (proportional set), MB.
const STEADY_MB_MAX: f64 = 15.0;

/// The programs that people use today.
const PEERS: [Program; 4] = [Program::Node, Program::Python, Program::NodeRed, Program::Modpoll];

/// What one run brought.
#[derive(Clone, Copy)]
struct Run {
    registers_per_s: f64,
    /// % of one core.
    cpu: f64,
    memory: Memory,
}

impl Run {
    fn cpu_us(&self) -> f64 {
        self.cpu / 100.0 * 1e6 / self.registers_per_s.max(1.0)
    }
}

/// A program under measurement, and its runs.
struct Subject {
    program: Program,
    every_ms: u32,
    /// Values change with each answer.
    restless: bool,
    runs: Vec<Run>,
    installed: bool,
}

impl Subject {
    fn new(program: Program, every_ms: u32, restless: bool) -> Self {
        Self { program, every_ms, restless, runs: Vec::new(), installed: true }
    }

    fn what(&self) -> String {
        let pace = if self.every_ms == 0 { "at full speed" } else { "at 10 Hz" };
        let values = if self.restless { ", every value new" } else { "" };
        format!("{}, {pace}{values}", self.program.name())
    }

    fn values(&self, value: fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(value).collect()
    }
}

/// Measures all of them, at full speed and at 10 Hz.
pub async fn measure() -> io::Result<Vec<Row>> {
    let agent = super::agent::build().await?;
    let dir = tempfile::tempdir()?;
    let mqtt = port::free();
    let _broker = Part::start(dir.path(), "broker", [mqtt.to_string()])?;
    wait_for_port(mqtt).await?;
    let calm = Slaves::start(dir.path(), "calm", STEP_MS).await?;
    let restless = Slaves::start(dir.path(), "restless", 0).await?;
    let mut subjects = vec![
        Subject::new(Program::Agent, 0, false),
        Subject::new(Program::Bare { qos: 1 }, 0, false),
        Subject::new(Program::Bare { qos: 0 }, 0, false),
        Subject::new(Program::Agent, 0, true),
        Subject::new(Program::Agent, STEADY_MS, false),
        Subject::new(Program::Bare { qos: 1 }, STEADY_MS, false),
    ];
    for every_ms in [0, STEADY_MS] {
        subjects.extend(PEERS.map(|program| Subject::new(program, every_ms, false)));
    }
    for _ in 0..RUNS {
        for subject in &mut subjects {
            let slaves = if subject.restless { &restless } else { &calm };
            // A folder of its own for each run: no journal begins with the rest of another.
            let folder = tempfile::tempdir_in(dir.path())?;
            let place = Place {
                agent: agent.clone(),
                devices: slaves.devices.clone(),
                mqtt,
                every_ms: subject.every_ms,
                folder: folder.path().to_owned(),
            };
            match subject.program.command(&place)? {
                Some(command) => {
                    let ended = run(command, &place, slaves).await;
                    let named = |error| io::Error::other(format!("{}: {error}", subject.what()));
                    subject.runs.push(ended.map_err(named)?);
                }
                None => subject.installed = false,
            }
        }
    }
    Ok(rows(&subjects))
}

fn rows(subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    for subject in subjects {
        let what = subject.what();
        if !subject.installed {
            rows.push(Row::missing("bus", what, "registers/s", "not installed: run bench/peers/install"));
            continue;
        }
        let speed = subject.values(|run| run.registers_per_s);
        let (cpu, cpu_us) = (subject.values(|run| run.cpu), subject.values(Run::cpu_us));
        let resident = subject.values(|run| run.memory.rss_mb);
        let proportional = subject.values(|run| run.memory.pss_mb);
        let full_speed = subject.every_ms == 0;
        if subject.program == Program::Agent && full_speed {
            rows.push(Row::at_least("bus", &*what, &speed, "registers/s", REGISTERS_PER_S_MIN));
            rows.push(Row::at_most("bus", &*what, &cpu_us, "µs of CPU a point", CPU_US_MAX));
            rows.push(Row::compared("bus", &*what, &cpu, "% of a core", "the others"));
            rows.push(Row::compared("bus", &*what, &resident, "MB resident", "at 10 Hz: below"));
            rows.push(Row::compared("bus", what, &proportional, "MB proportional", "the others"));
        } else if subject.program == Program::Agent {
            rows.push(Row::compared("bus", &*what, &speed, "registers/s", "8 000 asked for"));
            rows.push(Row::at_most("bus", &*what, &cpu, "% of a core", STEADY_CPU_MAX));
            rows.push(Row::at_most("bus", &*what, &proportional, "MB proportional", STEADY_MB_MAX));
            rows.push(Row::compared("bus", what, &resident, "MB resident", "the row above"));
        } else {
            rows.push(Row::compared("bus", &*what, &speed, "registers/s", "peer"));
            if full_speed {
                rows.push(Row::compared("bus", &*what, &cpu_us, "µs of CPU a register", "peer"));
            }
            rows.push(Row::compared("bus", &*what, &cpu, "% of a core", "peer"));
            rows.push(Row::compared("bus", what, &proportional, "MB proportional", "peer"));
        }
    }
    let of = |program, restless| {
        subjects.iter().find(|s| (s.program, s.every_ms, s.restless) == (program, 0, restless))
    };
    for restless in [false, true] {
        if let (Some(agent), Some(bare)) = (of(Program::Agent, restless), of(Program::Bare { qos: 1 }, false))
        {
            let runs = agent.runs.iter().zip(&bare.runs);
            let shares: Vec<f64> =
                runs.map(|(agent, bare)| agent.registers_per_s / bare.registers_per_s).collect();
            let what = format!("{}, to the bare loop with QoS 1", agent.what());
            rows.push(Row::at_least("bus", what, &shares, "×", SHARE_OF_BARE_MIN));
        }
    }
    if let Some(agent) = of(Program::Agent, false) {
        let peers: Vec<_> = PEERS.iter().filter_map(|peer| of(*peer, false)).collect();
        let fastest = |run: usize| {
            let speeds = peers.iter().filter_map(|peer| peer.runs.get(run)).map(|run| run.registers_per_s);
            speeds.fold(0.0, f64::max)
        };
        let leads: Vec<f64> = (0..agent.runs.len())
            .map(|run| agent.runs[run].registers_per_s / fastest(run).max(1.0))
            .collect();
        if peers.iter().any(|peer| peer.installed) {
            let what = format!("{}, to the fastest peer", agent.what());
            rows.push(Row::at_least("bus", what, &leads, "×", LEAD_MIN));
        }
    }
    rows
}

/// The devices, in a process of their own.
struct Slaves {
    devices: Vec<String>,
    count: String,
    _part: Part,
}

impl Slaves {
    async fn start(dir: &Path, name: &str, step_ms: u32) -> io::Result<Self> {
        let ready = dir.join(format!("{name}.json"));
        let arguments = [
            format!("--ready={}", ready.display()),
            format!("--count={DEVICES}"),
            format!("--step-ms={step_ms}"),
        ];
        let part = Part::start(dir, "slaves", arguments)?;
        let devices = wait_for_addresses(&ready, "addresses").await?;
        let count = wait_for_addresses(&ready, "count").await?.remove(0);
        Ok(Self { devices, count, _part: part })
    }

    /// Registers served so far.
    async fn served(&self) -> io::Result<u64> {
        let mut text = String::new();
        TcpStream::connect(&self.count).await?.read_to_string(&mut text).await?;
        text.parse().map_err(io::Error::other)
    }
}

/// One run of a program.
async fn run(mut command: Command, place: &Place, slaves: &Slaves) -> io::Result<Run> {
    let log = place.folder.join("log");
    let file = File::create(&log)?;
    let mut child =
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true).spawn()?;
    let before = slaves.served().await?;
    let polls = async {
        while slaves.served().await? == before {
            alive(&mut child, &log)?;
            sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, io::Error>(())
    };
    timeout(START_LIMIT, polls)
        .await
        .map_err(|_| io::Error::other(format!("nothing is read: {}", last_words(&log))))??;
    sleep(WARM_UP).await;
    let id = child.id().ok_or_else(|| io::Error::other(last_words(&log)))?;
    let (served, cpu_s, began) = (slaves.served().await?, process::cpu_s(id)?, Instant::now());
    sleep(RUN).await;
    alive(&mut child, &log)?;
    let (registers, cpu_s) = (slaves.served().await? - served, process::cpu_s(id)? - cpu_s);
    let (seconds, memory) = (began.elapsed().as_secs_f64(), process::memory(id)?);
    child.kill().await?;
    Ok(Run { registers_per_s: registers as f64 / seconds, cpu: cpu_s / seconds * 100.0, memory })
}

/// An error, with its last words, if it has ended by itself.
fn alive(child: &mut Child, log: &Path) -> io::Result<()> {
    match child.try_wait()? {
        Some(status) => Err(io::Error::other(format!("it ended: {status}: {}", last_words(log)))),
        None => Ok(()),
    }
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("it said nothing").to_owned()
}
