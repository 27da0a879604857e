//! What happens next on one bus. No socket and no clock: the shell asks [`Bus::next`], does what it
//! is told, and reports how that went.
//!
//! Promises, each with a test: of the polls that are due the one with the earliest deadline goes
//! first, read by read; a command waits for at most the one request under way, is not sent again once it
//! may have been taken, and its outcome is what the point reads afterwards; silent devices cost their
//! neighbours at most 3 % of the line's time; no late answer is taken for another read's; a refusal is
//! read for its meaning; every poll that could not be made still yields a bad reading for each of its
//! points.

use crate::clock::Moment;
use crate::modbus::command::{CommandError, Order, Owner, Stage, target_of};
use crate::modbus::cost::LineCost;
use crate::modbus::device::{BusDevice, Lesson, Polled};
use crate::modbus::fence::Span;
use crate::modbus::health::Health;
use crate::modbus::plan::Read;
use crate::modbus::request::{Answer, LinkAfter, Outcome, Request};
use std::collections::VecDeque;
use std::time::Duration;
use storewarden_rules::{BadReason, Millis, PointId, Reading};

/// Commands kept waiting per device; one more is refused. Per device, so that commands for a dead
/// one cannot shut out its neighbours'.
pub const COMMANDS_MAX: usize = 16;
/// The first pause after a failed connection; each further failure doubles it.
const RECONNECT_FIRST: Duration = Duration::from_millis(500);
/// The longest pause between attempts to connect.
const RECONNECT_MAX: Duration = Duration::from_secs(30);
/// A gateway's word for "the unit behind me is not there": path unavailable, target failed to
/// respond. It is the unit's silence, and costs as much time.
const GATEWAY_EXCEPTIONS: [u8; 2] = [0x0A, 0x0B];
/// "I have taken it and need time", "I am busy with something else".
const BUSY_EXCEPTIONS: [u8; 2] = [0x05, 0x06];
/// Function, address or number of registers is none that the device knows.
const ILLEGAL_EXCEPTIONS: [u8; 3] = [0x01, 0x02, 0x03];
/// A busy device is asked the same again after this.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// And no more often than this in one poll.
const BUSY_MAX: u8 = 5;
/// After a probe in vain none for this many times as long as it took: 3 % of the line's time at most,
/// unless nobody needs the line. The first probe of a device that was sound is beside that.
const PROBE_REST: u32 = 33;

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Hand these on.
    Report(Vec<Reading>),
    /// Tell whoever gave the command of this ticket.
    Answer {
        /// As [`Bus::command`] returned it.
        ticket: u64,
        /// What became of it; `Ok` when the point reads what was written.
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
    WaitUntil(Duration),
}

/// A change of state that an operator wants to know, once.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The connection stands.
    LinkUp,
    /// It cannot be made.
    LinkDown,
    /// The device of this index stopped answering, or what comes from it makes no sense: the reason.
    DeviceSilent(usize, BadReason),
    /// It answers again.
    DeviceBack(usize),
    /// The device refused a read, which is made in parts from now on.
    ReadSplit {
        /// Its index.
        device: usize,
        /// What it refused.
        read: Read,
    },
    /// The device refused a point by itself. It is asked for again in an hour.
    PointAbsent {
        /// Its index.
        device: usize,
        /// Index of the point in [`BusDevice::points`].
        point: usize,
    },
    /// The watchdog of the device of this index holds what the config says.
    WatchdogSet(usize),
    /// It does not.
    WatchdogFailed {
        /// The device's index.
        device: usize,
        /// The holding register that could not be set.
        address: u16,
        /// Why.
        why: CommandError,
    },
}

#[derive(Debug)]
enum Link {
    Up,
    /// Never failed, or dropped on purpose: connect now.
    Reopen,
    /// Could not connect.
    Down {
        retry_at: Duration,
        pause: Duration,
    },
}

#[derive(Debug)]
struct InFlight {
    device: usize,
    sent: Duration,
    purpose: Purpose,
    /// What is read, if it is a read.
    span: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The next read of this job.
    Poll(usize),
    /// To see whether a silent device is back; `free` if that does not count as the silent devices'
    /// share: nobody else needs the line, or it is the first one of a device that was sound.
    Probe { free: bool },
    /// Only that it is answered matters: a fence, or a sign of life for a watchdog.
    Sign,
    /// A step of an order: the first of its device that are under way.
    Order,
}

