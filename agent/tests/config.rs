//! Configurations as people write them, right and wrong.

#![allow(clippy::unwrap_used, reason = "a test that fails")]

use std::path::Path;
use storewarden::config::{Config, LabelDriver};
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::serial::{Parity, Serial};

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
    let with_policy = text.replacen("#[policy]\n#file", "[policy]\nfile", 1);
    let config = Config::parse(&path, &with_policy).unwrap();
    assert_eq!(config.alarm_origins.len(), 7, "the policy was read");
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
    wrong(
        "unit = 1",
        "unit = 1\ndeadband = { far = 1.0 }",
        "deadband",
        "deadband of `far`, which is not read",
    );
    wrong("unit = 1", "unit = 1\ndeadband = { air_temperature = -0.1 }", "deadband", "write 0 (any change");
    wrong("unit = 1", "unit = 1\ndeadband = { air_temperature = inf }", "deadband", "write 0 (any change");
    wrong("[[bus]]", "[telemetry]\nheartbeat = \"25h\"\n[[bus]]", "heartbeat", "write 0s to 1day");
    wrong("[[bus]]", "[telemetry]\nheart = \"5m\"\n[[bus]]", "heart", "unknown field `heart`");
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
    wrong("danfoss-ekc-202d", "danfoss-ekc-202", "danfoss", "write one of abb-b23");
    wrong("class = \"freezer\"", "class = \"meter\"", "class = \"meter\"", "cannot be a meter");
    wrong("relay/relay_1", "relay/relay_9", "relay_9", "reads no point `relay_9`");
    wrong("relay/relay_1", "freezer-1/fan", "freezer-1/fan", "cannot be written");
    wrong("broker = \"lan\"", "broker = \"wan\"", "\"wan\"", "no [[broker]] with id `wan`");
    wrong("broker = \"lan\"", "bus = \"cold\" # plug", "# plug", "speaks MQTT");
    wrong("broker = \"lan\"\n", "", "id = \"plug\"", "write its `broker` and its `topic`");
    let with = |key: &str| format!("broker = \"lan\"\n{key} # plug");
    wrong("broker = \"lan\"", &with("poll = \"0s\""), "# plug", "write 100ms to 15m");
    wrong("broker = \"lan\"", &with("poll_fast = \"1s\""), "# plug", "leave `poll_fast` out");
    wrong("broker = \"lan\"", &with("timeout = \"1s\""), "# plug", "leave `timeout` out");
    wrong("unit = 2\n", "", "id = \"relay\"", "write its `bus` and its `unit`");
    wrong("unit = 2\n", "unit = 2\ntopic = \"x\"\n", "topic = \"x\"", "speaks Modbus");
    wrong("tasmota_1A2B3C", "tasmota/#", "tasmota/#", "is no part of a topic");
    wrong(
        "[[light]]",
        "[[device]]\nid = \"lamp\"\nclass = \"light\"\nprofile = \"tasmota-plug\"\nbroker = \"lan\"\ntopic = \"tasmota_1A2B3C\" # again\n[[light]]",
        "# again",
        "is already `plug`",
    );
    wrong("url = \"mqtt:", "url = \"mqtts:", "url = ", "broker `lan`: TLS needs ca_file");
    wrong("latitude = 31.23", "", "id = \"sign\"", "write store.latitude");
    wrong("ap = \"0001\"", "ap = \"00001\"", "00001\"", "four letters or digits");
    wrong("id = \"3D000001\"", "id = \"ZZ000001\"", "ZZ000001", "known label model");
    wrong(
        "ap = \"0001\"",
        "driver = \"zigbee\"\nap = \"0001\"",
        "zigbee",
        "write \"estation\" or \"openepaperlink\"",
    );
    wrong("ap = \"0001\"\n", "", "id = \"shelf\"", "has an `ap` and a `broker`");
    wrong("ap = \"0001\"", "ap = \"0001\"\nurl = \"http://x\"", "url = \"http", "leave `url` out");
    wrong("item = \"10001\"", "item = \"10001\"\nsize = [296, 128]", "size =", "leave `size` out");
    let laboratory = "driver = \"openepaperlink\"";
    wrong("ap = \"0001\"", laboratory, "broker = \"mqtt", "leave `ap`, `broker`");
    wrong("d75a98", "d75a9", "public =", "64 hex digits");
    wrong(KEY, "", "id = \"3D000001\"", "need a [[root_key]] or a [[price_key]]");
    wrong(
        "[[gateway]]",
        "[[light]]\nid = \"lamp\"\nswitch = \"relay/relay_1\" # again\n[[gateway]]",
        "# again",
        "the switch `relay/relay_1` is there twice",
    );
}

