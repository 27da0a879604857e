//! Faults of a config name the key and what to write instead.

use super::*;

const STORE: &str = r#"
seed = 7
acceleration = 60.0
[[bus]]
listen = "127.0.0.1:0"
[[bus.unit]]
unit = 1
profile = "danfoss-ekc-202d"
id = "freezer-2"
watch_limit = -18.0
model = { cabinet = "freezer" }
[[bus.unit]]
unit = 2
profile = "danfoss-ekc-202d"
id = "freezer-1"
model = { recording = "builtin:solarplus", column = "Tfre", point = "air_temperature" }
[[bus.unit]]
unit = 3
profile = "eastron-sdm630"
id = "meter-1"
model = { meter = { base_watts = 900.0, cabinets = ["freezer-2"], lamps = ["relay-1/relay_1"] } }
[[bus.unit]]
unit = 4
profile = "waveshare-relay-8"
id = "relay-1"
model = { relay = { lamps = [ { channel = 1, watts = 120.0 } ] } }
[[bus]]
pty = "line-1"
turnaround = "7ms"
[[bus.unit]]
unit = 1
id = "pattern-1"
model = { pattern = {} }
[[bus.unit]]
unit = 2
id = "pattern-2"
turnaround = "50ms"
model = { pattern = {} }
[[fault]]
at = "5s"
until = "40s"
device = "freezer-2"
kind = "compressor_stopped"
[[gateway]]
ap = "0001"
broker = "mqtt://127.0.0.1:1883"
labels = ["3A0001F2"]
[[openepaperlink]]
listen = "127.0.0.1:0"
labels = ["00000218CEDD3B10"]
size = [296, 152]
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    super::parse(Path::new("sim.toml"), text)
}

#[test]
fn the_example_of_the_documentation_becomes_a_store() {
    let config = parse(STORE).expect("a store");
    assert_eq!(config.buses[0].units.len(), 4);
    assert_eq!(config.watch, [(0, -18.0)]);
    // The standard's even parity, at the speed most controllers are delivered with.
    let serial = Serial { baud: 9600, ..Serial::STANDARD };
    assert_eq!(config.buses[1].port, Port::Pty { path: "line-1".into(), serial });
    let turnarounds: Vec<_> = config.buses[1].units.iter().map(|unit| unit.turnaround.as_millis()).collect();
    assert_eq!(turnarounds, [7, 50]);
    assert_eq!((config.faults[0].at_ms, config.faults[0].until_ms), (5_000, Some(40_000)));
    assert_eq!((config.gateways[0].host.as_str(), config.gateways[0].port), ("127.0.0.1", 1883));
    assert_eq!(config.world.register_air_c(1), Some(-25.2));
}

