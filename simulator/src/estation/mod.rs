//! A simulated eStation access point: shelf labels behind an MQTT 5 broker.
//!
//! It encodes and decodes the vendor's messages with code of its own, not with the driver's, so that
//! each side finds the other's mistakes.

mod access_point;
mod message;
mod model;
mod mqtt;

pub use access_point::{AccessPoint, Output};
pub use mqtt::run;

/// An image that a label has begun to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Id of the access point.
    pub ap: String,
    /// Tag id.
    pub label: String,
    /// The image, as the PNG file that was sent.
    pub png: Vec<u8>,
}
