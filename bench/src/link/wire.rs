//! `link-wire`: bytes a reading takes on the wire, ours beside what others send.

use super::store_day::{self, DEVICES, Day, MINUTES, POINTS, START, id};
use crate::report::Row;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;
use std::io::{self, Write as _};
use storewarden::report::{Reports, default_deadband};
use storewarden_proto::v1::{Envelope, Stream, Telemetry, envelope::Body};
use storewarden_rules::{Millis, Mono, PointId, Reading, Sample, Unit, Utc};

/// The promise, bytes a reading.
const BYTES: f64 = 2.0;
/// The promise for 30 days of this store, MB.
const OFFLINE_MB: f64 = 200.0;
/// Minutes in one message, as a store sends by default, and longer and shorter.
const BATCHES: [usize; 3] = [5, 15, 1];

/// One message of ours, whole, as its payload travels.
fn ours(day: &Day, from: usize, minutes: usize, seq: u64) -> Vec<u8> {
    let packed = store_day::packed(day, DEVICES, from..from + minutes, 0);
    Envelope {
        chain: "kaixin".into(),
        store: "0042".into(),
        boot: 0x0123_4567_89ab_cdef,
        stream: Stream::Telemetry.into(),
        seq,
        journal: 0xfedc_ba98_7654_3210,
        committed_ms: START,
        body: Some(Body::Telemetry(Telemetry { series: Vec::new(), packed })),
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

/// How many readings of the day a store tells by default: by exception, with a heartbeat of five minutes.
fn told(day: &Day) -> usize {
    let unit = |name| match name {
        "°C" => Unit::Celsius,
        "W" => Unit::Watt,
        "kWh" => Unit::KilowattHour,
        _ => Unit::Flag,
    };
    let mut count = 0;
    for read in day {
        let deadbands = POINTS.iter().map(|(_, name, _)| default_deadband(unit(*name)));
        let mut reports = Reports::new(Millis::from_mins(5), deadbands);
        for (at, values) in read {
            for (point, value) in (0..).zip(values) {
                let reading = Reading { point: PointId(point), at: Utc(*at), sample: Sample::Good(*value) };
                count += usize::from(reports.take(Mono(*at), &reading));
            }
        }
    }
    count
}

/// Measures it.
pub fn measure() -> io::Result<Vec<Row>> {
    let day = store_day::make();
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
            "link-wire",
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
        rows.push(Row::compared("link-wire", what, &[bytes as f64 / readings], "bytes", "peer"));
    }
    let share = [told(&day) as f64 / readings * 100.0];
    let what = "of the readings, told by exception with the defaults";
    rows.push(Row::compared("link-wire", what, &share, "%", "100 % is every reading, as in the lines above"));
    let offline = by_default * readings * 30.0 / 1e6;
    rows.push(Row::bounded(
        "link-wire",
        "30 days of this store away from headquarters",
        offline,
        "MB",
        OFFLINE_MB,
    ));
    Ok(rows)
}
