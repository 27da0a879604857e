//! A line that carries RTU frames: a serial port, or a TCP connection to a gateway that passes bytes
//! on.
//!
//! The exchange is our own, from the silence before a request to the last byte of its answer; see
//! `docs/decisions/0008-own-rtu-exchange.md`.

use crate::clock::wait_until;
use crate::modbus::request::{LinkAfter, Outcome, Request};
use crate::modbus::rtu::{Receiver, answer_len, encode};
use crate::modbus::serial::{Parity, Serial};
use crate::modbus::tcp::connect;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_serial::{DataBits, SerialStream, StopBits};
use tracing::{info, warn};

/// The longest pause inside an answer: beyond it the rest will not come. USB adaptors hand over what
/// they have every 16 ms (FTDI AN232B-04, "latency timer"), gateways when they like; a busy machine
/// may pause as well. The end of an answer is told by its length, so this costs time only when bytes
/// were lost.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// How long a gateway may be silent in the middle of what it passes on.
const GATEWAY_PAUSE: Duration = Duration::from_millis(50);
/// The longest wait for a line to fall silent. A line that does not is used all the same: an answer
/// is found among noise too.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// Requests in a row without a single byte after which a TCP connection is opened anew: a gateway
/// that was switched off and on knows nothing of the old one.
const UNHEARD_MAX: u32 = 3;

/// An open line.
#[derive(Debug)]
pub struct RtuLine {
    /// Of the bus; for logs.
    name: String,
    port: Port,
    serial: Serial,
    /// When the last byte was seen or will have been sent.
    last_byte: Instant,
    /// The silence wanted before the next request.
    silence: Duration,
    /// Whether the line hands back what is sent.
    echo: bool,
    babbling: bool,
    /// Requests in a row without a byte in return.
    unheard: u32,
    frame: Vec<u8>,
}

#[derive(Debug)]
enum Port {
    Serial(SerialStream),
    Tcp(TcpStream),
}

impl RtuLine {
    /// Opens a serial port, for ourselves alone.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened and what to do about it.
    pub fn on_port(name: &str, port: &str, serial: Serial) -> Result<Self, String> {
        let builder = tokio_serial::new(port, serial.baud)
            .data_bits(DataBits::Eight)
            .parity(match serial.parity {
                Parity::None => tokio_serial::Parity::None,
                Parity::Even => tokio_serial::Parity::Even,
                Parity::Odd => tokio_serial::Parity::Odd,
            })
            .stop_bits(if serial.stop_bits == 2 { StopBits::Two } else { StopBits::One });
        let stream = SerialStream::open(&builder).map_err(|error| remedy(&error))?;
        Ok(Self::new(name, Port::Serial(stream), serial))
    }

    /// Connects to a gateway.
    ///
    /// # Errors
    ///
    /// Why it cannot be reached and what to do about it.
    pub async fn over_tcp(name: &str, address: &str, serial: Serial) -> Result<Self, String> {
        Ok(Self::new(name, Port::Tcp(connect(address).await?), serial))
    }

    fn new(name: &str, port: Port, serial: Serial) -> Self {
        Self {
            name: name.into(),
            port,
            serial,
            last_byte: Instant::now(),
            silence: serial.t3_5(),
            echo: false,
            babbling: false,
            unheard: 0,
            frame: Vec::with_capacity(256),
        }
    }

    /// Waits until the line is silent, sends, and listens for the answer. After a time-out or a
    /// garbled answer the next request waits until whatever still comes has come.
    pub async fn ask(&mut self, unit: u8, request: &Request, timeout: Duration) -> (Outcome, LinkAfter) {
        let outcome = self.exchange(unit, request, timeout).await.unwrap_or(Outcome::Lost);
        let quiet = match (&outcome, &self.port) {
            (Outcome::TimedOut | Outcome::Garbled, Port::Tcp(_)) => GATEWAY_PAUSE,
            _ => Duration::ZERO,
        };
        self.silence = self.serial.t3_5().max(quiet);
        let gone = matches!(self.port, Port::Tcp(_)) && self.unheard >= UNHEARD_MAX;
        let link = if gone || outcome == Outcome::Lost { LinkAfter::Dropped } else { LinkAfter::Kept };
        (outcome, link)
    }

