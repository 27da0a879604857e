//! The rig: the real agent, headquarters and broker run through a plan of faults, and at the end what
//! the simulator knows to have happened is compared with the database of headquarters.
//!
//! [`plan`] decides what goes wrong (a seed gives all of it), [`proxy`] and [`packets`] spoil lines, [`children`] kills
//! and stops programs, [`disk`] fills and tears, [`account`] judges. This file is the loop around them.
//! The programs are processes, found by path: nothing of the agent's or headquarters' code is in here.

pub mod account;
pub mod children;
pub mod disk;
pub mod packets;
pub mod plan;
pub mod proxy;
pub mod store;

use account::{Account, Trials};
use children::Program;
use disk::Disk;
use nix::sys::signal::Signal;
use plan::{Act, DELAYS_MS, Line, Party, Step, Volume, Weather};
use proxy::Proxy;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::{CHAIN, Places};
use tokio::time::{Instant, sleep, sleep_until};

/// How long anything that must happen may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How often is looked whether something has happened, and whether a program has ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Room for the journal, and for the database of headquarters; taken from the memory as it is used.
const DISKS: [(&str, &str); 2] = [("disk", "32m"), ("hq", "2g")];
/// Orderly stops at the end until nothing waits; each may leave what was decided during it.
const STOPS_MAX: usize = 5;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long faults happen.
    pub length: Duration,
    /// Decides everything.
    pub seed: u64,
    /// Where `storewarden`, `storewarden-hq` and `storesim` are.
    pub programs: PathBuf,
    /// Who says that a message is safe, as the agent's configuration has it: `hq` or `broker`.
    pub ack: String,
    /// Where files are kept; a folder that goes with the run if none.
    pub keep: Option<PathBuf>,
}

impl Options {
    /// Everything that will go wrong.
    pub fn plan(&self) -> Vec<Step> {
        plan::plan(self.seed, u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// SIGKILLs of programs that ran.
    pub kills: usize,
    /// The verdict.
    #[serde(flatten)]
    pub account: Account,
    /// Repeats it.
    pub seed: u64,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<&'static str, usize>,
    /// How often a program ended by itself, and was started again as systemd would.
    pub ended_by_itself: BTreeMap<&'static str, usize>,
    /// What could not be done here, and why.
    pub skipped: Vec<String>,
}

/// Runs it. An error means that there is no verdict.
pub async fn run(options: &Options) -> io::Result<Outcome> {
    let temporary = tempfile::tempdir()?;
    let dir = options.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir)?;
    let dir = dir.canonicalize()?;
    if dir.join("truth.jsonl").exists() {
        return Err(io::Error::other(format!("{} holds an earlier run; say another folder", dir.display())));
    }
    let steps = options.plan();
    let mut rig = Rig::build(&dir, options).await?;
    let began = Instant::now();
    for step in &steps {
        rig.wait_until(began + Duration::from_millis(step.at_ms)).await?;
        tracing::info!("{step}");
        rig.act(step)?;
    }
    rig.settle().await?;
    rig.outcome(options.seed)
}

/// Everything that runs.
struct Rig {
    dir: PathBuf,
    agent: Program,
    headquarters: Program,
    broker: Program,
    simulator: Program,
    store_line: Proxy,
    hq_line: Proxy,
    /// Of the journal and of headquarters; after the programs, which lie on them.
    disks: Option<[Disk; 2]>,
    places: Places,
    /// Reasons for which the agent is not whole now.
    ails: BTreeSet<&'static str>,
    ails_since_ms: i64,
    trials: Trials,
    kills: usize,
    faults: BTreeMap<&'static str, usize>,
    ended_by_itself: BTreeMap<&'static str, usize>,
    skipped: Vec<String>,
}

impl Rig {
    async fn build(dir: &Path, options: &Options) -> io::Result<Self> {
        let mut skipped = vec!["kills of PostgreSQL: headquarters has no storage but SQLite yet".to_owned()];
        let file = |name: &str| options.programs.join(name);
        let path = |name: &str| dir.join(name);
        let mut disks = Vec::new();
        for (name, size) in DISKS {
            std::fs::create_dir_all(path(name))?;
            disks.extend(Disk::mount(&path(name), size));
        }
        let disks = <[Disk; 2]>::try_from(disks).ok();
        if disks.is_none() {
            skipped.push("full and read-only disks: this user may not mount small ones (tmpfs)".to_owned());
        }

        let broker_port = free_port();
        let text = format!("listener {broker_port} 127.0.0.1\nallow_anonymous true\npersistence false\n");
        std::fs::write(path("mosquitto.conf"), text)?;
        let arguments = vec!["-c".into(), path("mosquitto.conf").into()];
        let mut broker = Program::new(dir, "mosquitto", "mosquitto".into(), arguments);
        broker.start()?;
        eventually("Mosquitto listens", || Ok(TcpStream::connect(("127.0.0.1", broker_port)).ok().map(drop)))
            .await?;
        let (store_line, hq_line) = (Proxy::open(broker_port).await?, Proxy::open(broker_port).await?);

        store::write_simulator(dir, options.seed)?;
        let arguments: [OsString; 6] = [
            "run".into(),
            path("sim.toml").into(),
            "--ready".into(),
            path("ready.json").into(),
            "--events".into(),
            path("truth.jsonl").into(),
        ];
        let mut simulator = Program::new(dir, "storesim", file("storesim"), arguments.into());
        let begin_ms = utc_ms();
        simulator.start()?;
        let bus = eventually("the simulated store listens", || {
            if simulator.has_ended()? {
                return Err(io::Error::other("storesim ended by itself"));
            }
            let Ok(text) = std::fs::read_to_string(path("ready.json")) else { return Ok(None) };
            let ready: serde_json::Value = serde_json::from_str(&text)?;
            Ok(ready["buses"][0].as_str().map(str::to_owned))
        })
        .await?;

        let places =
            Places { broker: store_line.port(), console: free_port(), bus, ack: options.ack.clone() };
        store::write_agent(dir, &places, DELAYS_MS[0])?;
        write_offset(dir, 0)?;
        let arguments: [OsString; 6] = [
            "--db".into(),
            path("hq/hq.sqlite").into(),
            "serve".into(),
            format!("--broker=mqtt://127.0.0.1:{}", hq_line.port()).into(),
            "--chain".into(),
            CHAIN.into(),
        ];
        let mut headquarters = Program::new(dir, "storewarden-hq", file("storewarden-hq"), arguments.into());
        headquarters.start()?;
        let arguments = vec!["run".into(), "--config".into(), path("store.toml").into()];
        let mut agent = Program::new(dir, "storewarden", file("storewarden"), arguments)
            .with("STOREWARDEN_CLOCK_OFFSET_FILE", path("clock-offset-ms"));
        agent.start()?;
        let trials = Trials { outages: Vec::new(), offsets: BTreeSet::from([0]), run: (begin_ms, i64::MAX) };
        Ok(Self {
            dir: dir.to_owned(),
            agent,
            headquarters,
            broker,
            simulator,
            store_line,
            hq_line,
            disks,
            places,
            ails: BTreeSet::new(),
            ails_since_ms: 0,
            trials,
            kills: 0,
            faults: BTreeMap::new(),
            ended_by_itself: BTreeMap::new(),
            skipped,
        })
    }

