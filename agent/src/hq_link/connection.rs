//! One MQTT 5 connection to the broker of headquarters: the only file that knows the client library.
//!
//! The event loop is polled by a task of its own, which never publishes; publishing never waits
//! (`try_publish`). So the two cannot wait for each other. On any error the client and its event loop
//! are dropped whole: nothing pending in the library is trusted, the outbox sends it again.

use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{
    AsyncClient, Broker, Event, IncomingPacketSizeLimit, LastWill, MqttOptions, NetworkOptions,
    PublishNotice, PublishNoticeError, PublishOptions, QoS, SubscribeFilterInput, SubscribeReasonCode,
};
use std::time::Duration;
use storewarden_drivers::mqtt::tls::{TlsFiles, why};
use storewarden_proto::PAYLOAD_BYTES_MAX;
use tokio::sync::mpsc;

/// Requests waiting in the client library; a lane's worth of every stream and some control packets.
const REQUESTS_MAX: usize = 144;
/// Publishes under way at most: a lane's worth of every stream. The library keeps a slot for each; its
/// default of 65,535 is 15 MB.
const INFLIGHT_MAX: u16 = 112;
/// Events waiting for the link; beyond that the broker waits.
const EVENTS_MAX: usize = 64;
/// MQTT keep-alive, seconds: a dead line is noticed within one and a half of these.
const KEEP_ALIVE_S: u16 = 20;
/// Room for topic and properties beside a payload, bytes.
const PACKET_OVERHEAD_BYTES: usize = 1024;

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS with these files; none: plain text.
    pub tls: Option<TlsFiles>,
    /// MQTT user name and password.
    pub login: Option<(String, String)>,
    /// MQTT client id.
    pub client_id: String,
    /// Retained message the broker publishes when this connection is lost: topic and payload.
    pub last_will: (String, Vec<u8>),
}

/// What happens on a connection.
#[derive(Debug)]
pub enum LinkEvent {
    /// The broker accepted us, and takes payloads of at most so many bytes.
    Connected {
        /// Never more than the contract's own limit.
        payload_bytes_max: usize,
    },
    /// A message of a subscribed topic.
    Message {
        /// Its topic.
        topic: String,
        /// Its bytes.
        payload: Vec<u8>,
        /// The broker kept it from before we asked: it may be old.
        kept: bool,
    },
    /// The broker refused a subscription; the code.
    Denied(String),
    /// It granted all that were asked for together.
    Granted,
    /// It is over; why. Nothing follows.
    Lost(String),
}

/// A connection under way or up. Dropping it ends it.
pub struct Connection {
    client: AsyncClient,
    /// What happens on it.
    pub events: mpsc::Receiver<LinkEvent>,
    task: tokio::task::JoinHandle<()>,
}

impl Connection {
    /// Begins to connect; [`LinkEvent::Connected`] follows. An error tells which TLS file cannot be read.
    pub fn open(endpoint: &Endpoint) -> Result<Self, String> {
        let broker = Broker::tcp(endpoint.host.clone(), endpoint.port);
        let mut options = MqttOptions::new(endpoint.client_id.clone(), broker);
        options.set_keep_alive(KEEP_ALIVE_S);
        // A confirmation and what follows it are small: together Nagle's rule and a delayed TCP acknowledgement
        // would hold the second back for 40 ms.
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let limit = u32::try_from(PAYLOAD_BYTES_MAX + PACKET_OVERHEAD_BYTES).unwrap_or(u32::MAX);
        options.set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(limit));
        options.set_max_packet_size(Some(limit));
        options.set_outgoing_inflight_upper_limit(INFLIGHT_MAX);
        if let Some((user, password)) = &endpoint.login {
            options.set_credentials(user.clone(), password.clone());
        }
        if let Some(files) = &endpoint.tls {
            options.set_transport(files.read()?);
        }
        let (topic, payload) = &endpoint.last_will;
        options.set_last_will(LastWill::new(topic.clone(), payload.clone(), QoS::AtLeastOnce, true, None));
        let (client, mut event_loop) = AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let task = tokio::spawn(async move {
            loop {
                let event = match event_loop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                        let packet = answer.properties.and_then(|properties| properties.max_packet_size);
                        let room = packet.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
                        let payload = room.saturating_sub(PACKET_OVERHEAD_BYTES);
                        LinkEvent::Connected { payload_bytes_max: payload.min(PAYLOAD_BYTES_MAX) }
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => LinkEvent::Message {
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        payload: publish.payload.to_vec(),
                        kept: publish.retain,
                    },
                    Ok(Event::Incoming(Packet::SubAck(answer))) => {
                        let granted =
                            |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                        match answer.return_codes.iter().find(|code| !granted(code)) {
                            Some(code) => LinkEvent::Denied(format!("{code:?}")),
                            None => LinkEvent::Granted,
                        }
                    }
                    Ok(Event::Incoming(Packet::Disconnect(packet))) => {
                        LinkEvent::Lost(format!("the broker closed it: {:?}", packet.reason_code))
                    }
                    Ok(_) => continue,
                    Err(error) => LinkEvent::Lost(why(&error)),
                };
                let over = matches!(event, LinkEvent::Lost(_));
                if sender.send(event).await.is_err() || over {
                    return;
                }
            }
        });
        Ok(Self { client, events, task })
    }

    /// Asks for the messages of these topics; [`LinkEvent::Granted`] or [`LinkEvent::Denied`] follows for
    /// all of them together. False: the client library's queue is full.
    pub fn subscribe(&self, topics: impl IntoIterator<Item = String>) -> bool {
        let filters = topics.into_iter().map(|topic| SubscribeFilterInput::new(topic, QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).is_ok()
    }

    /// Hands over a message, which must not be longer than the broker takes: the library keeps one that is
    /// and fails with it at every connection. The receipt resolves when the broker has it. None: the client library's
    /// queue is full, try again later.
    pub fn publish(&self, topic: &str, payload: Vec<u8>, retain: bool) -> Option<Receipt> {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retain);
        self.client.try_publish_tracked(topic, payload, options).ok().map(Receipt)
    }

    /// Says good-bye, so that the broker does not publish the Last Will; waits at most `limit`.
    pub async fn close(mut self, limit: Duration) {
        let _ = self.client.try_disconnect();
        let _ = tokio::time::timeout(limit, async { while self.events.recv().await.is_some() {} }).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The broker has taken a message; or its reason not to.
pub type Taken = Result<(), String>;

/// The broker's answer to one message, to come.
pub struct Receipt(PublishNotice);

impl Receipt {
    /// Waits until the broker has taken the message, or refuses it. None: the connection ended before
    /// it said either.
    pub async fn taken(self) -> Option<Taken> {
        match self.0.wait_completion_async().await {
            Ok(()) => Some(Ok(())),
            Err(PublishNoticeError::V5PubAck(reason)) => Some(Err(format!("{reason:?}"))),
            Err(_) => None,
        }
    }
}
