//! Shelf labels: what they should show as an image, and bringing it onto them.
//!
//! Everything here is pure; talking to a label gateway is the driver's part. Start reading at
//! [`render::render`] and [`delivery::Delivery`].

pub mod barcode;
pub mod canvas;
pub mod care;
pub mod delivery;
pub mod record;
pub mod render;
pub mod text;

pub use canvas::{Digest, Image};
pub use delivery::Delivery;
pub use record::{Price, Proof, Record, Told};
pub use render::{RenderError, Shelf, render};
pub use text::can_show;
