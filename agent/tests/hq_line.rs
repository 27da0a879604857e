//! The faults of the MQTT client library that the link must live with. Each is shown with the library
//! alone, then not to happen with the link, at a real Mosquitto.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod free_port;

use free_port::free_port;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Broker as Address, Event, EventLoop, MqttOptions, PublishOptions, QoS};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use storewarden::clock_trust::ClockTrust;
use storewarden::config::AckBy;
use storewarden::hq_link::connection::{Connection, Endpoint};
use storewarden::hq_link::{Link, LinkState};
use storewarden::journal::{Identity, Journal, outbox};
use storewarden_drivers::clock::Clock;
use storewarden_proto::topic::StoreTopics;
use storewarden_proto::v1::envelope::Body;
use storewarden_proto::v1::{Alert, Status};
use storewarden_rules::Utc;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);

/// Mosquitto with its own port and folder; keeps nothing over a restart.
struct Broker {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Broker {
    fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let text =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n{more}");
        std::fs::write(dir.path().join("mosquitto.conf"), text).unwrap();
        let child = Self::spawn(&dir, port);
        Self { dir, port, child }
    }

    fn spawn(dir: &tempfile::TempDir, port: u16) -> Child {
        let config = dir.path().join("mosquitto.conf");
        let child = Command::new("mosquitto").arg("-c").arg(config).stderr(Stdio::null()).spawn();
        let mut child = child.expect("mosquitto is installed: run ./scripts/test");
        until("Mosquitto listens", || {
            assert_eq!(child.try_wait().unwrap(), None, "Mosquitto does not run");
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        child
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Takes changed access rules over; connections stay.
    fn read_again(&self) {
        let hangup = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(hangup.unwrap().success());
    }

    fn again(&mut self) {
        self.child = Self::spawn(&self.dir, self.port);
    }

    /// `mosquitto_sub` of everything, a line a message in the file that is given.
    fn listen(&self, name: &str) -> (Listener, PathBuf) {
        let heard = self.dir.path().join(name);
        let file = std::fs::File::create(&heard).unwrap();
        let child = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-V", "mqttv5", "-q", "1", "-t", "#", "-F", "%t %l", "-p"])
            .arg(self.port.to_string())
            .stdout(file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It is there when it hears what is published for it.
        until("the listener hears", || {
            self.publish("hello", "mqttv5");
            std::fs::read_to_string(&heard).unwrap().contains("hello")
        });
        (Listener(child), heard)
    }

    /// `mosquitto_pub`; whether it believes to have delivered.
    fn publish(&self, topic: &str, version: &str) -> bool {
        Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-q", "1", "-m", "x", "-V", version, "-t", topic, "-p"])
            .arg(self.port.to_string())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits, without letting anything else of the test go on, until `holds`.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "in {SOON:?} it did not happen that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn count(heard: &PathBuf, topic: &str) -> usize {
    std::fs::read_to_string(heard).unwrap().lines().filter(|line| line.starts_with(topic)).count()
}

/// The library as its examples use it.
fn library(port: u16, capacity: usize) -> (AsyncClient, EventLoop) {
    let options = MqttOptions::new("library", Address::tcp("127.0.0.1", port));
    AsyncClient::builder(options).capacity(capacity).build()
}

async fn connected(events: &mut EventLoop) {
    let wait = async {
        while !matches!(events.poll().await, Ok(Event::Incoming(Packet::ConnAck(_)))) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, wait).await.expect("the broker answers");
}

/// Polls for as long as something comes, or fails.
async fn work(events: &mut EventLoop, until_quiet: Duration) -> Vec<String> {
    let mut faults = Vec::new();
    let end = Instant::now() + SOON;
    while let Ok(event) = timeout(until_quiet, events.poll()).await {
        assert!(Instant::now() < end, "the library comes to no rest; it failed with {faults:?}");
        if let Err(error) = event {
            faults.push(error.to_string());
            sleep(Duration::from_millis(50)).await;
            if faults.len() > 5 {
                break;
            }
        }
    }
    faults
}

/// A link to the broker with a journal that holds `count` alerts.
struct Store {
    journal: Journal,
    state: watch::Receiver<LinkState>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
    _prices: mpsc::Receiver<Vec<u8>>,
}

impl Store {
    async fn start(port: u16, bodies: Vec<Body>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let names =
            Identity { chain: "kaixin".into(), store: "0042".into(), boot: 1, journal: 0, reports: true };
        let journal = Journal::open(&dir.path().join("journal.sqlite"), names, Utc(1)).unwrap();
        let identity = journal.identity().clone();
        journal
            .run(move |db| {
                bodies
                    .iter()
                    .try_for_each(|body| outbox::append(db, &identity, Utc(1), body.clone()).map(|_| ()))
            })
            .await
            .unwrap();
        let (sender, state) = watch::channel(LinkState::Offline);
        let (prices, _prices) = mpsc::channel(1);
        let link = Link {
            endpoint: endpoint(port),
            ack: AckBy::Broker,
            topics: StoreTopics::new("kaixin", "0042"),
            status: Status::default(),
            journal: journal.clone(),
            prices,
            commands: mpsc::channel(1).0,
            heard: watch::channel(false).0,
            state: sender,
            clock: Clock::start(),
            clock_trust: watch::channel(ClockTrust::default()).0,
        };
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move { link.run(token).await.unwrap() });
        Self { journal, state, stop, task, _dir: dir, _prices }
    }

    async fn pending(&self) -> u64 {
        self.journal.run(outbox::pending).await.unwrap()
    }

    async fn until_sent(&self) {
        let sent = async {
            while self.pending().await > 0 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(SOON, sent).await.expect("everything is sent");
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(SOON, self.task).await.expect("the link stops").unwrap();
    }
}

/// A door before the broker: whoever comes while it is shut is turned away.
struct Gate {
    is_open: watch::Sender<bool>,
    turned_away: watch::Receiver<u32>,
}

impl Gate {
    fn open(&self) {
        self.is_open.send_replace(true);
    }

    async fn closed_once(&self) {
        self.turned_away.clone().wait_for(|times| *times > 0).await.unwrap();
    }
}

async fn gate(broker: u16) -> (u16, Gate) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (is_open, opened) = watch::channel(false);
    let (count, turned_away) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut store, _)) = listener.accept().await {
            if !*opened.borrow() {
                count.send_modify(|times| *times += 1);
                continue;
            }
            tokio::spawn(async move {
                let mut broker = tokio::net::TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut store, &mut broker).await;
            });
        }
    });
    (port, Gate { is_open, turned_away })
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        host: "127.0.0.1".into(),
        port,
        tls: None,
        login: None,
        client_id: "storewarden-kaixin-0042".into(),
        last_will: ("storewarden/v1/kaixin/0042/status".into(), Vec::new()),
    }
}

