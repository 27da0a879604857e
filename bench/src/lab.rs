//! A store under measurement: brokers, simulated equipment, headquarters and the agent, each a process
//! of its own.

use crate::mosquitto::Mosquitto;
use chrono::DateTime;
use rusqlite::OptionalExtension as _;
use serde::Deserialize;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use storesim::port;
use storewarden_demo::children::{self, Part};
use storewarden_demo::ready::{READY_LIMIT, view, wait_for_addresses, wait_for_port};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Chain and store of every lab.
pub const CHAIN: &str = "figures";
/// The store's id.
pub const STORE: &str = "0001";
/// Id of the price team's key.
const KEY_ID: &str = "price-team";

/// Who the broker of headquarters is; that of the store is always the embedded one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum HqBroker {
    /// The embedded one: nothing need be installed.
    Embedded,
    /// Mosquitto.
    Mosquitto,
}

/// Where everything listens, for those who write configurations.
#[derive(Clone)]
pub struct Place {
    /// Port of the store's own broker.
    pub lan: u16,
    /// Port of the broker of headquarters.
    pub hq: u16,
    /// Port of the agent's console.
    pub console: u16,
    /// Address of the simulated equipment; empty while it does not run.
    pub bus: String,
    /// Public key of the price team, hex.
    pub public_key: String,
}

impl Place {
    /// Some place, where nothing is.
    #[cfg(test)]
    pub fn for_tests() -> Self {
        let public_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".into();
        Self { lan: 1883, hq: 1884, console: 8080, bus: "127.0.0.1:502".into(), public_key }
    }

    /// The head of the agent's configuration.
    pub fn store_toml(&self) -> String {
        format!(
            r#"[store]
chain = "{CHAIN}"
id = "{STORE}"
timezone = "Asia/Shanghai"
latitude = 31.23
longitude = 121.47

[journal]
path = "journal.sqlite"

[hq]
broker = "mqtt://127.0.0.1:{hq}"
telemetry_every = "2s"

[console]
listen = "127.0.0.1:{console}"

[[price_key]]
id = "{KEY_ID}"
public = "{public}"

[[bus]]
id = "equipment"
tcp = "{bus}"
"#,
            hq = self.hq,
            console = self.console,
            public = self.public_key,
            bus = self.bus,
        )
    }
}

/// Everything that runs. Dropping it kills all of it.
pub struct Lab {
    /// Files of all parts.
    pub dir: TempDir,
    /// Where everything listens.
    pub place: Place,
    agent: Option<Part>,
    simulator: Option<Part>,
    hq: Part,
    _mosquitto: Option<Mosquitto>,
    _broker: Part,
}

/// An alert as `storewarden-hq alerts --json` prints it; what is not compared is left out.
#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    /// Device id.
    pub device: String,
    /// What is wrong.
    pub condition: String,
    /// ISA-18.2 state.
    pub state: String,
    /// Number of the occurrence.
    pub alarm: u64,
    /// Number of the message.
    pub seq: u64,
    /// When the state changed, RFC 3339.
    pub time: String,
    /// When headquarters committed it, RFC 3339.
    pub received: String,
}

impl Alert {
    /// When the state changed, ms since 1970.
    pub fn time_ms(&self) -> io::Result<i64> {
        ms(&self.time)
    }

    /// When headquarters began to commit it, ms since 1970.
    pub fn received_ms(&self) -> io::Result<i64> {
        ms(&self.received)
    }
}

fn ms(rfc3339: &str) -> io::Result<i64> {
    DateTime::parse_from_rfc3339(rfc3339).map(|time| time.timestamp_millis()).map_err(io::Error::other)
}

