//! What is written for people and for brokers says the same as the code.

use storewarden_proto::topic::{StoreTopics, headquarters_filters};
use storewarden_proto::v1::Stream;
use storewarden_proto::{PAYLOAD_BYTES_MAX, price_batch_signed_bytes};

fn read(path: &str) -> String {
    // Cargo runs tests in the package's folder.
    let path = format!("../{path}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_signed_bytes_are_the_written_ones() {
    let page = read("docs/hq-protocol.md");
    let line = page.lines().find(|line| line.ends_with("‖  batch")).expect("the page shows the prefix");
    let hex = line.trim_end_matches("‖  batch").split_whitespace();
    let mut expected: Vec<u8> = hex.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    expected.extend([0x00, 0xff]);
    assert_eq!(price_batch_signed_bytes(&[0x00, 0xff]), expected);
}

#[test]
fn the_brokers_rights_name_every_topic() {
    let rights = read("deploy/mosquitto-hq.acl");
    let has = |line: String| {
        assert!(rights.lines().any(|right| right == line), "deploy/mosquitto-hq.acl lacks {line}")
    };
    let store = StoreTopics::new("CHAIN", "%u");
    let streams = [Stream::Alert, Stream::PriceResult, Stream::CommandResult, Stream::Telemetry];
    for topic in streams.map(|stream| store.stream(stream)).into_iter().chain([store.status()]) {
        has(format!("pattern write {topic}"));
    }
    let any = StoreTopics::new("CHAIN", "+");
    for (own, every) in
        [(store.ack(), any.ack()), (store.price(), any.price()), (store.command(), any.command())]
    {
        has(format!("pattern read {own}"));
        has(format!("topic write {every}"));
    }
    for filter in headquarters_filters("CHAIN", true) {
        // Rights are asked for the topics behind a share.
        let topics = filter.strip_prefix("$share/storewarden-hq/").unwrap_or(&filter);
        has(format!("topic read {topics}"));
    }
}

#[test]
fn the_broker_lets_the_largest_payload_through() {
    let conf = read("deploy/mosquitto-hq.conf");
    let limit = conf.lines().find_map(|line| line.strip_prefix("max_packet_size ")).expect("a limit is set");
    // The longest topic is 15 + 64 + 1 + 64 + 15 bytes; properties and headers need some tens.
    assert!(limit.parse::<usize>().unwrap() >= PAYLOAD_BYTES_MAX + 1024, "{limit}");
    assert_eq!(PAYLOAD_BYTES_MAX, 262_144, "docs/hq-protocol.md states it");
}
