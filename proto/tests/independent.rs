//! What we encode, Google's protobuf for Python decodes to the same values, and the other way round.
//!
//! The expected values are written out here as protobuf JSON, so that a mistake made alike in our
//! encoder and decoder shows. Python is `$STOREWARDEN_PYTHON`, or `python3`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use storewarden_proto::prost::Message;
use storewarden_proto::v1::{self, envelope::Body};

/// Sends `requests` to `decode.py` and returns its answers.
fn ask_python(requests: &[Value]) -> Vec<Value> {
    let python = std::env::var("STOREWARDEN_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut child = Command::new(&python)
        // Cargo runs tests in the package's folder.
        .args(["tests/decode.py", "proto"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {python}: {error}; run ./scripts/test"));
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    // Python that ends early closes the pipe; its own words, below, say more than the broken pipe.
    let written = child.stdin.take().expect("stdin is piped").write_all(lines.as_bytes());
    let output = child.wait_with_output().expect("its output can be read");
    assert!(
        output.status.success() && written.is_ok(),
        "{python} could not answer:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .expect("JSON is UTF-8")
        .lines()
        .map(|l| serde_json::from_str(l).expect("one JSON value a line"))
        .collect();
    assert_eq!(answers.len(), requests.len());
    answers
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits"))
        .collect()
}

/// Checks both directions for one kind of message.
fn agrees<M: Message + Default + PartialEq + std::fmt::Debug>(name: &str, ours: &M, expected: &Value) {
    let answers = ask_python(&[
        json!({ "decode": name, "hex": hex(&ours.encode_to_vec()) }),
        json!({ "encode": name, "json": expected }),
    ]);
    assert_eq!(&answers[0], expected, "Python reads our {name} otherwise");
    let theirs = unhex(answers[1]["hex"].as_str().expect("decode.py answers hex"));
    assert_eq!(
        &M::decode(theirs.as_slice()).expect("Python encodes the contract"),
        ours,
        "we read Python's {name} otherwise"
    );
}

fn envelope(stream: v1::Stream, body: Body) -> v1::Envelope {
    v1::Envelope {
        chain: "kaixin".into(),
        store: "0042".into(),
        boot: u64::MAX,
        stream: stream.into(),
        seq: 9_007_199_254_740_993,
        journal: 0x0123_4567_89ab_cdef,
        committed_ms: 1_795_305_600_123,
        body: Some(body),
    }
}

/// The JSON of [`envelope`], with a body added. 64-bit integers are strings in protobuf JSON.
fn envelope_json(stream: &str, body: &str, value: Value) -> Value {
    let mut json = json!({
        "chain": "kaixin",
        "store": "0042",
        "boot": "18446744073709551615",
        "stream": stream,
        "seq": "9007199254740993",
        "journal": "81985529216486895",
        "committed_ms": "1795305600123",
    });
    json[body] = value;
    json
}

#[test]
fn an_alert_with_evidence() {
    let fact =
        |quantity: &str, value, unit: &str| v1::Fact { quantity: quantity.into(), value, unit: unit.into() };
    let alert = v1::Alert {
        alarm: 7,
        device: "freezer-2".into(),
        device_name: "冰柜 2".into(),
        condition: "too_warm".into(),
        priority: "high".into(),
        state: v1::AlarmState::ActiveUnacknowledged.into(),
        at_ms: 1_795_305_600_000,
        since_ms: -1,
        cause: "compressor does not run".into(),
        evidence: vec![fact("air temperature", -11.25, "°C"), fact("power", 0.0, "W")],
        by: String::new(),
        probability: 0.75,
        alternatives: vec![v1::ProbableCause { cause: "door_open".into(), probability: 0.125 }],
        parent_device: "circuit-1".into(),
        parent_condition: "power_lost".into(),
        escalation: 3,
        repair: Some(v1::Repair {
            reference: "报修 12".into(),
            by: "王芳".into(),
            since_ms: 1_795_305_600_000,
            escalation: 1,
            fixed_by: "李".into(),
            fixed_ms: 1_795_305_700_000,
        }),
        curve: vec![
            // What was read to be 0 differs from what was not read.
            v1::CurveSample { at_ms: 1, air: Some(-18.5), evaporator: None, power: Some(0.0) },
            v1::CurveSample { at_ms: 2, air: None, evaporator: Some(-27.25), power: None },
        ],
    };
    let expected = json!({
        "alarm": "7",
        "device": "freezer-2",
        "device_name": "冰柜 2",
        "condition": "too_warm",
        "priority": "high",
        "state": "ALARM_STATE_ACTIVE_UNACKNOWLEDGED",
        "at_ms": "1795305600000",
        "since_ms": "-1",
        "cause": "compressor does not run",
        "evidence": [
            { "quantity": "air temperature", "value": -11.25, "unit": "°C" },
            { "quantity": "power", "unit": "W" },
        ],
        "probability": 0.75,
        "alternatives": [{ "cause": "door_open", "probability": 0.125 }],
        "parent_device": "circuit-1",
        "parent_condition": "power_lost",
        "escalation": 3,
        "repair": {
            "reference": "报修 12",
            "by": "王芳",
            "since_ms": "1795305600000",
            "escalation": 1,
            "fixed_by": "李",
            "fixed_ms": "1795305700000",
        },
        "curve": [
            { "at_ms": "1", "air": -18.5, "power": 0.0 },
            { "at_ms": "2", "evaporator": -27.25 },
        ],
    });
    agrees(
        "Envelope",
        &envelope(v1::Stream::Alert, Body::Alert(alert)),
        &envelope_json("STREAM_ALERT", "alert", expected),
    );
}

#[test]
fn telemetry_with_steps_both_ways() {
    let run =
        |quality: v1::Quality, count, exception| v1::QualityRun { quality: quality.into(), count, exception };
    let telemetry = v1::Telemetry {
        series: vec![v1::Series {
            device: "chiller-1".into(),
            point: "air_temperature".into(),
            unit: "°C".into(),
            first_ms: 1_795_305_600_000,
            // A clock may be set back between two readings.
            step_ms: vec![1_000, -3_600_000, 0, 4_294_967_296],
            value: vec![2.5, -0.125, 0.0, 1e-300, 5.0],
            quality: vec![
                run(v1::Quality::Good, 2, 0),
                run(v1::Quality::Exception, 1, 2),
                run(v1::Quality::Stale, 2, 0),
            ],
        }],
        ..v1::Telemetry::default()
    };
    let expected = json!({ "series": [{
        "device": "chiller-1",
        "point": "air_temperature",
        "unit": "°C",
        "first_ms": "1795305600000",
        "step_ms": ["1000", "-3600000", "0", "4294967296"],
        "value": [2.5, -0.125, 0.0, 1e-300, 5.0],
        "quality": [
            { "quality": "QUALITY_GOOD", "count": 2 },
            { "quality": "QUALITY_EXCEPTION", "count": 1, "exception": 2 },
            { "quality": "QUALITY_STALE", "count": 2 },
        ],
    }] });
    agrees(
        "Envelope",
        &envelope(v1::Stream::Telemetry, Body::Telemetry(telemetry)),
        &envelope_json("STREAM_TELEMETRY", "telemetry", expected),
    );
}

/// A device whose points are read together, some of them not each time; one that shows too fine a value
/// for decimals; and one whose clock was set back.
fn a_quarter_of_an_hour() -> Vec<v1::Series> {
    let run = |quality: v1::Quality, count| v1::QualityRun { quality: quality.into(), count, exception: 0 };
    let at = |minute: i64| 1_795_305_600_000 + minute * 60_000 + minute * minute % 7;
    let steps = |minutes: &[i64]| minutes.windows(2).map(|pair| at(pair[1]) - at(pair[0])).collect();
    let all: Vec<i64> = (0..15).collect();
    let third: Vec<i64> = (1..15).step_by(3).collect();
    let point = |point: &str, minutes: &[i64], value: Vec<f64>, quality| v1::Series {
        device: "freezer-1".into(),
        point: point.into(),
        unit: "°C".into(),
        first_ms: at(minutes[0]),
        step_ms: steps(minutes),
        value,
        quality,
    };
    let good = |count| vec![run(v1::Quality::Good, count)];
    let sawtooth = |step: f64| (0..15).map(|n| f64::from(n % 5 - 200) * step).collect::<Vec<_>>();
    let mut broken = sawtooth(0.1);
    broken[4..7].fill(0.0);
    let parts = vec![
        run(v1::Quality::Good, 4),
        v1::QualityRun { exception: 2, ..run(v1::Quality::Exception, 2) },
        run(v1::Quality::SensorFault, 1),
        run(v1::Quality::Stale, 8),
    ];
    let mut set_back = point("humidity", &all, sawtooth(0.01), good(15));
    set_back.step_ms[7] = -3_600_000;
    vec![
        point("air_temperature", &all, broken, parts),
        point("defrost", &third, vec![0.0, 1.0, 1.0, 0.0, 0.0], good(5)),
        point("power", &all, (0..15_u8).map(|n| f64::from(231.5_f32 / f32::from(n + 1))).collect(), good(15)),
        point("energy", &all, (0..15).map(|n| f64::from(n) / 7.0).collect(), good(15)),
        v1::Series { device: "meter".into(), ..set_back },
    ]
}

#[test]
fn packed_telemetry_is_read_by_another_program_from_its_document() {
    let ours = a_quarter_of_an_hour();
    let packed = storewarden_proto::telemetry::pack(&ours);
    let answer = ask_python(&[json!({ "unpack": hex(&packed) })]).remove(0);
    let theirs = answer.as_array().expect("a list of points");
    assert_eq!(theirs.len(), ours.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!((&theirs["device"], &theirs["point"]), (&json!(ours.device), &json!(ours.point)));
        let readings = theirs["readings"].as_array().expect("a list of readings");
        assert_eq!(readings.len(), ours.value.len(), "{}", ours.point);
        let qualities = ours.quality.iter().flat_map(|run| (0..run.count).map(move |_| run));
        let mut at = ours.first_ms;
        for (n, (reading, run)) in readings.iter().zip(qualities).enumerate() {
            at += if n == 0 { 0 } else { ours.step_ms[n - 1] };
            assert_eq!((&reading[0], &reading[2]), (&json!(at), &json!(run.quality)), "{} {n}", ours.point);
            assert_eq!(reading[3], json!(run.exception));
            if run.quality <= 2 {
                let value = reading[1].as_f64().expect("a number");
                assert!(
                    (value - ours.value[n]).abs() <= 8.0 * f64::EPSILON * value.abs(),
                    "{} {n}: {value}",
                    ours.point
                );
            } else {
                assert_eq!(reading[1], Value::Null);
            }
        }
    }
}

#[test]
fn a_label_tells_only_what_it_knows() {
    let shown = |rf_dbm, battery_mv, temperature_c| v1::LabelShown {
        label: "3A00B1C2".into(),
        item: "milk-1l".into(),
        price_minor: 1_280,
        currency: "CNY".into(),
        batch: 12,
        image: vec![0x00, 0xff, 0x80],
        proof: v1::Proof::Refreshed.into(),
        at_ms: 1_795_305_600_000,
        reason: String::new(),
        rf_dbm,
        battery_mv,
        temperature_c,
        key_id: "price-team".into(),
    };
    let mut expected = json!({
        "label": "3A00B1C2",
        "item": "milk-1l",
        "price_minor": "1280",
        "currency": "CNY",
        "batch": "12",
        "image": "AP+A",
        "proof": "PROOF_REFRESHED",
        "at_ms": "1795305600000",
        "key_id": "price-team",
    });
    let check = |label, json| {
        agrees(
            "Envelope",
            &envelope(v1::Stream::PriceResult, Body::LabelShown(label)),
            &envelope_json("STREAM_PRICE_RESULT", "label_shown", json),
        );
    };
    check(shown(None, None, None), expected.clone());
    // Zero degrees is a measurement and must not read as "not told".
    expected["rf_dbm"] = json!(-71);
    expected["temperature_c"] = json!(0);
    check(shown(Some(-71), None, Some(0)), expected.clone());

    let several = v1::LabelsShown { shown: vec![shown(Some(-71), None, Some(0)), v1::LabelShown::default()] };
    agrees(
        "Envelope",
        &envelope(v1::Stream::PriceResult, Body::LabelsShown(several)),
        &envelope_json("STREAM_PRICE_RESULT", "labels_shown", json!({ "shown": [expected, {}] })),
    );
}

#[test]
fn a_gap_in_telemetry() {
    let gap = v1::Gap { first_seq: 3, from_ms: 1_795_305_600_000, to_ms: -1 };
    let expected = json!({ "first_seq": "3", "from_ms": "1795305600000", "to_ms": "-1" });
    agrees(
        "Envelope",
        &envelope(v1::Stream::Telemetry, Body::Gap(gap)),
        &envelope_json("STREAM_TELEMETRY", "gap", expected),
    );
}

#[test]
fn an_acknowledgement() {
    let ack = v1::Ack {
        journal: 1,
        streams: vec![
            v1::StreamAck { stream: v1::Stream::Alert.into(), seq: 300 },
            v1::StreamAck { stream: v1::Stream::Telemetry.into(), seq: 0 },
        ],
        at_ms: 1_790_000_000_000,
    };
    let expected = json!({
        "journal": "1",
        "streams": [{ "stream": "STREAM_ALERT", "seq": "300" }, { "stream": "STREAM_TELEMETRY" }],
        "at_ms": "1790000000000",
    });
    agrees("Ack", &ack, &expected);
}

#[test]
fn a_signed_batch_keeps_the_bytes_that_were_signed() {
    // The inner bytes are no message at all: a reader must hand them on untouched.
    let signed = v1::SignedBatch {
        batch: vec![0x3a, 0x00, 0xff],
        signatures: vec![v1::Signature { key_id: "prices-2026".into(), signature: vec![0x11; 64] }],
        ..Default::default()
    };
    let expected = json!({
        "batch": "OgD/",
        "signatures": [{ "key_id": "prices-2026", "signature": format!("{}EQ==", "ERER".repeat(21)) }],
    });
    agrees("SignedBatch", &signed, &expected);
}
