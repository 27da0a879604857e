//! A simulated eStation access point: shelf labels behind an MQTT 5 broker.
//!
//! It encodes and decodes the vendor's messages with code of its own, not with the driver's, so that
//! each side finds the other's mistakes.

mod access_point;
mod label;
mod message;
mod model;
mod mqtt;
pub mod nature;

pub use access_point::{AccessPoint, Input, Output};
pub use label::{ImageDigest, Truth};
pub use mqtt::run;

/// What happens to an access point's labels, for the record of what is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A label shows a new image.
    Shown(Shown),
    /// A label shows nothing any more.
    Blank {
        /// Id of the access point.
        ap: String,
        /// Tag id.
        label: String,
    },
}

/// An image that a label has begun to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Id of the access point.
    pub ap: String,
    /// Tag id.
    pub label: String,
    /// The image, as the file that was sent.
    pub png: Vec<u8>,
}
