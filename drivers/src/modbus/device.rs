//! One device of a bus: when its polls are due, which reads are left of the running one, and what
//! an answer means for its points.

use crate::modbus::health::Health;
use crate::modbus::plan::{Read, plan};
use crate::modbus::request::Answer;
use crate::modbus::words::{decode, decode_bit};
use crate::profile::{Point, Profile};
use std::sync::Arc;
use storewarden_rules::{BadReason, Millis, Mono, Now, PointId, Reading, Sample};

/// A device and what is wanted of it.
#[derive(Clone, Debug)]
pub struct BusDevice {
    /// Id in the config; for logs.
    pub name: String,
    /// Unit address, 1 to 247.
    pub unit: u8,
    /// Its register map and limits.
    pub profile: Arc<Profile>,
    /// From one poll to the next; 0: the next begins when one ends.
    pub poll: Millis,
    /// Longest wait for an answer, where the store's line is slower than the profile thinks.
    pub timeout: Option<Millis>,
    /// What to read: whose value, and its index in `profile.points`.
    pub points: Vec<(PointId, usize)>,
}

impl BusDevice {
    /// Longest wait for an answer: the config's word, else the profile's.
    pub fn timeout(&self) -> Millis {
        self.timeout.unwrap_or(Millis(i64::from(self.profile.modbus.timeout_ms)))
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
            .points
            .iter()
            .enumerate()
            .map(|(number, (_, index))| (number, &config.profile.points[*index]))
            .collect();
        let reads = plan(&config.profile.modbus, &points);
        let next_read = reads.len();
        Self { config, health: Health::Online, due: now, reads, next_read }
    }

    /// Begins a poll if it is time. A poll that is still running at the next one's time takes that
    /// one's place: a slow line skips polls, it does not pile them up.
    pub fn begin_if_due(&mut self, now: Mono) -> bool {
        if now < self.due {
            return false;
        }
        self.due = match self.config.poll.0 {
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
        self.take(now, |profile, read, index| sample(&profile.points[index], read, answer))
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

    fn take(&mut self, now: Now, sample: impl Fn(&Profile, &Read, usize) -> Sample) -> Vec<Reading> {
        let Some(read) = self.reads.get(self.next_read) else { return Vec::new() };
        self.next_read += 1;
        let reading = |number: &usize| {
            let (point, index) = self.config.points[*number];
            Reading { point, at: now.utc, sample: sample(&self.config.profile, read, index) }
        };
        read.points.iter().map(reading).collect()
    }
}

/// What the answer to `read` says about a point inside it.
fn sample(point: &Point, read: &Read, answer: &Answer) -> Sample {
    let first = usize::from(point.address - read.start);
    let last = first + usize::from(point.kind.width());
    let sample = match answer {
        Answer::Words(words) => words.get(first..last).map(|words| decode(point, words)),
        Answer::Bits(bits) => bits.get(first).map(|bit| decode_bit(point, *bit)),
    };
    sample.unwrap_or(Sample::Bad(BadReason::Garbled))
}
