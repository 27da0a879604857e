//! What is broken in a run, how it grows, and what it may be called.

use super::instruments::Instruments;
use super::physics::{Broken, Cabinet, Probe, between};
use fastrand::Rng;
use storewarden_rules::{Cause, Class};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The compressor does not turn though it is asked to.
    CompressorDead,
    /// The evaporator's fan stands.
    FanDead,
    /// The cabinet, its controller with it, has no power.
    PowerLost,
    /// The door stands open, by a gap or wholly.
    DoorLeftOpen,
    /// The air probe gives no value.
    ProbeOpen,
    /// The air probe gives one value.
    ProbeStuck,
    /// The air probe jumps by some 20 K and comes back after minutes.
    ProbeJump,
    /// A defrost does not end.
    DefrostStuck,
    /// No defrost comes any more.
    DefrostMissed,
    /// Defrosts come four to six times as often.
    DefrostTooFrequent,
    /// The compressor is stopped and let on again every few minutes.
    ShortCycling,
    /// Refrigerant is lost over days.
    RefrigerantLeak,
    /// The heater of the defrosts is dead and a gasket lets damp air in; above freezing: a blocked drain.
    Icing,
    /// Dust grows on the condenser over days.
    CondenserFouling,
    /// The evaporator's fan weakens over days.
    FanWeakening,
    /// The air probe drifts over days.
    ProbeDrift,
}

/// How soon a fault must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// At once there; to be found before the goods are lost.
    Abrupt,
    /// The defrosts and the cycling: no danger within hours.
    Schedule,
    /// Grows over days; the clock starts at 20 % capacity lost (a drift: at 1 K, the accuracy of EN 12830).
    Slow,
}

impl Kind {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 16] = [
        Self::CompressorDead,
        Self::FanDead,
        Self::PowerLost,
        Self::DoorLeftOpen,
        Self::ProbeOpen,
        Self::ProbeStuck,
        Self::ProbeJump,
        Self::DefrostStuck,
        Self::DefrostMissed,
        Self::DefrostTooFrequent,
        Self::ShortCycling,
        Self::RefrigerantLeak,
        Self::Icing,
        Self::CondenserFouling,
        Self::FanWeakening,
        Self::ProbeDrift,
    ];

    /// As written on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::CompressorDead => "compressor_dead",
            Self::FanDead => "fan_dead",
            Self::PowerLost => "power_lost",
            Self::DoorLeftOpen => "door_left_open",
            Self::ProbeOpen => "probe_open",
            Self::ProbeStuck => "probe_stuck",
            Self::ProbeJump => "probe_jump",
            Self::DefrostStuck => "defrost_stuck",
            Self::DefrostMissed => "defrost_missed",
            Self::DefrostTooFrequent => "defrost_too_frequent",
            Self::ShortCycling => "short_cycling",
            Self::RefrigerantLeak => "refrigerant_leak",
            Self::Icing => "icing",
            Self::CondenserFouling => "condenser_fouling",
            Self::FanWeakening => "fan_weakening",
            Self::ProbeDrift => "probe_drift",
        }
    }

    /// How soon it must be found.
    pub fn group(self) -> Group {
        match self {
            Self::DefrostStuck | Self::DefrostMissed | Self::DefrostTooFrequent | Self::ShortCycling => {
                Group::Schedule
            }
            Self::RefrigerantLeak
            | Self::Icing
            | Self::CondenserFouling
            | Self::FanWeakening
            | Self::ProbeDrift => Group::Slow,
            _ => Group::Abrupt,
        }
    }

    /// Its name.
    pub fn cause(self) -> Cause {
        match self {
            Self::CompressorDead => Cause::CompressorNotRunning,
            Self::FanDead | Self::FanWeakening => Cause::EvaporatorFan,
            Self::PowerLost => Cause::DevicePower,
            Self::DoorLeftOpen => Cause::DoorOpen,
            Self::ProbeOpen => Cause::ProbeBroken,
            Self::ProbeStuck => Cause::ProbeStuck,
            Self::ProbeJump => Cause::ProbeJump,
            Self::DefrostStuck => Cause::DefrostNotEnded,
            Self::DefrostMissed => Cause::DefrostMissed,
            Self::DefrostTooFrequent => Cause::DefrostTooFrequent,
            Self::ShortCycling => Cause::CompressorShortCycling,
            Self::RefrigerantLeak => Cause::RefrigerantLoss,
            Self::Icing => Cause::EvaporatorIced,
            Self::CondenserFouling => Cause::CondenserFouled,
            Self::ProbeDrift => Cause::ProbeDrift,
        }
    }

    /// What else is right where `instruments` cannot tell them apart; see docs/scoreboard.md.
    pub fn also(self, instruments: Instruments) -> &'static [Cause] {
        use Cause::*;
        let controller = instruments.controller();
        let power = instruments.power();
        match self {
            Self::CompressorDead if power => &[],
            Self::CompressorDead if controller => &[RefrigerantLoss],
            Self::CompressorDead => &[DevicePower],
            Self::FanDead if !controller => &[EvaporatorIced, RefrigerantLoss],
            Self::PowerLost if controller => &[DeviceSilent],
            Self::PowerLost if !power => &[CompressorNotRunning],
            Self::ProbeOpen => &[ValueUnusable],
            Self::DefrostStuck => &[DefrostTooLong],
            Self::DefrostMissed => &[EvaporatorIced],
            // By the air alone less cold is less cold. Power tells a dirty condenser (more of it) from the
            // rest: less, and for missing refrigerant as much less as for missing air. The evaporator
            // tells these two apart, but not without power refrigerant from the condenser.
            Self::RefrigerantLeak | Self::CondenserFouling | Self::FanWeakening if !controller && !power => {
                &[RefrigerantLoss, CondenserFouled, EvaporatorIced, EvaporatorFan]
            }
            Self::RefrigerantLeak | Self::FanWeakening if !controller => {
                &[RefrigerantLoss, EvaporatorIced, EvaporatorFan]
            }
            Self::RefrigerantLeak if !power => &[CondenserFouled],
            Self::CondenserFouling if !power => &[RefrigerantLoss],
            Self::FanWeakening => &[EvaporatorIced],
            Self::Icing if !controller && !power => {
                &[DefrostTooLong, DefrostNotEnded, EvaporatorFan, RefrigerantLoss, CondenserFouled]
            }
            Self::Icing if !controller => &[DefrostTooLong, DefrostNotEnded, EvaporatorFan, RefrigerantLoss],
            Self::Icing => &[DefrostTooLong, DefrostNotEnded, EvaporatorFan],
            _ => &[],
        }
    }
}