/// The store with an OpenEPaperLink access point in place of the eStation.
fn laboratory(url: &str, label: &str) -> String {
    let estation = "ap = \"0001\"\nbroker = \"mqtt://127.0.0.1:1883\"\n\n[[label]]\nid = \"3D000001\"";
    let ours = format!("driver = \"openepaperlink\"\n{url}\n\n[[label]]\n{label}");
    let text = good().replace(estation, &ours);
    assert_ne!(text, good());
    text
}

#[test]
fn a_gateway_of_the_laboratory_has_an_address_and_labels_with_sizes() {
    let label = "id = \"00000218cedd3b10\"\nsize = [296, 152]";
    let config =
        Config::parse(Path::new("store.toml"), &laboratory("url = \"http://10.0.0.9\"", label)).unwrap();
    let LabelDriver::OpenEpaperLink { host, port } = &config.gateways[0].driver else { panic!("another") };
    let display = config.labels[0].display;
    assert_eq!((host.as_str(), *port, display.width, display.height), ("10.0.0.9", 80, 296, 152));
    for (url, label, expected) in [
        ("url = \"http://10.0.0.9\"", "id = \"00000218cedd3b10\"", "write its `size` in pixels"),
        (
            "url = \"http://10.0.0.9\"",
            "id = \"00000218cedd3b10\"\nsize = [0, 9]",
            "write its `size` in pixels",
        ),
        ("url = \"http://10.0.0.9\"", "id = \"3D000001\"\nsize = [9, 9]", "is 16 hex digits"),
        ("url = \"https://10.0.0.9\"", label, "write its `url` as"),
        ("url = \"http://u:p@10.0.0.9\"", label, "write its `url` as"),
        ("", label, "write its `url` as"),
    ] {
        let faults = faults(&laboratory(url, label));
        assert!(faults.contains(expected), "{faults}");
    }
}

#[test]
fn a_deadband_is_the_device_s_own_or_usual_for_the_unit() {
    let text = good().replace("unit = 1", "unit = 1\ndeadband = { air_temperature = 0.5, fan = 0.0 }");
    let config = Config::parse(Path::new("store.toml"), &text).unwrap();
    assert_eq!(config.heartbeat.0, 300_000);
    let freezer = &config.devices[0];
    let of = |name: &str| {
        let index = freezer.profile.points.iter().position(|point| point.name == name).unwrap();
        freezer.deadbands[index]
    };
    assert_eq!((of("air_temperature"), of("set_point"), of("fan"), of("defrost")), (0.5, 0.1, 0.0, 0.0));
    assert_eq!(freezer.deadbands.len(), freezer.profile.points.len());
}

const RELAYS: &str = r#"
[[bus]]
id = "line"
serial = "/dev/ttyUSB0"
parity = "none"
stop_bits = 2

[[device]]
id = "relays"
class = "light"
profile = "wirenboard-mr6c"
bus = "line"
unit = 9
poll = "2s"
safe = { after = "10s", relay_1 = false, relay_2 = true }
"#;

/// As `wrong`, in a file with a serial line and relays on it.
fn wrong_on_a_line(from: &str, to: &str, line: &str, said: &str) {
    assert!(RELAYS.contains(from), "{from}");
    let text = good() + &RELAYS.replacen(from, to, 1);
    let told = faults(&text);
    let number = text.lines().position(|l| l.contains(line)).map_or(0, |index| index + 1);
    assert!(told.contains(said), "`{to}`: {told:?} should say {said:?}");
    assert!(told.contains(&format!("store.toml:{number}: ")), "`{to}`: {told:?} should name line {number}");
}

