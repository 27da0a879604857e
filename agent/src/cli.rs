//! The command line: parse, do one thing, map the outcome to an exit code.
//!
//! Exit codes: 0 done, 1 it did not work, 2 the input was wrong and nothing was started.

use crate::ask::{ask, load};
use crate::audit_tool;
use crate::command::config_push::Trial;
use crate::config::{Config, LabelDriver};
use crate::failure::Failure;
use crate::installer;
use crate::journal;
use crate::label_tool;
use crate::price_tool;
use crate::profile_tool::{self, ProfileCommand};
use crate::replay;
use crate::rules_tool;
use chrono::{DateTime, SecondsFormat};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use storewarden_proto::topic::is_valid_id;

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
    /// Write the journal as it is now into a new file; works beside a running agent and without one. An
    /// existing file is never written over.
    Backup {
        /// The new file.
        file: PathBuf,
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
    },
    /// Acknowledge an alarm: say that somebody knows and takes care.
    Ack(OnAlarm),
    /// Put an alarm aside for some time; it comes back by itself.
    Shelve {
        #[command(flatten)]
        on: OnAlarm,
        /// For how long, e.g. 30m or 2h; at most 8 h.
        #[arg(long = "for", value_name = "SPAN", value_parser = humantime::parse_duration)]
        span: Duration,
    },
    /// Take an alarm off the shelf before its time.
    Unshelve(OnAlarm),
    /// Note that the repair of what an alarm is about was ordered. Longer than a day is escalated.
    Repair {
        #[command(flatten)]
        on: OnAlarm,
        /// What the repair service calls it.
        #[arg(long, default_value = "")]
        reference: String,
    },
    /// Note that the repair is finished.
    Repaired(OnAlarm),
    /// Take a device into maintenance: its alarms are quiet until the span is over or --end.
    #[command(group = clap::ArgGroup::new("when").required(true).args(["span", "end"]))]
    Maintenance {
        #[command(flatten)]
        on: OnDevice,
        /// For how long, e.g. 2h; at most a day.
        #[arg(long = "for", id = "span", value_name = "SPAN", value_parser = humantime::parse_duration)]
        span: Option<Duration>,
        /// End it now.
        #[arg(long)]
        end: bool,
    },
    /// Take a device out of service: its alarms are quiet until --end.
    OutOfService {
        #[command(flatten)]
        on: OnDevice,
        /// It is in use again.
        #[arg(long)]
        end: bool,
    },
    /// The audit trail: print it, prove it.
    #[command(subcommand)]
    Audit(audit_tool::Command),
    /// Labels on the shelf: what each shows and what is to be done; bind, unbind, swap, find.
    #[command(subcommand)]
    Label(label_tool::Command),
    /// What items cost here; the store manager's markdowns.
    #[command(subcommand)]
    Price(price_tool::Command),
    /// Record that the refrigeration was checked by hand.
    Inspected {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
        /// Who checked.
        #[arg(long)]
        by: String,
        /// What was found.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Show the rules in force at each device: every value with its unit and where it comes from.
    Rules {
        /// The store's configuration.
        #[arg(long, default_value = "store.toml")]
        config: PathBuf,
        /// Only those of this device.
        #[arg(long)]
        device: Option<String>,
        /// One JSON object; spans are in seconds.
        #[arg(long)]
        json: bool,
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

/// What is done to one alarm.
#[derive(clap::Args)]
struct OnAlarm {
    /// The store's configuration.
    #[arg(long, default_value = "store.toml")]
    config: PathBuf,
    /// Number of the alarm, as `storewarden alarms` shows it.
    alarm: u64,
    /// Who does it.
    #[arg(long)]
    by: String,
}

/// What is done to one device.
#[derive(clap::Args)]
struct OnDevice {
    /// The store's configuration.
    #[arg(long, default_value = "store.toml")]
    config: PathBuf,
    /// Id of the device.
    device: String,
    /// Who does it.
    #[arg(long)]
    by: String,
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
        Command::Run { config } => {
            Trial::load(&config, load).and_then(|(loaded, trial)| crate::run::run(loaded, &config, trial))
        }
        Command::Check { config } => load(&config).map(|config| print_summary(&config)),
        Command::Alarms { config, history, json } => {
            load(&config).and_then(|config| print_alarms(&config, history, json))
        }
        Command::Backup { file, config } => load(&config).and_then(|config| backup(&config, &file)),
        Command::Ack(on) => on.ask("ack", None, ""),
        Command::Shelve { on, span } => on.ask("shelve", Some(span), ""),
        Command::Unshelve(on) => on.ask("unshelve", None, ""),
        Command::Repair { on, reference } => on.ask("repair", None, &reference),
        Command::Repaired(on) => on.ask("repaired", None, ""),
        Command::Maintenance { on, span: Some(span), .. } => on.ask("maintenance", Some(span)),
        Command::Maintenance { on, .. } | Command::OutOfService { on, end: true } => {
            on.ask("in-service", None)
        }
        Command::OutOfService { on, end: false } => on.ask("out-of-service", None),
        Command::Audit(command) => command.run(),
        Command::Label(command) => command.run(),
        Command::Price(command) => command.run(),
        Command::Inspected { config, by, note } => load(&config)
            .and_then(|config| ask(&config, "inspected", &body(&by, None, &note)))
            .map(|()| println!("the check is recorded, by {by}")),
        Command::Rules { config, device, json } => load(&config).and_then(|config| {
            rules_tool::print(&config, device.as_deref(), json, &mut BufWriter::new(std::io::stdout().lock()))
        }),
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

fn print_summary(config: &Config) {
    for profile in &config.own_profiles {
        println!("note: profile {profile} of the store's folder stands in for the shipped one");
    }
    for gateway in &config.gateways {
        if let LabelDriver::OpenEpaperLink { .. } = gateway.driver {
            println!(
                "note: gateway {} is for the laboratory only: an OpenEPaperLink access point asks nobody for a password, and its radio is not encrypted",
                gateway.id
            );
        }
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

fn backup(config: &Config, to: &Path) -> Result<(), Failure> {
    let bytes = journal::backup(&config.journal.path, to).map_err(Failure::outcome)?;
    println!("{}: {bytes} bytes", to.display());
    Ok(())
}

fn print_alarms(config: &Config, history: bool, json: bool) -> Result<(), Failure> {
    let path = &config.journal.path;
    if !path.exists() {
        return Err(Failure::Outcome(format!("{}: no journal yet; has the agent run?", path.display())));
    }
    let db = journal::open_read_only(path).map_err(Failure::outcome)?;
    let sql = if history {
        "SELECT alarm, device, condition, state, at_ms, since_ms, by, escalation, NULL, NULL, NULL
         FROM alarm_history ORDER BY id"
    } else {
        "SELECT a.alarm, a.device, a.condition, state, changed_ms, a.since_ms, a.by, a.escalation, r.reference,
         r.by, r.since_ms
         FROM alarm a LEFT JOIN repair r
         ON r.device = a.device AND r.condition = a.condition AND r.fixed_ms IS NULL
         WHERE state <> 'normal' OR r.id IS NOT NULL ORDER BY a.since_ms"
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
    let escalation: u8 = row.get(7)?;
    let repair: Option<(String, String, i64)> = match row.get::<_, Option<String>>(8)? {
        Some(reference) => Some((reference, row.get(9)?, row.get(10)?)),
        None => None,
    };
    if json {
        let mut line = serde_json::json!({ "alarm": number, "device": device, "condition": condition,
            "state": state, "time": at, "since": since, "by": by, "escalation": escalation });
        if let Some((reference, by, since)) = repair {
            line["repair"] = serde_json::json!({ "reference": reference, "by": by, "since": time(since) });
        }
        return Ok(line.to_string());
    }
    let by = if by.is_empty() { String::new() } else { format!("  by {by}") };
    let escalated = if escalation == 0 { String::new() } else { format!("  escalated {escalation} times") };
    let repair = repair.map_or_else(String::new, |(reference, by, since)| {
        format!("  repair {reference} by {by} since {}", time(since))
    });
    Ok(format!("{number:>5}  {at}  {device}  {condition}  {state}  since {since}{by}{escalated}{repair}"))
}

fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl OnAlarm {
    fn ask(&self, act: &str, span: Option<Duration>, remark: &str) -> Result<(), Failure> {
        let body = body(&self.by, span, remark);
        ask(&load(&self.config)?, &format!("alarms/{}/{act}", self.alarm), &body)?;
        println!("alarm {}: {act} by {}", self.alarm, self.by);
        Ok(())
    }
}

impl OnDevice {
    fn ask(&self, act: &str, span: Option<Duration>) -> Result<(), Failure> {
        let config = load(&self.config)?;
        if !is_valid_id(&self.device) {
            return Err(Failure::Input(format!("{:?} is no id of a device\n", self.device)));
        }
        ask(&config, &format!("devices/{}/{act}", self.device), &body(&self.by, span, ""))?;
        println!("{}: {act} by {}", self.device, self.by);
        Ok(())
    }
}

/// What the agent is told with a request. A span is rounded up to minutes.
fn body(by: &str, span: Option<Duration>, remark: &str) -> serde_json::Value {
    let minutes = span.map_or(0, |span| span.as_secs().div_ceil(60));
    serde_json::json!({ "by": by, "minutes": u32::try_from(minutes).unwrap_or(u32::MAX), "remark": remark })
}
