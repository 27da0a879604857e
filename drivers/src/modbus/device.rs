//! One device of a bus: which reads are left of its running polls, what an answer means for its
//! points, and what its refusals and silences taught.

use crate::clock::Moment;
use crate::modbus::cost::LineCost;
use crate::modbus::fence::{Span, Unanswered};
use crate::modbus::health::Health;
use crate::modbus::plan::{Cut, Read, plan};
use crate::modbus::request::Answer;
use crate::modbus::timetable::Job;
use crate::modbus::words::{decode, decode_bit};
use crate::profile::{Modbus, Pace, Point, Register, Table};
use std::time::Duration;
use storewarden_rules::{BadReason, Millis, PointId, Reading, Sample};

/// How long a point that the device refused by itself is not asked for.
const ABSENT_FOR: Duration = Duration::from_secs(3600);
/// A missed answer is forgiven, and the read made once more: three times, and once more for so many
/// polls in which nothing was missed. A device that misses more often costs its neighbours as much as
/// a silent one, and is taken for one.
const POLLS_A_MISS: u8 = 10;
/// What it may owe when a miss is still forgiven.
const OWES_MAX: u8 = 2 * POLLS_A_MISS;
/// A device with a watchdog is asked at least so many times within the watchdog's time.
const KEPT_ALIVE: u32 = 3;
const PACES: [Pace; 3] = [Pace::Fast, Pace::Normal, Pace::Slow];

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

    /// The holding registers of its watchdog and what they shall hold, the time-out last: from then on
    /// it counts.
    pub(super) fn watchdog_registers(&self) -> Vec<(u16, u16)> {
        let (Some(safe), Some(watchdog)) = (&self.safe, &self.modbus.watchdog) else { return Vec::new() };
        let mut registers = Vec::new();
        for (point, on) in &safe.outputs {
            for output in watchdog.outputs.iter().filter(|output| output.point == *point) {
                registers.extend(output.behaviour);
                registers.push((output.state, u16::from(*on)));
            }
        }
        let ticks = safe.after.as_millis().div_ceil(u128::from(watchdog.tick_ms)).max(1);
        registers.push((watchdog.address, u16::try_from(ticks).unwrap_or(u16::MAX)));
        registers
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
    /// A job per pace of which it has points.
    pub jobs: Vec<Job>,
    pub unanswered: Unanswered,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Not asked before: no read is left that a late answer could not be taken for.
    pub held_until: Duration,
    /// When it was last asked.
    pub asked: Duration,
    /// Polls without a miss that it owes for those that were forgiven.
    owes: u8,
    /// Whether its last read was missed and forgiven; or it never answered, and there is nothing to
    /// forgive.
    asked_again: bool,
    /// Boundaries its refusals taught.
    cuts: Vec<Cut>,
    /// Points it does not have, it seems.
    absent: Vec<Absent>,
    /// What may be read of it, one span of each shape, quickest first. Never empty if anything is wanted.
    spans: Vec<Span>,
    /// A read that it need not understand, to provoke an exception. None once it left one unanswered.
    pub strange: Option<Span>,
    /// Last good value of each point that multiplies others, by index in `config.points`.
    factors: Vec<Option<f64>>,
    /// Which points those are.
    is_factor: Vec<bool>,
    /// Whether one of them has no value yet.
    awaits: bool,
    line: LineCost,
}

/// A wanted point that the device refused by itself.
#[derive(Clone, Copy, Debug)]
struct Absent {
    /// In `config.wanted`.
    number: usize,
    pace: Pace,
    code: u8,
    again: Duration,
}

/// What a refusal taught.
#[derive(Debug)]
pub(super) enum Lesson {
    /// This read is made in parts from now on.
    Split(Read),
    /// The device has none of these points, by index in `config.points`.
    Absent { points: Vec<usize>, readings: Vec<Reading> },
}

