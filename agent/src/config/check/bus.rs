//! Lines to equipment: how they are reached, how often their devices are asked, and whether they hold
//! that.

use super::Check;
use crate::config::file::{self, At, File};
use crate::config::{Bus, Config};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use storewarden_drivers::modbus::cost::LineCost;
use storewarden_drivers::modbus::device::{Polls, Safe};
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::load::{Raise, UTILISATION_MAX};
use storewarden_drivers::modbus::serial::{Parity, Serial};
use storewarden_drivers::profile::{Pace, Profile};
use storewarden_rules::Millis;

/// How a serial line is taken to be set where nobody says: as controllers for shops leave the factory,
/// see `serial` in the shipped profiles.
pub const SERIAL: Serial = Serial { baud: 9600, parity: Parity::Even, stop_bits: 1 };
/// How often a device is read unless the file says otherwise, and its settings and counters.
const POLL: Millis = Millis::from_secs(5);
const POLL_SLOW: Millis = Millis::from_secs(60);
const POLL_MAX: Millis = Millis::from_mins(15);
/// A broker has no line that would hold up the repetitions of a last word.
const POLL_MIN_AT_BROKER: Millis = Millis(100);
/// A device must be asked so often before its watchdog may act, or a single lost answer would switch
/// its outputs.
const POLLS_WITHIN_WATCHDOG: u32 = 3;

impl Check {
    /// One entry per bus of the file, so that indices agree; none where a fault was found.
    pub(super) fn buses(&mut self, buses: &[file::Bus]) -> Vec<Option<Bus>> {
        self.unique("bus", buses.iter().map(|bus| &bus.id));
        let mut lines: Vec<&str> = Vec::new();
        for bus in buses {
            self.valid_id("bus", &bus.id);
            for line in bus.lines() {
                if lines.contains(&line.get_ref().as_str()) {
                    let message = format!(
                        "bus `{}`: {} is another bus already; put its devices on that one, a line has one master",
                        bus.id.get_ref(),
                        line.get_ref()
                    );
                    self.fault(&line.span(), message);
                }
                lines.push(line.get_ref());
            }
        }
        buses.iter().map(|bus| self.bus(bus)).collect()
    }

    fn bus(&mut self, bus: &file::Bus) -> Option<Bus> {
        let id = bus.id.get_ref();
        let serial = self.serial(bus);
        let transport = match (&bus.tcp, &bus.rtu_over_tcp, &bus.serial) {
            (Some(tcp), None, None) => Transport::Tcp { address: self.address(id, "tcp", tcp)? },
            (None, Some(tcp), None) => {
                Transport::RtuOverTcp { address: self.address(id, "rtu_over_tcp", tcp)?, serial: serial? }
            }
            (None, None, Some(port)) => {
                if !port.get_ref().starts_with('/') {
                    let message = format!(
                        "bus `{id}`: serial `{}` is no device file; write \"/dev/ttyUSB0\", or better its name under /dev/serial/by-id, which stays the same",
                        port.get_ref()
                    );
                    self.fault(&port.span(), message);
                    return None;
                }
                Transport::Serial { port: port.get_ref().clone(), serial: serial? }
            }
            _ => {
                let at = bus.lines().nth(1).map_or(bus.id.span(), At::span);
                let message = format!(
                    "bus `{id}`: write exactly one of tcp = \"host:port\" (Modbus TCP), rtu_over_tcp = \"host:port\" (a transparent gateway) or serial = \"/dev/ttyUSB0\""
                );
                self.fault(&at, message);
                return None;
            }
        };
        let cost = match (&transport, &bus.baud) {
            (Transport::Tcp { .. }, Some(_)) => LineCost::Rtu(serial?),
            _ => transport.cost(),
        };
        Some(Bus { id: id.clone(), transport, cost })
    }

    fn address(&mut self, bus: &str, key: &str, address: &At<String>) -> Option<String> {
        let text = address.get_ref();
        if is_host_port(text) {
            return Some(text.clone());
        }
        let message = format!("bus `{bus}`: {key} `{text}` is not host:port; write \"192.168.1.60:502\"");
        self.fault(&address.span(), message);
        None
    }

