//! eStation AP05 label gateways: MQTT 5 with MessagePack arrays, over the broker on the store's LAN.
//!
//! [`gateway::Gateway`] decides what is sent when, [`mqtt::run`] is the task around it.

pub mod gateway;
pub mod message;
pub mod model;
pub mod mqtt;
pub mod task;