    /// Waits, and starts again what has ended by itself.
    async fn wait_until(&mut self, moment: Instant) -> io::Result<()> {
        loop {
            self.revive()?;
            let next = Instant::now() + LOOK_EVERY;
            sleep_until(next.min(moment)).await;
            if Instant::now() >= moment {
                return Ok(());
            }
        }
    }

    fn revive(&mut self) -> io::Result<()> {
        if self.simulator.has_ended()? {
            return Err(io::Error::other("the simulator ended by itself; see storesim.log with --keep DIR"));
        }
        for (party, name) in
            [(Party::Agent, "agent"), (Party::Headquarters, "headquarters"), (Party::Broker, "broker")]
        {
            if self.program(party).has_ended()? {
                *self.ended_by_itself.entry(name).or_default() += 1;
                if party == Party::Agent {
                    // It was away for a while that nobody saw begin.
                    self.ail("ended by itself", true);
                    self.ail("ended by itself", false);
                }
                self.program(party).start()?;
            }
        }
        Ok(())
    }

    fn program(&mut self, party: Party) -> &mut Program {
        match party {
            Party::Agent => &mut self.agent,
            Party::Headquarters => &mut self.headquarters,
            Party::Broker => &mut self.broker,
        }
    }

    fn act(&mut self, step: &Step) -> io::Result<()> {
        let needs_disk = matches!(step.act, Act::Fill(_) | Act::Free(_));
        if needs_disk && self.disks.is_none() {
            return Ok(());
        }
        if let Some(kind) = step.act.kind() {
            *self.faults.entry(kind).or_default() += 1;
        }
        match step.act {
            Act::Kill(party) => self.kill(party)?,
            Act::KillAndTear { share } => {
                self.kill(Party::Agent)?;
                let gone = disk::tear(&self.dir.join("disk/journal.sqlite-wal"), share);
                match gone {
                    Ok(bytes) => tracing::info!(bytes, "torn off"),
                    // No room for rubbish: it is shorter. A disk that takes no writes cannot be torn.
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::StorageFull | io::ErrorKind::ReadOnlyFilesystem
                        ) => {}
                    Err(error) => return Err(error),
                }
            }
            Act::Start(party) => {
                self.program(party).start()?;
                if party == Party::Agent {
                    self.ail("dead", false);
                }
            }
            Act::Freeze(party) => {
                self.program(party).signal(Signal::SIGSTOP)?;
                if party == Party::Agent {
                    self.ail("stands still", true);
                }
            }
            Act::Thaw(party) => {
                self.program(party).signal(Signal::SIGCONT)?;
                if party == Party::Agent {
                    self.ail("stands still", false);
                }
            }
            Act::Turn(Line::Store, weather) => self.store_line.turn(weather),
            Act::Turn(Line::Headquarters, weather) => self.hq_line.turn(weather),
            Act::Fill(volume) => {
                if volume == Volume::Journal {
                    self.ail("no room", true);
                }
                self.disk(volume, Disk::fill)?;
            }
            Act::Free(volume) => {
                self.disk(volume, Disk::free)?;
                if volume == Volume::Journal {
                    self.ail("no room", false);
                }
            }
            Act::KillAndLock => {
                self.kill(Party::Agent)?;
                self.ail("read-only", true);
                self.disk(Volume::Journal, |disk| disk.set_read_only(true))?;
            }
            Act::Unlock => {
                self.disk(Volume::Journal, |disk| disk.set_read_only(false))?;
                self.ail("read-only", false);
            }
            Act::Push(delay_ms) => {
                store::write_agent(&self.dir, &self.places, delay_ms)?;
                self.agent.signal(Signal::SIGHUP)?;
            }
            Act::Clock(offset_ms) => {
                self.trials.offsets.insert(offset_ms);
                write_offset(&self.dir, offset_ms)?;
            }
        }
        Ok(())
    }

