//! `storewarden write`: one point of one device, shown first, sent only with `--yes`.

use super::connection::{Session, block_on, check_unit};
use super::read::usual;
use super::reading::{PointReading, Target};
use super::{Connection, modbus_of, profile_of, profiles_of, shown};
use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::modbus::command::{CommandError, write_of};
use storewarden_drivers::modbus::device::{BusDevice, Polls};
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::request;
use storewarden_drivers::modbus::task::{self, BusConfig, Command};
use storewarden_drivers::profile::{Accepts, Point, Profile, Profiles};
use storewarden_rules::{Millis, PointId, Unit};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How long the device may take in all to take the value and to show it.
const DEADLINE: Millis = Millis::from_secs(10);
/// From one poll to the next while the write is under way: there is nothing to see in between.
const POLL: Duration = Duration::from_secs(900);

/// `storewarden write`.
#[derive(Args)]
pub struct Write {
    #[command(flatten)]
    connection: Connection,
    /// Unit address.
    #[arg(long)]
    unit: u8,
    /// Profile of the device, as `storewarden profile list` shows them.
    #[arg(long)]
    profile: String,
    /// The point.
    point: String,
    /// A number in the point's unit, on or off, or the name of a state.
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// Send it.
    #[arg(long)]
    yes: bool,
    /// The user's folder of profiles, besides those that ship with the program.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
}

impl Write {
    /// Shows what would be sent; with `--yes` sends it and shows what the device shows then.
    ///
    /// # Errors
    ///
    /// Where the value is not one the device takes, the device does not answer, or does not take it.
    pub fn run(self) -> Result<(), Failure> {
        let profiles = profiles_of(self.profiles.as_deref())?;
        self.write(&profiles, &mut std::io::stdout().lock())
    }

    fn write(&self, profiles: &Profiles, out: &mut impl std::io::Write) -> Result<(), Failure> {
        let profile = profile_of(profiles, &self.profile)?;
        let modbus = modbus_of(profile)?;
        let unit = self.unit;
        let transport = self.connection.transport(usual(modbus));
        check_unit(&transport, unit, modbus.units.clone())?;
        let Some(index) = profile.points.iter().position(|point| point.name == self.point) else {
            let writable = profile.points.iter().filter(|point| point.accepts.is_some());
            let writable: Vec<_> = writable.map(|point| point.name.as_str()).collect();
            let known = if writable.is_empty() { "none".into() } else { writable.join(", ") };
            return Err(Failure::Input(format!(
                "{} has no point `{}`; it can be written: {known}\n",
                profile.id, self.point
            )));
        };
        let (point, register) = (&profile.points[index], &modbus.registers[index]);
        let value = value_of(point, &self.value)?;
        let refused = |why: CommandError| match &point.accepts {
            Some(Accepts::OneOf(values)) if matches!(why, CommandError::NotAccepted { .. }) => {
                let values: Vec<_> = values.iter().map(|value| shown(point, *value)).collect();
                Failure::Input(format!("{} takes only {}\n", point.name, values.join(", ")))
            }
            _ => Failure::Input(format!("{why}\n")),
        };
        let request = |there| write_of(point, register, value, there).map_err(refused);
        // Before anything is asked of the device.
        request(None)?;
        let now = present(profile, unit, index, transport.clone())?;
        let write = request(now.raw.as_deref())?;
        let look = |reading: &PointReading| {
            reading.sample.good().map_or_else(|| reading.quality(), |value| shown(point, value))
        };
        (|| {
            writeln!(out, "{} of unit {} ({} {})", point.name, unit, profile.maker, profile.model)?;
            writeln!(out, "  shows now  {}", look(&now))?;
            // Without an answer they are not known yet; the bus reads them before it writes.
            let others = if now.raw.is_none() && register.bits.is_some() {
                ", its other bits as they are by then"
            } else {
                ""
            };
            writeln!(out, "  to write   {}: {}{others}", shown(point, value), in_words(&write))
        })()
        .map_err(Failure::output)?;
        if !self.yes {
            return writeln!(out, "Nothing was sent. Add --yes to send it.").map_err(Failure::output);
        }
        let outcome = send(profile, unit, index, value, transport.clone());
        let now = present(profile, unit, index, transport)?;
        writeln!(out, "  shows now  {}", look(&now)).map_err(Failure::output)?;
        outcome?;
        writeln!(out, "Written.").map_err(Failure::output)
    }
}

