//! How slow an access point and its labels are, and what goes wrong with them: plain data.

use serde::Deserialize;

/// How an access point behaves. Shares are 0 to 1, and decided by the store's seed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nature {
    /// Labels served at the same time.
    pub channels: usize,
    /// Radio time of each byte of an image as it was sent, µs; comes on top of the task's air time.
    pub byte_us: u64,
    /// A label listens once in this time, ms, each at a moment of its own; 0 if always.
    pub wake_ms: u64,
    /// Space for images, MB.
    pub disk_mb: u64,
    /// What of it is free at the start, MB.
    pub free_mb: u64,
    /// Whether images are left on the disk until it is full. What comes then is dropped without a word.
    pub hoards: bool,
    /// Whether an image that it believes to be shown is called done without asking the label. It goes on
    /// believing so after the label has lost it.
    pub believes_memory: bool,
    /// The share of results that are never told.
    pub lost_results: f64,
    /// The share of tasks that the label does not hear.
    pub unheard: f64,
    /// The share of payloads that are answered with "busy" and dropped.
    pub busy: f64,
    /// The share of tasks during which the label's controller starts anew.
    pub resets: f64,
    /// What a refresh takes from the battery, µV; three times as much below 0 °C. 120 lets a battery fall from
    /// 3 V to 2 V in 5.6 years of four refreshes a day.
    pub refresh_uv: u32,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            channels: 1,
            byte_us: 0,
            wake_ms: 0,
            disk_mb: 512,
            free_mb: 480,
            hoards: false,
            believes_memory: false,
            lost_results: 0.0,
            unheard: 0.0,
            busy: 0.0,
            resets: 0.0,
            refresh_uv: 120,
        }
    }
}

impl Nature {
    /// The key of a value that cannot be, and what to write instead.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let shares = [
            ("nature.lost_results", self.lost_results),
            ("nature.unheard", self.unheard),
            ("nature.busy", self.busy),
            ("nature.resets", self.resets),
        ];
        let share = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share));
        share.map(|(key, _)| (key, "must be 0 to 1")).or_else(|| {
            if self.channels == 0 {
                return Some(("nature.channels", "must be above 0"));
            }
            (self.free_mb > self.disk_mb).then_some(("nature.free_mb", "must be at most `disk_mb`"))
        })
    }
}

/// A label that is not like the others.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelNature {
    /// Its tag id.
    pub tag: String,
    /// How strong its answers are, dBm; −256 if it never gives one.
    #[serde(default = "LabelNature::rf_dbm")]
    pub rf_dbm: i32,
    /// Its battery at the start, mV; it falls silent below 2000.
    #[serde(default = "LabelNature::battery_mv")]
    pub battery_mv: u32,
    /// The temperature where it hangs, °C.
    #[serde(default = "LabelNature::temperature_c")]
    pub temperature_c: i8,
    /// Its key, 22 hex digits; empty if it has none.
    #[serde(default)]
    pub key: String,
    /// How often it listens, ms, if not as the others.
    #[serde(default)]
    pub wake_ms: Option<u64>,
}

impl LabelNature {
    /// A label like the others.
    pub fn plain(tag: &str) -> Self {
        Self {
            tag: tag.to_owned(),
            rf_dbm: Self::rf_dbm(),
            battery_mv: Self::battery_mv(),
            temperature_c: Self::temperature_c(),
            key: String::new(),
            wake_ms: None,
        }
    }

    fn rf_dbm() -> i32 {
        -58
    }

    fn battery_mv() -> u32 {
        3000
    }

    fn temperature_c() -> i8 {
        22
    }
}

/// What happens once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incident {
    /// The access point starts anew: what waited is lost.
    Restart,
    /// From now on nothing goes wrong by chance.
    Calm,
    /// No space is left on its disk from now on.
    DiskFull,
    /// The label's controller starts anew: the image and the pages are gone, and it says so.
    Reset(String),
    /// Somebody else brings an image onto the label, and the result is told as any other.
    Stranger(String),
    /// The label answers no more.
    Silent(String),
    /// The label answers again.
    Audible(String),
}
