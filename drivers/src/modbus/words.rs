//! Raw registers and bits to samples, and values to raw registers.
//!
//! A value is `raw × scale + offset`. The word order of the profile concerns numbers of two and
//! four registers only; the two bytes of a single register are always high byte first, as the
//! Modbus specification has it.

use crate::profile::{Kind, Register, WordOrder};
use storewarden_rules::{BadReason, Sample};

/// Why a value cannot become words of a point.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// Not a number, or infinite.
    #[error("{0} is not a finite number; write one")]
    NotFinite(f64),
    /// The raw number does not fit the registers.
    #[error("{value} becomes raw {raw}, which a {kind:?} cannot hold; write a smaller value")]
    TooLarge {
        /// The value asked for, in the point's unit.
        value: f64,
        /// What it became, rounded.
        raw: f64,
        /// What the point can hold.
        kind: Kind,
    },
    /// The raw number is one that the device uses to say "no sensor".
    #[error("{value} becomes raw {raw}, which means \"not available\" to this device; write another value")]
    Reserved {
        /// The value asked for, in the point's unit.
        value: f64,
        /// What it became.
        raw: u64,
    },
}

/// What the registers of a point say. Another number of words than the kind needs is
/// [`BadReason::Garbled`]; a "not available" raw value, NaN or infinity is
/// [`BadReason::SensorFault`]. Whether the value can be is [`crate::profile::Point::plausible`]'s.
pub fn decode(register: &Register, words: &[u16]) -> Sample {
    if words.len() != usize::from(register.kind.width()) {
        return Sample::Bad(BadReason::Garbled);
    }
    sample(register, assemble(register.word_order, words))
}

/// What the coil or discrete input of a point says.
pub fn decode_bit(register: &Register, bit: bool) -> Sample {
    sample(register, u64::from(bit))
}

/// The words that make a point read as `value`, rounded to the nearest raw number; for a coil one
/// word, 0 or 1; for a bit field the word with all other bits 0. What the point accepts is not checked here.
pub fn encode(register: &Register, value: f64) -> Result<Vec<u16>, EncodeError> {
    if !value.is_finite() {
        return Err(EncodeError::NotFinite(value));
    }
    let scaled = (value - register.offset) / register.scale;
    let whole = scaled.round();
    let too_large = EncodeError::TooLarge { value, raw: whole, kind: register.kind };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and every kind is checked below")]
    let integer = whole as i128;
    let raw = match register.kind {
        Kind::Bool => u64::try_from(integer).ok().filter(|raw| *raw <= 1),
        Kind::U16 => u16::try_from(integer).ok().map(u64::from),
        Kind::S16 => i16::try_from(integer).ok().map(|raw| u64::from(raw.cast_unsigned())),
        Kind::U32 => u32::try_from(integer).ok().map(u64::from),
        Kind::S32 => i32::try_from(integer).ok().map(|raw| u64::from(raw.cast_unsigned())),
        Kind::U64 => u64::try_from(integer).ok(),
        Kind::S64 => i64::try_from(integer).ok().map(i64::cast_unsigned),
        Kind::F32 => {
            #[expect(clippy::cast_possible_truncation, reason = "infinity, if too large, is refused")]
            let single = scaled as f32;
            single.is_finite().then(|| u64::from(single.to_bits()))
        }
        Kind::F64 => scaled.is_finite().then(|| scaled.to_bits()),
    }
    .ok_or(too_large)?;
    if register.unavailable.contains(&raw) {
        return Err(EncodeError::Reserved { value, raw });
    }
    let raw = match register.bits {
        Some((low, high)) if raw >> (high - low) >> 1 != 0 => return Err(too_large),
        Some((low, _)) => raw << low,
        None => raw,
    };
    Ok(raw_words(register, raw))
}

