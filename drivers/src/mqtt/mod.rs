//! Equipment that reports to a broker by itself: Tasmota, Shelly, Zigbee2MQTT, and whatever a profile
//! describes.
//!
//! Nobody polls here. What a device says is reported as it comes; between two reports its last word is
//! repeated at the poll interval, with the time of the message it came in, for as long as the device's
//! availability says that it is there and its profile's `silent_max` lets it hold. So the rules see a
//! switch that speaks only when it changes, and a device that has gone quiet grows stale.

pub mod client;
pub mod equipment;
pub mod payload;
pub mod task;
pub mod tls;
