//! Classes of equipment: what a device is for, whatever its make.

/// What a device is for. A class decides which points rules may expect and which rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Chilled cabinet, 0 to 5 °C.
    Chiller,
    /// Freezer cabinet, −18 °C or colder.
    Freezer,
    /// Walk-in cold room.
    ColdRoom,
    /// Energy meter.
    Meter,
    /// Relay module that switches lights.
    Light,
    /// Air conditioner.
    AirConditioner,
    /// One line with its devices: not equipment itself, but what they hang on.
    Line,
    /// One circuit of the distribution board.
    Circuit,
    /// The store as a whole.
    Store,
}

impl Class {
    /// What equipment can be, for error messages and tables; lines, circuits and the store are not equipment.
    pub const ALL: [Self; 6] =
        [Self::Chiller, Self::Freezer, Self::ColdRoom, Self::Meter, Self::Light, Self::AirConditioner];

    /// As written in config files and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chiller => "chiller",
            Self::Freezer => "freezer",
            Self::ColdRoom => "cold_room",
            Self::Meter => "meter",
            Self::Light => "light",
            Self::AirConditioner => "air_conditioner",
            Self::Line => "line",
            Self::Circuit => "circuit",
            Self::Store => "store",
        }
    }

    /// The class of equipment of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// The class of that name, of equipment or of what equipment hangs on.
    pub fn of_anything(name: &str) -> Option<Self> {
        let parts = [Self::Line, Self::Circuit, Self::Store];
        Self::ALL.into_iter().chain(parts).find(|class| class.name() == name)
    }

    /// Whether it keeps goods cold.
    pub fn is_refrigeration(self) -> bool {
        matches!(self, Self::Chiller | Self::Freezer | Self::ColdRoom)
    }
}
