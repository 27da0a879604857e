//! A line that speaks Modbus TCP: a connection to a device or to a gateway that knows Modbus.

use crate::modbus::request::{Answer, LinkAfter, Outcome, Request, Write};
use crate::profile::Table;
use std::borrow::Cow;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::slave::SlaveContext;
use tokio_modbus::{Error, Request as Pdu, Response, Slave};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An open connection.
pub struct TcpLine {
    context: Context,
}

impl TcpLine {
    /// Connects to `host:port`.
    ///
    /// # Errors
    ///
    /// Why it cannot be reached and what to do about it.
    pub async fn open(address: &str) -> Result<Self, String> {
        Ok(Self { context: tcp::attach(connect(address).await?) })
    }

    /// Sends the request to `unit` and waits for the answer. After any failure the connection is
    /// given up: an answer that is still on its way cannot reach the next one.
    pub async fn ask(&mut self, unit: u8, request: &Request, limit: Duration) -> (Outcome, LinkAfter) {
        self.context.set_slave(Slave(unit));
        let outcome = match timeout(limit, self.context.call(pdu(request))).await {
            Err(_) => Outcome::TimedOut,
            Ok(Err(Error::Protocol(_))) => Outcome::Garbled,
            // The codec reports a frame that is no Modbus frame as an I/O error.
            Ok(Err(Error::Transport(error))) => match error.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                    Outcome::Garbled
                }
                _ => Outcome::Lost,
            },
            Ok(Ok(Err(exception))) => Outcome::Exception(exception.into()),
            Ok(Ok(Ok(response))) => judge(request, response),
        };
        let link = match outcome {
            Outcome::Garbled | Outcome::TimedOut | Outcome::Lost => LinkAfter::Dropped,
            Outcome::Answer(_) | Outcome::Written | Outcome::Exception(_) => LinkAfter::Kept,
        };
        (outcome, link)
    }
}

/// Connects to `host:port`, or says in words why not.
pub(super) async fn connect(address: &str) -> Result<TcpStream, String> {
    let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
    let stream = match connecting.await {
        Err(_) => Err(ErrorKind::TimedOut.into()),
        Ok(connected) => connected,
    };
    // Without nodelay a request may wait for the acknowledgement of the one before.
    stream
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|error| format!("cannot connect ({error}); check cable, power and address"))
}

fn pdu(request: &Request) -> Pdu<'_> {
    match request {
        Request::Read { table, start, count } => match table {
            Table::Coil => Pdu::ReadCoils(*start, *count),
            Table::DiscreteInput => Pdu::ReadDiscreteInputs(*start, *count),
            Table::HoldingRegister => Pdu::ReadHoldingRegisters(*start, *count),
            Table::InputRegister => Pdu::ReadInputRegisters(*start, *count),
        },
        Request::Write(Write::Coil { address, on }) => Pdu::WriteSingleCoil(*address, *on),
        Request::Write(Write::Coils { address, states }) => {
            Pdu::WriteMultipleCoils(*address, Cow::Borrowed(states))
        }
        Request::Write(Write::Register { address, word }) => Pdu::WriteSingleRegister(*address, *word),
        Request::Write(Write::Registers { address, words }) => {
            Pdu::WriteMultipleRegisters(*address, Cow::Borrowed(words))
        }
    }
}

/// Whether the response answers the request: the library matches transaction, unit and function,
/// but neither lengths nor the echo of a write.
fn judge(request: &Request, response: Response) -> Outcome {
    match (request, response) {
        (
            Request::Read { count, .. },
            Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words),
        ) if words.len() == usize::from(*count) => Outcome::Answer(Answer::Words(words)),
        (
            Request::Read { count, .. },
            Response::ReadCoils(mut bits) | Response::ReadDiscreteInputs(mut bits),
        ) if bits.len() == usize::from(*count).next_multiple_of(8) => {
            bits.truncate(usize::from(*count));
            Outcome::Answer(Answer::Bits(bits))
        }
        (Request::Write(Write::Coil { address, on }), Response::WriteSingleCoil(echo, state))
            if (echo, state) == (*address, *on) =>
        {
            Outcome::Written
        }
        (Request::Write(Write::Coils { address, states }), Response::WriteMultipleCoils(echo, count))
            if echo == *address && usize::from(count) == states.len() =>
        {
            Outcome::Written
        }
        (Request::Write(Write::Register { address, word }), Response::WriteSingleRegister(echo, value))
            if (echo, value) == (*address, *word) =>
        {
            Outcome::Written
        }
        (
            Request::Write(Write::Registers { address, words }),
            Response::WriteMultipleRegisters(echo, count),
        ) if echo == *address && usize::from(count) == words.len() => Outcome::Written,
        _ => Outcome::Garbled,
    }
}
