//! One unit's answer to one request: protocol data units in, protocol data units out.

use crate::{
    config::Unit,
    fault::{Kind, Struck},
    registers::{self, Exception},
    world::World,
};
use storewarden_drivers::profile::{Table, WriteFunction};

/// What a unit says, and what is to happen to it on its way.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Function code and data.
    pub pdu: Vec<u8>,
    /// The faults that strike it.
    pub struck: Struck,
}

/// The answer of `unit` to the request `pdu` (function code and data); none if it keeps silent.
pub fn answer(world: &mut World, unit: &Unit, pdu: &[u8]) -> Option<Answer> {
    let function = *pdu.first()?;
    let struck = world.line(unit.device).strike();
    if struck.has(Kind::NoResponse) {
        return None;
    }
    let refusals = [
        (Kind::Exception, Exception::DeviceFailure),
        (Kind::Busy, Exception::Busy),
        (Kind::GatewayTarget, Exception::GatewayTarget),
    ];
    let answered = match refusals.into_iter().find(|(kind, _)| struck.has(*kind)) {
        Some((_, exception)) => Err(exception),
        None => execute(world, unit, pdu),
    };
    let mut pdu = answered.unwrap_or_else(|exception| vec![function | 0x80, exception.code()]);
    if struck.has(Kind::Garbage) {
        // The count still promises what is no longer there.
        pdu.truncate(pdu.len().saturating_sub(2).max(1));
    }
    Some(Answer { pdu, struck })
}

/// The address under which the answer of the unit `number` comes when it carries a wrong one: that of
/// another of `units`, so that somebody may believe it.
pub fn another(units: &[Unit], number: u8) -> u8 {
    let other = units.iter().map(|unit| unit.number).find(|other| *other != number);
    other.unwrap_or(if number < 247 { number + 1 } else { 1 })
}

fn execute(world: &mut World, unit: &Unit, pdu: &[u8]) -> Result<Vec<u8>, Exception> {
    let (function, data) = pdu.split_first().ok_or(Exception::IllegalFunction)?;
    match function {
        1 => read(world, unit, Table::Coil, pdu),
        2 => read(world, unit, Table::DiscreteInput, pdu),
        3 => read(world, unit, Table::HoldingRegister, pdu),
        4 => read(world, unit, Table::InputRegister, pdu),
        5 => {
            let [address, value] = two_words(data)?;
            let bit = match value {
                0xFF00 => 1,
                0x0000 => 0,
                _ => return Err(Exception::IllegalValue),
            };
            write(world, unit, Table::Coil, address, &[bit], WriteFunction::Coil)?;
            Ok(pdu.to_vec())
        }
        6 => {
            let [address, value] = two_words(data)?;
            write(world, unit, Table::HoldingRegister, address, &[value], WriteFunction::Register)?;
            Ok(pdu.to_vec())
        }
        15 => {
            let (address, count, bytes) = several(data)?;
            if count.div_ceil(8) != u16::try_from(bytes.len()).map_err(|_| Exception::IllegalValue)? {
                return Err(Exception::IllegalValue);
            }
            for index in 0..count {
                let bit = u16::from(bytes[usize::from(index / 8)] >> (index % 8) & 1);
                let address = address.checked_add(index).ok_or(Exception::IllegalAddress)?;
                write(world, unit, Table::Coil, address, &[bit], WriteFunction::Coils)?;
            }
            Ok(pdu[..5].to_vec())
        }
        16 => {
            let (address, count, bytes) = several(data)?;
            let words: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            if words.len() != usize::from(count) || bytes.len() % 2 != 0 {
                return Err(Exception::IllegalValue);
            }
            write(world, unit, Table::HoldingRegister, address, &words, WriteFunction::Registers)?;
            Ok(pdu[..5].to_vec())
        }
        _ => Err(Exception::IllegalFunction),
    }
}

fn read(world: &World, unit: &Unit, table: Table, pdu: &[u8]) -> Result<Vec<u8>, Exception> {
    let [start, count] = two_words(&pdu[1..])?;
    let words = registers::read(world, unit.device, unit.profile.as_deref(), table, start, count)?;
    let bytes: Vec<u8> = if table.is_bits() {
        let pack = |bits: &[u16]| bits.iter().rev().fold(0u8, |byte, bit| byte << 1 | u8::from(*bit != 0));
        words.chunks(8).map(pack).collect()
    } else {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    };
    let length = u8::try_from(bytes.len()).map_err(|_| Exception::IllegalValue)?;
    Ok([&[pdu[0], length], &bytes[..]].concat())
}

