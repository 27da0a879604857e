//! The parameters of a serial line and the times that follow from them, as the Modbus serial line
//! specification V1.02, section 2.5.1, has them.

use std::fmt;
use std::time::Duration;

/// The parity bit of a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Parity {
    /// No parity bit.
    None,
    /// The specification's default.
    #[default]
    Even,
    /// Odd.
    Odd,
}

/// How characters are sent on a serial line. Always eight data bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Serial {
    /// Bits per second, 1200 to 115200.
    pub baud: u32,
    /// The parity bit.
    pub parity: Parity,
    /// Stop bits, 1 or 2.
    pub stop_bits: u8,
}

impl Serial {
    /// The specification's default: 19200 baud, even parity, one stop bit.
    pub const STANDARD: Self = Self { baud: 19_200, parity: Parity::Even, stop_bits: 1 };

    /// The time of `count` characters: start bit, eight data bits, parity bit if any, stop bits each.
    pub fn characters(self, count: u32) -> Duration {
        let bits = 9 + u32::from(self.parity != Parity::None) + u32::from(self.stop_bits);
        Duration::from_nanos(u64::from(bits) * u64::from(count) * 1_000_000_000 / u64::from(self.baud))
    }

    /// The longest silence inside a frame: 1.5 characters, above 19200 baud fixed at 750 µs.
    pub fn t1_5(self) -> Duration {
        if self.baud > 19_200 { Duration::from_micros(750) } else { self.characters(3) / 2 }
    }

    /// The shortest silence between frames: 3.5 characters, above 19200 baud fixed at 1750 µs.
    pub fn t3_5(self) -> Duration {
        if self.baud > 19_200 { Duration::from_micros(1750) } else { self.characters(7) / 2 }
    }
}

/// As it is written on devices: `9600 8N1`.
impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
        };
        write!(f, "{} 8{parity}{}", self.baud, self.stop_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_specification() {
        let at = |baud, parity, stop_bits| Serial { baud, parity, stop_bits };
        // 11 bits a character: 1.146 ms at 9600 baud; without parity and with one stop bit 10 bits.
        assert_eq!(at(9600, Parity::Even, 1).characters(1).as_micros(), 1145);
        assert_eq!(at(9600, Parity::None, 1).characters(12).as_micros(), 12_500);
        assert_eq!(at(9600, Parity::Even, 1).t3_5().as_micros(), 4010);
        assert_eq!(Serial::STANDARD.t1_5().as_micros(), 859);
        assert_eq!(at(115_200, Parity::Even, 1).t3_5().as_micros(), 1750);
        assert_eq!(at(38_400, Parity::None, 2).t1_5().as_micros(), 750);
    }
}