/// One fault with its own strength, drawn per seed.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// How strong or how long, by kind; 0 to 1.
    strength: f64,
    /// A second number of that sort.
    other: f64,
    /// A slow fault is full after this, s.
    ramp_s: f64,
}

impl Fault {
    /// A fault of that kind.
    pub fn new(kind: Kind, rng: &mut Rng) -> Self {
        let ramp_s = 86_400.0 * between(rng, 5.0, 12.0);
        Self { kind, strength: rng.f64(), other: rng.f64(), ramp_s }
    }

    /// Breaks `cabinet` as it is `age_s` after the fault began.
    pub fn apply(&self, cabinet: &mut Cabinet, age_s: f64) {
        let healthy = Broken::default();
        let (strength, other) = (self.strength, self.other);
        let grown = (age_s / self.ramp_s).min(1.0);
        cabinet.broken = match self.kind {
            Kind::CompressorDead => Broken { compressor: true, ..healthy },
            Kind::FanDead => Broken { fan: 0.0, ..healthy },
            Kind::PowerLost => Broken { power: true, ..healthy },
            Kind::DoorLeftOpen => Broken { door: 0.4 + 0.6 * strength, ..healthy },
            Kind::ProbeOpen => Broken { probe: Probe::Open, ..healthy },
            Kind::ProbeStuck => match cabinet.broken.probe {
                Probe::Stuck(_) => return,
                _ => Broken { probe: cabinet.probe_c().map_or(Probe::Open, Probe::Stuck), ..healthy },
            },
            Kind::ProbeJump => {
                let up_s = 180.0 + 540.0 * strength;
                let there = (age_s / 60.0).min(1.0).min((up_s - age_s) / 60.0).max(0.0);
                Broken { probe: Probe::Off((18.0 + 8.0 * other) * there), ..healthy }
            }
            Kind::DefrostStuck => Broken { defrost_stuck: true, ..healthy },
            Kind::DefrostMissed => Broken { defrost_missed: true, ..healthy },
            Kind::DefrostTooFrequent => Broken { defrost_often: 4.0 + 2.0 * strength, ..healthy },
            Kind::ShortCycling => {
                let cycling = (40.0 + 80.0 * strength, 60.0 + 90.0 * other, strength > 0.5);
                Broken { cycling: Some(cycling), ..healthy }
            }
            Kind::RefrigerantLeak => Broken { charge: 1.0 - (0.5 + 0.3 * strength) * grown, ..healthy },
            // Above freezing the machine's own pauses melt what is on the fins; what grows is below them.
            Kind::Icing if cabinet.parameters.class != Class::Freezer => {
                Broken { blocked: (2.5 + strength) * grown, ..healthy }
            }
            Kind::Icing => Broken { defrost_dead: true, ..healthy },
            Kind::CondenserFouling => Broken { fouling: (3.5 + 2.0 * strength) * grown, ..healthy },
            Kind::FanWeakening => Broken { fan: 1.0 - (0.85 + 0.1 * strength) * grown, ..healthy },
            Kind::ProbeDrift => {
                let sign = if other < 0.5 { -1.0 } else { 1.0 };
                Broken { probe: Probe::Off(sign * (3.0 + 2.0 * strength) * grown), ..healthy }
            }
        };
    }

    /// Whether the clock of the figures has started.
    pub fn counts(&self, cabinet: &Cabinet) -> bool {
        match (self.kind, cabinet.broken.probe) {
            (Kind::ProbeDrift, Probe::Off(k)) => k.abs() >= 1.0,
            (Kind::DefrostStuck, _) => cabinet.defrosts(),
            (Kind::DefrostMissed, _) => cabinet.missed_one(),
            _ if self.kind.group() == Group::Slow => cabinet.capacity_share() <= 0.8,
            _ => true,
        }
    }
}
