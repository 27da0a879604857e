//! Units of points.

/// The unit of a point's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Degrees Celsius, `°C`.
    Celsius,
    /// Watts, `W`.
    Watt,
    /// Kilowatt-hours, `kWh`.
    KilowattHour,
    /// Volts, `V`.
    Volt,
    /// Amperes, `A`.
    Ampere,
    /// Hertz, `Hz`.
    Hertz,
    /// Per cent, `%`.
    Percent,
    /// Seconds, `s`.
    Second,
    /// Minutes, `min`.
    Minute,
    /// Hours, `h`.
    Hour,
    /// A flag: 0 off, 1 on; written `flag`.
    Flag,
    /// A state code of the device; written `code`.
    Code,
    /// A difference of temperatures, `K`.
    Kelvin,
    /// Speed of warming, `K/min`.
    KelvinPerMinute,
    /// Degree-minutes, `K·min`.
    KelvinMinute,
    /// Events per hour, `1/h`.
    PerHour,
    /// A plain number; written `1`.
    One,
}

impl Unit {
    /// All of them, for error messages and tables.
    pub const ALL: [Self; 17] = [
        Self::Celsius,
        Self::Watt,
        Self::KilowattHour,
        Self::Volt,
        Self::Ampere,
        Self::Hertz,
        Self::Percent,
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Flag,
        Self::Code,
        Self::Kelvin,
        Self::KelvinPerMinute,
        Self::KelvinMinute,
        Self::PerHour,
        Self::One,
    ];

    /// As written in profiles, on pages and on the wire.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Celsius => "°C",
            Self::Watt => "W",
            Self::KilowattHour => "kWh",
            Self::Volt => "V",
            Self::Ampere => "A",
            Self::Hertz => "Hz",
            Self::Percent => "%",
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Flag => "flag",
            Self::Code => "code",
            Self::Kelvin => "K",
            Self::KelvinPerMinute => "K/min",
            Self::KelvinMinute => "K·min",
            Self::PerHour => "1/h",
            Self::One => "1",
        }
    }

    /// The unit written so, if there is one.
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.symbol() == symbol)
    }
}