#[test]
fn faults_of_a_line_name_it_and_what_to_write() {
    assert_eq!(faults(&(good() + RELAYS)), "");
    wrong_on_a_line("serial = \"/dev/ttyUSB0\"\n", "", "id = \"line\"", "exactly one of");
    let both = "serial = \"/dev/ttyUSB0\"\nrtu_over_tcp = \"10.0.0.1:4001\"";
    wrong_on_a_line("serial = \"/dev/ttyUSB0\"", both, "serial = \"/dev/ttyUSB0\"", "exactly one of");
    wrong_on_a_line("/dev/ttyUSB0", "COM3", "COM3", "no device file");
    wrong_on_a_line("serial = \"/dev/ttyUSB0\"", "rtu_over_tcp = \"10.0.0.1\"", "rtu_over", "not host:port");
    let twice = "serial = \"/dev/ttyUSB0\"\n[[bus]]\nid = \"again\"\nserial = \"/dev/ttyUSB0\" # again";
    wrong_on_a_line("serial = \"/dev/ttyUSB0\"", twice, "# again", "a line has one master");
    wrong_on_a_line("parity = \"none\"", "baud = 300", "baud = 300", "1200 to 115200");
    wrong_on_a_line("parity = \"none\"", "parity = \"mark\"", "mark", "\"even\", \"odd\" or \"none\"");
    wrong_on_a_line("stop_bits = 2", "stop_bits = 3", "stop_bits = 3", "is 1 or 2");
    wrong_on_a_line("serial = \"/dev/ttyUSB0\"", "tcp = \"10.0.0.1:502\"", "parity =", "the gateway's");
    wrong_on_a_line("poll = \"2s\"", "timeout = \"11s\"", "timeout =", "write 20ms to 10s");
    wrong_on_a_line("poll = \"2s\"", "poll_fast = \"now\"", "poll_fast =", "no span of time");
    wrong_on_a_line("after = \"10s\"", "after = \"5s\"", "after = \"5s\"", "6s (three polls)");
    wrong_on_a_line("after = \"10s\", ", "", "safe =", "needs `after`");
    wrong_on_a_line("relay_1 = false, relay_2 = true", "relay_9 = false", "safe =", "relay_9 is no output");
    wrong_on_a_line("relay_1 = false", "relay_1 = 0", "safe =", "true (on) or false (off)");
    wrong_on_a_line("wirenboard-mr6c", "waveshare-relay-8", "safe =", "has no watchdog");
}

#[test]
fn a_line_says_how_it_is_reached_and_how_often_its_devices_are() {
    let config = Config::parse(Path::new("store.toml"), &(good() + RELAYS)).unwrap();
    let serial = Serial { baud: 9600, parity: Parity::None, stop_bits: 2 };
    assert_eq!(config.buses[1].transport, Transport::Serial { port: "/dev/ttyUSB0".into(), serial });
    let relays = config.devices.iter().find(|device| device.id == "relays").unwrap();
    let seconds = |span: std::time::Duration| span.as_secs();
    let polls = relays.polls;
    assert_eq!((seconds(polls.fast), seconds(polls.normal), seconds(polls.slow)), (2, 2, 60));
    let safe = relays.safe.as_ref().unwrap();
    assert_eq!(safe.after.as_secs(), 10);
    let named: Vec<_> =
        safe.outputs.iter().map(|(point, on)| (relays.profile.points[*point].name.as_str(), *on)).collect();
    assert_eq!(named, [("relay_1", false), ("relay_2", true)]);
}

/// Reads of a serial line take their characters' time: the same devices that a fast line holds are
/// refused on a slow one, with what would fit.
#[test]
fn a_line_with_too_much_to_do_is_refused_with_what_would_fit() {
    let asked = |baud: u32, poll: &str| {
        let text = good()
            .replace("tcp = \"192.168.1.60:502\"", &format!("tcp = \"192.168.1.60:502\"\nbaud = {baud}"));
        text.replace("unit = 1\n", &format!("unit = 1\n{poll}\n"))
    };
    assert_eq!(faults(&asked(9600, "")), "");
    let text = asked(9600, "poll = \"300ms\"");
    let told = faults(&text);
    assert!(told.contains("bus `cold`: its devices ask for"), "{told}");
    let line = text.lines().position(|line| line == "poll = \"300ms\"").unwrap() + 1;
    assert!(told.starts_with(&format!("store.toml:{line}: ")), "{told}");
    // What it proposes, fits.
    let proposal = told.split("from 300ms to ").nth(1).unwrap();
    let proposal = proposal.split([',', '\n']).next().unwrap();
    assert!(told.contains("raise `poll"), "{told}");
    assert_eq!(faults(&asked(9600, &format!("poll = \"{proposal}\""))), "", "{told}");
    // Nobody knows how fast a line behind a gateway is unless the file says so.
    assert_eq!(faults(&good().replace("unit = 1\n", "unit = 1\npoll = \"1ms\"\n")), "");
}

