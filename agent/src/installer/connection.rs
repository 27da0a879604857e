//! Which line to talk on, and talking on it.

use crate::config::{is_host_port, parse_parity};
use crate::failure::Failure;
use clap::Args;
use std::ops::RangeInclusive;
use std::time::Duration;
use storewarden_drivers::modbus::line::{Line, Transport};
use storewarden_drivers::modbus::request::{LinkAfter, Outcome, Request};
use storewarden_drivers::modbus::serial::{Parity, Serial};

/// Where the device is.
#[derive(Args, Clone, Debug)]
pub struct Connection {
    #[command(flatten)]
    target: Target,
    /// Bits per second of the serial line, 1200 to 115200.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1200..=115_200))]
    pub baud: Option<u32>,
    /// Parity of the serial line: even, odd or none.
    #[arg(long, value_parser = parity)]
    pub parity: Option<Parity>,
    /// Stop bits of the serial line, 1 or 2.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub stop_bits: Option<u8>,
}

#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
struct Target {
    /// Modbus TCP: the device itself or a gateway that knows Modbus, HOST:PORT (usually port 502).
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    tcp: Option<String>,
    /// RTU frames over TCP: a gateway that passes bytes on.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    rtu_over_tcp: Option<String>,
    /// A serial port of this machine, as /dev/ttyUSB0.
    #[arg(long, value_name = "PORT")]
    serial: Option<String>,
}

fn host_port(text: &str) -> Result<String, String> {
    if is_host_port(text) { Ok(text.into()) } else { Err("write HOST:PORT, as 192.168.1.60:502".into()) }
}

fn parity(text: &str) -> Result<Parity, String> {
    parse_parity(text).ok_or_else(|| "write even, odd or none".into())
}

impl Connection {
    /// How the line is reached; what is not said of the serial parameters is as in `usual`.
    pub fn transport(&self, usual: Serial) -> Transport {
        let serial = Serial {
            baud: self.baud.unwrap_or(usual.baud),
            parity: self.parity.unwrap_or(usual.parity),
            stop_bits: self.stop_bits.unwrap_or(usual.stop_bits),
        };
        match &self.target {
            Target { tcp: Some(address), .. } => Transport::Tcp { address: address.clone() },
            Target { rtu_over_tcp: Some(address), .. } => {
                Transport::RtuOverTcp { address: address.clone(), serial }
            }
            Target { serial: port, .. } => {
                Transport::Serial { port: port.clone().unwrap_or_default(), serial }
            }
        }
    }
}

/// Refuses an address that is not one unit's. On a serial line 0 is all units at once: a write to it
/// would switch them all. `units` are those that the model can be set to.
pub fn check_unit(transport: &Transport, unit: u8, units: RangeInclusive<u8>) -> Result<(), Failure> {
    let (first, last) = match transport {
        Transport::Tcp { .. } => (*units.start(), *units.end()),
        Transport::RtuOverTcp { .. } | Transport::Serial { .. } => {
            ((*units.start()).max(1), (*units.end()).min(247))
        }
    };
    if (first..=last).contains(&unit) {
        return Ok(());
    }
    Err(Failure::Input(format!("unit {unit} is no address of one device here; write {first} to {last}\n")))
}

/// A line that one command talks on.
pub struct Session {
    transport: Transport,
    line: Option<Line>,
}

impl Session {
    /// Opens the line.
    pub async fn open(transport: Transport) -> Result<Self, Failure> {
        let mut session = Self { transport, line: None };
        session.line().await?;
        Ok(session)
    }

    /// How it is reached.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    async fn line(&mut self) -> Result<&mut Line, Failure> {
        let opened = match self.line.take() {
            Some(line) => line,
            None => Line::open("installer", &self.transport)
                .await
                .map_err(|why| Failure::Outcome(format!("{}: {why}", self.transport)))?,
        };
        Ok(self.line.insert(opened))
    }

    /// One request, once. A line that was lost is opened anew before it.
    ///
    /// # Errors
    ///
    /// Only where the line cannot be opened any more; a silent device is an outcome.
    pub async fn ask(&mut self, unit: u8, request: &Request, timeout: Duration) -> Result<Outcome, Failure> {
        let (outcome, link) = self.line().await?.ask(unit, request, timeout).await;
        if link == LinkAfter::Dropped {
            self.line = None;
        }
        Ok(outcome)
    }

    /// As [`Session::ask`], and once more where nothing usable came: for reads.
    pub async fn ask_twice(
        &mut self,
        unit: u8,
        request: &Request,
        timeout: Duration,
    ) -> Result<Outcome, Failure> {
        let outcome = self.ask(unit, request, timeout).await?;
        match outcome {
            Outcome::TimedOut | Outcome::Lost | Outcome::Garbled => self.ask(unit, request, timeout).await,
            Outcome::Answer(_) | Outcome::Written | Outcome::Exception(_) => Ok(outcome),
        }
    }
}

/// Runs `work` to its end on this thread, which then has the line for itself.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::outcome)?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_serial_line_nobody_is_asked_as_unit_0() {
        let serial = Serial { baud: 9600, parity: Parity::Even, stop_bits: 1 };
        let line = Transport::Serial { port: "/dev/ttyUSB0".into(), serial };
        let gateway = Transport::Tcp { address: "10.0.0.9:502".into() };
        let taken = |transport, unit, units| check_unit(transport, unit, units).is_ok();
        for unit in [0, 248, 255] {
            assert!(!taken(&line, unit, 0..=255), "{unit}");
            assert!(taken(&gateway, unit, 0..=255) && !taken(&gateway, unit, 1..=247), "{unit}");
        }
        assert!(taken(&line, 1, 0..=255) && taken(&line, 247, 1..=247) && !taken(&line, 64, 1..=63));
    }
}
