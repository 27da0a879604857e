//! Starts everything that the rig is made of.

use super::{
    DISKS, LIMIT, LOOK_EVERY, Options, Rig, Storage,
    children::Program,
    disk::Disk,
    known::Trials,
    plan::{DELAYS_MS, Party},
    postgres,
    price_team::{Desk, PriceTeam, keygen},
    proxy::Proxy,
    records::{Database, History},
    shelf::Ordered,
    store::{self, CHAIN, Places, Shelf},
    utc_ms, write_offset,
};
use crate::port;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io,
    net::TcpStream,
    path::Path,
};
use tokio::time::{Instant, sleep};

impl Rig {
    /// Starts everything, each when what it needs is there.
    pub(super) async fn build(dir: &Path, options: &Options) -> io::Result<Self> {
        let mut skipped = Vec::new();
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

        let broker_port = port::free();
        let broker = mosquitto(dir, "mosquitto", broker_port).await?;
        let (store_line, hq_line) = (Proxy::open(broker_port).await?, Proxy::open(broker_port).await?);

        let mut programs = BTreeMap::new();
        let shelf = match options.labels {
            0 => None,
            labels => {
                let port = port::free();
                programs.insert(Party::ShelfBroker, mosquitto(dir, "mosquitto-shelf", port).await?);
                Some(Shelf { labels, broker: port })
            }
        };
        store::write_simulator(dir, options.seed, shelf, &options.shelf_plan().misfortunes)?;
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
            if simulator.ended()?.is_some() {
                return Err(io::Error::other("storesim ended by itself"));
            }
            let Ok(text) = std::fs::read_to_string(path("ready.json")) else { return Ok(None) };
            let ready: serde_json::Value = serde_json::from_str(&text)?;
            Ok(ready["buses"][0].as_str().map(str::to_owned))
        })
        .await?;

        let shelf = shelf.map(|shelf| io::Result::Ok((shelf, keygen(dir, &file("storewarden-hq"))?)));
        let places = Places {
            broker: store_line.port(),
            console: port::free(),
            bus,
            ack: options.ack.clone(),
            shelf: shelf.transpose()?,
        };
        store::write_agent(dir, &places, DELAYS_MS[0])?;
        write_offset(dir, 0)?;
        let (hq, address) = match options.storage {
            Storage::Sqlite => (Database::Sqlite(path("hq/hq.sqlite")), path("hq/hq.sqlite").into()),
            Storage::Postgres => {
                let folder = path("hq/postgres");
                std::fs::create_dir_all(&folder)?;
                let mut server = postgres::create(&folder, dir)?;
                server.start()?;
                eventually("PostgreSQL answers", || Ok(postgres::make_database(&folder).ok())).await?;
                programs.insert(Party::Database, server);
                let address = postgres::address(&folder);
                (Database::Postgres(folder), address.into())
            }
        };
        let names: &[(Party, &'static str)] = match options.storage {
            Storage::Sqlite => &[(Party::Headquarters, "storewarden-hq")],
            Storage::Postgres => {
                &[(Party::Headquarters, "storewarden-hq"), (Party::SecondHeadquarters, "storewarden-hq-2")]
            }
        };
        let headquarters = file("storewarden-hq");
        let team = options.labels > 0;
        let team = team.then(|| {
            let desk = Desk {
                dir: dir.to_owned(),
                headquarters: headquarters.clone(),
                address: OsString::clone(&address),
                database: hq.clone(),
                broker: broker_port,
                labels: options.labels,
            };
            PriceTeam::start(desk, options.shelf_plan().steps.len())
        });
        for (party, name) in names {
            let mut arguments: Vec<OsString> = vec![
                "--db".into(),
                OsString::clone(&address),
                "serve".into(),
                format!("--broker=mqtt://127.0.0.1:{}", hq_line.port()).into(),
                "--chain".into(),
                CHAIN.into(),
            ];
            if names.len() > 1 {
                arguments.extend(["--worker".into(), (*name).into()]);
            }
            let mut worker = Program::new(dir, name, headquarters.clone(), arguments);
            worker.start()?;
            programs.insert(*party, worker);
        }
        let arguments = vec!["run".into(), "--config".into(), path("store.toml").into()];
        let mut agent = Program::new(dir, "storewarden", file("storewarden"), arguments)
            .with("STOREWARDEN_CLOCK_OFFSET_FILE", path("clock-offset-ms"));
        agent.start()?;
        // Until it runs it sees nothing.
        let trials = Trials {
            outages: vec![(begin_ms, utc_ms())],
            offsets: vec![(begin_ms, 0)],
            run: (begin_ms, i64::MAX),
        };
        programs.extend([(Party::Agent, agent), (Party::Broker, broker)]);
        Ok(Self {
            dir: dir.to_owned(),
            programs,
            simulator,
            store_line,
            hq_line,
            disks,
            places,
            journal: Database::Sqlite(path("disk/journal.sqlite")),
            hq,
            history: History::default(),
            copied: Instant::now(),
            agent_started: Instant::now(),
            ails: BTreeSet::new(),
            ails_since_ms: 0,
            trials,
            kills: 0,
            faults: BTreeMap::new(),
            ended_by_itself: BTreeMap::new(),
            team,
            ordered: Ordered::default(),
            storewarden: file("storewarden"),
            unruly: 0,
            skipped,
        })
    }
}

/// A Mosquitto that keeps nothing over its death, once it listens.
async fn mosquitto(dir: &Path, name: &'static str, port: u16) -> io::Result<Program> {
    let file = dir.join(format!("{name}.conf"));
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n");
    std::fs::write(&file, text)?;
    let mut broker = Program::new(dir, name, "mosquitto".into(), vec!["-c".into(), file.into()]);
    broker.start()?;
    eventually("Mosquitto listens", || Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))).await?;
    Ok(broker)
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
