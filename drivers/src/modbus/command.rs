//! Writes to device points: what may be written, how, and what became of it. A write that
//! may have been taken is not repeated; its outcome is what the point reads afterwards.

use crate::modbus::device::BusDevice;
use crate::modbus::fence::Span;
use crate::modbus::request::{Write, exception_meaning};
use crate::modbus::words::{EncodeError, decode, decode_bit, encode, raw_words};
use crate::profile::{Accepts, Kind, Mask, Point, Register, Table, WriteFunction};
use std::time::Duration;

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// No device of this bus has the point.
    #[error("the point is not on this bus; send the command to the bus that polls it")]
    NotHere,
    /// The profile does not let it be written.
    #[error("the point cannot be written; its profile has no `write`")]
    ReadOnly,
    /// The device does not accept the value.
    #[error("{value} is outside {low} to {high}, what the device accepts")]
    OutOfRange {
        /// The value asked for, in the point's unit.
        value: f64,
        /// The lowest accepted value.
        low: f64,
        /// The highest accepted value.
        high: f64,
    },
    /// The device takes certain values only.
    #[error("{value} is none of the values that the device accepts; its profile lists them")]
    NotAccepted {
        /// The value asked for, in the point's unit.
        value: f64,
    },
    /// The value does not become registers.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The device has as many waiting commands as are kept.
    #[error("too many commands wait for this device; try again when they are done")]
    QueueFull,
    /// Its time was over before it could be sent. It had no effect.
    #[error("the deadline passed before the device could be reached; nothing was sent")]
    TooLate,
    /// It was sent and nothing came back, neither then nor when the point was read.
    #[error("sent, but the device did not answer; read the point to see whether it took effect")]
    NoAnswer,
    /// The device took it, but the point could not be read before the deadline.
    #[error("sent, but the point could not be read back; the next poll shows whether it took effect")]
    NotVerified,
    /// The device took it and does not show it.
    #[error(
        "wrote {wrote}, but the device still reads {reads}; look whether a switch or its own logic overrides"
    )]
    NotTaken {
        /// What it should read, in the point's unit.
        wrote: f64,
        /// What it reads.
        reads: f64,
    },
    /// The device refused it with this Modbus exception code.
    #[error("the device refused with Modbus exception {0}: {meaning}", meaning = exception_meaning(*.0))]
    Exception(u8),
    /// The bus was stopped.
    #[error("the bus was stopped; nothing more is sent")]
    Stopped,
}

/// The pauses before a point is read back a second and a third time: devices take theirs to switch,
/// and to show it.
const LOOK_AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];
/// How long after it was sent a command may at least be read back, whatever its deadline.
const VERIFY: Duration = Duration::from_secs(1);

/// What a write puts where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    function: WriteFunction,
    address: u16,
    /// What to write; where bits are kept, with those 0.
    words: Vec<u16>,
    /// The bits that are written, if the others must stay as they are.
    bits: Option<Vec<u16>>,
    /// What the point reads then, in its unit.
    expected: f64,
}

/// Whose a write is, and how it is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A command, of this ticket, for the point of this index.
    Command { ticket: u64, point: usize },
    /// The bus itself, which sets a device's watchdog: the nth of its registers.
    Watchdog { step: usize },
}

/// How far a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// What is there must be read first.
    Look,
    /// To be sent.
    Write,
    /// Sent; to be read back. False while the device has not said that it took it.
    Check { taken: bool },
}

/// A write on its way: looked up if need be, sent once, read back.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub owner: Owner,
    pub device: usize,
    pub until: Duration,
    pub stage: Stage,
    /// The next look is not before this.
    pub wait_until: Duration,
    target: Target,
    looked: bool,
    /// Looks that told nothing or not what was written, at this stage.
    looks: usize,
}

impl Order {
    /// A command.
    pub fn command(ticket: u64, device: usize, point: usize, target: Target, until: Duration) -> Self {
        let stage = if target.bits.is_some() { Stage::Look } else { Stage::Write };
        let owner = Owner::Command { ticket, point };
        Self { owner, device, until, stage, wait_until: Duration::ZERO, target, looked: false, looks: 0 }
    }

    /// A holding register of a watchdog, written only if it holds something else.
    pub fn watchdog(step: usize, device: usize, (address, word): (u16, u16)) -> Self {
        let function = WriteFunction::Register;
        let target = Target { function, address, words: vec![word], bits: None, expected: f64::from(word) };
        let (owner, stage) = (Owner::Watchdog { step }, Stage::Look);
        Self {
            owner,
            device,
            until: Duration::MAX,
            stage,
            wait_until: Duration::ZERO,
            target,
            looked: false,
            looks: 0,
        }
    }

