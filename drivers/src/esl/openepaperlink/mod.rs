//! OpenEPaperLink access points: HTTP and a WebSocket. For the laboratory only: the access point asks
//! nobody who he is, and its radio is not encrypted, so whoever is near can write on labels.
//!
//! [`gateway::Gateway`] decides what is asked when, [`task::run`] is the task around it.

pub mod exchange;
pub mod gateway;
pub mod http;
pub mod image;
pub mod record;
pub mod task;
