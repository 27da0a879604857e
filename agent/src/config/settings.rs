//! Every setting of a cabinet's rules in one table: how it is written, what it may be, where it belongs.
//! Policy and device are read by it, and `storewarden rules` prints by it.

use std::ops::RangeInclusive;
use storewarden_rules::cabinet::CabinetConfig;
use storewarden_rules::{Class, Condition, Millis};

/// What a value means, and so how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A span of time: `"10m"`.
    Span,
    /// °C.
    Celsius,
    /// K.
    Kelvin,
    /// K/min.
    KelvinPerMinute,
    /// K·min.
    KelvinMinutes,
    /// A part of one.
    Share,
    /// So many times something.
    Factor,
    /// W.
    Watt,
    /// Times per hour.
    PerHour,
    /// Whole days.
    Days,
    /// `true` or `false`; 1 or 0 in its range.
    Truth,
}

impl Kind {
    /// Its unit as written behind a number; none where there is none, or it is written with the number.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Span | Self::Share | Self::Truth => "",
            Self::Celsius => "°C",
            Self::Kelvin => "K",
            Self::KelvinPerMinute => "K/min",
            Self::KelvinMinutes => "K·min",
            Self::Factor => "times",
            Self::Watt => "W",
            Self::PerHour => "1/h",
            Self::Days => "d",
        }
    }

    /// `value` for people, with its unit.
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds, and the settings' own precision")]
    pub fn write(self, value: f64) -> String {
        match (self, self.unit()) {
            (Self::Span, _) => super::written(Millis(value as i64)),
            (Self::Truth, _) => (value != 0.0).to_string(),
            (_, "") => format!("{}", value as f32),
            (_, unit) => format!("{} {unit}", value as f32),
        }
    }
}

/// One setting. Its value is a number in its kind's unit; a span is in milliseconds.
pub struct Setting {
    /// Its rule, as `door`.
    pub section: &'static str,
    /// Its key there, as `delay`.
    pub key: &'static str,
    /// What it means.
    pub kind: Kind,
    /// What it may be.
    pub range: RangeInclusive<f64>,
    /// Its value; none while its rule is off.
    pub get: fn(&CabinetConfig) -> Option<f64>,
    /// Changes it; nothing while its rule is off.
    pub set: fn(&mut CabinetConfig, f64),
}

/// One rule of a cabinet.
pub struct Section {
    /// As it is written.
    pub name: &'static str,
    /// What it finds.
    pub condition: Condition,
    /// Makes it in the second what it is in the first.
    pub copy: fn(&CabinetConfig, &mut CabinetConfig),
    /// Switches it off.
    pub switch_off: fn(&mut CabinetConfig),
}

impl Section {
    /// Whether it is on.
    pub fn is_on(&self, config: &CabinetConfig) -> bool {
        config.watches(self.condition)
    }

    /// Its settings.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(move |setting| setting.section == self.name)
    }
}

/// The rules of a class with every one switched on, also those that a class leaves off. Their limit is to
/// be given.
pub fn all_on(class: Class) -> Option<CabinetConfig> {
    use storewarden_rules::detect::{Direction, TemperatureLimitConfig};
    let config = CabinetConfig::for_class(class)?;
    let low = config.high.map(|high| TemperatureLimitConfig { direction: Direction::Low, ..high });
    Some(CabinetConfig { low: config.low.or(low), ..config })
}

/// A field of a detector's settings as a number, and back.
trait Number {
    fn number(self) -> f64;
    fn of(number: f64) -> Self;
}

impl Number for f64 {
    fn number(self) -> f64 {
        self
    }
    fn of(number: f64) -> Self {
        number
    }
}

impl Number for f32 {
    fn number(self) -> f64 {
        self.into()
    }
    #[expect(clippy::cast_possible_truncation, reason = "a setting has few digits")]
    fn of(number: f64) -> Self {
        number as f32
    }
}

