//! The points of one device, each read once.

use super::connection::Session;
use crate::failure::Failure;
use std::time::Duration;
use storewarden_drivers::modbus::plan::{Read, plan};
use storewarden_drivers::modbus::request::{Answer, Outcome, Request};
use storewarden_drivers::modbus::words::{decode, decode_bit};
use storewarden_drivers::profile::{Kind, Modbus, Point, Register};
use storewarden_rules::{BadReason, Sample};

/// How often a device that says it is busy (exception 5 or 6) is asked again, and after how long.
const BUSY_REPEATS: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// Unanswered reads at the beginning after which the device is taken for silent.
const SILENT_READS: usize = 2;

/// What was read of one point.
#[derive(Clone, Debug, PartialEq)]
pub struct PointReading {
    /// The value, or why there is none.
    pub sample: Sample,
    /// The words as they came, a bit as 0 or 1; none if nothing came.
    pub raw: Option<Vec<u16>>,
}

impl PointReading {
    fn bad(reason: BadReason) -> Self {
        Self { sample: Sample::Bad(reason), raw: None }
    }

    /// `good`, or the reason's name; an exception with its code.
    pub fn quality(&self) -> String {
        match self.sample {
            Sample::Good(_) => "good".into(),
            Sample::Stale(_) => "stale".into(),
            Sample::Bad(BadReason::Exception(code)) => format!("exception_{code}"),
            Sample::Bad(reason) => reason.name().into(),
        }
    }
}

/// A device to read.
pub struct Target<'a> {
    /// Its unit address.
    pub unit: u8,
    /// Where its points are.
    pub modbus: &'a Modbus,
    /// Its points, in the same order.
    pub points: &'a [Point],
}

impl Target<'_> {
    /// How long it may take to answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.modbus.timeout_ms))
    }

    /// Reads the points of these indices; the answers come in the same order. As few requests as the
    /// profile allows; one that the device refuses is made again point by point.
    pub async fn read(&self, session: &mut Session, wanted: &[usize]) -> Result<Vec<PointReading>, Failure> {
        // A point is worth nothing without what it is multiplied by.
        let mut all = wanted.to_vec();
        all.extend(wanted.iter().flat_map(|index| &self.modbus.registers[*index].scale_by));
        all.sort_unstable();
        all.dedup();
        let registers: Vec<_> = all.iter().map(|index| (*index, &self.modbus.registers[*index])).collect();
        let mut read = vec![PointReading::bad(BadReason::NoResponse); self.points.len()];
        let mut reads = plan(self.modbus, session.transport().cost(), &registers, &[]);
        reads.reverse();
        let (mut heard, mut unanswered) = (false, 0);
        while let Some(next) = reads.pop() {
            if !heard && unanswered >= SILENT_READS {
                break;
            }
            match self.ask(session, &next).await? {
                Outcome::Answer(answer) => {
                    for index in &next.points {
                        read[*index] = self.reading(*index, &next, &answer);
                    }
                    heard = true;
                }
                // Function, address or count: some of it the device does not have.
                Outcome::Exception(1..=3) if alone(self.modbus, &next).len() > 1 => {
                    heard = true;
                    reads.extend(alone(self.modbus, &next));
                }
                outcome => {
                    let reason = match outcome {
                        Outcome::Exception(code) => BadReason::Exception(code),
                        Outcome::Garbled | Outcome::Written => BadReason::Garbled,
                        _ => BadReason::NoResponse,
                    };
                    heard |= matches!(outcome, Outcome::Exception(code) if code != 0x0A && code != 0x0B);
                    unanswered += 1;
                    next.points.iter().for_each(|index| read[*index] = PointReading::bad(reason));
                }
            }
        }
        Ok(wanted.iter().map(|index| self.multiplied(*index, &read)).collect())
    }

    async fn ask(&self, session: &mut Session, read: &Read) -> Result<Outcome, Failure> {
        let request = Request::Read { table: read.table, start: read.start, count: read.count };
        for _ in 0..BUSY_REPEATS {
            tokio::time::sleep(Duration::from_millis(u64::from(self.modbus.guard_ms))).await;
            match session.ask_twice(self.unit, &request, self.timeout()).await? {
                Outcome::Exception(5 | 6) => tokio::time::sleep(BUSY_PAUSE).await,
                outcome => return Ok(outcome),
            }
        }
        session.ask(self.unit, &request, self.timeout()).await
    }

    /// What the answer to `read` says about a point inside it, before it is multiplied.
    fn reading(&self, index: usize, read: &Read, answer: &Answer) -> PointReading {
        let register = &self.modbus.registers[index];
        let Some(raw) = raw_of(register, read, answer) else {
            return PointReading::bad(BadReason::Garbled);
        };
        let sample = match register.kind {
            Kind::Bool => decode_bit(register, raw != [0]),
            _ => decode(register, &raw),
        };
        PointReading { sample, raw: Some(raw) }
    }

    /// The point's reading times those of its multipliers, unless that cannot be.
    fn multiplied(&self, index: usize, read: &[PointReading]) -> PointReading {
        let mut sample = read[index].sample;
        for factor in &self.modbus.registers[index].scale_by {
            sample = match (sample, self.points[*factor].plausible(read[*factor].sample)) {
                (Sample::Good(value), Sample::Good(factor)) => Sample::Good(value * factor),
                (Sample::Good(_), factor) => factor,
                (own, _) => own,
            };
        }
        PointReading { sample: self.points[index].plausible(sample), raw: read[index].raw.clone() }
    }
}

/// A read for each stretch of registers that a point of `read` needs.
fn alone(modbus: &Modbus, read: &Read) -> Vec<Read> {
    let mut reads: Vec<Read> = Vec::new();
    for index in &read.points {
        let (start, count) = (modbus.registers[*index].address, modbus.registers[*index].kind.width());
        match reads.iter_mut().find(|read| (read.start, read.count) == (start, count)) {
            Some(read) => read.points.push(*index),
            None => reads.push(Read { table: read.table, start, count, points: vec![*index] }),
        }
    }
    reads
}

/// The words of a point inside the answer to `read`.
pub fn raw_of(register: &Register, read: &Read, answer: &Answer) -> Option<Vec<u16>> {
    let first = usize::from(register.address.checked_sub(read.start)?);
    let last = first + usize::from(register.kind.width());
    match answer {
        Answer::Words(words) => words.get(first..last).map(<[u16]>::to_vec),
        Answer::Bits(bits) => bits.get(first).map(|bit| vec![u16::from(*bit)]),
    }
}
