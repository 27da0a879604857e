//! How equipment talks: Modbus, label gateways, and device profiles as data.
//!
//! What lives here: [`profile`] (register maps as TOML). What may not: judgement of what a value
//! means (that is `storewarden-rules`), storage, anything of headquarters.
//!
//! Start reading at [`profile::Profile`].
#![forbid(unsafe_code)]

pub mod clock;
pub mod modbus;
pub mod profile;
