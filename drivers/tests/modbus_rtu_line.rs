//! RTU lines against a device that speaks bytes, on a pseudo terminal and over TCP.
//!
//! The frames are those that pymodbus 3.16.1 makes:
//!
//! ```python
//! from pymodbus.framer import FramerRTU
//! from pymodbus.pdu import DecodePDU, ExceptionResponse
//! from pymodbus.pdu.register_message import *
//! f = FramerRTU(DecodePDU(True))
//! for name, pdu in [
//!     ("ASK", ReadHoldingRegistersRequest(1, 0, 100, 2)),
//!     ("ONE", ReadHoldingRegistersResponse(1, 0, registers=[0x0101, 0x0102])),
//!     ("ONE_LATE", ReadHoldingRegistersResponse(1, 0, registers=[0xDEAD, 0xBEEF])),
//!     ("ONE_SHORT", ReadHoldingRegistersResponse(1, 0, registers=[0x0101])),
//!     ("TWO", ReadHoldingRegistersResponse(2, 0, registers=[0x0201, 0x0202])),
//!     ("REFUSED", ExceptionResponse(3, 2, 1)),
//!     ("SET", WriteSingleRegisterRequest(1, 0, 99, registers=[7])),
//! ]:
//!     print(name, f.buildFrame(pdu).hex())
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod parties;

use parties::{Agent, Terminal, device, point, profile};
use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use storewarden_drivers::modbus::line::{Line, Transport};
use storewarden_drivers::modbus::request::{Answer, LinkAfter, Outcome, Request, Write};
use storewarden_drivers::modbus::serial::{Parity, Serial};
use storewarden_drivers::profile::Table;
use storewarden_rules::{BadReason, Millis, Sample};

const ASK: &str = "01030064000285d4";
const ONE: &str = "010304010101022a5e";
const ONE_LATE: &str = "010304deadbeef61d6";
const ONE_SHORT: &str = "01030201017814";
const TWO: &str = "0203040201020219ea";
const REFUSED: &str = "018302c0f1";
const SET: &str = "0106006300073816";

const READ: Request = Request::Read { table: Table::HoldingRegister, start: 100, count: 2 };
const WRITE: Request = Request::Write(Write::Register { address: 99, word: 7 });
/// For a device that will not answer in time.
const TIMEOUT: Duration = Duration::from_millis(200);
/// For one that will, however busy this machine is.
const SOON: Duration = parties::PATIENCE;

fn one() -> (Outcome, LinkAfter) {
    (Outcome::Answer(Answer::Words(vec![0x0101, 0x0102])), LinkAfter::Kept)
}

fn kept(outcome: Outcome) -> (Outcome, LinkAfter) {
    (outcome, LinkAfter::Kept)
}

fn hex(text: &str) -> Vec<u8> {
    let digits = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(digits).collect()
}

/// The device's end of a line.
trait Wire: Read + std::io::Write + Send {}
impl<T: Read + std::io::Write + Send> Wire for T {}

struct Device {
    wire: Box<dyn Wire>,
    /// Keeps the pseudo terminal alive.
    _terminal: Option<Terminal>,
}

impl Device {
    fn expect(&mut self, frame: &str) {
        let mut heard = vec![0; frame.len() / 2];
        self.wire.read_exact(&mut heard).unwrap();
        assert_eq!(heard, hex(frame));
    }

    fn say(&mut self, frame: &str) {
        self.wire.write_all(&hex(frame)).unwrap();
        self.wire.flush().unwrap();
    }
}

const FAST: Serial = Serial::STANDARD;

async fn over_tcp(serial: Serial) -> (Line, Device) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let line = Line::open("bus", &Transport::RtuOverTcp { address, serial }).await.unwrap();
    let (stream, _) = listener.accept().unwrap();
    (line, Device { wire: Box::new(stream), _terminal: None })
}

async fn on_a_port(serial: Serial) -> (Line, Device) {
    let terminal = Terminal::open();
    let port = terminal.path.clone();
    let line = Line::open("bus", &Transport::Serial { port, serial }).await.unwrap();
    let wire = Box::new(terminal.master.try_clone().unwrap());
    (line, Device { wire, _terminal: Some(terminal) })
}

/// Both kinds of line, one after the other.
async fn both() -> [(Line, Device); 2] {
    [over_tcp(FAST).await, on_a_port(FAST).await]
}

/// The device lives on a thread of its own.
fn play<T: Send + 'static>(mut device: Device, part: fn(&mut Device) -> T) -> JoinHandle<(Device, T)> {
    std::thread::spawn(move || {
        let told = part(&mut device);
        (device, told)
    })
}

