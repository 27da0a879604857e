//! The task that owns the connection to the store's broker and does what [`Gateway`] says.

use crate::clock::Clock;
use crate::esl::estation::gateway::{Gateway, Input, Limits, Output, WINDOW_MAX};
use crate::esl::estation::message;
use crate::esl::estation::task::{GatewayEvent, LabelTask};
use crate::keep::{Beat, Inlet, Tie};
use crate::mqtt::client::{self, LanBroker};
use crate::mqtt::tls;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, PublishOptions, QoS,
    SubscribeReasonCode,
};
use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::{Interval, interval, sleep};
use tracing::{debug, info, warn};

/// Requests that may wait in the client: more than the window of labels and the subscriptions, so
/// that it is never full while the client lives.
const REQUESTS_MAX: usize = 2 * WINDOW_MAX;
/// A heartbeat carries a record of every label: some 60 bytes each, for up to 10,000 labels.
const PACKET_BYTES_MAX: u32 = 1 << 20;
/// Gateways use a topic alias for each topic.
const TOPIC_ALIAS_MAX: u16 = 255;
/// The first pause after a lost connection; each further loss doubles it.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between attempts to connect.
const PAUSE_MAX: Duration = Duration::from_secs(30);
const TOPICS: [&str; 4] = ["infor", "message", "result", "heartbeat"];

/// One gateway and the broker it is reached through. Not `Debug`: the password stays out of logs.
#[derive(Clone)]
pub struct EstationConfig {
    /// The broker on the store's LAN.
    pub broker: LanBroker,
    /// The gateway's id, 4 characters.
    pub ap: String,
    /// Time limits.
    pub limits: Limits,
}

/// No gateway takes a task a millisecond, so within a minute a new run is ahead of every token of the
/// one before; later it begins as good as anywhere. (Seconds would not do: a gateway does one or more
/// tasks a second, and a run could begin with the very tokens that were in flight.)
fn first_token(clock: &Clock) -> u16 {
    u16::try_from(clock.now().utc.0.rem_euclid(65_536)).unwrap_or(0)
}

/// Serves the gateway until the `tie` says stop, or until nobody takes events any more. Takes no new task while
/// events wait to be taken, so that a slow listener slows the sender and nothing is lost.
pub async fn run(
    config: EstationConfig,
    tasks: impl Into<Inlet<LabelTask>>,
    events: mpsc::Sender<GatewayEvent>,
    clock: Clock,
    tie: impl Into<Tie>,
) {
    let tie = tie.into();
    let mut shell = Shell {
        gateway: Gateway::new(config.limits, first_token(&clock)),
        client: None,
        topic: format!("/estation/{}/taskESL2", config.ap),
        ap: config.ap.clone(),
        link_told: None,
        waiting: VecDeque::new(),
        tasks: tasks.into().take().await,
        events: events.clone(),
        clock,
        beat: tie.beat,
        second: interval(Duration::from_secs(1)),
    };
    tokio::select! {
        () = shell.drive(&config) => {}
        () = events.closed() => {}
        () = tie.stop.cancelled() => {}
    }
}

struct Shell {
    gateway: Gateway,
    client: Option<AsyncClient>,
    topic: String,
    ap: String,
    /// What the log last said of the connection: that it is there, or why not.
    link_told: Option<Result<(), String>>,
    /// Events nobody took yet: at most those of one message of the gateway.
    waiting: VecDeque<GatewayEvent>,
    tasks: OwnedMutexGuard<mpsc::Receiver<LabelTask>>,
    events: mpsc::Sender<GatewayEvent>,
    clock: Clock,
    beat: Beat,
    second: Interval,
}

