//! Headquarters alone: Mosquitto, the service, and whoever sends to them.

use crate::acks::Acks;
use crate::lab::CHAIN;
use crate::mosquitto::Mosquitto;
use crate::postgres::Postgres;
use crate::process;
use prost::Message as _;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Broker, Event, MqttOptions, PubAckReason, PublishOptions, QoS};
use std::io;
use std::time::Duration;
use storesim::port;
use storewarden_demo::children::Part;
use storewarden_demo::ready::wait_for_port;
use storewarden_proto::topic::StoreTopics;
use storewarden_proto::v1::{CommandOutcome, Envelope, Stream, envelope::Body};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Publishes under way at most.
const UNDER_WAY_MAX: u16 = 100;

/// Everything that runs. Dropping it kills all of it.
pub struct Headquarters {
    /// Files of all parts.
    pub dir: TempDir,
    /// Port of the broker.
    pub port: u16,
    mosquitto: Mosquitto,
    postgres: Option<Postgres>,
    workers: Vec<Part>,
}

/// What it keeps its rows in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A file.
    Sqlite,
    /// A server, and so many workers that share the messages.
    Postgres {
        /// How many.
        workers: usize,
    },
}

impl Keeper {
    /// What it is, for people.
    pub fn name(self) -> String {
        match self {
            Self::Sqlite => "SQLite".into(),
            Self::Postgres { workers: 1 } => "PostgreSQL, 1 worker".into(),
            Self::Postgres { workers } => format!("PostgreSQL, {workers} workers"),
        }
    }
}

/// CPU time, s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpu {
    /// Of the service, all workers.
    pub service_s: f64,
    /// Of PostgreSQL, all its processes; 0 without.
    pub postgres_s: f64,
    /// Of the broker.
    pub broker_s: f64,
}

impl Cpu {
    /// What was used since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            service_s: self.service_s - before.service_s,
            postgres_s: self.postgres_s - before.postgres_s,
            broker_s: self.broker_s - before.broker_s,
        }
    }
}

