//! The task that owns one line and does what [`Bus`] says.

use crate::clock::{Clock, wait_until};
use crate::keep::{Beat, Inlet, Tie};
use crate::modbus::bus::{Bus, Change, Next};
use crate::modbus::command::CommandError;
use crate::modbus::cost::LineCost;
use crate::modbus::device::BusDevice;
use crate::modbus::line::{Line, Transport};
use crate::modbus::plan::Read;
use crate::modbus::request::{LinkAfter, Outcome, exception_meaning};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use storewarden_rules::{BadReason, Millis, PointId, Reading};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

/// One bus: a line and the devices on it.
#[derive(Clone, Debug)]
pub struct BusConfig {
    /// Id in the config; for logs.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// What a request costs on it.
    pub cost: LineCost,
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
    /// Where the outcome goes: `Ok` when the point reads what was written. Nobody need listen.
    pub reply: oneshot::Sender<Result<(), CommandError>>,
}

/// Polls the bus until the `tie` says stop, or until nobody takes readings any more. Waits while `readings` is
/// full: polls are then skipped, none are lost half-way.
///
/// A serial bus runs on a thread of its own. The silence between two frames is a few milliseconds,
/// tokio's timer keeps a wait to one millisecond at best, and a task also waits for its turn among
/// the others: at 9600 baud that is a tenth of a short exchange. A thread that has nothing else to do
/// may sleep to some 0.1 ms. A TCP bus has no such silence to keep.
///
/// # Panics
///
/// If no thread can be started.
pub async fn run(
    config: BusConfig,
    readings: mpsc::Sender<Vec<Reading>>,
    commands: impl Into<Inlet<Command>>,
    clock: Clock,
    tie: impl Into<Tie>,
) {
    let (commands, tie) = (commands.into(), tie.into());
    if !matches!(config.transport, Transport::Serial { .. }) {
        return poll(config, readings, commands, clock, tie).await;
    }
    // Ends the thread when this future is dropped.
    let tie = Tie { stop: tie.stop.child_token(), ..tie };
    let _stop_with_us = tie.stop.clone().drop_guard();
    let (ended_sender, ended) = oneshot::channel::<()>();
    let thread = std::thread::Builder::new().name(config.name.clone()).spawn(move || {
        // Dropped at the end, also at that of a panic.
        let _ended = ended_sender;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(poll(config, readings, commands, clock, tie));
    });
    let thread = thread.expect("a thread");
    let _ = ended.await;
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

async fn poll(
    config: BusConfig,
    readings: mpsc::Sender<Vec<Reading>>,
    commands: Inlet<Command>,
    clock: Clock,
    tie: Tie,
) {
    let mut commands = commands.take().await;
    let mut shell = Shell {
        bus: Bus::new(config.cost, config.devices, clock.moment().mono),
        name: config.name,
        own_thread: matches!(config.transport, Transport::Serial { .. }),
        transport: config.transport,
        line: None,
        trouble: String::new(),
        replies: HashMap::new(),
        clock,
    };
    tokio::select! {
        () = shell.drive(&readings, &mut commands, &tie.beat) => {}
        () = tie.stop.cancelled() => {}
    }
    for (_, reply) in shell.replies.drain() {
        let _ = reply.send(Err(CommandError::Stopped));
    }
}

struct Shell {
    bus: Bus,
    name: String,
    own_thread: bool,
    transport: Transport,
    line: Option<Line>,
    /// Why the line could not be opened.
    trouble: String,
    /// Who waits for which ticket: as many as the bus keeps commands.
    replies: HashMap<u64, oneshot::Sender<Result<(), CommandError>>>,
    clock: Clock,
}

impl Shell {
    async fn drive(
        &mut self,
        readings: &mpsc::Sender<Vec<Reading>>,
        commands: &mut mpsc::Receiver<Command>,
        beat: &Beat,
    ) {
        // Read again after each wait only.
        let mut now = self.clock.moment();
        loop {
            beat.give().await;
            // Before every step, so that a command waits for at most one request.
            while let Ok(command) = commands.try_recv() {
                self.accept(command);
            }
            match self.bus.next(now) {
                Next::Report(batch) => {
                    if readings.send(batch).await.is_err() {
                        return;
                    }
                }
                Next::Answer { ticket, result } => {
                    if let Some(reply) = self.replies.remove(&ticket) {
                        let _ = reply.send(result);
                    }
                    continue;
                }
                Next::Changed(change) => {
                    self.log(change);
                    continue;
                }
                Next::Connect => {
                    let opened = Line::open(&self.name, &self.transport).await;
                    self.line = opened.map_err(|trouble| self.trouble = trouble).ok();
                    self.bus.connected(self.clock.moment(), self.line.is_some());
                }
                Next::Request { device, request } => {
                    let (outcome, link) = match &mut self.line {
                        Some(line) => {
                            let device = self.bus.device(device);
                            line.ask(device.unit, &request, duration(device.timeout())).await
                        }
                        None => (Outcome::Lost, LinkAfter::Dropped),
                    };
                    if link == LinkAfter::Dropped {
                        self.line = None;
                    }
                    now = self.clock.moment();
                    self.bus.done(now, outcome, link);
                    continue;
                }
                Next::WaitUntil(moment) => {
                    let left = moment.saturating_sub(self.clock.moment().mono).min(Beat::EVERY);
                    tokio::select! {
                        () = wait_until(Instant::now() + left, self.own_thread) => {}
                        Some(command) = commands.recv() => self.accept(command),
                    }
                }
            }
            now = self.clock.moment();
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

    fn log(&self, change: Change) {
        let bus = self.name.as_str();
        match change {
            Change::LinkUp => info!(bus, line = %self.transport, "connected"),
            Change::LinkDown => warn!(bus, line = %self.transport, "{}", self.trouble),
            Change::DeviceSilent(device, reason) => {
                let device = self.bus.device(device).name.as_str();
                match reason {
                    BadReason::Garbled => {
                        warn!(bus, device, "its answers are garbled; two devices of one address, or noise?");
                    }
                    BadReason::Exception(code) => {
                        let why = exception_meaning(code);
                        warn!(bus, device, why, "does not answer; check its power, cable and address");
                    }
                    _ => warn!(bus, device, "does not answer; check its power, cable and address"),
                }
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
                error!(
                    bus,
                    device,
                    address,
                    %why,
                    "watchdog not set, its outputs have no safe state; do profile and firmware fit the device?"
                );
            }
        }
    }
}

fn duration(span: Millis) -> Duration {
    Duration::from_millis(u64::try_from(span.0).unwrap_or(0))
}
