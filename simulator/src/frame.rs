//! RTU frames: address, protocol data unit, check sum; and what a bad line makes of them.
//!
//! Written here and not taken from the drivers: both sides judge each other.

use crate::{fault::Kind, unit::Answer};

/// The check sum of the serial line specification V1.02, section 6.2.2, low byte first.
pub fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
        }
    }
    crc.to_le_bytes()
}

/// Address and protocol data unit of a frame; none if it is too short or its check sum is wrong.
pub fn open(frame: &[u8]) -> Option<(u8, &[u8])> {
    let (body, sum) = frame.split_last_chunk::<2>()?;
    let (number, pdu) = body.split_first()?;
    (!pdu.is_empty() && crc(body) == *sum).then_some((*number, pdu))
}

/// The characters of `answer` under the address `number`, as a bad line leaves them: lost ones are
/// none. One to three are lost, or one to three bits turned; the check sum is that of what was sent,
/// and finds every such error (its Hamming distance is 4 at these lengths).
pub fn seal(number: u8, answer: &mut Answer) -> Vec<Option<u8>> {
    let mut frame = [&[number], &answer.pdu[..]].concat();
    frame.extend(crc(&frame));
    let struck = &mut answer.struck;
    if struck.has(Kind::BitFlips) {
        let count = struck.dice.usize(1..=3);
        for bit in struck.dice.choose_multiple(0..frame.len() * 8, count) {
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
    let mut chars: Vec<Option<u8>> = frame.into_iter().map(Some).collect();
    if struck.has(Kind::LostBytes) {
        let count = struck.dice.usize(1..=3);
        for index in struck.dice.choose_multiple(0..chars.len(), count) {
            chars[index] = None;
        }
    }
    chars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Line};

    /// The frame of the specification's own example of the sum, 02 07 41 12 (section 6.2.2).
    #[test]
    fn the_check_sum_is_that_of_the_specification() {
        assert_eq!(crc(&[0x02, 0x07]), [0x41, 0x12]);
        assert_eq!(open(&[0x02, 0x07, 0x41, 0x12]), Some((2, &[7][..])));
        assert_eq!(open(&[0x02, 0x07, 0x12, 0x41]), None);
        assert_eq!(open(&[0xFF, 0xFF]), None);
        assert_eq!(open(&[]), None);
    }

    fn sealed(kind: Option<Kind>, seed: u64) -> Vec<Option<u8>> {
        let mut line = Line::new(seed);
        kind.into_iter().for_each(|kind| line.set(&Fault::lasting("a", kind), true));
        seal(9, &mut Answer { pdu: vec![3, 2, 0x12, 0x34], struck: line.strike() })
    }

    #[test]
    fn flipped_bits_and_lost_bytes_are_few_and_never_pass_for_an_answer() {
        let good: Vec<u8> = sealed(None, 0).into_iter().flatten().collect();
        assert_eq!(open(&good), Some((9, &[3, 2, 0x12, 0x34][..])));
        for seed in 0..500 {
            let bad: Vec<u8> = sealed(Some(Kind::BitFlips), seed).into_iter().flatten().collect();
            let flipped: u32 = bad.iter().zip(&good).map(|(bad, good)| (bad ^ good).count_ones()).sum();
            assert!(bad.len() == good.len() && (1..=3).contains(&flipped), "{bad:02x?}");
            assert_eq!(open(&bad), None);
            let lost = sealed(Some(Kind::LostBytes), seed);
            assert!((1..=3).contains(&lost.iter().filter(|char| char.is_none()).count()), "{lost:02x?}");
            assert!(lost.iter().zip(&good).all(|(char, good)| char.is_none_or(|char| char == *good)));
        }
    }
}
