//! RTU frames against frames that pymodbus made, and against damage.
//!
//! The golden frames are the output of this, with pymodbus 3.16.1:
//!
//! ```python
//! from pymodbus.framer import FramerRTU
//! from pymodbus.pdu import DecodePDU, ExceptionResponse
//! from pymodbus.pdu.register_message import *
//! from pymodbus.pdu.bit_message import *
//! f = FramerRTU(DecodePDU(True))
//! bits = [bool(n % 3) for n in range(19)]
//! for pdu in [
//!     ReadCoilsRequest(17, 0, 19, 19), ReadCoilsResponse(17, 0, bits=bits),
//!     ReadDiscreteInputsRequest(247, 0, 196, 3), ReadDiscreteInputsResponse(247, 0, bits=[True, False, True]),
//!     ReadHoldingRegistersRequest(1, 0, 2545, 3), ReadHoldingRegistersResponse(1, 0, registers=[0xFF38, 555, 0]),
//!     ReadInputRegistersRequest(2, 0, 0xFFFF, 1), ReadInputRegistersResponse(2, 0, registers=[0x8000]),
//!     WriteSingleCoilRequest(3, 0, 172, bits=[True]), WriteSingleRegisterRequest(3, 0, 99, registers=[0xFFEC]),
//!     WriteMultipleCoilsRequest(address=0x203, bits=bits[:11], dev_id=4), WriteMultipleCoilsResponse(4, 0, 0x203, 11),
//!     WriteMultipleRegistersRequest(5, 0, 930, registers=[0x000A, 0x0102]), WriteMultipleRegistersResponse(5, 0, 930, 2),
//!     ExceptionResponse(3, 2, 1), ExceptionResponse(16, 4, 5),
//! ]:
//!     print(type(pdu).__name__, f.buildFrame(pdu).hex())
//! ```

use super::*;
use proptest::prelude::*;

fn read(table: Table, start: u16, count: u16) -> Request {
    Request::Read { table, start, count }
}

fn bits(count: usize) -> Vec<bool> {
    (0..count).map(|n| n % 3 != 0).collect()
}

