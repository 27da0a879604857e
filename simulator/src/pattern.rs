//! A unit whose every register says where it was read: for tests and measurements that must know a
//! wrong value when they see one.

use std::collections::HashMap;
use storewarden_drivers::profile::Table;

/// The pattern of one unit. Coils and holding registers keep what is written to them.
#[derive(Clone, Debug)]
pub struct Pattern {
    unit: u8,
    written: HashMap<(Table, u16), u16>,
}

impl Pattern {
    /// The pattern of the unit of that number.
    pub fn new(unit: u8) -> Self {
        Self { unit, written: HashMap::new() }
    }

    /// The word at `address`; of a bit table 0 or 1.
    pub fn word(&self, table: Table, address: u16) -> u16 {
        let word = word(self.unit, address);
        let shown = if table.is_bits() { bit(word) } else { word };
        self.written.get(&(table, address)).copied().unwrap_or(shown)
    }

    /// Keeps `words` from `address` on; false if they reach beyond the last address.
    pub fn write(&mut self, table: Table, address: u16, words: &[u16]) -> bool {
        let ends = u32::from(address) + u32::try_from(words.len()).unwrap_or(u32::MAX);
        if ends > 0x1_0000 {
            return false;
        }
        self.written.extend((address..=u16::MAX).zip(words).map(|(at, word)| ((table, at), *word)));
        true
    }
}

/// What the register at `address` of unit `unit` says: (256 × unit + 7 × address + 13) mod 65536.
/// Two different (unit, address) with addresses less than 256 apart never say the same.
pub fn word(unit: u8, address: u16) -> u16 {
    (u16::from(unit) << 8).wrapping_add(address.wrapping_mul(7)).wrapping_add(13)
}

/// What a coil or discrete input says where a register would say `word`: whether an odd number of its
/// bits is set.
fn bit(word: u16) -> u16 {
    u16::from(word.count_ones() % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_tells_its_unit_and_address_within_256_addresses() {
        assert_eq!(word(1, 0), 269);
        assert_eq!(word(247, 65_535), 63_238); // (247 × 256 + 7 × 65535 + 13) mod 65536
        let mut seen: Vec<u16> = Vec::new();
        for unit in 0..=255 {
            seen.extend((1000..1256).map(|address| word(unit, address)));
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 65_536);
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_changes() {
        let mut pattern = Pattern::new(2);
        assert!(pattern.write(Table::HoldingRegister, 65_534, &[1, 2]));
        assert!(!pattern.write(Table::HoldingRegister, 65_535, &[1, 2]));
        let read = |address| pattern.word(Table::HoldingRegister, address);
        assert_eq!([read(65_533), read(65_534), read(65_535)], [word(2, 65_533), 1, 2]);
        assert_eq!(pattern.word(Table::InputRegister, 65_534), word(2, 65_534));
        assert!(pattern.word(Table::Coil, 65_534) <= 1);
    }
}
