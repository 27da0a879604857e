//! `bus`: the field bus, on a serial line with true times and over Modbus TCP.

mod agent;
pub mod bare;
mod peers;
mod serial;
pub mod slaves;
mod tcp;

use crate::report::Row;
use std::io;

/// Holding registers of a Modbus TCP device, read in one request.
const REGISTERS: u16 = 40;

/// Measures both; the serial line first, while nothing else runs.
pub async fn measure() -> io::Result<Vec<Row>> {
    let mut rows = serial::measure().await?;
    rows.extend(tcp::measure().await?);
    Ok(rows)
}
