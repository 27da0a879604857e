//! Detectors: small state machines that turn readings into the truth of one condition.
//!
//! Those of a cabinet take its [`Scene`](crate::cabinet::Scene) and [`Frame`](crate::cabinet::Frame)s; the others
//! take [`Now`](crate::Now) and samples and say [`Change`](crate::Change) when their
//! mind changes. None of them takes an unknown sample for a number.

mod capacity;
mod compressor;
mod defrost;
mod demand;
mod door;
mod exposure;
mod forecast;
mod light_dark;
mod no_response;
mod normal;
mod outage;
mod power_lost;
mod probe;
mod rate;
mod saw;
mod temperature_limit;

pub use capacity::{CapacityConfig, CapacityLoss};
pub use compressor::{Compressor, CompressorConfig};
pub use defrost::{Defrost, DefrostConfig};
pub use demand::{Demand, DemandConfig};
pub use door::{Door, DoorConfig};
pub use exposure::{Exposure, ExposureConfig};
pub use forecast::{Forecast, ForecastConfig};
pub use light_dark::{LightDark, LightDarkConfig, LightDarkInput};
pub use no_response::{NoResponse, NoResponseConfig};
pub use normal::{Band, Normal};
pub use outage::{Census, Outage, OutageConfig};
pub use power_lost::{PowerLost, PowerLostConfig};
pub use probe::{Probe, ProbeConfig};
pub use rate::{Rate, RateConfig};
pub use saw::Saw;
pub use temperature_limit::{Direction, TemperatureInput, TemperatureLimit, TemperatureLimitConfig};
