//! Words for classes, points, qualities, states and priorities. What has no word here is shown under
//! its own name: a new point of a new profile is never hidden.

use crate::texts::Language;
use storewarden_drivers::profile;
use storewarden_rules::{Cause, Class, Priority};

/// The heading of a class of devices.
pub fn class(class: Class, language: Language) -> &'static str {
    match class {
        Class::Chiller => language.pick("冷藏柜", "Chillers"),
        Class::Freezer => language.pick("冰柜", "Freezers"),
        Class::ColdRoom => language.pick("冷库", "Cold rooms"),
        Class::Meter => language.pick("用电", "Electricity"),
        Class::Light => language.pick("照明", "Lights"),
        Class::AirConditioner => language.pick("空调", "Air conditioning"),
        Class::Line => language.pick("通信线路", "Lines"),
        Class::Circuit => language.pick("供电回路", "Circuits"),
        Class::Store => language.pick("门店", "Store"),
    }
}

/// How soon someone must act.
pub fn priority(priority: Priority, language: Language) -> &'static str {
    match priority {
        Priority::High => language.pick("紧急", "Urgent"),
        Priority::Medium => language.pick("尽快处理", "Soon"),
        Priority::Low => language.pick("今天处理", "Today"),
    }
}

/// The priority of that name ([`Priority::name`]). An unknown one counts as the highest: an alarm that
/// cannot be placed must not be played down.
pub fn priority_from_name(name: &str) -> Priority {
    let known = [Priority::Low, Priority::Medium, Priority::High];
    known.into_iter().find(|priority| priority.name() == name).unwrap_or(Priority::High)
}

/// The word for a point of a profile, numbered where the name is (`relay_3`): the table that profiles share.
pub fn point(name: &str, language: Language) -> String {
    profile::words::point(name).map_or_else(|| name.to_owned(), |text| language.pick(text.zh, text.en))
}

/// What a flag says: a door is open or shut, everything else on or off.
pub fn flag(point: &str, set: bool, language: Language) -> &'static str {
    match (point, set) {
        ("door", true) => language.pick("开着", "open"),
        ("door", false) => language.pick("关着", "shut"),
        (name, true) if is_alarm(name) => language.pick("有", "yes"),
        (name, false) if is_alarm(name) => language.pick("无", "no"),
        (_, true) => language.pick("开", "on"),
        (_, false) => language.pick("关", "off"),
    }
}

/// Whether a flag of that name says that something is wrong. A controller's alarm relay is not such a flag.
fn is_alarm(name: &str) -> bool {
    let said = ["alarm", "_fault", "_timeout", "_failure"].iter().any(|word| name.contains(word));
    said && !name.ends_with("_output") && name != "alarm_reset"
}

/// Why there is no figure, as `PointView::quality` names it. `good` has a word too, for tables.
pub fn quality(name: &str, language: Language) -> &str {
    match name {
        "good" => language.pick("正常", "good"),
        "stale" => language.pick("数据太旧", "too old"),
        "no_response" => language.pick("设备没有应答", "device does not answer"),
        "exception" => language.pick("设备拒绝读取", "device refuses"),
        "garbled" => language.pick("通信有干扰", "garbled answer"),
        "sensor_fault" => language.pick("探头坏了", "sensor fault"),
        "out_of_range" => language.pick("数值超出范围", "impossible value"),
        "implausible" => language.pick("数值不可信", "value not believable"),
        "" => language.pick("还没有读到", "not read yet"),
        other => other,
    }
}

/// The state of an alarm, as `AlarmView::state` names it (ISA-18.2); `by` is who did it.
pub fn alarm_state(name: &str, by: &str, language: Language) -> String {
    let who = if by.is_empty() { language.pick("有人", "Somebody") } else { by };
    match name {
        "active_unacknowledged" => language.pick("还没有人处理", "Nobody is on it yet").to_owned(),
        "active_acknowledged" => language.pick(format!("{who} 正在处理"), format!("{who} is on it")),
        "returned_unacknowledged" => {
            language.pick("已经恢复正常，请确认", "Back to normal; please confirm").to_owned()
        }
        "latched" => language.pick("已锁定，请检查后确认", "Latched; check, then confirm").to_owned(),
        "shelved" => language.pick(format!("{who} 已暂停提醒"), format!("{who} paused it")),
        "suppressed_by_design" => language.pick("按规则不提醒", "Silenced by rule").to_owned(),
        "out_of_service" => language.pick("设备停用", "Out of service").to_owned(),
        "normal" => language.pick("正常", "Normal").to_owned(),
        other => other.to_owned(),
    }
}

