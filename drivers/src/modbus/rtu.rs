//! Modbus RTU frames: how a request is written, and what of the bytes on the line answers it.
//!
//! Frames and CRC follow "MODBUS over Serial Line Specification and Implementation Guide V1.02",
//! section 2.5.1, bodies the "MODBUS Application Protocol Specification V1.1b3". No port and no
//! clock in here: [`Receiver`] is fed with what came, and told when the waiting is over.

use crate::modbus::request::{Answer, Outcome, Request, Write};
use crate::profile::Table;

/// Bytes kept of one exchange: four times the longest frame of the specification, 256 bytes. More
/// than that before an answer is no answer.
const HEARD_MAX: usize = 1024;
/// Unit, function and CRC: no frame is shorter. Fewer stray bytes are the noise of drivers being
/// switched on and off, of which a line without bias resistors is full.
const FRAME_MIN: usize = 4;
/// Unit, function, exception code and CRC.
const EXCEPTION_LEN: usize = 5;
/// What is set in the function code of an exception.
const EXCEPTION_BIT: u8 = 0x80;

/// Writes the frame of `request` to `unit` into `frame`, in place of what is there.
pub fn encode(unit: u8, request: &Request, frame: &mut Vec<u8>) {
    frame.clear();
    frame.extend([unit, function(request)]);
    match request {
        Request::Read { start, count, .. } => {
            frame.extend(start.to_be_bytes());
            frame.extend(count.to_be_bytes());
        }
        Request::Write(Write::Coil { address, on }) => {
            frame.extend(address.to_be_bytes());
            frame.extend([if *on { 0xFF } else { 0x00 }, 0x00]);
        }
        Request::Write(Write::Register { address, word }) => {
            frame.extend(address.to_be_bytes());
            frame.extend(word.to_be_bytes());
        }
        Request::Write(Write::Coils { address, states }) => {
            frame.extend(address.to_be_bytes());
            frame.extend(count_of(states).to_be_bytes());
            frame.push(u8::try_from(states.len().div_ceil(8)).unwrap_or(u8::MAX));
            frame.extend(states.chunks(8).map(|states| {
                states.iter().enumerate().fold(0, |byte, (bit, state)| byte | (u8::from(*state) << bit))
            }));
        }
        Request::Write(Write::Registers { address, words }) => {
            frame.extend(address.to_be_bytes());
            frame.extend(count_of(words).to_be_bytes());
            frame.push(u8::try_from(words.len() * 2).unwrap_or(u8::MAX));
            frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        }
    }
    frame.extend(crc(frame).to_le_bytes());
}

/// The length of the frame that grants `request`.
pub fn answer_len(request: &Request) -> usize {
    match request {
        Request::Read { .. } => 5 + data_len(request),
        Request::Write(_) => 8,
    }
}

/// Listens for the answer to one request.
///
/// Gives out nothing but an answer of the right unit, function, length and CRC, whose address and
/// value or count are those of the request if it was a write. It may come behind other bytes: the
/// master's own, which some adaptors hand back, the late answer of another unit, noise.
#[derive(Debug)]
pub struct Receiver<'a> {
    unit: u8,
    request: &'a Request,
    sent: &'a [u8],
    echo: bool,
    heard: Vec<u8>,
}

/// What stands at one place of the bytes heard.
enum Found {
    /// The answer.
    Answer(Outcome),
    /// A frame that claims to be the answer, and is not.
    Broken,
    /// Perhaps the beginning of the answer.
    Begun,
    /// Something else.
    Stray,
}

impl<'a> Receiver<'a> {
    /// Waits for what `unit` says to `request`, whose frame is `sent`. `echo`: the line is known to
    /// hand back what is sent. Where it is not known the echo of a read is recognised all the same,
    /// but that of functions 5 and 6 is what their answer looks like, and is taken for it.
    pub fn new(unit: u8, request: &'a Request, sent: &'a [u8], echo: bool) -> Self {
        Self { unit, request, sent, echo, heard: Vec::with_capacity(256) }
    }

