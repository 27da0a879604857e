//! What a condition means to staff and what they do about it; and its technical text.
//!
//! Staff texts are for someone without training, alone, at three in the morning: short sentences,
//! nothing to look up, and always an action. They name no figure that a config could change.

mod label;
mod machine;
mod shop;
mod sight;
mod temperature;

use crate::texts::Language;
use storewarden_rules::{Class, Condition};

/// What staff are told about a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaffText {
    /// What is wrong, in a few words; stands beside the device's name.
    pub what: &'static str,
    /// The one thing to do now.
    pub now: &'static str,
    /// All there is to do, in order; begins with what `now` says.
    pub steps: &'static [&'static str],
}

/// The staff text of a condition on a device of that class; `None` is a class the agent does not know.
pub fn staff(condition: Condition, class: Option<Class>, language: Language) -> StaffText {
    match condition {
        Condition::TemperatureHigh => temperature::too_warm(class, language),
        Condition::TemperatureLow => temperature::too_cold(class, language),
        Condition::TemperaturePreAlarm => temperature::pre_alarm(language),
        Condition::LimitForecast => temperature::forecast(language),
        Condition::GoodsWarm => temperature::goods_warm(class, language),
        Condition::TemperatureRate => temperature::rate(language),
        Condition::DoorOpen => machine::door_open(class, language),
        Condition::DefrostAbnormal => machine::defrost(language),
        Condition::CompressorAbnormal => machine::compressor(language),
        Condition::CapacityLoss => machine::capacity(language),
        Condition::ProbeFault => sight::probe(language),
        Condition::NoResponse => sight::silent(class, language),
        Condition::PowerLost => sight::power_lost(class, language),
        Condition::LineDead => sight::line_dead(language),
        Condition::DemandHigh => shop::demand_high(language),
        Condition::LightDark => shop::light_dark(language),
        Condition::AlarmFlood => shop::flood(language),
        Condition::InspectionDue => shop::inspection_due(language),
        Condition::JournalStopped => shop::journal_stopped(language),
        Condition::JournalDamaged => shop::journal_damaged(language),
        Condition::LinkRefused => shop::link_refused(language),
        Condition::ClockUntrusted => shop::clock_untrusted(language),
        Condition::LabelMisuse => label::misuse(language),
        Condition::LabelKey => label::key(language),
        Condition::LabelDisplay => label::display(language),
        Condition::LabelBattery => label::battery(language),
        Condition::LabelSilent => label::silent(language),
        Condition::LabelSignal => label::signal(language),
        Condition::LabelLate => label::late(language),
        Condition::GatewayOffline => label::gateway_offline(language),
        Condition::GatewayDisk => label::gateway_disk(language),
        Condition::User(_) => shop::user_rule(language),
    }
}

/// What a condition means, for logs and headquarters.
pub fn technical(condition: Condition) -> &'static str {
    match condition {
        Condition::TemperatureHigh => "air temperature above its limit for longer than the delay",
        Condition::TemperatureLow => "air temperature below its limit for longer than the delay",
        Condition::NoResponse => "no good reading from any point for longer than the delay",
        Condition::DemandHigh => "mean power over the demand window above the contracted limit",
        Condition::LightDark => "commanded on but reads back off or draws no current",
        Condition::TemperaturePreAlarm => {
            "air temperature above the level below the alarm for longer than the delay"
        }
        Condition::LimitForecast => "at its present rise the air reaches its limit soon",
        Condition::GoodsWarm => "estimated temperature of the goods above their limit for too long",
        Condition::TemperatureRate => "air warms faster than a closed, cooled cabinet can",
        Condition::DoorOpen => {
            "door open for longer than the delay, by its contact or by the shape of the air temperature"
        }
        Condition::DefrostAbnormal => "defrost does not end, takes too long, is missed, or comes too often",
        Condition::CompressorAbnormal => "compressor does not start, never stops, or starts too often",
        Condition::CapacityLoss => "cooling for what is asked fell over days below what was learnt",
        Condition::ProbeFault => "air probe open, shorted, stuck, jumping, or at odds with the other probes",
        Condition::PowerLost => "device, circuit or store without power",
        Condition::LineDead => "no device on the line answers",
        Condition::AlarmFlood => "alarms come faster than people can act on (ISA-18.2)",
        Condition::InspectionDue => "no check by hand within the interval",
        Condition::JournalStopped => "the journal cannot be written: disk full, read-only or not answering",
        Condition::JournalDamaged => "the journal was damaged; it began anew with what could be read",
        Condition::LinkRefused => "headquarters' broker refuses what the store sends or asks for",
        Condition::ClockUntrusted => {
            "the store's clock and headquarters' disagree, or a price is due while nobody vouches for the clock"
        }
        Condition::LabelMisuse => "a label told of a task that this store did not give",
        Condition::LabelKey => "labels answer that they have another key",
        Condition::LabelDisplay => "displays of labels do not refresh, or are not of their model",
        Condition::LabelBattery => "batteries of labels below 2.5 V (2.2 V of labels for freezers)",
        Condition::LabelSilent => "labels have not answered several attempts",
        Condition::LabelSignal => "labels are heard below -85 dBm",
        Condition::LabelLate => "labels have not shown their price within the deadline",
        Condition::GatewayOffline => "a label gateway says nothing",
        Condition::GatewayDisk => "a label gateway has less than 50 MB for images",
        Condition::User(_) => "a rule of the chain or the store is true",
    }
}