impl Polled {
    /// A device whose first polls are due `now`.
    pub fn new(config: BusDevice, line: LineCost, now: Duration) -> Self {
        let mut is_factor = vec![false; config.points.len()];
        for (_, index) in &config.wanted {
            config.modbus.registers[*index].scale_by.iter().for_each(|factor| is_factor[*factor] = true);
        }
        let jobs = PACES
            .into_iter()
            .map(|pace| Job::new(pace, config.polls.of(pace), config.reads(line, pace, &[], |_| false), now))
            .filter(|job| !job.reads().is_empty())
            .collect();
        let mut polled = Self {
            health: Health::SOUND,
            jobs,
            unanswered: Unanswered::default(),
            timeout: Duration::from_millis(config.timeout().0.unsigned_abs()),
            held_until: Duration::ZERO,
            asked: now,
            owes: 0,
            asked_again: true,
            cuts: Vec::new(),
            absent: Vec::new(),
            spans: Vec::new(),
            strange: strange(&config),
            factors: vec![None; config.points.len()],
            awaits: is_factor.contains(&true),
            is_factor,
            line,
            config,
        };
        polled.list_spans();
        polled
    }

    /// Whether it is asked for polls now.
    pub fn is_polled(&self, now: Duration) -> bool {
        self.health.silence().is_none() && now >= self.held_until
    }

    /// Begins the job's poll if it is due. What is known to be absent is told at once; all of it is
    /// if the device is not asked.
    pub fn begin_if_due(&mut self, now: Moment, job: usize, linked: bool) -> Vec<Reading> {
        if !self.jobs[job].begin_if_due(now.mono) {
            return Vec::new();
        }
        let pace = self.jobs[job].pace;
        let known = self.absent.len();
        self.absent.retain(|absent| absent.pace != pace || now.mono < absent.again);
        if self.absent.len() < known {
            self.plan_again(now.mono, job);
        }
        // Multipliers first: nothing they multiply can be told without them.
        let awaited = |number: &usize| self.awaited(self.config.wanted[*number].1);
        if self.awaits && self.jobs[job].reads().iter().any(|read| read.points.iter().any(awaited)) {
            self.jobs[job].deadline = now.mono;
        }
        let mut readings: Vec<_> = self
            .absent
            .iter()
            .filter(|absent| absent.pace == pace)
            .map(|absent| {
                let point = self.config.wanted[absent.number].0;
                Reading { point, at: now.utc, sample: Sample::Bad(BadReason::Exception(absent.code)) }
            })
            .collect();
        if !linked || !self.is_polled(now.mono) {
            let reason = self.health.silence().unwrap_or(BadReason::NoResponse);
            readings.extend(self.give_up(now, job, reason));
        } else if !self.jobs[job].runs() {
            self.jobs[job].give_up(now.mono);
        }
        readings
    }

    /// When a device with a watchdog must be asked something, lest that acts.
    pub fn lonely_at(&self) -> Duration {
        self.config.safe.as_ref().map_or(Duration::MAX, |safe| self.asked + safe.after / KEPT_ALIVE)
    }

    /// Begins all polls: it is back, perhaps repaired or another one. What it lacked is asked for again
    /// with the polls after these.
    pub fn begin_all(&mut self, now: Duration) {
        self.absent.iter_mut().for_each(|absent| absent.again = now);
        for job in &mut self.jobs {
            job.begin(now);
            job.made = !job.runs();
        }
    }

    /// The readings of the job's read, and on to its next one.
    pub fn take_answer(&mut self, now: Moment, job: usize, answer: &Answer) -> Vec<Reading> {
        let Self { config, jobs, factors, is_factor, .. } = self;
        let Some(read) = jobs[job].read() else { return Vec::new() };
        let mut readings = Vec::with_capacity(read.points.len());
        for number in &read.points {
            let (point, index) = config.wanted[*number];
            let sample = raw_sample(&config.modbus.registers[index], read.start, answer);
            // One that cannot be multiplies nothing: 0 would make a 0 of everything.
            if is_factor[index]
                && let Sample::Good(value) = config.points[index].plausible(sample)
            {
                factors[index] = Some(value);
            }
            if let Some(sample) = multiplied(config, factors, index, sample) {
                readings.push(Reading { point, at: now.utc, sample });
            }
        }
        self.awaits = self.awaits && (0..self.factors.len()).any(|index| self.awaited(index));
        self.advance(now.mono, job);
        readings
    }

