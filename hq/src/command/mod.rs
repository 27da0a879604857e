//! `command`: what headquarters may have done in a store, signed and queued; `serve` brings it there.

pub(crate) mod queue;

use crate::Failure;
use crate::database::{Database, now_ms, values};
use crate::keys;
use clap::{Args, Subcommand, ValueEnum};
use ed25519_dalek::Signer as _;
use prost::Message as _;
use queue::Queued;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use storewarden_proto::topic::is_valid_id;
use storewarden_proto::v1::{self, command::Act};
use storewarden_proto::{PAYLOAD_BYTES_MAX, command_signed_bytes};
use thiserror::Error;

/// `command …`
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Make a signing key; prints the lines for the stores' configuration
    Keygen {
        /// Folder for the private key, ID.pem
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The id under which stores know the key
        #[arg(long, value_name = "ID")]
        id: String,
    },
    /// Acknowledge an alarm
    Acknowledge {
        /// The alarm's number, as `alerts` shows it
        #[arg(long, value_name = "N")]
        alarm: u64,
        #[command(flatten)]
        order: OrderArgs,
    },
    /// Put an alarm aside for some time
    Shelve {
        /// The alarm's number, as `alerts` shows it
        #[arg(long, value_name = "N")]
        alarm: u64,
        /// For how long
        #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=480))]
        minutes: u32,
        #[command(flatten)]
        order: OrderArgs,
    },
    /// Change a set point, within what the store's configuration allows
    SetPoint {
        /// The device
        #[arg(long, value_name = "ID")]
        device: String,
        /// °C
        #[arg(long, allow_negative_numbers = true)]
        celsius: f64,
        #[command(flatten)]
        order: OrderArgs,
    },
    /// Switch a light against its schedule for some time
    Light {
        /// The light
        #[arg(long, value_name = "ID")]
        light: String,
        /// What it is to be
        #[arg(value_name = "on|off")]
        switch: Switch,
        /// For how long
        #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: u32,
        #[command(flatten)]
        order: OrderArgs,
    },
    /// Start a defrost
    Defrost {
        /// The device
        #[arg(long, value_name = "ID")]
        device: String,
        #[command(flatten)]
        order: OrderArgs,
    },
    /// Replace the configuration; it is tried, and put back if headquarters is not reached with it
    Config {
        /// The new store.toml
        file: PathBuf,
        /// The store.toml it was made from; without it what the store says it uses
        #[arg(long, value_name = "FILE")]
        base: Option<PathBuf>,
        #[command(flatten)]
        order: OrderArgs,
    },
    /// Show what became of each command
    Status {
        /// Only of this store
        #[arg(long, value_name = "ID")]
        store: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// What every order needs.
#[derive(Debug, Args)]
#[command(after_help = "\
EXIT STATUS: 0 queued (with --wait: done), 1 the store did not do it or did not answer in time,
2 an argument, the key or a file is wrong; nothing was queued")]
pub(crate) struct OrderArgs {
    /// The chain
    #[arg(long, value_name = "ID")]
    chain: String,
    /// The store
    #[arg(long, value_name = "ID")]
    store: String,
    /// The person who orders it; the store keeps the name
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Private key file, as written by `command keygen`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The id under which the store knows the key
    #[arg(long, value_name = "ID")]
    key_id: String,
    /// It is begun within this or not at all
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(i64).range(1..=10_080))]
    deadline_minutes: i64,
    /// Wait so long for what the store says
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

#[derive(Debug, Error)]
enum OrderError {
    #[error(
        "{0:?} cannot be the id of a chain, store or key: use 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'"
    )]
    Id(String),
    #[error("--by is a name of 1 to 40 characters on one line")]
    By,
    #[error("--celsius is a temperature")]
    Celsius,
    #[error("store {0} of this chain has never reported: alarms and configurations go by what it says")]
    UnknownStore(String),
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    #[error("the command is of {0} bytes, more than the {PAYLOAD_BYTES_MAX} a message may have")]
    TooLarge(usize),
}