/// The state of one bus.
#[derive(Debug)]
pub struct Bus {
    line: LineCost,
    devices: Vec<Polled>,
    link: Link,
    link_told: Option<bool>,
    /// Writes, oldest first; of each device one at a time. [`COMMANDS_MAX`] commands a device, and one
    /// register of its watchdog.
    orders: VecDeque<Order>,
    next_ticket: u64,
    in_flight: Option<InFlight>,
    /// Whether the request before was answered.
    answered: bool,
    /// When the last answer (or its lack) came.
    last_frame: Option<Duration>,
    /// No poll begins before this.
    next_due: Duration,
    /// Silent devices have used up their share of the line until then.
    probes_from: Duration,
    /// At most a report per job and change per device, and an answer per command: emptied before
    /// anything else is done.
    out: VecDeque<Next>,
}

impl Bus {
    /// A bus on such a line whose first polls are due `now`.
    pub fn new(line: LineCost, devices: Vec<BusDevice>, now: Duration) -> Self {
        let mut bus = Self {
            line,
            devices: devices.into_iter().map(|device| Polled::new(device, line, now)).collect(),
            link: Link::Reopen,
            link_told: None,
            orders: VecDeque::new(),
            next_ticket: 0,
            in_flight: None,
            answered: false,
            last_frame: None,
            next_due: now,
            probes_from: now,
            out: VecDeque::new(),
        };
        for device in 0..bus.devices.len() {
            bus.set_watchdog(device, 0);
        }
        bus
    }

    /// What to do next. To be called again after each thing done.
    pub fn next(&mut self, now: Moment) -> Next {
        if let Some(out) = self.out.pop_front() {
            return out;
        }
        self.expire_orders(now.mono);
        self.begin_polls(now);
        if let Some(out) = self.out.pop_front() {
            return out;
        }
        match self.link {
            Link::Reopen => Next::Connect,
            Link::Down { retry_at, .. } if now.mono >= retry_at => Next::Connect,
            Link::Down { retry_at, .. } => Next::WaitUntil(self.wake_at(now.mono).min(retry_at)),
            Link::Up => self.request(now),
        }
    }

