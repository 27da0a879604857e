//! Readings by column and compressed, as they travel. Pure; docs/telemetry.md is the layout.
//!
//! Values keep the resolution of their profile: whole numbers of 10^-d where that is each value but for
//! the last bits of its product, else single or double precision as they are.

use crate::v1::{Column, Columns, Quality, QualityRun, Series, Times};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// Unpacked, a message has at most so many bytes.
const UNPACKED_BYTES_MAX: u64 = 1 << 20;
/// So many lists of times and columns together; a store has 2,048 points.
const PARTS_MAX: usize = 8_192;
/// And so many bytes of a name: a column takes over that of the one before.
const NAME_BYTES_MAX: usize = 256;
/// And so many readings.
const READINGS_MAX: usize = 1_000_000;
/// More decimals no sensor of the trade has.
const DECIMALS_MAX: u32 = 6;
/// Whole numbers that a double holds exactly.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// What a register times its scale, and that times a power of ten, may be off: last places of a double.
const LAST_PLACES: f64 = 4.0 * f64::EPSILON;

/// Why a packed message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It is not zlib, or is cut off.
    #[error("packed telemetry is no zlib stream: {0}")]
    Zlib(String),
    /// It is not what it says.
    #[error("packed telemetry is no Columns message: {0}")]
    Columns(String),
    /// It would be too large.
    #[error(
        "packed telemetry holds more than {UNPACKED_BYTES_MAX} bytes, {PARTS_MAX} columns, {NAME_BYTES_MAX} bytes of a name or {READINGS_MAX} readings"
    )]
    TooLarge,
    /// Its parts do not fit each other.
    #[error("packed telemetry: {0}")]
    Inconsistent(&'static str),
}

/// Packs series that are consistent (one step less than values, qualities that count up to them). A series
/// without readings is left out.
pub fn pack<'a>(series: impl IntoIterator<Item = &'a Series>) -> Vec<u8> {
    let bytes = columns(series).encode_to_vec();
    let mut zlib = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::best());
    // A vector takes every write.
    let written = zlib.write_all(&bytes).and_then(|()| zlib.finish());
    written.unwrap_or_default()
}

/// Reads what [`pack`] wrote: series in the same order.
pub fn unpack(packed: &[u8]) -> Result<Vec<Series>, UnpackError> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed)
        .take(UNPACKED_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| UnpackError::Zlib(error.to_string()))?;
    if bytes.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(UnpackError::TooLarge);
    }
    // Before memory is taken for them: an empty column is two bytes here and hundreds there.
    if parts(&bytes).is_none_or(|parts| parts > PARTS_MAX) {
        return Err(UnpackError::TooLarge);
    }
    let columns =
        Columns::decode(bytes.as_slice()).map_err(|error| UnpackError::Columns(error.to_string()))?;
    let times = columns.times.iter().map(moments).collect::<Option<Vec<_>>>();
    let times = times.ok_or(UnpackError::Inconsistent("a time is beyond any calendar"))?;
    let mut left = READINGS_MAX;
    let mut device = String::new();
    let named = columns.column.into_iter().map(|mut column| {
        if column.device.is_empty() {
            column.device.clone_from(&device);
        } else {
            device.clone_from(&column.device);
        }
        let names = [&column.device, &column.point, &column.unit];
        if names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(UnpackError::TooLarge);
        }
        series(column, &times, &mut left)
    });
    named.collect()
}

/// How many fields a message has; none if it ends within one.
fn parts(mut bytes: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes).ok()?;
        skip_field(wire, tag, &mut bytes, DecodeContext::default()).ok()?;
        count += 1;
    }
    Some(count)
}

/// Whether a reading of this quality has a value.
fn has_value(quality: i32) -> bool {
    quality == Quality::Good as i32 || quality == Quality::Stale as i32
}