    /// What to read to look or to check.
    pub fn span(&self, device: &BusDevice) -> Span {
        match (self.owner, self.stage) {
            (Owner::Command { point, .. }, Stage::Check { .. }) => {
                let register = &device.modbus.registers[point];
                Span { table: register.table, start: register.address, count: register.kind.width() }
            }
            _ => {
                let count = u16::try_from(self.target.words.len()).unwrap_or(u16::MAX);
                Span { table: Table::HoldingRegister, start: self.target.address, count }
            }
        }
    }

    /// The request that writes.
    pub fn write(&self) -> Write {
        let Target { function, address, ref words, .. } = self.target;
        match function {
            WriteFunction::Coil => Write::Coil { address, on: words[0] != 0 },
            WriteFunction::Coils => Write::Coils { address, states: vec![words[0] != 0] },
            WriteFunction::Register => Write::Register { address, word: words[0] },
            WriteFunction::Registers => Write::Registers { address, words: words.clone() },
        }
    }

    /// Whether what is there was read and must be written back before anything else is asked.
    pub fn is_half_done(&self) -> bool {
        self.stage == Stage::Write && self.looked
    }

    /// What is there was read. True if nothing need be written.
    pub fn looked(&mut self, there: &[u16]) -> bool {
        (self.stage, self.looked) = (Stage::Write, true);
        let Some(bits) = &self.target.bits else { return self.target.words == there };
        for ((word, bits), there) in self.target.words.iter_mut().zip(bits).zip(there) {
            *word = *word & bits | there & !bits;
        }
        false
    }

    /// The device is busy and did not take it. True if it is sent again after a pause; what is there is
    /// then read again too.
    pub fn put_off(&mut self, now: Duration) -> bool {
        let again = self.waits(now);
        if again && self.looked {
            self.stage = Stage::Look;
        }
        again
    }

    /// It was sent.
    pub fn sent(&mut self, now: Duration, taken: bool) {
        (self.stage, self.looks) = (Stage::Check { taken }, 0);
        self.until = self.until.max(now.saturating_add(VERIFY));
    }

    /// The point was read back; none if it could not be told. The outcome, once there is one.
    pub fn checked(&mut self, now: Duration, reads: Option<f64>) -> Option<Result<(), CommandError>> {
        let wrote = self.target.expected;
        if reads.is_some_and(|reads| (reads - wrote).abs() <= 1e-9 * wrote.abs().max(1.0)) {
            return Some(Ok(()));
        }
        if self.waits(now) {
            return None;
        }
        Some(Err(match reads {
            Some(reads) => CommandError::NotTaken { wrote, reads },
            None => CommandError::NotVerified,
        }))
    }

    /// Whether it is worth another look, after a pause.
    pub fn waits(&mut self, now: Duration) -> bool {
        let Some(pause) = LOOK_AGAIN.get(self.looks) else { return false };
        self.looks += 1;
        self.wait_until = now + *pause;
        true
    }

    /// What becomes of it when its time is over.
    pub fn overdue(&self) -> CommandError {
        match self.stage {
            Stage::Look | Stage::Write => CommandError::TooLate,
            Stage::Check { taken: false } => CommandError::NoAnswer,
            Stage::Check { taken: true } => CommandError::NotVerified,
        }
    }
}

/// The request that sets the point in `register` to `value` where its words are `there`; without them,
/// the other bits of a word that is written in part are shown as 0.
///
/// # Errors
///
/// Where the profile does not let the value be written.
pub fn write_of(
    point: &Point,
    register: &Register,
    value: f64,
    there: Option<&[u16]>,
) -> Result<Write, CommandError> {
    let mut order = Order::command(0, 0, 0, target_of(point, register, value)?, Duration::ZERO);
    if let (Stage::Look, Some(there)) = (order.stage, there) {
        order.looked(there);
    }
    Ok(order.write())
}

