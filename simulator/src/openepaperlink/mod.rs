//! A simulated OpenEPaperLink access point: shelf labels behind HTTP and a WebSocket.
//!
//! It speaks as the access point's published firmware does, with code of its own, not with the driver's, so
//! that each side finds the other's mistakes.

mod access_point;
mod label;
pub mod nature;
mod server;

pub use access_point::{AccessPoint, Config, Output, Reply, Request};
pub use label::{Pixels, Truth};
pub use server::run;
