//! Golden traces: answers that pymodbus wrote from the makers' register lists (`golden/make.py`), read
//! through the shipped profiles.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::collections::BTreeMap;
use std::path::Path;
use storewarden_drivers::modbus::words::{decode, decode_bit};
use storewarden_drivers::profile::{Profile, Register, Table, built_in};
use storewarden_rules::Sample;

/// What the answers of a device say is in its tables.
#[derive(Default)]
struct Memory {
    words: BTreeMap<(Table, u16), u16>,
    bits: BTreeMap<(Table, u16), bool>,
}

impl Memory {
    /// Takes an answer apart: function code, byte count, data (Modbus application protocol V1.1b3,
    /// sections 6.1 to 6.4).
    fn take(&mut self, address: u16, pdu: &[u8]) {
        let (function, data) = (pdu[0], &pdu[2..]);
        assert_eq!(usize::from(pdu[1]), data.len());
        match function {
            1 | 2 => {
                let table = if function == 1 { Table::Coil } else { Table::DiscreteInput };
                for (place, address) in (0..data.len() * 8).zip(address..) {
                    self.bits.insert((table, address), data[place / 8] >> (place % 8) & 1 == 1);
                }
            }
            3 | 4 => {
                let table = if function == 3 { Table::HoldingRegister } else { Table::InputRegister };
                for (pair, address) in data.chunks_exact(2).zip(address..) {
                    self.words.insert((table, address), u16::from_be_bytes([pair[0], pair[1]]));
                }
            }
            other => panic!("function {other}"),
        }
    }

    fn sample(&self, register: &Register) -> Option<Sample> {
        let addresses = register.address..register.address + register.kind.width();
        if register.table.is_bits() {
            return Some(decode_bit(register, *self.bits.get(&(register.table, register.address))?));
        }
        let words: Option<Vec<u16>> =
            addresses.map(|address| self.words.get(&(register.table, address)).copied()).collect();
        Some(decode(register, &words?))
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Every point of the profile reads as the trace says, and the trace knows no others.
fn check(trace: &serde_json::Value) -> usize {
    let id = trace["profile"].as_str().unwrap();
    let profile: Profile = built_in(id).unwrap_or_else(|| panic!("{id} is not shipped"));
    let mut memory = Memory::default();
    for answer in trace["answers"].as_array().unwrap() {
        let address = u16::try_from(answer["address"].as_u64().unwrap()).unwrap();
        memory.take(address, &bytes(answer["pdu"].as_str().unwrap()));
    }
    let expect = trace["expect"].as_object().unwrap();
    for name in expect.keys() {
        assert!(profile.point(name).is_some(), "{id} has no point {name}");
    }
    for (point, register) in profile.points.iter().zip(&profile.modbus().unwrap().registers) {
        let expected = expect.get(&point.name).unwrap_or_else(|| panic!("{id}: no trace of {}", point.name));
        let sample = memory.sample(register).map(|sample| point.plausible(sample));
        match (expected, sample) {
            (serde_json::Value::String(reason), Some(Sample::Bad(bad))) => {
                assert_eq!(bad.name(), reason, "{id}/{}", point.name);
            }
            (serde_json::Value::Number(value), Some(Sample::Good(good))) => {
                let value = value.as_f64().unwrap();
                assert!(
                    (good - value).abs() <= 1e-9 * value.abs(),
                    "{id}/{}: {good}, not {value}",
                    point.name
                );
            }
            (expected, sample) => panic!("{id}/{}: {sample:?}, not {expected}", point.name),
        }
    }
    profile.points.len()
}

#[test]
fn every_family_is_read_as_its_register_list_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut traces = 0;
    let mut points = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            points += check(&serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap());
            traces += 1;
        }
    }
    assert!(traces >= 20 && points >= 200, "{traces} traces of {points} points");
}
