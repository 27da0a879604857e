//! What became of telemetry: every number of the journal, and every reading of every message. Pure.
//!
//! Messages are read by a few lines of this file's own, after `docs/telemetry.md`: the programs that wrote
//! and stored them have no part in it.

use super::fields::{fields, varint};
use super::known::{COMPLAINTS_MAX, Excursion, SLACK_MS, Trials};
use super::records::{Headquarters, Sample};
use flate2::read::ZlibDecoder;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

/// The readings whose truth the simulator tells, and what their values are below it, °C.
const POINT: &str = "/air_temperature";
const LIMIT: f64 = -18.0;

/// What became of telemetry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Telemetry {
    /// Numbers that the journal gave out and that no longer wait there.
    pub numbers: usize,
    /// Of these, such as headquarters has.
    pub at_hq: usize,
    /// Of these, such as stand in a recorded gap.
    pub in_gaps: usize,
    /// Readings in the messages that headquarters has, and in its tables.
    pub readings: usize,
    /// See above.
    pub readings_at_hq: usize,
    /// Numbers that are neither there nor in a gap, and readings of a message that are not in the tables.
    pub lost: usize,
    /// Readings that are in the tables more often than in the messages.
    pub doubled: usize,
    /// Readings of an air that was not so, numbers that the journal never gave out, and messages that
    /// cannot be read.
    pub wrong: usize,
    /// Each of these, for people.
    #[serde(skip)]
    pub complaints: Vec<String>,
}

/// Judges telemetry: `last` is the last number that the journal gave out, `waiting` the first that still
/// waits there.
pub fn judge(
    (last, waiting): (i64, Option<i64>),
    hq: &Headquarters,
    excursions: &[Excursion],
    trials: &Trials,
) -> Telemetry {
    let mut told = Telemetry { readings_at_hq: hq.samples.len(), ..Telemetry::default() };
    let due = waiting.map_or(last, |first| first - 1);
    let there: BTreeSet<i64> = hq.messages.iter().map(|(number, _)| *number).collect();
    for number in 1..=due {
        let is_in_gap = hq.gaps.iter().any(|(first, last)| (*first..=*last).contains(&number));
        told.numbers += 1;
        told.at_hq += usize::from(there.contains(&number));
        told.in_gaps += usize::from(is_in_gap);
        if !is_in_gap && !there.contains(&number) {
            told.lost += 1;
            told.complain(format!("telemetry {number} is not at headquarters, and in no gap"));
        }
    }
    for number in there.range(last + 1..) {
        told.wrong += 1;
        told.complain(format!("the journal has no telemetry {number}"));
    }
    // How often each reading is in the messages, less how often it is in the tables.
    let mut count: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    let mut sent = Vec::new();
    for (number, payload) in &hq.messages {
        match readings(payload) {
            Ok(readings) => sent.extend(readings),
            Err(error) => {
                told.wrong += 1;
                told.complain(format!("telemetry {number} cannot be read: {error}"));
            }
        }
    }
    told.readings = sent.len();
    for (point, at_ms) in &sent {
        *count.entry((point, *at_ms)).or_default() += 1;
    }
    for sample in &hq.samples {
        *count.entry((&sample.point, sample.at_ms)).or_default() -= 1;
    }
    for ((point, at_ms), count) in count.into_iter().filter(|(_, count)| *count != 0) {
        let times = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        *(if count > 0 { &mut told.lost } else { &mut told.doubled }) += times;
        told.complain(format!("{point} of {at_ms} is {count} times more often in messages than in tables"));
    }
    let mut by_device: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for excursion in excursions {
        by_device.entry(&excursion.device).or_default().push((excursion.from_ms, excursion.to_ms));
    }
    for sample in &hq.samples {
        let Some(device) = sample.point.strip_suffix(POINT) else { continue };
        if !is_true(sample, by_device.get(device).map_or(&[], Vec::as_slice), trials) {
            told.wrong += 1;
            told.complain(format!("{sample:?} was not so"));
        }
    }
    told
}

/// Whether the air of a reading was warm or cold then, as it says. A reading without a value says
/// nothing.
fn is_true(sample: &Sample, excursions: &[(i64, i64)], trials: &Trials) -> bool {
    let Some(value) = sample.value else { return true };
    trials.true_times(sample.at_ms).any(|at| {
        let near = excursions.partition_point(|(_, to)| *to + SLACK_MS < at);
        let around = excursions[near..].iter().take_while(|(from, _)| *from - SLACK_MS <= at);
        match value > LIMIT {
            true => around.count() > 0,
            false => !around.into_iter().any(|(from, to)| from + SLACK_MS < at && at < to - SLACK_MS),
        }
    })
}

impl Telemetry {
    fn complain(&mut self, what: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(what);
        }
    }
}

