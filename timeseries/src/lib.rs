//! Writes readings to a server of the InfluxDB v2 write API, for headquarters and for a store alike.
//!
//! What lives here: a line of line protocol, one write over HTTP, and what to do with each answer. What may
//! not: where readings come from, and the cursor that says how far they were taken. It moves only when a
//! write was taken or its one line refused; so after any failure the same lines are written again, which
//! the server takes for the same points.
#![forbid(unsafe_code)]

mod delivery;
mod line;
mod write;

pub use line::line;
pub use write::{Target, TargetError, Writer, Written, check};

/// Bytes after which no line is added to a write. One line is less than 1 KiB.
pub const BYTES_MAX: usize = 1 << 20;
