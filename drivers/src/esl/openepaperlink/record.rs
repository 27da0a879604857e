//! What the access point says of a label, and of itself: JSON.

use serde::Deserialize;

/// The first 8 bytes of the MD5 of an image as the access point prepared it; all that it keeps of one.
pub type Hash = [u8; 8];

/// One label, as the access point's table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Tag id, 16 hex digits in upper case.
    pub label: String,
    /// The image that the label fetched last; none if the access point knows of none, or the label has
    /// started anew since.
    pub hash: Option<Hash>,
    /// Things that wait for the label to fetch them.
    pub pending: u32,
    /// When it was heard last, seconds since 1970 by the access point's clock; 0 if never.
    pub seen: i64,
    /// When it fetched the last one, seconds since 1970 by the access point's clock; 0 if never.
    pub updated: i64,
    /// Whether it said last that it had started anew.
    pub started_anew: bool,
    /// Strength of its radio, dBm.
    pub rf_dbm: i32,
    /// Its battery, mV; none if it does not measure it.
    pub battery_mv: Option<i32>,
    /// Its temperature, °C.
    pub temperature_c: Option<i32>,
}

/// A page of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The labels on it.
    pub labels: Vec<Record>,
    /// Where the next page begins, if there is one.
    pub next: Option<u16>,
}

/// Something that the access point says by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Of labels.
    Labels(Vec<Record>),
    /// Of itself.
    System {
        /// Since it started, s.
        uptime_s: Option<i64>,
        /// Space left for images, bytes.
        free_bytes: Option<i64>,
    },
    /// A line of its log; the second is whether it calls it an error.
    Log(String, bool),
}

#[derive(Deserialize)]
struct RecordJson {
    mac: String,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    pending: u32,
    #[serde(default)]
    lastseen: i64,
    #[serde(default)]
    updatelast: i64,
    #[serde(default, rename = "wakeupReason")]
    wakeup_reason: u32,
    #[serde(default, rename = "RSSI")]
    rssi: i32,
    #[serde(default, rename = "batteryMv")]
    battery_mv: i32,
    #[serde(default)]
    temperature: Option<i32>,
}

#[derive(Deserialize)]
struct PageJson {
    tags: Vec<RecordJson>,
    continu: Option<u16>,
}

#[derive(Deserialize)]
struct SystemJson {
    uptime: Option<i64>,
    littlefsfree: Option<i64>,
}

#[derive(Deserialize)]
struct SaidJson {
    tags: Option<Vec<RecordJson>>,
    sys: Option<SystemJson>,
    #[serde(rename = "logMsg")]
    log: Option<String>,
    #[serde(rename = "errMsg")]
    error: Option<String>,
}

/// From here on, a reason to wake up is that the label has started anew.
const STARTED_ANEW: u32 = 0xE0;
/// What a label that cannot measure its battery says.
const NO_BATTERY_MV: [i32; 2] = [0, 1337];

impl From<RecordJson> for Record {
    fn from(json: RecordJson) -> Self {
        Self {
            label: json.mac.to_ascii_uppercase(),
            hash: hash(&json.hash),
            pending: json.pending,
            seen: json.lastseen,
            updated: json.updatelast,
            started_anew: json.wakeup_reason >= STARTED_ANEW,
            rf_dbm: json.rssi,
            battery_mv: Some(json.battery_mv).filter(|mv| !NO_BATTERY_MV.contains(mv)),
            temperature_c: json.temperature,
        }
    }
}

/// The hash of its hex digits; none if it is all zeros, or no hash.
fn hash(hex: &str) -> Option<Hash> {
    let number = u64::from_str_radix(hex.get(..16)?, 16).ok()?;
    (number != 0).then_some(number.to_be_bytes())
}

/// Reads an answer of `/get_db`.
pub fn page(body: &str) -> Result<Page, serde_json::Error> {
    let page: PageJson = serde_json::from_str(body)?;
    Ok(Page { labels: page.tags.into_iter().map(Record::from).collect(), next: page.continu })
}

/// Reads a message of the WebSocket; none if it is of no interest.
pub fn said(text: &str) -> Option<Said> {
    let said: SaidJson = serde_json::from_str(text).ok()?;
    let labels = said.tags.map(|tags| Said::Labels(tags.into_iter().map(Record::from).collect()));
    let system = said.sys.map(|sys| Said::System { uptime_s: sys.uptime, free_bytes: sys.littlefsfree });
    let log = said.log.map(|text| Said::Log(text, false));
    labels.or(system).or(log).or(said.error.map(|text| Said::Log(text, true)))
}
