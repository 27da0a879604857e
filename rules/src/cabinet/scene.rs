//! What is known of a cabinet at one moment.

use crate::detect::Band;
use crate::{Mono, Sample};

/// One moment of a cabinet: what was read, and what the first detectors make of it.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Air temperature as read, °C.
    pub air: Sample,
    /// Whether the air was read in this very step, and not before.
    pub is_new: bool,
    /// Evaporator temperature, °C; none while unknown, as all below.
    pub evaporator: Option<f32>,
    /// Temperature of the room, °C.
    pub ambient: Option<f32>,
    /// What the controller aims at, °C.
    pub set_point: Option<f32>,
    /// Power of this cabinet, W.
    pub power: Option<f32>,
    /// The controller asks for cooling.
    pub asked: Option<bool>,
    /// The controller drives the evaporator's fan.
    pub fan: Option<bool>,
    /// The controller's own defrost flag.
    pub defrost_flag: Option<bool>,
    /// The door contact: open.
    pub door: Option<bool>,

    /// The air temperature, unless the probe is not to be believed just now, °C. Completed by
    /// [`crate::detect::Probe`].
    pub trusted: Option<f32>,
    /// Whether the compressor really runs: by its power, else by the flag that asks for it; none where
    /// neither is known. Completed by [`crate::detect::Compressor`].
    pub running: Option<bool>,
    /// The power is no more than at rest: neither compressor nor heater; none while it does not tell.
    /// Completed by [`crate::detect::Compressor`].
    pub rests: Option<bool>,
    /// Where the air usually is between defrosts; none until learnt. Completed by
    /// [`crate::detect::Normal`].
    pub band: Option<Band>,
    /// By how much the air moved in the calmest hour of the last day, K; none before a day was seen.
    pub calmest: Option<f32>,
    /// Whether it is being cooled by what the air does, and how fast it warms while it is not, K/min.
    /// Completed by [`crate::detect::Saw`] with every frame.
    pub cools: Option<bool>,
    /// See [`Self::cools`].
    pub warming: Option<f32>,
    /// Whether the cabinet defrosts. Completed by [`crate::detect::Defrost`].
    pub phase: Phase,
}

impl Scene {
    /// A moment of which nothing is known.
    pub const fn unknown() -> Self {
        Self {
            air: Sample::Bad(crate::BadReason::NoResponse),
            is_new: false,
            evaporator: None,
            ambient: None,
            set_point: None,
            power: None,
            asked: None,
            fan: None,
            defrost_flag: None,
            door: None,
            trusted: None,
            running: None,
            rests: None,
            band: None,
            calmest: None,
            cools: None,
            warming: None,
            phase: Phase::Unknown,
        }
    }
}

/// Whether a cabinet cools or defrosts, by its flag or by the shape of its trace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Phase {
    /// Nothing is known yet: the equipment or the agent has just started.
    #[default]
    Unknown,
    /// Cooling between defrosts.
    Cooling,
    /// Out of its band, and not by a defrost.
    Excursion {
        /// Since when.
        since: Mono,
    },
    /// The air rises in a way that may be a defrost: it began when one was due, or looks as they look
    /// here, or too little was seen yet to say. Not a defrost yet, but not a fault either.
    Perhaps {
        /// Since when.
        since: Mono,
    },
    /// A defrost.
    Defrost {
        /// Since when.
        since: Mono,
    },
    /// After a defrost, until the air is back where it usually is.
    Recovery {
        /// Since when the heat is off.
        since: Mono,
    },
}

impl Phase {
    /// Whether the longer delays are in force: as the flag of a controller would say it, with its
    /// unknown.
    pub fn holds_off(self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Cooling | Self::Excursion { .. } => Some(false),
            Self::Perhaps { .. } | Self::Defrost { .. } | Self::Recovery { .. } => Some(true),
        }
    }

    /// Whether it should cool: neither a defrost nor what may be one.
    pub fn is_cooling(self) -> bool {
        matches!(self, Self::Cooling | Self::Excursion { .. })
    }

    /// Whether the air is out of its band without a defrost: what is held off for one is no longer.
    pub fn is_excursion(self) -> bool {
        matches!(self, Self::Excursion { .. })
    }
}
