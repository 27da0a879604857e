//! The parties of the tests: real Mosquitto, Modbus equipment that is not ours, and every program of
//! this workspace as a process of its own that can be killed.
#![allow(dead_code, reason = "each test file uses some of it")]

pub mod fridges;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use storesim::port;
use storewarden_proto::prost::Message as _;
use storewarden_proto::v1::Envelope;

pub const CHAIN: &str = "kaixin";
pub const STORE: &str = "0042";

/// How long anything that must happen may take on a slow machine.
pub const SOON: Duration = Duration::from_secs(90);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until `look` finds something, and gives it.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in {SOON:?} it did not happen that {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until `holds`.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}

/// Python with what `scripts/requirements.txt` names.
pub fn python() -> OsString {
    std::env::var_os("STOREWARDEN_PYTHON").unwrap_or_else(|| "python3".into())
}

/// A file of this folder.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parties").join(name)
}

/// A running program; killed when dropped. When the test fails, the end of what it said is printed.
pub struct Party {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Party {
    /// Starts `command`; what it says is added to `NAME.log` in `dir`.
    pub fn start(dir: &Path, name: &str, command: &mut Command) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name} ({error}): run ./scripts/test"));
        Self { name: name.to_owned(), child, log }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; its exit status and how long it took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let since = Instant::now();
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        let name = self.name.clone();
        let status = eventually(&format!("{name} ends after SIGTERM"), || self.child.try_wait().unwrap());
        (status, since.elapsed())
    }

    /// Waits until it has ended by itself, and well.
    pub fn ended(mut self) {
        let name = self.name.clone();
        let status = eventually(&format!("{name} ends"), || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }

    /// Fails the test if the program has ended by itself.
    pub fn check(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended by itself: {status}", self.name);
        }
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = said.lines().collect();
            eprintln!("---- the end of what {} said:", self.name);
            for line in &lines[lines.len().saturating_sub(30)..] {
                eprintln!("{line}");
            }
        }
    }
}

/// One of the programs, as the demonstration carries it.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storewarden-demo"));
    command.arg(name);
    command
}

/// Mosquitto on `port`, without anything kept over a restart.
pub fn mosquitto(dir: &Path, port: u16) -> Party {
    let config = dir.join(format!("mosquitto-{port}.conf"));
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n");
    std::fs::write(&config, text).unwrap();
    let mut broker = Party::start(dir, "mosquitto", Command::new("mosquitto").arg("-c").arg(&config));
    until("Mosquitto listens", || {
        broker.check();
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    broker
}

/// The folder and the ports of one test.
pub struct Scene {
    dir: tempfile::TempDir,
    pub hq_port: u16,
    pub lan_port: u16,
    pub console: u16,
}

impl Scene {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            hq_port: port::free(),
            lan_port: port::free(),
            console: port::free(),
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes `store.toml`: what every test has, and `rest`.
    pub fn configure(&self, rest: &str) {
        let text = format!(
            r#"[store]
chain = "{CHAIN}"
id = "{STORE}"
timezone = "Asia/Shanghai"

[hq]
broker = "mqtt://127.0.0.1:{}"
telemetry_every = "1s"

[console]
listen = "127.0.0.1:{}"

{rest}"#,
            self.hq_port, self.console
        );
        std::fs::write(self.path("store.toml"), text).unwrap();
    }

    /// The broker of headquarters.
    pub fn broker(&self) -> Party {
        mosquitto(self.dir(), self.hq_port)
    }

    /// The service at headquarters.
    pub fn headquarters(&self) -> Party {
        let broker = format!("mqtt://127.0.0.1:{}", self.hq_port);
        let mut command = self.hq_command(&["serve", "--broker", &broker, "--chain", CHAIN]);
        Party::start(self.dir(), "storewarden-hq", &mut command)
    }

    /// The agent of the store.
    pub fn agent(&self) -> Party {
        let mut command = self.agent_command("run", &[]);
        Party::start(self.dir(), "storewarden", &mut command)
    }

    /// `storewarden NAME --config store.toml ARGUMENTS`
    pub fn agent_command(&self, name: &str, arguments: &[&OsStr]) -> Command {
        let mut command = program("storewarden");
        command.arg(name).arg("--config").arg(self.path("store.toml")).args(arguments);
        command
    }

    /// A command of headquarters, to be run.
    pub fn hq_command(&self, arguments: &[&str]) -> Command {
        let mut command = program("storewarden-hq");
        command.arg("--db").arg(self.path("hq.sqlite")).args(arguments);
        command
    }

    /// Runs a command of headquarters, which must work, and gives what it printed.
    pub fn hq(&self, arguments: &[&str]) -> String {
        printed(&self.hq_command(arguments).output().unwrap())
    }

    /// Runs a command of the agent, which must work, and gives what it printed.
    pub fn ask_agent(&self, name: &str, arguments: &[&str]) -> String {
        let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
        printed(&self.agent_command(name, &arguments).output().unwrap())
    }

    /// The journal, to look at.
    pub fn journal(&self) -> Connection {
        look_into(&self.path("journal.sqlite"), "audit")
    }

    /// The database of headquarters, to look at.
    pub fn hq_db(&self) -> Connection {
        look_into(&self.path("hq.sqlite"), "influx_cursor")
    }

    /// What the agent says of the store; none while it does not answer, or has not looked yet.
    pub fn view(&self) -> Option<serde_json::Value> {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().into();
        let url = format!("http://127.0.0.1:{}/api/view", self.console);
        let text = agent.get(&url).call().ok()?.body_mut().read_to_string().ok()?;
        let view: serde_json::Value = serde_json::from_str(&text).unwrap();
        (view["at_ms"] != 0).then_some(view)
    }

    /// Messages that headquarters has of one stream, in the order of their numbers.
    pub fn messages(&self, stream: i32) -> Vec<Envelope> {
        let payloads: Vec<Vec<u8>> = column(
            &self.hq_db(),
            &format!("SELECT payload FROM message WHERE stream = {stream} ORDER BY seq"),
        );
        payloads.iter().map(|payload| Envelope::decode(payload.as_slice()).unwrap()).collect()
    }

    /// Messages that headquarters has not acknowledged.
    pub fn outbox(&self) -> i64 {
        count(&self.journal(), "outbox")
    }
}

/// Opens a database once it has its last table.
fn look_into(path: &Path, last_table: &str) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    eventually(&format!("{} is there", path.display()), || {
        let connection = Connection::open_with_flags(path, flags).ok()?;
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = ?1";
        let made: i64 = connection.query_row(sql, [last_table], |row| row.get(0)).ok()?;
        (made == 1).then_some(connection)
    })
}

/// How many rows of a table there are; a condition may follow its name.
pub fn count(db: &Connection, what: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
}

/// The first column of every row.
pub fn column<T: rusqlite::types::FromSql>(db: &Connection, sql: &str) -> Vec<T> {
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// What a program printed, which must have ended well.
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}
