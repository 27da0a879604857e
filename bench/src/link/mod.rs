//! `link-…`: the link to headquarters and what stands at its other end.

mod backlog;
pub mod ingest;
pub mod latency;
pub mod memory;
mod messages;
pub mod returning;
mod store_day;
pub mod wire;
