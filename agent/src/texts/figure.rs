//! Numbers, spans and moments as people write them.

use crate::texts::Language;
use chrono::{DateTime, NaiveDateTime};

/// U+2212, which stands as wide and as high as a plus: a hyphen before a temperature is overlooked.
const MINUS: char = '−';

/// `value` with a real minus sign and `decimals` digits; what rounds to zero has no sign.
pub fn number(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if value < 0.0 && !is_zero { format!("{MINUS}{digits}") } else { digits }
}

/// A quantity as number and unit, each in the form staff know: temperatures with one decimal, power
/// from 1 kW on in kilowatts, counts whole. `symbol` as [`storewarden_rules::Unit::symbol`] writes it.
pub fn quantity(value: f64, symbol: &str) -> (String, String) {
    match symbol {
        "W" if value.abs() >= 1000.0 => (number(value / 1000.0, 2), "kW".to_owned()),
        "W" | "code" | "min" => (number(value, 0), if symbol == "code" { "" } else { symbol }.to_owned()),
        "1" => (number(value, usize::from(value.fract() != 0.0)), String::new()),
        "K/min" => (number(value, 2), symbol.to_owned()),
        _ => (number(value, 1), symbol.to_owned()),
    }
}

/// [`quantity`] as one text.
pub fn quantity_text(value: f64, symbol: &str) -> String {
    let (number, unit) = quantity(value, symbol);
    if unit.is_empty() { number } else { format!("{number} {unit}") }
}

/// A span in the two largest parts that matter; below a minute it says so, since seconds help nobody.
/// Negative spans (a clock that was set back) count as none.
pub fn span(ms: i64, language: Language) -> String {
    let minutes = ms.max(0) / 60_000;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => language.pick("不到 1 分钟", "less than a minute", "1 分未満").to_owned(),
        (0, 0, m) => language.pick(format!("{m} 分钟"), format!("{m} min"), format!("{m} 分")),
        (0, h, 0) => language.pick(format!("{h} 小时"), format!("{h} h"), format!("{h} 時間")),
        (0, h, m) => {
            language.pick(format!("{h} 小时 {m} 分钟"), format!("{h} h {m} min"), format!("{h} 時間 {m} 分"))
        }
        (d, 0, _) => language.pick(format!("{d} 天"), format!("{d} d"), format!("{d} 日")),
        (d, h, _) => {
            language.pick(format!("{d} 天 {h} 小时"), format!("{d} d {h} h"), format!("{d} 日 {h} 時間"))
        }
    }
}

/// The moment `at_ms` on the store's clock; with the date unless it is of the same day as `now_ms`.
/// Moments outside the calendar's reach are a dash.
pub fn moment(at_ms: i64, now_ms: i64, utc_offset_s: i32, language: Language) -> String {
    let (Some(at), Some(now)) = (local(at_ms, utc_offset_s), local(now_ms, utc_offset_s)) else {
        return "—".to_owned();
    };
    let form = if at.date() == now.date() {
        "%H:%M"
    } else {
        language.pick("%-m月%-d日 %H:%M", "%-d %b %H:%M", "%-m月%-d日 %H:%M")
    };
    at.format(form).to_string()
}

/// The store's clock with seconds, for "as of".
pub fn clock(at_ms: i64, utc_offset_s: i32) -> String {
    local(at_ms, utc_offset_s).map_or_else(|| "—".to_owned(), |at| at.format("%H:%M:%S").to_string())
}

/// The offset is added first: what then lies outside the calendar is none, where a time zone would panic.
fn local(at_ms: i64, utc_offset_s: i32) -> Option<NaiveDateTime> {
    let local_ms = at_ms.checked_add(i64::from(utc_offset_s) * 1000)?;
    Some(DateTime::from_timestamp_millis(local_ms)?.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures_have_a_real_minus_and_zero_has_none() {
        assert_eq!(quantity_text(-18.04, "°C"), "−18.0 °C");
        assert_eq!(quantity_text(-0.04, "°C"), "0.0 °C");
        assert_eq!(quantity_text(4.25, "°C"), "4.2 °C");
        assert_eq!(quantity_text(999.6, "W"), "1000 W");
        assert_eq!(quantity_text(0.25, "K/min"), "0.25 K/min");
        assert_eq!(quantity_text(-1.5, "K"), "−1.5 K");
        assert_eq!(quantity_text(12.0, "1"), "12");
        assert_eq!(quantity_text(12_340.0, "W"), "12.34 kW");
        assert_eq!(quantity_text(-1500.0, "W"), "−1.50 kW");
    }

    #[test]
    fn spans_read_as_people_say_them() {
        let min = 60_000;
        assert_eq!(span(59_999, Language::En), "less than a minute");
        assert_eq!(span(-5, Language::Zh), "不到 1 分钟");
        assert_eq!(span(42 * min, Language::Zh), "42 分钟");
        assert_eq!(span(65 * min, Language::En), "1 h 5 min");
        assert_eq!(span(120 * min, Language::En), "2 h");
        assert_eq!(span(26 * 60 * min + min, Language::Zh), "1 天 2 小时");
        assert_eq!(span(26 * 60 * min + min, Language::Ja), "1 日 2 時間");
    }

    #[test]
    fn moments_are_on_the_stores_clock() {
        // 2026-11-21T18:10:00Z is 02:10 on the 22nd in Shanghai.
        let at = 1_795_284_600_000;
        let eight_hours = 8 * 3600;
        assert_eq!(moment(at, at + 3_600_000, eight_hours, Language::Zh), "02:10");
        assert_eq!(moment(at, at + 86_400_000, eight_hours, Language::Zh), "11月22日 02:10");
        assert_eq!(moment(at, at + 86_400_000, eight_hours, Language::En), "22 Nov 02:10");
        let calendar_end = DateTime::<chrono::Utc>::MAX_UTC.timestamp_millis();
        for beyond in [calendar_end, i64::MAX] {
            assert_eq!(moment(beyond, at, eight_hours, Language::En), "—");
        }
        assert_eq!(clock(at, 0), "18:10:00");
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_clock_says_there_is_a_text(at: i64, now: i64, offset: i32, value: f64) {
            for language in Language::ALL {
                assert!(!moment(at, now, offset, language).is_empty());
                assert!(!span(at, language).is_empty());
            }
            assert!(!clock(at, offset).is_empty());
            assert!(!number(value, 1).contains('-'), "never a hyphen for a minus");
        }
    }
}
