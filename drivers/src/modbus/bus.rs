//! What happens next on one bus. No socket and no clock: the shell asks [`Bus::next`], does what it
//! is told, and reports how that went.
//!
//! Promises, each with a test: a device's poll begins at its interval and devices take turns read by
//! read; a silent device is asked once per pause and costs its neighbours nothing else; a command
//! waits for at most the one request under way; every poll that could not be made still yields a
//! bad reading for each of its points.

use crate::modbus::command::{CommandError, write_of};
use crate::modbus::device::{BusDevice, Polled};
use crate::modbus::health::Health;
use crate::modbus::plan::Read;
use crate::modbus::request::{LinkAfter, Outcome, Request, Write};
use std::collections::VecDeque;
use storewarden_rules::{BadReason, Millis, Mono, Now, PointId, Reading};

/// Commands kept waiting per device; one more is refused. Per device, so that commands for a dead
/// one cannot shut out its neighbours'.
pub const COMMANDS_MAX: usize = 16;
/// The first pause after a failed connection; each further failure doubles it.
const RECONNECT_FIRST: Millis = Millis(500);
/// The longest pause between attempts to connect.
const RECONNECT_MAX: Millis = Millis(30_000);
/// A gateway's word for "the unit behind me is not there": path unavailable, target failed to
/// respond. It is the unit's silence, and costs as much time.
const GATEWAY_EXCEPTIONS: [u8; 2] = [0x0A, 0x0B];

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Hand these on.
    Report(Vec<Reading>),
    /// Tell whoever gave the command of this ticket.
    Answer {
        /// As [`Bus::command`] returned it.
        ticket: u64,
        /// What became of it.
        result: Result<(), CommandError>,
    },
    /// Log this.
    Changed(Change),
    /// Connect, then call [`Bus::connected`].
    Connect,
    /// Send, wait for the answer or the device's time-out, then call [`Bus::done`].
    Request {
        /// Index of the device in the bus's list.
        device: usize,
        /// What to send.
        request: Request,
    },
    /// Nothing to do before this moment or the next command.
    WaitUntil(Mono),
}

/// A change of state that an operator wants to know, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The connection stands.
    LinkUp,
    /// It cannot be made.
    LinkDown,
    /// The device of this index stopped answering.
    DeviceSilent(usize),
    /// It answers again.
    DeviceBack(usize),
}

#[derive(Debug)]
enum Link {
    Up,
    /// Never failed, or dropped on purpose: connect now.
    Reopen,
    /// Could not connect.
    Down {
        retry_at: Mono,
        pause: Millis,
    },
}

#[derive(Debug)]
struct Queued {
    ticket: u64,
    device: usize,
    write: Write,
    until: Mono,
}

#[derive(Debug)]
enum InFlight {
    Poll { device: usize },
    Command { device: usize, ticket: u64 },
}

/// The state of one bus.
#[derive(Debug)]
pub struct Bus {
    devices: Vec<Polled>,
    link: Link,
    link_told: Option<bool>,
    commands: VecDeque<Queued>,
    next_ticket: u64,
    in_flight: Option<InFlight>,
    /// Whether the request before was answered.
    answered: bool,
    /// The device whose turn it is.
    turn: usize,
    /// When the last answer (or its lack) came.
    last_frame: Option<Mono>,
    /// At most a report and a change per device, and an answer per command: emptied before anything
    /// else is done.
    out: VecDeque<Next>,
}

impl Bus {
    /// A bus whose first polls are due `now`.
    pub fn new(devices: Vec<BusDevice>, now: Mono) -> Self {
        Self {
            devices: devices.into_iter().map(|device| Polled::new(device, now)).collect(),
            link: Link::Reopen,
            link_told: None,
            commands: VecDeque::new(),
            next_ticket: 0,
            in_flight: None,
            answered: false,
            turn: 0,
            last_frame: None,
            out: VecDeque::new(),
        }
    }