/// The words of a raw number, in the point's word order. Bits beyond the kind's width are dropped.
pub fn raw_words(register: &Register, raw: u64) -> Vec<u16> {
    let width = usize::from(register.kind.width());
    let [a, b, c, d, e, f, g, h] = raw.to_be_bytes();
    let all = [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes);
    let mut words = all[4 - width..].to_vec();
    order(register.word_order, &mut words);
    words
}

fn assemble(word_order: WordOrder, words: &[u16]) -> u64 {
    if let [word] = words {
        return u64::from(*word);
    }
    let next = |raw, word: &u16| {
        let swapped = matches!(word_order, WordOrder::Badc | WordOrder::Dcba);
        raw << 16 | u64::from(if swapped { word.swap_bytes() } else { *word })
    };
    match word_order {
        WordOrder::Abcd | WordOrder::Badc => words.iter().fold(0, next),
        WordOrder::Cdab | WordOrder::Dcba => words.iter().rev().fold(0, next),
    }
}

/// Turns wire order into high-word-first order and back: every order is its own inverse.
fn order(word_order: WordOrder, words: &mut [u16]) {
    if words.len() == 1 {
        return;
    }
    if matches!(word_order, WordOrder::Cdab | WordOrder::Dcba) {
        words.reverse();
    }
    if matches!(word_order, WordOrder::Badc | WordOrder::Dcba) {
        words.iter_mut().for_each(|word| *word = word.swap_bytes());
    }
}

#[expect(clippy::cast_precision_loss, reason = "counters beyond 2^53 lose their last digits only")]
#[expect(clippy::cast_possible_truncation, reason = "raw holds as many bits as the kind has")]
fn sample(register: &Register, raw: u64) -> Sample {
    if register.unavailable.contains(&raw) {
        return Sample::Bad(BadReason::SensorFault);
    }
    let raw = match register.bits {
        Some((low, high)) => raw << (63 - high) >> (63 - high + low),
        None => raw,
    };
    let number = match register.kind {
        Kind::Bool | Kind::U16 | Kind::U32 | Kind::U64 => raw as f64,
        Kind::S16 => f64::from((raw as u16).cast_signed()),
        Kind::S32 => f64::from((raw as u32).cast_signed()),
        Kind::S64 => raw.cast_signed() as f64,
        Kind::F32 => f64::from(f32::from_bits(raw as u32)),
        Kind::F64 => f64::from_bits(raw),
    };
    let value = scaled(number, register.scale) + register.offset;
    if !value.is_finite() {
        return Sample::Bad(BadReason::SensorFault);
    }
    Sample::Good(value)
}

