//! How slow an access point and its labels are, and what goes wrong with them: plain data.

use serde::Deserialize;

/// How an access point behaves. Shares are 0 to 1, and decided by the store's seed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nature {
    /// How long it takes to make an image of a file, ms.
    pub prepare_ms: u64,
    /// A label asks for news once in this time, ms, each at a moment of its own.
    pub checkin_ms: u64,
    /// Space for files at the start, bytes. What does not fit is dropped without a word.
    pub free_bytes: u64,
    /// Whether files are left on the disk.
    pub hoards: bool,
    /// The share of uploads that are to come back later.
    pub later: f64,
    /// The share of uploads that are answered with 200 and nothing more, and dropped.
    pub empty: f64,
    /// The share of uploads during whose answer the connection breaks; half of the files are kept.
    pub broken: f64,
    /// The share of images that a label begins to fetch and never ends; they wait no longer then.
    pub unfetched: f64,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            prepare_ms: 2_000,
            checkin_ms: 40_000,
            free_bytes: 8_000_000,
            hoards: false,
            later: 0.0,
            empty: 0.0,
            broken: 0.0,
            unfetched: 0.0,
        }
    }
}

impl Nature {
    /// The key of a value that cannot be, and what to write instead.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let shares = [
            ("nature.later", self.later),
            ("nature.empty", self.empty),
            ("nature.broken", self.broken),
            ("nature.unfetched", self.unfetched),
        ];
        let share = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share));
        let zero = || (self.checkin_ms == 0).then_some(("nature.checkin_ms", "must be above 0"));
        share.map(|(key, _)| (key, "must be 0 to 1")).or_else(zero)
    }
}

/// What happens once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incident {
    /// The access point starts anew: what waited for labels is lost.
    Restart,
    /// The access point has lost its table. Labels come back to it as they ask for news.
    TableLost,
    /// It answers uploads with "come back later" from now on.
    Busy,
    /// It takes uploads again.
    Idle,
    /// The label starts anew, shows nothing, and says so.
    Reset(String),
    /// The label shows nothing any more and does not know it.
    Faded(String),
    /// Somebody else brings an image onto the label.
    Stranger(String),
    /// The label asks for nothing any more.
    Silent(String),
    /// The label asks for news again.
    Audible(String),
}
