//! Readings. A value and its quality are one type, so that unknown can never be taken for zero.

/// One quantity of one device; dense, assigned at load in the order of the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointId(pub u16);

/// One device; dense, assigned at load in the order of the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u16);

/// Point + time + value + quality.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Whose value.
    pub point: PointId,
    /// When it was taken (or missed).
    pub at: crate::Utc,
    /// The value with its quality.
    pub sample: Sample,
}

/// A value together with how far it may be believed. Switches and flags are 0.0 or 1.0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// Measured just now, plausible. In the point's unit; always finite.
    Good(f64),
    /// Was good, but is older than the point's staleness bound.
    Stale(f64),
    /// There is no value.
    Bad(BadReason),
}

impl Sample {
    /// The value, if it is good.
    pub fn good(self) -> Option<f64> {
        match self {
            Self::Good(value) => Some(value),
            Self::Stale(_) | Self::Bad(_) => None,
        }
    }
    /// A good flag: anything but 0 is true. Unknown stays unknown.
    pub fn flag(self) -> Option<bool> {
        self.good().map(|value| value != 0.0)
    }
    /// The quality without the value.
    pub fn quality(self) -> Quality {
        match self {
            Self::Good(_) => Quality::Good,
            Self::Stale(_) => Quality::Stale,
            Self::Bad(reason) => Quality::Bad(reason),
        }
    }
}

/// How far a value may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quality {
    /// Measured, in range.
    Good,
    /// Too old.
    Stale,
    /// None, and why.
    Bad(BadReason),
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadReason {
    /// Nothing came back within the time-out, or there is no connection.
    NoResponse,
    /// The device refused with this Modbus exception code.
    Exception(u8),
    /// Something came back that does not answer the request (unit, function, length, check sum).
    Garbled,
    /// The device says itself that the sensor is broken or absent (its "not available" value).
    SensorFault,
    /// Outside what the profile says the quantity can be.
    OutOfRange,
    /// In range but not believable beside other facts.
    Implausible,
}

impl BadReason {
    /// The name used in files, on the wire and in logs. An exception's code is said beside it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoResponse => "no_response",
            Self::Exception(_) => "exception",
            Self::Garbled => "garbled",
            Self::SensorFault => "sensor_fault",
            Self::OutOfRange => "out_of_range",
            Self::Implausible => "implausible",
        }
    }
}
