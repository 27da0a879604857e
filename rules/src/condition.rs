//! Conditions: what a detector can find, and the numbers that support it.

use crate::{Millis, Unit, Utc};
use heapless::Vec;

/// How many rules of their own a chain and a store may write.
pub const USER_RULES_MAX: u8 = 64;

/// What can be wrong with a device. One device has at most one alarm per condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Air warmer than the limit for longer than the delay.
    TemperatureHigh,
    /// Air colder than the limit for longer than the delay.
    TemperatureLow,
    /// Air warmer than the level below the alarm for longer than the delay.
    TemperaturePreAlarm,
    /// At the present rise the air will be at its limit soon.
    LimitForecast,
    /// The goods themselves are, by estimate, warmer than they may be.
    GoodsWarm,
    /// The air warms faster than a closed, cooled cabinet can.
    TemperatureRate,
    /// The door is open for too long, by its contact or by what the air does.
    DoorOpen,
    /// A defrost does not end, lasts too long, is missed, or comes too often.
    DefrostAbnormal,
    /// The compressor does not start, never stops, or starts too often.
    CompressorAbnormal,
    /// Over days the machine cools less for what it is asked.
    CapacityLoss,
    /// The air probe cannot be believed.
    ProbeFault,
    /// Nothing good has come from the device for longer than the delay.
    NoResponse,
    /// The device, its circuit or the store is without power.
    PowerLost,
    /// Nothing on a line answers.
    LineDead,
    /// Mean power over the utility's window above the contracted limit.
    DemandHigh,
    /// A light was commanded on and draws no current, or reads back off.
    LightDark,
    /// More alarms come than people can act on (ISA-18.2: more than 10 in 10 min).
    AlarmFlood,
    /// The equipment has not been checked by hand for too long.
    InspectionDue,
    /// What happens in the store cannot be written down: its disk is full, read-only or does not answer.
    JournalStopped,
    /// What was written down was damaged, and began anew with what could be read of it.
    JournalDamaged,
    /// The broker of headquarters refuses what the store sends, or what it asks for.
    LinkRefused,
    /// The store's clock and that of headquarters disagree.
    ClockUntrusted,
    /// Somebody else writes to labels of this store.
    LabelMisuse,
    /// Labels have another key than this store knows.
    LabelKey,
    /// Displays of labels are broken, or not of the model that their id says.
    LabelDisplay,
    /// Batteries of labels are low.
    LabelBattery,
    /// Labels do not answer.
    LabelSilent,
    /// Labels are hardly heard.
    LabelSignal,
    /// Labels have not shown their price in time.
    LabelLate,
    /// A label gateway is away.
    GatewayOffline,
    /// A label gateway has hardly any space for images.
    GatewayDisk,
    /// The user's rule of that number is true. Its name is the configuration's.
    User(u8),
}

impl Condition {
    /// All that have a name of their own, for tables of texts; those of the user are not among them.
    pub const ALL: [Self; 31] = [
        Self::TemperatureHigh,
        Self::TemperatureLow,
        Self::TemperaturePreAlarm,
        Self::LimitForecast,
        Self::GoodsWarm,
        Self::TemperatureRate,
        Self::DoorOpen,
        Self::DefrostAbnormal,
        Self::CompressorAbnormal,
        Self::CapacityLoss,
        Self::ProbeFault,
        Self::NoResponse,
        Self::PowerLost,
        Self::LineDead,
        Self::DemandHigh,
        Self::LightDark,
        Self::AlarmFlood,
        Self::InspectionDue,
        Self::JournalStopped,
        Self::JournalDamaged,
        Self::LinkRefused,
        Self::ClockUntrusted,
        Self::LabelMisuse,
        Self::LabelKey,
        Self::LabelDisplay,
        Self::LabelBattery,
        Self::LabelSilent,
        Self::LabelSignal,
        Self::LabelLate,
        Self::GatewayOffline,
        Self::GatewayDisk,
    ];

