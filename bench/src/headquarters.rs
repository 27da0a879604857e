//! Headquarters alone: Mosquitto, the service, and whoever sends to them.

use crate::acks::Acks;
use crate::lab::CHAIN;
use crate::mosquitto::Mosquitto;
use crate::process;
use prost::Message as _;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Broker, Event, MqttOptions, PubAckReason, PublishOptions, QoS};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use storewarden_demo::children::Part;
use storewarden_demo::ready::{free_port, wait_for_port};
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
    service: Part,
}

impl Headquarters {
    /// Starts both, and waits until the service takes messages.
    pub async fn open() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let mosquitto = Mosquitto::start(dir.path(), port)?;
        wait_for_port(port).await?;
        let db = format!("--db={}", dir.path().join("hq.sqlite").display());
        let broker = format!("--broker=mqtt://127.0.0.1:{port}");
        let chain = format!("--chain={CHAIN}");
        let service = Part::start(dir.path(), "storewarden-hq", [&db, "serve", &broker, &chain])?;
        let headquarters = Self { dir, port, mosquitto, service };
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
        self.service.check(self.dir.path())
    }

    /// CPU time of the service and of the broker, s.
    pub fn cpu_s(&self) -> io::Result<(f64, f64)> {
        Ok((process::cpu_s(self.service.id()?)?, process::cpu_s(self.mosquitto.id()?)?))
    }

    /// The service stands still until [`Headquarters::go_on`]; the broker keeps what comes for it.
    pub fn stand_still(&self) -> io::Result<()> {
        process::stop(self.service.id()?)
    }

    /// See [`Headquarters::stand_still`].
    pub fn go_on(&self) -> io::Result<()> {
        process::go_on(self.service.id()?)
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.dir.path().join("hq.sqlite")
    }

    /// Bytes of its database on disk, with the write-ahead log.
    pub fn disk_bytes(&self) -> io::Result<u64> {
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
