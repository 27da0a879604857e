//! Detectors: small state machines that turn readings into the truth of one condition.
//!
//! All of them take [`Now`](crate::Now) and samples and say [`Change`](crate::Change) when their
//! mind changes. None of them takes an unknown sample for a number.

mod demand;
mod light_dark;
mod no_response;
mod temperature_limit;

pub use demand::{Demand, DemandConfig};
pub use light_dark::{LightDark, LightDarkConfig, LightDarkInput};
pub use no_response::{NoResponse, NoResponseConfig};
pub use temperature_limit::{Direction, TemperatureInput, TemperatureLimit, TemperatureLimitConfig};
