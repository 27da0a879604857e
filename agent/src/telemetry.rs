//! Readings gathered into parts of telemetry messages, by column, and parts put together. Pure.

use crate::assemble::{Names, PointName};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use storewarden_proto::prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use storewarden_proto::telemetry::{UnpackError, pack, unpack};
use storewarden_proto::v1::{Quality as Wire, QualityRun, Series};
use storewarden_rules::{BadReason, Quality, Reading, Sample, Utc};

/// Readings in one message at most: 12 bytes each at worst, so that a message stays below the protocol's
/// payload limit. A full gathering is closed before its time; nothing is dropped here.
pub const READINGS_MAX: usize = 15_000;

/// Room kept for a point from part to part, readings: points that tell more are rare.
const READINGS_KEPT: usize = 64;
/// Number of `Envelope.telemetry`.
const TELEMETRY_FIELD: u32 = 17;
/// Number of `Telemetry.packed`.
const PACKED_FIELD: u32 = 2;

/// Readings of some seconds, as they are kept until a message is made of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many.
    pub readings: usize,
    /// All of them, as `Telemetry.packed`.
    pub packed: Vec<u8>,
}

/// Readings on their way into the next part. The columns stay from part to part: thousands of
/// them made anew each time took as long as all the polling.
#[derive(Debug)]
pub struct Gathering {
    /// One per point, by point id, with its names; without readings where the point had none yet.
    series: Vec<Series>,
    /// The last time in each series.
    last: Vec<Utc>,
    count: usize,
}

impl Gathering {
    /// Nothing gathered of any point of `names`.
    pub fn new(names: &Names) -> Self {
        let series = |point: &PointName| Series {
            device: names.device(point.device).id.clone(),
            point: point.name.clone(),
            unit: point.unit.symbol().into(),
            ..Series::default()
        };
        let points = names.points();
        Self { series: points.iter().map(series).collect(), last: vec![Utc(0); points.len()], count: 0 }
    }

    /// Adds a reading.
    pub fn add(&mut self, reading: &Reading) {
        let index = usize::from(reading.point.0);
        let (series, last) = (&mut self.series[index], &mut self.last[index]);
        if series.value.is_empty() {
            series.first_ms = reading.at.0;
        } else {
            series.step_ms.push((reading.at - *last).0);
        }
        *last = reading.at;
        series.value.push(match reading.sample {
            Sample::Good(value) | Sample::Stale(value) => value,
            Sample::Bad(_) => 0.0,
        });
        let (quality, exception) = wire_quality(reading.sample.quality());
        match series.quality.last_mut() {
            Some(run) if run.quality() == quality && run.exception == exception => run.count += 1,
            _ => series.quality.push(QualityRun { quality: quality.into(), count: 1, exception }),
        }
        self.count += 1;
    }

    /// Whether nothing was gathered.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it should be closed before its time.
    pub fn is_full(&self) -> bool {
        self.count >= READINGS_MAX
    }

    /// Closes the gathering, unless there is nothing to tell.
    pub fn take(&mut self) -> Option<Part> {
        if self.is_empty() {
            return None;
        }
        let readings = std::mem::take(&mut self.count);
        let packed = pack(self.series.iter().filter(|series| !series.value.is_empty()));
        for series in &mut self.series {
            series.step_ms.clear();
            series.step_ms.shrink_to(READINGS_KEPT);
            series.value.clear();
            series.value.shrink_to(READINGS_KEPT);
            series.quality.clear();
            series.quality.shrink_to(READINGS_KEPT);
        }
        Some(Part { readings, packed })
    }
}

/// One message of parts that follow each other, packed. Series come in the order of their names.
///
/// # Errors
/// Those of [`unpack`]: a part is not what [`Gathering::take`] gave.
pub fn put_together<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, UnpackError> {
    let mut whole = BTreeMap::new();
    for part in parts {
        for mut series in unpack(part)? {
            let names = [&mut series.device, &mut series.point, &mut series.unit].map(std::mem::take);
            match whole.entry(names) {
                Entry::Vacant(new) => drop(new.insert(series)),
                Entry::Occupied(known) => append(known.into_mut(), series),
            }
        }
    }
    let named =
        whole.into_iter().map(|([device, point, unit], series)| Series { device, point, unit, ..series });
    Ok(pack(&named.collect::<Vec<_>>()))
}

/// Adds to a series what came later of the same point.
fn append(series: &mut Series, later: Series) {
    let last = series.first_ms + series.step_ms.iter().sum::<i64>();
    series.step_ms.push(later.first_ms.wrapping_sub(last));
    series.step_ms.extend(later.step_ms);
    series.value.extend(later.value);
    let mut runs = later.quality.into_iter().peekable();
    if let (Some(run), Some(next)) = (series.quality.last_mut(), runs.peek())
        && (run.quality, run.exception) == (next.quality, next.exception)
    {
        run.count += next.count;
        runs.next();
    }
    series.quality.extend(runs);
}

