//! Shelf labels: what they should show as an image, and bringing it onto them.
//!
//! Everything here is pure; talking to a label gateway is the driver's part. Start reading at
//! [`render::render`] and the templates in `agent/labels/`, and [`delivery::Delivery`].

pub mod barcode;
pub mod canvas;
pub mod care;
pub mod delivery;
pub mod place;
pub mod record;
pub mod render;
pub mod template;
pub mod text;
pub mod words;

pub use canvas::{Colour, Digest, Image};
pub use delivery::Delivery;
pub use place::{Fault, Shelf};
pub use record::{Price, Proof, Record, Told};
pub use render::{fits, render};
pub use template::{Display, Purpose, TemplateFault, Templates};
pub use text::can_show;