    fn serial(&mut self, bus: &file::Bus) -> Option<Serial> {
        let id = bus.id.get_ref();
        if let (Some(_), None, Some(at)) =
            (&bus.tcp, &bus.baud, bus.parity.as_ref().map(At::span).or(bus.stop_bits.as_ref().map(At::span)))
        {
            let message = format!(
                "bus `{id}`: with tcp the serial line is the gateway's; write `baud` too, if the line behind it shall be planned, or leave this out"
            );
            self.fault(&at, message);
        }
        let baud = bus.baud.as_ref().map_or(Some(SERIAL.baud), |baud| {
            u32::try_from(*baud.get_ref()).ok().filter(|baud| (1200..=115_200).contains(baud))
        });
        if let (None, Some(at)) = (baud, &bus.baud) {
            let message = format!("bus `{id}`: baud {} is out of range; write 1200 to 115200", at.get_ref());
            self.fault(&at.span(), message);
        }
        let parity = bus.parity.as_ref().map_or(Some(SERIAL.parity), |parity| parse_parity(parity.get_ref()));
        if let (None, Some(at)) = (parity, &bus.parity) {
            let message = format!(
                "bus `{id}`: parity `{}` is not known; write \"even\", \"odd\" or \"none\"",
                at.get_ref()
            );
            self.fault(&at.span(), message);
        }
        let stop_bits = bus.stop_bits.as_ref().map_or(Some(SERIAL.stop_bits), |bits| {
            u8::try_from(*bits.get_ref()).ok().filter(|bits| (1..=2).contains(bits))
        });
        if let (None, Some(at)) = (stop_bits, &bus.stop_bits) {
            self.fault(&at.span(), format!("bus `{id}`: stop_bits is 1 or 2"));
        }
        Some(Serial { baud: baud?, parity: parity?, stop_bits: stop_bits? })
    }

    /// How often the device is read, by pace.
    pub(super) fn polls(&mut self, device: &file::Device) -> Polls {
        let least = if device.broker.is_some() { POLL_MIN_AT_BROKER } else { Millis(0) };
        let mut interval =
            |value: &Option<At<String>>, default| self.span_of_time(value.as_ref(), default, least, POLL_MAX);
        let normal = interval(&device.poll, POLL);
        Polls {
            fast: duration(interval(&device.poll_fast, normal)),
            normal: duration(normal),
            slow: duration(interval(&device.poll_slow, normal.max(POLL_SLOW))),
        }
    }

    /// The watchdog's setting: `after`, and the state of each output by its name.
    pub(super) fn safe(
        &mut self,
        id: &str,
        safe: &At<BTreeMap<At<String>, At<toml::Value>>>,
        profile: &Profile,
        polls: &Polls,
    ) -> Option<Safe> {
        let Some(watchdog) = profile.modbus().and_then(|modbus| modbus.watchdog.as_ref()) else {
            let message = format!("device `{id}`: {} has no watchdog; remove `safe`", profile.id);
            self.fault(&safe.span(), message);
            return None;
        };
        let names: Vec<_> =
            watchdog.outputs.iter().map(|output| profile.points[output.point].name.as_str()).collect();
        let mut after = None;
        let mut outputs = Vec::new();
        for (key, value) in safe.get_ref() {
            let key = key.get_ref().as_str();
            if key == "after" {
                after = Some(self.watchdog_time(id, value, watchdog.tick_ms, polls)?);
                continue;
            }
            let output = watchdog.outputs.iter().find(|output| profile.points[output.point].name == key);
            match (output, value.get_ref()) {
                (Some(output), toml::Value::Boolean(on)) => outputs.push((output.point, *on)),
                (Some(_), _) => {
                    let message = format!("device `{id}`: safe.{key} is true (on) or false (off)");
                    self.fault(&value.span(), message);
                }
                (None, _) => {
                    let message = format!(
                        "device `{id}`: safe.{key} is no output of {} with a safe state; write `after` and of these: {}",
                        profile.id,
                        names.join(", ")
                    );
                    self.fault(&value.span(), message);
                }
            }
        }
        if after.is_none() || outputs.is_empty() {
            let message = format!(
                "device `{id}`: safe needs `after` and an output; write safe = {{ after = \"60s\", {} = false }}",
                names.first().unwrap_or(&"relay_1")
            );
            self.fault(&safe.span(), message);
        }
        Some(Safe { after: after?, outputs })
    }

