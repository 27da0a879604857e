//! Whether a price batch may be believed. What it says once it is, [`storewarden_prices`] knows.

pub mod authority;
pub mod batch;
pub mod numbers;

pub use authority::{Authority, KeyList, ListFault, Right};
pub use batch::{Refusal, Verified, Why, fit, judge, verify};
pub use numbers::Numbers;
