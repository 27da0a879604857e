//! Electronic shelf labels: bringing an image onto a label, and how sure one can be that it is there.

pub mod estation;
pub mod openepaperlink;
