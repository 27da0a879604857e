//! The scale's weights: which causes a condition has, and how often each shows a symptom.

use super::Symptoms;
use crate::Cause::{
    self, CompressorNotRunning, CompressorShortCycling, CondenserFouled, DefrostMissed, DefrostNotEnded,
    DefrostTooFrequent, DefrostTooLong, DevicePower, DoorOpen, EvaporatorFan, EvaporatorIced, ProbeBroken,
    ProbeDrift, ProbeJump, ProbeStuck, RefrigerantLoss, Unknown, WarmLoad,
};
use crate::Condition;

/// K above the usual band from which on cooling is certainly wanted; beyond a thermostat's swing.
const WARM: f32 = 2.0;
/// Minutes from which on an open door is no longer stocking: the middle of the 5 to 10 min after which
/// staff want to hear of a door.
const DOOR_LONG_MIN: f32 = 8.0;

/// Share of the usual difference of air and evaporator below which no cold is made.
const NO_COLD: f32 = 0.3;

/// A symptom that is there or not.
pub(super) struct Flag {
    /// Whether it is; none while that is not known.
    pub shown: fn(&Symptoms) -> Option<bool>,
    /// Share of the cases of a cause in which it is shown, 0 to 1.
    pub of: &'static [(Cause, f32)],
    /// The same for every other cause.
    pub others: f32,
}

/// A symptom with a size.
pub(super) struct Measure {
    /// Its size; none while that is not known.
    pub value: fn(&Symptoms) -> Option<f32>,
    /// Some sizes, rising.
    pub at: &'static [f32],
    /// How likely a cause makes it about as large as each of them; only the relation of causes to each
    /// other counts.
    pub of: &'static [(Cause, &'static [f32])],
    /// The same for every other cause.
    pub others: &'static [f32],
}

/// The causes of a condition with their shares before anything else is known; they sum to about 1.
pub(super) fn causes_of(condition: Condition) -> &'static [(Cause, f32)] {
    match condition {
        // Doors and stopped compressors lead the service calls for warm cabinets.
        Condition::TemperatureHigh
        | Condition::TemperaturePreAlarm
        | Condition::LimitForecast
        | Condition::GoodsWarm => &[
            (DoorOpen, 0.18),
            (WarmLoad, 0.13),
            (CompressorNotRunning, 0.18),
            (EvaporatorFan, 0.10),
            (EvaporatorIced, 0.09),
            (RefrigerantLoss, 0.08),
            (CondenserFouled, 0.08),
            (DefrostNotEnded, 0.04),
            (DefrostTooLong, 0.02),
            (DevicePower, 0.03),
            (CompressorShortCycling, 0.01),
            (ProbeBroken, 0.01),
            (ProbeJump, 0.01),
            (ProbeDrift, 0.02),
            (Unknown, 0.02),
        ],
        // So fast only air comes in, heat is on, or nothing is warm but the probe.
        Condition::TemperatureRate => &[
            (DoorOpen, 0.24),
            (WarmLoad, 0.16),
            (CompressorNotRunning, 0.16),
            (DefrostNotEnded, 0.10),
            (EvaporatorFan, 0.06),
            (DevicePower, 0.06),
            (ProbeJump, 0.10),
            (ProbeBroken, 0.04),
            (Unknown, 0.08),
        ],
        // Much below its limit: nothing here cools too much, but a probe can say so.
        Condition::TemperatureLow => {
            &[(ProbeDrift, 0.15), (ProbeStuck, 0.05), (ProbeBroken, 0.05), (ProbeJump, 0.05), (Unknown, 0.70)]
        }
        Condition::DoorOpen => &[
            (DoorOpen, 0.70),
            (WarmLoad, 0.12),
            (CompressorNotRunning, 0.05),
            (EvaporatorFan, 0.04),
            (DefrostNotEnded, 0.03),
            (EvaporatorIced, 0.02),
            (RefrigerantLoss, 0.01),
            (CondenserFouled, 0.01),
            (Unknown, 0.02),
        ],
        Condition::DefrostAbnormal => &[
            (DefrostNotEnded, 0.22),
            (DefrostTooLong, 0.22),
            (DefrostMissed, 0.22),
            (DefrostTooFrequent, 0.15),
            (EvaporatorIced, 0.08),
            (EvaporatorFan, 0.03),
            (RefrigerantLoss, 0.02),
            (Unknown, 0.06),
        ],
        Condition::CompressorAbnormal => &[
            (CompressorNotRunning, 0.22),
            (CompressorShortCycling, 0.22),
            (RefrigerantLoss, 0.14),
            (CondenserFouled, 0.12),
            (EvaporatorIced, 0.08),
            (EvaporatorFan, 0.05),
            (DoorOpen, 0.08),
            (WarmLoad, 0.04),
            (DevicePower, 0.02),
            (Unknown, 0.03),
        ],
        Condition::CapacityLoss => &[
            (RefrigerantLoss, 0.28),
            (CondenserFouled, 0.28),
            (EvaporatorIced, 0.24),
            (EvaporatorFan, 0.10),
            (DoorOpen, 0.03),
            (ProbeDrift, 0.02),
            (Unknown, 0.05),
        ],
        Condition::ProbeFault => {
            &[(ProbeBroken, 0.24), (ProbeStuck, 0.24), (ProbeJump, 0.24), (ProbeDrift, 0.24), (Unknown, 0.04)]
        }
        // By the cabinet's own meter; a dead compressor still leaves the controller and fans.
        Condition::PowerLost => &[(DevicePower, 0.95), (CompressorNotRunning, 0.02), (Unknown, 0.03)],
        _ => &[],
    }
}

