//! A store that can be broken on demand: cabinets, meters and relays behind Modbus TCP and on serial
//! lines, label gateways behind MQTT, and a timeline of faults.
//!
//! What lives here: physics ([`physics`]), the scoreboard of the rules ([`score`]), the register maps served from the drivers' own profiles,
//! the two protocols' far ends, and the true record of what happened ([`events`]). What may not: any
//! equation or constant of a detector, and the drivers' message code for what the far end must
//! encode itself; both sides judge each other.
//!
//! Start reading at [`world::World`]; [`cli`] is the program.
#![forbid(unsafe_code)]

pub mod chaos;
mod cli;
pub mod config;
pub mod estation;
pub mod events;
pub mod fault;
pub mod frame;
pub mod openepaperlink;
pub mod pattern;
pub mod physics;
pub mod port;
pub mod registers;
pub mod replay;
pub mod rtu;
mod run;
pub mod score;
pub mod server;
pub mod unit;
pub mod wire;
pub mod world;

pub use cli::cli;
