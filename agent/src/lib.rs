//! The daemon of one store, and its command line.
//!
//! What lives here: configuration, the journal, the link to headquarters, prices and labels, the LAN
//! console, and the tasks that tie drivers and rules together. What may not: registers (drivers),
//! judgement (rules), message layouts (proto).
//!
//! Start reading at `run.rs`, which shows the whole machine.
#![forbid(unsafe_code)]

mod ask;
pub mod assemble;
mod audit_tool;
mod backoff;
pub mod cli;
pub mod clock_trust;
pub mod command;
pub mod config;
pub mod console;
mod expression;
pub mod failure;
pub mod hq_link;
pub mod installer;
pub mod journal;
pub mod label;
mod label_preview;
mod label_tool;
pub mod price;
mod price_tool;
mod profile_tool;
pub mod replay;
pub mod report;
mod rules_tool;
pub mod run;
mod shelf;
pub mod signed;
mod site_task;
mod sources;
mod tasks;
mod telemetry;
pub mod texts;
#[cfg(feature = "timeseries")]
pub mod timeseries;
pub mod view;
pub mod watchdog;
