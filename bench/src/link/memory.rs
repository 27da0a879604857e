//! `link-memory`: what a store of 60 devices takes, in memory and on disk, with 30 days of telemetry waiting for
//! a headquarters that is away.

use super::backlog;
use super::store_day::DEVICES;
use crate::lab::{HqBroker, Lab, Place};
use crate::process;
use crate::report::Row;
use std::fmt::Write as _;
use std::io;
use storesim::port;

/// The promise, MB of memory.
const MEMORY_MB: f64 = 30.0;
/// The promise, MB on disk.
const DISK_MB: f64 = 200.0;
/// How long headquarters has been away, days.
const DAYS: u32 = 30;
/// Age of the agent when it is looked at, s: every device was read once, and the link tried again and again.
const AGE_S: u32 = 75;

/// The points of each: as many as telemetry holds of it.
const POINTS: [&str; 9] = [
    "air_temperature",
    "defrost_temperature",
    "set_point",
    "compressor",
    "fan",
    "defrost",
    "door",
    "night_in_force",
    "alarm",
];

/// Runs the store for a minute and looks.
pub async fn measure() -> io::Result<Vec<Row>> {
    // Nobody will ever listen there.
    let nowhere = port::free();
    let mut lab = Lab::open(HqBroker::Embedded, &[], |_| simulator(), |place| store(place, nowhere)).await?;
    backlog::write(&lab.path("journal.sqlite"), DAYS).await?;
    lab.start_agent().await?;
    lab.watch(AGE_S).await?;
    let waiting = lab.ask_journal("SELECT count(*) FROM outbox WHERE stream = 4")?;
    if waiting < i64::from(DAYS) * backlog::MESSAGES_A_DAY.cast_signed() {
        return Err(io::Error::other(format!("only {waiting} messages wait")));
    }
    let rss_mb = process::memory(lab.agent_id()?)?.rss_mb;
    let highest_mb = process::highest_mb(lab.agent_id()?)?;
    let disk_mb = disk_mb(&lab)?;
    let bounded = |what: &str, value, bound| Row::bounded("link-memory", what, value, "MB", bound);
    let of = format!("{DEVICES} devices, {DAYS} days of telemetry waiting ({waiting} messages)");
    Ok(vec![
        bounded(&format!("agent, resident, {of}"), rss_mb, MEMORY_MB),
        bounded("the same, its highest since it started", highest_mb, MEMORY_MB),
        bounded("its journal on disk, with write-ahead log", disk_mb, DISK_MB),
    ])
}

fn disk_mb(lab: &Lab) -> io::Result<f64> {
    let mut bytes = 0;
    for name in ["journal.sqlite", "journal.sqlite-wal"] {
        bytes += std::fs::metadata(lab.path(name))?.len();
    }
    Ok(bytes as f64 / 1e6)
}

/// Freezers that work.
fn simulator() -> String {
    let mut text = String::from("[[bus]]\nlisten = \"127.0.0.1:0\"\n");
    for unit in 1..=DEVICES {
        let _ = writeln!(
            text,
            "[[bus.unit]]\nunit = {unit}\nprofile = \"danfoss-ekc-202d\"\nid = \"freezer-{unit}\"\nmodel = {{ cabinet = \"freezer\" }}"
        );
    }
    text
}

fn store(place: &Place, hq: u16) -> String {
    let away = Place { hq, ..place.clone() };
    let mut text = away.store_toml().replace("telemetry_every = \"2s\"\n", "");
    let points = POINTS.map(|point| format!("\"{point}\"")).join(", ");
    for unit in 1..=DEVICES {
        let _ = writeln!(
            text,
            "[[device]]\nid = \"freezer-{unit}\"\nclass = \"freezer\"\nprofile = \"danfoss-ekc-202d\"\nbus = \"equipment\"\n\
             unit = {unit}\npoll = \"1m\"\npoints = [{points}]\ntemperature_high = {{ limit = -12.0 }}"
        );
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
        let world = storesim::config::parse(Path::new("sim.toml"), &simulator()).expect("a world");
        assert_eq!(world.world.devices().len(), DEVICES);
        let config = Config::parse(Path::new("store.toml"), &store(&place, 1)).expect("a store");
        assert_eq!(config.devices.len(), DEVICES);
    }
}
