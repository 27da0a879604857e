//! Signed prices: from the price team's table to every label's proof.

mod book;
mod campaign;
mod dry_run;
pub(crate) mod integrity;
mod labels;
pub(crate) mod outgoing;
mod pos;
pub(crate) mod push;
pub(crate) mod revert;
mod send;
pub(crate) mod sign;
pub(crate) mod status;
mod table;
mod watch;

#[cfg(test)]
mod tests;
