//! What the Modbus targets share: any request, and what a PDU says to it, written a second time from
//! the "MODBUS Application Protocol Specification V1.1b3", section 6.

#![allow(dead_code, reason = "each target takes what it needs")]

use storewarden_drivers::modbus::request::{Answer, Outcome, Request, Write};
use storewarden_drivers::profile::Table;

/// Function, address, count or value, and whether on: what a request is made of.
pub type Seed = (u8, u16, u16, bool);

/// Any request that the bus may make.
pub fn request((function, start, number, on): Seed) -> Request {
    let read = |table, most: u16| Request::Read { table, start, count: number % most + 1 };
    let word = |index: u16| number.wrapping_mul(index + 1);
    match function % 8 {
        0 => read(Table::Coil, 2000),
        1 => read(Table::DiscreteInput, 2000),
        2 => read(Table::HoldingRegister, 125),
        3 => read(Table::InputRegister, 125),
        4 => Request::Write(Write::Coil { address: start, on }),
        5 => Request::Write(Write::Register { address: start, word: number }),
        6 => {
            let states = (0..=number % 16).map(|bit| number >> bit & 1 == 1).collect();
            Request::Write(Write::Coils { address: start, states })
        }
        _ => Request::Write(Write::Registers { address: start, words: (0..=number % 4).map(word).collect() }),
    }
}

/// The function code of the request.
pub fn function(request: &Request) -> u8 {
    match request {
        Request::Read { table: Table::Coil, .. } => 1,
        Request::Read { table: Table::DiscreteInput, .. } => 2,
        Request::Read { table: Table::HoldingRegister, .. } => 3,
        Request::Read { table: Table::InputRegister, .. } => 4,
        Request::Write(Write::Coil { .. }) => 5,
        Request::Write(Write::Register { .. }) => 6,
        Request::Write(Write::Coils { .. }) => 15,
        Request::Write(Write::Registers { .. }) => 16,
    }
}

/// The PDU that grants the request; of a read with `data`, repeated or cut to the length it needs.
pub fn grant(request: &Request, data: &[u8]) -> Vec<u8> {
    let echo = |address: &u16, word: u16| [address.to_be_bytes(), word.to_be_bytes()].concat();
    let count = |number: usize| u16::try_from(number).expect("few");
    let rest = match request {
        Request::Read { count, .. } => {
            let bits = function(request) < 3;
            let bytes = if bits { usize::from(*count).div_ceil(8) } else { 2 * usize::from(*count) };
            let data = data.iter().chain([&0x5A]).cycle().take(bytes);
            [u8::try_from(bytes).expect("at most 250")].iter().chain(data).copied().collect()
        }
        Request::Write(Write::Coil { address, on }) => echo(address, if *on { 0xFF00 } else { 0 }),
        Request::Write(Write::Register { address, word }) => echo(address, *word),
        Request::Write(Write::Coils { address, states }) => echo(address, count(states.len())),
        Request::Write(Write::Registers { address, words }) => echo(address, count(words.len())),
    };
    [vec![function(request)], rest].concat()
}

/// What the PDU at the beginning of `bytes` says to the request, and how long it is; none if it is no
/// answer to it.
pub fn says(request: &Request, bytes: &[u8]) -> Option<(Outcome, usize)> {
    if let [refused, code, ..] = bytes
        && *refused == function(request) + 128
    {
        return Some((Outcome::Exception(*code), 2));
    }
    let data = bytes.get(2..).unwrap_or_default();
    let expected = grant(request, data);
    if !bytes.starts_with(&expected) {
        return None;
    }
    let outcome = match request {
        Request::Read { count, .. } if function(request) < 3 => {
            let bits = data.iter().flat_map(|byte| (0..8).map(move |bit| byte & 1 << bit != 0));
            Outcome::Answer(Answer::Bits(bits.take(usize::from(*count)).collect()))
        }
        Request::Read { count, .. } => {
            let words = data.chunks_exact(2).map(|pair| u16::from(pair[0]) * 256 + u16::from(pair[1]));
            Outcome::Answer(Answer::Words(words.take(usize::from(*count)).collect()))
        }
        Request::Write(_) => Outcome::Written,
    };
    Some((outcome, expected.len()))
}

/// Whether the outcome says something that only an answer can say.
pub fn is_answer(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answer(_) | Outcome::Written | Outcome::Exception(_))
}
