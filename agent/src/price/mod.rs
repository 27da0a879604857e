//! Prices: what a batch must satisfy to be accepted, and what an item costs at a given moment.
//!
//! Everything here is pure: time, keys and what was accepted before come in as arguments. Start
//! reading at [`batch::verify`] and [`book::PriceBook`].

pub mod batch;
pub mod book;
pub mod entry;
pub mod gtin;
pub mod money;

pub use batch::{Refusal, Verified, Why, verify};
pub use book::{PriceBook, Shown};
pub use entry::{Entry, Kind};
pub use gtin::Gtin;
pub use money::{Currency, Money};
