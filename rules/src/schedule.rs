//! Schedules: what should be on, and when.

mod light;
mod sun;

pub use light::{LightMode, LightSchedule, LightScheduleConfig};
pub use sun::{SunDay, sun_day};