fn alerts(count: usize, cause: &str) -> Vec<Body> {
    vec![Body::Alert(Alert { cause: cause.into(), ..Alert::default() }); count]
}

const ALERT: &str = "storewarden/v1/kaixin/0042/alert";

#[tokio::test]
async fn what_the_library_was_given_is_lost_with_the_brokers_session_and_with_the_link_it_is_not() {
    const MESSAGES: usize = 300;
    let mut broker = Broker::start("");
    let (client, mut events) = library(broker.port, 1000);
    connected(&mut events).await;
    broker.kill();
    for _ in 0..MESSAGES {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        client
            .try_publish("library", "x", options)
            .expect("the library takes it: the caller believes it safe");
    }
    // It meets the dead broker with them.
    let _ = work(&mut events, Duration::from_millis(300)).await;
    broker.again();
    let (_listener, heard) = broker.listen("library");
    let _ = work(&mut events, Duration::from_secs(1)).await;
    let arrived = count(&heard, "library");
    assert!(arrived < MESSAGES, "the library has been mended: all {arrived} arrived");

    broker.kill();
    let (port, open) = gate(broker.port).await;
    let store = Store::start(port, alerts(MESSAGES, "")).await;
    // It is turned away at least once before there is a broker.
    timeout(SOON, open.closed_once()).await.expect("the link tries");
    broker.again();
    let (_listener, heard) = broker.listen("link");
    open.open();
    store.until_sent().await;
    assert_eq!(count(&heard, ALERT), MESSAGES, "each once: the broker was not killed again");
    store.stop().await;
}

