//! One MQTT 5 connection to the broker of headquarters: the only file that knows the client library.
//!
//! The event loop is polled by a task of its own, which never publishes; publishing never waits
//! (`try_publish`). So the two cannot wait for each other. On any error the client and its event loop
//! are dropped whole: nothing pending in the library is trusted, the outbox sends it again.

use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{
    AsyncClient, Broker, ConnectionError, Event, IncomingPacketSizeLimit, LastWill, MqttOptions,
    PublishNotice, PublishOptions, QoS, TlsConfiguration, Transport,
};
use std::time::Duration;
use storewarden_proto::PAYLOAD_BYTES_MAX;
use tokio::sync::mpsc;

/// Requests waiting in the client library; a lane's worth of every stream and some control packets.
const REQUESTS_MAX: usize = 96;
/// Messages the broker has not confirmed: more than the lanes of all streams together. Without a limit the
/// client library keeps a slot for each of 65 535 and walks through all of them at every write.
const UNCONFIRMED_MAX: u16 = 96;
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
    /// TLS with this certificate authority (PEM); none: plain text.
    pub ca: Option<Vec<u8>>,
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
    /// The broker accepted us.
    Connected,
    /// A message of a subscribed topic.
    Message {
        /// Its topic.
        topic: String,
        /// Its bytes.
        payload: Vec<u8>,
    },
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
    /// Begins to connect; [`LinkEvent::Connected`] follows.
    pub fn open(endpoint: &Endpoint) -> Self {
        let broker = Broker::tcp(endpoint.host.clone(), endpoint.port);
        let mut options = MqttOptions::new(endpoint.client_id.clone(), broker);
        options.set_keep_alive(KEEP_ALIVE_S);
        let limit = u32::try_from(PAYLOAD_BYTES_MAX + PACKET_OVERHEAD_BYTES).unwrap_or(u32::MAX);
        options.set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(limit));
        options.set_max_packet_size(Some(limit));
        options.set_outgoing_inflight_upper_limit(UNCONFIRMED_MAX);
        if let Some((user, password)) = &endpoint.login {
            options.set_credentials(user.clone(), password.clone());
        }
        if let Some(ca) = &endpoint.ca {
            let tls = TlsConfiguration::Simple { ca: ca.clone(), alpn: None, client_auth: None };
            options.set_transport(Transport::tls_with_config(tls));
        }
        let (topic, payload) = &endpoint.last_will;
        options.set_last_will(LastWill::new(topic.clone(), payload.clone(), QoS::AtLeastOnce, true, None));
        let (client, mut event_loop) = AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let task = tokio::spawn(async move {
            loop {
                let event = match event_loop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => LinkEvent::Connected,
                    Ok(Event::Incoming(Packet::Publish(publish))) => LinkEvent::Message {
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        payload: publish.payload.to_vec(),
                    },
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
        Self { client, events, task }
    }

    /// Asks for the messages of `topic`. False: the client library's queue is full.
    pub fn subscribe(&self, topic: &str) -> bool {
        self.client.try_subscribe(topic, QoS::AtLeastOnce).is_ok()
    }

    /// Hands over a message; the receipt resolves when the broker has it. None: the client library's
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

/// The broker's answer to one message, to come.
pub struct Receipt(PublishNotice);

impl Receipt {
    /// Waits until the broker has taken the message, or says why it did not.
    pub async fn taken(self) -> Result<(), String> {
        self.0.wait_completion_async().await.map_err(|error| error.to_string())
    }
}

fn why(error: &ConnectionError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