/// `number × scale`. A scale of one tenth or the like divides instead: 0.1 has no exact binary form,
/// so 53 × 0.1 is 5.300000000000001, while 53 ÷ 10 is the 5.3 that the device shows.
fn scaled(number: f64, scale: f64) -> f64 {
    if scale >= 1.0 {
        return number * scale;
    }
    let divisor = (1.0 / scale).round();
    if (divisor * scale - 1.0).abs() < 1e-12 { number / divisor } else { number * scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Table;
    use proptest::prelude::*;

    const KINDS: [Kind; 8] =
        [Kind::U16, Kind::S16, Kind::U32, Kind::S32, Kind::U64, Kind::S64, Kind::F32, Kind::F64];
    const ORDERS: [WordOrder; 4] = [WordOrder::Abcd, WordOrder::Cdab, WordOrder::Badc, WordOrder::Dcba];

    fn register(kind: Kind, word_order: WordOrder) -> Register {
        Register {
            table: if kind == Kind::Bool { Table::Coil } else { Table::HoldingRegister },
            address: 0,
            kind,
            bits: None,
            word_order,
            scale: 1.0,
            offset: 0.0,
            scale_by: Vec::new(),
            unavailable: Vec::new(),
            write: None,
        }
    }

    /// The words of the first order are from Python 3.11, `struct.pack('>f', 230.5).hex()` and the
    /// like; the other orders were turned round by hand.
    #[test]
    fn every_kind_in_every_order_reads_and_writes_as_python_packs_it() {
        type Vector = (Kind, f64, [&'static [u16]; 4]);
        let vectors: [Vector; 9] = [
            (Kind::U16, 65351.0, [&[0xff47], &[0xff47], &[0xff47], &[0xff47]]),
            (Kind::S16, -185.0, [&[0xff47], &[0xff47], &[0xff47], &[0xff47]]),
            (Kind::U32, 3e9, [&[0xb2d0, 0x5e00], &[0x5e00, 0xb2d0], &[0xd0b2, 0x005e], &[0x005e, 0xd0b2]]),
            (
                Kind::S32,
                -123_456.0,
                [&[0xfffe, 0x1dc0], &[0x1dc0, 0xfffe], &[0xfeff, 0xc01d], &[0xc01d, 0xfeff]],
            ),
            (Kind::F32, 230.5, [&[0x4366, 0x8000], &[0x8000, 0x4366], &[0x6643, 0x0080], &[0x0080, 0x6643]]),
            (Kind::F32, -18.25, [&[0xc192, 0x0000], &[0x0000, 0xc192], &[0x92c1, 0x0000], &[0x0000, 0x92c1]]),
            (
                Kind::U64,
                12_345_678_901_234.0,
                [
                    &[0x0000, 0x0b3a, 0x73ce, 0x2ff2],
                    &[0x2ff2, 0x73ce, 0x0b3a, 0x0000],
                    &[0x0000, 0x3a0b, 0xce73, 0xf22f],
                    &[0xf22f, 0xce73, 0x3a0b, 0x0000],
                ],
            ),
            (
                Kind::S64,
                -123_456_789_012.0,
                [
                    &[0xffff, 0xffe3, 0x4166, 0xe5ec],
                    &[0xe5ec, 0x4166, 0xffe3, 0xffff],
                    &[0xffff, 0xe3ff, 0x6641, 0xece5],
                    &[0xece5, 0x6641, 0xe3ff, 0xffff],
                ],
            ),
            (
                Kind::F64,
                230.5,
                [
                    &[0x406c, 0xd000, 0x0000, 0x0000],
                    &[0x0000, 0x0000, 0xd000, 0x406c],
                    &[0x6c40, 0x00d0, 0x0000, 0x0000],
                    &[0x0000, 0x0000, 0x00d0, 0x6c40],
                ],
            ),
        ];
        for (kind, value, by_order) in vectors {
            for (word_order, words) in ORDERS.into_iter().zip(by_order) {
                let register = register(kind, word_order);
                assert_eq!(decode(&register, words), Sample::Good(value), "{kind:?} {word_order:?}");
                assert_eq!(encode(&register, value).as_deref(), Ok(words), "{kind:?} {word_order:?}");
            }
        }
    }

    #[test]
    fn what_is_no_value_is_never_a_number() {
        let mut probe = register(Kind::S16, WordOrder::Abcd);
        (probe.scale, probe.unavailable) = (0.1, vec![0x8000]);
        assert_eq!(decode(&probe, &[0x8000]), Sample::Bad(BadReason::SensorFault));
        assert_eq!(decode(&probe, &[]), Sample::Bad(BadReason::Garbled));
        assert_eq!(decode(&probe, &[1, 2]), Sample::Bad(BadReason::Garbled));
        let single = register(Kind::F32, WordOrder::Abcd);
        // IEEE 754: a quiet NaN and infinity.
        assert_eq!(decode(&single, &[0x7fc0, 0]), Sample::Bad(BadReason::SensorFault));
        assert_eq!(decode(&single, &[0x7f80, 0]), Sample::Bad(BadReason::SensorFault));
        // Low word first, and still all ones: "not available" is compared after ordering.
        let mut energy = register(Kind::S32, WordOrder::Cdab);
        energy.unavailable = vec![0x7fff_ffff];
        assert_eq!(decode(&energy, &[0xffff, 0x7fff]), Sample::Bad(BadReason::SensorFault));
    }

    #[test]
    fn scale_and_offset_apply_both_ways_and_writes_round() {
        let mut set_point = register(Kind::S16, WordOrder::Abcd);
        set_point.scale = 0.1;
        assert_eq!(encode(&set_point, -18.04).as_deref(), Ok(&[0xff4c][..])); // -180
        for (raw, shown) in [(53, 5.3), (0xff47, -18.5), (0xff4c, -18.0), (7, 0.7)] {
            assert_eq!(decode(&set_point, &[raw]), Sample::Good(shown));
        }
        set_point.offset = -40.0;
        assert_eq!(decode(&set_point, &[615]), Sample::Good(21.5));
        assert_eq!(encode(&set_point, 21.5).as_deref(), Ok(&[615][..]));
        (set_point.scale, set_point.offset) = (2.5, 0.0);
        assert_eq!(decode(&set_point, &[4]), Sample::Good(10.0));
    }

    #[test]
    fn bits_read_and_write_as_0_and_1() {
        let mut light = register(Kind::Bool, WordOrder::Abcd);
        assert_eq!(decode_bit(&light, true), Sample::Good(1.0));
        assert_eq!(decode_bit(&light, false), Sample::Good(0.0));
        assert_eq!(encode(&light, 1.0).as_deref(), Ok(&[1][..]));
        assert!(encode(&light, 2.0).is_err());
        // A relay wired to the normally closed contact.
        (light.scale, light.offset) = (-1.0, 1.0);
        assert_eq!(decode_bit(&light, true), Sample::Good(0.0));
        assert_eq!(encode(&light, 1.0).as_deref(), Ok(&[0][..]));
    }

    #[test]
    fn bit_fields_are_cut_out_and_put_in_place() {
        let mut state = register(Kind::U16, WordOrder::Abcd);
        state.bits = Some((8, 10));
        assert_eq!(decode(&state, &[0b0000_0101_1111_1111]), Sample::Good(5.0));
        assert_eq!(decode(&state, &[0b1111_1000_0000_0000]), Sample::Good(0.0));
        assert_eq!(encode(&state, 5.0).as_deref(), Ok(&[0b0000_0101_0000_0000][..]));
        assert!(matches!(encode(&state, 8.0), Err(EncodeError::TooLarge { .. })));
        let mut wide = register(Kind::U32, WordOrder::Cdab);
        wide.bits = Some((31, 31));
        assert_eq!(decode(&wide, &[0, 0x8000]), Sample::Good(1.0));
        assert_eq!(encode(&wide, 1.0).as_deref(), Ok(&[0, 0x8000][..]));
    }

    #[test]
    fn a_write_that_does_not_fit_is_refused() {
        assert!(matches!(
            encode(&register(Kind::U16, WordOrder::Abcd), -1.0),
            Err(EncodeError::TooLarge { raw, .. }) if raw == -1.0
        ));
        assert!(encode(&register(Kind::S16, WordOrder::Abcd), 32_768.0).is_err());
        assert!(encode(&register(Kind::U64, WordOrder::Abcd), 2e19).is_err());
        assert!(encode(&register(Kind::F32, WordOrder::Abcd), 1e39).is_err());
        assert!(matches!(
            encode(&register(Kind::F64, WordOrder::Abcd), f64::NAN),
            Err(EncodeError::NotFinite(_))
        ));
        let mut probe = register(Kind::S16, WordOrder::Abcd);
        probe.unavailable = vec![0x8000];
        assert!(matches!(encode(&probe, -32_768.0), Err(EncodeError::Reserved { raw: 0x8000, .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in -30_000i16..30_000, kind in 0usize..8, word_order in 0usize..4) {
            let register = register(KINDS[kind], ORDERS[word_order]);
            let value = f64::from(value);
            match encode(&register, value) {
                Ok(words) => prop_assert_eq!(decode(&register, &words), Sample::Good(value)),
                Err(_) => prop_assert!(value < 0.0 && matches!(register.kind, Kind::U16 | Kind::U32 | Kind::U64)),
            }
        }
    }
}
