//! A serial line may carry any bytes in any pieces: an answer is believed only if it stands among them,
//! with the unit, function, length and CRC that it must have.

mod requests;

use requests::{Seed, function, grant, is_answer, request, says};
use storewarden_drivers::modbus::request::{Outcome, Request};
use storewarden_drivers::modbus::rtu::{encode, exchange};

/// A part of what is on the line: what kind of frame, what is wrong with it, and its data.
type Part = (u8, u8, Vec<u8>);

/// CRC-16/MODBUS from the polynomial as it is printed, bit by bit, turned round at the end.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut remainder = 0xFFFF_u16;
    for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)) {
        let out = remainder >> 15 == 1;
        remainder <<= 1;
        if out != bit {
            remainder ^= 0x8005;
        }
    }
    remainder.reverse_bits().to_le_bytes()
}

fn sealed(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let body = [&[unit], pdu].concat();
    [&body[..], &crc(&body)].concat()
}

/// All that the bytes may be taken to say.
fn said(unit: u8, request: &Request, bytes: &[u8]) -> Vec<Outcome> {
    let frame_at = |place: usize| {
        let frame = bytes[place..].strip_prefix(&[unit])?;
        let (outcome, length) = says(request, frame)?;
        let sum = frame.get(length..length + 2)?;
        (sum == crc(&bytes[place..=place + length])).then_some(outcome)
    };
    (0..bytes.len()).filter_map(frame_at).collect()
}

fn check(unit: u8, request: &Request, echo: bool, bytes: &[u8], piece: usize) {
    let outcome = exchange(unit, request, echo, bytes, piece);
    if !is_answer(&outcome) {
        return;
    }
    // Our own frame, handed back, says nothing.
    let mut sent = Vec::new();
    encode(unit, request, &mut sent);
    let own = if echo || matches!(request, Request::Read { .. }) { &sent[..] } else { &[] };
    let bytes = bytes.strip_prefix(own).unwrap_or(bytes);
    assert!(
        said(unit, request, bytes).contains(&outcome),
        "{request:?} to {unit}: {outcome:?} from {bytes:02x?}"
    );
}

/// Nearly an answer, or not at all.
fn part(unit: u8, request: &Request, (kind, place, data): &Part) -> Vec<u8> {
    let granted = grant(request, data);
    let mut frame = match kind % 8 {
        0 | 1 => sealed(unit, &granted),
        2 => sealed(unit, &[function(request) | 0x80, *place]),
        3 => sealed(unit.wrapping_add(place % 3), &granted),
        4 => sealed(unit, &[&granted[..], data].concat()),
        5 => sealed(unit, &[&[function(request)], &data[..]].concat()),
        6 => {
            let mut sent = Vec::new();
            encode(unit, request, &mut sent);
            sent
        }
        _ => data.clone(),
    };
    // One byte wrong, or the rest missing.
    let at = usize::from(*place) % frame.len().max(1);
    match kind >> 6 {
        1 => frame.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= place | 1),
        2 => frame.truncate(at),
        _ => {}
    }
    frame
}

#[test]
fn the_check_itself_knows_a_frame_that_pymodbus_made() {
    assert_eq!(crc(&[0x01, 0x03, 0x00, 0x64, 0x00, 0x02]), [0x85, 0xD4]);
}

#[test]
fn any_bytes() {
    bolero::check!().with_type::<(u8, Seed, bool, Vec<u8>, u8)>().for_each(
        |(unit, seed, echo, bytes, piece)| {
            check(*unit, &request(*seed), *echo, bytes, usize::from(*piece));
        },
    );
}

#[test]
fn frames_and_what_is_nearly_one() {
    bolero::check!().with_type::<(u8, Seed, bool, Vec<Part>, u8)>().for_each(
        |(unit, seed, echo, parts, piece)| {
            let request = request(*seed);
            let bytes: Vec<u8> = parts.iter().flat_map(|one| part(*unit, &request, one)).collect();
            check(*unit, &request, *echo, &bytes, usize::from(*piece));
        },
    );
}

#[test]
fn the_answer_alone_is_always_found() {
    bolero::check!().with_type::<(u8, Seed, Vec<u8>, u8)>().for_each(|(unit, seed, data, piece)| {
        let request = request(*seed);
        let granted = grant(&request, data);
        let frame = sealed(*unit, &granted);
        let expected = says(&request, &granted).map(|(outcome, _)| outcome);
        assert_eq!(Some(exchange(*unit, &request, false, &frame, usize::from(*piece))), expected);
    });
}