    /// As written in files, on the wire and in logs. A rule of the user is `user_rule` here: whoever
    /// writes it down writes its own name instead.
    pub fn name(self) -> &'static str {
        match self {
            Self::TemperatureHigh => "temperature_high",
            Self::TemperatureLow => "temperature_low",
            Self::TemperaturePreAlarm => "temperature_pre_alarm",
            Self::LimitForecast => "limit_forecast",
            Self::GoodsWarm => "goods_warm",
            Self::TemperatureRate => "temperature_rate",
            Self::DoorOpen => "door_open",
            Self::DefrostAbnormal => "defrost_abnormal",
            Self::CompressorAbnormal => "compressor_abnormal",
            Self::CapacityLoss => "capacity_loss",
            Self::ProbeFault => "probe_fault",
            Self::NoResponse => "no_response",
            Self::PowerLost => "power_lost",
            Self::LineDead => "line_dead",
            Self::DemandHigh => "demand_high",
            Self::LightDark => "light_dark",
            Self::AlarmFlood => "alarm_flood",
            Self::InspectionDue => "inspection_due",
            Self::JournalStopped => "journal_stopped",
            Self::JournalDamaged => "journal_damaged",
            Self::LinkRefused => "link_refused",
            Self::ClockUntrusted => "clock_untrusted",
            Self::LabelMisuse => "label_misuse",
            Self::LabelKey => "label_key",
            Self::LabelDisplay => "label_display",
            Self::LabelBattery => "label_battery",
            Self::LabelSilent => "label_silent",
            Self::LabelSignal => "label_signal",
            Self::LabelLate => "label_late",
            Self::GatewayOffline => "gateway_offline",
            Self::GatewayDisk => "gateway_disk",
            Self::User(_) => "user_rule",
        }
    }

    /// The condition of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.name() == name)
    }

    /// How urgent its alarm is (ISA-18.2 priority).
    pub fn priority(self) -> Priority {
        match self {
            Self::TemperatureHigh | Self::GoodsWarm | Self::PowerLost => Priority::High,
            Self::TemperatureLow
            | Self::LimitForecast
            | Self::TemperatureRate
            | Self::DoorOpen
            | Self::CompressorAbnormal
            | Self::ProbeFault
            | Self::NoResponse
            | Self::LineDead
            | Self::DemandHigh
            | Self::AlarmFlood
            | Self::JournalStopped
            | Self::LinkRefused
            | Self::ClockUntrusted
            | Self::LabelMisuse
            | Self::LabelKey
            | Self::LabelLate
            | Self::GatewayOffline
            | Self::User(_) => Priority::Medium,
            Self::TemperaturePreAlarm
            | Self::DefrostAbnormal
            | Self::CapacityLoss
            | Self::LightDark
            | Self::InspectionDue
            | Self::JournalDamaged
            | Self::LabelDisplay
            | Self::LabelBattery
            | Self::LabelSilent
            | Self::LabelSignal
            | Self::GatewayDisk => Priority::Low,
        }
    }
}

/// What can be wrong with a cabinet, beyond its silence; the order in which its alarms are kept.
pub const CABINET_CONDITIONS: [Condition; 12] = [
    Condition::TemperatureHigh,
    Condition::TemperatureLow,
    Condition::TemperaturePreAlarm,
    Condition::LimitForecast,
    Condition::GoodsWarm,
    Condition::TemperatureRate,
    Condition::DoorOpen,
    Condition::DefrostAbnormal,
    Condition::CompressorAbnormal,
    Condition::CapacityLoss,
    Condition::ProbeFault,
    Condition::PowerLost,
];

/// Place of `condition` in [`CABINET_CONDITIONS`].
pub fn index_of(condition: Condition) -> usize {
    let place = CABINET_CONDITIONS.iter().position(|known| *known == condition);
    place.expect("only conditions of a cabinet are asked for")
}

/// ISA-18.2 alarm priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// In the course of the day.
    Low,
    /// Within the hour.
    Medium,
    /// Now.
    High,
}

impl Priority {
    /// As written on the wire and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a detector says when its mind changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The quantity left its bounds; the delay has begun to run. Not an alarm yet, but kept over a
    /// restart so that a crash does not start the delay anew.
    Pending(Utc),
    /// It came back before the delay was over.
    Settled,
    /// The condition is true.
    Raised(Evidence),
    /// The condition is no longer true.
    Cleared(Evidence),
}

/// The measurements behind a change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Since when the condition has held (or had held).
    pub since: Utc,
    /// The numbers, in order of weight.
    pub facts: Vec<Fact, 6>,
}

impl Evidence {
    /// Evidence since `since`, without numbers yet.
    pub fn since(since: Utc) -> Self {
        Self { since, facts: Vec::new() }
    }
    /// The same with one more number; beyond six the least weighty (the new one) is left out.
    pub fn with(mut self, quantity: Quantity, value: f64) -> Self {
        let _ = self.facts.push(Fact { quantity, value });
        self
    }
    /// The same with one more number, if it is known.
    pub fn with_known(self, quantity: Quantity, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.with(quantity, value),
            None => self,
        }
    }
    /// The number of that meaning, if it is there.
    pub fn value(&self, quantity: Quantity) -> Option<f64> {
        self.facts.iter().find(|fact| fact.quantity == quantity).map(|fact| fact.value)
    }
    /// The same with a span of time, in seconds.
    pub fn with_span(self, quantity: Quantity, span: Millis) -> Self {
        self.with(quantity, span.as_secs_f64())
    }
}

/// One number of an evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// What it is.
    pub quantity: Quantity,
    /// How much, in [`Quantity::unit`].
    pub value: f64,
}

