//! The files of the demonstration: the simulated store, the agent's configuration, the price table.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// The simulated store runs so many times faster than real time; delays in the agent's configuration
/// are shortened by the same factor, and the screen says so.
pub const ACCELERATION: u32 = 180;
/// Chain and store.
pub const CHAIN: &str = "demo";
/// The store's id.
pub const STORE: &str = "0001";
/// Id of the price team's key.
pub const KEY_ID: &str = "price-team";

/// The items on the shelf: item, GTIN, name, unit, price, label (its first two digits are the model).
const ITEMS: [(&str, &str, &str, &str, &str, &str); 8] = [
    ("10001", "6901234567892", "农夫山泉饮用天然水", "550 ml", "2.00", "3D000001"),
    ("10002", "6902083881405", "香草冰淇淋", "65 g", "6.50", "3D000002"),
    ("10003", "6921168509256", "红烧牛肉面", "100 g", "4.50", "3D000003"),
    ("10004", "6920152400777", "三明治 火腿鸡蛋", "个", "9.90", "3D000004"),
    ("10005", "6907992100272", "纯牛奶", "250 ml", "3.80", "36000005"),
    ("10006", "6925303721367", "绿茶", "500 ml", "3.50", "36000006"),
    ("10007", "6928804011142", "可乐", "330 ml", "2.80", "40000007"),
    ("10008", "6923450657713", "雪糕 巧克力脆皮", "75 g", "5.00", "33000008"),
];

/// How many labels there are.
pub const LABELS: usize = ITEMS.len();

/// Ports everything listens on.
#[derive(Clone, Copy)]
pub struct Ports {
    /// The store's broker.
    pub lan: u16,
    /// The broker of headquarters.
    pub hq: u16,
    /// The console.
    pub console: u16,
}

/// Where everything is kept.
pub struct Files {
    /// The folder.
    pub dir: PathBuf,
}

impl Files {
    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes the simulated store.
    pub fn write_simulator(&self, ports: Ports) -> io::Result<()> {
        let labels: Vec<String> = ITEMS.iter().map(|item| format!("\"{}\"", item.5)).collect();
        let text = format!(
            r#"seed = 7
acceleration = {ACCELERATION}.0

[[bus]]
listen = "127.0.0.1:0"

[[bus.unit]]
unit = 1
profile = "carel-ir33"
id = "chiller-1"
model = {{ cabinet = "chiller", first_defrost = "4h" }}

[[bus.unit]]
unit = 2
profile = "danfoss-ekc-202d"
id = "chiller-2"
model = {{ cabinet = "chiller", first_defrost = "5h" }}

[[bus.unit]]
unit = 3
profile = "danfoss-ekc-202d"
id = "freezer-1"
model = {{ recording = "builtin:solarplus", column = "Tfre", point = "air_temperature" }}

[[bus.unit]]
unit = 4
profile = "danfoss-ekc-202d"
id = "freezer-2"
watch_limit = -18.0
model = {{ cabinet = "freezer", first_defrost = "5h" }}

[[bus.unit]]
unit = 5
profile = "eastron-sdm630"
id = "meter"
model = {{ meter = {{ base_watts = 2600.0, cabinets = ["chiller-1", "chiller-2", "freezer-2"], lamps = ["relay/relay_1"] }} }}

[[bus.unit]]
unit = 6
profile = "waveshare-relay-8"
id = "relay"
model = {{ relay = {{ lamps = [{{ channel = 1, watts = 180.0 }}] }} }}

[[fault]]
at = "6s"
until = "26s"
device = "freezer-2"
kind = "compressor_stopped"

[[gateway]]
ap = "0001"
broker = "mqtt://127.0.0.1:{lan}"
heartbeat = "2s"
labels = [{labels}]
"#,
            lan = ports.lan,
            labels = labels.join(", "),
        );
        std::fs::write(self.path("sim.toml"), text)
    }

