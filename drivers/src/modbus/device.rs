//! One device of a bus: when its polls are due, which reads are left of the running one, and what
//! an answer means for its points.

use crate::modbus::cost::LineCost;
use crate::modbus::health::Health;
use crate::modbus::plan::{Cut, Read, plan};
use crate::modbus::request::Answer;
use crate::modbus::words::{decode, decode_bit};
use crate::profile::{Modbus, Pace, Point, Register};
use std::time::Duration;
use storewarden_rules::{BadReason, Millis, Mono, Now, PointId, Reading, Sample};

/// How often each of a device's points is read: from one poll to the next, by its pace. Zero is as fast
/// as the line allows once everything else was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polls {
    /// [`Pace::Fast`].
    pub fast: Duration,
    /// [`Pace::Normal`].
    pub normal: Duration,
    /// [`Pace::Slow`].
    pub slow: Duration,
}

impl Polls {
    /// The same interval for all.
    pub const fn every(interval: Duration) -> Self {
        Self { fast: interval, normal: interval, slow: interval }
    }

    /// The interval of this pace.
    pub fn of(&self, pace: Pace) -> Duration {
        match pace {
            Pace::Fast => self.fast,
            Pace::Normal => self.normal,
            Pace::Slow => self.slow,
        }
    }
}

/// What the outputs of a device shall do when nobody talks to it any more ([`Modbus::watchdog`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Safe {
    /// How long nobody may have talked to it.
    pub after: Duration,
    /// The state to take, by the index of the output's point.
    pub outputs: Vec<(usize, bool)>,
}

/// A device and what is wanted of it.
#[derive(Clone, Debug)]
pub struct BusDevice {
    /// Id in the config; for logs.
    pub name: String,
    /// Unit address, 1 to 247; over TCP any.
    pub unit: u8,
    /// Its limits and where its points are.
    pub modbus: Modbus,
    /// Its points, in the order of `modbus.registers`.
    pub points: Vec<Point>,
    /// How often they are read.
    pub polls: Polls,
    /// Longest wait for an answer, where the store's line is slower than the profile thinks.
    pub timeout: Option<Millis>,
    /// What its watchdog is set to; none leaves it as it is. Only where the profile has one.
    pub safe: Option<Safe>,
    /// What to read: whose value, and its index in `points`.
    pub wanted: Vec<(PointId, usize)>,
}

impl BusDevice {
    /// Longest wait for an answer: the config's word, else the profile's.
    pub fn timeout(&self) -> Millis {
        self.timeout.unwrap_or(Millis(i64::from(self.modbus.timeout_ms)))
    }

    /// The reads that bring its points of this pace. Each read's `points` are numbers in `wanted`;
    /// those for which `left_out` is true are not read.
    pub fn reads(
        &self,
        line: LineCost,
        pace: Pace,
        cuts: &[Cut],
        left_out: impl Fn(usize) -> bool,
    ) -> Vec<Read> {
        let points: Vec<_> = self
            .wanted
            .iter()
            .enumerate()
            .filter(|(number, (_, index))| self.points[*index].pace == pace && !left_out(*number))
            .map(|(number, (_, index))| (number, &self.modbus.registers[*index]))
            .collect();
        plan(&self.modbus, line, &points, cuts)
    }
}

/// A device being polled.
#[derive(Debug)]
pub(super) struct Polled {
    pub config: BusDevice,
    pub health: Health,
    /// When the next poll begins.
    pub due: Mono,
    reads: Vec<Read>,
    /// Index of the next read of the running poll; `reads.len()` when none runs.
    next_read: usize,
}

impl Polled {
    /// A device whose first poll is due `now`.
    pub fn new(config: BusDevice, now: Mono) -> Self {
        let points: Vec<_> = config
            .wanted
            .iter()
            .enumerate()
            .map(|(number, (_, index))| (number, &config.modbus.registers[*index]))
            .collect();
        let reads = plan(&config.modbus, LineCost::Tcp, &points, &[]);
        let next_read = reads.len();
        Self { config, health: Health::Online, due: now, reads, next_read }
    }

    /// Begins a poll if it is time. A poll that is still running at the next one's time takes that
    /// one's place: a slow line skips polls, it does not pile them up.
    pub fn begin_if_due(&mut self, now: Mono) -> bool {
        if now < self.due {
            return false;
        }
        self.due = match i64::try_from(self.config.polls.normal.as_millis()).unwrap_or(i64::MAX) {
            0 => now,
            poll => self.due + Millis(poll * (1 + (now - self.due).0 / poll)),
        };
        if self.read().is_some() {
            return false;
        }
        self.next_read = 0;
        true
    }

    /// The next read of the running poll.
    pub fn read(&self) -> Option<&Read> {
        self.reads.get(self.next_read)
    }

    /// The readings of the read under way, and on to the next one.
    pub fn take_answer(&mut self, now: Now, answer: &Answer) -> Vec<Reading> {
        self.take(now, |config, read, index| {
            config.points[index].plausible(sample(&config.modbus.registers[index], read, answer))
        })
    }

    /// The read under way brought nothing, and on to the next one.
    pub fn skip(&mut self, now: Now, reason: BadReason) -> Vec<Reading> {
        self.take(now, |_, _, _| Sample::Bad(reason))
    }

    /// The rest of the running poll brings nothing.
    pub fn abandon(&mut self, now: Now, reason: BadReason) -> Vec<Reading> {
        let mut readings = Vec::new();
        while self.read().is_some() {
            readings.extend(self.skip(now, reason));
        }
        readings
    }

    fn take(&mut self, now: Now, sample: impl Fn(&BusDevice, &Read, usize) -> Sample) -> Vec<Reading> {
        let Some(read) = self.reads.get(self.next_read) else { return Vec::new() };
        self.next_read += 1;
        let reading = |number: &usize| {
            let (point, index) = self.config.wanted[*number];
            Reading { point, at: now.utc, sample: sample(&self.config, read, index) }
        };
        read.points.iter().map(reading).collect()
    }
}

/// What the answer to `read` says about a point inside it.
fn sample(register: &Register, read: &Read, answer: &Answer) -> Sample {
    let first = usize::from(register.address - read.start);
    let last = first + usize::from(register.kind.width());
    let sample = match answer {
        Answer::Words(words) => words.get(first..last).map(|words| decode(register, words)),
        Answer::Bits(bits) => bits.get(first).map(|bit| decode_bit(register, *bit)),
    };
    sample.unwrap_or(Sample::Bad(BadReason::Garbled))
}