fn columns<'a>(all: impl IntoIterator<Item = &'a Series>) -> Columns {
    let told = all.into_iter().filter(|series| !series.value.is_empty());
    let all: Vec<_> = told.map(|series| (series, at(series))).collect();
    let mut columns = Columns::default();
    // The points of one device are read together: they share the moments of all of them.
    let mut shared = BTreeMap::<&str, Vec<i64>>::new();
    for (series, at) in &all {
        if at.is_sorted_by(|a, b| a < b) {
            shared.entry(&series.device).or_default().extend(at);
        }
    }
    let mut number = BTreeMap::new();
    for (device, moments) in &mut shared {
        moments.sort_unstable();
        moments.dedup();
        number.insert(*device, columns.times.len());
        columns.times.push(times(moments));
    }
    let mut before = "";
    for (series, at) in &all {
        let device = if series.device == before { String::new() } else { series.device.clone() };
        before = &series.device;
        let mut column = Column {
            device,
            point: series.point.clone(),
            unit: series.unit.clone(),
            quality: match series.quality.as_slice() {
                [run] if run.quality() == Quality::Good => Vec::new(),
                runs => runs.to_vec(),
            },
            ..Column::default()
        };
        let place = match number.get(series.device.as_str()) {
            Some(place) if at.is_sorted_by(|a, b| a < b) => {
                column.passed = passed(at, &shared[series.device.as_str()]);
                *place
            }
            // A clock was set: its moments are its own.
            _ => {
                columns.times.push(times(at));
                columns.times.len() - 1
            }
        };
        column.times = u32::try_from(place).unwrap_or(u32::MAX);
        values(series, &mut column);
        columns.column.push(column);
    }
    columns
}

fn at(series: &Series) -> Vec<i64> {
    let mut moment = series.first_ms;
    let later = series.step_ms.iter().map(|step| {
        moment = moment.wrapping_add(*step);
        moment
    });
    std::iter::once(series.first_ms).chain(later).collect()
}

fn times(at: &[i64]) -> Times {
    let mut before = 0;
    let changes = at.windows(2).map(|pair| {
        let step = pair[1].wrapping_sub(pair[0]);
        let change = step.wrapping_sub(before);
        before = step;
        change
    });
    Times { step_change_ms: changes.collect(), first_ms: at.first().copied().unwrap_or(0) }
}

fn moments(times: &Times) -> Option<Vec<i64>> {
    let mut at = vec![times.first_ms];
    let (mut moment, mut step) = (times.first_ms, 0_i64);
    for change in &times.step_change_ms {
        step = step.checked_add(*change)?;
        moment = moment.checked_add(step)?;
        at.push(moment);
    }
    Some(at)
}

/// How many of the shared moments each reading passes over; empty if none.
fn passed(at: &[i64], shared: &[i64]) -> Vec<u32> {
    if at.len() == shared.len() {
        return Vec::new();
    }
    let mut next = 0;
    let over = at.iter().map(|moment| {
        let place = next + shared[next..].partition_point(|known| known < moment);
        let over = place - next;
        next = place + 1;
        u32::try_from(over).unwrap_or(u32::MAX)
    });
    over.collect()
}

fn values(series: &Series, column: &mut Column) {
    let qualities = series.quality.iter().flat_map(|run| (0..run.count).map(|_| run.quality));
    let values: Vec<f64> = series
        .value
        .iter()
        .zip(qualities)
        .filter(|(_, quality)| has_value(*quality))
        .map(|(v, _)| *v)
        .collect();
    for decimals in 0..=DECIMALS_MAX {
        if let Some(whole) = values.iter().map(|value| whole(*value, decimals)).collect::<Option<Vec<_>>>() {
            let mut before = 0;
            column.decimals = decimals;
            column.change = whole.iter().map(|n| n - std::mem::replace(&mut before, *n)).collect();
            return;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "whether that loses anything is what is asked")]
    let single: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    if single.iter().zip(&values).all(|(single, value)| f64::from(*single).to_bits() == value.to_bits()) {
        column.single = single;
    } else {
        column.full = values;
    }
}

/// `value` as a whole number of 10^-decimals, if it is one but for the last bits of its product.
#[expect(clippy::cast_possible_truncation, reason = "checked against what a double holds exactly")]
fn whole(value: f64, decimals: u32) -> Option<i64> {
    let scaled = value * 10_f64.powi(decimals.cast_signed());
    let whole = scaled.round();
    let exact = (scaled - whole).abs() <= LAST_PLACES * whole.abs() && whole.abs() < WHOLE_MAX;
    // Minus nought is no whole number.
    (exact && !(whole == 0.0 && value.is_sign_negative())).then_some(whole as i64)
}

