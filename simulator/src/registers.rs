//! A device's register map: the drivers' own profile, served from the world's values.

use crate::{
    fault::Kind as Broken,
    world::{Model, Value, World},
};
use storewarden_drivers::{
    modbus::words,
    profile::{Forbidden, Kind, Mask, Modbus, Point, Profile, Register, Table, WriteFunction},
};
use storewarden_rules::Sample;

/// A Modbus exception code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// 1: the device does not know the function.
    IllegalFunction,
    /// 2: nothing is at that address.
    IllegalAddress,
    /// 3: the count or the value cannot be.
    IllegalValue,
    /// 4: the device has failed.
    DeviceFailure,
    /// 6: the device has no time.
    Busy,
    /// 11: the gateway got no answer.
    GatewayTarget,
}

impl Exception {
    /// The code on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::IllegalFunction => 1,
            Self::IllegalAddress => 2,
            Self::IllegalValue => 3,
            Self::DeviceFailure => 4,
            Self::Busy => 6,
            Self::GatewayTarget => 11,
        }
    }
}

/// The words (for bits: 0 or 1) at `start` … `start + count` of the device at `device`.
///
/// An address between two points answers 0 where the profile says that such a gap may be read, and
/// exception 2 elsewhere. So does a point the model knows nothing of: no value is invented. A pattern
/// answers everywhere, in reads as long as the profile allows or, without one, the standard does.
pub fn read(
    world: &World,
    device: usize,
    profile: Option<&Profile>,
    table: Table,
    start: u16,
    count: u16,
) -> Result<Vec<u16>, Exception> {
    let modbus = profile.map(modbus).transpose()?;
    let (registers_max, bits_max) =
        modbus.map_or((125, 2000), |modbus| (modbus.registers_max, modbus.bits_max));
    let count_max = if table.is_bits() { bits_max } else { registers_max };
    if !(1..=count_max).contains(&count) {
        return Err(Exception::IllegalValue);
    }
    let end = u32::from(start) + u32::from(count);
    let pattern = world.pattern(device);
    let no_gaps = world.devices()[device].line.has(Broken::IllegalGap);
    let mut words = Vec::with_capacity(usize::from(count));
    for address in u32::from(start)..end {
        let address = u16::try_from(address).map_err(|_| Exception::IllegalAddress)?;
        let here = modbus.is_some_and(|modbus| points_at(modbus, table, address).next().is_some());
        if no_gaps && !here {
            return Err(Exception::IllegalAddress);
        }
        words.push(match (pattern, profile.zip(modbus)) {
            (Some(pattern), _) => pattern.word(table, address),
            (None, Some((profile, modbus))) if here => word(world, device, profile, modbus, table, address)?,
            (None, Some((_, modbus))) if is_readable_gap(modbus, table, address) => 0,
            _ => return Err(Exception::IllegalAddress),
        });
    }
    Ok(words)
}

/// The points at one address, by index.
fn points_at(modbus: &Modbus, table: Table, address: u16) -> impl Iterator<Item = (usize, &Register)> {
    modbus.registers.iter().enumerate().filter(move |(_, register)| {
        let end = u32::from(register.address) + u32::from(register.kind.width());
        register.table == table && register.address <= address && u32::from(address) < end
    })
}

/// The word at an address where points are. Those that are bits of one register share it.
fn word(
    world: &World,
    device: usize,
    profile: &Profile,
    modbus: &Modbus,
    table: Table,
    address: u16,
) -> Result<u16, Exception> {
    let mut word = 0;
    for (index, register) in points_at(modbus, table, address) {
        let point = &profile.points[index];
        // A point of which the model knows nothing is there, as on the device, and at rest. A recording
        // has what was recorded and nothing else.
        let value = match world.value(device, &point.name) {
            Some(value) => value,
            None if matches!(world.devices()[device].model, Model::Recording { .. }) => {
                return Err(Exception::IllegalAddress);
            }
            None => Value::Number(at_rest(point)),
        };
        word |= encode(register, value)?[usize::from(address - register.address)];
    }
    Ok(word)
}

/// 0, or the possible value nearest to it.
fn at_rest(point: &Point) -> f64 {
    point.range.as_ref().map_or(0.0, |range| 0.0_f64.clamp(*range.start(), *range.end()))
}

/// Takes a write of `words` (for a coil one word, 0 or 1) at `address`; of a pattern anywhere.
pub fn write(
    world: &mut World,
    device: usize,
    profile: Option<&Profile>,
    table: Table,
    address: u16,
    words: &[u16],
    function: WriteFunction,
) -> Result<(), Exception> {
    if let Some(pattern) = world.pattern_mut(device) {
        return if pattern.write(table, address, words) { Ok(()) } else { Err(Exception::IllegalAddress) };
    }
    let profile = profile.ok_or(Exception::IllegalAddress)?;
    let modbus = modbus(profile)?;
    let coil = |function| matches!(function, WriteFunction::Coil | WriteFunction::Coils);
    let mut taken = false;
    for (point, register) in profile.points.iter().zip(&modbus.registers) {
        let Some(write) = register.write.as_ref().filter(|write| {
            // One coil or several: what sets the one takes the other too.
            let is_of = write.function == function || (coil(write.function) && coil(function));
            write.address == address && is_of && coil(function) == (table == Table::Coil)
        }) else {
            continue;
        };
        let value = match (write.mask, register.bits) {
            (Mask::LowByte, Some((low, high))) => {
                let of = ((1u32 << (high + 1)) - (1u32 << low)) >> 8;
                if u32::from(words[0]) & of != of {
                    continue;
                }
                words::decode(register, words)
            }
            _ => match write.words.iter().find(|(_, word)| [*word] == *words) {
                Some((value, _)) => Sample::Good(*value),
                None if !write.words.is_empty() => return Err(Exception::IllegalValue),
                None => words::decode(register, words),
            },
        };
        let Sample::Good(value) = value else { return Err(Exception::IllegalValue) };
        if !point.accepts.as_ref().is_some_and(|accepts| accepts.contains(value)) {
            return Err(Exception::IllegalValue);
        }
        taken |= world.write(device, &point.name, value);
    }
    if taken { Ok(()) } else { Err(Exception::IllegalAddress) }
}

