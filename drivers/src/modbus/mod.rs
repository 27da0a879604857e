//! Modbus: a bus is one line with one master: a serial port, or one TCP connection to a device or
//! gateway.
//!
//! [`bus::Bus`] decides what happens next on it, [`task::run`] does it on a [`line::Line`].

pub mod bus;
pub mod command;
pub mod cost;
pub mod device;
mod fence;
pub mod health;
pub mod line;
pub mod load;
pub mod plan;
pub mod request;
pub mod rtu;
pub mod rtu_line;
pub mod serial;
pub mod task;
pub mod tcp;
mod timetable;
pub mod words;