fn series(mut column: Column, times: &[Vec<i64>], left: &mut usize) -> Result<Series, UnpackError> {
    let wrong = UnpackError::Inconsistent;
    let shared = usize::try_from(column.times)
        .ok()
        .and_then(|place| times.get(place))
        .ok_or(wrong("a column names times that are not there"))?;
    if column.quality.is_empty() {
        let count = if column.passed.is_empty() { shared.len() } else { column.passed.len() };
        let count = u32::try_from(count).map_err(|_| UnpackError::TooLarge)?;
        column.quality.push(QualityRun { quality: Quality::Good.into(), count, exception: 0 });
    }
    let count: u64 = column.quality.iter().map(|run| u64::from(run.count)).sum();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    *left = left.checked_sub(count).ok_or(UnpackError::TooLarge)?;
    let at: Vec<i64> = if column.passed.is_empty() {
        if count != shared.len() {
            return Err(wrong("the qualities of a column do not count up to its readings"));
        }
        shared.clone()
    } else {
        let mut next = 0_usize;
        let place = |over: &u32| {
            let place = next.saturating_add(usize::try_from(*over).unwrap_or(usize::MAX));
            next = place.saturating_add(1);
            shared.get(place).copied()
        };
        let at = column.passed.iter().map(place).collect::<Option<Vec<_>>>();
        at.ok_or(wrong("a reading lies beyond its times"))?
    };
    if at.len() != count {
        return Err(wrong("the qualities of a column do not count up to its readings"));
    }
    let mut known = known(&column)?.into_iter();
    let mut value = Vec::with_capacity(count);
    for run in &column.quality {
        for _ in 0..run.count {
            value.push(match has_value(run.quality) {
                true => known.next().ok_or(wrong("a column has fewer values than readings"))?,
                false => 0.0,
            });
        }
    }
    if known.next().is_some() {
        return Err(wrong("a column has more values than readings"));
    }
    let step = |pair: &[i64]| pair[1].checked_sub(pair[0]);
    let step_ms = at.windows(2).map(step).collect::<Option<Vec<_>>>();
    Ok(Series {
        device: column.device,
        point: column.point,
        unit: column.unit,
        first_ms: at.first().copied().unwrap_or(0),
        step_ms: step_ms.ok_or(wrong("a time is beyond any calendar"))?,
        value,
        quality: column.quality,
    })
}