impl Number for u8 {
    fn number(self) -> f64 {
        self.into()
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within its setting's range")]
    fn of(number: f64) -> Self {
        number as u8
    }
}

impl Number for bool {
    fn number(self) -> f64 {
        u8::from(self).into()
    }
    fn of(number: f64) -> Self {
        number != 0.0
    }
}

impl Number for Millis {
    #[expect(clippy::cast_precision_loss, reason = "at most some weeks")]
    fn number(self) -> f64 {
        self.0 as f64
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most some weeks")]
    fn of(number: f64) -> Self {
        Self(number as i64)
    }
}

const MINUTE: f64 = 60_000.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

macro_rules! setting {
    ($section:literal, $key:literal, $kind:ident, $range:expr, $rule:ident.$field:ident) => {
        Setting {
            section: $section,
            key: $key,
            kind: Kind::$kind,
            range: $range,
            get: |config| config.$rule.map(|rule| rule.$field.number()),
            set: |config, value| {
                if let Some(rule) = &mut config.$rule {
                    rule.$field = Number::of(value);
                }
            },
        }
    };
}

macro_rules! section {
    ($name:literal, $condition:ident, $rule:ident) => {
        Section {
            name: $name,
            condition: Condition::$condition,
            copy: |from, to| to.$rule = from.$rule,
            switch_off: |config| config.$rule = None,
        }
    };
}

/// Every rule of a cabinet, in the order in which they are printed.
pub const SECTIONS: [Section; 12] = [
    section!("temperature_high", TemperatureHigh, high),
    section!("temperature_low", TemperatureLow, low),
    section!("pre_alarm", TemperaturePreAlarm, pre_alarm),
    section!("forecast", LimitForecast, forecast),
    section!("goods", GoodsWarm, exposure),
    section!("rate", TemperatureRate, rate),
    section!("door", DoorOpen, door),
    section!("defrost", DefrostAbnormal, defrost),
    section!("compressor", CompressorAbnormal, compressor),
    section!("capacity", CapacityLoss, capacity),
    section!("probe", ProbeFault, probe),
    section!("power", PowerLost, power_lost),
];

/// Every setting. The ranges are what a cabinet can have at all, choices of this project; a hysteresis of
/// more than 5 K would keep an alarm for ever, since a cabinet swings by a few kelvin.
pub const SETTINGS: &[Setting] = &[
    setting!("temperature_high", "limit", Celsius, -60.0..=80.0, high.limit),
    setting!("temperature_high", "hysteresis", Kelvin, 0.0..=5.0, high.hysteresis),
    setting!("temperature_high", "delay", Span, 0.0..=DAY, high.delay),
    setting!("temperature_high", "delay_hold_off", Span, 0.0..=DAY, high.delay_hold_off),
    setting!("temperature_low", "limit", Celsius, -60.0..=80.0, low.limit),
    setting!("temperature_low", "hysteresis", Kelvin, 0.0..=5.0, low.hysteresis),
    setting!("temperature_low", "delay", Span, 0.0..=DAY, low.delay),
    setting!("pre_alarm", "limit", Celsius, -60.0..=80.0, pre_alarm.limit),
    setting!("pre_alarm", "hysteresis", Kelvin, 0.0..=5.0, pre_alarm.hysteresis),
    setting!("pre_alarm", "delay", Span, 0.0..=DAY, pre_alarm.delay),
    setting!("pre_alarm", "delay_hold_off", Span, 0.0..=DAY, pre_alarm.delay_hold_off),
    setting!("forecast", "horizon", Span, 5.0 * MINUTE..=DAY, forecast.horizon),
    setting!("forecast", "rise_min", Kelvin, 0.1..=20.0, forecast.rise_min),
    setting!("forecast", "window", Span, MINUTE..=6.0 * HOUR, forecast.window),
    setting!("goods", "limit", Celsius, -60.0..=80.0, exposure.limit),
    setting!("goods", "lag", Span, MINUTE..=2.0 * DAY, exposure.lag),
    setting!("goods", "budget", KelvinMinutes, 1.0..=100_000.0, exposure.budget),
    setting!("rate", "limit", KelvinPerMinute, 0.01..=20.0, rate.limit),
    setting!("rate", "window", Span, MINUTE..=2.0 * HOUR, rate.window),
    setting!("door", "delay", Span, 0.0..=DAY, door.delay),
    setting!("door", "inferred_delay", Span, 0.0..=DAY, door.inferred_delay),
    setting!("defrost", "duration_max", Span, MINUTE..=6.0 * HOUR, defrost.duration_max),
    setting!("defrost", "recovery_max", Span, MINUTE..=12.0 * HOUR, defrost.recovery_max),
    setting!("defrost", "interval_min", Span, 0.0..=3.0 * DAY, defrost.interval_min),
    setting!("defrost", "missed_factor", Factor, 1.1..=20.0, defrost.missed_factor),
    setting!("defrost", "heated", Truth, 0.0..=1.0, defrost.heated),
    setting!("compressor", "start_delay", Span, MINUTE..=DAY, compressor.start_delay),
    setting!("compressor", "run_max", Span, 10.0 * MINUTE..=7.0 * DAY, compressor.run_max),
    setting!("compressor", "starts_factor", Factor, 1.1..=20.0, compressor.starts_factor),
    setting!("compressor", "starts_min", PerHour, 0.5..=60.0, compressor.starts_min),
    setting!("capacity", "loss", Share, 0.02..=0.9, capacity.loss),
    setting!("capacity", "learn_days", Days, 1.0..=30.0, capacity.learn_days),
    setting!("probe", "jump", Kelvin, 1.0..=100.0, probe.jump),
    setting!("probe", "jump_within", Span, 1_000.0..=2.0 * HOUR, probe.jump_within),
    setting!("probe", "return_within", Span, MINUTE..=6.0 * HOUR, probe.return_within),
    setting!("probe", "fault_delay", Span, 0.0..=DAY, probe.fault_delay),
    setting!("probe", "stuck_after", Span, 10.0 * MINUTE..=7.0 * DAY, probe.stuck_after),
    setting!("probe", "drift", Kelvin, 0.1..=20.0, probe.drift),
    setting!("power", "below", Watt, 0.1..=10_000.0, power_lost.below),
    setting!("power", "delay", Span, 0.0..=DAY, power_lost.delay),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_got_and_every_default_is_in_its_range() {
        for class in [Class::Chiller, Class::Freezer, Class::ColdRoom] {
            let before = all_on(class).unwrap();
            for setting in SETTINGS {
                let name = format!("{}.{}", setting.section, setting.key);
                let default = (setting.get)(&before).expect(&name);
                assert!(setting.range.contains(&default), "{name} {default}");
                let mut config = before;
                let other = *if default == *setting.range.start() {
                    setting.range.end()
                } else {
                    setting.range.start()
                };
                (setting.set)(&mut config, other);
                let changed: Vec<_> = SETTINGS
                    .iter()
                    .filter(|s| (s.get)(&config) != (s.get)(&before))
                    .map(|s| (s.section, s.key))
                    .collect();
                assert_eq!(changed, [(setting.section, setting.key)]);
                let section = SECTIONS.iter().find(|section| section.name == setting.section).expect(&name);
                (section.switch_off)(&mut config);
                assert!(!section.is_on(&config) && (setting.get)(&config).is_none(), "{name}");
                (section.copy)(&before, &mut config);
                assert_eq!(config, before, "{name}");
            }
        }
    }
}