    /// What to do next. To be called again after each thing done.
    pub fn next(&mut self, now: Now) -> Next {
        self.expire_commands(now.mono);
        self.begin_polls(now);
        if let Some(out) = self.out.pop_front() {
            return out;
        }
        match self.link {
            Link::Reopen => Next::Connect,
            Link::Down { retry_at, .. } if now.mono >= retry_at => Next::Connect,
            Link::Down { retry_at, .. } => Next::WaitUntil(self.wake_at(now.mono).min(retry_at)),
            Link::Up => self.request(now.mono),
        }
    }

    /// The attempt to connect is over.
    pub fn connected(&mut self, now: Now, success: bool) {
        if self.link_told != Some(success) {
            self.link_told = Some(success);
            let change = if success { Change::LinkUp } else { Change::LinkDown };
            self.out.push_back(Next::Changed(change));
        }
        if success {
            self.link = Link::Up;
            return;
        }
        let pause = match self.link {
            Link::Down { pause, .. } => Millis(pause.0 * 2).min(RECONNECT_MAX),
            Link::Up | Link::Reopen => RECONNECT_FIRST,
        };
        self.link = Link::Down { retry_at: now.mono + pause, pause };
        for device in 0..self.devices.len() {
            self.abandon(now, device, BadReason::NoResponse);
        }
    }

    /// The request under way is over, and this became of the line.
    pub fn done(&mut self, now: Now, outcome: Outcome, link: LinkAfter) {
        let Some(in_flight) = self.in_flight.take() else { return };
        self.last_frame = Some(now.mono);
        if link == LinkAfter::Dropped {
            self.link = Link::Reopen;
        }
        // Many gateways close a connection that was idle for longer than their limit: the first loss
        // after an answer says nothing about the device. A read is asked for once more; a write is not.
        let answers = matches!(outcome, Outcome::Answer(_) | Outcome::Written | Outcome::Exception(_));
        let was_answered = std::mem::replace(&mut self.answered, answers);
        if let (Outcome::Lost, InFlight::Poll { .. }, true) = (&outcome, &in_flight, was_answered) {
            return;
        }
        let silent = match outcome {
            Outcome::TimedOut | Outcome::Lost => Some(BadReason::NoResponse),
            Outcome::Exception(code) if GATEWAY_EXCEPTIONS.contains(&code) => {
                Some(BadReason::Exception(code))
            }
            _ => None,
        };
        let device = match in_flight {
            InFlight::Command { device, ticket } => {
                let result = match outcome {
                    Outcome::Written => Ok(()),
                    Outcome::Exception(code) => Err(CommandError::Exception(code)),
                    Outcome::TimedOut | Outcome::Lost => Err(CommandError::NoAnswer),
                    Outcome::Answer(_) | Outcome::Garbled => Err(CommandError::Garbled),
                };
                self.out.push_back(Next::Answer { ticket, result });
                device
            }
            InFlight::Poll { device } => {
                if silent.is_none() {
                    self.poll_answered(now, device, &outcome);
                }
                device
            }
        };
        if let Some(reason) = silent {
            self.abandon(now, device, reason);
            if self.devices[device].health.missed(now.mono) {
                self.out.push_back(Next::Changed(Change::DeviceSilent(device)));
            }
        }
    }

    /// Takes a command that must be sent within `deadline`; the outcome follows as
    /// [`Next::Answer`] with the returned ticket.
    pub fn command(
        &mut self,
        now: Mono,
        point: PointId,
        value: f64,
        deadline: Millis,
    ) -> Result<u64, CommandError> {
        let (device, index) = self
            .devices
            .iter()
            .enumerate()
            .find_map(|(device, polled)| {
                let (_, index) = polled.config.wanted.iter().find(|(id, _)| *id == point)?;
                Some((device, *index))
            })
            .ok_or(CommandError::NotHere)?;
        let config = &self.devices[device].config;
        let write = write_of(&config.points[index], &config.modbus.registers[index], value)?;
        if self.commands.iter().filter(|queued| queued.device == device).count() >= COMMANDS_MAX {
            return Err(CommandError::QueueFull);
        }
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.commands.push_back(Queued { ticket, device, write, until: now + deadline });
        Ok(ticket)
    }

