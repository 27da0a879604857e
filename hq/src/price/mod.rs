//! Signed prices: from the price team's table to every label's proof.

pub(crate) mod outgoing;
pub(crate) mod push;
pub(crate) mod sign;
pub(crate) mod status;
mod table;
