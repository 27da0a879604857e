//! The task that owns one TCP connection and does what [`Bus`] says.

use crate::clock::Clock;
use crate::modbus::bus::{Bus, Change, Next};
use crate::modbus::command::CommandError;
use crate::modbus::cost::LineCost;
use crate::modbus::device::BusDevice;
use crate::modbus::plan::Read;
use crate::modbus::request::{Answer, LinkAfter, Outcome, Request, Write};
use crate::profile::Table;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::Duration;
use storewarden_rules::{Millis, PointId, Reading};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::{Request as Pdu, Response, Slave};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// One bus: a connection and the devices behind it.
#[derive(Clone, Debug)]
pub struct BusConfig {
    /// Id in the config; for logs.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// Its devices; each unit address once.
    pub devices: Vec<BusDevice>,
}

/// A write to one point.
#[derive(Debug)]
pub struct Command {
    /// What to write.
    pub point: PointId,
    /// The value, in the point's unit; a flag is 0 or 1.
    pub value: f64,
    /// How long it may wait until it is sent.
    pub deadline: Millis,
    /// Where the outcome goes: `Ok` when the device echoed the write. Nobody need listen.
    pub reply: oneshot::Sender<Result<(), CommandError>>,
}

/// Polls the bus until `stop`, or until nobody takes readings any more. Waits while `readings` is
/// full: polls are then skipped, none are lost half-way.
pub async fn run(
    config: BusConfig,
    readings: mpsc::Sender<Vec<Reading>>,
    mut commands: mpsc::Receiver<Command>,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut shell = Shell {
        bus: Bus::new(LineCost::Tcp, config.devices, clock.moment().mono),
        name: config.name,
        address: config.address,
        line: None,
        replies: HashMap::new(),
        clock,
    };
    tokio::select! {
        () = shell.drive(&readings, &mut commands) => {}
        () = stop.cancelled() => {}
    }
    for (_, reply) in shell.replies.drain() {
        let _ = reply.send(Err(CommandError::Stopped));
    }
}

struct Shell {
    bus: Bus,
    name: String,
    address: String,
    line: Option<Context>,
    /// Who waits for which ticket: as many as the bus keeps commands.
    replies: HashMap<u64, oneshot::Sender<Result<(), CommandError>>>,
    clock: Clock,
}

impl Shell {
    async fn drive(&mut self, readings: &mpsc::Sender<Vec<Reading>>, commands: &mut mpsc::Receiver<Command>) {
        loop {
            // Before every step, so that a command waits for at most one request.
            while let Ok(command) = commands.try_recv() {
                self.accept(command);
            }
            match self.bus.next(self.clock.moment()) {
                Next::Report(batch) => {
                    if readings.send(batch).await.is_err() {
                        return;
                    }
                }
                Next::Answer { ticket, result } => {
                    if let Some(reply) = self.replies.remove(&ticket) {
                        let _ = reply.send(result);
                    }
                }
                Next::Changed(change) => self.log(change),
                Next::Connect => {
                    self.line = connect(&self.address).await;
                    self.bus.connected(self.clock.moment(), self.line.is_some());
                }
                Next::Request { device, request } => {
                    let outcome = self.ask(device, &request).await;
                    let link = match outcome {
                        Outcome::Garbled | Outcome::TimedOut | Outcome::Lost => LinkAfter::Dropped,
                        _ => LinkAfter::Kept,
                    };
                    self.bus.done(self.clock.moment(), outcome, link);
                }
                Next::WaitUntil(moment) => {
                    let span = moment.saturating_sub(self.clock.moment().mono);
                    tokio::select! {
                        () = sleep(span) => {}
                        Some(command) = commands.recv() => self.accept(command),
                    }
                }
            }
        }
    }

    fn accept(&mut self, command: Command) {
        let Command { point, value, deadline, reply } = command;
        match self.bus.command(self.clock.moment().mono, point, value, deadline) {
            Ok(ticket) => {
                self.replies.insert(ticket, reply);
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    async fn ask(&mut self, device: usize, request: &Request) -> Outcome {
        let Some(line) = &mut self.line else { return Outcome::Lost };
        let device = self.bus.device(device);
        tokio_modbus::slave::SlaveContext::set_slave(line, Slave(device.unit));
        match timeout(duration(device.timeout()), line.call(pdu(request))).await {
            Err(_) => Outcome::TimedOut,
            Ok(Err(tokio_modbus::Error::Protocol(_))) => Outcome::Garbled,
            // The codec reports a frame that is no Modbus frame as an I/O error.
            Ok(Err(tokio_modbus::Error::Transport(error))) => match error.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                    Outcome::Garbled
                }
                _ => Outcome::Lost,
            },
            Ok(Ok(Err(exception))) => Outcome::Exception(exception.into()),
            Ok(Ok(Ok(response))) => judge(request, response),
        }
    }

    fn log(&self, change: Change) {
        let bus = self.name.as_str();
        match change {
            Change::LinkUp => info!(bus, address = self.address, "connected"),
            Change::LinkDown => {
                warn!(bus, address = self.address, "cannot connect; check cable, power and address");
            }
            Change::DeviceSilent(device) => {
                warn!(bus, device = self.bus.device(device).name, "does not answer");
            }
            Change::DeviceBack(device) => info!(bus, device = self.bus.device(device).name, "answers again"),
            Change::ReadSplit { device, read } => {
                let Read { table, start, count, .. } = read;
                let device = self.bus.device(device).name.as_str();
                info!(bus, device, ?table, start, count, "refuses this read; made in parts from now on");
            }
            Change::PointAbsent { device, point } => {
                let device = self.bus.device(device);
                let point = device.points[point].name.as_str();
                warn!(
                    bus,
                    device = device.name,
                    point,
                    "refused by the device; does the profile fit its model?"
                );
            }
            Change::WatchdogSet(device) => info!(bus, device = self.bus.device(device).name, "watchdog set"),
            Change::WatchdogFailed { device, address, why } => {
                let device = self.bus.device(device).name.as_str();
                error!(bus, device, address, %why, "watchdog not set: its outputs have no safe state");
            }
        }
    }
}

async fn connect(address: &str) -> Option<Context> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await.ok()?.ok()?;
    // Without it a request may wait for the acknowledgement of the one before.
    stream.set_nodelay(true).ok()?;
    Some(tcp::attach(stream))
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

fn duration(span: Millis) -> Duration {
    Duration::from_millis(u64::try_from(span.0).unwrap_or(0))
}
