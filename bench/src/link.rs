//! `link`: bytes a reading takes on the wire, ours beside what others send.
//!
//! One store-day of 60 devices read once a minute, 540 points: cabinets of the scoreboard's physics with
//! their controllers' points (temperatures in tenths, flags), a room probe and a meter each. Every reading
//! is sent; nothing is left out because it did not change. The moments of a device stray by up to 20 ms.

use crate::report::Row;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;
use std::io::{self, Write as _};
use storesim::score::physics::{Cabinet, Parameters, STEP_S};
use storewarden_proto::telemetry::pack;
use storewarden_proto::v1::{Envelope, Quality, QualityRun, Series, Stream, Telemetry, envelope::Body};
use storewarden_rules::Class;

/// The promise, bytes a reading.
const BYTES: f64 = 2.0;
/// The promise for 30 days of this store, MB.
const OFFLINE_MB: f64 = 200.0;
const DEVICES: usize = 60;
const MINUTES: usize = 24 * 60;
/// Minutes in one message, as a store sends by default, and longer and shorter.
const BATCHES: [usize; 3] = [5, 15, 1];
/// Monday, 5 January 2026, 00:00 UTC, ms.
const START: i64 = 1_767_571_200_000;

/// A point of a device: its name, its unit, its step.
const POINTS: [(&str, &str, f64); 9] = [
    ("air_temperature", "°C", 0.1),
    ("evaporator_temperature", "°C", 0.1),
    ("set_point", "°C", 0.1),
    ("compressor", "", 1.0),
    ("evaporator_fan", "", 1.0),
    ("defrost", "", 1.0),
    ("room_temperature", "°C", 0.1),
    ("power", "W", 1.0),
    ("energy", "kWh", 0.01),
];

/// Of each device: when it was read, and the values of its points.
type Day = Vec<Vec<(i64, [f64; POINTS.len()])>>;

fn day() -> Day {
    let mut rng = fastrand::Rng::with_seed(20_261_123);
    (0..DEVICES)
        .map(|device| {
            let class = [Class::Freezer, Class::Chiller, Class::ColdRoom][device % 3];
            let mut cabinet = Cabinet::new(Parameters::new(class, &mut rng), rng.fork());
            let (mut kwh, offset) = (rng.f64() * 5000.0, rng.i64(0..60_000));
            let mut read = Vec::with_capacity(MINUTES);
            for minute in 0..MINUTES {
                for _ in 0..12 {
                    cabinet.step();
                    kwh += cabinet.power_w * STEP_S / 3.6e6;
                }
                let flag = |on: bool| f64::from(u8::from(on));
                let values = [
                    cabinet.probe_c().unwrap_or(0.0),
                    cabinet.evaporator_probe_c(),
                    cabinet.parameters.cut_out_c,
                    flag(cabinet.asks),
                    flag(cabinet.fan_on()),
                    flag(cabinet.defrosts()),
                    cabinet.room_c,
                    cabinet.power_w,
                    kwh,
                ];
                let stepped = std::array::from_fn(|point| {
                    let step = POINTS[point].2;
                    // As a register times its scale gives it, with the last bits of that product.
                    (values[point] / step).round() * step
                });
                let at = START + offset + i64::try_from(minute).unwrap_or(0) * 60_000 + rng.i64(0..20);
                read.push((at, stepped));
            }
            read
        })
        .collect()
}

fn id(device: usize) -> String {
    format!("cabinet-{:02}", device + 1)
}

/// One message of ours, whole, as its payload travels.
fn ours(day: &Day, from: usize, minutes: usize, seq: u64) -> Vec<u8> {
    let mut all = Vec::new();
    for (device, read) in day.iter().enumerate() {
        let part = &read[from..(from + minutes).min(read.len())];
        for (point, (name, unit, _)) in POINTS.iter().enumerate() {
            all.push(Series {
                device: id(device),
                point: (*name).into(),
                unit: (*unit).into(),
                first_ms: part[0].0,
                step_ms: part.windows(2).map(|pair| pair[1].0 - pair[0].0).collect(),
                value: part.iter().map(|(_, values)| values[point]).collect(),
                quality: vec![QualityRun {
                    quality: Quality::Good.into(),
                    count: u32::try_from(part.len()).unwrap_or(0),
                    exception: 0,
                }],
            });
        }
    }
    Envelope {
        chain: "kaixin".into(),
        store: "0042".into(),
        boot: 0x0123_4567_89ab_cdef,
        stream: Stream::Telemetry.into(),
        seq,
        journal: 0xfedc_ba98_7654_3210,
        committed_ms: START,
        body: Some(Body::Telemetry(Telemetry { series: Vec::new(), packed: pack(&all) })),
    }
    .encode_to_vec()
}

