//! The whole agent, as it ships, with devices of 40 registers. No shipped profile has so many; so the
//! configuration is made here in its checked form.

use super::tcp::REGISTERS;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use storewarden::config::{Bus, Config, Device, Place};
use storewarden::report::default_deadband;
use storewarden_drivers::modbus::cost::LineCost;
use storewarden_drivers::modbus::device::Polls;
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::profile::Profile;
use storewarden_rules::Class;
use storewarden_rules::detect::{NoResponseConfig, TemperatureLimitConfig};

/// What the process is told.
#[derive(clap::Args)]
pub struct Arguments {
    /// Addresses of the devices.
    #[arg(long, value_delimiter = ',')]
    devices: Vec<String>,
    /// Port of the broker.
    #[arg(long)]
    mqtt: u16,
    /// From one poll to the next, ms; 0: at once.
    #[arg(long)]
    every_ms: u32,
    /// Port of the console.
    #[arg(long)]
    console: u16,
    /// The journal's file.
    #[arg(long)]
    journal: PathBuf,
}

/// Runs the agent until it is told to stop.
pub fn run(arguments: &Arguments) -> io::Result<()> {
    let config = config(arguments)?;
    storewarden::run::run(config).map_err(io::Error::other)
}

fn config(arguments: &Arguments) -> io::Result<Config> {
    let text = format!(
        r#"[store]
chain = "figures"
id = "wide"
timezone = "Asia/Shanghai"
[journal]
path = "{}"
[hq]
broker = "mqtt://127.0.0.1:{}"
ack = "broker"
[console]
listen = "127.0.0.1:{}"
"#,
        arguments.journal.display(),
        arguments.mqtt,
        arguments.console
    );
    let mut config = Config::parse(Path::new("figures.toml"), &text)
        .map_err(|faults| io::Error::other(faults.to_string()))?;
    let profile = Arc::new(Profile::parse("wide", &profile()).map_err(io::Error::other)?);
    for (index, address) in arguments.devices.iter().enumerate() {
        let transport = Transport::Tcp { address: address.clone() };
        config.buses.push(Bus { id: format!("bus-{index}"), transport, cost: LineCost::Tcp });
        config.devices.push(Device {
            id: format!("device-{index}"),
            name: format!("device {index}"),
            class: Class::Freezer,
            profile: profile.clone(),
            place: Place::Bus { bus: index, unit: 1 },
            polls: Polls::every(Duration::from_millis(arguments.every_ms.into())),
            timeout: None,
            safe: None,
            deadbands: profile.points.iter().map(|point| default_deadband(point.unit)).collect(),
            temperature_limits: TemperatureLimitConfig::for_class(Class::Freezer).into_iter().collect(),
            no_response: NoResponseConfig::default(),
            demand: None,
        });
    }
    Ok(config)
}

/// One read of 40 registers; the first is the air temperature, which the rules watch.
fn profile() -> String {
    let mut text = String::from(
        "maker = 'figures'\nmodel = 'wide'\nclasses = ['freezer']\nsource = 'figures'\nverified = false\n[modbus]\ntimeout_ms = 1000\n",
    );
    for address in 0..REGISTERS {
        let name = if address == 0 { "air_temperature".to_owned() } else { format!("value_{address}") };
        let _ = write!(
            text,
            "[[point]]\nname = '{name}'\nfunction = 3\naddress = {address}\nkind = 's16'\nscale = 0.1\nunit = '°C'\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_device_is_one_read_of_forty_registers() {
        let profile = Profile::parse("wide", &profile()).expect("a profile");
        let modbus = profile.modbus().expect("Modbus");
        let numbered: Vec<_> = modbus.registers.iter().enumerate().collect();
        let reads = storewarden_drivers::modbus::plan::plan(modbus, LineCost::Tcp, &numbered, &[]);
        assert_eq!(reads.iter().map(|read| (read.start, read.count)).collect::<Vec<_>>(), [(0, 40)]);
    }
}
