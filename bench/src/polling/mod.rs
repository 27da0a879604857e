//! `polling`: what the whole agent takes to poll 20 devices of 40 registers, beside a loop that only
//! reads and publishes, on the same devices, by turns.
//!
//! The loop is the floor: it reads and publishes the raw words with QoS 0, and nothing else. The agent
//! decodes every register into a value with quality and time, keeps due times and time-outs, judges it
//! by the device's rules, gathers it into telemetry, commits that to its journal (SQLite, synchronous
//! FULL), publishes it with QoS 1, deletes it once acknowledged, and keeps a page of it all. The MQTT
//! broker and the devices are processes of their own and are not counted.

pub mod agent;
pub mod bare;
pub mod slaves;

use crate::children::{self, Part};
use crate::lab::{View, free_port, view, wait_for_addresses, wait_for_port};
use crate::process;
use crate::report::Row;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Devices, each behind a port of its own.
const DEVICES: u32 = 20;
/// Holding registers read of each in one request.
pub const REGISTERS: u16 = 40;
/// How long one run measures, s.
const RUN_S: u64 = 6;
/// Runs of each kind, by turns.
const RUNS: usize = 3;
/// How long a program works before it is looked at.
const WARM_UP: Duration = Duration::from_secs(2);
/// The shortest interval that a bus of the agent can keep: its clock counts milliseconds. (The
/// configuration allows 100 ms and more.)
const SHORTEST_MS: u32 = 1;
/// 10 Hz, ms: the shortest interval that the configuration allows.
const STEADY_MS: u32 = 100;

/// What one run brought.
#[derive(Clone, Copy)]
struct Run {
    registers_per_s: f64,
    /// % of one core.
    cpu: f64,
}

impl Run {
    fn registers_per_cpu_s(&self) -> f64 {
        self.registers_per_s / (self.cpu / 100.0).max(1e-9)
    }
}

/// Measures both, at full speed and at 10 Hz.
pub async fn measure() -> io::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let mqtt = free_port()?;
    let _broker = Part::start(dir.path(), "broker", [mqtt.to_string()])?;
    wait_for_port(mqtt).await?;
    let ready = dir.path().join("slaves.json");
    let arguments = [format!("--ready={}", ready.display()), format!("--count={DEVICES}")];
    let _slaves = Part::start(dir.path(), "slaves", arguments)?;
    let bench =
        Bench { dir: dir.path(), mqtt, devices: wait_for_addresses(&ready, "addresses").await?.join(",") };
    let (mut agent, mut bare, mut agent_steady, mut bare_steady) = (vec![], vec![], vec![], vec![]);
    for _ in 0..RUNS {
        agent.push(bench.agent(SHORTEST_MS).await?);
        bare.push(bench.bare(0).await?);
    }
    for _ in 0..RUNS {
        agent_steady.push(bench.agent(STEADY_MS).await?);
        bare_steady.push(bench.bare(STEADY_MS).await?);
    }
    let row = |what: &str, runs: &[Run], value: fn(&Run) -> f64, unit, peer: &str| {
        let values: Vec<f64> = runs.iter().map(value).collect();
        Row::compared("polling", what, &values, unit, peer)
    };
    let ratio = |what: &str, ours: &[Run], theirs: &[Run], value: fn(&Run) -> f64, peer: &str| {
        let values: Vec<f64> =
            ours.iter().zip(theirs).map(|(ours, theirs)| value(ours) / value(theirs)).collect();
        Row::compared("polling", what, &values, "×", peer)
    };
    let load = |run: &Run| run.registers_per_s;
    let cpu = |run: &Run| run.cpu;
    Ok(vec![
        row("whole agent, every 1 ms", &agent, load, "registers/s", "the bus's shortest interval: 800 000"),
        row("bare loop, as fast as they answer", &bare, load, "registers/s", "peer"),
        ratio("registers/s, agent to bare loop", &agent, &bare, load, "1 would be the bare loop"),
        row("whole agent, every 1 ms", &agent, cpu, "% of a core", "bare loop: next line"),
        row("bare loop, as fast as they answer", &bare, cpu, "% of a core", "peer"),
        row(
            "whole agent, every 1 ms",
            &agent,
            Run::registers_per_cpu_s,
            "registers per CPU second",
            "bare loop: next line",
        ),
        row(
            "bare loop, as fast as they answer",
            &bare,
            Run::registers_per_cpu_s,
            "registers per CPU second",
            "peer",
        ),
        ratio(
            "CPU per register, agent to bare loop",
            &bare,
            &agent,
            Run::registers_per_cpu_s,
            "1 would be the bare loop",
        ),
        row("whole agent at 10 Hz", &agent_steady, load, "registers/s", "asked for: 8 000"),
        row("bare loop at 10 Hz", &bare_steady, load, "registers/s", "asked for: 8 000"),
        row("whole agent at 10 Hz", &agent_steady, cpu, "% of a core", "bare loop: next line"),
        row("bare loop at 10 Hz", &bare_steady, cpu, "% of a core", "peer"),
    ])
}

struct Bench<'a> {
    dir: &'a Path,
    mqtt: u16,
    /// Addresses of the devices, with commas between.
    devices: String,
}

impl Bench<'_> {
    async fn bare(&self, every_ms: u32) -> io::Result<Run> {
        let printed = children::output(
            "bare-loop",
            [
                format!("--devices={}", self.devices),
                format!("--mqtt={}", self.mqtt),
                format!("--every-ms={every_ms}"),
                format!("--warm-up-s={}", WARM_UP.as_secs()),
                format!("--run-s={RUN_S}"),
            ],
        )
        .await?;
        let outcome: bare::Outcome = serde_json::from_str(&printed)?;
        Ok(Run {
            registers_per_s: outcome.registers as f64 / outcome.seconds,
            cpu: outcome.cpu_s / outcome.seconds * 100.0,
        })
    }

    async fn agent(&self, every_ms: u32) -> io::Result<Run> {
        // A journal of its own for each run: none begins with the rest of another.
        let dir = tempfile::tempdir_in(self.dir)?;
        let console = free_port()?;
        let mut agent = Part::start(
            dir.path(),
            "wide-agent",
            [
                format!("--devices={}", self.devices),
                format!("--mqtt={}", self.mqtt),
                format!("--every-ms={every_ms}"),
                format!("--console={console}"),
                format!("--journal={}", dir.path().join("journal.sqlite").display()),
            ],
        )?;
        let up = async {
            while view(console).await.map_or(0, |view| view.readings) == 0 {
                agent.check(dir.path())?;
                sleep(Duration::from_millis(50)).await;
            }
            Ok::<_, io::Error>(())
        };
        timeout(Duration::from_secs(30), up)
            .await
            .map_err(|_| io::Error::other("the agent reads nothing"))??;
        sleep(WARM_UP).await;
        let id = agent.id()?;
        let (before, cpu_before, began) = (view(console).await?, process::cpu_s(id)?, Instant::now());
        sleep(Duration::from_secs(RUN_S)).await;
        let (after, cpu_after, seconds) =
            (view(console).await?, process::cpu_s(id)?, began.elapsed().as_secs_f64());
        agent.kill().await?;
        Ok(Run { registers_per_s: rate(&before, &after), cpu: (cpu_after - cpu_before) / seconds * 100.0 })
    }
}

/// Readings per second between two snapshots, by their own times: a snapshot is up to 1 s old.
fn rate(before: &View, after: &View) -> f64 {
    let ms = (after.at_ms - before.at_ms).max(1) as f64;
    (after.readings - before.readings) as f64 * 1000.0 / ms
}
