//! The store that is tormented: freezers whose air jumps between right and wrong, each at its own pace,
//! a sign that is switched by local time, and the configuration of the agent that watches them.

use super::lights::{CLOSE, TIMEZONE};
use super::shelf_plan::Misfortune;
use fastrand::Rng;
use std::{fmt::Write as _, io, path::Path};

/// Radio time of a label, ms, and what is wrong with the access point all the time: it loses results, labels do
/// not hear it, it says that it is busy, and labels start anew in the middle of a task.
const AIRTIME_MS: u32 = 20;
const NATURE: &str =
    "{ channels = 8, lost_results = 0.02, unheard = 0.02, busy = 0.02, resets = 0.01, refresh_uv = 0 }";

/// Chain and store.
pub const CHAIN: &str = "chaos";
/// The store's id.
pub const STORE: &str = "0001";
/// Id of the key that the store knows.
pub const KEY: &str = "price-team";
/// How many freezers.
const FREEZERS: u32 = 24;
/// Unit of the relay that switches the sign.
const RELAY: u32 = FREEZERS + 1;
/// How long each stays right, and then wrong, ms: long enough that an agent that is killed again and
/// again sees some of it.
const HALF_MS: std::ops::Range<u64> = 6_000..14_000;
/// Simulated seconds per real second: the simulator moves in whole simulated seconds, and 50 ms is how
/// often it looks.
const ACCELERATION: u64 = 20;

/// The access point.
const AP: &str = "0001";
/// The model of every label, 296 × 128.
const MODEL: &str = "3D";
/// Shelf labels behind an access point.
#[derive(Clone, Copy, Debug)]
pub struct Shelf {
    /// How many.
    pub labels: u32,
    /// Port of the store's own broker.
    pub broker: u16,
}

/// Tag id of a label; they are counted from 0.
pub fn label(number: u32) -> String {
    format!("{MODEL}{number:06}")
}

/// The item of a label.
pub fn item(number: u32) -> String {
    format!("I{number:05}")
}

/// What every item has alike: its code and its unit.
pub const GTIN: &str = "6901028075763";
/// See [`GTIN`].
pub const UNIT: &str = "550 ml";

/// The name of an item.
pub fn name(number: u32) -> String {
    format!("商品 {number:05}")
}

/// Writes the simulated store, `sim.toml` and its recordings; `seed` decides the paces.
pub fn write_simulator(
    dir: &Path,
    seed: u64,
    shelf: Option<Shelf>,
    misfortunes: &[Misfortune],
) -> io::Result<()> {
    let mut dice = Rng::with_seed(seed ^ 0x5_707e);
    let mut text = format!("acceleration = {ACCELERATION}.0\n[[bus]]\nlisten = \"127.0.0.1:0\"\n");
    for unit in 1..=FREEZERS {
        let half_ms = i64::try_from(dice.u64(HALF_MS) * ACCELERATION).unwrap_or(i64::MAX);
        let time = |ms| {
            let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
            time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        };
        let wave = format!("time,air\n{},-22\n{},-12\n", time(0), time(half_ms));
        std::fs::write(dir.join(format!("wave-{unit}.csv")), wave)?;
        let _ = writeln!(
            text,
            "[[bus.unit]]\nunit = {unit}\nprofile = \"danfoss-ekc-202d\"\nid = \"freezer-{unit}\"\nwatch_limit = -18.0\n\
             model = {{ recording = \"wave-{unit}.csv\", column = \"air\", point = \"air_temperature\" }}"
        );
    }
    let _ = writeln!(
        text,
        "[[bus.unit]]\nunit = {RELAY}\nprofile = \"waveshare-relay-8\"\nid = \"relay\"\n\
         model = {{ relay = {{ lamps = [{{ channel = 1, watts = 100.0 }}] }} }}"
    );
    if let Some(Shelf { labels, broker }) = shelf {
        let labels: Vec<_> = (0..labels).map(label).collect();
        let _ = writeln!(
            text,
            "[[gateway]]\nap = \"{AP}\"\nbroker = \"mqtt://127.0.0.1:{broker}\"\nheartbeat = \"2s\"\nairtime_ms = {AIRTIME_MS}\n\
             labels = {labels:?}\nnature = {NATURE}"
        );
        for Misfortune { at_ms, kind, label: of } in misfortunes {
            let _ = writeln!(text, "[[gateway.incident]]\nat = \"{at_ms}ms\"\nkind = \"{kind}\"");
            if let Some(number) = of {
                let _ = writeln!(text, "label = \"{}\"", label(*number));
            }
        }
    }
    std::fs::write(dir.join("sim.toml"), text)
}