/// Unit, request, its frame, the frame of the answer, and what the answer says.
fn golden() -> Vec<(u8, Request, &'static str, &'static str, Outcome)> {
    let words = |words: &[u16]| Outcome::Answer(Answer::Words(words.to_vec()));
    let states = |states: &[bool]| Outcome::Answer(Answer::Bits(states.to_vec()));
    let coil = Request::Write(Write::Coil { address: 172, on: true });
    let register = Request::Write(Write::Register { address: 99, word: 0xFFEC });
    let coils = Request::Write(Write::Coils { address: 0x203, states: bits(11) });
    let registers = Request::Write(Write::Registers { address: 930, words: vec![0x000A, 0x0102] });
    let temperatures = read(Table::HoldingRegister, 2545, 3);
    vec![
        (17, read(Table::Coil, 19, 19), "1101001300138e92", "110103b66d03b3a9", states(&bits(19))),
        (
            247,
            read(Table::DiscreteInput, 196, 3),
            "f70200c400036d60",
            "f70201055203",
            states(&[true, false, true]),
        ),
        (1, temperatures.clone(), "010309f1000357a4", "010306ff38022b0000e50f", words(&[0xFF38, 555, 0])),
        (1, temperatures, "010309f1000357a4", "018302c0f1", Outcome::Exception(2)),
        (2, read(Table::InputRegister, 0xFFFF, 1), "0204ffff000131dd", "02040280009cf0", words(&[0x8000])),
        (3, coil, "030500acff004df9", "030500acff004df9", Outcome::Written),
        (3, register, "03060063ffec384b", "03060063ffec384b", Outcome::Written),
        (4, coils, "040f0203000b02b6054e04", "040f0203000be5e1", Outcome::Written),
        (5, registers.clone(), "051003a2000204000a0102d99d", "051003a20002e1ea", Outcome::Written),
        (5, registers, "051003a2000204000a0102d99d", "0590040c02", Outcome::Exception(4)),
    ]
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn frame(body: &[u8]) -> Vec<u8> {
    [body, &crc(body).to_le_bytes()].concat()
}

#[test]
fn requests_are_written_as_pymodbus_writes_them() {
    for (unit, request, sent, ..) in golden() {
        let mut frame = vec![1, 2, 3];
        encode(unit, &request, &mut frame);
        assert_eq!(frame, hex(sent), "{request:?}");
    }
}

#[test]
fn answers_of_pymodbus_are_understood_in_whatever_pieces_they_come() {
    for (unit, request, _, answer, said) in golden() {
        let answer = hex(answer);
        for piece in 1..=answer.len() {
            assert_eq!(exchange(unit, &request, false, &answer, piece), said, "{request:?}");
        }
        for len in 0..answer.len() {
            let outcome = exchange(unit, &request, false, &answer[..len], 1);
            assert!(matches!(outcome, Outcome::TimedOut | Outcome::Garbled), "{request:?} {outcome:?}");
        }
        assert_eq!(answer_len(&request).min(5), answer.len().min(5));
    }
}

#[test]
fn what_is_sent_may_come_back_before_the_answer() {
    for (unit, request, sent, answer, said) in golden() {
        let both = [hex(sent), hex(answer)].concat();
        for piece in [1, 5, 8, both.len()] {
            assert_eq!(exchange(unit, &request, true, &both, piece), said, "{request:?}");
        }
        assert_eq!(exchange(unit, &request, true, &hex(sent), 1), Outcome::TimedOut, "an echo alone");
        // Of reads and of functions 15 and 16 the line need not be known to echo.
        if !matches!(request, Request::Write(Write::Coil { .. } | Write::Register { .. })) {
            assert_eq!(exchange(unit, &request, false, &both, 1), said, "{request:?}");
            assert_eq!(exchange(unit, &request, false, &hex(sent), 1), Outcome::TimedOut);
        }
    }
}

#[test]
fn an_echo_is_noticed_at_a_read() {
    let request = read(Table::HoldingRegister, 2545, 3);
    let (sent, answer) = (hex("010309f1000357a4"), hex("010306ff38022b0000e50f"));
    for echo in [true, false] {
        let mut receiver = Receiver::new(1, &request, &sent, !echo);
        let before = if echo { &sent[..] } else { &[] };
        assert!(receiver.feed(&[before, &answer].concat()).is_some());
        assert_eq!(receiver.echoed(), Some(echo));
    }
}

/// The request for 20 coils from 0x0305 on looks exactly like its own answer.
#[test]
fn an_echo_that_looks_like_an_answer_is_not_taken_for_one() {
    let request = read(Table::Coil, 0x0305, 20);
    let mut sent = Vec::new();
    encode(1, &request, &mut sent);
    assert_eq!(sent.len(), answer_len(&request));
    assert_eq!(exchange(1, &request, false, &sent, 8), Outcome::TimedOut);
    let answer = frame(&[1, 1, 3, 0xFF, 0xFF, 0x0F]);
    let outcome = exchange(1, &request, false, &[sent, answer].concat(), 1);
    assert_eq!(outcome, Outcome::Answer(Answer::Bits(vec![true; 20])));
}

#[test]
fn the_late_answer_of_another_unit_and_noise_are_passed_over() {
    let request = read(Table::HoldingRegister, 2545, 3);
    let answer = hex("010306ff38022b0000e50f");
    let said = Outcome::Answer(Answer::Words(vec![0xFF38, 555, 0]));
    let late = frame(&[9, 3, 6, 0, 1, 0, 2, 0, 3]);
    for before in [&late[..], &[0], &[0xFF, 0x00], &[1], &late[..7], &frame(&[9, 0x83, 2])] {
        for piece in [1, 3, 64] {
            assert_eq!(exchange(1, &request, false, &[before, &answer].concat(), piece), said, "{before:?}");
        }
    }
    assert_eq!(exchange(1, &request, false, &late, 1), Outcome::TimedOut, "ours said nothing");
    assert_eq!(exchange(1, &request, false, &[0, 0xFF, 0], 1), Outcome::TimedOut, "noise");
    assert_eq!(exchange(1, &request, false, &[0xA5; 40], 1), Outcome::Garbled);
}

#[test]
fn a_frame_of_the_unit_that_does_not_answer_ends_the_exchange_at_its_last_byte() {
    let request = read(Table::HoldingRegister, 2545, 3);
    let mut flipped = hex("010306ff38022b0000e50f");
    flipped[4] ^= 0x10;
    let register = Request::Write(Write::Register { address: 99, word: 7 });
    let registers = Request::Write(Write::Registers { address: 99, words: vec![7, 8] });
    for (request, answer) in [
        (&request, flipped),
        (&request, frame(&[1, 3, 4, 0, 1, 0, 2])),
        (&request, frame(&[1, 3, 8, 0, 1, 0, 2, 0, 3, 0, 4])),
        (&request, vec![1, 0x83, 2, 0xC0, 0xF0]),
        (&register, frame(&[1, 6, 0, 99, 0, 8])),
        (&register, frame(&[1, 6, 0, 98, 0, 7])),
        (&registers, frame(&[1, 16, 0, 99, 0, 1])),
        (&registers, frame(&[1, 16, 0, 98, 0, 2])),
    ] {
        let mut sent = Vec::new();
        encode(1, request, &mut sent);
        let mut receiver = Receiver::new(1, request, &sent, false);
        let (last, first) = answer.split_last().unwrap();
        assert_eq!(receiver.feed(first), None, "{answer:02x?}");
        assert!(receiver.has_begun(), "{answer:02x?}");
        assert_eq!(receiver.feed(&[*last]), Some(Outcome::Garbled), "{answer:02x?}");
    }
}

#[test]
fn another_unit_or_function_is_never_an_answer() {
    let request = read(Table::HoldingRegister, 2545, 3);
    for body in [[2, 3, 6, 0, 1, 0, 2, 0, 3], [1, 4, 6, 0, 1, 0, 2, 0, 3]] {
        assert_eq!(exchange(1, &request, false, &frame(&body), 4), Outcome::TimedOut);
    }
}

#[test]
fn a_frame_that_is_shorter_than_it_says_is_garbled() {
    let request = read(Table::HoldingRegister, 2545, 3);
    assert_eq!(exchange(1, &request, false, &frame(&[1, 3, 6, 0, 1]), 4), Outcome::Garbled);
}

#[test]
fn a_babbling_line_is_not_heard_for_ever() {
    let request = read(Table::HoldingRegister, 2545, 3);
    let sent = hex("010309f1000357a4");
    let mut receiver = Receiver::new(1, &request, &sent, false);
    let fed = (1..).find(|_| receiver.feed(&[0x55; 7]) == Some(Outcome::Garbled));
    assert_eq!(fed, Some(HEARD_MAX.div_ceil(7)));
    assert_eq!(receiver.heard.len(), HEARD_MAX);
}

fn requests() -> impl Strategy<Value = Request> {
    let table = prop_oneof![
        Just(Table::Coil),
        Just(Table::DiscreteInput),
        Just(Table::HoldingRegister),
        Just(Table::InputRegister)
    ];
    prop_oneof![
        (table, any::<u16>(), 1_u16..=125).prop_map(|(table, start, count)| read(table, start, count)),
        (any::<u16>(), any::<bool>()).prop_map(|(address, on)| Request::Write(Write::Coil { address, on })),
        (any::<u16>(), any::<u16>())
            .prop_map(|(address, word)| Request::Write(Write::Register { address, word })),
        (any::<u16>(), prop::collection::vec(any::<bool>(), 1..=16))
            .prop_map(|(address, states)| Request::Write(Write::Coils { address, states })),
        (any::<u16>(), prop::collection::vec(any::<u16>(), 1..=4))
            .prop_map(|(address, words)| Request::Write(Write::Registers { address, words })),
    ]
}

/// The frame of a granting answer, with `data` where the request is a read.
fn grant(unit: u8, request: &Request, data: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    encode(unit, request, &mut sent);
    let len = data_len(request);
    match request {
        Request::Read { .. } => {
            let head = [unit, function(request), u8::try_from(len).unwrap()];
            frame(&[&head, &data[..len]].concat())
        }
        Request::Write(_) => frame(&sent[..6]),
    }
}

fn granted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answer(_) | Outcome::Written)
}

