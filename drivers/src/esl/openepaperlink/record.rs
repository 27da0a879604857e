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

#[cfg(test)]
mod tests {
    use super::*;

    /// As the firmware writes it (`fillNode` of its `tag_db.cpp`).
    const TAG: &str = r#"{"mac":"00000218cedd3B10","hash":"0123456789abcdef0000000000000000","lastseen":1790000100,
        "nextupdate":3216153600,"nextcheckin":1790000700,"pending":1,"alias":"","contentMode":24,"LQI":100,
        "RSSI":-61,"temperature":-3,"batteryMv":2900,"hwType":1,"wakeupReason":0,"capabilities":0,
        "modecfgjson":"{}","isexternal":false,"apip":"0.0.0.0","rotate":0,"lut":0,"invert":0,"updatecount":5,
        "updatelast":1790000000,"ch":11,"ver":39}"#;

    #[test]
    fn a_record_is_read() {
        let first = page(&format!("{{\"tags\":[{TAG}],\"continu\":12}}")).unwrap();
        let record = Record {
            label: "00000218CEDD3B10".into(),
            hash: Some([0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF]),
            pending: 1,
            seen: 1_790_000_100,
            updated: 1_790_000_000,
            started_anew: false,
            rf_dbm: -61,
            battery_mv: Some(2900),
            temperature_c: Some(-3),
        };
        assert_eq!(first, Page { labels: vec![record.clone()], next: Some(12) });
        let odd = TAG
            .replace("0123456789abcdef", "0000000000000000")
            .replace("\"wakeupReason\":0", "\"wakeupReason\":252")
            .replace("2900", "1337");
        let anew = Record { hash: None, started_anew: true, battery_mv: None, ..record };
        assert_eq!(said(&format!("{{\"tags\":[{odd}]}}")), Some(Said::Labels(vec![anew])));
    }

    #[test]
    fn what_is_said_is_told_apart() {
        let system = r#"{"sys":{"currtime":1,"heap":1,"littlefsfree":5000,"uptime":7}}"#;
        assert_eq!(said(system), Some(Said::System { uptime_s: Some(7), free_bytes: Some(5000) }));
        assert_eq!(said(r#"{"errMsg":"REBOOTING"}"#), Some(Said::Log("REBOOTING".into(), true)));
        assert_eq!(said(r#"{"logMsg":"x"}"#), Some(Said::Log("x".into(), false)));
        for other in [r#"{"apitem":{"ip":"10.0.0.1"}}"#, "", "[]", "{", r#"{"tags":[{"mac":5}]}"#] {
            assert_eq!(said(other), None, "{other}");
        }
        assert!(page(r#"{"error":"malformatted parameter"}"#).is_err());
    }
}
