//! The task of a bus reads and writes units that pymodbus serves, over each kind of line.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod parties;

use parties::{Agent, Terminal, device, point, profile};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use storewarden_drivers::modbus::command::CommandError;
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::serial::{Parity, Serial};
use storewarden_rules::{BadReason, Millis, PointId, Sample};

const SERIAL: Serial = Serial { baud: 19_200, parity: Parity::None, stop_bits: 1 };

/// Ends with the test.
struct Server {
    child: Child,
    /// Where it listens; empty for a serial port.
    address: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let python = std::env::var_os("STOREWARDEN_PYTHON").unwrap_or_else(|| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parties/rtu_server.py");
        let mut child = Command::new(&python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {python:?} ({error}): run ./scripts/test"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = line.strip_prefix("ready").unwrap_or_else(|| panic!("the server said {line:?}"));
        Self { child, address: said.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

/// Units 1 and 2, and unit 3 with a register that it has not.
async fn reads_and_writes(transport: Transport) {
    let block =
        |count: u16| (100..100 + count).map(|address| point(3, address, "u16", "")).collect::<String>();
    let written =
        |function| point(3, 219, "u16", &format!("write={{function={function}, range=[0, 60000]}}"));
    let (six, sixteen) = (profile(&(block(110) + &written(6))), profile(&(block(3) + &written(16))));
    let missing = profile(&point(3, 99, "u16", ""));
    let poll = Millis(200);
    let devices =
        vec![device(1, &six, 1000, poll), device(2, &sixteen, 2000, poll), device(3, &missing, 3000, poll)];
    let mut agent = Agent::start(transport, devices);

    let mut latest: HashMap<PointId, Sample> = HashMap::new();
    while latest.len() < 111 + 4 + 1 {
        latest.extend(agent.batch().await.into_iter().map(|reading| (reading.point, reading.sample)));
    }
    let of = |unit: u16, address: u16| Sample::Good(f64::from(unit * 256 + address));
    for index in 0..110 {
        assert_eq!(latest[&PointId(1000 + index)], of(1, 100 + index));
    }
    for index in 0..3 {
        assert_eq!(latest[&PointId(2000 + index)], of(2, 100 + index));
    }
    assert_eq!(latest[&PointId(1110)], of(1, 219));
    assert_eq!(latest[&PointId(2003)], of(2, 219));
    assert_eq!(latest[&PointId(3000)], Sample::Bad(BadReason::Exception(2)));

    for (point, value) in [(1110, 12_345.0), (2003, 54_321.0)] {
        let done = agent.write(point, value).await;
        let back = async {
            loop {
                let batch = agent.batch().await;
                let read = batch.into_iter().find(|reading| reading.point == PointId(point));
                if read.is_some_and(|reading| reading.sample == Sample::Good(value)) {
                    return;
                }
            }
        };
        tokio::time::timeout(parties::PATIENCE, back).await.expect("it reads what was written");
        assert_eq!(done.await.unwrap(), Ok(()));
    }
    assert_eq!(agent.write(3000, 1.0).await.await.unwrap(), Err(CommandError::ReadOnly));

    agent.stop.cancel();
    let closed = async { while agent.readings.recv().await.is_some() {} };
    tokio::time::timeout(parties::PATIENCE, closed).await.expect("stops when told");
}

#[tokio::test]
async fn over_modbus_tcp() {
    let server = Server::start(&["mbap"]);
    reads_and_writes(Transport::Tcp { address: server.address.clone() }).await;
}

#[tokio::test]
async fn as_rtu_over_tcp() {
    let server = Server::start(&["tcp"]);
    let address = server.address.clone();
    reads_and_writes(Transport::RtuOverTcp { address, serial: SERIAL }).await;
}

#[tokio::test]
async fn as_rtu_on_a_serial_port() {
    let (ours, theirs) = wired();
    let _server = Server::start(&["serial", &theirs.path]);
    reads_and_writes(Transport::Serial { port: ours.path.clone(), serial: SERIAL }).await;
}