proptest! {
    #[test]
    fn no_bytes_can_break_it(
        unit in 1_u8..=247,
        request in requests(),
        echo: bool,
        piece in 1_usize..64,
        head in 0_usize..4,
        mut noise in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        // Also noise that begins as the answer, or the request, would.
        let answer = grant(unit, &request, &[0; 250]);
        noise.splice(..0, answer[..head].iter().copied());
        prop_assert!(!granted(&exchange(unit, &request, echo, &noise, piece)));
    }

    #[test]
    fn one_wrong_bit_is_never_a_value(
        unit in 1_u8..=247,
        request in requests(),
        data in prop::collection::vec(any::<u8>(), 250),
        at: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let mut answer = grant(unit, &request, &data);
        prop_assert!(granted(&exchange(unit, &request, false, &answer, 7)));
        let at = at.index(answer.len());
        answer[at] ^= 1 << bit;
        prop_assert!(!granted(&exchange(unit, &request, false, &answer, 7)));
    }

    #[test]
    fn one_lost_byte_is_never_a_value(
        unit in 1_u8..=247,
        request in requests(),
        data in prop::collection::vec(any::<u8>(), 250),
        at: prop::sample::Index,
    ) {
        let mut answer = grant(unit, &request, &data);
        answer.remove(at.index(answer.len()));
        prop_assert!(!granted(&exchange(unit, &request, false, &answer, 7)));
    }

    #[test]
    fn the_answer_is_found_behind_whatever_is_not_of_its_unit(
        unit in 1_u8..=247,
        request in requests(),
        data in prop::collection::vec(any::<u8>(), 250),
        mut noise in prop::collection::vec(any::<u8>(), 0..300),
        piece in 1_usize..64,
    ) {
        noise.retain(|byte| *byte != unit);
        let clean = grant(unit, &request, &data);
        let said = exchange(unit, &request, false, &clean, 64);
        prop_assert_eq!(exchange(unit, &request, false, &[noise, clean].concat(), piece), said);
    }
}