impl Headquarters {
    /// Starts all of it, and waits until the service takes messages.
    pub async fn open(keeper: Keeper) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = port::free();
        let mosquitto = Mosquitto::start(dir.path(), port)?;
        wait_for_port(port).await?;
        let (postgres, count) = match keeper {
            Keeper::Sqlite => (None, 1),
            Keeper::Postgres { workers } => (Some(Postgres::start()?), workers),
        };
        let db = match &postgres {
            Some(postgres) => format!("--db={}", postgres.address),
            None => format!("--db={}", dir.path().join("hq.sqlite").display()),
        };
        let broker = format!("--broker=mqtt://127.0.0.1:{port}");
        let chain = format!("--chain={CHAIN}");
        let mut workers = Vec::new();
        for number in 1..=count {
            let worker = format!("--worker={number}");
            let mut arguments = vec![&db, "serve", &broker, &chain];
            if postgres.is_some() {
                arguments.push(&worker);
            }
            workers.push(Part::start(dir.path(), "storewarden-hq", arguments)?);
        }
        let headquarters = Self { dir, port, mosquitto, postgres, workers };
        headquarters.wait().await?;
        Ok(headquarters)
    }

    /// What is published before the service has subscribed is lost: a message is repeated until it is
    /// acknowledged.
    async fn wait(&self) -> io::Result<()> {
        let first = "first";
        let acks = Acks::listen(self.port, CHAIN, first).await?;
        let end = Instant::now() + LIMIT;
        while acks.count(Stream::CommandResult) == 0 {
            if Instant::now() > end {
                return Err(io::Error::other("headquarters does not acknowledge"));
            }
            let body = Body::CommandOutcome(CommandOutcome::default());
            self.send(vec![Outgoing::new(first, 7, Stream::CommandResult, 1, body)]).await?;
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// An error if the service has ended by itself.
    pub fn check(&mut self) -> io::Result<()> {
        self.workers.iter_mut().try_for_each(|worker| worker.check(self.dir.path()))
    }

    /// CPU time of all parts until now.
    pub fn cpu(&self) -> io::Result<Cpu> {
        let mut service_s = 0.0;
        for worker in &self.workers {
            service_s += process::cpu_s(worker.id()?)?;
        }
        let postgres_s = self.postgres.as_ref().map_or(Ok(0.0), Postgres::cpu_s)?;
        Ok(Cpu { service_s, postgres_s, broker_s: process::cpu_s(self.mosquitto.id()?)? })
    }

    /// The service stands still until [`Headquarters::go_on`]; the broker keeps what comes for it.
    pub fn stand_still(&self) -> io::Result<()> {
        self.workers.iter().try_for_each(|worker| process::stop(worker.id()?))
    }

    /// See [`Headquarters::stand_still`].
    pub fn go_on(&self) -> io::Result<()> {
        self.workers.iter().try_for_each(|worker| process::go_on(worker.id()?))
    }

    /// What the database answers to `sql`: a line a row, columns with `|` between.
    pub fn ask(&self, sql: &str) -> io::Result<String> {
        let Some(postgres) = &self.postgres else { return self.ask_sqlite(sql).map_err(io::Error::other) };
        postgres.ask(sql)
    }

    fn ask_sqlite(&self, sql: &str) -> rusqlite::Result<String> {
        let db = rusqlite::Connection::open(self.dir.path().join("hq.sqlite"))?;
        let mut query = db.prepare(sql)?;
        let width = query.column_count();
        let mut rows = query.query([])?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            let cell = |at| match row.get_ref(at)? {
                rusqlite::types::ValueRef::Integer(number) => Ok(number.to_string()),
                other => other.as_str().map(str::to_owned).map_err(rusqlite::Error::from),
            };
            lines.push((0..width).map(cell).collect::<rusqlite::Result<Vec<_>>>()?.join("|"));
        }
        Ok(lines.join("\n"))
    }

    /// Bytes of the tables and their indices.
    pub fn disk_bytes(&self) -> io::Result<u64> {
        if let Some(postgres) = &self.postgres {
            let answer = postgres.ask("SELECT pg_database_size(current_database())")?;
            return answer.parse().map_err(io::Error::other);
        }
        let length = |name: &str| std::fs::metadata(self.dir.path().join(name)).map(|file| file.len());
        Ok(length("hq.sqlite")? + length("hq.sqlite-wal").unwrap_or(0))
    }

    /// Hands `messages` to the broker and waits until it has taken all of them.
    pub async fn send(&self, messages: Vec<Outgoing>) -> io::Result<()> {
        let mut options = MqttOptions::new("figures-stores", Broker::tcp("127.0.0.1", self.port));
        options.set_keep_alive(60);
        options.set_outgoing_inflight_upper_limit(UNDER_WAY_MAX);
        options.set_max_request_batch(64);
        let (client, mut events) = AsyncClient::builder(options).capacity(256).build();
        let count = messages.len();
        let sending = tokio::spawn(async move {
            for message in messages {
                let options = PublishOptions::new(QoS::AtLeastOnce);
                client.publish(message.topic, message.payload, options).await.map_err(io::Error::other)?;
            }
            Ok::<_, io::Error>(client)
        });
        let mut taken = 0;
        while taken < count {
            if let Event::Incoming(Packet::PubAck(ack)) = events.poll().await.map_err(io::Error::other)? {
                match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => taken += 1,
                    reason => return Err(io::Error::other(format!("the broker refuses: {reason:?}"))),
                }
            }
        }
        sending.await??;
        Ok(())
    }
}

/// A message of a store, ready to go.
#[derive(Clone)]
pub struct Outgoing {
    /// Where to.
    pub topic: String,
    /// The envelope.
    pub payload: Vec<u8>,
}

impl Outgoing {
    /// Number `seq` of `stream` of `store`'s `journal`.
    pub fn new(store: &str, journal: u64, stream: Stream, seq: u64, body: Body) -> Self {
        let envelope = Envelope {
            chain: CHAIN.into(),
            store: store.into(),
            boot: 1,
            stream: stream.into(),
            seq,
            journal,
            committed_ms: chrono::Utc::now().timestamp_millis(),
            body: Some(body),
        };
        Self { topic: StoreTopics::new(CHAIN, store).stream(stream), payload: envelope.encode_to_vec() }
    }
}

/// How long anything may take before it counts as broken.
pub const LIMIT: Duration = Duration::from_secs(300);