    /// The attempt to connect is over.
    pub fn connected(&mut self, now: Moment, success: bool) {
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
            Link::Down { pause, .. } => (pause * 2).min(RECONNECT_MAX),
            Link::Up | Link::Reopen => RECONNECT_FIRST,
        };
        self.link = Link::Down { retry_at: now.mono + pause, pause };
        for device in 0..self.devices.len() {
            self.give_up(now, device, BadReason::NoResponse);
        }
    }

    /// The request under way is over, and this became of the line.
    pub fn done(&mut self, now: Moment, outcome: Outcome, link: LinkAfter) {
        let Some(flight) = self.in_flight.take() else { return };
        let outcome = if fits(&outcome, flight.span) { outcome } else { Outcome::Garbled };
        self.last_frame = Some(now.mono);
        if link == LinkAfter::Dropped {
            self.link = Link::Reopen;
        }
        let certain = self.settle(now.mono, &flight, &outcome, link);
        // Many gateways close a connection that was idle for longer than their limit: the first loss
        // after an answer says nothing about the device. A read is asked for once more; a write is not.
        let answers = matches!(outcome, Outcome::Answer(_) | Outcome::Written | Outcome::Exception(_));
        let was_answered = std::mem::replace(&mut self.answered, answers);
        if outcome == Outcome::Lost && was_answered {
            if flight.span.is_none() {
                self.order_done(now, flight.device, &outcome);
            }
            return;
        }
        let missed = match outcome {
            Outcome::TimedOut | Outcome::Lost => Some(BadReason::NoResponse),
            Outcome::Garbled => Some(BadReason::Garbled),
            Outcome::Exception(code) if GATEWAY_EXCEPTIONS.contains(&code) => {
                Some(BadReason::Exception(code))
            }
            _ => None,
        };
        if let Some(reason) = missed {
            if flight.span.is_none() {
                self.order_done(now, flight.device, &outcome);
            }
            return self.missed(now, &flight, reason);
        }
        self.devices[flight.device].answered();
        match flight.purpose {
            Purpose::Poll(job) => self.poll_answered(now, flight.device, job, &outcome, certain),
            Purpose::Probe { .. } => self.probe_answered(now, flight.device),
            Purpose::Sign => {}
            Purpose::Order => self.order_done(now, flight.device, &outcome),
        }
    }

    /// Takes a command that must be sent within `deadline`; the outcome follows as
    /// [`Next::Answer`] with the returned ticket.
    pub fn command(
        &mut self,
        now: Duration,
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
        let target = target_of(&config.points[index], &config.modbus.registers[index], value)?;
        let waits = |order: &&Order| order.device == device && matches!(order.owner, Owner::Command { .. });
        if self.orders.iter().filter(waits).count() >= COMMANDS_MAX {
            return Err(CommandError::QueueFull);
        }
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let until = now + Duration::from_millis(u64::try_from(deadline.0).unwrap_or(0));
        self.orders.push_back(Order::command(ticket, device, index, target, until));
        Ok(ticket)
    }

    /// The device of that index.
    pub fn device(&self, index: usize) -> &BusDevice {
        &self.devices[index].config
    }

    /// Keeps the account of what may still be answered. False if an exception may be another read's.
    fn settle(&mut self, now: Duration, flight: &InFlight, outcome: &Outcome, link: LinkAfter) -> bool {
        // The answers on a TCP connection carry the number of their request: none survives it.
        if link == LinkAfter::Dropped && self.line == LineCost::Tcp {
            self.devices.iter_mut().for_each(|polled| polled.unanswered.clear());
            return true;
        }
        let Some(span) = flight.span else { return true };
        let polled = &mut self.devices[flight.device];
        match outcome {
            Outcome::Answer(_) => polled.unanswered.answered(span, now),
            Outcome::Exception(code) if !GATEWAY_EXCEPTIONS.contains(code) => {
                return polled.unanswered.refused(span, now);
            }
            _ => {
                polled.unanswered.missed(span, now);
                if polled.strange == Some(span) {
                    polled.strange = None;
                }
            }
        }
        true
    }

    fn poll_answered(&mut self, now: Moment, device: usize, job: usize, outcome: &Outcome, certain: bool) {
        let polled = &mut self.devices[device];
        let readings = match *outcome {
            Outcome::Answer(ref answer) => polled.take_answer(now, job, answer),
            Outcome::Exception(code)
                if BUSY_EXCEPTIONS.contains(&code) && polled.jobs[job].busy < BUSY_MAX =>
            {
                polled.jobs[job].busy += 1;
                polled.jobs[job].wait_until = now.mono + BUSY_PAUSE;
                return;
            }
            Outcome::Exception(code) if ILLEGAL_EXCEPTIONS.contains(&code) && certain => {
                match polled.refused(now, job, code) {
                    Some(Lesson::Split(read)) => {
                        self.out.push_back(Next::Changed(Change::ReadSplit { device, read }));
                        Vec::new()
                    }
                    Some(Lesson::Absent { points, readings }) => {
                        let told = |point| Next::Changed(Change::PointAbsent { device, point });
                        self.out.extend(points.into_iter().map(told));
                        readings
                    }
                    None => Vec::new(),
                }
            }
            Outcome::Exception(code) => polled.skip(now, job, BadReason::Exception(code)),
            _ => polled.skip(now, job, BadReason::Garbled),
        };
        self.report(readings);
        let polled = &mut self.devices[device];
        self.next_due = self.next_due.min(polled.jobs[job].due);
        if !polled.health.is_online() && polled.is_whole() {
            polled.health.answered();
            self.out.push_back(Next::Changed(Change::DeviceBack(device)));
        }
    }

    /// It is there: its polls begin at once, and so does the setting of its watchdog, which it may have
    /// lost with its power.
    fn probe_answered(&mut self, now: Moment, device: usize) {
        let polled = &mut self.devices[device];
        polled.health.probed();
        polled.begin_all(now.mono);
        if polled.is_whole() {
            polled.health.answered();
            self.out.push_back(Next::Changed(Change::DeviceBack(device)));
        }
        self.set_watchdog(device, 0);
    }

    fn missed(&mut self, now: Moment, flight: &InFlight, reason: BadReason) {
        let device = flight.device;
        let polled = &mut self.devices[device];
        let gateway = matches!(reason, BadReason::Exception(_));
        if !gateway && polled.forgives() {
            // Once more, after all that is due now: the neighbours wait for one time-out, not for two.
            if let Purpose::Poll(job) = flight.purpose {
                polled.jobs[job].put_off(now.mono);
            }
            return;
        }
        let in_vain = match flight.purpose {
            Purpose::Probe { free } => !free,
            _ => !polled.health.is_online(),
        };
        if in_vain {
            let rest = (now.mono - flight.sent) * PROBE_REST;
            self.probes_from = self.probes_from.max(now.mono + rest);
        }
        let news = polled.missed(now.mono, reason);
        self.orders.retain(|order| order.device != device || matches!(order.owner, Owner::Command { .. }));
        self.give_up(now, device, reason);
        if news {
            self.out.push_back(Next::Changed(Change::DeviceSilent(device, reason)));
        }
    }

    /// The running polls of the device bring nothing.
    fn give_up(&mut self, now: Moment, device: usize, reason: BadReason) {
        for job in 0..self.devices[device].jobs.len() {
            if self.devices[device].jobs[job].runs() {
                let readings = self.devices[device].give_up(now, job, reason);
                self.report(readings);
                self.next_due = self.next_due.min(self.devices[device].jobs[job].due);
            }
        }
    }

    fn report(&mut self, readings: Vec<Reading>) {
        if !readings.is_empty() {
            self.out.push_back(Next::Report(readings));
        }
    }

    /// The step of the device's first order is over.
    fn order_done(&mut self, now: Moment, device: usize, outcome: &Outcome) {
        let Some(index) = self.orders.iter().position(|order| order.device == device) else { return };
        let order = &mut self.orders[index];
        let result = match (order.stage, outcome) {
            (Stage::Look, Outcome::Answer(Answer::Words(there))) => order.looked(there).then_some(Ok(())),
            (Stage::Look, Outcome::Exception(code))
                if BUSY_EXCEPTIONS.contains(code) && order.waits(now.mono) =>
            {
                None
            }
            (Stage::Look, Outcome::Exception(code)) => Some(Err(CommandError::Exception(*code))),
            (Stage::Look, _) => None,
            // Taken, or being taken.
            (Stage::Write, Outcome::Written | Outcome::Exception(0x05)) => {
                order.sent(now.mono, true);
                None
            }
            (Stage::Write, Outcome::Exception(0x06)) if order.put_off(now.mono) => None,
            (Stage::Write, Outcome::Exception(code)) if !GATEWAY_EXCEPTIONS.contains(code) => {
                Some(Err(CommandError::Exception(*code)))
            }
            (Stage::Write, _) => {
                order.sent(now.mono, false);
                None
            }
            (Stage::Check { .. }, Outcome::Answer(answer)) => match (order.owner, answer) {
                (Owner::Command { point, .. }, answer) => {
                    let polled = &self.devices[device];
                    let sample = polled.sample(point, answer);
                    let result = order.checked(now.mono, sample.and_then(|sample| sample.good()));
                    let id = polled.config.wanted.iter().find(|(_, index)| *index == point);
                    if let (Some(sample), Some((point, _))) = (sample, id) {
                        self.report(vec![Reading { point: *point, at: now.utc, sample }]);
                    }
                    result
                }
                (Owner::Watchdog { .. }, Answer::Words(words)) => {
                    order.checked(now.mono, words.first().copied().map(f64::from))
                }
                (Owner::Watchdog { .. }, Answer::Bits(_)) => order.checked(now.mono, None),
            },
            (Stage::Check { .. }, _) => order.checked(now.mono, None),
        };
        if let Some(result) = result {
            self.order_over(index, result);
        }
    }

    fn order_over(&mut self, index: usize, result: Result<(), CommandError>) {
        let Some(order) = self.orders.remove(index) else { return };
        let device = order.device;
        match (order.owner, result) {
            (Owner::Command { ticket, .. }, result) => self.out.push_back(Next::Answer { ticket, result }),
            (Owner::Watchdog { step }, Ok(())) => {
                if !self.set_watchdog(device, step + 1) {
                    self.out.push_back(Next::Changed(Change::WatchdogSet(device)));
                }
            }
            (Owner::Watchdog { step }, Err(why)) => {
                let address = self.devices[device].config.watchdog_registers().get(step).map(|(at, _)| *at);
                let address = address.unwrap_or_default();
                self.out.push_back(Next::Changed(Change::WatchdogFailed { device, address, why }));
            }
        }
    }

    /// Orders the nth register of the device's watchdog to be set. False if there is none.
    fn set_watchdog(&mut self, device: usize, step: usize) -> bool {
        let register = self.devices[device].config.watchdog_registers().get(step).copied();
        self.orders.extend(register.map(|register| Order::watchdog(step, device, register)));
        register.is_some()
    }

    fn expire_orders(&mut self, now: Duration) {
        while let Some(index) = self.orders.iter().position(|order| now >= order.until) {
            let error = self.orders[index].overdue();
            self.order_over(index, Err(error));
        }
    }

    fn begin_polls(&mut self, now: Moment) {
        if now.mono < self.next_due {
            return;
        }
        let linked = !matches!(self.link, Link::Down { retry_at, .. } if now.mono < retry_at);
        self.next_due = Duration::MAX;
        for device in 0..self.devices.len() {
            for job in 0..self.devices[device].jobs.len() {
                let readings = self.devices[device].begin_if_due(now, job, linked);
                self.report(readings);
                self.next_due = self.next_due.min(self.devices[device].jobs[job].due);
            }
        }
    }

    /// The next request: a write half done, the oldest order that may go, a sign of life, a probe that
    /// the silent devices' share allows, the poll with the earliest deadline, or a probe on an idle line.
    fn request(&mut self, now: Moment) -> Next {
        loop {
            let Some((device, purpose)) = self.choose(now.mono) else {
                return Next::WaitUntil(self.wake_at(now.mono));
            };
            let polled = &mut self.devices[device];
            if let Some(last_frame) = self.last_frame {
                let quiet = last_frame + self.line.quiet(&polled.config.modbus);
                if now.mono < quiet {
                    return Next::WaitUntil(quiet);
                }
            }
            polled.unanswered.expire(now.mono);
            let order = self.orders.iter().find(|order| order.device == device);
            let wanted = match (purpose, order) {
                (Purpose::Order, Some(order)) if order.stage == Stage::Write => {
                    let request = Request::Write(order.write());
                    polled.asked = now.mono;
                    self.in_flight = Some(InFlight { device, sent: now.mono, purpose, span: None });
                    return Next::Request { device, request };
                }
                (Purpose::Order, order) => order.map(|order| order.span(&polled.config)),
                (Purpose::Poll(job), _) => polled.jobs[job].read().map(|read| {
                    let &Read { table, start, count, .. } = read;
                    Span { table, start, count }
                }),
                (Purpose::Probe { .. } | Purpose::Sign, _) => polled.probe(),
            };
            let (span, purpose) = match wanted {
                Some(span) if polled.unanswered.allows(&span) => (Some(span), purpose),
                Some(span) => (polled.fence(&span), Purpose::Sign),
                None => (None, purpose),
            };
            if let Some(span) = span {
                polled.asked = now.mono;
                self.in_flight = Some(InFlight { device, sent: now.mono, purpose, span: Some(span) });
                let Span { table, start, count } = span;
                return Next::Request { device, request: Request::Read { table, start, count } };
            }
            // Nothing that could not be misunderstood is left to ask: wait until nothing is late any more.
            polled.held_until = polled.unanswered.clear_at().unwrap_or(now.mono) + Duration::from_micros(1);
            self.give_up(now, device, BadReason::NoResponse);
            if let Some(out) = self.out.pop_front() {
                return out;
            }
        }
    }

    fn choose(&self, now: Duration) -> Option<(usize, Purpose)> {
        if let Some(device) = self.order_ready(now) {
            return Some((device, Purpose::Order));
        }
        let lonely = |polled: &&Polled| polled.is_polled(now) && polled.lonely_at() <= now;
        if let Some(device) = self.devices.iter().position(|polled| lonely(&polled)) {
            return Some((device, Purpose::Sign));
        }
        let probe = self.probe_due(now);
        if let Some(device) = probe
            && let free = self.devices[device].health.is_news()
            && (free || now >= self.probes_from)
        {
            return Some((device, Purpose::Probe { free }));
        }
        let mut first: Option<(Duration, usize, usize)> = None;
        for (device, polled) in self.devices.iter().enumerate() {
            for (index, job) in polled.jobs.iter().enumerate() {
                if job.runs()
                    && job.wait_until <= now
                    && first.is_none_or(|(deadline, ..)| job.deadline < deadline)
                {
                    first = Some((job.deadline, device, index));
                }
            }
        }
        if let Some((_, device, job)) = first {
            return Some((device, Purpose::Poll(job)));
        }
        let device = probe?;
        let over = now + self.devices[device].timeout + self.line.gap();
        let ordered = self.orders.iter().any(|order| self.devices[order.device].is_polled(now));
        let needed = self.devices.iter().filter(|polled| polled.health.silence().is_none()).any(|polled| {
            polled.jobs.iter().any(|job| if job.runs() { job.wait_until < over } else { job.due < over })
        });
        (!ordered && !needed).then_some((device, Purpose::Probe { free: true }))
    }

    /// The device whose order goes next: one that looked goes on before anything else is asked, else
    /// the oldest; of each device the first.
    fn order_ready(&self, now: Duration) -> Option<usize> {
        let ready = |index: usize| {
            let order = &self.orders[index];
            order.wait_until <= now
                && self.devices[order.device].is_polled(now)
                && self.orders.iter().take(index).all(|before| before.device != order.device)
        };
        let mut all = (0..self.orders.len()).filter(|index| ready(*index));
        let first = all.next()?;
        let half_done = |index: &usize| self.orders[*index].is_half_done();
        let chosen = std::iter::once(first).chain(all).find(half_done).unwrap_or(first);
        Some(self.orders[chosen].device)
    }

    /// The silent device to probe next: of those whose pause is over the one with the shortest, as it
    /// answered most recently; then the one that has waited longest.
    fn probe_due(&self, now: Duration) -> Option<usize> {
        let due = |(device, polled): (usize, &Polled)| match polled.health {
            Health::Silent { pause, probe_at, .. } if probe_at <= now && polled.held_until <= now => {
                Some((pause, probe_at, device))
            }
            _ => None,
        };
        self.devices.iter().enumerate().filter_map(due).min().map(|(.., device)| device)
    }

    /// When something becomes due by itself.
    fn wake_at(&self, now: Duration) -> Duration {
        let mut wake = self.next_due.min(now + RECONNECT_MAX);
        let mut at = |moment: Duration| {
            if moment > now {
                wake = wake.min(moment);
            }
        };
        for order in &self.orders {
            at(order.until);
            at(order.wait_until);
        }
        for polled in &self.devices {
            at(polled.held_until);
            match polled.health {
                Health::Silent { probe_at, .. } => {
                    at(probe_at);
                    at(probe_at.max(self.probes_from));
                }
                Health::Online { .. } | Health::Returning { .. } => {
                    at(polled.lonely_at());
                    polled.jobs.iter().filter(|job| job.runs()).for_each(|job| at(job.wait_until));
                }
            }
        }
        wake
    }
}

/// Whether the outcome can be one of the request: registers or bits as many as were asked for, or the
/// echo of a write.
fn fits(outcome: &Outcome, span: Option<Span>) -> bool {
    match (outcome, span) {
        (Outcome::Answer(Answer::Words(words)), Some(span)) => {
            !span.table.is_bits() && words.len() == usize::from(span.count)
        }
        (Outcome::Answer(Answer::Bits(bits)), Some(span)) => {
            span.table.is_bits() && bits.len() == usize::from(span.count)
        }
        (Outcome::Written, span) => span.is_none(),
        (Outcome::Answer(_), None) => false,
        _ => true,
    }
}

#[cfg(test)]
#[path = "bus_tests.rs"]
mod tests;
