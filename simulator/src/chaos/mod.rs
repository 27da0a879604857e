//! The rig: the real agent, headquarters and broker run through a plan of faults, and at the end what
//! the simulator knows to have happened is compared with the database of headquarters.
//!
//! [`plan`] decides what goes wrong (a seed gives all of it), [`proxy`] and [`packets`] spoil lines, [`children`] kills
//! and stops programs, [`disk`] fills, locks and tears; [`records`] reads what was written down, and
//! [`account`], [`telemetry`] and [`lights`] judge it. Where there are labels, [`shelf_plan`] decides what is ordered
//! and forged, [`price_team`] does it, [`pictures`] draws what is due, and [`prices`] judges it. This file is the
//! loop around them.
//! The programs are processes, found by path: nothing of the agent's or headquarters' code is in here.

pub mod account;
mod build;
pub mod children;
pub mod disk;
mod fields;
pub mod known;
mod lights;
mod options;
mod order;
pub mod packets;
mod pictures;
pub mod plan;
pub mod postgres;
pub mod price_team;
pub mod prices;
pub mod proxy;
pub mod records;
mod shelf;
pub mod shelf_plan;
pub mod store;
pub mod telemetry;

use account::Account;
use children::Program;
use disk::Disk;
use known::Trials;
use nix::sys::signal::Signal;
pub use options::{Options, Storage};
use plan::{Act, BEFORE_CHANGE_MS, Line, Party, Step, Volume, Weather};
use price_team::PriceTeam;
use proxy::Proxy;
use records::{ALERTS, Database, History, TELEMETRY, complete_to, last_number};
use serde::Serialize;
use shelf::Ordered;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::Places;
use tokio::time::{Instant, sleep_until};

/// How long anything that must happen may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How often is looked whether something has happened, and whether a program has ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Room for the journal, and for the database of headquarters; taken from the memory as it is used.
const DISKS: [(&str, &str); 2] = [("disk", "64m"), ("hq", "2g")];
/// How often the journal's history is copied: it keeps the newest 10,000, of which there are some 200 in
/// a minute.
const COPY_EVERY: Duration = Duration::from_secs(60);
/// How long the agent may take until it hears signals.
const STARTED: Duration = Duration::from_secs(1);
/// How long everything is whole at least before the verdict.
const WHOLE: Duration = Duration::from_secs(6);
/// Orderly stops at the end until nothing waits; each may leave what was decided during it.
const STOPS_MAX: usize = 5;

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
    programs: BTreeMap<Party, Program>,
    simulator: Program,
    store_line: Proxy,
    hq_line: Proxy,
    /// Of the journal and of headquarters; after the programs, which lie on them.
    disks: Option<[Disk; 2]>,
    places: Places,
    journal: Database,
    hq: Database,
    history: History,
    copied: Instant,
    agent_started: Instant,
    /// Reasons for which the agent is not whole now.
    ails: BTreeSet<&'static str>,
    ails_since_ms: i64,
    trials: Trials,
    kills: usize,
    faults: BTreeMap<&'static str, usize>,
    ended_by_itself: BTreeMap<&'static str, usize>,
    /// None without labels, and when it has no more to do.
    team: Option<PriceTeam>,
    /// What it did.
    ordered: Ordered,
    /// The agent's program.
    storewarden: PathBuf,
    /// Programs that did not stop in order at the end.
    unruly: usize,
    skipped: Vec<String>,
}

impl Rig {
    /// Waits, and starts again what has ended by itself.
    async fn wait_until(&mut self, moment: Instant) -> io::Result<()> {
        loop {
            self.revive()?;
            if self.copied.elapsed() >= COPY_EVERY {
                self.copied = Instant::now();
                // It may not be readable in this moment; then the next copy has it.
                if let Err(error) = self.history.copy(&self.journal) {
                    tracing::info!(%error, "the journal's history is copied later");
                }
            }
            let next = Instant::now() + LOOK_EVERY;
            sleep_until(next.min(moment)).await;
            if Instant::now() >= moment {
                return Ok(());
            }
        }
    }

