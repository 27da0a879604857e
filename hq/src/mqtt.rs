//! Everything that knows the MQTT client: one connection that is rebuilt after every error.
//!
//! The task that polls the connection never waits for anything else; whoever takes the deliveries
//! confirms each one when it is safe, and only then the broker forgets it.

use crate::pause::Pause;
use rumqttc::mqttbytes::QoS;
use rumqttc::{
    AckMode, AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, PersistedAckMode,
    PersistedSession, Publish, PublishOptions, SessionStore, SessionStoreError, SessionStoreKey,
    SubscribeFilter,
};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;
use storewarden_proto::PAYLOAD_BYTES_MAX;
use thiserror::Error;
use tokio::sync::watch;

/// Most deliveries the broker may have given out and not seen confirmed.
const UNCONFIRMED_MAX: u16 = 256;

/// Bytes of deliveries that are not confirmed yet. [`UNCONFIRMED_MAX`] does not bound them: Mosquitto up to
/// 2.0.11 at least gives out as many again at each confirmation while it has a queue (eclipse/mosquitto
/// #2301), so that a queue of any length comes at once. Beyond, the connection is given up and the broker
/// keeps the rest; a message of QoS 0 is lost.
const HELD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a delivery takes beside its payload, about, bytes.
const DELIVERY_BYTES: usize = 512;

/// How long the broker keeps deliveries while this worker is away: long enough for a restart. Until then it
/// goes on giving it its share; after it the others get all, and what was kept for it the stores send again.
const SESSION_EXPIRY_SECONDS: u32 = 5;

/// A worker that says nothing for half as long again is gone, to the broker.
const KEEP_ALIVE_SECONDS: u16 = 10;

/// Topic and headers of the largest packet, bytes.
const PACKET_SLACK_BYTES: usize = 4 * 1024;

/// Where the broker is and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// User name and password.
    pub(crate) credentials: Option<(String, String)>,
    /// Names the session: two services with one name throw each other out.
    pub(crate) client_id: String,
}

/// What is wrong with a broker's address.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    #[error("{0:?} is not a broker's address: write mqtt://HOST or mqtt://HOST:PORT")]
    Form(String),
    #[error(
        "{0:?}: TLS is not built in; run the service beside the broker, or through a TLS tunnel (stunnel, a VPN), and use mqtt://"
    )]
    Tls(String),
}

/// Host and port of `mqtt://HOST[:PORT]`; the port is 1883 unless said.
pub(crate) fn address(url: &str) -> Result<(String, u16), AddressError> {
    let form = || AddressError::Form(url.to_owned());
    if url.starts_with("mqtts://") {
        return Err(AddressError::Tls(url.to_owned()));
    }
    let rest = url.strip_prefix("mqtt://").ok_or_else(form)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    // An IPv6 host stands in brackets, because it has colons itself.
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(form)?)),
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(form());
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or_else(form)?,
        None => 1883,
    };
    Ok((host.to_owned(), port))
}

/// One message from the broker, which keeps it until [`Delivery::confirm`].
pub(crate) struct Delivery {
    topic: String,
    publish: Publish,
    client: AsyncClient,
    number: u64,
    _held: Held,
}

/// Bytes of a delivery among those that are held; dropped with it.
struct Held {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Held {
    /// None if there is no room.
    fn take(all: &Arc<AtomicUsize>, bytes: usize) -> Option<Self> {
        // One task adds; others only take away.
        if all.load(Ordering::Relaxed) + bytes > HELD_BYTES_MAX {
            return None;
        }
        all.fetch_add(bytes, Ordering::Relaxed);
        Some(Self { all: all.clone(), bytes })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Delivery {
    /// The topic it came on.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Counts the deliveries of this process, from 0, without a hole.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Its bytes.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.publish.payload
    }

    /// Tells the broker that it is safe. Where the connection it came by is gone, the broker
    /// delivers it again by the next.
    pub(crate) async fn confirm(&self) {
        if self.client.ack(&self.publish).await.is_err() {
            tracing::debug!(topic = self.topic, "the connection of a delivery is gone; it comes again");
        }
    }
}

/// Publishes through the present connection, if there is one.
#[derive(Clone)]
pub(crate) struct Publisher {
    present: watch::Receiver<Option<AsyncClient>>,
}

impl Publisher {
    /// Hands `payload` (at most [`PAYLOAD_BYTES_MAX`] bytes) over for `topic` with QoS 1; waits while
    /// the connection's queue is full. Whether it was taken: without a connection it is not, and what
    /// was taken is lost with the connection.
    pub(crate) async fn publish(&self, topic: &str, payload: Vec<u8>, retain: bool) -> bool {
        if payload.len() > PAYLOAD_BYTES_MAX {
            tracing::error!(topic, bytes = payload.len(), "not published: larger than the contract allows");
            return false;
        }
        let Some(client) = self.present.borrow().clone() else { return false };
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retain);
        client.publish(topic, payload, options).await.is_ok()
    }
}

/// The connection; [`Connection::run`] keeps it up.
pub(crate) struct Connection {
    broker: Broker,
    filters: Vec<String>,
    deliveries: Sender<Delivery>,
    held: Arc<AtomicUsize>,
    count: AtomicU64,
    present: watch::Sender<Option<AsyncClient>>,
}

impl Connection {
    /// A connection to `broker` that subscribes `filters` and hands what comes to `deliveries`: at most
    /// [`HELD_BYTES_MAX`] that are not dropped.
    pub(crate) fn new(
        broker: Broker,
        filters: Vec<String>,
        deliveries: Sender<Delivery>,
    ) -> (Self, Publisher) {
        let (sender, present) = watch::channel(None);
        let held = Arc::default();
        (
            Self { broker, filters, deliveries, held, count: AtomicU64::new(0), present: sender },
            Publisher { present },
        )
    }