/// The write that sets the point in `register` to `value`. A point that others multiply is not written.
pub(super) fn target_of(point: &Point, register: &Register, value: f64) -> Result<Target, CommandError> {
    let (Some(accepts), Some(write), []) = (&point.accepts, &register.write, &register.scale_by[..]) else {
        return Err(CommandError::ReadOnly);
    };
    match accepts {
        Accepts::Range(range) if !range.contains(&value) => {
            let (low, high) = (*range.start(), *range.end());
            return Err(CommandError::OutOfRange { value, low, high });
        }
        Accepts::OneOf(_) if !accepts.contains(value) => return Err(CommandError::NotAccepted { value }),
        Accepts::Range(_) | Accepts::OneOf(_) => {}
    }
    let (mut words, expected) = match write.words.iter().find(|(written, _)| *written == value) {
        Some((_, word)) => (vec![*word], value),
        None => {
            let words = encode(register, value)?;
            let shown = match register.kind {
                Kind::Bool => decode_bit(register, words[0] != 0),
                _ => decode(register, &words),
            };
            // Written elsewhere the number is not between other bits.
            let whole = Register { bits: None, ..register.clone() };
            let words = if write.mask == Mask::Whole { encode(&whole, value)? } else { words };
            (words, shown.good().unwrap_or(value))
        }
    };
    let mask = |(low, high): (u8, u8)| raw_words(register, u64::MAX >> (63 - high) >> low << low);
    let bits = match (write.mask, register.bits) {
        (Mask::ReadModifyWrite, Some(field)) => Some(mask(field)),
        (Mask::LowByte, Some(field)) => {
            words[0] |= mask(field)[0] >> 8;
            None
        }
        _ => None,
    };
    Ok(Target { function: write.function, address: write.address, words, bits, expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Profile, built_in};

    fn target(profile: &Profile, point: &str, value: f64) -> Result<Target, CommandError> {
        let index = profile.points.iter().position(|p| p.name == point).unwrap();
        target_of(&profile.points[index], &profile.modbus().unwrap().registers[index], value)
    }

    fn write(profile: &Profile, point: &str, value: f64, there: &[u16]) -> Write {
        let index = profile.points.iter().position(|p| p.name == point).unwrap();
        let register = &profile.modbus().unwrap().registers[index];
        write_of(&profile.points[index], register, value, Some(there)).unwrap()
    }

    #[test]
    fn a_write_is_what_the_profile_allows_and_nothing_else() {
        let relay = built_in("waveshare-relay-8").unwrap();
        let carel = built_in("carel-ir33").unwrap();
        assert_eq!(write(&relay, "relay_3", 1.0, &[]), Write::Coil { address: 2, on: true });
        let refused = Err(CommandError::OutOfRange { value: 2.0, low: 0.0, high: 1.0 });
        assert_eq!(target(&relay, "relay_3", 2.0), refused);
        assert!(matches!(target(&relay, "relay_3", f64::NAN), Err(CommandError::OutOfRange { .. })));
        assert_eq!(target(&carel, "air_temperature", 3.0), Err(CommandError::ReadOnly));
    }

    #[test]
    fn every_way_to_write_leaves_alone_what_is_not_its_own() {
        let head = "maker='x'\nmodel='x'\nclasses=['chiller']\nsource='x'\nverified=false\n[modbus]\n\
            [[point]]\nname='air_temperature'\nfunction=4\naddress=9\nkind='s16'\nunit='°C'\n";
        let point = |name: &str, function: u8, kind: &str, more: &str| {
            format!(
                "[[point]]\nname='{name}'\nfunction={function}\naddress=5\nkind='{kind}'\nunit='1'\n{more}\n"
            )
        };
        let text = [
            head.to_owned(),
            point("bit", 3, "u16", "bit=2\nwrite={function=6, range=[0, 1]}"),
            point("field", 3, "u32", "bits=[14, 17]\nword_order='cdab'\nwrite={function=16, range=[0, 15]}"),
            point("high", 3, "u16", "bits=[8, 9]\nwrite={function=16, range=[0, 3], mask_in_low_byte=true}"),
            point(
                "start",
                3,
                "u16",
                "bit=9\nwrite={function=6, address=9, values=[0, 1], words=[[1.0, 13], [0.0, 12]]}",
            ),
            point("far", 3, "u16", "bit=9\nwrite={function=16, address=9, range=[0, 1]}"),
            point("coils", 1, "bool", "write={function=15, range=[0, 1]}"),
            point("set", 3, "s16", "scale=0.1\nwrite={function=6, range=[-30, 30]}"),
        ]
        .concat();
        let profile = Profile::parse("x", &text).unwrap();
        let word = |name: &str, value, there: &[u16]| write(&profile, name, value, there);
        assert_eq!(word("bit", 1.0, &[0xff00]), Write::Register { address: 5, word: 0xff04 });
        assert_eq!(word("bit", 0.0, &[0xffff]), Write::Register { address: 5, word: 0xfffb });
        // Bits 14 to 17 of a number whose low word comes first.
        let words = vec![0x4001, 0x8002];
        assert_eq!(word("field", 9.0, &[0xc001, 0x8001]), Write::Registers { address: 5, words });
        assert_eq!(word("high", 2.0, &[]), Write::Registers { address: 5, words: vec![0x0203] });
        assert_eq!(word("start", 1.0, &[]), Write::Register { address: 9, word: 13 });
        assert_eq!(word("start", 0.0, &[]), Write::Register { address: 9, word: 12 });
        assert_eq!(word("far", 1.0, &[]), Write::Registers { address: 9, words: vec![1] });
        assert_eq!(word("coils", 1.0, &[]), Write::Coils { address: 5, states: vec![true] });
        assert_eq!(target(&profile, "set", -18.04).unwrap().expected, -18.0, "as rounded as it is written");
        assert_eq!(target(&profile, "start", 2.0), Err(CommandError::NotAccepted { value: 2.0 }));
    }
}
