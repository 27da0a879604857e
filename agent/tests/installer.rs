//! `scan`, `read`, `write` and `plan` as an installer runs them, on equipment that pymodbus serves.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn python() -> std::ffi::OsString {
    std::env::var_os("STOREWARDEN_PYTHON").unwrap_or_else(|| "python3".into())
}

/// Ends with the test.
struct Equipment {
    child: Child,
    address: String,
}

impl Equipment {
    fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parties/equipment.py");
        let mut child = Command::new(python())
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It has much to say about a unit that it does not serve.
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {:?} ({error}): run ./scripts/test", python()));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = line.strip_prefix("ready ").unwrap_or_else(|| panic!("the equipment said {line:?}"));
        Self { child, address: said.trim().to_owned() }
    }
}

impl Drop for Equipment {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the program printed, and its exit code.
struct Said {
    code: i32,
    out: String,
    err: String,
}

fn storewarden(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_storewarden")).args(arguments).output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Python's own parser and these assertions judge `json`.
fn python_agrees(json: &str, assertions: &str) {
    let program = format!("import json, sys\nsaid = json.load(sys.stdin)\n{assertions}");
    let mut child = Command::new(python()).arg("-c").arg(program).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{json}");
}

/// A pseudo terminal: what a program opens, and the wire.
struct Terminal {
    path: String,
    master: File,
    /// Kept open, so that the wire does not end when a program closes the port.
    _slave: OwnedFd,
}

impl Terminal {
    fn open() -> Self {
        let pair = openpty(None, None).unwrap();
        let mut settings = tcgetattr(&pair.slave).unwrap();
        cfmakeraw(&mut settings);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &settings).unwrap();
        let path = ttyname(&pair.slave).unwrap().into_os_string().into_string().unwrap();
        Self { path, master: File::from(pair.master), _slave: pair.slave }
    }
}

/// Two pseudo terminals, and the wire between them.
fn wired() -> (Terminal, Terminal) {
    let (left, right) = (Terminal::open(), Terminal::open());
    let copy = |from: &File, to: &File| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        // Ends with an error when the terminals are gone.
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    };
    copy(&left.master, &right.master);
    copy(&right.master, &left.master);
    (left, right)
}

