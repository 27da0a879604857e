//! The play: who enters when, what happens, and the curtain.

use crate::account::{self, Account, Summary, View, db_flag};
use crate::files::{self, CHAIN, Files, KEY_ID, LABELS, Ports, STORE};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use storesim::port;
use storewarden_demo::children::{self, Part};
use storewarden_demo::ready::{READY_LIMIT, view, wait_for_addresses, wait_for_port};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, interval, sleep, timeout};

/// When the price batch is pushed, after the start of the agent.
const PRICES_AT: Duration = Duration::from_secs(4);
/// How often the equipment is told of on the screen.
const READINGS_EVERY: u32 = 5;

/// A demonstration.
pub struct Play {
    /// When it ends by itself.
    pub exit_after: Option<Duration>,
    /// Where the summary goes.
    pub summary: Option<PathBuf>,
    /// Where files are kept.
    pub keep: Option<PathBuf>,
}

/// Everything that runs.
struct Stage {
    broker: Part,
    simulator: Part,
    hq: Part,
    agent: Part,
}

impl Play {
    /// Plays until the time is over or Ctrl-C.
    pub async fn run(self) -> io::Result<()> {
        let temporary = tempfile::tempdir()?;
        let files = files::folder(self.keep.as_deref().unwrap_or(temporary.path()))?;
        let ports = Ports { lan: port::free(), hq: port::free(), console: port::free() };
        let db = files.path("hq.sqlite");
        println!("Storewarden demo. {}", files::acceleration_note());
        let mut account = Account::begin();
        let mut stage = Stage::build(&files, ports, &db).await?;
        account.say(format_args!("CONSOLE   http://127.0.0.1:{}/  (English: /?lang=en)", ports.console));
        account.say("SCRIPT    6 s: the compressor of freezer-2 stops; 26 s: it runs again");

        let end = self.exit_after.map(|after| Instant::now() + after);
        let prices_at = Instant::now() + PRICES_AT;
        let mut prices_pushed = false;
        let mut seconds = 0;
        let mut tick = interval(Duration::from_secs(1));
        let mut terminate = signal(SignalKind::terminate())?;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                _ = tokio::signal::ctrl_c() => break,
                _ = terminate.recv() => break,
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                break;
            }
            stage.check(&files.dir)?;
            if !prices_pushed && Instant::now() >= prices_at {
                prices_pushed = true;
                push_prices(&files, &db).await?;
                account.say(format_args!("PRICES    headquarters signed and pushed {LABELS} prices"));
            }
            account.tell_alerts(&account::alerts(&db).await?);
            let view = view::<View>(ports.console).await?;
            account.tell_labels(&view);
            if seconds % READINGS_EVERY == 0 {
                account.tell_readings(&view, account::readings_at_hq(&db).await?);
            }
            seconds += 1;
        }
        account.say("stopping: the agent brings out what it still holds");
        let summary = stage.stop(&files, &db).await?;
        account.tell_alerts(&summary.alerts);
        println!(
            "\n{} readings judged, {} of them reported to headquarters; {} alerts; {} of {LABELS} labels confirmed; {} messages left behind; agent {:.1} MB",
            summary.readings,
            summary.readings_at_hq,
            summary.alerts.len(),
            summary.labels_confirmed,
            summary.outbox_pending,
            summary.rss_mb
        );
        if let Some(path) = &self.summary {
            std::fs::write(path, serde_json::to_string_pretty(&summary)? + "\n")?;
        }
        Ok(())
    }
}

impl Stage {
    /// Starts everything, in the order in which a store comes to life.
    async fn build(files: &Files, ports: Ports, db: &Path) -> io::Result<Self> {
        let dir = &files.dir;
        let broker = Part::start(dir, "broker", [ports.lan.to_string(), ports.hq.to_string()])?;
        wait_for_port(ports.lan).await?;
        wait_for_port(ports.hq).await?;
        files.write_simulator(ports)?;
        let ready = files.path("ready.json");
        // Of an earlier run in the same folder.
        let _ = std::fs::remove_file(&ready);
        let simulator = Part::start(
            dir,
            "storesim",
            [
                "run".as_ref(),
                files.path("sim.toml").as_os_str(),
                "--ready".as_ref(),
                ready.as_os_str(),
                "--events".as_ref(),
                files.path("truth.jsonl").as_os_str(),
                "--labels-dir".as_ref(),
                dir.as_os_str(),
            ],
        )?;
        let bus = wait_for_addresses(&ready, "buses").await?.swap_remove(0);
        let key = dir.as_os_str().to_string_lossy();
        let _ = std::fs::remove_file(files.path(&format!("{KEY_ID}.pem")));
        let printed =
            children::output("storewarden-hq", ["price", "keygen", "--out", key.as_ref(), "--id", KEY_ID])
                .await?;
        files.write_store(ports, &bus, &public_key(&printed)?)?;
        files.write_prices()?;
        let hq = Part::start(
            dir,
            "storewarden-hq",
            [
                db_flag(db),
                "serve".to_owned(),
                format!("--broker=mqtt://127.0.0.1:{}", ports.hq),
                format!("--chain={CHAIN}"),
            ],
        )?;
        let agent = Part::start(
            dir,
            "storewarden",
            ["run".as_ref(), "--config".as_ref(), files.path("store.toml").as_os_str()],
        )?;
        let mut stage = Self { broker, simulator, hq, agent };
        let up = async {
            while view::<View>(ports.console).await.is_err() {
                stage.check(dir)?;
                sleep(Duration::from_millis(100)).await;
            }
            Ok::<_, io::Error>(())
        };
        timeout(READY_LIMIT, up).await.map_err(|_| io::Error::other("the agent does not answer"))??;
        Ok(stage)
    }

    fn check(&mut self, dir: &Path) -> io::Result<()> {
        for part in [&mut self.broker, &mut self.simulator, &mut self.hq, &mut self.agent] {
            part.check(dir)?;
        }
        Ok(())
    }

    /// Stops everything, the agent first: it still has something to say.
    async fn stop(self, files: &Files, db: &Path) -> io::Result<Summary> {
        let rss_mb = account::rss_mb(self.agent.id()?).unwrap_or(0.0);
        self.agent.stop().await?;
        self.hq.stop().await?;
        self.simulator.stop().await?;
        drop(self.broker);
        let (readings, outbox_pending) =
            storewarden::journal::last_boot(&files.path("journal.sqlite")).map_err(io::Error::other)?;
        Ok(Summary {
            readings,
            readings_at_hq: account::readings_at_hq(db).await?,
            alerts: account::alerts(db).await?,
            labels_confirmed: account::labels_confirmed(db).await?,
            outbox_pending,
            rss_mb,
        })
    }
}

async fn push_prices(files: &Files, db: &Path) -> io::Result<()> {
    let key = files.path(&format!("{KEY_ID}.pem"));
    let arguments = [
        db_flag(db),
        "price".to_owned(),
        "push".to_owned(),
        files.path("prices.csv").display().to_string(),
        format!("--key={}", key.display()),
        format!("--key-id={KEY_ID}"),
        format!("--chain={CHAIN}"),
        format!("--store={STORE}"),
    ];
    children::output("storewarden-hq", arguments).await.map(drop)
}

/// The key in the lines that `price keygen` prints for the store's configuration.
fn public_key(printed: &str) -> io::Result<String> {
    let line = printed.lines().find_map(|line| line.trim().strip_prefix("public = \""));
    line.and_then(|rest| rest.strip_suffix('"'))
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other("price keygen printed no public key"))
}
