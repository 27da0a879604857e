//! Writes to device points: what may be written, and the request that does it.

use crate::modbus::request::Write;
use crate::modbus::words::{EncodeError, encode};
use crate::profile::{Accepts, Point, Register, WriteFunction};

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
    /// It was sent and nothing came back. It may have had its effect: the next poll shows.
    #[error("sent, but the device did not answer; read the point to see whether it took effect")]
    NoAnswer,
    /// It was sent and what came back is no answer to it. It may have had its effect.
    #[error("sent, but the answer made no sense; read the point to see whether it took effect")]
    Garbled,
    /// The device refused it with this Modbus exception code.
    #[error("the device refused with Modbus exception {0}")]
    Exception(u8),
    /// The bus was stopped.
    #[error("the bus was stopped; nothing more is sent")]
    Stopped,
}

/// The write that sets the point in `register` to `value`.
pub fn write_of(point: &Point, register: &Register, value: f64) -> Result<Write, CommandError> {
    let (Some(accepts), Some(write)) = (&point.accepts, &register.write) else {
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
    let words = encode(register, value)?;
    let address = write.address;
    Ok(match write.function {
        WriteFunction::Coil => Write::Coil { address, on: words[0] != 0 },
        WriteFunction::Coils => Write::Coils { address, states: vec![words[0] != 0] },
        WriteFunction::Register => Write::Register { address, word: words[0] },
        WriteFunction::Registers => Write::Registers { address, words },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Profile, built_in};

    #[test]
    fn a_write_is_what_the_profile_allows_and_nothing_else() {
        let relay = built_in("waveshare-relay-8").unwrap();
        let carel = built_in("carel-ir33").unwrap();
        let write = |profile: &Profile, point: &str, value| {
            let index = profile.points.iter().position(|p| p.name == point).unwrap();
            write_of(&profile.points[index], &profile.modbus().unwrap().registers[index], value)
        };
        assert_eq!(write(&relay, "relay_3", 1.0), Ok(Write::Coil { address: 2, on: true }));
        let refused = Err(CommandError::OutOfRange { value: 2.0, low: 0.0, high: 1.0 });
        assert_eq!(write(&relay, "relay_3", 2.0), refused);
        assert!(matches!(write(&relay, "relay_3", f64::NAN), Err(CommandError::OutOfRange { .. })));
        assert_eq!(write(&carel, "air_temperature", 3.0), Err(CommandError::ReadOnly));
    }
}
