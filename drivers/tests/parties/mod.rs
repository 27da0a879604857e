//! What the tests of a bus share: small profiles, the task under test, and pseudo terminals.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::modbus::command::CommandError;
use storewarden_drivers::modbus::device::{BusDevice, Polls};
use storewarden_drivers::modbus::line::Transport;
use storewarden_drivers::modbus::task::{BusConfig, Command, run};
use storewarden_drivers::profile::Profile;
use storewarden_rules::{Millis, PointId, Reading, Sample};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes; only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const NEVER: Millis = Millis(3_600_000);

pub fn profile(points: &str) -> Arc<Profile> {
    let head =
        "maker='x'\nmodel='x'\nclasses=['chiller']\nsource='x'\nverified=false\n[modbus]\ntimeout_ms=300\n";
    // What a chiller must have; taken out again, so that a test's device has its own points only.
    let required = "[[point]]\nname='air_temperature'\nfunction=3\naddress=60000\nkind='s16'\nunit='°C'\n";
    let mut profile = Profile::parse("x", &format!("{head}{points}{required}")).unwrap();
    profile.keep(|name| name != "air_temperature");
    Arc::new(profile)
}

pub fn point(function: u8, address: u16, kind: &str, write: &str) -> String {
    format!(
        "[[point]]\nname='f{function}_{address}'\nfunction={function}\naddress={address}\nkind='{kind}'\nunit='1'\n{write}\n"
    )
}

/// A device of this unit whose points count from `first`.
pub fn device(unit: u8, profile: &Arc<Profile>, first: u16, poll: Millis) -> BusDevice {
    let wanted = (first..).map(PointId).zip(0..profile.points.len()).collect();
    BusDevice {
        name: format!("unit-{unit}"),
        unit,
        modbus: profile.modbus().unwrap().clone(),
        points: profile.points.clone(),
        polls: Polls::every(Duration::from_millis(poll.0.unsigned_abs())),
        timeout: None,
        safe: None,
        wanted,
    }
}

/// The task of a bus, seen from the agent's side.
pub struct Agent {
    pub readings: mpsc::Receiver<Vec<Reading>>,
    pub commands: mpsc::Sender<Command>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Agent {
    pub fn start(transport: Transport, devices: Vec<BusDevice>) -> Self {
        let (readings_out, readings) = mpsc::channel(64);
        let (commands, commands_in) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let config = BusConfig { name: "bus".into(), transport, devices };
        let task = tokio::spawn(run(config, readings_out, commands_in, Clock::start(), stop.clone()));
        Self { readings, commands, stop, task }
    }

    pub async fn batch(&mut self) -> Vec<Reading> {
        timeout(PATIENCE, self.readings.recv()).await.expect("readings come").unwrap()
    }

    pub async fn samples(&mut self) -> Vec<Sample> {
        self.batch().await.into_iter().map(|reading| reading.sample).collect()
    }

    pub async fn write(&self, point: u16, value: f64) -> oneshot::Receiver<Result<(), CommandError>> {
        let (reply, outcome) = oneshot::channel();
        let command = Command { point: PointId(point), value, deadline: Millis(10_000), reply };
        self.commands.send(command).await.unwrap();
        outcome
    }
}

pub fn good(values: &[f64]) -> Vec<Sample> {
    values.iter().map(|value| Sample::Good(*value)).collect()
}

/// A pseudo terminal: a serial port without a wire.
pub struct Terminal {
    /// What a program opens.
    pub path: String,
    /// The wire.
    pub master: File,
    /// Kept open, so that the wire does not end when a program closes the port.
    slave: OwnedFd,
}

impl Terminal {
    pub fn open() -> Self {
        let pair = openpty(None, None).unwrap();
        let mut settings = tcgetattr(&pair.slave).unwrap();
        cfmakeraw(&mut settings);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &settings).unwrap();
        let path = ttyname(&pair.slave).unwrap().into_os_string().into_string().unwrap();
        Self { path, master: File::from(pair.master), slave: pair.slave }
    }
}
