//! What a price is, and what an item costs at a given moment: the same for headquarters, which signs, and for
//! a store, which shows.
//!
//! Everything here is pure: time and what was accepted before come in as arguments. Start reading at
//! [`PriceBook`]. Who may change a price, what a label looks like and where anything is kept is not here.
#![forbid(unsafe_code)]

mod batch;
mod book;
mod entry;
mod gtin;
mod law;
mod measure;
mod money;
mod name;
mod when;

pub use batch::{Batch, BatchFault, Change, EntryFault, EntryFaults, Limit, PRICES_MAX, WITHDRAWS_MAX};
pub use book::{BatchId, PriceBook, Shown, Source, Span, WITHDRAWN_KEPT};
pub use entry::{Entry, ITEM_BYTES_MAX, ItemFault, Kind, TEXT_CHARS_MAX};
pub use gtin::{Gtin, GtinError};
pub use law::{Jurisdiction, LOOKS_BACK, LawFault};
pub use measure::{Content, Measure};
pub use money::{Currency, Money, PRICE_MINOR_MAX, PriceTextError};
pub use name::{Language, Names};
pub use storewarden_rules::Utc;
pub use when::When;
