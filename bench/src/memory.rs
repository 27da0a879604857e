//! `memory`: what the agent takes while it runs the store of the demonstration.

use crate::lab::{HqBroker, Lab, Place, View};
use crate::process::{self, Memory};
use crate::report::Row;
use std::fmt::Write as _;
use std::io;
use storewarden_demo::ready::view;

/// The promise for one store, MB.
const BOUND_MB: f64 = 30.0;
/// Age of the agent when it is looked at, seconds; prices are pushed after the first few.
const AGE_S: (u32, u32) = (4, 56);

/// Item, GTIN of the range for use within a company, name, price, label: as many as the demonstration has, of the same five models.
const SHELF: [(&str, &str, &str, &str, &str); 8] = [
    ("20001", "2000000000015", "矿泉水 500 ml", "2.00", "3D000001"),
    ("20002", "2000000000022", "香草雪糕 70 g", "6.50", "3D000002"),
    ("20003", "2000000000039", "牛肉面 105 g", "4.50", "3D000003"),
    ("20004", "2000000000046", "火腿三明治", "9.90", "3D000004"),
    ("20005", "2000000000053", "纯牛奶 250 ml", "3.80", "36000005"),
    ("20006", "2000000000060", "茉莉绿茶 500 ml", "3.50", "36000006"),
    ("20007", "2000000000077", "可乐 330 ml", "2.80", "40000007"),
    ("20008", "2000000000084", "巧克力雪糕 75 g", "5.00", "33000008"),
];

/// Runs the store for a minute and looks.
pub async fn measure() -> io::Result<Vec<Row>> {
    let mut lab = Lab::open(HqBroker::Embedded, &[], simulator, store).await?;
    lab.start_agent().await?;
    lab.watch(AGE_S.0).await?;
    let mut prices = String::from("item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n");
    for (item, gtin, name, price, _) in SHELF {
        let _ = writeln!(prices, "{item},{gtin},{name},,CNY,{price},regular,,");
    }
    lab.push_prices(&prices).await?;
    lab.watch(AGE_S.1).await?;
    let view: View = view(lab.place.console).await?;
    let refreshed = view.labels.iter().filter(|label| label.state == "refreshed").count();
    if refreshed < SHELF.len() {
        return Err(io::Error::other(format!("only {refreshed} of {} labels show their price", SHELF.len())));
    }
    let Memory { rss_mb, pss_mb } = process::memory(lab.agent_id()?)?;
    lab.stop_agent().await?;
    Ok(vec![
        Row::bounded("memory", "agent, resident, demo store after 60 s", rss_mb, "MB", BOUND_MB),
        Row::bounded("memory", "the same, proportional", pss_mb, "MB", BOUND_MB),
    ])
}

fn simulator(place: &Place) -> String {
    let labels: Vec<_> = SHELF.iter().map(|(.., label)| format!("\"{label}\"")).collect();
    let mut text = format!(
        r#"acceleration = 180.0
[[gateway]]
ap = "0001"
broker = "mqtt://127.0.0.1:{}"
heartbeat = "2s"
labels = [{}]
[[bus]]
listen = "127.0.0.1:0"
"#,
        place.lan,
        labels.join(", ")
    );
    let meter = r#"{ meter = { base_watts = 2600.0, cabinets = ["chiller-1", "chiller-2", "freezer-1", "freezer-2"], lamps = ["relay/relay_1"] } }"#;
    let units = [
        ("chiller-1", "carel-ir33", r#"{ cabinet = "chiller" }"#),
        ("chiller-2", "danfoss-ekc-202d", r#"{ cabinet = "chiller" }"#),
        ("freezer-1", "danfoss-ekc-202d", r#"{ cabinet = "freezer" }"#),
        ("freezer-2", "danfoss-ekc-202d", r#"{ cabinet = "freezer" }"#),
        ("meter", "eastron-sdm630", meter),
        ("relay", "waveshare-relay-8", "{ relay = { lamps = [{ channel = 1, watts = 180.0 }] } }"),
    ];
    for (number, (id, profile, model)) in (1..).zip(units) {
        let _ = writeln!(
            text,
            "[[bus.unit]]\nunit = {number}\nprofile = \"{profile}\"\nid = \"{id}\"\nmodel = {model}"
        );
    }
    // The alarm of a dead compressor is part of the picture.
    text + "[[fault]]\nat = \"10s\"\nuntil = \"40s\"\ndevice = \"freezer-2\"\nkind = \"compressor_stopped\"\n"
}

fn store(place: &Place) -> String {
    let mut text = place.store_toml();
    let _ = write!(
        text,
        r#"
[[light]]
id = "sign"
switch = "relay/relay_1"
power = "meter/power_3"
watts_min = 50.0

[[gateway]]
id = "shelf"
ap = "0001"
broker = "mqtt://127.0.0.1:{}"
"#,
        place.lan
    );
    let high = |limit| {
        format!("temperature_high = {{ limit = {limit}, delay = \"10s\", delay_hold_off = \"30s\" }}")
    };
    let devices = [
        ("chiller-1", "chiller", "carel-ir33", high("5.0")),
        ("chiller-2", "chiller", "danfoss-ekc-202d", high("5.0")),
        ("freezer-1", "freezer", "danfoss-ekc-202d", high("-18.0")),
        ("freezer-2", "freezer", "danfoss-ekc-202d", high("-18.0")),
        ("meter", "meter", "eastron-sdm630", "demand = { limit_watts = 15000.0 }".into()),
        ("relay", "light", "waveshare-relay-8", String::new()),
    ];
    for (unit, (id, class, profile, rules)) in (1..).zip(devices) {
        let _ = writeln!(
            text,
            "[[device]]\nid = \"{id}\"\nclass = \"{class}\"\nprofile = \"{profile}\"\nbus = \"equipment\"\nunit = {unit}\npoll = \"1s\"\n{rules}"
        );
    }
    for (item, .., label) in SHELF {
        let _ = writeln!(text, "[[label]]\nid = \"{label}\"\ngateway = \"shelf\"\nitem = \"{item}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use storewarden::config::Config;

    #[test]
    fn agent_and_simulator_take_the_configurations() {
        let place = Place::for_tests();
        let world = storesim::config::parse(Path::new("sim.toml"), &simulator(&place)).expect("a world");
        assert_eq!((world.world.devices().len(), world.gateways[0].labels.len()), (6, SHELF.len()));
        let config = Config::parse(Path::new("store.toml"), &store(&place)).expect("a store");
        assert_eq!((config.devices.len(), config.lights.len(), config.labels.len()), (6, 1, SHELF.len()));
    }
}