/// Symptoms that are there or not.
pub(super) const FLAGS: &[Flag] = &[
    // The cabinet draws no power. Seen it settles the matter; not seen it may only be that nothing measures it.
    Flag {
        shown: |symptoms| symptoms.no_power.then_some(true),
        of: &[(DevicePower, 0.95), (CompressorNotRunning, 0.05)],
        others: 0.01,
    },
    // Cooling is wanted and the compressor stands. Tired motors start now and then; overload protection
    // stops one behind a dirty condenser or one that starts too often; in a defrost it must stand.
    Flag {
        shown: |symptoms| {
            if symptoms.not_starting {
                return Some(true);
            }
            let wanted = symptoms.asked.or_else(|| symptoms.excess.map(|excess| excess > WARM))?;
            wanted.then_some(!symptoms.running?)
        },
        of: &[
            (CompressorNotRunning, 0.95),
            (DevicePower, 0.95),
            (DefrostNotEnded, 0.60),
            (DefrostTooLong, 0.30),
            (CompressorShortCycling, 0.40),
            (CondenserFouled, 0.08),
            (ProbeBroken, 0.20),
            (ProbeJump, 0.20),
            (ProbeStuck, 0.20),
            (ProbeDrift, 0.20),
        ],
        others: 0.03,
    },
    // Cooling is asked for, and the evaporator is hardly colder than the air.
    Flag {
        shown: |symptoms| symptoms.cold_ratio.map(|ratio| ratio < NO_COLD),
        of: &[
            (CompressorNotRunning, 0.90),
            (DevicePower, 0.90),
            (RefrigerantLoss, 0.15),
            (CompressorShortCycling, 0.20),
            (ProbeStuck, 0.10),
        ],
        others: 0.03,
    },
    // Warm, and the controller asks for nothing: it defrosts, or its own probe sees something else.
    Flag {
        shown: |symptoms| (symptoms.excess? > WARM).then_some(!symptoms.asked?),
        of: &[
            (DefrostNotEnded, 0.95),
            (DefrostTooLong, 0.60),
            (ProbeDrift, 0.40),
            (ProbeJump, 0.40),
            (ProbeBroken, 0.40),
            (WarmLoad, 0.06),
            (CompressorNotRunning, 0.06),
            (CompressorShortCycling, 0.15),
        ],
        others: 0.03,
    },
    // The door contact. Who stocks opens the door, and customers do while something else is wrong; the
    // contact of a door that does not close tightly says closed.
    Flag { shown: |symptoms| symptoms.door, of: &[(DoorOpen, 0.94), (WarmLoad, 0.30)], others: 0.05 },
    // Open for longer than stocking takes. Only seen it counts.
    Flag {
        shown: |symptoms| (symptoms.door_minutes? >= DOOR_LONG_MIN).then_some(true),
        of: &[(DoorOpen, 0.80), (WarmLoad, 0.10)],
        others: 0.04,
    },
    // The rise began when a defrost was due. By chance one in ten does.
    Flag {
        shown: |symptoms| symptoms.when_due,
        of: &[(DefrostNotEnded, 0.90), (DefrostTooLong, 0.90), (EvaporatorIced, 0.40), (EvaporatorFan, 0.20)],
        others: 0.12,
    },
    // The approach grew within the hour: a fan stops, ice grows over days.
    Flag {
        shown: |symptoms| symptoms.sudden,
        of: &[(EvaporatorFan, 0.85), (EvaporatorIced, 0.08)],
        others: 0.30,
    },
    // The air warms faster than a closed, cooled cabinet can. Only seen it counts: a missed rise proves nothing.
    Flag {
        shown: |symptoms| symptoms.is_active(Condition::TemperatureRate).then_some(true),
        of: &[
            (DoorOpen, 0.50),
            (WarmLoad, 0.35),
            (DefrostNotEnded, 0.50),
            (ProbeJump, 0.60),
            (ProbeBroken, 0.40),
            (CompressorNotRunning, 0.25),
            (DevicePower, 0.25),
            (EvaporatorFan, 0.12),
            (EvaporatorIced, 0.03),
            (RefrigerantLoss, 0.03),
            (CondenserFouled, 0.03),
        ],
        others: 0.20,
    },
    // Capacity went down over days before: what is wrong now began long ago. Only seen it counts.
    Flag {
        shown: |symptoms| symptoms.is_active(Condition::CapacityLoss).then_some(true),
        of: &[
            (RefrigerantLoss, 0.60),
            (CondenserFouled, 0.60),
            (EvaporatorIced, 0.60),
            (EvaporatorFan, 0.30),
            (CompressorShortCycling, 0.20),
            (CompressorNotRunning, 0.10),
        ],
        others: 0.08,
    },
    // What the detector of defrosts finds wrong. Ice, a weak fan and missing refrigerant make the
    // recovery long; a missed defrost ices up.
    Flag {
        shown: |symptoms| symptoms.defrost.map(|found| found == DefrostNotEnded),
        of: &[(DefrostNotEnded, 0.95)],
        others: 0.04,
    },
    Flag {
        shown: |symptoms| symptoms.defrost.map(|found| found == DefrostTooLong),
        of: &[
            (DefrostTooLong, 0.95),
            (DefrostNotEnded, 0.20),
            (EvaporatorIced, 0.30),
            (EvaporatorFan, 0.20),
            (RefrigerantLoss, 0.15),
            (CondenserFouled, 0.10),
        ],
        others: 0.05,
    },
    Flag {
        shown: |symptoms| symptoms.defrost.map(|found| found == DefrostMissed),
        of: &[(DefrostMissed, 0.95), (EvaporatorIced, 0.40)],
        others: 0.04,
    },
    Flag {
        shown: |symptoms| symptoms.defrost.map(|found| found == DefrostTooFrequent),
        of: &[(DefrostTooFrequent, 0.95), (EvaporatorIced, 0.10)],
        others: 0.04,
    },
    // What the detector of the probe finds wrong.
    Flag {
        shown: |symptoms| symptoms.probe.map(|found| found == ProbeBroken),
        of: &[(ProbeBroken, 0.95)],
        others: 0.02,
    },
    Flag {
        shown: |symptoms| symptoms.probe.map(|found| found == ProbeStuck),
        of: &[(ProbeStuck, 0.95)],
        others: 0.02,
    },
    Flag {
        shown: |symptoms| symptoms.probe.map(|found| found == ProbeJump),
        of: &[(ProbeJump, 0.95), (ProbeBroken, 0.10)],
        others: 0.02,
    },
    Flag {
        shown: |symptoms| symptoms.probe.map(|found| found == ProbeDrift),
        of: &[(ProbeDrift, 0.95)],
        others: 0.02,
    },
];