    fn kill(&mut self, party: Party) -> io::Result<()> {
        if party == Party::Agent {
            self.ail("dead", true);
        }
        self.kills += usize::from(self.program(party).kill()?);
        Ok(())
    }

    /// Does something to a disk; nothing where there are none.
    fn disk(&self, volume: Volume, act: impl Fn(&Disk) -> io::Result<()>) -> io::Result<()> {
        self.disks.as_ref().map_or(Ok(()), |disks| act(&disks[volume as usize]))
    }

    /// A reason for which the agent is not whole begins or ends.
    fn ail(&mut self, why: &'static str, begins: bool) {
        if begins {
            if self.ails.is_empty() {
                self.ails_since_ms = utc_ms();
            }
            self.ails.insert(why);
        } else if self.ails.remove(why) && self.ails.is_empty() {
            self.trials.outages.push((self.ails_since_ms, utc_ms()));
        }
    }

    /// Lets everything run until headquarters has all, then stops the agent in order. What is still
    /// missing after that is lost.
    async fn settle(&mut self) -> io::Result<()> {
        for line in [&self.store_line, &self.hq_line] {
            line.turn(Weather::Fair);
        }
        let (journal, hq) = (self.dir.join("disk/journal.sqlite"), self.dir.join("hq/hq.sqlite"));
        for _ in 0..STOPS_MAX {
            let end = Instant::now() + LIMIT;
            while Instant::now() < end {
                self.wait_until(Instant::now() + LOOK_EVERY).await?;
                // Neither may be readable in this moment.
                if account::last_numbers(&journal, &hq).is_ok_and(|(last, has)| has >= last && last > 0) {
                    break;
                }
            }
            self.trials.run.1 = utc_ms();
            self.agent.stop().await?;
            let (last, has) = account::last_numbers(&journal, &hq)?;
            if has >= last {
                break;
            }
            tracing::info!(last, has, "the agent held something back when it stopped; once more");
            self.agent.start()?;
        }
        self.trials.run.1 = utc_ms();
        self.simulator.stop().await?;
        self.headquarters.stop().await
    }

    fn outcome(self, seed: u64) -> io::Result<Outcome> {
        let path = |name: &str| self.dir.join(name);
        let journal = account::read_journal(&path("disk/journal.sqlite"))?;
        let hq = account::read_hq(&path("hq/hq.sqlite"))?;
        let excursions = account::read_excursions(&path("truth.jsonl"), self.trials.run.1)?;
        let mut account = Account::default();
        account.compare(&journal, &hq.changes);
        account.compare_truth(&excursions, &self.trials, &hq.changes);
        account.add_wrong(hq.journals.saturating_sub(1), "journals were put aside for a new one");
        account.add_wrong(hq.refused, "messages were refused by headquarters");
        // What is on the small disks goes with them.
        if self.disks.is_some() {
            for entry in DISKS.iter().map(|(name, _)| std::fs::read_dir(path(name))) {
                for entry in entry? {
                    let entry = entry?;
                    std::fs::copy(entry.path(), self.dir.join(entry.file_name()))?;
                }
            }
        }
        Ok(Outcome {
            kills: self.kills,
            account,
            seed,
            faults: self.faults,
            ended_by_itself: self.ended_by_itself,
            skipped: self.skipped,
        })
    }
}

/// Waits until `look` finds something.
async fn eventually<T>(what: &str, mut look: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Some(found) = look()? {
            return Ok(found);
        }
        sleep(LOOK_EVERY).await;
    }
    Err(io::Error::other(format!("in {LIMIT:?} it did not happen that {what}")))
}

/// A free port that the system does not hand to outgoing connections (those begin at 32768), so that it
/// is still free when a killed program comes back.
fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// How wrong the agent's wall clock is, ms; written whole.
fn write_offset(dir: &Path, offset_ms: i64) -> io::Result<()> {
    let part = dir.join("clock-offset-ms.part");
    std::fs::write(&part, offset_ms.to_string())?;
    std::fs::rename(part, dir.join("clock-offset-ms"))
}

fn utc_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