/// The values of a column that are there.
#[expect(clippy::cast_precision_loss, reason = "within what a double holds exactly, checked")]
fn known(column: &Column) -> Result<Vec<f64>, UnpackError> {
    let wrong = UnpackError::Inconsistent;
    let forms = [!column.change.is_empty(), !column.single.is_empty(), !column.full.is_empty()];
    if forms.iter().filter(|form| **form).count() > 1 {
        return Err(wrong("a column has values in two forms"));
    }
    if column.decimals > DECIMALS_MAX {
        return Err(wrong("a column has more than six decimals"));
    }
    if forms[1] {
        return Ok(column.single.iter().map(|value| f64::from(*value)).collect());
    }
    if forms[2] {
        return Ok(column.full.clone());
    }
    let step = 10_f64.powi(column.decimals.cast_signed());
    let mut whole = 0_i64;
    let value = |change: &i64| {
        whole = whole.checked_add(*change)?;
        let value = whole as f64;
        (value.abs() < WHOLE_MAX).then_some(value / step)
    };
    let values = column.change.iter().map(value).collect::<Option<Vec<_>>>();
    values.ok_or(wrong("a value is beyond a double"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-9999_i32..9999).prop_map(|n| f64::from(n) * 0.1),
            (-500_000_i32..500_000).prop_map(|n| f64::from(n) * 0.001),
            any::<f32>().prop_filter("finite", |n| n.is_finite()).prop_map(f64::from),
            any::<f64>().prop_filter("finite", |n| n.is_finite()),
            Just(0.0),
            Just(-0.0),
        ]
    }

    fn one() -> impl Strategy<Value = Series> {
        let reading = (value(), 1_i32..=8, prop_oneof![Just(60_000_i64), 1_i64..70_000, -5_000_i64..5_000]);
        (0_u8..3, prop::collection::vec(reading, 0..40), 0_i64..1_800_000_000_000).prop_map(
            |(device, readings, first_ms)| {
                let mut series = Series {
                    device: format!("freezer-{device}"),
                    point: "air_temperature".into(),
                    unit: "°C".into(),
                    first_ms: if readings.is_empty() { 0 } else { first_ms },
                    step_ms: readings.iter().skip(1).map(|reading| reading.2).collect(),
                    ..Series::default()
                };
                for (value, quality, _) in readings {
                    series.value.push(if has_value(quality) { value } else { 0.0 });
                    match series.quality.last_mut() {
                        Some(run) if run.quality == quality => run.count += 1,
                        _ => series.quality.push(QualityRun { quality, count: 1, exception: 0 }),
                    }
                }
                series
            },
        )
    }

    /// As close as the resolution asks: the very value, or the nearest of its decimals.
    fn same(ours: f64, theirs: f64) -> bool {
        (ours - theirs).abs() <= 2.0 * LAST_PLACES * ours.abs() || ours.to_bits() == theirs.to_bits()
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(all in prop::collection::vec(one(), 0..12)) {
            let back = unpack(&pack(&all)).unwrap();
            let all: Vec<_> = all.iter().filter(|series| !series.value.is_empty()).collect();
            prop_assert_eq!(all.len(), back.len());
            for (ours, theirs) in all.iter().zip(&back) {
                prop_assert_eq!(
                    (&ours.device, &ours.point, &ours.unit, &ours.step_ms, &ours.quality, ours.first_ms),
                    (&theirs.device, &theirs.point, &theirs.unit, &theirs.step_ms, &theirs.quality, theirs.first_ms)
                );
                for (ours, theirs) in ours.value.iter().zip(&theirs.value) {
                    prop_assert!(same(*ours, *theirs), "{} {}", ours, theirs);
                }
            }
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(&bytes).unwrap();
            let _ = unpack(&zlib.finish().unwrap());
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn a_tenth_of_a_degree_comes_back_as_it_is_written() {
        let series = Series {
            value: (0..1000).map(|n| f64::from(n) * 0.1).collect(),
            step_ms: vec![60_000; 999],
            quality: vec![QualityRun { quality: Quality::Good.into(), count: 1000, exception: 0 }],
            ..Series::default()
        };
        let back = unpack(&pack([&series])).unwrap().remove(0);
        for (n, value) in back.value.iter().enumerate() {
            assert_eq!(value.to_string(), format!("{}", n as f64 / 10.0));
        }
    }

    fn only(value: f64) -> Series {
        let quality = vec![QualityRun { quality: Quality::Good.into(), count: 1, exception: 0 }];
        Series { value: vec![value], quality, ..Series::default() }
    }

    #[test]
    fn a_large_counter_keeps_its_decimals() {
        for value in [12_345_678.01, 1_000_000_000.4, 4_294_967_295.999, 0.000_001, 123_456_789.012_345_6] {
            let back = unpack(&pack([&only(value)])).unwrap().remove(0).value[0];
            assert!((back - value).abs() <= value * 1e-15, "{value} came back as {back}");
        }
    }

    fn zip(columns: &Columns) -> Vec<u8> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&columns.encode_to_vec()).unwrap();
        zlib.finish().unwrap()
    }

    #[test]
    fn a_name_that_is_taken_over_again_and_again_cannot_fill_the_memory() {
        let times = vec![Times::default()];
        let long = Column { device: "x".repeat(100_000), ..Column::default() };
        let with = |column: Vec<Column>| unpack(&zip(&Columns { times: times.clone(), column }));
        assert_eq!(with(vec![long]), Err(UnpackError::TooLarge));
        assert_eq!(with(vec![Column::default(); PARTS_MAX]), Err(UnpackError::TooLarge), "and the times");
        let short = Column { device: "x".into(), change: vec![1], ..Column::default() };
        let inherits = Column { device: String::new(), ..short.clone() };
        assert_eq!(with(vec![short, inherits]).unwrap()[1].device, "x");
    }

    #[test]
    fn a_small_message_cannot_fill_the_memory() {
        let columns = Columns {
            times: vec![Times { first_ms: 0, step_change_ms: vec![0; 50_000] }],
            column: vec![
                Column {
                    quality: vec![QualityRun { quality: 3, count: 50_001, exception: 0 }],
                    ..Column::default()
                };
                1000
            ],
        };
        let zip = |bytes: &[u8]| {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(bytes).unwrap();
            zlib.finish().unwrap()
        };
        assert_eq!(unpack(&zip(&columns.encode_to_vec())), Err(UnpackError::TooLarge));
        assert_eq!(unpack(&zip(&vec![0; 5 << 20])), Err(UnpackError::TooLarge));
    }
}