fn write(
    world: &mut World,
    unit: &Unit,
    table: Table,
    address: u16,
    words: &[u16],
    function: WriteFunction,
) -> Result<(), Exception> {
    registers::write(world, unit.device, unit.profile.as_deref(), table, address, words, function)
}

fn two_words(data: &[u8]) -> Result<[u16; 2], Exception> {
    let [a, b, c, d] = *data else { return Err(Exception::IllegalValue) };
    Ok([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
}

/// Address, count and bytes of a request that writes several.
fn several(data: &[u8]) -> Result<(u16, u16, &[u8]), Exception> {
    let [a, b, c, d, length, bytes @ ..] = data else { return Err(Exception::IllegalValue) };
    let count = u16::from_be_bytes([*c, *d]);
    if bytes.len() != usize::from(*length) || count == 0 {
        return Err(Exception::IllegalValue);
    }
    Ok((u16::from_be_bytes([*a, *b]), count, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::Fault,
        physics::relay::Relay,
        world::{Device, Model},
    };
    use proptest::prelude::*;
    use std::{sync::Arc, time::Duration};
    use storewarden_drivers::profile::built_in;

    fn relay() -> (World, Unit) {
        let device = Device::new("relay-1".into(), Model::Relay(Relay::default()));
        let profile = Some(Arc::new(built_in("waveshare-relay-8").expect("shipped")));
        let unit = Unit { number: 4, profile, device: 0, turnaround: Duration::ZERO };
        (World::new(vec![device], 8, 22.0), unit)
    }

    /// Frames in the layout of the Modbus application protocol, V1.1b3, sections 6.1, 6.5 and 6.11.
    #[test]
    fn coils_are_packed_and_echoed_as_the_specification_has_it() {
        let (mut world, unit) = relay();
        let mut ask = |pdu: &[u8]| answer(&mut world, &unit, pdu).expect("an answer").pdu;
        assert_eq!(ask(&[5, 0, 2, 0xFF, 0]), [5, 0, 2, 0xFF, 0]);
        assert_eq!(ask(&[1, 0, 0, 0, 8]), [1, 1, 0b0000_0100]);
        assert_eq!(ask(&[15, 0, 0, 0, 8, 1, 0b1000_0001]), [15, 0, 0, 0, 8]);
        assert_eq!(ask(&[1, 0, 0, 0, 8]), [1, 1, 0b1000_0001]);
        assert_eq!(ask(&[5, 0, 2, 0x12, 0]), [0x85, 3]);
        assert_eq!(ask(&[1, 0, 8, 0, 1]), [0x81, 2]);
        assert_eq!(ask(&[43, 14, 1, 0]), [0xAB, 1]);
        assert_eq!(ask(&[1, 0]), [0x81, 3]);
    }

    #[test]
    fn a_broken_line_is_silent_or_refuses_or_promises_more_than_it_says() {
        let (mut world, unit) = relay();
        let mut with = |kind| {
            let fault = Fault::lasting("relay-1", kind);
            world.set_fault(&fault, true);
            let answer = answer(&mut world, &unit, &[1, 0, 0, 0, 8]);
            world.set_fault(&fault, false);
            answer.map(|answer| answer.pdu)
        };
        assert_eq!(with(Kind::NoResponse), None);
        assert_eq!(with(Kind::Exception), Some(vec![0x81, 4]));
        assert_eq!(with(Kind::Busy), Some(vec![0x81, 6]));
        assert_eq!(with(Kind::GatewayTarget), Some(vec![0x81, 0x0B]));
        assert_eq!(with(Kind::Garbage), Some(vec![1]));
        assert_eq!(with(Kind::Late), Some(vec![1, 1, 0]), "the way is bad, not the answer");
        assert_eq!([another(&[], 1), another(&[], 247), another(&[unit], 7)], [2, 1, 4]);
    }

    proptest! {
        /// Whoever is on the line may say anything: the answer is of the same function, whole or a
        /// refusal, and fits a frame.
        #[test]
        fn any_request_is_answered_in_kind(
            function in prop_oneof![1u8..=6, Just(15), Just(16), any::<u8>()],
            data in proptest::collection::vec(any::<u8>(), 0..253),
        ) {
            let (mut world, unit) = relay();
            let answer = answer(&mut world, &unit, &[&[function], &data[..]].concat()).expect("an answer").pdu;
            prop_assert!((2..=253).contains(&answer.len()));
            prop_assert_eq!(answer[0] & 0x7F, function & 0x7F);
        }
    }
}