/// `device/point` and moment (ms since 1970 by the agent's clock) of every reading of a message.
fn readings(envelope: &[u8]) -> io::Result<Vec<(String, i64)>> {
    let mut columns = Vec::new();
    for (_, telemetry) in fields(envelope)?.iter().filter(|(id, _)| *id == 17) {
        for (_, packed) in fields(telemetry.bytes())?.iter().filter(|(id, _)| *id == 2) {
            ZlibDecoder::new(packed.bytes()).read_to_end(&mut columns)?;
        }
    }
    let (mut moments, mut readings, mut device) = (Vec::new(), Vec::new(), String::new());
    for (id, part) in fields(&columns)? {
        let part = fields(part.bytes())?;
        let number = |id| part.iter().find(|(own, _)| *own == id).map_or(0, |(_, field)| field.number());
        let list = |id| {
            part.iter().filter(|(own, _)| *own == id).try_fold(Vec::new(), |mut all, (_, field)| {
                let mut rest = field.bytes();
                while !rest.is_empty() {
                    all.push(varint(&mut rest)?);
                }
                io::Result::Ok(all)
            })
        };
        let text = |id| {
            let field = part.iter().find(|(own, _)| *own == id);
            field.map_or_else(String::new, |(_, field)| String::from_utf8_lossy(field.bytes()).into_owned())
        };
        if id == 1 {
            let mut at = number(1).cast_signed();
            let (mut times, mut step) = (vec![at], 0);
            for change in list(2)? {
                step += (change >> 1).cast_signed() ^ -(change & 1).cast_signed();
                at += step;
                times.push(at);
            }
            moments.push(times);
            continue;
        }
        let name = text(1);
        if !name.is_empty() {
            device = name;
        }
        let of = usize::try_from(number(4)).ok().and_then(|place| moments.get(place));
        let times: &Vec<i64> = of.ok_or_else(|| io::Error::other("a column without moments"))?;
        let mut next = 0;
        let mut places = Vec::new();
        for passed in list(5)? {
            next += usize::try_from(passed).map_err(io::Error::other)?;
            places.push(next);
            next += 1;
        }
        if places.is_empty() {
            places = (0..times.len()).collect();
        }
        let point = format!("{device}/{}", text(2));
        for place in places {
            let at = times.get(place).ok_or_else(|| io::Error::other("a reading without a moment"))?;
            readings.push((point.clone(), *at));
        }
    }
    // A message with a list of times behind its columns would have been refused above.
    Ok(readings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write as _;

    /// A message of two readings of `freezer-1/air_temperature`, at 1,000 and 1,300 ms, and of one of
    /// `b/p` at the second; written byte by byte after docs/telemetry.md.
    fn message() -> Vec<u8> {
        let part =
            |key: u8, bytes: &[u8]| [&[key, u8::try_from(bytes.len()).expect("short")], bytes].concat();
        let times = [&[0x08, 0xE8, 0x07][..], &part(0x12, &[0xD8, 0x04])].concat();
        let column = |device: &[u8], point: &[u8], rest: &[u8]| {
            part(0x12, &[&part(0x0A, device)[..], &part(0x12, point), rest].concat())
        };
        let columns = [
            part(0x0A, &times),
            column(b"freezer-1", b"air_temperature", &[]),
            column(b"b", b"p", &part(0x2A, &[1])),
        ];
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&columns.concat()).expect("packs");
        let telemetry = part(0x12, &zlib.finish().expect("packs"));
        // A fixed64 and a number before it, as an envelope has them.
        let before = [0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x28, 1, 0x8A, 0x01];
        [&before[..], &[u8::try_from(telemetry.len()).expect("short")], &telemetry].concat()
    }

    #[test]
    fn every_way_in_which_telemetry_can_be_wrong_is_counted() {
        let sample = |point: &str, at_ms, value| Sample { point: point.into(), at_ms, value: Some(value) };
        let air = "freezer-1/air_temperature";
        let right = Headquarters {
            changes: vec![],
            messages: vec![(2, message())],
            gaps: vec![(1, 1)],
            samples: vec![sample(air, 1_000, -22.0), sample(air, 1_300, -22.0), sample("b/p", 1_300, 0.0)],
            journals: 1,
            refused: vec![],
            refused_at_first: 0,
        };
        let trials = Trials { outages: vec![], offsets: vec![(0, 0)], run: (0, 60_000) };
        let warm = |from_ms, to_ms| Excursion { device: "freezer-1".into(), from_ms, to_ms };
        let counts = |hq: &Headquarters, last, excursions: &[Excursion]| {
            let told = judge((last, None), hq, excursions, &trials);
            (told.lost, told.doubled, told.wrong)
        };
        assert_eq!(counts(&right, 2, &[]), (0, 0, 0));
        assert_eq!(judge((2, None), &right, &[], &trials).readings, 3);
        assert_eq!(counts(&right, 3, &[]), (1, 0, 0), "number 3 is nowhere");
        assert_eq!(judge((3, Some(3)), &right, &[], &trials).lost, 0, "number 3 waits");
        assert_eq!(counts(&right, 1, &[]), (0, 0, 1), "number 2 was never given out");
        assert_eq!(counts(&right, 2, &[warm(-9_000, 9_000)]), (0, 0, 2), "it was warm");
        let spoilt = |spoil: &dyn Fn(&mut Headquarters)| {
            let mut hq = right.clone();
            spoil(&mut hq);
            counts(&hq, 2, &[])
        };
        assert_eq!(spoilt(&|hq| hq.gaps.clear()), (1, 0, 0));
        assert_eq!(spoilt(&|hq| drop(hq.samples.pop())), (1, 0, 0));
        assert_eq!(spoilt(&|hq| hq.samples.push(hq.samples[2].clone())), (0, 1, 0));
        assert_eq!(spoilt(&|hq| hq.samples[0].value = Some(-12.0)), (0, 0, 1));
        assert_eq!(spoilt(&|hq| hq.messages[0].1.truncate(20)), (0, 3, 1));
    }
}