/// What the readings say of the cause, for whoever calls the repair service.
pub fn cause(cause: Cause, language: Language) -> &'static str {
    match cause {
        Cause::Unknown => language.pick("看不出来", "The readings do not say"),
        Cause::CompressorNotRunning => language.pick("压缩机没有运行", "The compressor is not running"),
        Cause::DefrostNotEnded => language.pick("化霜没有结束", "A defrost has not ended"),
        Cause::DeviceSilent => language
            .pick("设备没有应答：电源、线路或控制器", "The device is silent: power, line or controller"),
        Cause::ValueUnusable => language.pick(
            "设备有应答，但没有可用的数值：探头或接线",
            "The device answers without a usable value: sensor or cable",
        ),
        Cause::LoadAboveContract => language.pick("同时开的设备太多", "Too much equipment runs at once"),
        Cause::SwitchDidNotObey => language.pick("开关没有执行命令", "The switch did not obey"),
        Cause::LampOrCircuit => language.pick("灯或线路坏了", "The lamp or its circuit is broken"),
        _ => "",
    }
}

/// A number of an alarm's evidence, as [`storewarden_rules::Quantity::name`] writes it.
pub fn evidence(name: &str, language: Language) -> &str {
    match name {
        "temperature" => language.pick("报警时温度", "Temperature at the alarm"),
        "worst_temperature" => language.pick("最差温度", "Worst temperature"),
        "temperature_limit" => language.pick("温度界限", "Temperature limit"),
        "delay" => language.pick("报警延时", "Alarm delay"),
        "held" => language.pick("报警前已持续", "Held before the alarm"),
        "demand" => language.pick("平均功率", "Mean power"),
        "demand_limit" => language.pick("合同功率", "Contracted power"),
        "lamp_power" => language.pick("灯的功率", "Lamp power"),
        "lamp_power_limit" => language.pick("灯亮时至少", "Least when lit"),
        "read_back" => language.pick("开关回读", "Switch reads back"),
        other => other,
    }
}

/// How far a label has got, as `LabelView::state` names it.
pub fn label_state(name: &str, language: Language) -> &str {
    match name {
        "none" => language.pick("还没有发送", "not sent yet"),
        "sent" => language.pick("已发送，等待显示", "sent, not confirmed"),
        "refreshed" => language.pick("已显示", "shown"),
        "failed" => language.pick("没有成功", "failed"),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_rules::{BadReason, Quantity};

    #[test]
    fn every_point_of_every_shipped_profile_has_a_word() {
        for id in profile::built_in_ids() {
            for named in &profile::built_in(id).expect("listed").points {
                for language in Language::ALL {
                    assert_ne!(point(&named.name, language), named.name, "{id}");
                }
            }
        }
        assert_eq!(point("suction_pressure", Language::Zh), "suction_pressure");
        assert_eq!(point("relay_3", Language::Zh), "回路 3");
        assert_eq!(point("voltage_2", Language::En), "Voltage L2");
        assert_eq!(flag("probe_fault_2", true, Language::En), "yes");
        assert_eq!(flag("alarm_output", true, Language::En), "on");
    }

    #[test]
    fn every_bad_reason_and_quantity_has_a_word() {
        let reasons = [
            BadReason::NoResponse,
            BadReason::Exception(2),
            BadReason::Garbled,
            BadReason::SensorFault,
            BadReason::OutOfRange,
            BadReason::Implausible,
        ];
        for reason in reasons {
            assert_ne!(quality(reason.name(), Language::En), reason.name());
        }
        let quantities = [
            Quantity::Temperature,
            Quantity::WorstTemperature,
            Quantity::TemperatureLimit,
            Quantity::Delay,
            Quantity::Held,
            Quantity::Demand,
            Quantity::DemandLimit,
            Quantity::LampPower,
            Quantity::LampPowerLimit,
            Quantity::ReadBack,
        ];
        for quantity in quantities {
            assert_ne!(evidence(quantity.name(), Language::Zh), quantity.name());
        }
    }

    #[test]
    fn an_unknown_priority_is_not_played_down() {
        assert_eq!(priority_from_name("low"), Priority::Low);
        assert_eq!(priority_from_name("catastrophic"), Priority::High);
    }
}
