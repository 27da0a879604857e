//! One cause, one alarm: which condition explains which, so that it alone is announced and the others
//! are suppressed by design beneath it.
//!
//! Three things hold, and are tested. No two explain each other, over any number of steps. Nothing
//! explains what is more urgent than itself, so that suppressing never hides urgency. And a high
//! temperature is explained by warm goods alone, warm goods by nothing, not even by a power cut:
//! whatever the cause, someone must save the ice cream.

use crate::Condition;

/// Whether `parent`, raised on a device, explains `child` on the same device.
pub(super) fn explains(parent: Condition, child: Condition) -> bool {
    let parents: &[Condition] = match child {
        Condition::TemperatureHigh => &[Condition::GoodsWarm],
        // Weaker words for what these say.
        Condition::TemperaturePreAlarm => &[
            Condition::PowerLost,
            Condition::ProbeFault,
            Condition::GoodsWarm,
            Condition::TemperatureHigh,
            Condition::DoorOpen,
            Condition::CompressorAbnormal,
            Condition::DefrostAbnormal,
            Condition::CapacityLoss,
            Condition::LimitForecast,
            Condition::TemperatureRate,
        ],
        Condition::TemperatureRate => &[
            Condition::PowerLost,
            Condition::ProbeFault,
            Condition::GoodsWarm,
            Condition::TemperatureHigh,
            Condition::DoorOpen,
            Condition::CompressorAbnormal,
            Condition::LimitForecast,
        ],
        // Not a defrost that was missed or capacity lost over days: what brings the limit near within the
        // hour may be another fault, and is more urgent.
        Condition::LimitForecast => &[
            Condition::PowerLost,
            Condition::ProbeFault,
            Condition::GoodsWarm,
            Condition::TemperatureHigh,
            Condition::DoorOpen,
            Condition::CompressorAbnormal,
        ],
        Condition::CapacityLoss | Condition::DefrostAbnormal => {
            &[Condition::PowerLost, Condition::DoorOpen, Condition::CompressorAbnormal]
        }
        Condition::CompressorAbnormal => &[Condition::PowerLost, Condition::DoorOpen],
        Condition::DoorOpen | Condition::NoResponse => &[Condition::PowerLost, Condition::ProbeFault],
        _ => &[],
    };
    parents.contains(&parent)
}

/// Whether `parent`, raised on a line, circuit or the store, explains `child` on what hangs on it.
pub(super) fn explains_below(parent: Condition, child: Condition) -> bool {
    match parent {
        Condition::LineDead => child == Condition::NoResponse,
        Condition::PowerLost => matches!(
            child,
            Condition::PowerLost
                | Condition::NoResponse
                | Condition::LineDead
                | Condition::DoorOpen
                | Condition::CompressorAbnormal
                | Condition::DefrostAbnormal
                | Condition::CapacityLoss
                | Condition::LimitForecast
                | Condition::TemperatureRate
                | Condition::TemperaturePreAlarm
                | Condition::LightDark
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `from` explains `to` over any number of steps.
    fn reaches(from: Condition, to: Condition, steps: usize) -> bool {
        explains(from, to)
            || steps > 0
                && Condition::ALL
                    .into_iter()
                    .any(|between| explains(from, between) && reaches(between, to, steps - 1))
    }

    #[test]
    fn nothing_explains_itself() {
        for condition in Condition::ALL {
            assert!(!reaches(condition, condition, 5), "{condition:?}");
        }
    }

    #[test]
    fn nothing_explains_what_is_more_urgent() {
        for parent in Condition::ALL {
            for child in Condition::ALL {
                let hides = explains(parent, child) || explains_below(parent, child);
                assert!(!hides || parent.priority() >= child.priority(), "{parent:?} over {child:?}");
            }
        }
    }

    #[test]
    fn warm_goods_are_hidden_by_nothing_and_a_high_temperature_by_warm_goods_alone() {
        for parent in Condition::ALL {
            assert!(!explains(parent, Condition::GoodsWarm) && !explains_below(parent, Condition::GoodsWarm));
            assert!(!explains_below(parent, Condition::TemperatureHigh));
            assert_eq!(explains(parent, Condition::TemperatureHigh), parent == Condition::GoodsWarm);
        }
    }
}