/// Where the agent finds the others.
#[derive(Clone, Debug)]
pub struct Places {
    /// Port of its line to headquarters' broker.
    pub broker: u16,
    /// Port of its console.
    pub console: u16,
    /// Where the simulated equipment listens.
    pub bus: String,
    /// Who says that a message is safe: `hq` or `broker`.
    pub ack: String,
    /// Its labels, and the public key of those who may price them, 64 hex digits.
    pub shelf: Option<(Shelf, String)>,
}

/// Writes the agent's configuration, `store.toml` and `policy.toml`, whole or not at all, with the delay
/// of the temperature alarm in ms.
pub fn write_agent(dir: &Path, places: &Places, delay_ms: u64) -> io::Result<()> {
    // More goes wrong here in ten minutes than people could act on, and each of it is to be told.
    let policy = "[alarms]\nflood = false\nchatter_quiet = \"never\"\n";
    std::fs::write(dir.join("policy.toml"), policy)?;
    let Places { broker, console, bus, ack, shelf } = places;
    let mut text = format!(
        r#"[store]
chain = "{CHAIN}"
id = "{STORE}"
timezone = "{TIMEZONE}"
latitude = 52.52
longitude = 13.4

[journal]
path = "disk/journal.sqlite"

[hq]
broker = "mqtt://127.0.0.1:{broker}"
telemetry_every = "1s"
ack = "{ack}"

[console]
listen = "127.0.0.1:{console}"

[policy]
file = "policy.toml"

[[bus]]
id = "equipment"
tcp = "{bus}"
"#
    );
    for unit in 1..=FREEZERS {
        let _ = writeln!(
            text,
            "[[device]]\nid = \"freezer-{unit}\"\nclass = \"freezer\"\nprofile = \"danfoss-ekc-202d\"\nbus = \"equipment\"\n\
             unit = {unit}\npoll = \"200ms\"\npoints = [\"air_temperature\"]\n\
             temperature_high = {{ limit = -18.0, delay = \"{delay_ms}ms\", delay_hold_off = \"{delay_ms}ms\" }}"
        );
    }
    // Twelve hours before sunset to twelve after sunrise is always: the hours alone decide.
    let _ = writeln!(
        text,
        "[[device]]\nid = \"relay\"\nclass = \"light\"\nprofile = \"waveshare-relay-8\"\nbus = \"equipment\"\n\
         unit = {RELAY}\npoll = \"200ms\"\n[[light]]\nid = \"sign\"\nswitch = \"relay/relay_1\"\n\
         before_sunset = \"12h\"\nafter_sunrise = \"12h\"\nclose = \"{CLOSE}\"\nmin_on = \"0s\""
    );
    if let Some((Shelf { labels, broker }, public)) = shelf {
        let _ = writeln!(
            text,
            "[[price_key]]\nid = \"{KEY}\"\npublic = \"{public}\"\n\
             [[gateway]]\nid = \"shelf\"\nap = \"{AP}\"\nbroker = \"mqtt://127.0.0.1:{broker}\""
        );
        for number in 0..*labels {
            let (label, item) = (label(number), item(number));
            let _ = writeln!(text, "[[label]]\nid = \"{label}\"\ngateway = \"shelf\"\nitem = \"{item}\"");
        }
    }
    let part = dir.join("store.toml.part");
    std::fs::write(&part, text)?;
    std::fs::rename(part, dir.join("store.toml"))
}