fn modbus(profile: &Profile) -> Result<&Modbus, Exception> {
    profile.modbus().ok_or(Exception::IllegalFunction)
}

/// Whether `address`, at which no point is, lies in a hole no longer than the profile's `gap_max`.
fn is_readable_gap(modbus: &Modbus, table: Table, address: u16) -> bool {
    let forbidden = |hole: &Forbidden| hole.table == table && hole.addresses.contains(&address);
    if modbus.forbidden.iter().any(forbidden) {
        return false;
    }
    let (mut below, mut above) = (None, None);
    for register in modbus.registers.iter().filter(|register| register.table == table) {
        let after = u32::from(register.address) + u32::from(register.kind.width());
        if after <= u32::from(address) {
            below = below.max(Some(after));
        } else {
            let next = u32::from(register.address);
            above = Some(above.map_or(next, |above: u32| above.min(next)));
        }
    }
    let hole = above.zip(below).map(|(above, below)| above - below);
    hole.is_some_and(|hole| hole <= u32::from(modbus.gap_max))
}

fn encode(register: &Register, value: Value) -> Result<Vec<u16>, Exception> {
    let number = match (value, register.unavailable.first()) {
        (Value::Number(number), _) => number,
        (Value::SensorFault, Some(raw)) => return Ok(words::raw_words(register, *raw)),
        (Value::SensorFault, None) if register.kind == Kind::S16 => return Ok(vec![OPEN_PROBE]),
        (Value::SensorFault, None) => return Err(Exception::DeviceFailure),
    };
    words::encode(register, number).map_err(|_| Exception::DeviceFailure)
}

/// What a signed temperature register shows for an open probe where the profile names no value of
/// its own: the converter at its stop, far beyond any range.
const OPEN_PROBE: u16 = 0x7FFF;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        physics::{meter::Meter, relay::Relay},
        world::Device,
    };
    use storewarden_drivers::profile::built_in;

    fn shop() -> World {
        let meter = Model::Meter {
            meter: Meter::default(),
            base_w: 900.0,
            cabinets: Vec::new(),
            lamps: vec![(1, "relay_1".into())],
        };
        let relay = Model::Relay(Relay::new([(1, 120.0)]));
        World::new(vec![Device::new("meter".into(), meter), Device::new("relay".into(), relay)], 8, 22.0)
    }

    #[test]
    fn gaps_the_profile_allows_read_zero_and_all_else_is_illegal() {
        let profile = built_in("eastron-sdm630").expect("shipped");
        let mut world = shop();
        world.step(1.0);
        let read = |start, count| read(&world, 0, Some(&profile), Table::InputRegister, start, count);
        // 300.0 as an IEEE 754 single is 0x43E10000.
        assert_eq!(read(0x0C, 2), Ok(vec![0x43E1, 0x0000]));
        assert_eq!(read(0x12, 2), Ok(vec![0, 0]), "the hole before 0x34 is 34 registers long");
        assert_eq!(read(0x100, 2), Err(Exception::IllegalAddress), "this one is longer than gap_max");
        assert_eq!(read(0x200, 1), Err(Exception::IllegalAddress));
        assert_eq!(read(0, 81), Err(Exception::IllegalValue), "longer than registers_max");
    }

    #[test]
    fn a_coil_is_written_through_the_profile_and_its_lamp_shows_on_the_meter() {
        let profile = built_in("waveshare-relay-8").expect("shipped");
        let mut world = shop();
        let mut set = |address, word, function| {
            write(&mut world, 1, Some(&profile), Table::Coil, address, &[word], function)
        };
        assert_eq!(set(0, 1, WriteFunction::Coil), Ok(()));
        assert_eq!(set(8, 1, WriteFunction::Coil), Err(Exception::IllegalAddress));
        assert_eq!(set(0, 1, WriteFunction::Registers), Err(Exception::IllegalAddress));
        assert_eq!(set(1, 1, WriteFunction::Coils), Ok(()), "several at once, though the profile says one");
        assert_eq!(set(1, 0, WriteFunction::Coil), Ok(()));
        assert_eq!(read(&world, 1, Some(&profile), Table::Coil, 0, 3), Ok(vec![1, 0, 0]));
        world.step(1.0);
        assert_eq!(world.value(0, "power_3"), Some(Value::Number(120.0)));
    }
}
