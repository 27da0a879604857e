//! Modbus: a bus is one line with one master; here one TCP connection to a device or gateway.
//!
//! [`bus::Bus`] decides what happens next on it, [`tcp::run`] does it.

pub mod bus;
pub mod command;
pub mod cost;
pub mod device;
mod fence;
pub mod health;
pub mod load;
pub mod plan;
pub mod request;
pub mod serial;
pub mod tcp;
mod timetable;
pub mod words;
