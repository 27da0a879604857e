//! One cause, one alarm: which condition explains which, so that it alone is announced and the others
//! are suppressed by design beneath it.

use crate::Condition;

/// Whether `parent`, raised on a device, explains `child` on the same device. Strictly ordered, so that
/// no two explain each other. A high temperature and warm goods are explained by nothing but warmer
/// goods: whatever the cause, someone must save the ice cream.
pub(super) fn explains(parent: Condition, child: Condition) -> bool {
    rank(parent) < rank(child)
        && match child {
            Condition::TemperatureHigh => parent == Condition::GoodsWarm,
            Condition::TemperaturePreAlarm | Condition::LimitForecast | Condition::TemperatureRate => {
                parent != Condition::TemperatureLow
            }
            Condition::CapacityLoss | Condition::DefrostAbnormal | Condition::CompressorAbnormal => {
                matches!(parent, Condition::PowerLost | Condition::DoorOpen | Condition::CompressorAbnormal)
            }
            Condition::DoorOpen => matches!(parent, Condition::PowerLost | Condition::ProbeFault),
            Condition::NoResponse => matches!(parent, Condition::PowerLost | Condition::ProbeFault),
            _ => false,
        }
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

/// The order of explaining: the lower explains the higher.
fn rank(condition: Condition) -> u8 {
    match condition {
        Condition::PowerLost => 0,
        Condition::ProbeFault => 1,
        Condition::GoodsWarm => 2,
        Condition::TemperatureHigh => 3,
        Condition::DoorOpen => 4,
        Condition::CompressorAbnormal => 5,
        Condition::DefrostAbnormal => 6,
        Condition::CapacityLoss => 7,
        Condition::LimitForecast => 8,
        Condition::TemperatureRate => 9,
        _ => 10,
    }
}
