//! Configurations as people write them, right and wrong.

use std::path::Path;
use storewarden::config::Config;

const KEY: &str = r#"
[[price_key]]
id = "team"
public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"#;

const REST: &str = r#"
[[bus]]
id = "cold"
tcp = "192.168.1.60:502"

[[device]]
id = "freezer-1"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "cold"
unit = 1
temperature_high = { limit = -18.0, delay = "30m" }

[[device]]
id = "relay"
class = "light"
profile = "waveshare-relay-8"
bus = "cold"
unit = 2

[[broker]]
id = "lan"
url = "mqtt://127.0.0.1:1883"

[[device]]
id = "plug"
class = "light"
profile = "tasmota-plug"
broker = "lan"
topic = "tasmota_1A2B3C"

[[light]]
id = "sign"
switch = "relay/relay_1"

[[gateway]]
id = "shelf"
ap = "0001"
broker = "mqtt://127.0.0.1:1883"

[[label]]
id = "3D000001"
gateway = "shelf"
item = "10001"
"#;

const STORE: &str = r#"[store]
chain = "kaixin"
id = "0042"
timezone = "Asia/Shanghai"
latitude = 31.23
longitude = 121.47
"#;

fn good() -> String {
    [STORE, KEY, REST].concat()
}

fn faults(text: &str) -> String {
    match Config::parse(Path::new("store.toml"), text) {
        Ok(_) => String::new(),
        Err(faults) => faults.to_string(),
    }
}

#[test]
fn the_example_that_comes_with_the_documents_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/store.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(faults(&text), "");
    assert_eq!(faults(&good()), "");
}

/// Replaces `from` (which must be there) by `to` and expects a fault that says `said`, on the line that
/// contains `line`.
fn wrong(from: &str, to: &str, line: &str, said: &str) {
    let text = good();
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    let told = faults(&text);
    let number = text.lines().position(|l| l.contains(line)).map_or(0, |index| index + 1);
    assert!(told.contains(said), "`{to}`: {told:?} should say {said:?}");
    assert!(told.contains(&format!("store.toml:{number}: ")), "`{to}`: {told:?} should name line {number}");
}

#[test]
fn each_fault_names_its_line_and_what_to_write() {
    wrong("unit = 1\n", "unit = 1\nunits = 2\n", "units = 2", "unknown field `units`");
    wrong("id = \"relay\"", "id = \"Freezer-1\"", "id = \"Freezer-1\"", "is there twice");
    wrong("unit = 2", "unit = 0x01", "unit = 0x01", "is already `freezer-1`");
    wrong("unit = 1", "unit = 248", "unit = 248", "write 1 to 247");
    wrong("unit = 1", "unit = 1\npoints = [\"fan\", \"far\"]", "points =", "has no point `far`");
    wrong("unit = 1", "unit = 1\npoints = [\"fan\"]", "id = \"freezer-1\"", "add it to `points`");
    wrong("Asia/Shanghai", "Asia/Shanghia", "Shanghia", "IANA name");
    wrong("id = \"0042\"", "id = \"00/42\"", "00/42", "cannot be part of a topic");
    wrong(".60:502", ".60", "tcp =", "is not host:port");
    wrong("\"30m\"", "\"30\"", "temperature_high", "write \"500ms\"");
    wrong("-18.0,", "-18.0, hysteresis = 6.0,", "hysteresis", "between 0 and 5");
    wrong("limit = -18.0", "limit = nan", "limit = nan", "no cabinet temperature");
    wrong(
        "temperature_high",
        "temperature_low = { limit = -18.6 }\ntemperature_high",
        "temperature_low",
        "within each other's hysteresis",
    );
    wrong("danfoss-ekc-202d", "danfoss-ekc-202", "danfoss", "write one of carel-ir33");
    wrong("class = \"freezer\"", "class = \"meter\"", "class = \"meter\"", "cannot be a meter");
    wrong("relay/relay_1", "relay/relay_9", "relay_9", "reads no point `relay_9`");
    wrong("relay/relay_1", "freezer-1/fan", "freezer-1/fan", "cannot be written");
    wrong("broker = \"lan\"", "broker = \"wan\"", "\"wan\"", "no [[broker]] with id `wan`");
    wrong("broker = \"lan\"", "bus = \"cold\" # plug", "# plug", "speaks MQTT");
    wrong("broker = \"lan\"\n", "", "id = \"plug\"", "write its `broker` and its `topic`");
    wrong("unit = 2\n", "", "id = \"relay\"", "write its `bus` and its `unit`");
    wrong("unit = 2\n", "unit = 2\ntopic = \"x\"\n", "topic = \"x\"", "speaks Modbus");
    wrong("tasmota_1A2B3C", "tasmota/#", "tasmota/#", "is no part of a topic");
    wrong(
        "[[light]]",
        "[[device]]\nid = \"lamp\"\nclass = \"light\"\nprofile = \"tasmota-plug\"\nbroker = \"lan\"\ntopic = \"tasmota_1A2B3C\" # again\n[[light]]",
        "# again",
        "is already `plug`",
    );
    wrong("url = \"mqtt:", "url = \"mqtts:", "url = ", "equipment is spoken to as mqtt://");
    wrong("latitude = 31.23", "", "id = \"sign\"", "write store.latitude");
    wrong("ap = \"0001\"", "ap = \"00001\"", "00001\"", "four letters or digits");
    wrong("id = \"3D000001\"", "id = \"ZZ000001\"", "ZZ000001", "known label model");
    wrong("d75a98", "d75a9", "public =", "64 hex digits");
    wrong(KEY, "", "id = \"3D000001\"", "need a [[price_key]]");
    wrong(
        "[[gateway]]",
        "[[light]]\nid = \"lamp\"\nswitch = \"relay/relay_1\" # again\n[[gateway]]",
        "# again",
        "the switch `relay/relay_1` is there twice",
    );
}

#[test]
fn a_password_in_an_address_is_neither_taken_nor_repeated_in_the_message() {
    let text = good().replace("mqtt://127.0.0.1:1883", "mqtt://user:hunter2@127.0.0.1:1883");
    let told = faults(&text);
    let message = told.lines().next().unwrap();
    assert!(message.contains("is no broker") && !message.contains("hunter2"), "{message}");
}

#[test]
fn beyond_loopback_headquarters_is_reached_by_tls_or_on_purpose_without() {
    let hq = |lines: &str| faults(&format!("{}\n[hq]\n{lines}\n", good()));
    assert!(hq("broker = \"mqtt://hq.example:1883\"").contains("unencrypted"));
    assert_eq!(hq("broker = \"mqtt://hq.example:1883\"\nplaintext = true"), "");
    assert_eq!(hq("broker = \"mqtt://127.0.0.1:1883\""), "");
    assert!(hq("broker = \"mqtts://hq.example\"").contains("hq.ca_file"));
    assert!(hq("broker = \"mqtts://hq.example\"\nca_file = \"nowhere.pem\"").contains("cannot be read"));
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_file() {
    let text = good()
        .replace("Asia/Shanghai", "Nowhere")
        .replace("unit = 2", "unit = 0")
        .replace("ap = \"0", "ap = \"");
    let told = faults(&text);
    let lines: Vec<usize> = told
        .lines()
        .filter_map(|line| line.strip_prefix("store.toml:")?.split(':').next()?.parse().ok())
        .collect();
    assert!(lines.len() >= 3, "{told}");
    assert!(lines.is_sorted(), "{told}");
}