/// Runs `command …`; whether the outcome is good.
pub(crate) fn run(database: &mut Database, command: &Order) -> Result<bool, Failure> {
    let (order, act, words) = match command {
        Order::Keygen { out, id } => {
            let (path, lines) = keys::generate(out, id, "command_key")?;
            eprintln!("the private key is in {}; these lines belong in every store.toml:", path.display());
            print!("{lines}");
            return Ok(true);
        }
        Order::Status { store, json } => return status(database, store.as_deref(), *json),
        Order::Acknowledge { alarm, order } => {
            let journal = said_by_store(database, order)?.0;
            let act = Act::Acknowledge(v1::AcknowledgeAlarm { journal, alarm: *alarm });
            (order, act, format!("acknowledge alarm {alarm}"))
        }
        Order::Shelve { alarm, minutes, order } => {
            let journal = said_by_store(database, order)?.0;
            let act = Act::Shelve(v1::ShelveAlarm { journal, alarm: *alarm, minutes: *minutes });
            (order, act, format!("shelve alarm {alarm} for {minutes} min"))
        }
        Order::SetPoint { device, celsius, order } => {
            if !celsius.is_finite() {
                return Err(OrderError::Celsius.into());
            }
            let act = Act::SetPoint(v1::SetPoint { device: device.clone(), celsius: *celsius });
            (order, act, format!("set point of {device} to {celsius} °C"))
        }
        Order::Light { light, switch, minutes, order } => {
            let on = *switch == Switch::On;
            let act = Act::Light(v1::SwitchLight { light: light.clone(), on, minutes: *minutes });
            (order, act, format!("light {light} {} for {minutes} min", if on { "on" } else { "off" }))
        }
        Order::Defrost { device, order } => {
            (order, Act::Defrost(v1::Defrost { device: device.clone() }), format!("defrost {device}"))
        }
        Order::Config { file, base, order } => {
            let read =
                |path: &PathBuf| std::fs::read(path).map_err(|error| OrderError::Read(path.clone(), error));
            let toml = read(file)?;
            let base_digest = match base {
                Some(base) => Sha256::digest(read(base)?).to_vec(),
                None => said_by_store(database, order)?.1,
            };
            let words = format!("configuration of {} bytes", toml.len());
            (order, Act::Config(v1::ConfigPush { toml, base_digest }), words)
        }
    };
    queue_order(database, order, act, &words)
}

/// The journal and the configuration's digest that the store last told.
fn said_by_store(database: &mut Database, order: &OrderArgs) -> Result<(u64, Vec<u8>), Failure> {
    let sql = "SELECT journal, config_digest FROM store WHERE chain = ?1 AND store = ?2";
    let rows = database.query(sql, &values![&order.chain, &order.store])?;
    let row = rows.first().ok_or_else(|| OrderError::UnknownStore(order.store.clone()))?;
    Ok((row.get::<i64>(0)?.cast_unsigned(), row.get(1)?))
}

fn queue_order(database: &mut Database, order: &OrderArgs, act: Act, words: &str) -> Result<bool, Failure> {
    for id in [&order.chain, &order.store, &order.key_id] {
        if !is_valid_id(id) {
            return Err(OrderError::Id(id.clone()).into());
        }
    }
    let by = order.by.trim();
    if by.is_empty() || by.chars().count() > 40 || by.chars().any(char::is_control) {
        return Err(OrderError::By.into());
    }
    let key = keys::load(&order.key)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(keys::KeyError::Random)?;
    let issued_ms = now_ms();
    let command = v1::Command {
        chain: order.chain.clone(),
        store: order.store.clone(),
        id: keys::hex(&random),
        issued_ms,
        deadline_ms: issued_ms + order.deadline_minutes * 60_000,
        by: by.to_owned(),
        act: Some(act),
    };
    let bytes = command.encode_to_vec();
    let signature = key.sign(&command_signed_bytes(&bytes)).to_bytes().to_vec();
    let signatures = vec![v1::Signature { key_id: order.key_id.clone(), signature }];
    let payload = v1::SignedCommand { command: bytes, signatures }.encode_to_vec();
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(OrderError::TooLarge(payload.len()).into());
    }
    let queued = Queued {
        id: &command.id,
        chain: &command.chain,
        store: &command.store,
        by,
        act: words,
        issued_ms,
        deadline_ms: command.deadline_ms,
        payload: &payload,
    };
    queue::add(database, &queued)?;
    writeln!(std::io::stdout(), "queued {}: {words}, store {}", command.id, command.store)?;
    match order.wait {
        Some(seconds) => wait(database, &command.id, Duration::from_secs(seconds)),
        None => Ok(true),
    }
}

/// Waits for what the store says; good if it is done in time.
fn wait(database: &mut Database, id: &str, longest: Duration) -> Result<bool, Failure> {
    let end = Instant::now() + longest;
    loop {
        let found = queue::statuses(database, (None, Some(id)), now_ms())?.into_iter().next();
        let is_over = Instant::now() >= end;
        if let Some(status) = found.filter(|status| status.done.is_some() || status.expired || is_over) {
            writeln!(std::io::stdout(), "{}", status.line())?;
            return Ok(status.done == Some(true));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn status(database: &mut Database, store: Option<&str>, json: bool) -> Result<bool, Failure> {
    for status in queue::statuses(database, (store, None), now_ms())? {
        let line = if json { serde_json::to_string(&status)? } else { status.line() };
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(true)
}
