//! Where a bus is reached, and the open line to it.

use crate::modbus::cost::LineCost;
use crate::modbus::request::{LinkAfter, Outcome, Request};
use crate::modbus::rtu_line::RtuLine;
use crate::modbus::serial::Serial;
use crate::modbus::tcp::TcpLine;
use std::fmt;
use std::time::Duration;

/// How a bus is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Modbus TCP: a device, or a gateway that knows Modbus.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// RTU frames over TCP: a gateway that passes bytes on and knows nothing of Modbus.
    RtuOverTcp {
        /// `host:port`.
        address: String,
        /// The parameters of the line behind the gateway, which the gateway itself is set to.
        serial: Serial,
    },
    /// RTU frames on a serial port of this machine.
    Serial {
        /// The device file, for instance `/dev/ttyUSB0`.
        port: String,
        /// The parameters of the line.
        serial: Serial,
    },
}

impl Transport {
    /// What a request costs on it, as far as the transport tells.
    pub fn cost(&self) -> LineCost {
        match self {
            Self::Tcp { .. } => LineCost::Tcp,
            Self::RtuOverTcp { serial, .. } | Self::Serial { serial, .. } => LineCost::Rtu(*serial),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address } => write!(f, "Modbus TCP {address}"),
            Self::RtuOverTcp { address, serial } => write!(f, "RTU over TCP {address} {serial}"),
            Self::Serial { port, serial } => write!(f, "RTU {port} {serial}"),
        }
    }
}

/// An open line.
pub enum Line {
    /// Modbus TCP.
    Tcp(TcpLine),
    /// RTU frames, over whatever carries them.
    Rtu(RtuLine),
}

impl Line {
    /// Opens the line of the bus `name`, which is for logs.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened and what to do about it, in words.
    pub async fn open(name: &str, transport: &Transport) -> Result<Self, String> {
        Ok(match transport {
            Transport::Tcp { address } => Self::Tcp(TcpLine::open(address).await?),
            Transport::RtuOverTcp { address, serial } => {
                Self::Rtu(RtuLine::over_tcp(name, address, *serial).await?)
            }
            Transport::Serial { port, serial } => Self::Rtu(RtuLine::on_port(name, port, *serial)?),
        })
    }

    /// Sends the request to `unit` and waits for the answer. `timeout` is what the unit may take to
    /// begin it; on a serial line the time of the characters themselves comes on top.
    pub async fn ask(&mut self, unit: u8, request: &Request, timeout: Duration) -> (Outcome, LinkAfter) {
        match self {
            Self::Tcp(line) => line.ask(unit, request, timeout).await,
            Self::Rtu(line) => line.ask(unit, request, timeout).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::serial::Parity;

    #[test]
    fn an_operator_reads_a_line_as_it_is_written_on_the_device() {
        let serial = Serial { baud: 9600, parity: Parity::None, stop_bits: 2 };
        let serial = Transport::Serial { port: "/dev/ttyUSB0".into(), serial };
        assert_eq!(serial.to_string(), "RTU /dev/ttyUSB0 9600 8N2");
        assert_eq!(serial.cost().gap().as_micros(), 4010);
        let address = "10.0.0.5:502".to_owned();
        let gateway = Transport::RtuOverTcp { address: address.clone(), serial: Serial::STANDARD };
        assert_eq!(gateway.to_string(), "RTU over TCP 10.0.0.5:502 19200 8E1");
        assert_eq!(Transport::Tcp { address }.cost().gap(), Duration::ZERO);
    }
}