    /// The device of that index.
    pub fn device(&self, index: usize) -> &BusDevice {
        &self.devices[index].config
    }

    fn poll_answered(&mut self, now: Now, device: usize, outcome: &Outcome) {
        let polled = &mut self.devices[device];
        let readings = match outcome {
            Outcome::Answer(answer) => polled.take_answer(now, answer),
            Outcome::Exception(code) => polled.skip(now, BadReason::Exception(*code)),
            _ => polled.skip(now, BadReason::Garbled),
        };
        self.out.push_back(Next::Report(readings));
        if polled.read().is_none() && polled.health.answered() {
            self.out.push_back(Next::Changed(Change::DeviceBack(device)));
        }
    }

    fn abandon(&mut self, now: Now, device: usize, reason: BadReason) {
        let readings = self.devices[device].abandon(now, reason);
        if !readings.is_empty() {
            self.out.push_back(Next::Report(readings));
        }
    }

    fn expire_commands(&mut self, now: Mono) {
        let Self { commands, out, .. } = self;
        commands.retain(|queued| {
            let in_time = now < queued.until;
            if !in_time {
                let result = Err(CommandError::TooLate);
                out.push_back(Next::Answer { ticket: queued.ticket, result });
            }
            in_time
        });
    }

    fn begin_polls(&mut self, now: Now) {
        let waiting = matches!(self.link, Link::Down { retry_at, .. } if now.mono < retry_at);
        for device in 0..self.devices.len() {
            let polled = &mut self.devices[device];
            if polled.begin_if_due(now.mono) && (waiting || !polled.health.may_ask(now.mono)) {
                self.abandon(now, device, BadReason::NoResponse);
            }
        }
    }

    /// The next request: the oldest command whose device may be asked, else the device whose turn
    /// it is.
    fn request(&mut self, now: Mono) -> Next {
        let command = self.commands.iter().position(|queued| self.devices[queued.device].health.may_ask(now));
        let device = match command {
            Some(index) => Some(self.commands[index].device),
            None => self.next_in_turn(),
        };
        let Some(device) = device else { return Next::WaitUntil(self.wake_at(now)) };
        if let Some(last_frame) = self.last_frame {
            let guard = Millis(i64::from(self.devices[device].config.modbus.guard_ms));
            if now < last_frame + guard {
                return Next::WaitUntil(last_frame + guard);
            }
        }
        if let Some(queued) = command.and_then(|index| self.commands.remove(index)) {
            self.in_flight = Some(InFlight::Command { device, ticket: queued.ticket });
            return Next::Request { device, request: Request::Write(queued.write) };
        }
        let read = self.devices[device].read().expect("next_in_turn names a device with a read");
        let &Read { table, start, count, .. } = read;
        self.in_flight = Some(InFlight::Poll { device });
        self.turn = device + 1;
        Next::Request { device, request: Request::Read { table, start, count } }
    }

    fn next_in_turn(&self) -> Option<usize> {
        let count = self.devices.len();
        (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|device| self.devices[*device].read().is_some())
    }

    /// When something becomes due by itself.
    fn wake_at(&self, now: Mono) -> Mono {
        let polls = self.devices.iter().map(|polled| polled.due);
        let commands = self.commands.iter().map(|queued| queued.until);
        let probes = self.commands.iter().filter_map(|queued| match self.devices[queued.device].health {
            Health::Silent { probe_at, .. } => Some(probe_at),
            Health::Online => None,
        });
        polls.chain(commands).chain(probes.filter(|at| *at > now)).min().unwrap_or(now + RECONNECT_MAX)
    }
}

#[cfg(test)]
#[path = "bus_tests.rs"]
mod tests;