    async fn exchange(&mut self, unit: u8, request: &Request, timeout: Duration) -> io::Result<Outcome> {
        self.drain().await?;
        encode(unit, request, &mut self.frame);
        // Handing the frame over takes no time, unless nobody takes it.
        let begun = Instant::now();
        let Ok(sent) = timeout_at((begun + timeout).into(), self.port.write_all(&self.frame)).await else {
            return Ok(Outcome::TimedOut);
        };
        sent?;
        self.last_byte = begun + self.characters(self.frame.len());
        let answer_by = self.last_byte + timeout;
        let whole_by = answer_by + self.characters(answer_len(request));

        let mut receiver = Receiver::new(unit, request, &self.frame, self.echo);
        let mut bytes = [0; 256];
        self.unheard += 1;
        loop {
            let until = if receiver.has_begun() {
                whole_by.min(self.last_byte + self.serial.t3_5() + PAUSE_MAX)
            } else {
                answer_by
            };
            let Ok(count) = timeout_at(until.into(), self.port.read(&mut bytes)).await else {
                return Ok(receiver.end());
            };
            let count = count?;
            self.last_byte = Instant::now();
            self.unheard = 0;
            if let Some(outcome) = receiver.feed(&bytes[..count]) {
                if outcome != Outcome::Garbled {
                    self.echo = receiver.echoed().unwrap_or(self.echo);
                }
                return Ok(outcome);
            }
        }
    }

    /// Throws away what comes until the line has been silent as long as is wanted, but not for ever.
    async fn drain(&mut self) -> io::Result<()> {
        let give_up = Instant::now() + DRAIN_MAX;
        let mut bytes = [0; 256];
        // Without a turn for the runtime, bytes that came since its last one are not known of.
        tokio::task::yield_now().await;
        let quiet = loop {
            let now = Instant::now();
            if self.port.read_waiting(&mut bytes)? > 0 {
                self.last_byte = now;
                if now < give_up {
                    continue;
                }
            }
            let silent_at = self.last_byte + self.silence;
            if now >= silent_at {
                break true;
            }
            if now >= give_up {
                break false;
            }
            wait_until(silent_at.min(give_up), matches!(self.port, Port::Serial(_))).await;
        };
        if quiet == self.babbling {
            self.babbling = !quiet;
            let bus = self.name.as_str();
            if quiet {
                info!(bus, "the line falls silent between frames again");
            } else {
                warn!(
                    bus,
                    "the line never falls silent: look for a device that sends by itself, a second \
                     master, a wrong baud rate, or missing bias resistors"
                );
            }
        }
        Ok(())
    }

    fn characters(&self, count: usize) -> Duration {
        self.serial.characters(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

impl Port {
    /// Without a flush, which waits in the kernel until the last character has left.
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Serial(port) => port.write_all(bytes).await,
            Self::Tcp(port) => port.write_all(bytes).await,
        }
    }

    /// At least one byte; an error when the other side is gone.
    async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        some(match self {
            Self::Serial(port) => port.read(bytes).await?,
            Self::Tcp(port) => port.read(bytes).await?,
        })
    }

    /// What has come already, if anything; an error when the other side is gone.
    fn read_waiting(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = match self {
            Self::Serial(port) => port.try_read(bytes),
            Self::Tcp(port) => port.try_read(bytes),
        };
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            read => some(read?),
        }
    }
}

/// A read of nothing is the end: the connection was closed, the adaptor pulled out.
fn some(count: usize) -> io::Result<usize> {
    if count == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
}

/// What to do about a port that cannot be opened.
fn remedy(error: &tokio_serial::Error) -> String {
    use tokio_serial::ErrorKind as Kind;
    match error.kind() {
        Kind::Io(ErrorKind::NotFound) => {
            let ports = ports();
            if ports.is_empty() {
                return "no such port, and this machine has none: is the adaptor plugged in?".into();
            }
            format!("no such port; this machine has {}", ports.join(", "))
        }
        Kind::Io(ErrorKind::PermissionDenied) => {
            "permission denied: add the user this runs as to the group dialout".into()
        }
        Kind::NoDevice => "in use by another program: a line has one master, stop the other one".into(),
        _ => format!("cannot open the port: {error}"),
    }
}

/// The serial ports there are, by the names their drivers give: USB adaptors first, at most 16.
/// (The library's own list panics where `/sys/class/tty` is missing, as in some containers.)
fn ports() -> Vec<String> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let rank =
        |name: &str| ["ttyUSB", "ttyACM", "ttyAMA", "ttyS"].iter().position(|kind| name.starts_with(kind));
    let mut ports: Vec<_> = names.filter_map(|name| Some((rank(&name)?, name))).collect();
    ports.sort();
    ports.into_iter().take(16).map(|(_, name)| format!("/dev/{name}")).collect()
}