/// The numbers behind an alarm on one line, for logs and the command line:
/// `temperature=-9.8 °C, held=1830 s`. Takes them as [`crate::view::AlarmView::evidence`] holds them.
pub fn evidence_line(evidence: &[(&str, f64, &str)]) -> String {
    let facts = evidence.iter().map(|(quantity, value, unit)| match *unit {
        "1" | "code" | "flag" => format!("{quantity}={value}"),
        unit => format!("{quantity}={value} {unit}"),
    });
    facts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_of_every_class_says_what_and_ends_with_an_action() {
        let classes = Class::ALL.into_iter().map(Some).chain([None]);
        for (class, language) in classes.flat_map(|class| Language::ALL.map(|language| (class, language))) {
            for condition in Condition::ALL.into_iter().chain([Condition::User(0)]) {
                let text = staff(condition, class, language);
                let place = format!("{} {class:?} {language:?}", condition.name());
                assert!(text.steps.len() >= 2, "{place}");
                for sentence in text.steps.iter().chain([&text.now]) {
                    assert!(sentence.ends_with(['。', '.', '?', '？']), "{place}: {sentence}");
                }
                assert!(says_what_to_do(text.steps.last().expect("two at least"), language), "{place}");
                for said in text.steps.iter().chain([&text.now, &text.what]) {
                    assert_eq!(written_in(said), Some(language), "{place}: {said}");
                }
                assert!(technical(condition).is_ascii() && !technical(condition).is_empty());
            }
        }
    }

    /// The language a text is written in, by its script; none if it is empty. One kana makes it Japanese.
    fn written_in(text: &str) -> Option<Language> {
        let has = |range: std::ops::RangeInclusive<char>| text.chars().any(|c| range.contains(&c));
        match (has('\u{3040}'..='\u{30ff}'), has('\u{4e00}'..='\u{9fff}')) {
            (true, _) => Some(Language::Ja),
            (false, true) => Some(Language::Zh),
            (false, false) => text.chars().any(|c| c.is_ascii_alphabetic()).then_some(Language::En),
        }
    }

    /// Whether a last step tells to act: a call, a report, a sale not made, a thing put aside or pressed.
    fn says_what_to_do(step: &str, language: Language) -> bool {
        let words: &[&str] = language.pick(
            &["打电话", "报修", "店长", "已检查"],
            &["all ", "ell ", "eport ", "the manager", "press "],
            &["ください"],
        );
        words.iter().any(|word| step.contains(word))
    }

    #[test]
    fn evidence_is_one_line_with_units_where_there_are_any() {
        let line = evidence_line(&[("temperature", -9.8, "°C"), ("held", 1830.0, "s")]);
        assert_eq!(line, "temperature=-9.8 °C, held=1830 s");
    }
}