    /// The job's read brought nothing, and on to the next one.
    pub fn skip(&mut self, now: Moment, job: usize, reason: BadReason) -> Vec<Reading> {
        let readings = self.jobs[job].read().map_or_else(Vec::new, |read| self.bad(now, read, reason));
        self.advance(now.mono, job);
        readings
    }

    /// The rest of the job's poll brings nothing.
    pub fn give_up(&mut self, now: Moment, job: usize, reason: BadReason) -> Vec<Reading> {
        let mut readings = Vec::new();
        while let Some(read) = self.jobs[job].read() {
            readings.extend(self.bad(now, read, reason));
            self.jobs[job].advance(now.mono);
        }
        self.jobs[job].give_up(now.mono);
        readings
    }

    /// Whether a whole poll of each pace was made since it came back.
    pub fn is_whole(&self) -> bool {
        self.jobs.iter().all(|job| job.made)
    }

    /// Whether the missed answer is forgiven: the read is made once more.
    pub fn forgives(&mut self) -> bool {
        if !self.health.is_online() || self.owes > OWES_MAX || self.asked_again {
            return false;
        }
        self.owes += POLLS_A_MISS;
        self.asked_again = true;
        true
    }

    /// It is silent from now on. True if that is news.
    pub fn missed(&mut self, now: Duration, reason: BadReason) -> bool {
        self.owes = OWES_MAX;
        self.health.missed(now, reason)
    }

    /// Something was answered.
    pub fn answered(&mut self) {
        self.asked_again = false;
    }

    /// What the refusal of the job's read means from now on: it is cut where it spans what nobody
    /// asked for, else in halves; if there is nothing to cut, its points are absent, and the bad
    /// readings say so. The job's poll begins anew.
    pub fn refused(&mut self, now: Moment, job: usize, code: u8) -> Option<Lesson> {
        let read = self.jobs[job].read()?.clone();
        let blocks = blocks(&self.config, &read);
        let mut behind: Vec<u16> =
            blocks.windows(2).filter(|pair| pair[0].1 < pair[1].0).map(|pair| pair[1].0).collect();
        if behind.is_empty() && blocks.len() > 1 {
            behind.push(blocks[blocks.len() / 2].0);
        }
        if !behind.is_empty() {
            self.cuts.extend(behind.into_iter().map(|address| (read.table, address)));
            self.plan_again(now.mono, job);
            if !self.jobs[job].reads().contains(&read) {
                return Some(Lesson::Split(read));
            }
        }
        let readings = self.bad(now, &read, BadReason::Exception(code));
        self.cuts.extend([(read.table, read.start), (read.table, read.start.saturating_add(read.count))]);
        let (pace, again) = (self.jobs[job].pace, now.mono + ABSENT_FOR);
        self.absent.extend(read.points.iter().map(|number| Absent { number: *number, pace, code, again }));
        self.plan_again(now.mono, job);
        let points = read.points.iter().map(|number| self.config.wanted[*number].1).collect();
        Some(Lesson::Absent { points, readings })
    }

    /// The quickest read that the device may be asked, for a sign of life. None: wait.
    pub fn probe(&self) -> Option<Span> {
        let quickest = *self.spans.first()?;
        if self.unanswered.allows(&quickest) { Some(quickest) } else { self.fence(&quickest) }
    }

    /// A read that may be made now and whose answer settles what keeps `wanted` from being made. One
    /// of registers that the profile knows, else one that it need not understand.
    pub fn fence(&self, wanted: &Span) -> Option<Span> {
        let fits = |span: &&Span| !span.looks_like(wanted) && self.unanswered.allows(span);
        self.spans.iter().chain(&self.strange).find(fits).copied()
    }

    /// What a read of one point by itself says of it.
    pub fn sample(&self, index: usize, answer: &Answer) -> Option<Sample> {
        let register = &self.config.modbus.registers[index];
        multiplied(&self.config, &self.factors, index, raw_sample(register, register.address, answer))
    }

    fn bad(&self, now: Moment, read: &Read, reason: BadReason) -> Vec<Reading> {
        let reading = |number: &usize| {
            let point = self.config.wanted[*number].0;
            Reading { point, at: now.utc, sample: Sample::Bad(reason) }
        };
        read.points.iter().map(reading).collect()
    }