#[tokio::test]
async fn one_message_too_long_wedges_the_library_and_the_link_never_hands_it_over() {
    let broker = Broker::start("max_packet_size 4000\n");
    let (client, mut events) = library(broker.port, 10);
    let options = || PublishOptions::new(QoS::AtLeastOnce);
    client.try_publish("library", vec![b'x'; 8000], options()).unwrap();
    client.try_publish("library", "short", options()).unwrap();
    let (_listener, heard) = broker.listen("library");
    let faults = work(&mut events, Duration::from_secs(1)).await;
    assert_eq!(count(&heard, "library"), 0, "the short one never goes out behind the long one");
    assert!(!faults.is_empty(), "and each connection fails anew");

    let long = Body::Alert(Alert { cause: "x".repeat(8000), ..Alert::default() });
    let outcome = Body::CommandOutcome(storewarden_proto::v1::CommandOutcome::default());
    let (_listener, heard) = broker.listen("link");
    let mut store = Store::start(broker.port, vec![long, outcome]).await;
    let refused = store.state.wait_for(|state| *state == LinkState::Refused);
    timeout(SOON, refused).await.expect("that is said").unwrap();
    let other = async {
        while count(&heard, "storewarden/v1/kaixin/0042/command/result") == 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, other).await.expect("another stream goes on");
    let alone = async {
        while store.pending().await > 1 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, alone).await.expect("the short one is done with");
    assert_eq!((count(&heard, ALERT), store.pending().await), (0, 1), "the long one is kept");
    store.stop().await;
}

#[tokio::test]
async fn a_refused_message_looks_delivered_under_3_1_1_and_is_kept_and_said_by_the_link() {
    let mut broker = Broker::start("");
    let acl = broker.dir.path().join("acl");
    std::fs::write(
        &acl,
        "topic readwrite hello\ntopic read #\ntopic write storewarden/v1/kaixin/0042/status\n",
    )
    .unwrap();
    let config = broker.dir.path().join("mosquitto.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}acl_file {}\n", acl.display())).unwrap();
    broker.kill();
    broker.again();
    let (_listener, heard) = broker.listen("heard");
    assert!(broker.publish(ALERT, "mqttv311"), "3.1.1 has no word for it: the sender believes it delivered");
    assert_eq!(count(&heard, ALERT), 0);

    let mut store = Store::start(broker.port, alerts(1, "")).await;
    let refused = store.state.wait_for(|state| *state == LinkState::Refused);
    timeout(SOON, refused).await.expect("that is said").unwrap();
    assert_eq!(store.pending().await, 1, "and the message is kept");

    // Mended while the connection lasts: the next try of the same message takes the word back.
    std::fs::write(&acl, "topic readwrite #\n").unwrap();
    broker.read_again();
    let mended = store.state.wait_for(|state| *state == LinkState::Online);
    timeout(SOON, mended).await.expect("that is said too").unwrap();
    store.until_sent().await;
    assert_eq!(count(&heard, ALERT), 1);
    store.stop().await;
}

#[tokio::test]
async fn publishing_waits_for_itself_in_the_library_and_never_waits_in_the_link() {
    let broker = Broker::start("");
    let (client, mut events) = library(broker.port, 1);
    connected(&mut events).await;
    // From the very task that polls: the queue is full, and nobody is left to empty it.
    let both = async {
        for _ in 0..20 {
            client.publish("library", "x", PublishOptions::new(QoS::AtLeastOnce)).await.unwrap();
        }
    };
    assert!(timeout(Duration::from_secs(1), both).await.is_err(), "the library has been mended");

    let connection = Connection::open(&endpoint(broker.port)).unwrap();
    let taken = (0..1000).take_while(|_| connection.publish("x", Vec::new(), false).is_some()).count();
    assert!(taken < 1000, "a full queue is said, not waited for");
}
