//! Probable causes: what the evidence of an alarm supports, and nothing beyond it.

/// A probable cause, so that the right part travels with the technician.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The readings do not say.
    #[default]
    Unknown,
    /// The door is open, or does not close.
    DoorOpen,
    /// Warm goods were put in, or the door is opened all the time: it will pass.
    WarmLoad,
    /// Cooling is wanted, and the compressor does not run: it, its protection, its contactor or its controller.
    CompressorNotRunning,
    /// The compressor starts far more often than it used to: pressure switch, overload protection or thermostat.
    CompressorShortCycling,
    /// Too little air over the evaporator: its fan stands or is weak.
    EvaporatorFan,
    /// Too little air over the evaporator: it is iced up, and defrosts do not clear it.
    EvaporatorIced,
    /// Too little cooling, and the compressor draws less than it used to: refrigerant is missing.
    RefrigerantLoss,
    /// Too little cooling, and the compressor draws more than it used to: the condenser is dirty or its fan stands.
    CondenserFouled,
    /// A defrost does not end, or ends by its time limit only: termination probe, timer or relay.
    DefrostNotEnded,
    /// A defrost or the recovery after it takes far longer than it used to: heater, ice or its settings.
    DefrostTooLong,
    /// A defrost that was due did not come: timer, controller or settings.
    DefrostMissed,
    /// Defrosts come far more often than they used to: timer, controller or settings.
    DefrostTooFrequent,
    /// The air probe is open or shorted: probe, plug or cable.
    ProbeBroken,
    /// The air probe gives the same value whatever the machine does: controller input or frozen-in probe.
    ProbeStuck,
    /// The air probe jumped and came back faster than any cabinet can: a loose contact.
    ProbeJump,
    /// The air probe disagrees with the other probes or with the machine: it drifts or hangs in the wrong place.
    ProbeDrift,
    /// The device draws no power at all: plug, switch, fuse or controller.
    DevicePower,
    /// Everything on one circuit is dead, the rest of the store is not: its breaker.
    CircuitTripped,
    /// The whole store is without power.
    PowerCut,
    /// The device says nothing: its power, its line or itself.
    DeviceSilent,
    /// Nothing on one line answers: the gateway, the adaptor or the cable.
    LineDead,
    /// The device answers, but its essential value is unusable: sensor, cable, or a wrong register map.
    ValueUnusable,
    /// More equipment runs at once than was contracted for.
    LoadAboveContract,
    /// The switch reads back off although it was commanded on.
    SwitchDidNotObey,
    /// The switch is on, but its circuit draws too little.
    LampOrCircuit,
    /// A rule of the chain or the store says so.
    UserRule,
}

impl Cause {
    /// All of them, for tables of texts.
    pub const ALL: [Self; 27] = [
        Self::Unknown,
        Self::DoorOpen,
        Self::WarmLoad,
        Self::CompressorNotRunning,
        Self::CompressorShortCycling,
        Self::EvaporatorFan,
        Self::EvaporatorIced,
        Self::RefrigerantLoss,
        Self::CondenserFouled,
        Self::DefrostNotEnded,
        Self::DefrostTooLong,
        Self::DefrostMissed,
        Self::DefrostTooFrequent,
        Self::ProbeBroken,
        Self::ProbeStuck,
        Self::ProbeJump,
        Self::ProbeDrift,
        Self::DevicePower,
        Self::CircuitTripped,
        Self::PowerCut,
        Self::DeviceSilent,
        Self::LineDead,
        Self::ValueUnusable,
        Self::LoadAboveContract,
        Self::SwitchDidNotObey,
        Self::LampOrCircuit,
        Self::UserRule,
    ];

    /// As written in files, on the wire and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::DoorOpen => "door_open",
            Self::WarmLoad => "warm_load",
            Self::CompressorNotRunning => "compressor_not_running",
            Self::CompressorShortCycling => "compressor_short_cycling",
            Self::EvaporatorFan => "evaporator_fan",
            Self::EvaporatorIced => "evaporator_iced",
            Self::RefrigerantLoss => "refrigerant_loss",
            Self::CondenserFouled => "condenser_fouled",
            Self::DefrostNotEnded => "defrost_not_ended",
            Self::DefrostTooLong => "defrost_too_long",
            Self::DefrostMissed => "defrost_missed",
            Self::DefrostTooFrequent => "defrost_too_frequent",
            Self::ProbeBroken => "probe_broken",
            Self::ProbeStuck => "probe_stuck",
            Self::ProbeJump => "probe_jump",
            Self::ProbeDrift => "probe_drift",
            Self::DevicePower => "device_power",
            Self::CircuitTripped => "circuit_tripped",
            Self::PowerCut => "power_cut",
            Self::DeviceSilent => "device_silent",
            Self::LineDead => "line_dead",
            Self::ValueUnusable => "value_unusable",
            Self::LoadAboveContract => "load_above_contract",
            Self::SwitchDidNotObey => "switch_did_not_obey",
            Self::LampOrCircuit => "lamp_or_circuit",
            Self::UserRule => "user_rule",
        }
    }

    /// The cause of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}
