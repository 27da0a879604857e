//! A real Mosquitto, set up as `deploy/mosquitto-hq.conf` sets it up, but for passwords and TLS.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// Its settings, as in `deploy/`.
const SETTINGS: &str = "set_tcp_nodelay true
max_packet_size 270336
max_queued_messages 100000
max_queued_bytes 536870912
max_inflight_messages 100
persistence true
autosave_interval 60
";

/// One that runs; killed when dropped.
pub struct Mosquitto(Child);

impl Mosquitto {
    /// Starts one that listens on `port` of the loopback address and keeps its files in `dir`.
    pub fn start(dir: &Path, port: u16) -> io::Result<Self> {
        let config = dir.join("mosquitto.conf");
        let place = dir.display();
        // As root it would change to a user who may not write there.
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence_location {place}/\n{SETTINGS}"
        );
        std::fs::write(&config, text)?;
        let log = File::create(dir.join("mosquitto.log"))?;
        // Debian keeps it where only root's path looks.
        let installed = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
        let program = installed.into_iter().find(|path| Path::new(path).exists()).unwrap_or("mosquitto");
        let child = Command::new(program)
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("mosquitto: {error}; install it (apt-get install mosquitto)"),
                )
            })?;
        Ok(Self(child))
    }

    /// Its process id.
    pub fn id(&self) -> io::Result<u32> {
        self.0.id().ok_or_else(|| io::Error::other("mosquitto has ended"))
    }
}