    fn watchdog_time(
        &mut self,
        id: &str,
        value: &At<toml::Value>,
        tick_ms: u32,
        polls: &Polls,
    ) -> Option<Duration> {
        let at: Range<usize> = value.span();
        let toml::Value::String(text) = value.get_ref() else {
            self.fault(&at, format!("device `{id}`: safe.after is a span of time, as \"60s\""));
            return None;
        };
        // The device counts in its own ticks, and its register has 16 bits.
        let tick = Duration::from_millis(u64::from(tick_ms));
        let fastest = polls.fast.min(polls.normal).min(polls.slow);
        let (least, most) = ((fastest * POLLS_WITHIN_WATCHDOG).max(tick), tick * u32::from(u16::MAX));
        match humantime::parse_duration(text) {
            Ok(after)
                if (least..=most).contains(&after) && after.as_millis().is_multiple_of(tick.as_millis()) =>
            {
                return Some(after);
            }
            Ok(_) => {
                let message = format!(
                    "device `{id}`: safe.after `{text}` does not fit; write {} (three polls) to {}, in steps of {}",
                    humantime::format_duration(least),
                    humantime::format_duration(most),
                    humantime::format_duration(tick)
                );
                self.fault(&at, message);
            }
            Err(_) => {
                self.fault(
                    &at,
                    format!("device `{id}`: safe.after `{text}` is no span of time; write \"60s\""),
                );
            }
        }
        None
    }

    /// Lines that have more to do than they can hold. A Modbus TCP line whose speed is not known
    /// holds everything.
    pub(super) fn loads(&mut self, config: &Config, file: &File) {
        for (index, bus) in config.buses.iter().enumerate().filter(|(_, bus)| bus.cost != LineCost::Tcp) {
            let load = config.load_of(index);
            let raises = load.raises();
            let Some(first) = raises.first() else { continue };
            // No fault was found, so there are as many devices as in the file.
            let devices: Vec<usize> = config.devices_of(index).map(|(device, _)| device).collect();
            let proposal = |raise: &Raise| {
                format!(
                    "`{}` of device `{}` from {} to {}",
                    key_of(raise.pace),
                    config.devices[devices[raise.device]].id,
                    humantime::format_duration(raise.from),
                    humantime::format_duration(raise.to)
                )
            };
            let proposals: Vec<_> = raises.iter().map(proposal).collect();
            let message = format!(
                "bus `{}`: its devices ask for {:.0} % of the line's time, and {:.0} % is what it can hold; raise {}",
                bus.id,
                load.utilisation * 100.0,
                UTILISATION_MAX * 100.0,
                proposals.join(", ")
            );
            let device = &file.device[devices[first.device]];
            let poll = match first.pace {
                Pace::Fast => device.poll_fast.as_ref().or(device.poll.as_ref()),
                Pace::Normal => device.poll.as_ref(),
                Pace::Slow => device.poll_slow.as_ref(),
            };
            self.fault(&poll.map_or(device.id.span(), At::span), message);
        }
    }
}

impl file::Bus {
    /// What is written of `tcp`, `rtu_over_tcp` and `serial`.
    fn lines(&self) -> impl Iterator<Item = &At<String>> {
        [&self.tcp, &self.rtu_over_tcp, &self.serial].into_iter().flatten()
    }
}

/// The key of `[[device]]` that sets the interval of this pace.
pub fn key_of(pace: Pace) -> &'static str {
    match pace {
        Pace::Fast => "poll_fast",
        Pace::Normal => "poll",
        Pace::Slow => "poll_slow",
    }
}

/// Whether it is `host:port`, the port from 1 to 65535.
pub fn is_host_port(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse());
    matches!(port, Some(Ok(1..=u16::MAX)))
}

/// Parity as it is written in the configuration and on the command line.
pub fn parse_parity(text: &str) -> Option<Parity> {
    match text {
        "none" => Some(Parity::None),
        "even" => Some(Parity::Even),
        "odd" => Some(Parity::Odd),
        _ => None,
    }
}

fn duration(span: Millis) -> Duration {
    Duration::from_millis(span.0.unsigned_abs())
}
