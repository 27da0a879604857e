//! How equipment talks: Modbus, label gateways, and device profiles as data.
//!
//! What lives here: [`profile`] (register maps as TOML), [`modbus`] (buses that poll devices and
//! write to them), [`mqtt`] (equipment that reports to a broker by itself), [`esl`] (gateways that bring
//! images onto shelf labels), and [`clock`], the one
//! place that reads a clock. What may not: judgement of what a value means (that is
//! `storewarden-rules`), storage, anything of headquarters.
//!
//! Each driver is a state machine without socket and clock ([`modbus::bus::Bus`],
//! [`mqtt::equipment::Equipment`], [`esl::estation::gateway::Gateway`]) and a thin task around it
//! ([`modbus::task::run`], [`mqtt::task::run`], [`esl::estation::mqtt::run`]).
//!
//! Start reading at [`profile::Profile`], then [`modbus::bus::Bus`].
#![forbid(unsafe_code)]

pub mod clock;
pub mod esl;
pub mod keep;
pub mod modbus;
pub mod mqtt;
pub mod profile;