/// A number, `on` or `off`, or the name of a state.
fn value_of(point: &Point, text: &str) -> Result<f64, Failure> {
    let value = match (point.unit, text) {
        (Unit::Flag, "on" | "true") => Some(1.0),
        (Unit::Flag, "off" | "false") => Some(0.0),
        _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
    };
    #[expect(clippy::cast_precision_loss, reason = "codes are small")]
    let state = || point.states.iter().find(|(_, word)| word == text).map(|(code, _)| *code as f64);
    let value = value.or_else(state);
    value.ok_or_else(|| {
        let write = match point.unit {
            Unit::Flag => "on or off".into(),
            _ if !point.states.is_empty() => {
                point.states.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(", ")
            }
            unit => format!("a number in {}", unit.symbol()),
        };
        Failure::Input(format!("`{text}` is no value of {}; write {write}\n", point.name))
    })
}

fn present(profile: &Profile, unit: u8, index: usize, transport: Transport) -> Result<PointReading, Failure> {
    let modbus = modbus_of(profile)?;
    let target = Target { unit, modbus, points: &profile.points };
    let read = block_on(async {
        let mut session = Session::open(transport).await?;
        target.read(&mut session, &[index]).await
    })?;
    read.into_iter().next().ok_or_else(|| Failure::Outcome("the point was not read".into()))
}

/// By the bus that a store runs, with one device on it: the same rules, the same read-back.
fn send(profile: &Profile, unit: u8, index: usize, value: f64, transport: Transport) -> Result<(), Failure> {
    let device = BusDevice {
        name: profile.id.clone(),
        unit,
        modbus: modbus_of(profile)?.clone(),
        points: profile.points.clone(),
        polls: Polls::every(POLL),
        timeout: None,
        safe: None,
        wanted: vec![(PointId(0), index)],
    };
    block_on(async {
        let cost = transport.cost();
        let bus = BusConfig { name: "installer".into(), transport, cost, devices: vec![device] };
        let (readings, mut readings_in) = mpsc::channel(16);
        let (commands, commands_in) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let (reply, outcome) = oneshot::channel();
        let command = Command { point: PointId(0), value, deadline: DEADLINE, reply };
        commands.send(command).await.map_err(Failure::outcome)?;
        let bus = task::run(bus, readings, commands_in, Clock::start(), stop.clone());
        let ask = async {
            let outcome = outcome.await;
            stop.cancel();
            outcome
        };
        let drain = async { while readings_in.recv().await.is_some() {} };
        let ((), (), outcome) = tokio::join!(bus, drain, ask);
        outcome.map_err(Failure::outcome)?.map_err(Failure::outcome)
    })
}

/// What goes over the wire.
fn in_words(write: &request::Write) -> String {
    let address = |address: u16| format!("address {address} (0x{address:04X})");
    let hex = |words: &[u16]| words.iter().map(|word| format!("{word:04X}")).collect::<Vec<_>>().join(" ");
    let state = |on: bool| if on { "1" } else { "0" };
    match write {
        request::Write::Coil { address: at, on } => format!("function 5, {}, {}", address(*at), state(*on)),
        request::Write::Coils { address: at, states } => {
            let states: Vec<_> = states.iter().map(|on| state(*on)).collect();
            format!("function 15, {}, {}", address(*at), states.join(" "))
        }
        request::Write::Register { address: at, word } => {
            format!("function 6, {}, word {}", address(*at), hex(&[*word]))
        }
        request::Write::Registers { address: at, words } => {
            format!("function 16, {}, words {}", address(*at), hex(words))
        }
    }
}