    /// Connects, and after every error connects anew, until dropped or until nobody takes deliveries.
    pub(crate) async fn run(self) {
        let mut pause = Pause::new(Duration::from_millis(500), Duration::from_secs(30));
        let (host, port) = (self.broker.host.clone(), self.broker.port);
        loop {
            let error = match self.connect_and_poll(&mut pause).await {
                Ended::NobodyTakes => return,
                Ended::Failed(error) => error,
            };
            self.present.send_replace(None);
            let wait = pause.after_failure(fastrand::f64());
            tracing::warn!(host, port, error, wait_ms = wait.as_millis(), "no connection to the broker");
            tokio::time::sleep(wait).await;
        }
    }

    async fn connect_and_poll(&self, pause: &mut Pause) -> Ended {
        let (client, mut events) = connection(&self.broker);
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    tracing::info!(
                        host = self.broker.host,
                        port = self.broker.port,
                        "connected to the broker"
                    );
                    // Also in a resumed session: it makes the broker tell every store's status again.
                    // The queue of a new client is empty, so that there is room.
                    let filters =
                        self.filters.iter().map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
                    if let Err(error) = client.try_subscribe_many(filters) {
                        return Ended::Failed(error.to_string());
                    }
                    self.present.send_replace(Some(client.clone()));
                }
                Ok(Event::Incoming(Packet::SubAck(granted))) => {
                    let refused = granted
                        .return_codes
                        .iter()
                        .zip(&self.filters)
                        .find(|(code, _)| !matches!(code, rumqttc::SubscribeReasonCode::Success(_)));
                    if let Some((code, filter)) = refused {
                        return Ended::Failed(format!("the broker refuses to subscribe {filter}: {code:?}"));
                    }
                    pause.reset();
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    if let Err(ended) = self.deliver(publish, &client) {
                        return ended;
                    }
                }
                Ok(Event::Incoming(Packet::Disconnect(disconnect))) => {
                    return Ended::Failed(format!("the broker ended it: {:?}", disconnect.reason_code));
                }
                Ok(Event::Incoming(Packet::PubAck(ack)))
                    if !matches!(
                        ack.reason,
                        rumqttc::PubAckReason::Success | rumqttc::PubAckReason::NoMatchingSubscribers
                    ) =>
                {
                    tracing::error!(reason = ?ack.reason, "the broker refused a publish: check its access list");
                }
                Ok(_) => {}
                Err(error) => return Ended::Failed(error.to_string()),
            }
        }
    }

    /// Never waits: the poll loop must go on, or the confirmations that make room cannot leave.
    fn deliver(&self, publish: Publish, client: &AsyncClient) -> Result<(), Ended> {
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        let bytes = DELIVERY_BYTES + topic.len() + publish.payload.len();
        let Some(held) = Held::take(&self.held, bytes) else {
            if publish.qos == QoS::AtMostOnce {
                tracing::warn!(topic, "dropped a QoS 0 message: too many at once");
                return Ok(());
            }
            return Err(Ended::Failed("too many deliveries at once; the broker keeps them".to_owned()));
        };
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let delivery = Delivery { topic, publish, client: client.clone(), number, _held: held };
        self.deliveries.send(delivery).map_err(|_| Ended::NobodyTakes)
    }
}

enum Ended {
    NobodyTakes,
    Failed(String),
}

fn connection(broker: &Broker) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(broker.client_id.clone(), (broker.host.clone(), broker.port));
    // A confirmation and what follows it are small: together Nagle's rule and a delayed TCP acknowledgement
    // would hold the second back for 40 ms.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let packet_bytes_max = u32::try_from(PAYLOAD_BYTES_MAX + PACKET_SLACK_BYTES).unwrap_or(u32::MAX);
    options
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_SECONDS))
        .set_session_store(NothingUnderWay)
        .set_ack_mode(AckMode::Manual)
        .set_receive_maximum(Some(UNCONFIRMED_MAX))
        .set_max_packet_size(Some(packet_bytes_max));
    if let Some((username, password)) = &broker.credentials {
        options.set_credentials(username.clone(), password.clone());
    }
    AsyncClient::builder(options).capacity(usize::from(UNCONFIRMED_MAX)).build()
}

/// Our half of a resumed session: nothing is under way. True, because what we had published without
/// an answer is made anew from the database. Without a stored half the client would either refuse the
/// session that the broker has kept for us or, told to accept it, silently drop whatever is published
/// and subscribed in it.
#[derive(Debug)]
struct NothingUnderWay;

impl SessionStore for NothingUnderWay {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> SessionFuture<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(SESSION_EXPIRY_SECONDS),
            outgoing_inflight_upper_limit: None,
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async { Ok(Some(session)) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> SessionFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> SessionFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

type SessionFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(address("mqtt://broker"), Ok(("broker".into(), 1883)));
        assert_eq!(address("mqtt://127.0.0.1:18830/"), Ok(("127.0.0.1".into(), 18830)));
        assert_eq!(address("mqtt://[::1]:1884"), Ok(("::1".into(), 1884)));
        for bad in
            ["broker:1883", "mqtt://", "mqtt://a:b", "mqtt://a:0", "mqtt://u@a", "http://a", "mqtt://[::1]x"]
        {
            assert!(matches!(address(bad), Err(AddressError::Form(_))), "{bad}");
        }
        assert!(matches!(address("mqtts://broker"), Err(AddressError::Tls(_))));
    }
}
