//! What a label gateway is asked for, and what it tells.

/// One thing to do with one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelTask {
    /// Tag id, 12 hex digits.
    pub label: String,
    /// Numbers the task; told back with what became of it.
    pub task: u64,
    /// What is to be done.
    pub action: Action,
    /// Whether it goes ahead of those that wait.
    pub urgent: bool,
}

/// What a label can be told. A label keeps images on pages, and shows one of them. A `png` is a PNG file
/// whose size is exactly the label model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Keep an image on a page and show that page.
    Show {
        /// The page.
        page: u8,
        /// The image.
        png: Vec<u8>,
    },
    /// Keep an image on a page, and go on showing what is shown.
    Store {
        /// The page.
        page: u8,
        /// The image.
        png: Vec<u8>,
    },
    /// Show what is kept on a page.
    Flip {
        /// The page.
        page: u8,
    },
    /// Blink with the lamp, so that the label is found.
    Blink {
        /// How often.
        times: u16,
    },
}

impl Action {
    /// Bytes of the image it carries.
    pub fn size(&self) -> usize {
        match self {
            Self::Show { png, .. } | Self::Store { png, .. } => png.len(),
            Self::Flip { .. } | Self::Blink { .. } => 0,
        }
    }

    /// How sure it is that it was done, when the label says that it was.
    pub fn proof(&self) -> Proof {
        match self {
            Self::Show { .. } | Self::Flip { .. } => Proof::Refreshed,
            Self::Store { .. } | Self::Blink { .. } => Proof::Delivered,
        }
    }
}

/// Why a label could not be served, as far as it tells what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// It does not answer: out of reach, asleep, or its battery is empty.
    NoAnswer,
    /// It has another key.
    WrongKey,
    /// Its controller has started anew: what it kept and showed is gone.
    Reset,
    /// Its display is not the one its id says, or does not refresh.
    Display,
    /// The gateway calls the task invalid.
    Invalid,
    /// The gateway never told a result.
    NoResult,
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
    /// The label did what it was told.
    Done {
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
    /// The label did not; the task is over.
    Failed {
        /// Tag id.
        label: String,
        /// Which task.
        task: u64,
        /// What kind of failure it is.
        trouble: Trouble,
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
    /// The label's controller has started anew: what it kept and showed is gone.
    Reset {
        /// Tag id.
        label: String,
    },
    /// The label did something that this program did not ask for: another has its gateway's login or its key.
    Unasked {
        /// Tag id.
        label: String,
    },
    /// Whether the gateway has hardly any space left for images: then it loses them without a word.
    Space {
        /// Whether it is short.
        is_short: bool,
    },
}