    fn revive(&mut self) -> io::Result<()> {
        if self.simulator.ended()?.is_some() {
            return Err(io::Error::other("the simulator ended by itself; see storesim.log with --keep DIR"));
        }
        for party in Party::ALL {
            if self.programs.get_mut(&party).map_or(Ok(None), Program::ended)?.is_some() {
                *self.ended_by_itself.entry(party.name()).or_default() += 1;
                if party == Party::Agent {
                    // It was away for a while that nobody saw begin.
                    self.ail("ended by itself", true);
                    self.ail("ended by itself", false);
                }
                self.start(party)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, party: Party) -> io::Result<()> {
        if party == Party::Agent {
            self.agent_started = Instant::now();
        }
        self.programs.get_mut(&party).map_or(Ok(()), Program::start)
    }

    fn signal(&self, party: Party, signal: Signal) -> io::Result<()> {
        self.programs.get(&party).map_or(Ok(()), |program| program.signal(signal))
    }

    /// Stops a program in order; one that does not is killed, and counted.
    async fn stop(&mut self, party: Party) -> io::Result<()> {
        let Some(program) = self.programs.get_mut(&party) else { return Ok(()) };
        if let Err(error) = program.stop().await {
            tracing::warn!(%error, "no orderly stop");
            program.kill()?;
            self.unruly += 1;
        }
        Ok(())
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
                self.start(party)?;
                if party == Party::Agent {
                    self.ail("dead", false);
                }
            }
            Act::Freeze(party) => {
                self.signal(party, Signal::SIGSTOP)?;
                if party == Party::Agent {
                    self.ail("stands still", true);
                }
            }
            Act::Thaw(party) => {
                self.signal(party, Signal::SIGCONT)?;
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
                // A program that is still starting is not told: it reads the file anyway.
                if self.agent_started.elapsed() >= STARTED {
                    self.signal(Party::Agent, Signal::SIGHUP)?;
                }
            }
            Act::Clock(offset_ms) => self.set_clock(offset_ms)?,
            Act::SummerTime { begins } => {
                let now_ms = utc_ms();
                self.set_clock(lights::change_ms(now_ms, begins) - BEFORE_CHANGE_MS - now_ms)?;
            }
            Act::Order(order) => self.team.as_ref().map_or(Ok(()), |team| team.take(order))?,
        }
        Ok(())
    }

    fn kill(&mut self, party: Party) -> io::Result<()> {
        if party == Party::Agent {
            self.ail("dead", true);
        }
        let program = self.programs.get_mut(&party);
        self.kills += usize::from(program.map_or(Ok(false), Program::kill)?);
        Ok(())
    }

    /// The agent's wall clock is off by so much from now on.
    fn set_clock(&mut self, offset_ms: i64) -> io::Result<()> {
        write_offset(&self.dir, offset_ms)?;
        self.trials.offsets.push((utc_ms(), offset_ms));
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
        let (journal, hq) = (self.journal.clone(), self.hq.clone());
        // Whole for long enough that something is due in every run.
        self.wait_until(Instant::now() + WHOLE).await?;
        self.settle_shelf().await?;
        // What the journal has told by now; more comes all the time.
        let mut told = None;
        for _ in 0..STOPS_MAX {
            let end = Instant::now() + LIMIT;
            while Instant::now() < end {
                self.wait_until(Instant::now() + LOOK_EVERY).await?;
                // Neither may be readable in this moment.
                told = told.or_else(|| last_number(&journal, TELEMETRY).ok());
                let has_all = || -> io::Result<bool> {
                    let (last, has) = (last_number(&journal, ALERTS)?, complete_to(&hq, ALERTS)?);
                    Ok(last > 0 && has >= last && complete_to(&hq, TELEMETRY)? >= told.unwrap_or(i64::MAX))
                };
                if has_all().unwrap_or(false) {
                    break;
                }
            }
            self.trials.run.1 = utc_ms();
            self.stop(Party::Agent).await?;
            let (last, has) = (last_number(&journal, ALERTS)?, complete_to(&hq, ALERTS)?);
            if has >= last {
                break;
            }
            tracing::info!(last, has, "the agent held something back when it stopped; once more");
            self.start(Party::Agent)?;
        }
        self.trials.run.1 = utc_ms();
        self.simulator.stop().await?;
        for party in [Party::Headquarters, Party::SecondHeadquarters] {
            self.stop(party).await?;
        }
        Ok(())
    }

    fn outcome(mut self, seed: u64) -> io::Result<Outcome> {
        let path = |name: &str| self.dir.join(name);
        self.history.copy(&self.journal)?;
        let hq = records::read_hq(&self.hq)?;
        let truth = records::read_truth(&path("truth.jsonl"), self.trials.run.1)?;
        let mut account = Account { refused_at_first: hq.refused_at_first, ..Account::default() };
        account.compare(&self.history.changes, &hq.changes);
        account.compare_truth(&truth.excursions, &self.trials, &hq.changes);
        let told = (last_number(&self.journal, TELEMETRY)?, records::first_waiting(&self.journal)?);
        let telemetry = telemetry::judge(told, &hq, &truth.excursions, &self.trials);
        account.add(telemetry, lights::judge(&truth.switches, &self.trials));
        if let Some(prices) = self.judge_shelf(truth.shown)? {
            account.add_prices(prices);
        }
        account.add_wrong(hq.journals.saturating_sub(1), "journals were put aside for a new one");
        for refused in &hq.refused {
            account.add_wrong(1, &format!("message was refused by headquarters: {refused}"));
        }
        account.add_wrong(self.unruly, "programs did not stop in order at the end");
        // What is on the small disks goes with them.
        if self.disks.is_some() {
            for entry in DISKS.iter().map(|(name, _)| std::fs::read_dir(path(name))) {
                for entry in entry? {
                    let entry = entry?;
                    // A server's folder is read by psql above.
                    if entry.file_type()?.is_dir() {
                        continue;
                    }
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