#[test]
fn faults_of_the_config_name_the_key_and_what_to_write() {
    let cases = [
        ("seed = 7", "sead = 7", "unknown field `sead`"),
        ("acceleration = 60.0", "acceleration = 0.0", "acceleration: must be 0.01"),
        ("\"danfoss-ekc-202d\"", "\"danfoss\"", "bus[0].unit[0].profile: `danfoss` is unknown; write one of"),
        ("unit = 2", "unit = 1", "bus[0].unit[1].unit: 1 is used twice"),
        ("unit = 2", "unit = 0", "bus[0].unit[1].unit: must be 1 to 247"),
        ("id = \"freezer-1\"", "id = \"freezer-2\"", "bus[0].unit[1].id: `freezer-2` is used twice"),
        ("cabinet = \"freezer\"", "cabinet = \"oven\"", "bus[0].unit[0].model.cabinet: `oven` is unknown"),
        ("cabinet = \"freezer\"", "", "bus[0].unit[0].model: write exactly one of"),
        ("\"Tfre\"", "\"Tx\"", "has no column `Tx`; it has Tfre, Tref, Trtu"),
        ("[\"freezer-2\"]", "[\"freezer-9\"]", "meter.cabinets: there is no device `freezer-9`"),
        ("[\"freezer-2\"]", "[\"relay-1\"]", "`relay-1` is not a simulated cabinet"),
        ("\"Tfre\"", "\"Tfre\", first_defrost = \"1h\"", "only a `cabinet` has one"),
        ("point = \"air_temperature\"", "point = \"air\"", "danfoss-ekc-202d has no point `air`"),
        ("eastron-sdm630", "carel-ir33", "model.meter: carel-ir33 is not a profile of such a device"),
        ("id = \"relay-1\"", "id = \"relay-1\"\nwatch_limit = 1.0", "device relay-1: watch_limit: only"),
        ("relay-1/relay_1", "relay-1/relay_9", "`relay-1` has no lamp `relay_9`"),
        ("channel = 1", "channel = 9", "`channel` must be 1 to 8"),
        ("at = \"5s\"", "at = \"5\"", "`5` is no time span"),
        ("at = \"5s\"", "at = \"50s\"", "fault[0].until: must be later"),
        ("device = \"freezer-2\"", "device = \"relay-1\"", "fault[0].kind: cannot happen to `relay-1`"),
        ("\"compressor_stopped\"", "\"tired\"", "unknown variant `tired`"),
        ("listen = \"127.0.0.1:0\"", "", "bus[0].listen: write exactly one of `listen`, `pty`"),
        ("pty = ", "listen = \"127.0.0.1:0\"\npty = ", "bus[1].listen: write exactly one of"),
        (
            "listen = ",
            "turnaround = \"5ms\"\nlisten = ",
            "bus[0].turnaround: only a serial line has one; write `baud`",
        ),
        (
            "id = \"relay-1\"",
            "id = \"relay-1\"\nturnaround = \"5ms\"",
            "bus[0].unit[3].turnaround: only a serial",
        ),
        ("turnaround = \"50ms\"", "turnaround = \"50s\"", "bus[1].unit[1].turnaround: must be 0 to 10 s"),
        ("pty = ", "baud = 110\npty = ", "bus[1].baud: must be 1200 to 115200"),
        ("pty = ", "stop_bits = 3\npty = ", "bus[1].stop_bits: must be 1 or 2"),
        ("pty = ", "parity = \"mark\"\npty = ", "unknown variant `mark`"),
        ("pty = ", "max_connections = 1\npty = ", "bus[1].max_connections: only Modbus TCP has it"),
        ("pty = ", "framing = \"rtu\"\npty = ", "bus[1].framing: a `pty` has no other"),
        (
            "model = { pattern = {} }",
            "model = { cabinet = \"freezer\" }",
            "bus[1].unit[0].model: needs a `profile`",
        ),
        ("\"compressor_stopped\"", "\"late\"", "fault[0].delay: `late` and `slow` need one"),
        ("\"compressor_stopped\"", "\"late\"\ndelay = \"0s\"", "fault[0].delay: must be 1 ms to 60 s"),
        ("\"compressor_stopped\"", "\"busy\"\ndelay = \"1s\"", "fault[0].delay: `late` and `slow` need one"),
        ("\"compressor_stopped\"", "\"busy\"\nshare = 1.5", "fault[0].share: must be above 0"),
        ("\"compressor_stopped\"", "\"door_open\"\nshare = 0.5", "fault[0].share: only a fault of answers"),
        (
            "\"compressor_stopped\"",
            "\"echo\"",
            "fault[0].kind: cannot happen to `freezer-2`; write one that Modbus TCP",
        ),
        (
            "device = \"freezer-2\"\nkind = \"compressor_stopped\"",
            "device = \"pattern-1\"\nkind = \"reset\"",
            "write one that a serial line knows",
        ),
        ("ap = \"0001\"", "ap = \"1\"", "gateway[0].ap: must be four"),
        ("mqtt://", "tcp://", "gateway[0].broker: must look like"),
        ("3A0001F2", "../../etc", "gateway[0].labels: `../../etc` is not a tag id"),
        (
            "ap = \"0001\"",
            "ap = \"0001\"\nnature = { channels = 0 }",
            "gateway[0].nature.channels: must be above 0",
        ),
        (
            "ap = \"0001\"",
            "ap = \"0001\"\nnature = { unheard = 1.5 }",
            "gateway[0].nature.unheard: must be 0 to 1",
        ),
        (
            "ap = \"0001\"",
            "ap = \"0001\"\nnature = { free_mb = 600 }",
            "gateway[0].nature.free_mb: must be at most `disk_mb`",
        ),
        (
            "ap = \"0001\"",
            "ap = \"0001\"\nodd = [{ tag = \"3A00FFFF\" }]",
            "gateway[0].odd.tag: `3A00FFFF` is not",
        ),
        (
            "ap = \"0001\"",
            "ap = \"0001\"\nincident = [{ at = \"1s\", kind = \"reset\" }]",
            "gateway[0].incident.label: what happens to a label",
        ),
        (
            "ap = \"0001\"",
            "ap = \"0001\"\nincident = [{ at = \"1s\", kind = \"silent\", label = \"3A00FFFF\" }]",
            "gateway[0].incident.label: `3A00FFFF` is not",
        ),
        ("CEDD3B10", "CEDD3B", "openepaperlink[0].labels: `00000218CEDD3B` is not a tag id; write 16 to 16"),
        (
            "size = [296, 152]",
            "size = [296, 152]\nnature = { later = 2.0 }",
            "openepaperlink[0].nature.later: must be 0 to 1",
        ),
    ];
    for (from, to, expected) in cases {
        let text = STORE.replacen(from, to, 1);
        assert_ne!(text, STORE, "{from} is in the example");
        let error = parse(&text).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
}

#[test]
fn one_seed_gives_one_store_whatever_the_size_of_the_ticks() {
    let air = |tick_s: f64, seed: &str| {
        let mut world = parse(&STORE.replace("seed = 7", seed)).expect("a store").world;
        let mut trace = Vec::new();
        while world.elapsed_s() < 39_960.0 {
            world.step(tick_s);
            if world.elapsed_s() % 60.0 == 0.0 {
                trace.push((world.register_air_c(0), world.value(2, "energy_import")));
            }
        }
        trace
    };
    assert_eq!(air(60.0, "seed = 7"), air(60.0, "seed = 7"));
    assert_eq!(air(60.0, "seed = 7").last(), air(0.75, "seed = 7").last());
    assert_ne!(air(60.0, "seed = 7"), air(60.0, "seed = 8"));
}