impl Lab {
    /// Starts everything but the agent. `files` (name and text) are put beside the configurations, which
    /// `simulator` and `store` write.
    pub async fn open(
        hq_broker: HqBroker,
        files: &[(String, String)],
        simulator: impl FnOnce(&Place) -> String,
        store: impl FnOnce(&Place) -> String,
    ) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let (lan, hq, console) = (port::free(), port::free(), port::free());
        let mut place = Place { lan, hq, console, bus: String::new(), public_key: String::new() };
        let (embedded, mosquitto) = match hq_broker {
            HqBroker::Embedded => (vec![lan, hq], None),
            HqBroker::Mosquitto => (vec![lan], Some(Mosquitto::start(dir.path(), hq)?)),
        };
        let broker = Part::start(dir.path(), "broker", embedded.iter().map(ToString::to_string))?;
        wait_for_port(lan).await?;
        wait_for_port(hq).await?;
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text)?;
        }
        std::fs::write(dir.path().join("sim.toml"), simulator(&place))?;
        let path = |name: &str| dir.path().join(name);
        let arguments = [
            "run".into(),
            path("sim.toml").into_os_string(),
            "--ready".into(),
            path("ready.json").into_os_string(),
            "--events".into(),
            path("truth.jsonl").into_os_string(),
        ];
        let simulator = Part::start(dir.path(), "storesim", arguments)?;
        place.bus = wait_for_addresses(&path("ready.json"), "buses").await?.swap_remove(0);
        let out = dir.path().display().to_string();
        let printed =
            children::output("storewarden-hq", ["price", "keygen", "--out", &out, "--id", KEY_ID]).await?;
        place.public_key = printed
            .lines()
            .find_map(|line| line.trim().strip_prefix("public = \"")?.strip_suffix('"'))
            .ok_or_else(|| io::Error::other("price keygen printed no public key"))?
            .to_owned();
        std::fs::write(path("store.toml"), store(&place))?;
        let db = format!("--db={}", path("hq.sqlite").display());
        let broker_url = format!("--broker=mqtt://127.0.0.1:{hq}");
        let chain = format!("--chain={CHAIN}");
        let hq = Part::start(dir.path(), "storewarden-hq", [&db, "serve", &broker_url, &chain])?;
        Ok(Self {
            dir,
            place,
            agent: None,
            simulator: Some(simulator),
            hq,
            _mosquitto: mosquitto,
            _broker: broker,
        })
    }

    /// Starts the agent and waits until it answers.
    pub async fn start_agent(&mut self) -> io::Result<()> {
        let config = self.path("store.toml").display().to_string();
        self.agent = Some(Part::start(self.dir.path(), "storewarden", ["run", "--config", &config])?);
        let up = async {
            while view::<View>(self.place.console).await.is_err() {
                if let Some(agent) = &mut self.agent {
                    agent.check(self.dir.path())?;
                }
                sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        timeout(READY_LIMIT, up).await.map_err(|_| io::Error::other("the agent does not answer"))?
    }

    /// SIGKILL to the agent.
    pub async fn kill_agent(&mut self) -> io::Result<()> {
        match self.agent.take() {
            Some(agent) => agent.kill().await,
            None => Err(io::Error::other("no agent runs")),
        }
    }

    /// Stops the agent in order.
    pub async fn stop_agent(&mut self) -> io::Result<()> {
        match self.agent.take() {
            Some(agent) => agent.stop().await,
            None => Err(io::Error::other("no agent runs")),
        }
    }

    /// Process id of the agent.
    pub fn agent_id(&self) -> io::Result<u32> {
        self.agent.as_ref().ok_or_else(|| io::Error::other("no agent runs"))?.id()
    }

    /// Takes the simulated equipment away: nothing changes any more.
    pub async fn stop_simulator(&mut self) -> io::Result<()> {
        match self.simulator.take() {
            Some(simulator) => simulator.stop().await,
            None => Ok(()),
        }
    }

    /// An error if headquarters, equipment or agent has ended by itself.
    pub fn check(&mut self) -> io::Result<()> {
        for part in [Some(&mut self.hq), self.simulator.as_mut(), self.agent.as_mut()].into_iter().flatten() {
            part.check(self.dir.path())?;
        }
        Ok(())
    }

    /// Waits for `seconds` while everything goes on.
    pub async fn watch(&mut self, seconds: u32) -> io::Result<()> {
        for _ in 0..seconds {
            sleep(Duration::from_secs(1)).await;
            self.check()?;
        }
        Ok(())
    }

    /// A file of the lab.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What `storewarden-hq` prints on `arguments` about this lab's database.
    pub async fn ask_hq<const N: usize>(&self, arguments: [&str; N]) -> io::Result<String> {
        let db = format!("--db={}", self.path("hq.sqlite").display());
        children::output("storewarden-hq", std::iter::once(db.as_str()).chain(arguments)).await
    }

    /// Signs and sends the price table at `path`.
    pub async fn push_prices(&self, table: &str) -> io::Result<()> {
        let (path, key) = (self.path("prices.csv"), self.path(&format!("{KEY_ID}.pem")));
        std::fs::write(&path, table)?;
        let (path, key) = (path.display().to_string(), format!("--key={}", key.display()));
        let (key_id, chain) = (format!("--key-id={KEY_ID}"), format!("--chain={CHAIN}"));
        let store = format!("--store={STORE}");
        self.ask_hq(["price", "push", &path, &key, &key_id, &chain, &store]).await.map(drop)
    }

    /// Every alert at headquarters, in the order in which they came.
    pub async fn alerts(&self) -> io::Result<Vec<Alert>> {
        let text = self.ask_hq(["alerts", "--json"]).await?;
        text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
    }

    /// The true facts that the simulated equipment has recorded, in order.
    pub fn truth(&self) -> io::Result<Vec<serde_json::Value>> {
        let text = std::fs::read_to_string(self.path("truth.jsonl"))?;
        text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
    }

    /// One number from the journal.
    pub fn ask_journal(&self, query: &str) -> io::Result<i64> {
        let db =
            storewarden::journal::open_read_only(&self.path("journal.sqlite")).map_err(io::Error::other)?;
        let number = db.query_row(query, [], |row| row.get(0)).optional().map_err(io::Error::other)?;
        Ok(number.unwrap_or(0))
    }
}

/// The part of the agent's `/api/view` that figures need.
#[derive(Debug, Default, Deserialize)]
pub struct View {
    /// Its labels.
    pub labels: Vec<Label>,
}

/// A label of the view.
#[derive(Debug, Deserialize)]
pub struct Label {
    /// Where it stands.
    pub state: String,
}
