//! Serial lines as processes see them: judged by mbpoll and pymodbus, and byte by byte for every fault.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use storesim::{frame, pattern};

struct Store {
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Store {
    /// Starts the store of `config`; `DIR` in it is a directory of its own.
    fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().to_str().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("sim.toml"), config.replace("DIR", place)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_storesim"))
            .arg("run")
            .arg(at("sim.toml"))
            .args(["--ready".as_ref(), at("ready.json").as_os_str()])
            .args(["--line-stats".as_ref(), at("stats.json").as_os_str()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let store = Self { child, dir };
        wait_for("everything listens", || store.path("ready.json").exists());
        store
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bus(&self, index: usize) -> String {
        let ready = std::fs::read(self.path("ready.json")).unwrap();
        let ready: serde_json::Value = serde_json::from_slice(&ready).unwrap();
        ready["buses"][index].as_str().unwrap().to_owned()
    }

    /// A connection to a bus; a read that brings nothing ends after a while.
    fn connect(&self, index: usize) -> TcpStream {
        let stream = TcpStream::connect(self.bus(index)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Waits until the statistics of a bus show `count` under `name`.
    fn wait_for_count(&self, index: usize, name: &str, count: u64) {
        wait_for(name, || {
            let text = std::fs::read(self.path("stats.json")).unwrap_or_default();
            let stats: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
            let shown = stats["buses"][index][name].as_u64();
            assert!(shown <= Some(count), "{stats}");
            shown == Some(count)
        });
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn sealed(body: &[u8]) -> Vec<u8> {
    [body, &frame::crc(body)].concat()
}

/// The request for `count` holding registers from 0 on, and its good answer.
fn read_request(unit: u8, count: u8) -> Vec<u8> {
    sealed(&[unit, 3, 0, 0, 0, count])
}

fn good_answer(unit: u8, count: u8) -> Vec<u8> {
    let words = (0..u16::from(count)).flat_map(|address| pattern::word(unit, address).to_be_bytes());
    sealed(&[vec![unit, 3, count * 2], words.collect()].concat())
}

fn receive(from: &mut impl Read, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

/// Whatever comes until it has been quiet for 300 ms.
fn receive_all(stream: &mut TcpStream) -> Vec<u8> {
    let patience = stream.read_timeout().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 256];
    while let Ok(count) = stream.read(&mut buffer)
        && count > 0
    {
        all.extend(&buffer[..count]);
    }
    stream.set_read_timeout(patience).unwrap();
    all
}

const LINES: &str = r#"
[[bus]]
pty = "DIR/line"
[[bus.unit]]
unit = 3
id = "a3"
model = { pattern = {} }
[[bus.unit]]
unit = 4
id = "a4"
turnaround = "20ms"
model = { pattern = {} }
[[bus]]
listen = "127.0.0.1:0"
framing = "rtu"
baud = 115200
[[bus.unit]]
unit = 3
id = "b3"
model = { pattern = {} }
[[bus.unit]]
unit = 4
id = "b4"
model = { pattern = {} }
[[bus]]
listen = "127.0.0.1:0"
baud = 19200
[[bus.unit]]
unit = 3
id = "c3"
model = { pattern = {} }
"#;

fn mbpoll(arguments: &[&str]) -> Output {
    Command::new("mbpoll")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cannot start mbpoll ({error}): run ./scripts/test"))
}

/// The numbers in mbpoll's lines `[1]: 269`.
fn polled(output: &Output) -> Vec<u16> {
    let text = said(output);
    let values = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]:"));
    values.filter_map(|(_, value)| value.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn mbpoll_reads_and_writes_the_terminal_and_the_gateway() {
    let store = Store::start(LINES);
    let terminal = store.bus(0);
    let line = |rest: &[&str]| {
        mbpoll(&[&["-m", "rtu", "-b", "9600", "-P", "even", "-0", "-1", "-o", "3"], rest].concat())
    };
    for (unit, table) in [(3, "4"), (4, "3")] {
        let output = line(&["-a", &unit.to_string(), "-t", table, "-r", "30", "-c", "60", &terminal]);
        let expected: Vec<u16> = (30..90).map(|address| pattern::word(unit, address)).collect();
        assert_eq!(polled(&output), expected, "{}", said(&output));
    }
    let written = line(&["-a", "4", "-t", "4", "-r", "5", &terminal, "12345"]);
    assert!(written.status.success(), "{}", said(&written));
    let output = line(&["-a", "4", "-t", "4", "-r", "5", "-c", "2", &terminal]);
    assert_eq!(polled(&output), [12345, pattern::word(4, 6)], "{}", said(&output));
    // At another speed the line hears nothing.
    let deaf = mbpoll(&["-m", "rtu", "-b", "19200", "-P", "even", "-1", "-a", "3", &terminal]);
    assert!(said(&deaf).contains("timed out"), "{}", said(&deaf));
    store.wait_for_count(0, "unintelligible", 1);

    let (host, port) = store.bus(2).rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let output = mbpoll(&["-m", "tcp", "-p", &port, "-a", "3", "-0", "-1", "-r", "7", "-c", "3", &host]);
    let expected = [7, 8, 9].map(|address| pattern::word(3, address));
    assert_eq!(polled(&output), expected, "{}", said(&output));
}

#[test]
fn pymodbus_reads_and_writes_rtu_on_the_terminal_and_over_tcp() {
    let store = Store::start(LINES);
    let python = std::env::var_os("STOREWARDEN_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/line_pymodbus.py"))
        .args([store.bus(0), store.bus(1)])
        .output()
        .unwrap_or_else(|error| panic!("cannot start {python:?} ({error}): run ./scripts/test"));
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_terminals_link_goes_with_it_and_a_file_in_its_place_stays() {
    let mut store = Store::start(LINES);
    assert!(store.path("line").is_symlink());
    let asked = Command::new("kill").arg(store.child.id().to_string()).status().unwrap();
    assert!(asked.success() && store.child.wait().unwrap().success());
    assert!(!store.path("line").is_symlink());

    std::fs::write(store.path("line"), "precious").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_storesim")).arg("run").arg(store.path("sim.toml")).output();
    let output = output.unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("cannot make the terminal"), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(store.path("line")).unwrap(), "precious");
}

/// Each unit of the first bus has the fault of its line below, for ever.
const FAULTS: &str = r#"
[[bus]]
listen = "127.0.0.1:0"
framing = "rtu"
baud = 38400
parity = "none"
UNITS
[[bus]]
listen = "127.0.0.1:0"
framing = "rtu"
[[bus.unit]]
unit = 1
id = "echoing"
model = { pattern = {} }
[[fault]]
at = "0s"
device = "echoing"
kind = "echo"
"#;

fn with_faults(faults: &[&str]) -> Store {
    let mut units = String::new();
    let mut config = FAULTS.to_owned();
    for (index, fault) in faults.iter().enumerate() {
        let unit = index + 1;
        units.push_str(&format!(
            "[[bus.unit]]\nunit = {unit}\nid = \"u{unit}\"\nprofile = \"eastron-sdm630\"\nmodel = {{ pattern = {{}} }}\n"
        ));
        if !fault.is_empty() {
            config.push_str(&format!("[[fault]]\nat = \"0s\"\ndevice = \"u{unit}\"\nkind = {fault}\n"));
        }
    }
    Store::start(&config.replace("UNITS", &units))
}

#[test]
fn each_fault_of_a_serial_line_has_its_own_bytes() {
    let store = with_faults(&[
        "",
        "\"no_response\"",
        "\"exception\"",
        "\"busy\"",
        "\"gateway_target\"",
        "\"garbage\"",
        "\"wrong_unit\"",
        "\"bit_flips\"",
        "\"lost_bytes\"",
        "\"illegal_gap\"",
    ]);
    let mut line = store.connect(0);
    // Exactly as many bytes as are expected; if there are more, they spoil what is asked next.
    let mut ask = |request: &[u8], length: usize| {
        line.write_all(request).unwrap();
        receive(&mut line, length)
    };
    let mut read = |unit, length| ask(&read_request(unit, 4), length);
    assert_eq!(read(1, 13), good_answer(1, 4));
    assert_eq!(read(3, 5), sealed(&[3, 0x83, 4]));
    assert_eq!(read(4, 5), sealed(&[4, 0x83, 6]));
    assert_eq!(read(5, 5), sealed(&[5, 0x83, 11]));
    let whole = good_answer(6, 4);
    assert_eq!(read(6, 11), sealed(&whole[..whole.len() - 4]), "two bytes fewer than it says");
    let mut other = good_answer(7, 4);
    other.truncate(other.len() - 2);
    other[0] = 1;
    assert_eq!(read(7, 13), sealed(&other), "another's address, under a good check sum");
    let (flipped, good) = (read(8, 13), good_answer(8, 4));
    let bits: u32 = flipped.iter().zip(&good).map(|(one, two)| (one ^ two).count_ones()).sum();
    assert!((1..=3).contains(&bits), "{flipped:02x?}");
    // Input register 0 is the meter's voltage; 0x12 to 0x33 is a hole.
    let input = |unit, address: u8| sealed(&[unit, 4, 0, address, 0, 2]);
    assert_eq!(ask(&input(1, 0x12), 9)[..3], [1, 4, 4], "a pattern is everywhere");
    assert_eq!(ask(&input(10, 0x00), 9)[..3], [10, 4, 4]);
    assert_eq!(ask(&input(10, 0x12), 5), sealed(&[10, 0x84, 2]));
    line.write_all(&read_request(9, 4)).unwrap();
    let lost = receive_all(&mut line);
    assert!((10..13).contains(&lost.len()), "{lost:02x?}");
    line.write_all(&read_request(2, 4)).unwrap();
    assert_eq!(receive_all(&mut line), [0; 0]);
    // A broken check sum is no request.
    let mut broken = read_request(1, 4);
    broken[7] ^= 1;
    line.write_all(&broken).unwrap();
    assert_eq!(receive_all(&mut line), [0; 0]);
    store.wait_for_count(0, "unintelligible", 1);
}

#[test]
fn an_intermittent_fault_strikes_some_answers() {
    let store = with_faults(&["\"no_response\"\nshare = 0.5"]);
    let mut line = store.connect(0);
    let answered = |_| {
        line.write_all(&read_request(1, 1)).unwrap();
        !receive_all(&mut line).is_empty()
    };
    let answers: Vec<bool> = (0..12).map(answered).collect();
    assert!(answers.contains(&true) && answers.contains(&false), "{answers:?}");
}

#[test]
fn a_late_answer_comes_after_the_next_ones() {
    let store = with_faults(&["", "\"late\"\ndelay = \"700ms\""]);
    let mut line = store.connect(0);
    line.write_all(&read_request(2, 2)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    line.write_all(&read_request(1, 2)).unwrap();
    assert_eq!(receive(&mut line, 9), good_answer(1, 2));
    assert_eq!(receive(&mut line, 9), good_answer(2, 2));
    store.wait_for_count(0, "answers", 2);
    store.wait_for_count(0, "collisions", 0);
}

#[test]
fn an_adaptor_that_echoes_returns_the_request_first() {
    let store = with_faults(&[""]);
    let mut line = store.connect(1);
    line.write_all(&read_request(1, 2)).unwrap();
    assert_eq!(receive(&mut line, 17), [read_request(1, 2), good_answer(1, 2)].concat());
}

#[test]
fn who_talks_over_an_answer_spoils_it_and_gets_none() {
    let store = Store::start(&LINES.replace("baud = 115200", "baud = 9600"));
    let mut line = store.connect(1);
    // 255 characters: 0.29 s at 9600 baud.
    line.write_all(&read_request(3, 125)).unwrap();
    let mut answer = receive(&mut line, 1);
    line.write_all(&read_request(4, 1)).unwrap();
    answer.extend(receive_all(&mut line));
    let good = good_answer(3, 125);
    assert_eq!(answer.len(), good.len(), "no second answer");
    let differing = answer.iter().zip(&good).filter(|(one, two)| one != two).count();
    assert!((8..=10).contains(&differing), "eight characters spoil eight or what they touch: {differing}");
    store.wait_for_count(1, "collisions", 1);
}

#[test]
fn who_does_not_wait_between_frames_is_not_heard() {
    // 3.5 characters take 32 ms.
    let store = Store::start(&LINES.replacen("pty =", "baud = 1200\npty =", 1));
    let mut line = std::fs::File::options().read(true).write(true).open(store.bus(0)).unwrap();
    line.write_all(&read_request(3, 1)).unwrap();
    assert_eq!(receive(&mut line, 7), good_answer(3, 1));
    line.write_all(&read_request(3, 1)).unwrap();
    store.wait_for_count(0, "early", 1);
    line.write_all(&read_request(3, 1)).unwrap();
    assert_eq!(receive(&mut line, 7), good_answer(3, 1));
    store.wait_for_count(0, "answers", 2);
}

#[test]
fn what_nobody_read_is_gone_when_the_terminal_is_opened_again() {
    let store = Store::start(LINES);
    let open = || std::fs::File::options().read(true).write(true).open(store.bus(0)).unwrap();
    let mut terminal = open();
    terminal.write_all(&read_request(3, 2)).unwrap();
    // Statistics are written once a second: the answer has long arrived.
    store.wait_for_count(0, "answers", 1);
    drop(terminal);
    std::thread::sleep(Duration::from_millis(300));
    let mut terminal = open();
    terminal.write_all(&read_request(4, 2)).unwrap();
    assert_eq!(receive(&mut terminal, 9), good_answer(4, 2));
}

#[test]
fn no_answer_is_faster_than_its_line() {
    let store = Store::start(LINES);
    let mut terminal = std::fs::File::options().read(true).write(true).open(store.bus(0)).unwrap();
    // 11 bits at 9600 baud; 8 characters there, 35 back, 20 ms in between.
    let least = Duration::from_micros(43 * 1_145 + 20_000);
    for _ in 0..5 {
        let start = Instant::now();
        terminal.write_all(&read_request(4, 15)).unwrap();
        assert_eq!(receive(&mut terminal, 35), good_answer(4, 15));
        assert!(start.elapsed() >= least, "{:?}", start.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    // Behind a gateway at 19200 baud, two masters at once: one after the other.
    let mut masters = [store.connect(2), store.connect(2)];
    let start = Instant::now();
    for master in &mut masters {
        master.write_all(&[0, 1, 0, 0, 0, 6, 3, 3, 0, 0, 0, 15]).unwrap();
    }
    for master in &mut masters {
        assert_eq!(receive(master, 39)[..9], [0, 1, 0, 0, 0, 33, 3, 3, 30]);
    }
    let least = Duration::from_micros(2 * (43 * 572 + 5_000));
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
}

const TCP: &str = r#"
[[bus]]
listen = "127.0.0.1:0"
max_connections = 1
[[bus.unit]]
unit = 1
id = "whole"
model = { pattern = {} }
[[bus.unit]]
unit = 2
id = "resetting"
model = { pattern = {} }
[[bus.unit]]
unit = 3
id = "slow"
model = { pattern = {} }
[[bus.unit]]
unit = 4
id = "late"
model = { pattern = {} }
[[bus.unit]]
unit = 5
id = "mistaken"
model = { pattern = {} }
[[fault]]
at = "0s"
device = "resetting"
kind = "reset"
[[fault]]
at = "0s"
device = "slow"
kind = "slow"
delay = "20ms"
[[fault]]
at = "0s"
device = "late"
kind = "late"
delay = "500ms"
[[fault]]
at = "0s"
device = "mistaken"
kind = "wrong_unit"
"#;

#[test]
fn each_fault_of_modbus_tcp_has_its_own_bytes() {
    let store = Store::start(TCP);
    let mut stream = store.connect(0);
    let ask = |stream: &mut TcpStream, number: u8, unit: u8| {
        stream.write_all(&[0, number, 0, 0, 0, 6, unit, 3, 0, 0, 0, 1]).unwrap();
    };
    let good = |number: u8, unit: u8, says: u8| {
        let [high, low] = pattern::word(unit, 0).to_be_bytes();
        vec![0, number, 0, 0, 0, 5, says, 3, 2, high, low]
    };
    ask(&mut stream, 1, 4);
    ask(&mut stream, 2, 1);
    assert_eq!(receive(&mut stream, 11), good(2, 1, 1));
    assert_eq!(receive(&mut stream, 11), good(1, 4, 4), "the late one");
    ask(&mut stream, 3, 5);
    assert_eq!(receive(&mut stream, 11), good(3, 5, 1));

    let start = Instant::now();
    ask(&mut stream, 4, 3);
    assert_eq!(receive(&mut stream, 11), good(4, 3, 3));
    assert!(start.elapsed() >= Duration::from_millis(200), "ten pauses of 20 ms");

    // The one connection is taken: another is closed without a word, and the first goes on.
    let mut other = store.connect(0);
    assert_eq!(other.read(&mut [0; 1]).unwrap(), 0);
    ask(&mut stream, 5, 1);
    assert_eq!(receive(&mut stream, 11), good(5, 1, 1));

    ask(&mut stream, 6, 2);
    assert_eq!(receive(&mut stream, 5), good(6, 2, 2)[..5]);
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    // And the place is free again.
    let mut next = store.connect(0);
    ask(&mut next, 7, 1);
    assert_eq!(receive(&mut next, 11), good(7, 1, 1));
}