impl Shell {
    /// Connects, serves until an error, and begins anew with a fresh client: a client that lived
    /// through an error may hold or have dropped publishes that only it knows of.
    async fn drive(&mut self, config: &EstationConfig) {
        let mut pause = PAUSE_FIRST;
        loop {
            let error = match options(config) {
                Err(error) => error,
                Ok(options) => {
                    let (client, mut connection) =
                        AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
                    for topic in TOPICS {
                        let filter = format!("/estation/{}/{topic}", config.ap);
                        // The channel of a new client is empty, and a closed one shows in the first poll.
                        let _ = client.try_subscribe(filter, QoS::ExactlyOnce);
                    }
                    self.client = Some(client);
                    let error = self.serve(&mut connection, &mut pause).await;
                    self.client = None;
                    tls::why(&error)
                }
            };
            if self.link_told.as_ref() != Some(&Err(error.clone())) {
                warn!(ap = self.ap, error, "label gateway: no connection to the store's broker");
                self.link_told = Some(Err(error));
            }
            self.step(Input::Offline);
            self.during(sleep(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn serve(&mut self, connection: &mut EventLoop, pause: &mut Duration) -> ConnectionError {
        loop {
            match self.during(connection.poll()).await {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    self.receive(&publish.topic, &publish.payload);
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    *pause = PAUSE_FIRST;
                    let granted = |code| matches!(code, &SubscribeReasonCode::Success(_));
                    if !ack.return_codes.iter().all(granted) {
                        warn!(
                            ap = self.ap,
                            "label gateway: the broker refuses a topic; check its access list"
                        );
                    } else if self.link_told.replace(Ok(())) != Some(Ok(())) {
                        info!(ap = self.ap, "label gateway: connected to the store's broker");
                    }
                }
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    /// Waits for `future` and meanwhile takes tasks, hands over events and lets time pass. The
    /// future is never dropped half-way: polling an MQTT connection is not made for that.
    async fn during<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        // A place reserved in the channel would keep all of `self` borrowed.
        let events = self.events.clone();
        loop {
            self.beat.give().await;
            tokio::select! {
                output = &mut future => return output,
                Ok(place) = events.reserve(), if !self.waiting.is_empty() => {
                    if let Some(event) = self.waiting.pop_front() {
                        place.send(event);
                    }
                }
                Some(task) = self.tasks.recv(), if self.waiting.is_empty() => {
                    self.step(Input::Task(task));
                }
                _ = self.second.tick() => self.step(Input::Tick),
            }
        }
    }

    fn receive(&mut self, topic: &[u8], payload: &[u8]) {
        let kind = topic.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let input = match kind {
            b"infor" => message::infor(payload).map(|infor| {
                info!(
                    ap = self.ap,
                    version = infor.version,
                    free_mb = infor.free_mb,
                    "label gateway started"
                );
                Input::Infor(infor.free_mb)
            }),
            b"message" => message::message(payload).map(Input::Message),
            b"result" => message::results(payload).map(Input::Results),
            b"heartbeat" => message::heartbeat(payload).map(|_| Input::Heartbeat),
            _ => return,
        };
        match input {
            Ok(input) => self.step(input),
            Err(error) => debug!(ap = self.ap, %error, "label gateway: message not understood"),
        }
    }

    fn step(&mut self, input: Input) {
        for output in self.gateway.step(self.clock.now(), input) {
            match output {
                Output::Event(event) => self.waiting.push_back(event),
                Output::Publish(payload) => {
                    let Some(client) = &self.client else { continue };
                    let options = PublishOptions::new(QoS::ExactlyOnce);
                    // One that is refused here gets no result and is sent again after its time-out.
                    if let Err(error) = client.try_publish(self.topic.as_str(), payload, options) {
                        debug!(ap = self.ap, %error, "label gateway: task not handed over");
                    }
                }
            }
        }
    }
}

fn options(config: &EstationConfig) -> Result<MqttOptions, String> {
    let mut options = client::options(&config.broker)?;
    options.set_topic_alias_max(Some(TOPIC_ALIAS_MAX));
    options.set_max_packet_size(Some(PACKET_BYTES_MAX));
    Ok(options)
}