#[tokio::test]
async fn values_refusals_and_echoes_of_writes_are_understood() {
    for (mut line, device) in both().await {
        let device = play(device, |device| {
            device.expect(ASK);
            device.say(ONE);
            device.expect(ASK);
            device.say(REFUSED);
            device.expect(SET);
            device.say(SET);
        });
        assert_eq!(line.ask(1, &READ, SOON).await, one());
        assert_eq!(line.ask(1, &READ, SOON).await, kept(Outcome::Exception(2)));
        assert_eq!(line.ask(1, &WRITE, SOON).await, kept(Outcome::Written));
        device.join().unwrap();
    }
}

#[tokio::test]
async fn an_answer_may_come_in_pieces_with_the_pauses_of_a_usb_adaptor() {
    for (mut line, device) in both().await {
        let device = play(device, |device| {
            device.expect(ASK);
            for piece in hex(ONE).chunks(2) {
                device.wire.write_all(piece).unwrap();
                std::thread::sleep(Duration::from_millis(16));
            }
        });
        assert_eq!(line.ask(1, &READ, SOON).await, one());
        device.join().unwrap();
    }
}

#[tokio::test]
async fn the_late_answer_of_another_unit_is_passed_over() {
    for (mut line, device) in both().await {
        let device = play(device, |device| {
            device.expect(ASK);
            device.say(TWO);
            std::thread::sleep(Duration::from_millis(20));
            device.say(ONE);
            device.expect(ASK);
            device.say(TWO);
        });
        assert_eq!(line.ask(1, &READ, SOON).await, one());
        assert_eq!(line.ask(1, &READ, TIMEOUT).await, kept(Outcome::TimedOut), "only another one spoke");
        device.join().unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_came_after_its_time_out_is_not_the_next_ones() {
    for (mut line, device) in both().await {
        let late = play(device, |device| {
            device.expect(ASK);
            std::thread::sleep(TIMEOUT + Duration::from_millis(100));
            device.say(ONE_LATE);
        });
        assert_eq!(line.ask(1, &READ, TIMEOUT).await, kept(Outcome::TimedOut));
        while !late.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (device, ()) = late.join().unwrap();
        let device = play(device, |device| {
            device.expect(ASK);
            device.say(ONE);
        });
        assert_eq!(line.ask(1, &READ, SOON).await, one());
        device.join().unwrap();
    }
}

#[tokio::test]
async fn what_came_while_the_thread_slept_is_thrown_away_too() {
    for (mut line, mut device) in both().await {
        device.say(ONE_LATE);
        // Long enough for the line to count as silent, and without a turn for the runtime.
        std::thread::sleep(Duration::from_millis(100));
        let device = play(device, |device| {
            device.expect(ASK);
            device.say(ONE);
        });
        assert_eq!(line.ask(1, &READ, SOON).await, one());
        device.join().unwrap();
    }
}

#[tokio::test]
async fn an_adaptor_that_hands_back_what_is_sent_confirms_nothing() {
    for (mut line, device) in both().await {
        let device = play(device, |device| {
            device.expect(ASK);
            device.say(ASK);
            device.say(ONE);
            device.expect(SET);
            device.say(SET);
            device.say(SET);
            // From here on the device itself is dead.
            device.expect(SET);
            device.say(SET);
            device.expect(ASK);
            device.say(ASK);
        });
        assert_eq!(line.ask(1, &READ, SOON).await, one());
        assert_eq!(line.ask(1, &WRITE, SOON).await, kept(Outcome::Written));
        assert_eq!(line.ask(1, &WRITE, TIMEOUT).await, kept(Outcome::TimedOut));
        assert_eq!(line.ask(1, &READ, TIMEOUT).await, kept(Outcome::TimedOut));
        device.join().unwrap();
    }
}

#[tokio::test]
async fn damaged_answers_are_never_values_and_the_next_one_is_right() {
    for (mut line, device) in both().await {
        let device = play(device, |device| {
            for damage in ["010304010101032a5e", "0103040101022a5e", ONE_SHORT, "010304010101022a"] {
                device.expect(ASK);
                device.say(damage);
                device.expect(ASK);
                device.say(ONE);
            }
        });
        for damage in ["a flipped bit", "a lost byte", "another count", "a torn end"] {
            let outcome = line.ask(1, &READ, SOON).await;
            assert_eq!(outcome, kept(Outcome::Garbled), "{damage}");
            assert_eq!(line.ask(1, &READ, SOON).await, one(), "after {damage}");
        }
        device.join().unwrap();
    }
}

#[tokio::test]
async fn a_broken_off_answer_does_not_cost_the_whole_time_out() {
    for (mut line, device) in both().await {
        let device = play(device, |device| {
            device.expect(ASK);
            device.say(&ONE[..10]);
        });
        // Longer than the test may take: it ends only because the answer has begun.
        let asking = line.ask(1, &READ, Duration::from_secs(3600));
        let outcome = tokio::time::timeout(parties::PATIENCE, asking).await.expect("given up");
        assert_eq!(outcome, kept(Outcome::Garbled));
        device.join().unwrap();
    }
}

#[tokio::test]
async fn a_babbling_line_gives_no_value_and_recovers() {
    for (mut line, mut device) in both().await {
        let babbling = Arc::new(AtomicBool::new(true));
        let babbler = {
            let babbling = Arc::clone(&babbling);
            std::thread::spawn(move || {
                while babbling.load(Ordering::Relaxed) {
                    device.wire.write_all(&[0x55; 3]).unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                }
                device
            })
        };
        for _ in 0..2 {
            let (outcome, link) = line.ask(1, &READ, TIMEOUT).await;
            assert!(matches!(outcome, Outcome::TimedOut | Outcome::Garbled), "{outcome:?}");
            assert_eq!(link, LinkAfter::Kept);
        }
        babbling.store(false, Ordering::Relaxed);
        let device = play(babbler.join().unwrap(), |device| {
            for _ in 0..3 {
                device.expect(ASK);
            }
            device.say(ONE);
        });
        assert_eq!(line.ask(1, &READ, SOON).await, one());
        device.join().unwrap();
    }
}

#[tokio::test]
async fn a_line_whose_other_end_is_gone_is_lost() {
    for (mut line, device) in both().await {
        let device = play(device, |device| {
            device.expect(ASK);
            device.say(ONE);
        });
        assert_eq!(line.ask(1, &READ, SOON).await, one());
        drop(device.join().unwrap());
        let gone = async {
            // The first request may still be taken by a closed connection.
            while line.ask(1, &READ, TIMEOUT).await != (Outcome::Lost, LinkAfter::Dropped) {}
        };
        tokio::time::timeout(parties::PATIENCE, gone).await.expect("noticed");
    }
}

#[tokio::test]
async fn a_gateway_from_which_nothing_comes_is_connected_anew_and_a_port_is_not() {
    let ((mut gateway, _tcp), (mut port, _pty)) = (over_tcp(FAST).await, on_a_port(FAST).await);
    let short = Duration::from_millis(10);
    let links = async |line: &mut Line| {
        let mut links = Vec::new();
        for _ in 0..3 {
            links.push(line.ask(1, &READ, short).await.1);
        }
        links
    };
    assert_eq!(links(&mut gateway).await, [LinkAfter::Kept, LinkAfter::Kept, LinkAfter::Dropped]);
    assert_eq!(links(&mut port).await, [LinkAfter::Kept; 3]);
}

/// At 1200 baud, where 3.5 characters are 32.08 ms.
#[tokio::test]
async fn the_line_is_silent_for_three_and_a_half_characters_before_a_request() {
    let slow = Serial { baud: 1200, parity: Parity::Even, stop_bits: 1 };
    for (mut line, device) in [over_tcp(slow).await, on_a_port(slow).await] {
        let device = play(device, |device| {
            let mut silences = Vec::new();
            for _ in 0..4 {
                device.expect(ASK);
                // From before the answer leaves: no pause of this thread can make it shorter.
                let saying = Instant::now();
                device.say(ONE);
                let mut first = [0];
                device.wire.read_exact(&mut first).unwrap();
                silences.push(saying.elapsed());
                device.expect(&ASK[2..]);
                device.say(ONE);
            }
            silences
        });
        for _ in 0..8 {
            assert_eq!(line.ask(1, &READ, SOON).await, one());
        }
        let (_, silences) = device.join().unwrap();
        assert!(silences.iter().all(|silence| *silence >= slow.t3_5()), "{silences:?}");
    }
}

#[tokio::test]
async fn a_port_that_cannot_be_opened_says_what_to_do() {
    let open = async |port: &str| {
        let transport = Transport::Serial { port: port.into(), serial: FAST };
        Line::open("bus", &transport).await.err().unwrap()
    };
    let missing = open("/dev/ttyUSB-not-here").await;
    assert!(missing.starts_with("no such port"), "{missing}");
    let terminal = Terminal::open();
    let transport = Transport::Serial { port: terminal.path.clone(), serial: FAST };
    let _ours = Line::open("bus", &transport).await.ok().unwrap();
    let taken = open(&terminal.path).await;
    assert!(taken.starts_with("in use by another program"), "{taken}");
    let file = open("/dev/null").await;
    assert!(file.starts_with("cannot open the port"), "{file}");
}

#[tokio::test]
async fn the_thread_of_a_serial_bus_ends_with_its_task() {
    for told in [true, false] {
        let terminal = Terminal::open();
        let transport = Transport::Serial { port: terminal.path.clone(), serial: FAST };
        let profile = profile(&point(3, 100, "u16", ""));
        let mut agent = Agent::start(transport, vec![device(1, &profile, 0, Millis(50))]);
        assert_eq!(agent.samples().await, [Sample::Bad(BadReason::NoResponse)]);
        if told {
            agent.stop.cancel();
        } else {
            agent.task.abort();
        }
        let closed = async { while agent.readings.recv().await.is_some() {} };
        tokio::time::timeout(parties::PATIENCE, closed).await.expect("nobody holds the channel any more");
    }
}
