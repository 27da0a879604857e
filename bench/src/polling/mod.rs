//! `polling`: what the whole agent takes to poll 20 devices of 40 registers, beside a loop that only
//! reads and publishes, on the same devices, by turns.
//!
//! The loop is the floor: it reads and publishes the raw words with QoS 0, and nothing else; once gathered
//! into messages as long as the agent's, once with a message for each answer, as such loops are mostly
//! written. The agent
//! decodes every register into a value with quality and time, keeps due times and time-outs, judges it
//! by the device's rules, gathers it into telemetry, commits that to its journal (SQLite, synchronous
//! FULL), publishes it with QoS 1, deletes it once acknowledged, and keeps a page of it all. The MQTT
//! broker and the devices are processes of their own and are not counted.

pub mod agent;
pub mod bare;
pub mod slaves;

use crate::lab::View;
use crate::process;
use crate::report::Row;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use storewarden_demo::children::{self, Part};
use storewarden_demo::ready::{free_port, view, wait_for_addresses, wait_for_port};
use tokio::time::{sleep, timeout};

/// Devices, each behind a port of its own.
const DEVICES: u32 = 20;
/// Holding registers read of each in one request.
pub const REGISTERS: u16 = 40;
/// How long one run measures, s.
const RUN_S: u64 = 5;
/// Runs of each kind, by turns.
const RUNS: usize = 3;
/// How long a program works before it is looked at.
const WARM_UP: Duration = Duration::from_secs(1);
/// The shortest interval that a bus of the agent can keep: its clock counts milliseconds. (The
/// configuration allows 100 ms and more.)
const SHORTEST_MS: u32 = 1;
/// Answers of a device in one message of the bare loop: 4 000 words, where a telemetry message of the agent
/// takes up to 5 000 readings; at 10 Hz both send every 10 s.
const POLLS_A_MESSAGE: u32 = 100;
/// Twice the registers at each wake-up of a bus; three times would be more points than a site holds.
const UNITS_MAX: u8 = 2;
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
    fn registers_per_s(&self) -> f64 {
        self.registers_per_s
    }

    fn cpu(&self) -> f64 {
        self.cpu
    }

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
    let mut runs: [Vec<Run>; 6] = Default::default();
    let mut dense = Vec::new();
    for _ in 0..RUNS {
        runs[0].push(bench.agent(SHORTEST_MS, 1).await?);
        dense.push(bench.agent(SHORTEST_MS, UNITS_MAX).await?);
        runs[1].push(bench.bare(0, POLLS_A_MESSAGE).await?);
        runs[2].push(bench.bare(0, 1).await?);
        runs[3].push(bench.agent(STEADY_MS, 1).await?);
        runs[4].push(bench.bare(STEADY_MS, POLLS_A_MESSAGE).await?);
        runs[5].push(bench.bare(STEADY_MS, 1).await?);
    }
    let subjects = [
        "whole agent, every 1 ms".to_owned(),
        format!("bare loop, at once, {POLLS_A_MESSAGE} polls a message"),
        "bare loop, at once, a message a poll".to_owned(),
        "whole agent at 10 Hz".to_owned(),
        format!("bare loop at 10 Hz, {POLLS_A_MESSAGE} polls a message"),
        "bare loop at 10 Hz, a message a poll".to_owned(),
    ];
    let mut rows = Vec::new();
    for (value, unit) in [
        (Run::registers_per_s as fn(&Run) -> f64, "registers/s"),
        (Run::cpu, "% of a core"),
        (Run::registers_per_cpu_s, "registers per CPU second"),
    ] {
        let values: Vec<f64> = dense.iter().map(value).collect();
        let what = format!("whole agent, every 1 ms, {UNITS_MAX} units a device");
        rows.push(Row::compared("polling", what, &values, unit, "bare loop: below"));
    }
    for (number, (subject, runs)) in subjects.into_iter().zip(&runs).enumerate() {
        let mut add = |value: fn(&Run) -> f64, unit, agent_peer: &str| {
            let values: Vec<f64> = runs.iter().map(value).collect();
            let peer = if number % 3 == 0 { agent_peer } else { "peer" };
            rows.push(Row::compared("polling", subject.clone(), &values, unit, peer));
        };
        add(
            Run::registers_per_s,
            "registers/s",
            if number == 0 { "at most 800 000 asked for" } else { "8 000 asked for" },
        );
        add(Run::cpu, "% of a core", "bare loop: below");
        if number < 3 {
            add(Run::registers_per_cpu_s, "registers per CPU second", "bare loop: below");
        }
    }
    for (what, peer) in [("batching", &runs[1]), ("a message a poll", &runs[2])] {
        let mut add = |name: &str, value: fn(&Run, &Run) -> f64| {
            let values: Vec<f64> = runs[0].iter().zip(peer).map(|(agent, peer)| value(agent, peer)).collect();
            let what = format!("{name}, agent to bare loop ({what})");
            rows.push(Row::compared("polling", what, &values, "×", "1 would be the bare loop"));
        };
        add("registers/s", |agent, peer| agent.registers_per_s / peer.registers_per_s);
        add("CPU per register", |agent, peer| peer.registers_per_cpu_s() / agent.registers_per_cpu_s());
    }
    Ok(rows)
}

struct Bench<'a> {
    dir: &'a Path,
    mqtt: u16,
    /// Addresses of the devices, with commas between.
    devices: String,
}

impl Bench<'_> {
    async fn bare(&self, every_ms: u32, polls_a_message: u32) -> io::Result<Run> {
        let printed = children::output(
            "bare-loop",
            [
                format!("--devices={}", self.devices),
                format!("--mqtt={}", self.mqtt),
                format!("--every-ms={every_ms}"),
                format!("--polls-a-message={polls_a_message}"),
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

    async fn agent(&self, every_ms: u32, units: u8) -> io::Result<Run> {
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
                format!("--units={units}"),
                format!("--console={console}"),
                format!("--journal={}", dir.path().join("journal.sqlite").display()),
            ],
        )?;
        let up = async {
            while view::<View>(console).await.map_or(0, |view| view.readings) == 0 {
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
        let (before, cpu_before, began) = (view::<View>(console).await?, process::cpu_s(id)?, Instant::now());
        sleep(Duration::from_secs(RUN_S)).await;
        let (after, cpu_after, seconds) =
            (view::<View>(console).await?, process::cpu_s(id)?, began.elapsed().as_secs_f64());
        agent.kill().await?;
        Ok(Run { registers_per_s: rate(&before, &after), cpu: (cpu_after - cpu_before) / seconds * 100.0 })
    }
}

/// Readings per second between two snapshots, by their own times: a snapshot is up to 1 s old.
fn rate(before: &View, after: &View) -> f64 {
    let ms = (after.at_ms - before.at_ms).max(1) as f64;
    (after.readings - before.readings) as f64 * 1000.0 / ms
}