/// What a number of an evidence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Air temperature now.
    Temperature,
    /// The worst air temperature since the condition began.
    WorstTemperature,
    /// The temperature limit in force.
    TemperatureLimit,
    /// The warmest the air usually is between defrosts.
    UsualTemperature,
    /// Estimated temperature of the goods.
    GoodsTemperature,
    /// Temperature of the evaporator.
    EvaporatorTemperature,
    /// Temperature of the room.
    AmbientTemperature,
    /// How long the condition must hold before it is an alarm.
    Delay,
    /// How long it has held.
    Held,
    /// Time until the air is at its limit, or the goods must be thrown away.
    TimeLeft,
    /// How long what is judged lasted.
    Duration,
    /// How long it usually lasts.
    UsualDuration,
    /// Time since the one before.
    Interval,
    /// Usual time between two.
    UsualInterval,
    /// How far and how long the goods were above their limit.
    Exposure,
    /// How fast the air warms.
    Rate,
    /// How fast it may.
    RateLimit,
    /// Height of a step of the probe.
    Jump,
    /// Difference of two probes.
    Difference,
    /// What that difference usually is.
    UsualDifference,
    /// Share of the time the compressor ran.
    RunShare,
    /// What that share usually is.
    UsualRunShare,
    /// Starts of the compressor.
    Starts,
    /// What they usually are.
    UsualStarts,
    /// Cooling per hour of running, of what it was when learnt.
    Capacity,
    /// Power drawn now.
    Power,
    /// Power usually drawn.
    UsualPower,
    /// Mean power over the window.
    Demand,
    /// The contracted power.
    DemandLimit,
    /// Power of the lamp circuit.
    LampPower,
    /// Least power of a lamp that shines.
    LampPowerLimit,
    /// What the switch reads back.
    ReadBack,
    /// How many devices are affected.
    Members,
    /// How many alarms came.
    Alarms,
    /// What the expression compares, in its own unit.
    Value,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::Temperature,
        Self::WorstTemperature,
        Self::TemperatureLimit,
        Self::UsualTemperature,
        Self::GoodsTemperature,
        Self::EvaporatorTemperature,
        Self::AmbientTemperature,
        Self::Delay,
        Self::Held,
        Self::TimeLeft,
        Self::Duration,
        Self::UsualDuration,
        Self::Interval,
        Self::UsualInterval,
        Self::Exposure,
        Self::Rate,
        Self::RateLimit,
        Self::Jump,
        Self::Difference,
        Self::UsualDifference,
        Self::RunShare,
        Self::UsualRunShare,
        Self::Starts,
        Self::UsualStarts,
        Self::Capacity,
        Self::Power,
        Self::UsualPower,
        Self::Demand,
        Self::DemandLimit,
        Self::LampPower,
        Self::LampPowerLimit,
        Self::ReadBack,
        Self::Members,
        Self::Alarms,
        Self::Value,
    ];

    /// The quantity of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.name() == name)
    }
    /// As written in files and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::WorstTemperature => "worst_temperature",
            Self::TemperatureLimit => "temperature_limit",
            Self::UsualTemperature => "usual_temperature",
            Self::GoodsTemperature => "goods_temperature",
            Self::EvaporatorTemperature => "evaporator_temperature",
            Self::AmbientTemperature => "ambient_temperature",
            Self::Delay => "delay",
            Self::Held => "held",
            Self::TimeLeft => "time_left",
            Self::Duration => "duration",
            Self::UsualDuration => "usual_duration",
            Self::Interval => "interval",
            Self::UsualInterval => "usual_interval",
            Self::Exposure => "exposure",
            Self::Rate => "rate",
            Self::RateLimit => "rate_limit",
            Self::Jump => "jump",
            Self::Difference => "difference",
            Self::UsualDifference => "usual_difference",
            Self::RunShare => "run_share",
            Self::UsualRunShare => "usual_run_share",
            Self::Starts => "starts",
            Self::UsualStarts => "usual_starts",
            Self::Capacity => "capacity",
            Self::Power => "power",
            Self::UsualPower => "usual_power",
            Self::Demand => "demand",
            Self::DemandLimit => "demand_limit",
            Self::LampPower => "lamp_power",
            Self::LampPowerLimit => "lamp_power_limit",
            Self::ReadBack => "read_back",
            Self::Members => "members",
            Self::Alarms => "alarms",
            Self::Value => "value",
        }
    }

    /// The unit of its value.
    pub fn unit(self) -> Unit {
        match self {
            Self::Temperature
            | Self::WorstTemperature
            | Self::TemperatureLimit
            | Self::UsualTemperature
            | Self::GoodsTemperature
            | Self::EvaporatorTemperature
            | Self::AmbientTemperature => Unit::Celsius,
            Self::Delay
            | Self::Held
            | Self::TimeLeft
            | Self::Duration
            | Self::UsualDuration
            | Self::Interval
            | Self::UsualInterval => Unit::Second,
            Self::Exposure => Unit::KelvinMinute,
            Self::Rate | Self::RateLimit => Unit::KelvinPerMinute,
            Self::Jump | Self::Difference | Self::UsualDifference => Unit::Kelvin,
            Self::RunShare | Self::UsualRunShare | Self::Capacity => Unit::Percent,
            Self::Starts | Self::UsualStarts => Unit::PerHour,
            Self::Power
            | Self::UsualPower
            | Self::Demand
            | Self::DemandLimit
            | Self::LampPower
            | Self::LampPowerLimit => Unit::Watt,
            Self::ReadBack => Unit::Flag,
            Self::Members | Self::Alarms | Self::Value => Unit::One,
        }
    }
}