#[test]
fn profiles_of_a_folder_are_known_and_their_faults_told() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../drivers/profiles/danfoss-ekc-202d.toml"),
    )
    .unwrap();
    std::fs::create_dir(folder.path().join("profiles")).unwrap();
    let file = folder.path().join("profiles/our-freezer.toml");
    std::fs::write(&file, &own).unwrap();
    let text = good().replace("profile = \"danfoss-ekc-202d\"", "profile = \"our-freezer\"")
        + "[profiles]\nfolder = \"profiles\"\n";
    let parse = |text: &str| Config::parse(&folder.path().join("store.toml"), text);
    let config = parse(&text).unwrap();
    assert_eq!(config.devices[0].profile.id, "our-freezer");
    assert!(config.own_profiles.is_empty(), "{:?}", config.own_profiles);
    std::fs::write(folder.path().join("profiles/carel-ir33.toml"), &own).unwrap();
    assert_eq!(parse(&text).unwrap().own_profiles, ["carel-ir33"]);
    std::fs::write(&file, own.replacen("kind = \"s16\"", "kind = \"s15\"", 1)).unwrap();
    let told = parse(&text).unwrap_err().to_string();
    assert!(told.contains("our-freezer.toml") && told.contains("s15"), "{told}");
    let told = parse(&text.replace("\"profiles\"", "\"nowhere\"")).unwrap_err().to_string();
    assert!(told.contains("nowhere"), "{told}");
}