    /// Takes what came; says how the exchange ended, or none while the answer is not complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Outcome> {
        let room = HEARD_MAX - self.heard.len();
        self.heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.is_own() && self.own_is_no_answer() {
            return None;
        }
        let rest = self.rest();
        for place in 0..rest.len() {
            match self.look(&rest[place..]) {
                Found::Answer(outcome) => return Some(outcome),
                // Not while it may still be our own frame of function 15 or 16, whose first six
                // bytes are those of its answer.
                Found::Broken if place == 0 && !self.is_own() => return Some(Outcome::Garbled),
                Found::Broken | Found::Begun | Found::Stray => {}
            }
        }
        (self.heard.len() == HEARD_MAX).then_some(Outcome::Garbled)
    }

    /// Whether an answer seems to have begun, so that a long silence means it is broken off.
    pub fn has_begun(&self) -> bool {
        let rest = self.rest();
        !self.is_own()
            && (0..rest.len()).any(|place| matches!(self.look(&rest[place..]), Found::Begun | Found::Broken))
    }

    /// The waiting is over and no answer was complete. A line on which nothing was heard but noise
    /// of a few bytes or another unit's frame counts as silent; a frame of this unit that is shorter than
    /// it says is garbled, whatever its CRC.
    pub fn end(&self) -> Outcome {
        let rest = self.rest();
        let silent = self.is_own() || rest.len() < FRAME_MIN || (crc(rest) == 0 && !self.has_begun());
        if silent { Outcome::TimedOut } else { Outcome::Garbled }
    }

    /// Whether the line handed back what was sent; none if that cannot be told.
    pub fn echoed(&self) -> Option<bool> {
        matches!(self.request, Request::Read { .. }).then(|| self.heard.starts_with(self.sent))
    }

    /// Whether all that was heard can be our own frame coming back.
    fn is_own(&self) -> bool {
        self.sent.starts_with(&self.heard)
    }

    /// Whether what looks like our own frame is that, and not the answer. A granted read that is
    /// equal to its request is not worth the risk of taking an echo for values.
    fn own_is_no_answer(&self) -> bool {
        self.echo || matches!(self.request, Request::Read { .. })
    }

    /// What was heard, without our own frame.
    fn rest(&self) -> &[u8] {
        let longer_than_answer = self.sent.len() > answer_len(self.request);
        match self.heard.strip_prefix(self.sent) {
            Some(rest) if self.own_is_no_answer() || longer_than_answer => rest,
            _ => &self.heard,
        }
    }

    fn look(&self, at: &[u8]) -> Found {
        let granted = function(self.request);
        let (&unit, &function) = match at {
            [unit, function, ..] => (unit, function),
            _ => return Found::Stray,
        };
        if unit != self.unit {
            return Found::Stray;
        }
        if function == granted | EXCEPTION_BIT {
            return match at.get(..EXCEPTION_LEN) {
                None => Found::Begun,
                Some(frame) if crc(frame) == 0 => Found::Answer(Outcome::Exception(frame[2])),
                Some(_) => Found::Broken,
            };
        }
        if function != granted {
            return Found::Stray;
        }
        // Its own length, so that a frame of another length is heard to its end.
        let len = match (self.request, at.get(2)) {
            (Request::Write(_), _) => answer_len(self.request),
            (Request::Read { .. }, Some(&data)) => 5 + usize::from(data),
            (Request::Read { .. }, None) => return Found::Begun,
        };
        match at.get(..len) {
            None => Found::Begun,
            Some(frame) if len == answer_len(self.request) && crc(frame) == 0 => self.granted(frame),
            Some(_) => Found::Broken,
        }
    }

    /// What a frame of the right unit, function, length and CRC says.
    fn granted(&self, frame: &[u8]) -> Found {
        let data = &frame[3..frame.len() - 2];
        match self.request {
            Request::Read { table, count, .. } if table.is_bits() => {
                let bit = |index: usize| data[index / 8] >> (index % 8) & 1 == 1;
                Found::Answer(Outcome::Answer(Answer::Bits((0..usize::from(*count)).map(bit).collect())))
            }
            Request::Read { .. } => {
                let (words, _) = data.as_chunks::<2>();
                let words = words.iter().map(|word| u16::from_be_bytes(*word)).collect();
                Found::Answer(Outcome::Answer(Answer::Words(words)))
            }
            // Address and value, or address and count: the first six bytes of the request.
            Request::Write(_) if frame[..6] == self.sent[..6] => Found::Answer(Outcome::Written),
            Request::Write(_) => Found::Broken,
        }
    }
}

/// What [`Receiver`] makes of `bytes` coming in pieces of `piece` bytes, in answer to `request` to
/// `unit`. For fuzzing and tests.
pub fn exchange(unit: u8, request: &Request, echo: bool, bytes: &[u8], piece: usize) -> Outcome {
    let mut sent = Vec::new();
    encode(unit, request, &mut sent);
    let mut receiver = Receiver::new(unit, request, &sent, echo);
    bytes.chunks(piece.max(1)).find_map(|bytes| receiver.feed(bytes)).unwrap_or_else(|| receiver.end())
}

/// CRC-16/MODBUS: polynomial 8005 reflected, begun with FFFF; sent low byte first. Over a frame with
/// its CRC it is 0.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xA001 } else { 0 })
    })
}

fn function(request: &Request) -> u8 {
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

/// Bytes of data in the frame that grants `request`; none after a write.
fn data_len(request: &Request) -> usize {
    match request {
        Request::Read { table, count, .. } if table.is_bits() => usize::from(*count).div_ceil(8),
        Request::Read { count, .. } => usize::from(*count) * 2,
        Request::Write(_) => 0,
    }
}

/// At most 16 by the bounds of [`Write`].
fn count_of<T>(items: &[T]) -> u16 {
    u16::try_from(items.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[path = "rtu_tests.rs"]
mod tests;
