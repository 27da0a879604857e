//! The wire contract between a store and headquarters: generated messages and topic names.
//!
//! What lives here: `proto/storewarden.proto` as Rust types in [`v1`], [`topic`], the columns of [`telemetry`], and the bytes
//! that signatures cover. What may not: anything that decides or does I/O.
//!
//! Start reading at [`v1::Envelope`].
#![forbid(unsafe_code)]

pub mod telemetry;
pub mod topic;

/// Re-exported so that a user of the contract encodes with the version it was generated for.
pub use prost;

/// Messages of version 1, generated from `proto/storewarden.proto`.
#[allow(missing_docs, clippy::all, reason = "generated; documented in the .proto file")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/storewarden.v1.rs"));
}

/// Largest MQTT payload either side sends or accepts, bytes.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// The bytes an Ed25519 price signature covers: a prefix, so that no other signed message of ours
/// can be passed off as a price batch, then the batch as it travels.
pub fn price_batch_signed_bytes(batch: &[u8]) -> Vec<u8> {
    [b"storewarden/v1/price-batch\n", batch].concat()
}

/// The bytes a root key's signature of a list of keys covers: the same, with a prefix of its own.
pub fn key_list_signed_bytes(list: &[u8]) -> Vec<u8> {
    [b"storewarden/v1/key-list\n", list].concat()
}

/// The bytes an Ed25519 command signature covers: the same, with a prefix of its own.
pub fn command_signed_bytes(command: &[u8]) -> Vec<u8> {
    [b"storewarden/v1/command\n", command].concat()
}
