//! Conditions: what a detector can find, and the numbers that support it.

use crate::{Millis, Unit, Utc};
use heapless::Vec;

/// What can be wrong with a device. One device has at most one alarm per condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Air warmer than the limit for longer than the delay.
    TemperatureHigh,
    /// Air colder than the limit for longer than the delay.
    TemperatureLow,
    /// Nothing good has come from the device for longer than the delay.
    NoResponse,
    /// Mean power over the utility's window above the contracted limit.
    DemandHigh,
    /// A light was commanded on and draws no current, or reads back off.
    LightDark,
}

impl Condition {
    /// All of them, for tables of texts.
    pub const ALL: [Self; 5] =
        [Self::TemperatureHigh, Self::TemperatureLow, Self::NoResponse, Self::DemandHigh, Self::LightDark];

    /// As written in files, on the wire and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::TemperatureHigh => "temperature_high",
            Self::TemperatureLow => "temperature_low",
            Self::NoResponse => "no_response",
            Self::DemandHigh => "demand_high",
            Self::LightDark => "light_dark",
        }
    }

    /// The condition of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.name() == name)
    }

    /// How urgent its alarm is (ISA-18.2 priority).
    pub fn priority(self) -> Priority {
        match self {
            Self::TemperatureHigh => Priority::High,
            Self::NoResponse | Self::DemandHigh | Self::TemperatureLow => Priority::Medium,
            Self::LightDark => Priority::Low,
        }
    }
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
    /// How long the condition must hold before it is an alarm.
    Delay,
    /// How long it has held.
    Held,
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
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Temperature,
        Self::WorstTemperature,
        Self::TemperatureLimit,
        Self::Delay,
        Self::Held,
        Self::Demand,
        Self::DemandLimit,
        Self::LampPower,
        Self::LampPowerLimit,
        Self::ReadBack,
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
            Self::Delay => "delay",
            Self::Held => "held",
            Self::Demand => "demand",
            Self::DemandLimit => "demand_limit",
            Self::LampPower => "lamp_power",
            Self::LampPowerLimit => "lamp_power_limit",
            Self::ReadBack => "read_back",
        }
    }

    /// The unit of its value.
    pub fn unit(self) -> Unit {
        match self {
            Self::Temperature | Self::WorstTemperature | Self::TemperatureLimit => Unit::Celsius,
            Self::Demand | Self::DemandLimit | Self::LampPower | Self::LampPowerLimit => Unit::Watt,
            Self::ReadBack => Unit::Flag,
            Self::Delay | Self::Held => Unit::Second,
        }
    }
}
