//! The command line: parse, do one thing, map the outcome to an exit code.
//!
//! Exit codes: 0 done, 1 it did not work, 2 the input was wrong and nothing was started.

use crate::assemble::assemble;
use crate::config::Config;
use crate::failure::Failure;
use crate::installer;
use crate::journal;
use crate::profile_tool::{self, ProfileCommand};
use crate::replay;
use chrono::{DateTime, SecondsFormat};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The edge agent for the equipment of one store.
#[derive(Parser)]
#[command(name = "storewarden", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the store: poll, judge, report, price. Stops in order on SIGTERM or Ctrl-C.
    Run {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
    },
    /// Check a configuration without starting anything; every fault is named.
    Check {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
    },
    /// List the alarms of this store that are not normal (from its journal; works beside a running
    /// agent and without one).
    Alarms {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
        /// The history of changes, newest last, instead of the present.
        #[arg(long)]
        history: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Acknowledge an alarm: say that somebody knows and takes care.
    Ack {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
        /// Number of the alarm, as `storewarden alarms` shows it.
        alarm: u64,
        /// Who acknowledges.
        #[arg(long)]
        by: String,
    },
    /// Run recorded readings through the rules of this store and print each alarm change.
    Replay(replay::Replay),
    /// Device profiles: check a file, list them, print their schema.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Show what the devices of each bus ask of its line, and whether it holds that. Exit code 2 if not.
    Plan {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Find the devices of a line: their addresses, its settings, their models. Never writes to a device.
    Scan(installer::scan::Scan),
    /// Read a device's points once, or registers of any unit.
    Read(installer::read::Read),
    /// Write one point of a device; without --yes only show what would be sent.
    Write(installer::write::Write),
}

/// Runs the command line; the first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome = match arguments.command {
        Command::Run { config } => load(&config).and_then(crate::run::run),
        Command::Check { config } => load(&config).map(|config| print_summary(&config)),
        Command::Alarms { config, history, json } => {
            load(&config).and_then(|config| print_alarms(&config, history, json))
        }
        Command::Ack { config, alarm, by } => {
            load(&config).and_then(|config| acknowledge(&config, alarm, &by))
        }
        Command::Replay(command) => command.run(),
        Command::Profile(command) => profile_tool::run(&command),
        Command::Plan { config, json } => installer::plan::plan(&config, json, &mut std::io::stdout().lock()),
        Command::Scan(command) => command.run(),
        Command::Read(command) => command.run(),
        Command::Write(command) => command.run(),
    };
    match outcome {
        // `storewarden replay … | head`: whoever reads has seen enough.
        Ok(()) | Err(Failure::NobodyReads) => ExitCode::SUCCESS,
        Err(Failure::Input(message)) => {
            eprint!("{message}");
            ExitCode::from(2)
        }
        Err(Failure::Outcome(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn load(path: &Path) -> Result<Config, Failure> {
    let config = Config::load(path).map_err(|faults| Failure::config(&faults))?;
    // Too many of something shows only when the rules are put together.
    assemble(&config, |device, pace| Some(device.interval(pace)))
        .map_err(|full| Failure::Input(format!("{}: {full}; nothing was started.\n", path.display())))?;
    Ok(config)
}

fn print_summary(config: &Config) {
    for profile in &config.own_profiles {
        println!("note: profile {profile} of the store's folder stands in for the shipped one");
    }
    println!(
        "ok: store {}/{}: {} devices on {} buses, {} lights, {} labels on {} gateways; headquarters: {}",
        config.store.chain,
        config.store.id,
        config.devices.len(),
        config.buses.len(),
        config.lights.len(),
        config.labels.len(),
        config.gateways.len(),
        config
            .hq
            .as_ref()
            .map_or_else(|| "none".into(), |hq| format!("{}:{}", hq.broker.host, hq.broker.port)),
    );
}

fn print_alarms(config: &Config, history: bool, json: bool) -> Result<(), Failure> {
    let path = &config.journal.path;
    if !path.exists() {
        return Err(Failure::Outcome(format!("{}: no journal yet; has the agent run?", path.display())));
    }
    let db = journal::open_read_only(path).map_err(Failure::outcome)?;
    let sql = if history {
        "SELECT alarm, device, condition, state, at_ms, since_ms, by FROM alarm_history ORDER BY id"
    } else {
        "SELECT alarm, device, condition, state, changed_ms, since_ms, by FROM alarm
         WHERE state <> 'normal' ORDER BY since_ms"
    };
    let mut statement = db.prepare(sql).map_err(Failure::outcome)?;
    let mut rows = statement.query([]).map_err(Failure::outcome)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut count = 0;
    while let Some(row) = rows.next().map_err(Failure::outcome)? {
        let line = alarm_line(row, json).map_err(Failure::outcome)?;
        writeln!(out, "{line}").map_err(Failure::output)?;
        count += 1;
    }
    if count == 0 && !json {
        writeln!(out, "no alarms").map_err(Failure::output)?;
    }
    out.flush().map_err(Failure::output)
}

fn alarm_line(row: &rusqlite::Row, json: bool) -> rusqlite::Result<String> {
    let (number, device, condition, state): (i64, String, String, String) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let (at, since, by): (String, String, String) = (time(row.get(4)?), time(row.get(5)?), row.get(6)?);
    Ok(if json {
        serde_json::json!({ "alarm": number, "device": device, "condition": condition, "state": state,
            "time": at, "since": since, "by": by })
        .to_string()
    } else {
        let by = if by.is_empty() { String::new() } else { format!("  by {by}") };
        format!("{number:>5}  {at}  {device}  {condition}  {state}  since {since}{by}")
    })
}

fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Asks the running agent: only its site task may change an alarm.
fn acknowledge(config: &Config, alarm: u64, by: &str) -> Result<(), Failure> {
    let url = format!("http://{}/api/alarms/{alarm}/ack", config.console.listen);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(std::time::Duration::from_secs(10)))
        .http_status_as_error(false)
        .build()
        .into();
    let body = serde_json::json!({ "by": by }).to_string();
    let response =
        agent.post(&url).header("content-type", "application/json").send(&body).map_err(|error| {
            Failure::Outcome(format!(
                "the agent does not answer at {}: {error}; is it running? start it with `storewarden run`",
                config.console.listen
            ))
        })?;
    let (status, mut body) = (response.status(), response.into_body());
    if status.is_success() {
        println!("alarm {alarm} is acknowledged by {by}");
        return Ok(());
    }
    let why = body.read_to_string().unwrap_or_default();
    Err(Failure::Outcome(format!("alarm {alarm} was not acknowledged: {}", why.trim())))
}
