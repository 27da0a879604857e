//! What `cargo demo` and `cargo figures` share: every program of the workspace as a child process of one
//! binary, so that a fresh machine needs nothing else, and the few lines that wait for them.
//!
//! What may not live here: logic of the programs themselves.
#![forbid(unsafe_code)]

pub mod broker;
pub mod children;
pub mod programs;
pub mod ready;
