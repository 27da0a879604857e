//! Modbus: from the words of a device to samples, and from values to the words of a write.

pub mod words;