#[test]
fn label_templates_of_a_folder_are_taken_and_their_faults_told() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("labels/296x128.toml");
    let own = std::fs::read_to_string(shipped).unwrap();
    let parse = |text: &str| Config::parse(&folder.path().join("store.toml"), text);
    let text = good() + "[labels]\ntemplates = \"ours\"\n";
    assert!(parse(&text).unwrap_err().to_string().contains("ours: it cannot be read"));
    std::fs::create_dir(folder.path().join("ours")).unwrap();
    let file = folder.path().join("ours/strip.toml");
    std::fs::write(&file, own.replacen("height = 128", "height = 129", 1)).unwrap();
    let display = storewarden::label::Display {
        width: 296,
        height: 129,
        colours: storewarden_drivers::esl::estation::model::Colours::BlackWhite,
        is_in_freezer: false,
    };
    assert!(parse(&text).unwrap().templates.of(display).is_some());
    std::fs::write(&file, own.replacen("296", "200", 1)).unwrap();
    let told = parse(&text).unwrap_err().to_string();
    assert!(
        told.contains("strip.toml: element 1: the box [0, 0, 296, 44] is not inside 200 × 128"),
        "{told}"
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
fn a_store_may_say_by_whose_law_its_prices_are_judged() {
    let with =
        |code: &str| good().replacen("timezone =", &format!("jurisdiction = \"{code}\"\ntimezone ="), 1);
    let config = Config::parse(Path::new("store.toml"), &with("JP")).unwrap();
    assert_eq!(config.store.jurisdiction, Some(storewarden_prices::Jurisdiction::Japan));
    assert!(faults(&with("cn")).contains("store.jurisdiction `cn` is not known; write CN, EU or JP"));
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

/// A store with the policy `policy` beside it, and `rules` at its freezer.
fn with_policy(policy: &str, rules: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
    let rules = format!("limit = -18.0, delay = \"30m\" }}\n{rules}\n");
    let text = good().replacen("limit = -18.0, delay = \"30m\" }\n", &rules, 1);
    let text = format!("{text}\n[policy]\nfile = \"policy.toml\"\n");
    Config::parse(&folder.path().join("store.toml"), &text).map_err(|faults| faults.to_string())
}

#[test]
fn the_device_goes_before_the_policy_and_the_policy_before_the_class() {
    let policy = "[class.freezer.door]\ndelay = \"5m\"\ninferred_delay = \"15m\"\n[class.freezer.rate]\nenabled = false\n[alarms]\nescalate_high = \"20m\"\nescalate_medium = \"never\"\nflood = false\n";
    let config =
        with_policy(policy, "[device.rules.door]\ndelay = \"8m\"\n[device.rules.capacity]\nloss = 0.2")
            .unwrap();
    let cabinet = config.devices[0].cabinet.as_ref().unwrap();
    let door = cabinet.config.door.unwrap();
    assert_eq!((door.delay.0, door.inferred_delay.0), (480_000, 900_000));
    assert!(cabinet.config.rate.is_none());
    assert_eq!(cabinet.config.capacity.unwrap().loss, 0.2_f32);
    assert_eq!(cabinet.config.capacity.unwrap().learn_days, 3, "the class's own");
    let origin = |rule, key| cabinet.origins.get(&(rule, key)).map_or("", String::as_str);
    assert_eq!(origin("door", "inferred_delay"), "policy.toml:3");
    assert!(origin("door", "delay").starts_with("store.toml:"), "{}", origin("door", "delay"));
    assert_eq!(origin("capacity", "learn_days"), "");
    assert_eq!(origin("rate", "enabled"), "policy.toml:5");
    assert_eq!(config.alarm_policy.escalate_high.map(|span| span.0), Some(1_200_000));
    assert_eq!((config.alarm_policy.escalate_medium, config.alarm_policy.has_flood), (None, false));
    assert_eq!(config.alarm_policy.repair_max.map(|span| span.0), Some(86_400_000));

    let again = with_policy(policy, "[device.rules.rate]\nlimit = 1").unwrap();
    assert_eq!(again.devices[0].cabinet.as_ref().unwrap().config.rate.unwrap().limit, 1.0_f32);
    let by_pause = with_policy("", "[device.rules.defrost]\nheated = false").unwrap();
    let heated = |config: &Config| config.devices[0].cabinet.as_ref().unwrap().config.defrost.unwrap().heated;
    assert_eq!((heated(&again), heated(&by_pause)), (true, false));
    let other = with_policy("", "").unwrap();
    assert_ne!(other.digest, config.digest);
}

#[test]
fn what_stands_beside_a_raised_limit_moves_with_it() {
    let of = |policy: &str, rules: &str| {
        let config = with_policy(policy, rules).unwrap();
        let cabinet = config.devices[0].cabinet.as_ref().unwrap().config;
        (cabinet.pre_alarm.map(|limit| limit.limit), cabinet.exposure.unwrap().limit)
    };
    // The store's own −18 °C is the class's pre-alarm, which would only say the same later.
    assert_eq!(of("", ""), (None, -15.0));
    let warmer = good().replacen("limit = -18.0", "limit = -12.0", 1);
    let warmer = Config::parse(Path::new("store.toml"), &warmer).unwrap();
    let warmer = warmer.devices[0].cabinet.as_ref().unwrap().config;
    assert_eq!((warmer.pre_alarm.unwrap().limit, warmer.exposure.unwrap().limit), (-15.0, -12.0));
    assert_eq!(of("[class.freezer.goods]\nlimit = -14\n", ""), (None, -14.0));
    assert_eq!(of("", "[device.rules.pre_alarm]\nlimit = -20"), (Some(-20.0), -15.0));
}

#[test]
fn faults_of_rules_name_the_file_the_line_and_what_to_write() {
    for (policy, rules, said) in [
        (
            "[class.freezer.dor]\ndelay = \"5m\"",
            "",
            "policy.toml:1: class freezer: no rule `dor`; write one of",
        ),
        (
            "[class.freezer.door]\nlag = \"5m\"",
            "",
            "policy.toml:2: class freezer: door has no `lag`; write enabled, delay",
        ),
        ("[class.meter.door]\ndelay = \"5m\"", "", "policy.toml:1: class `meter` has no such rules"),
        (
            "[class.freezer.door]\ndelay = 5",
            "",
            "policy.toml:2: class freezer: door.delay is a span of time as \"10m\"",
        ),
        (
            "[class.freezer.rate]\nlimit = 900",
            "",
            "rate.limit 900 K/min is out of range; write 0.01 K/min to 20 K/min",
        ),
        ("[class.freezer.defrost]\nheated = 1", "", "defrost.heated is true or false"),
        ("[class.freezer.capacity]\nlearn_days = 1.5", "", "learn_days 1.5 d is out of range"),
        (
            "[class.freezer.temperature_low]\ndelay = \"5m\"",
            "",
            "a freezer has no usual temperature_low; write its `limit`",
        ),
        ("[alarms]\nescalate_high = \"5\"", "", "policy.toml:2: `5` is no span of time"),
        ("[alarms]\nescalate = \"5m\"", "", "policy.toml:2: unknown field `escalate`"),
        (
            "",
            "[device.rules.door]\ndelay = \"2days\"",
            "device `freezer-1`: door.delay 2days is out of range; write 0s to 1day",
        ),
        ("", "[device.rules.door]", "`door` says nothing"),
        ("", "[device.rules.temperature_high]\nlimit = -20", "temperature_high is there twice"),
        ("", "[device.rules.pre_alarm]\nlimit = -17", "is not below temperature_high.limit"),
        ("", "[device.rules.temperature_low]\nlimit = -18.6", "within each other's hysteresis"),
        ("", "[device.rules.pre_alarm]\nlimit = -19\ndelay_hold_off = \"1m\"", "delay_hold_off is shorter"),
    ] {
        let told = with_policy(policy, rules).map(drop).expect_err(rules);
        assert!(told.contains(said), "{policy} {rules}: {told} should say {said}");
    }
}

const OWN: &str = r#"
[[rule]]
id = "milk-too-cold"
device = "freezer-1"
when = "air_temperature < -30.0 && !defrost"
hysteresis = 0.5
delay = "10m"
"#;

#[test]
fn rules_of_the_store_and_of_the_chain_are_compiled_with_their_names() {
    use storewarden::assemble::assemble;
    use storewarden_rules::{Condition, DeviceId};
    let policy = "[[rule]]\nid = \"any-freezer\"\nclass = \"freezer\"\nwhen = \"air_temperature > point(\\\"freezer-1/set_point\\\") + 9.0\"\n[[rule]]\nid = \"no-such-equipment\"\nclass = \"cold_room\"\nwhen = \"air_temperature > 9.0\"\n";
    let config = with_policy(policy, OWN).unwrap();
    let ids: Vec<_> = config.user_rules.iter().map(|rule| (rule.id.as_str(), rule.programs.len())).collect();
    assert_eq!(ids, [("any-freezer", 1), ("no-such-equipment", 0), ("milk-too-cold", 1)]);
    assert_eq!(config.user_rules[0].origin, "policy.toml:2");
    let assembled = assemble(&config, |device, pace| Some(device.interval(pace))).unwrap();
    let named = assembled.names.find_condition("milk-too-cold").unwrap();
    assert_eq!(named, Condition::User(2));
    assert_eq!(assembled.names.condition(named), "milk-too-cold");
    assert!(assembled.site.watches(DeviceId(0), named) && !assembled.site.watches(DeviceId(1), named));
    assert_eq!(assembled.names.find_condition("door_open"), Some(Condition::DoorOpen));
    assert_eq!(assembled.names.find_condition("milk"), None);
}

#[test]
fn faults_of_own_rules_name_the_file_the_line_and_what_to_write() {
    for (policy, from, to, said) in [
        (
            "",
            "air_temperature <",
            "air <",
            "rule `milk-too-cold` at device `freezer-1`: `freezer-1` reads no point `air`; it reads",
        ),
        (
            "",
            "freezer-1\"",
            "freezer-9\"",
            "rule `milk-too-cold`: there is no [[device]] with id `freezer-9`",
        ),
        ("", "air_temperature <", "point(\"x/y\") <", "there is no [[device]] with id `x`"),
        ("", "milk-too-cold", "door_open", "has the name of a built-in one"),
        ("", "device = ", "class = \"freezer\"\ndevice = ", "write either `device` or `class`"),
        ("", "\"10m\"", "\"8days\"", "write 0s to 7days"),
        ("", "0.5", "-0.5", "hysteresis is 0 or more"),
        ("", " < -30.0", "", "rule `milk-too-cold` at device"),
        (
            "[[rule]]\nid = \"milk-too-cold\"\nclass = \"freezer\"\nwhen = \"door\"",
            "",
            "",
            "rule `milk-too-cold` is there twice",
        ),
        (
            "[[rule]]\nid = \"x\"\nclass = \"freezer\"\nwhen = \"dor\"",
            "",
            "",
            "policy.toml:4: rule `x` at device `freezer-1`",
        ),
        (
            "[[rule]]\nid = \"x\"\nclass = \"fridge\"\nwhen = \"door\"",
            "",
            "",
            "policy.toml:3: rule `x`: unknown class `fridge`",
        ),
    ] {
        let own = OWN.replacen(from, to, 1).replace("point(\"x/y\")", "point('x/y')");
        let told = with_policy(policy, &own).map(drop).expect_err(to);
        assert!(told.contains(said), "{policy} {own}: {told} should say {said}");
    }
}

#[test]
fn a_cabinet_looks_at_points_of_other_devices() {
    const OTHERS: &str = "\n[[device]]\nid = \"meter\"\nclass = \"meter\"\nprofile = \"eastron-sdm630\"\nbus = \"cold\"\nunit = 9\n[[device]]\nid = \"chiller\"\nclass = \"chiller\"\nprofile = \"carel-ir33\"\nbus = \"cold\"\nunit = 8\n";
    let parse = |at_device: &str, at_store: &str| {
        let text = good().replacen("unit = 1\n", &format!("unit = 1\n{at_device}\n"), 1) + OTHERS;
        let text = text.replacen("[store]\n", &format!("[store]\n{at_store}\n"), 1);
        Config::parse(Path::new("store.toml"), &text).map_err(|faults| faults.to_string())
    };
    let config = parse("power = \"meter/power_1\"", "ambient = \"chiller/air_temperature\"").unwrap();
    let at = |(device, point): (usize, usize)| {
        format!("{}/{}", config.devices[device].id, config.devices[device].profile.points[point].name)
    };
    assert_eq!(config.devices[0].power.map(at).as_deref(), Some("meter/power_1"));
    assert_eq!(config.devices[0].ambient.map(at).as_deref(), Some("chiller/air_temperature"));
    for (device, store, said) in [
        ("power = \"meter/power_9\"", "", "`meter`: reads no point `power_9` in W"),
        ("power = \"meter/voltage_1\"", "", "in W; of those it reads"),
        ("ambient = \"metre/power_1\"", "", "device `freezer-1`: there is no [[device]] with id `metre`"),
        ("", "ambient = \"chiller\"", "store.ambient: `chiller` is no point; write \"device/point\""),
    ] {
        let told = parse(device, store).map(drop).expect_err(said);
        assert!(told.contains(said), "{told} should say {said}");
    }
    let text = good().replacen("unit = 2\n", "unit = 2\npower = \"plug/power_total\"\n", 1);
    assert!(faults(&text).contains("only a cabinet looks at"), "{}", faults(&text));
}

#[test]
fn what_equipment_hangs_on_is_watched_as_a_whole() {
    use storewarden::assemble::assemble;
    use storewarden_rules::{Class, Condition};
    const CIRCUIT: &str =
        "[[circuit]]\nid = \"F3\"\nname = \"cold side\"\ndevices = [\"freezer-1\", \"relay\"]\n";
    let parse = |more: &str| {
        let text = good() + more;
        Config::parse(Path::new("store.toml"), &text).map_err(|faults| faults.to_string())
    };
    let config = parse(CIRCUIT).unwrap();
    let assembled = assemble(&config, |device, pace| Some(device.interval(pace))).unwrap();
    let parents: Vec<_> = assembled
        .names
        .devices()
        .filter(|(_, device)| !Class::ALL.contains(&device.class))
        .map(|(id, device)| (device.id.as_str(), device.class.name(), id))
        .collect();
    let named: Vec<_> = parents.iter().map(|(id, class, _)| (*id, *class)).collect();
    // The broker has one device only: it cannot be told from its line.
    assert_eq!(named, [("0042", "store"), ("cold", "line"), ("F3", "circuit")]);
    let watches = |place: usize, condition| assembled.site.watches(parents[place].2, condition);
    assert!(watches(0, Condition::InspectionDue) && watches(0, Condition::AlarmFlood));
    // Whether it is the power or the one line is for the readings to tell.
    assert!(watches(0, Condition::PowerLost));
    assert!(watches(1, Condition::LineDead) && watches(2, Condition::PowerLost));

    // In a recording of one device there is nothing to hang on a line.
    let one =
        assemble(&config, |device, pace| (device.id == "relay").then(|| device.interval(pace))).unwrap();
    assert_eq!(
        one.names.devices().filter(|(_, d)| d.class == Class::Line || d.class == Class::Circuit).count(),
        0
    );

    for (more, said) in [
        ("[[circuit]]\nid = \"F3\"\ndevices = [\"relay\"]", "name two or more"),
        (
            "[[circuit]]\nid = \"F3\"\ndevices = [\"relay\", \"fridge\"]",
            "there is no [[device]] with id `fridge`",
        ),
        ("[[circuit]]\nid = \"F3\"\ndevices = [\"relay\", \"relay\"]", "is there twice"),
        (
            "[[circuit]]\nid = \"cold\"\ndevices = [\"relay\", \"plug\"]",
            "circuit `cold` has the id of something else",
        ),
    ] {
        let told = parse(more).map(drop).expect_err(said);
        assert!(told.contains(said), "{told} should say {said}");
    }
}

#[test]
fn a_running_agent_takes_over_rules_and_nothing_else() {
    let parse = |text: &str| Config::parse(Path::new("store.toml"), text).unwrap();
    let before = parse(&good());
    let changed = |from: &str, to: &str| {
        let text = good();
        assert!(text.contains(from), "{from}");
        parse(&text.replacen(from, to, 1))
    };
    for (from, to) in [
        ("[[bus]]", "\n# a line more\n[[bus]]"),
        ("limit = -18.0", "limit = -19.0"),
        ("unit = 2", "unit = 2\nno_response = { delay = \"9m\" }"),
        ("[[gateway]]", "[[rule]]\nid = \"x\"\ndevice = \"freezer-1\"\nwhen = \"door\"\n[[gateway]]"),
        ("[[gateway]]", "[[circuit]]\nid = \"x\"\ndevices = [\"freezer-1\", \"relay\"]\n[[gateway]]"),
    ] {
        assert!(before.differs_in_rules_only(&changed(from, to)), "{to}");
    }
    for (from, to) in [
        ("unit = 2", "unit = 3"),
        ("unit = 2", "unit = 2\npoll = \"7s\""),
        ("id = \"0042\"", "id = \"0043\""),
        (".60:502", ".61:502"),
        ("unit = 1", "unit = 1\ndeadband = { air_temperature = 0.3 }"),
    ] {
        assert!(!before.differs_in_rules_only(&changed(from, to)), "{to}");
    }
}

const SERIES: &str = "[timeseries]\nurl = \"http://127.0.0.1:8428\"\norg = \"chain\"\nbucket = \"cold\"\n";

#[cfg(not(feature = "timeseries"))]
#[test]
fn a_program_without_time_series_says_how_to_get_one_with() {
    let told = faults(&(good() + SERIES));
    assert!(told.contains("remove the section"), "{told}");
    assert!(told.contains("--features timeseries"), "{told}");
}

#[cfg(feature = "timeseries")]
#[test]
fn a_time_series_server_is_checked_as_it_is_written() {
    let config = Config::parse(Path::new("store.toml"), &(good() + SERIES)).unwrap();
    let to = config.timeseries.unwrap();
    assert_eq!((to.url.as_str(), to.every.0, to.token.as_str()), ("http://127.0.0.1:8428", 60_000, ""));
    for (from, to, said) in [
        ("http://127.0.0.1:8428", "127.0.0.1:8428", "write http://HOST:PORT"),
        ("http://127.0.0.1:8428", "https://127.0.0.1:8428", "TLS proxy"),
        ("http://127.0.0.1:8428", "http://10.0.0.9:8428", "timeseries.plaintext = true"),
        ("\"cold\"", "\"\"", "timeseries.bucket is empty"),
        ("bucket", "token_file = \"no-such\"\nbucket", "`no-such` cannot be read"),
        ("bucket", "every = \"1h\"\nbucket", "write 1s to 15m"),
        ("bucket", "buckets", "unknown field"),
    ] {
        assert!(SERIES.contains(from));
        let told = faults(&(good() + &SERIES.replace(from, to)));
        assert!(told.contains(said), "{to}: {told}");
    }
    let both = "[hq]\nbroker = \"mqtt://127.0.0.1:1883\"\n\n".to_owned() + SERIES + "every = \"5s\"\n";
    let told = faults(&(good() + &both));
    assert!(told.contains("hq.telemetry_every holds for both"), "{told}");
    let trusted = SERIES.replace("127.0.0.1", "10.0.0.9") + "plaintext = true\n";
    assert!(Config::parse(Path::new("store.toml"), &(good() + &trusted)).is_ok());
}