    /// Whether others wait for this point's first good value.
    fn awaited(&self, index: usize) -> bool {
        self.is_factor[index] && self.factors[index].is_none()
    }

    fn advance(&mut self, now: Duration, job: usize) {
        if self.jobs[job].advance(now) {
            self.jobs[job].made = true;
            self.owes = self.owes.saturating_sub(1);
            if self.owes == 0 {
                self.health.proven();
            }
        }
    }

    fn plan_again(&mut self, now: Duration, job: usize) {
        let pace = self.jobs[job].pace;
        let absent = |number| self.absent.iter().any(|absent| absent.number == number);
        let reads = self.config.reads(self.line, pace, &self.cuts, absent);
        if self.jobs[job].replace(reads, now) {
            self.jobs[job].made = true;
        }
        self.list_spans();
    }

    /// The spans from a point of a read to itself or a later one: legal as far as is known, and whole.
    fn list_spans(&mut self) {
        let Self { config, jobs, .. } = self;
        let mut spans: Vec<Span> = Vec::new();
        for read in jobs.iter().flat_map(Job::reads) {
            for (_, end) in blocks(config, read) {
                spans.push(Span { table: read.table, start: read.start, count: end - read.start });
            }
            for (start, end) in blocks(config, read) {
                spans.push(Span { table: read.table, start, count: end - start });
            }
        }
        if let (true, Some((_, index))) = (spans.is_empty(), config.wanted.first()) {
            let register = &config.modbus.registers[*index];
            let (table, start, count) = (register.table, register.address, register.kind.width());
            spans.push(Span { table, start, count });
        }
        spans.sort_by_key(|span| self.line.read(&self.config.modbus, span.table, span.count));
        let mut kept: Vec<Span> = Vec::new();
        for span in spans {
            if !kept.iter().any(|kept| kept.looks_like(&span)) {
                kept.push(span);
            }
        }
        self.spans = kept;
    }
}

/// The stretches of a read that its points occupy, first address and the one behind the last; what
/// overlaps is one stretch.
fn blocks(config: &BusDevice, read: &Read) -> Vec<(u16, u16)> {
    let mut blocks: Vec<(u16, u16)> = Vec::new();
    for number in &read.points {
        let register = &config.modbus.registers[config.wanted[*number].1];
        let (start, end) = (register.address, register.address.saturating_add(register.kind.width()));
        match blocks.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => blocks.push((start, end)),
        }
    }
    blocks
}

/// One entry of a table in which the device has no point, where it has one in another: a unit that
/// keeps to the specification answers it, with an exception if need be.
fn strange(config: &BusDevice) -> Option<Span> {
    let registers = &config.modbus.registers;
    let start = registers.first()?.address;
    [Table::InputRegister, Table::HoldingRegister, Table::DiscreteInput, Table::Coil]
        .into_iter()
        .find(|table| registers.iter().all(|register| register.table != *table))
        .map(|table| Span { table, start, count: 1 })
}

/// What the answer to a read from `start` says about a point inside it, before it is multiplied.
fn raw_sample(register: &Register, start: u16, answer: &Answer) -> Sample {
    let first = usize::from(register.address - start);
    let last = first + usize::from(register.kind.width());
    let sample = match answer {
        Answer::Words(words) => words.get(first..last).map(|words| decode(register, words)),
        Answer::Bits(bits) => bits.get(first).map(|bit| decode_bit(register, *bit)),
    };
    sample.unwrap_or(Sample::Bad(BadReason::Garbled))
}

/// The sample times the multipliers that the device reports; none while one of them is not known.
fn multiplied(config: &BusDevice, factors: &[Option<f64>], index: usize, sample: Sample) -> Option<Sample> {
    let sample = match sample {
        Sample::Good(mut value) => {
            for factor in &config.modbus.registers[index].scale_by {
                value *= factors[*factor]?;
            }
            if value.is_finite() { Sample::Good(value) } else { Sample::Bad(BadReason::OutOfRange) }
        }
        bad => bad,
    };
    Some(config.points[index].plausible(sample))
}