/// -21.4 °C is 65322 as an unsigned word; 230.5 V is 43 66 80 00 as a single (`struct.pack('>f', 230.5)`).
#[test]
fn each_point_is_read_with_value_unit_quality_and_raw_words() {
    let equipment = Equipment::start(&["tcp"]);
    let at = ["--tcp", &equipment.address];
    let read = |unit: &str, rest: &[&str]| storewarden(&[&["read", "--unit", unit], &at[..], rest].concat());

    let said = read("1", &["--profile", "danfoss-ekc-202d", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    python_agrees(
        &said.out,
        "assert list(said) == ['points'], list(said)
points = said['points']
assert points['air_temperature'] == {'value': -21.4, 'unit': '°C', 'quality': 'good', 'raw': [65322]}
assert points['compressor'] == {'value': 1, 'unit': 'flag', 'quality': 'good', 'raw': [1]}
assert all(set(point) == {'value', 'unit', 'quality', 'raw'} for point in points.values())
bad = {name: point for name, point in points.items() if point['quality'] != 'good'}
assert not bad, bad",
    );
    let said = read("2", &["--profile", "eastron-sdm630", "--point", "voltage_1", "--json"]);
    python_agrees(
        &said.out,
        "assert said == {'points': {'voltage_1': {'value': 230.5, 'unit': 'V', 'quality': 'good', 'raw': [17254, 32768]}}}",
    );
    // A point that the device has not is bad and costs the others nothing.
    let said = read("2", &["--profile", "danfoss-ekc-202d", "--point", "air_temperature", "--json"]);
    assert_eq!(said.code, 1);
    python_agrees(
        &said.out,
        "assert said['points']['air_temperature'] == {'value': None, 'unit': '°C', 'quality': 'exception_2', 'raw': None}",
    );
    let said = read("3", &["--profile", "waveshare-relay-8", "--point", "relay_2"]);
    assert!(said.out.contains("relay_2  on     good"), "{}", said.out);
    let said = storewarden(&["read", "--unit", "1", "--profile", "danfoss-ekc-202d", "--tcp", "10.0.0.9"]);
    assert!(said.code == 2 && said.err.contains("write HOST:PORT"), "{}", said.err);
    let said = read("1", &["--profile", "danfoss-ekc-202d", "--point", "humidity"]);
    assert!(said.code == 2 && said.err.contains("it has air_temperature"), "{}", said.err);
}

#[test]
fn an_undecided_number_is_shown_in_all_four_orders() {
    let equipment = Equipment::start(&["tcp"]);
    let at = ["--tcp", &equipment.address, "--unit", "2"];
    let said = storewarden(
        &[&["read"], &at[..], &["--function", "4", "--address", "0x0000", "--count", "2"]].concat(),
    );
    assert_eq!(said.code, 0, "{}", said.err);
    let line = said.out.lines().find(|line| line.contains("f32")).unwrap();
    assert!(line.contains("230.5"), "{}", said.out);
    assert_eq!(said.out.lines().filter(|line| line.contains("(0x0000)")).count(), 4, "{}", said.out);
    // The same meter by a profile that has the words in the wrong order.
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../drivers/profiles/eastron-sdm630.toml");
    let wrong = std::fs::read_to_string(shipped)
        .unwrap()
        .replace("kind = \"f32\"", "kind = \"f32\"\nword_order = \"cdab\"");
    std::fs::write(folder.path().join("wrong-meter.toml"), wrong).unwrap();
    let profiles = ["--profiles", folder.path().to_str().unwrap(), "--profile", "wrong-meter"];
    let said =
        storewarden(&[&["read"], &at[..], &profiles[..], &["--point", "voltage_1", "--orders"]].concat());
    assert!(said.out.contains("as ABCD  230.5 V"), "{}", said.out);
    assert_eq!(said.out.lines().filter(|line| line.contains("  as ")).count(), 4, "{}", said.out);
}

#[test]
fn a_scan_finds_units_and_models_and_ends_with_a_configuration() {
    let equipment = Equipment::start(&["tcp"]);
    let said =
        storewarden(&["scan", "--tcp", &equipment.address, "--units", "1-4", "--timeout", "300ms", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("Nothing is written"), "{}", said.err);
    python_agrees(
        &said.out,
        "import tomllib
line, = said['lines']
units = {unit['unit']: [model['profile'] for model in unit['models']] for unit in line['units']}
assert list(units) == [1, 2, 3], units
assert 'danfoss-ekc-202d' in units[1], units
assert units[2][0] == 'eastron-sdm630', units
assert 'waveshare-relay-8' in units[3], units
values = [m['values'] for m in line['units'][1]['models'] if m['profile'] == 'eastron-sdm630'][0]
assert values['voltage_1'] == {'value': 230.5, 'unit': 'V'}, values
toml = tomllib.loads(line['toml'])
assert [device['unit'] for device in toml['device']] == [1, 2, 3], toml",
    );
}

#[test]
fn a_write_is_shown_first_and_sent_on_demand_within_the_limits() {
    let equipment = Equipment::start(&["tcp"]);
    let write = |unit: &str, profile: &str, rest: &[&str]| {
        let at = ["write", "--tcp", &equipment.address, "--unit", unit, "--profile", profile];
        storewarden(&[&at[..], rest].concat())
    };
    let relay = |rest: &[&str]| write("3", "waveshare-relay-8", rest);
    let said = relay(&["relay_1", "on"]);
    assert!(said.code == 0 && said.out.contains("function 5, address 0 (0x0000), 1"), "{}", said.out);
    assert!(said.out.contains("Nothing was sent"), "{}", said.out);
    let said = relay(&["relay_1", "on", "--yes"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let shown: Vec<_> = said.out.lines().filter(|line| line.contains("shows now")).collect();
    assert!(shown[0].ends_with("off") && shown[1].ends_with("on"), "not by the run without --yes: {shown:?}");
    let freezer = |rest: &[&str]| write("1", "danfoss-ekc-202d", rest);
    let said = freezer(&["set_point", "-19.5", "--yes"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let said = storewarden(&[
        "read",
        "--tcp",
        &equipment.address,
        "--unit",
        "1",
        "--function",
        "3",
        "--address",
        "99",
        "--json",
    ]);
    // -195 as an unsigned word.
    python_agrees(&said.out, "assert said['raw'] == [65341], said");
    let said = freezer(&["set_point", "500"]);
    assert!(said.code == 2 && said.err.contains("is outside"), "{}", said.err);
    let said = write("9", "eliwell-idplus-9xx", &["economy_on", "off"]);
    assert!(said.code == 2 && said.err.contains("economy_on takes only on"), "{}", said.err);
    let said = freezer(&["air_temperature", "1"]);
    assert!(said.code == 2 && said.err.contains("cannot be written"), "{}", said.err);
    let said = relay(&["relay_1", "perhaps"]);
    assert!(said.code == 2 && said.err.contains("write on or off"), "{}", said.err);
}

#[test]
fn a_serial_port_is_scanned_read_and_written() {
    let (ours, theirs) = wired();
    let _equipment = Equipment::start(&["serial", &theirs.path]);
    let at = ["--serial", &ours.path, "--parity", "none"];
    let said = storewarden(&[&["scan"], &at[..], &["--units", "1-3", "--json"]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    python_agrees(
        &said.out,
        "line, = said['lines']
assert line['serial'] == {'baud': 9600, 'parity': 'none', 'stop_bits': 1}, line['serial']
assert [unit['unit'] for unit in line['units']] == [1, 2, 3], line",
    );
    let at = [&at[..], &["--baud", "9600"]].concat();
    let read = |unit: &str, rest: &[&str]| storewarden(&[&["read", "--unit", unit], &at[..], rest].concat());
    let said = read("1", &["--profile", "danfoss-ekc-202d", "--point", "air_temperature"]);
    assert!(said.out.contains("-21.4 °C"), "{}{}", said.out, said.err);
    let write = ["write", "--unit", "3", "--profile", "waveshare-relay-8", "relay_8", "on", "--yes"];
    let said = storewarden(&[&write[..], &at].concat());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let said = read("3", &["--profile", "waveshare-relay-8", "--point", "relay_8"]);
    assert!(said.out.contains("on"), "{}", said.out);
    // Unit 0 is every unit of the line: such a write would switch them all.
    let write = ["write", "--unit", "0", "--profile", "waveshare-relay-8", "relay_7", "on", "--yes"];
    let said = storewarden(&[&write[..], &at].concat());
    assert!(said.code == 2 && said.err.contains("write 1 to 247"), "{}", said.err);
    let said = read("3", &["--profile", "waveshare-relay-8", "--point", "relay_7"]);
    assert!(said.out.contains("off"), "{}", said.out);
    let nobody = Terminal::open();
    let at = ["--serial", &nobody.path, "--parity", "none", "--unit", "9"];
    let said = storewarden(&[&["read"], &at[..], &["--profile", "waveshare-relay-8"]].concat());
    assert!(said.code == 1 && said.err.contains("unit 9 does not answer"), "{}", said.err);
    assert_eq!(said.out, "", "one line says it all");
    let at = ["--serial", &nobody.path, "--parity", "none", "--baud", "9600", "--units", "1,2"];
    let said = storewarden(&[&["scan"], &at[..]].concat());
    assert!(said.code == 1 && said.err.contains("nothing answers"), "{}", said.err);
}

#[test]
fn the_plan_of_the_example_holds_and_one_that_does_not_says_what_to_raise() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/store.toml");
    let example = example.to_str().unwrap();
    let said = storewarden(&["plan", "--config", example]);
    assert_eq!(said.code, 0, "{}", said.err);
    for name in ["chiller-1", "freezer-1", "meter", "relay", "the line holds it"] {
        assert!(said.out.contains(name), "{}", said.out);
    }
    let said = storewarden(&["plan", "--config", example, "--json"]);
    python_agrees(
        &said.out,
        "for bus in said['buses']:
    assert bus['holds'] and bus['raise'] == [], bus
    jobs = bus['jobs']
    assert abs(sum(job['time_ms'] for job in jobs) - bus['cycle_ms']) < 1e-6
    assert abs(sum(job['time_ms'] / job['interval_ms'] for job in jobs) - bus['utilisation']) < 1e-9",
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.toml");
    let text = "[store]\nchain = 'c'\nid = 's'\ntimezone = 'Asia/Shanghai'\n\n[[bus]]\nid = 'line'\nserial = '/dev/ttyUSB0'\n\n\
                [[device]]\nid = 'meter'\nclass = 'meter'\nprofile = 'eastron-sdm630'\nbus = 'line'\nunit = 1\npoll = '150ms'\n";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let said = storewarden(&["plan", "--config", path]);
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(said.out.contains("TOO MUCH"), "{}", said.out);
    assert!(said.err.contains("raise `poll` of device `meter` from 150ms to"), "{}", said.err);
    let said = storewarden(&["plan", "--config", path, "--json"]);
    python_agrees(
        &said.out,
        "bus, = said['buses']
assert not bus['holds']
raised, = bus['raise']
assert (raised['device'], raised['key'], raised['from_ms']) == ('meter', 'poll', 150), raised
# 11 bits a character at 9600 baud; 5 characters around the data of an answer, 8 a request; 3.5 before each.
job = bus['jobs'][0]
characters = sum(8 + 5 + 2 * read['count'] + 7 for read in job['reads'])
assert job['time_ms'] >= characters * 11 / 9.6, job",
    );
    assert_eq!(storewarden(&["check", "--config", path]).code, 2);
}