/// The field of an envelope that holds a telemetry message, encoded.
pub fn field(packed: &[u8]) -> Vec<u8> {
    // The one field of a Telemetry, which is one of an Envelope: a key of a byte, a length, the bytes.
    let length = packed.len() as u64;
    let mut bytes = Vec::with_capacity(packed.len() + 16);
    encode_key(TELEMETRY_FIELD, WireType::LengthDelimited, &mut bytes);
    encode_varint(1 + encoded_len_varint(length) as u64 + length, &mut bytes);
    encode_key(PACKED_FIELD, WireType::LengthDelimited, &mut bytes);
    encode_varint(length, &mut bytes);
    bytes.extend(packed);
    bytes
}

fn wire_quality(quality: Quality) -> (Wire, u32) {
    match quality {
        Quality::Good => (Wire::Good, 0),
        Quality::Stale => (Wire::Stale, 0),
        Quality::Bad(BadReason::NoResponse) => (Wire::NoResponse, 0),
        Quality::Bad(BadReason::Exception(code)) => (Wire::Exception, code.into()),
        Quality::Bad(BadReason::Garbled) => (Wire::Garbled, 0),
        Quality::Bad(BadReason::SensorFault) => (Wire::SensorFault, 0),
        Quality::Bad(BadReason::OutOfRange) => (Wire::OutOfRange, 0),
        Quality::Bad(BadReason::Implausible) => (Wire::Implausible, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::assemble;
    use crate::config::Config;
    use std::path::Path;
    use storewarden_proto::prost::Message as _;
    use storewarden_proto::v1::envelope::Body;
    use storewarden_proto::v1::{Envelope, Telemetry};
    use storewarden_rules::PointId;

    fn gathering() -> Gathering {
        let text = r#"
[store]
chain = "kaixin"
id = "0042"
timezone = "Asia/Shanghai"
[[bus]]
id = "cold"
tcp = "127.0.0.1:502"
[[device]]
id = "freezer"
class = "freezer"
profile = "carel-ir33"
bus = "cold"
unit = 1
points = ["air_temperature", "defrost"]
"#;
        let config = Config::parse(Path::new("store.toml"), text).unwrap();
        Gathering::new(&assemble(&config, |device, pace| Some(device.interval(pace))).unwrap().names)
    }

    fn add(gathering: &mut Gathering, point: u16, at: i64, sample: Sample) {
        gathering.add(&Reading { point: PointId(point), at: Utc(at), sample });
    }

    #[test]
    fn the_bytes_are_the_field_of_the_envelope_and_hold_one_series_for_each_point_that_was_told() {
        let mut gathering = gathering();
        assert_eq!(gathering.take(), None);
        add(&mut gathering, 0, 1000, Sample::Good(-21.0));
        add(&mut gathering, 0, 1500, Sample::Bad(BadReason::Exception(2)));
        add(&mut gathering, 0, 1400, Sample::Stale(-20.5));
        let run = |quality: Wire, exception| QualityRun { quality: quality.into(), count: 1, exception };
        let series = Series {
            device: "freezer".into(),
            point: "air_temperature".into(),
            unit: "°C".into(),
            first_ms: 1000,
            step_ms: vec![500, -100],
            value: vec![-21.0, 0.0, -20.5],
            quality: vec![run(Wire::Good, 0), run(Wire::Exception, 2), run(Wire::Stale, 0)],
        };
        let packed = pack([&series]);
        let body = Some(Body::Telemetry(Telemetry { series: vec![], packed }));
        let envelope = Envelope { body, ..Envelope::default() };
        let part = gathering.take().unwrap();
        assert_eq!(part.readings, 3);
        assert_eq!(field(&part.packed), envelope.encode_to_vec());

        add(&mut gathering, 0, 2000, Sample::Good(-20.0));
        let part = gathering.take().unwrap();
        let quality = vec![run(Wire::Good, 0)];
        let fresh = Series { first_ms: 2000, step_ms: vec![], value: vec![-20.0], quality, ..series };
        let next = unpack(&part.packed).unwrap();
        assert_eq!(next, [fresh], "nothing is left of the message before");
        assert_eq!(gathering.take(), None);
    }

    #[test]
    fn parts_put_together_are_what_one_gathering_of_all_of_it_gives() {
        let samples = [
            (0, 1000, Sample::Good(-21.25)),
            (1, 1000, Sample::Good(3.0)),
            (0, 2000, Sample::Good(-21.0)),
            (0, 3000, Sample::Bad(BadReason::Exception(2))),
            (0, 2500, Sample::Bad(BadReason::Exception(2))),
            (0, 9000, Sample::Bad(BadReason::Exception(3))),
            (1, 9000, Sample::Stale(3.5)),
            (0, 9500, Sample::Good(0.1 + 0.2)),
        ];
        let (mut at_once, mut in_parts) = (gathering(), gathering());
        let mut parts = Vec::new();
        for (n, (point, at, sample)) in samples.into_iter().enumerate() {
            add(&mut at_once, point, at, sample);
            add(&mut in_parts, point, at, sample);
            if n % 3 != 2 {
                parts.push(in_parts.take().map_or(Vec::new(), |part| part.packed));
            }
        }
        let together = put_together(parts.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(unpack(&together).unwrap(), unpack(&at_once.take().unwrap().packed).unwrap());
        assert!(put_together([&together[..together.len() / 2]]).is_err(), "half a part is none");
    }
}
