//! A sign that follows the schedule, and whose lamp breaks: switched by the agent, measured by the meter.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod parties;

use parties::{Party, Scene, column, count, program, until};
use storesim::port;

const STORE: &str = r#"
[[device]]
id = "meter"
class = "meter"
profile = "eastron-sdm630"
bus = "line"
unit = 5
poll = "200ms"

[[device]]
id = "relay"
class = "light"
profile = "waveshare-relay-8"
bus = "line"
unit = 6
poll = "200ms"

# Twelve hours before sunset to twelve after sunrise is always.
[[light]]
id = "sign"
switch = "relay/relay_1"
power = "meter/power_3"
watts_min = 50.0
dark_delay = "1s"
before_sunset = "12h"
after_sunrise = "12h"
"#;

#[test]
fn a_broken_lamp_is_told_from_a_light_that_is_off() {
    let scene = Scene::new();
    let port = port::free();
    let simulator = format!(
        r#"seed = 3
[[bus]]
listen = "127.0.0.1:{port}"
[[bus.unit]]
unit = 5
profile = "eastron-sdm630"
id = "meter"
model = {{ meter = {{ base_watts = 600.0, lamps = ["relay/relay_1"] }} }}
[[bus.unit]]
unit = 6
profile = "waveshare-relay-8"
id = "relay"
model = {{ relay = {{ lamps = [{{ channel = 1, watts = 180.0 }}] }} }}
[[fault]]
at = "8s"
until = "14s"
device = "relay"
kind = "lamp_broken"
"#
    );
    std::fs::write(scene.path("sim.toml"), simulator).unwrap();
    let rest = format!("[[bus]]\nid = \"line\"\ntcp = \"127.0.0.1:{port}\"\n{STORE}");
    scene.configure(&rest);
    let with_place = std::fs::read_to_string(scene.path("store.toml")).unwrap().replacen(
        "[hq]",
        "latitude = 31.23\nlongitude = 121.47\n\n[hq]",
        1,
    );
    std::fs::write(scene.path("store.toml"), with_place).unwrap();
    let _broker = scene.broker();
    let _headquarters = scene.headquarters();
    let _simulator =
        Party::start(scene.dir(), "storesim", program("storesim").arg("run").arg(scene.path("sim.toml")));
    let _agent = scene.agent();

    let alerts = |what: &str| count(&scene.hq_db(), &format!("alert WHERE device = 'sign' AND {what}"));
    until("the broken lamp is known at headquarters", || alerts("state = 2") == 1);
    let causes = column::<String>(&scene.hq_db(), "SELECT DISTINCT cause FROM alert");
    assert_eq!(causes, ["lamp_or_circuit"], "the relay did obey");
    until("and that it shines again", || alerts("state = 4") == 1);
    let switched = "audit WHERE what = 'command' AND by = 'schedule' AND detail LIKE 'relay/relay_1 = 1%'";
    assert_eq!(count(&scene.journal(), switched), 1, "commanded once, confirmed by its read-back");
    until("headquarters knows of the command", || scene.messages(3).len() == 1);
}
