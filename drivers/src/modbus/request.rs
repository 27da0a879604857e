//! What goes over a line and what comes back: a request, and how it went. The vocabulary between
//! [`super::bus::Bus`], which decides, and [`super::line::Line`].

use crate::profile::Table;

/// One request on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Functions 1 to 4.
    Read {
        /// Which table.
        table: Table,
        /// First address.
        start: u16,
        /// How many registers or bits.
        count: u16,
    },
    /// Functions 5, 6, 15 and 16.
    Write(Write),
}

/// How a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer to a read, of the length asked for.
    Answer(Answer),
    /// The echo of a write, equal to what was sent.
    Written,
    /// The device or gateway refused, with this code.
    Exception(u8),
    /// Something came that does not answer the request.
    Garbled,
    /// Nothing came in time.
    TimedOut,
    /// The connection broke.
    Lost,
}

/// What became of the line after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkAfter {
    /// It is open, and nothing on it can be taken for an answer to the next request.
    Kept,
    /// It was closed: it broke, or an answer may still be on its way in it that could be taken for
    /// the next request's.
    Dropped,
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Registers, as many as were asked for.
    Words(Vec<u16>),
    /// Coils or discrete inputs, as many as were asked for.
    Bits(Vec<bool>),
}

/// One write on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Function 5.
    Coil {
        /// 0-based wire address.
        address: u16,
        /// The state to set.
        on: bool,
    },
    /// Function 15.
    Coils {
        /// 0-based wire address of the first coil.
        address: u16,
        /// The states to set, 1 to 16.
        states: Vec<bool>,
    },
    /// Function 6.
    Register {
        /// 0-based wire address.
        address: u16,
        /// The raw word.
        word: u16,
    },
    /// Function 16.
    Registers {
        /// 0-based wire address of the first word.
        address: u16,
        /// The raw words, 1 to 4.
        words: Vec<u16>,
    },
}

/// What an exception code means: Modbus Application Protocol Specification V1.1b3, section 7.
pub fn exception_meaning(code: u8) -> &'static str {
    match code {
        1 => "it does not know this function",
        2 => "it has no such address",
        3 => "not this count or value",
        4 => "it failed while doing it",
        5 => "it needs more time",
        6 => "it is busy",
        8 => "its memory is damaged",
        0x0A => "the gateway has no path to that unit",
        0x0B => "the gateway had no answer from that unit",
        _ => "a code of its own",
    }
}
