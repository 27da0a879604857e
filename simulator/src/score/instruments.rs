//! Which of a cabinet's quantities are measured in a run.

/// What of a cabinet is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruments {
    /// A controller (air, evaporator, set point, flags), the room, and the cabinet's own power.
    Full,
    /// A controller alone.
    Controller,
    /// An air probe of its own and the cabinet's power.
    AirPower,
    /// An air probe of its own.
    Air,
}

impl Instruments {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Controller, Self::AirPower, Self::Air];

    /// As written in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "controller+power",
            Self::Controller => "controller",
            Self::AirPower => "air+power",
            Self::Air => "air",
        }
    }

    /// Whether the controller is read.
    pub fn controller(self) -> bool {
        matches!(self, Self::Full | Self::Controller)
    }

    /// Whether the power is.
    pub fn power(self) -> bool {
        matches!(self, Self::Full | Self::AirPower)
    }
}