    /// Writes the agent's configuration. `bus` is where the simulated equipment listens, `public` the
    /// price team's key.
    pub fn write_store(&self, ports: Ports, bus: &str, public: &str) -> io::Result<()> {
        let (delay, hold_off) = (shortened(30), shortened(90));
        let mut text = format!(
            r#"[store]
chain = "{CHAIN}"
id = "{STORE}"
name = "演示便利店 Demo store"
timezone = "Asia/Shanghai"
latitude = 31.23
longitude = 121.47

[journal]
path = "journal.sqlite"

[hq]
broker = "mqtt://127.0.0.1:{hq}"
telemetry_every = "2s"

[console]
listen = "127.0.0.1:{console}"

[[price_key]]
id = "{KEY_ID}"
public = "{public}"

[[bus]]
id = "equipment"
tcp = "{bus}"

[[light]]
id = "sign"
name = "招牌灯"
switch = "relay/relay_1"
power = "meter/power_3"
watts_min = 50.0
before_sunset = "20m"
after_sunrise = "10m"

[[gateway]]
id = "shelf"
ap = "0001"
broker = "mqtt://127.0.0.1:{lan}"
"#,
            hq = ports.hq,
            console = ports.console,
            lan = ports.lan,
        );
        let cabinets = [
            (1, "chiller-1", "饮料冷藏柜", "chiller", "carel-ir33", 5.0),
            (2, "chiller-2", "鲜食冷藏柜", "chiller", "danfoss-ekc-202d", 5.0),
            (3, "freezer-1", "冷冻柜（真实录制）", "freezer", "danfoss-ekc-202d", -18.0),
            (4, "freezer-2", "冰淇淋柜", "freezer", "danfoss-ekc-202d", -18.0),
        ];
        for (unit, id, name, class, profile, limit) in cabinets {
            // A recording has one column: the other registers of that controller answer with exceptions.
            let points = if id == "freezer-1" { "points = [\"air_temperature\"]\n" } else { "" };
            let _ = write!(
                text,
                r#"
[[device]]
id = "{id}"
name = "{name}"
class = "{class}"
profile = "{profile}"
bus = "equipment"
unit = {unit}
poll = "1s"
{points}temperature_high = {{ limit = {limit:.1}, delay = "{delay}", delay_hold_off = "{hold_off}" }}
"#
            );
        }
        text += r#"
[[device]]
id = "meter"
name = "总电表"
class = "meter"
profile = "eastron-sdm630"
bus = "equipment"
unit = 5
poll = "1s"
demand = { limit_watts = 15000.0, window = "15m" }

[[device]]
id = "relay"
name = "照明继电器"
class = "light"
profile = "waveshare-relay-8"
bus = "equipment"
unit = 6
poll = "1s"
"#;
        for (item, .., label) in ITEMS {
            let _ = write!(text, "\n[[label]]\nid = \"{label}\"\ngateway = \"shelf\"\nitem = \"{item}\"\n");
        }
        std::fs::write(self.path("store.toml"), text)
    }

    /// Writes the price table that headquarters pushes.
    pub fn write_prices(&self) -> io::Result<()> {
        let mut text = String::from("item,gtin,name,unit,currency,price,kind,valid_from,valid_until\n");
        for (item, gtin, name, unit, price, _) in ITEMS {
            let _ = writeln!(text, "{item},{gtin},{name},{unit},CNY,{price},regular,,");
        }
        std::fs::write(self.path("prices.csv"), text)
    }
}

/// Minutes of the store as a span of the agent's clock.
fn shortened(minutes: u32) -> String {
    format!("{}ms", minutes * 60_000 / ACCELERATION)
}

/// `30 min become 10 s`, for the screen.
pub fn acceleration_note() -> String {
    format!(
        "Simulated equipment runs {ACCELERATION} times faster than real time; alarm delays are shortened alike (30 min become {} s).",
        30 * 60 / ACCELERATION
    )
}

/// The folder to work in, made if it is not there.
pub fn folder(keep: &Path) -> io::Result<Files> {
    std::fs::create_dir_all(keep)?;
    Ok(Files { dir: keep.canonicalize()? })
}
