//! What a label gateway is asked for, and what it tells.

/// One image to bring onto one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelTask {
    /// Tag id, 12 hex digits.
    pub label: String,
    /// Numbers the task; told back with what became of it.
    pub task: u64,
    /// A PNG file whose size is exactly the label model's.
    pub png: Vec<u8>,
}

/// How sure it is that a label shows an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// The gateway has the task.
    Queued,
    /// The label has the image.
    Delivered,
    /// The label says that it refreshed its display without an error.
    Refreshed,
    /// The image was read back from the label.
    ReadBack,
}

impl Proof {
    /// As written in journals and on pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Refreshed => "refreshed",
            Self::ReadBack => "read_back",
        }
    }

    /// The proof of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Queued, Self::Delivered, Self::Refreshed, Self::ReadBack]
            .into_iter()
            .find(|proof| proof.name() == name)
    }
}

/// What a label gateway tells. `label` is as it was in the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayEvent {
    /// The gateway speaks.
    Online,
    /// It has said nothing for a while, or the broker is away. Tasks are kept.
    Offline,
    /// It restarted and may have forgotten everything. What was under way is sent again; what labels
    /// show is unchanged but worth reconciling.
    Restarted,
    /// The label shows the image.
    Shown {
        /// Tag id.
        label: String,
        /// Which task.
        task: u64,
        /// How sure that is.
        proof: Proof,
        /// Strength of the label's answer, dBm.
        rf_dbm: i32,
        /// Its battery, mV, where it told.
        battery_mv: Option<i32>,
        /// Its temperature, °C, where it told.
        temperature_c: Option<i32>,
    },
    /// The image could not be brought onto the label; the task is over.
    Failed {
        /// Tag id.
        label: String,
        /// Which task.
        task: u64,
        /// Why, in words.
        reason: String,
    },
    /// A newer task for the label took this one's place; the task is over.
    Superseded {
        /// Tag id.
        label: String,
        /// The task that is over.
        task: u64,
    },
}