/// One JSON object a reading, as MQTT gateways commonly send it.
fn json(device: usize, point: usize, at: i64, value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    serde_json::json!({"device": id(device), "point": POINTS[point].0, "ts": at, "value": rounded, "quality": "good"})
        .to_string()
}

/// InfluxDB's line protocol, one line a reading.
fn line(device: usize, point: usize, at: i64, value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    format!("{},store=0042,device={} value={rounded} {at}\n", POINTS[point].0, id(device))
}

/// A Sparkplug B metric by alias, and its payload (the public schema of Eclipse Tahu, what a DDATA needs).
#[derive(Clone, PartialEq, prost::Message)]
struct Metric {
    #[prost(uint64, optional, tag = "2")]
    alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    datatype: Option<u32>,
    #[prost(float, optional, tag = "12")]
    float_value: Option<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(uint64, optional, tag = "1")]
    timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    seq: Option<u64>,
}

/// One DDATA of a device with all its points: one poll.
fn sparkplug(at: i64, values: &[f64; POINTS.len()]) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "Sparkplug's Float is single precision")]
    let metric = |(alias, value): (usize, &f64)| Metric {
        alias: Some(alias as u64),
        timestamp: Some(at.unsigned_abs()),
        datatype: Some(9),
        float_value: Some(*value as f32),
    };
    let metrics = values.iter().enumerate().map(metric).collect();
    Payload { timestamp: Some(at.unsigned_abs()), metrics, seq: Some(1) }.encoded_len()
}

/// Measures it.
pub fn measure() -> io::Result<Vec<Row>> {
    let day = day();
    let readings = (DEVICES * POINTS.len() * MINUTES) as f64;
    let mut rows = Vec::new();
    let mut by_default = 0.0;
    for minutes in BATCHES {
        let messages = (0..MINUTES).step_by(minutes).enumerate();
        let bytes: usize = messages.map(|(seq, from)| ours(&day, from, minutes, seq as u64 + 1).len()).sum();
        let each = bytes as f64 / readings;
        if by_default == 0.0 {
            by_default = each;
        }
        rows.push(Row::bounded(
            "link",
            &format!("a reading on the wire, {minutes} min a message"),
            each,
            "bytes",
            BYTES,
        ));
    }
    let (mut as_json, mut as_sparkplug, mut as_lines) = (0, 0, 0);
    for from in (0..MINUTES).step_by(BATCHES[0]) {
        let mut lines = GzEncoder::new(Vec::new(), Compression::default());
        for (device, read) in day.iter().enumerate() {
            for (at, values) in &read[from..from + BATCHES[0]] {
                as_sparkplug += sparkplug(*at, values);
                for (point, value) in values.iter().enumerate() {
                    as_json += json(device, point, *at, *value).len();
                    lines.write_all(line(device, point, *at, *value).as_bytes())?;
                }
            }
        }
        as_lines += lines.finish()?.len();
    }
    for (what, bytes) in [
        ("the same as JSON, one message a reading", as_json),
        ("as Sparkplug B, one message a poll, by alias", as_sparkplug),
        ("as line protocol, gzip, 5 min a message", as_lines),
    ] {
        rows.push(Row::compared("link", what, &[bytes as f64 / readings], "bytes", "peer"));
    }
    let offline = by_default * readings * 30.0 / 1e6;
    rows.push(Row::bounded(
        "link",
        "30 days of this store away from headquarters",
        offline,
        "MB",
        OFFLINE_MB,
    ));
    Ok(rows)
}
