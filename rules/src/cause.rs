//! Probable causes: what the evidence of an alarm supports, and nothing beyond it.

/// A first probable cause, so that the right part travels with the technician.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The readings do not say.
    #[default]
    Unknown,
    /// Too warm, and the compressor is known to be off: it, its protection or its controller.
    CompressorNotRunning,
    /// Cooling is switched on, and the cabinet has not become colder since it was too warm: the
    /// compressor does not start, there is no refrigerant, or the door is wide open.
    CoolingWithoutEffect,
    /// Too warm, and cooling down too slowly: door, warm goods, iced evaporator, fan, refrigerant.
    LoadOrCapacity,
    /// Too warm, and a defrost that began before is still on.
    DefrostNotEnded,
    /// The device says nothing: its power, its line or itself.
    DeviceSilent,
    /// The device answers, but its essential value is unusable: sensor, cable, or a wrong register map.
    ValueUnusable,
    /// More equipment runs at once than was contracted for.
    LoadAboveContract,
    /// The switch reads back off although it was commanded on.
    SwitchDidNotObey,
    /// The switch is on, but its circuit draws too little.
    LampOrCircuit,
}

impl Cause {
    /// All of them, for tables of texts.
    pub const ALL: [Self; 10] = [
        Self::Unknown,
        Self::CompressorNotRunning,
        Self::CoolingWithoutEffect,
        Self::LoadOrCapacity,
        Self::DefrostNotEnded,
        Self::DeviceSilent,
        Self::ValueUnusable,
        Self::LoadAboveContract,
        Self::SwitchDidNotObey,
        Self::LampOrCircuit,
    ];

    /// As written in files, on the wire and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::CompressorNotRunning => "compressor_not_running",
            Self::CoolingWithoutEffect => "cooling_without_effect",
            Self::LoadOrCapacity => "load_or_capacity",
            Self::DefrostNotEnded => "defrost_not_ended",
            Self::DeviceSilent => "device_silent",
            Self::ValueUnusable => "value_unusable",
            Self::LoadAboveContract => "load_above_contract",
            Self::SwitchDidNotObey => "switch_did_not_obey",
            Self::LampOrCircuit => "lamp_or_circuit",
        }
    }

    /// The cause of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}
