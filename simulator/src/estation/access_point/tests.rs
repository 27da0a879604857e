//! What an access point does with what it is told. Tasks are packed here by hand, as arrays.

use super::*;
use rmpv::Value;

const T0: u64 = 1_790_000_000_000;
const TAG: &str = "3A0001F2";

fn access_point(queue_max: usize) -> AccessPoint {
    let mut ap = AccessPoint::new(Gateway {
        ap: "0001".into(),
        host: "127.0.0.1".into(),
        port: 1883,
        login: None,
        labels: vec![TAG.into(), "3A0001F3".into()],
        airtime_ms: 300,
        heartbeat_ms: 15_000,
        queue_max,
    });
    ap.connected(T0);
    ap
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let row = usize::try_from(width.div_ceil(8)).expect("small");
    let pixels = vec![0xFF; row * usize::try_from(height).expect("small")];
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).expect("a PNG");
    bytes
}

fn task(tag: &str, pattern: u8, token: u16, image: &[u8]) -> Value {
    Value::Array(vec![
        tag.into(),
        pattern.into(),
        0.into(),
        false.into(),
        false.into(),
        false.into(),
        0.into(),
        token.into(),
        "".into(),
        "".into(),
        Value::Binary(image.to_vec()),
        false.into(),
    ])
}

fn payload(tasks: Vec<Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Array(tasks)).expect("memory");
    bytes
}

/// (tag, rf, status, token) of every result among `outputs`.
fn results(outputs: &[Output]) -> Vec<(String, i64, u64, u64)> {
    let of = |output: &Output| match output {
        Output::Publish { topic: "result", payload, .. } => {
            let value = rmpv::decode::read_value(&mut &payload[..]).expect("MessagePack");
            let record = value[4][0].clone();
            let text = record[0].as_str().expect("a tag").to_owned();
            let number = |index: usize| record[index].as_u64().expect("a number");
            Some((text, record[1].as_i64().expect("rf"), number(4), number(5)))
        }
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

fn shown(outputs: &[Output]) -> Vec<&str> {
    let of = |output| match output {
        &Output::Shown(Shown { ref label, .. }) => Some(label.as_str()),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

#[test]
fn an_image_is_shown_after_its_air_time_and_the_result_follows() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    assert_eq!(ap.take(T0, &payload(vec![task(TAG, 0, 7, &image)])), []);
    assert_eq!(ap.next_ms(), Some(T0 + 300));
    assert_eq!(ap.tick(T0 + 299), []);
    let outputs = ap.tick(T0 + 300);
    assert_eq!(outputs[0], Output::Shown(Shown { ap: "0001".into(), label: TAG.into(), png: image }));
    assert_eq!(results(&outputs), [(TAG.to_owned(), -58, 0, 7)]);
}

#[test]
fn a_newer_task_silently_replaces_the_waiting_one_but_not_the_one_on_the_air() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    for token in 1..=3 {
        ap.take(T0, &payload(vec![task(TAG, 0, token, &image)]));
    }
    let first = ap.tick(T0 + 300);
    let second = ap.tick(T0 + 600);
    let tokens: Vec<u64> = [first, second].iter().flat_map(|o| results(o)).map(|r| r.3).collect();
    assert_eq!(tokens, [1, 3]);
    assert_eq!(ap.tick(T0 + 900), []);
}

#[test]
fn refusals_carry_the_vendors_statuses() {
    let mut ap = access_point(10);
    let image = png(296, 152);
    let mut at = T0;
    let mut send = |tag: &str, pattern, token, image: &[u8]| {
        ap.take(at, &payload(vec![task(tag, pattern, token, image)]));
        at += 300;
        let outputs = ap.tick(at);
        let [(_, rf, status, _)] = results(&outputs)[..] else { panic!("one result") };
        (rf, status, shown(&outputs).len())
    };
    assert_eq!(send("3A00FFFF", 0, 1, &image), (-256, 0, 0), "not bound: nobody answers");
    assert_eq!(send(TAG, 0, 1, &png(296, 128)), (-58, 0x01, 0), "an image for another model");
    assert_eq!(send(TAG, 0, 2, b"no image"), (-58, 0x01, 0));
    assert_eq!(send(TAG, 2, 3, b""), (-58, 0x03, 0), "no page was stored");
    assert_eq!(send(TAG, 1, 4, &image), (-58, 0, 0), "stored, not shown");
    assert_eq!(send(TAG, 2, 5, b""), (-58, 0, 1), "the stored page");
    assert_eq!(send(TAG, 0, 5, &image), (-58, 0xF1, 0), "the token again");
}

#[test]
fn what_cannot_be_taken_is_told_without_a_token() {
    let mut ap = access_point(1);
    let said =
        |code: u8| vec![Output::Publish { topic: "message", payload: vec![0x91, code], exactly_once: false }];
    assert_eq!(ap.take(T0, b"\xC1"), said(8));
    let image = png(296, 152);
    assert_eq!(ap.take(T0, &payload(vec![task(TAG, 0, 1, &image)])), [], "on the air at once");
    assert_eq!(ap.take(T0, &payload(vec![task(TAG, 0, 2, &image)])), [], "waits");
    assert_eq!(ap.take(T0, &payload(vec![task("3A0001F3", 0, 3, &image)])), said(7));
}

#[test]
fn a_heartbeat_comes_every_fifteen_seconds() {
    let mut ap = access_point(1);
    assert_eq!(ap.tick(T0 + 14_999), []);
    let [Output::Publish { topic: "heartbeat", payload, exactly_once: false }] = &ap.tick(T0 + 15_000)[..]
    else {
        panic!("one heartbeat")
    };
    let value = rmpv::decode::read_value(&mut &payload[..]).expect("MessagePack");
    assert_eq!(value.as_array().map(Vec::len), Some(9));
    assert_eq!(ap.next_ms(), Some(T0 + 30_000));
    ap.disconnected();
    assert_eq!((ap.next_ms(), ap.tick(T0 + 60_000)), (None, vec![]), "nobody is there to hear it");
}
