//! `link-…`: the link to headquarters and what stands at its other end.

mod backlog;
pub mod latency;
mod store_day;
pub mod wire;