/// Symptoms with a size.
pub(super) const MEASURES: &[Measure] = &[
    // Power while running, of the usual. Missing refrigerant: less is pumped. Fan and ice: the suction
    // pressure falls, and the fan's own share is gone. Dirty condenser: the pressure to pump against
    // rises. Warm air at the evaporator: a little more.
    Measure {
        value: |symptoms| symptoms.run_power_ratio,
        at: &[0.65, 0.85, 1.0, 1.15, 1.35],
        of: &[
            (RefrigerantLoss, &[0.40, 0.80, 0.30, 0.03, 0.01]),
            (CondenserFouled, &[0.01, 0.03, 0.25, 0.80, 0.50]),
            (EvaporatorFan, &[0.80, 0.55, 0.35, 0.05, 0.01]),
            (EvaporatorIced, &[0.25, 0.50, 0.50, 0.10, 0.01]),
            (DoorOpen, &[0.01, 0.05, 0.60, 0.45, 0.05]),
            (WarmLoad, &[0.01, 0.05, 0.60, 0.45, 0.05]),
            (CompressorNotRunning, &[0.30, 0.50, 0.40, 0.20, 0.10]),
            (DevicePower, &[0.50, 0.50, 0.20, 0.05, 0.01]),
            (DefrostNotEnded, &[0.30, 0.30, 0.30, 0.30, 0.50]),
        ],
        others: &[0.10, 0.15, 0.70, 0.20, 0.05],
    },
    // Share of time running, of the usual at this difference to the room: up with every lack of cooling,
    // down where nothing runs.
    Measure {
        value: |symptoms| symptoms.run_share_ratio,
        at: &[0.6, 1.0, 1.4],
        of: &[
            (DoorOpen, &[0.05, 0.25, 0.70]),
            (WarmLoad, &[0.05, 0.30, 0.65]),
            (EvaporatorFan, &[0.15, 0.30, 0.60]),
            (EvaporatorIced, &[0.05, 0.30, 0.70]),
            (RefrigerantLoss, &[0.05, 0.30, 0.70]),
            (CondenserFouled, &[0.05, 0.30, 0.70]),
            (CompressorNotRunning, &[0.75, 0.35, 0.10]),
            (DevicePower, &[0.75, 0.35, 0.10]),
        ],
        others: &[0.25, 0.60, 0.20],
    },
    // Air minus evaporator while running, of the usual. Without air the evaporator gets no warmth and goes
    // cold; with less cold made it need not be so much colder than the air.
    Measure {
        value: |symptoms| symptoms.approach_ratio,
        at: &[0.75, 1.0, 1.5],
        of: &[
            (EvaporatorFan, &[0.02, 0.10, 0.85]),
            (EvaporatorIced, &[0.04, 0.20, 0.70]),
            (RefrigerantLoss, &[0.65, 0.30, 0.08]),
            (CondenserFouled, &[0.30, 0.60, 0.08]),
            (DoorOpen, &[0.10, 0.55, 0.30]),
            (WarmLoad, &[0.10, 0.60, 0.25]),
            (CompressorNotRunning, &[0.70, 0.25, 0.03]),
            (DevicePower, &[0.70, 0.25, 0.03]),
        ],
        others: &[0.25, 0.50, 0.15],
    },
    // Evaporator minus its usual while running, K. The same seen from the refrigerant's side: it alone
    // tells a fan from a door, both of which warm the air.
    Measure {
        value: |symptoms| symptoms.evaporator_shift,
        at: &[-5.0, 0.0, 5.0],
        of: &[
            (EvaporatorFan, &[0.80, 0.15, 0.06]),
            (EvaporatorIced, &[0.60, 0.35, 0.06]),
            (RefrigerantLoss, &[0.12, 0.40, 0.50]),
            (CondenserFouled, &[0.04, 0.55, 0.35]),
            (DoorOpen, &[0.02, 0.35, 0.55]),
            (WarmLoad, &[0.02, 0.40, 0.50]),
            (CompressorNotRunning, &[0.02, 0.15, 0.80]),
            (DevicePower, &[0.02, 0.15, 0.80]),
            (DefrostNotEnded, &[0.01, 0.05, 0.90]),
            (DefrostTooLong, &[0.02, 0.20, 0.70]),
        ],
        others: &[0.10, 0.70, 0.20],
    },
    // How much the approach grows from defrost to defrost: only ice comes and goes so.
    Measure {
        value: |symptoms| symptoms.approach_growth,
        at: &[0.0, 0.1, 0.3],
        of: &[(EvaporatorIced, &[0.12, 0.50, 0.80]), (DefrostMissed, &[0.20, 0.50, 0.60])],
        others: &[0.60, 0.20, 0.08],
    },
    // Starts per hour, of the usual. Missing refrigerant trips the low-pressure switch, a dirty condenser
    // the high one; whatever never reaches its set point does not stop.
    Measure {
        value: |symptoms| symptoms.starts_ratio,
        at: &[0.3, 1.0, 2.5],
        of: &[
            (CompressorShortCycling, &[0.01, 0.08, 0.90]),
            (RefrigerantLoss, &[0.40, 0.40, 0.08]),
            (CondenserFouled, &[0.40, 0.40, 0.08]),
            (EvaporatorFan, &[0.40, 0.40, 0.08]),
            (EvaporatorIced, &[0.45, 0.40, 0.05]),
            (DoorOpen, &[0.45, 0.40, 0.10]),
            (WarmLoad, &[0.45, 0.40, 0.10]),
            (CompressorNotRunning, &[0.60, 0.25, 0.10]),
            (DevicePower, &[0.60, 0.25, 0.02]),
        ],
        others: &[0.30, 0.60, 0.08],
    },
    // How fast the air climbed out of its band, of how fast it warms while the machine rests. A machine
    // that stands is as fast; doors and heaters are faster; what is only weak is much slower.
    Measure {
        value: |symptoms| symptoms.climb_ratio,
        at: &[0.3, 1.0, 2.5, 6.0],
        of: &[
            (DoorOpen, &[0.10, 0.25, 0.60, 0.90]),
            (WarmLoad, &[0.20, 0.40, 0.40, 0.25]),
            (CompressorNotRunning, &[0.20, 0.80, 0.30, 0.04]),
            (DevicePower, &[0.20, 0.80, 0.30, 0.04]),
            (EvaporatorFan, &[0.40, 0.70, 0.20, 0.03]),
            (DefrostNotEnded, &[0.05, 0.45, 0.65, 0.50]),
            (DefrostTooLong, &[0.10, 0.45, 0.60, 0.40]),
            (EvaporatorIced, &[0.85, 0.30, 0.06, 0.02]),
            (RefrigerantLoss, &[0.85, 0.30, 0.06, 0.02]),
            (CondenserFouled, &[0.85, 0.30, 0.06, 0.02]),
            (ProbeJump, &[0.05, 0.10, 0.30, 0.90]),
            (ProbeBroken, &[0.05, 0.10, 0.30, 0.80]),
        ],
        others: &[0.40, 0.40, 0.30, 0.30],
    },
    // How fast it warms now, of how fast it would if the machine rested. Where cold is still made there is
    // a new balance.
    Measure {
        value: |symptoms| symptoms.slope_ratio,
        at: &[0.1, 0.5, 1.5, 4.0],
        of: &[
            (DoorOpen, &[0.60, 0.35, 0.45, 0.70]),
            (WarmLoad, &[0.60, 0.35, 0.20, 0.08]),
            (CompressorNotRunning, &[0.12, 0.70, 0.50, 0.05]),
            (DevicePower, &[0.12, 0.70, 0.50, 0.05]),
            (EvaporatorFan, &[0.30, 0.60, 0.30, 0.04]),
            (DefrostNotEnded, &[0.12, 0.40, 0.70, 0.50]),
            (DefrostTooLong, &[0.20, 0.40, 0.40, 0.20]),
            (EvaporatorIced, &[0.75, 0.30, 0.05, 0.02]),
            (RefrigerantLoss, &[0.75, 0.30, 0.05, 0.02]),
            (CondenserFouled, &[0.75, 0.30, 0.05, 0.02]),
        ],
        others: &[0.35, 0.35, 0.30, 0.25],
    },
    // The same in K/h, where it is not known how fast the cabinet warms by itself. A heater and a door bring warmth; a dead machine lets the walls
    // bring it; a weak one only makes for a new balance.
    Measure {
        value: |symptoms| symptoms.rise.filter(|_| symptoms.slope_ratio.is_none()),
        at: &[0.0, 4.0, 12.0, 25.0],
        of: &[
            (DoorOpen, &[0.35, 0.35, 0.45, 0.70]),
            (WarmLoad, &[0.50, 0.30, 0.20, 0.10]),
            (CompressorNotRunning, &[0.20, 0.55, 0.40, 0.08]),
            (DevicePower, &[0.20, 0.55, 0.40, 0.08]),
            (EvaporatorFan, &[0.30, 0.50, 0.25, 0.03]),
            (DefrostNotEnded, &[0.15, 0.35, 0.60, 0.50]),
            (DefrostTooLong, &[0.25, 0.35, 0.35, 0.20]),
            (EvaporatorIced, &[0.60, 0.20, 0.04, 0.02]),
            (RefrigerantLoss, &[0.60, 0.20, 0.04, 0.02]),
            (CondenserFouled, &[0.60, 0.20, 0.04, 0.02]),
        ],
        others: &[0.35, 0.30, 0.25, 0.20],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_is_a_share_and_every_row_names_a_cause_once() {
        let once = |causes: &[Cause]| {
            causes.iter().enumerate().all(|(place, cause)| !causes[..place].contains(cause))
        };
        for condition in Condition::ALL {
            let causes: heapless::Vec<Cause, 32> =
                causes_of(condition).iter().map(|(cause, _)| *cause).collect();
            let sum: f32 = causes_of(condition).iter().map(|(_, share)| share).sum();
            assert!(causes.is_empty() || (0.99..=1.01).contains(&sum), "{condition:?}: {sum}");
            assert!(causes.len() <= super::super::CAUSES_MAX && once(&causes), "{condition:?}");
        }
        for flag in FLAGS {
            let causes: heapless::Vec<Cause, 32> = flag.of.iter().map(|(cause, _)| *cause).collect();
            assert!(once(&causes), "{causes:?}");
            assert!(flag.of.iter().all(|(_, share)| (0.0..=1.0).contains(share)), "{causes:?}");
        }
        for measure in MEASURES {
            let causes: heapless::Vec<Cause, 32> = measure.of.iter().map(|(cause, _)| *cause).collect();
            assert!(once(&causes), "{causes:?}");
            assert!(measure.at.windows(2).all(|pair| pair[0] < pair[1]), "{causes:?}");
            let rows = measure.of.iter().map(|(_, row)| *row).chain([measure.others]);
            for row in rows {
                assert_eq!(row.len(), measure.at.len(), "{causes:?}");
                assert!(row.iter().all(|likelihood| (0.0..=1.0).contains(likelihood)), "{causes:?}");
            }
        }
    }
}
