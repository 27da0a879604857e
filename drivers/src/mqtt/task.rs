//! The task that owns the connection to one broker and does what [`Equipment`] says.

use crate::clock::{Clock, Moment};
use crate::keep::{Beat, Inlet, Tie};
use crate::modbus::command::CommandError;
use crate::modbus::task::Command;
use crate::mqtt::client::{self, LanBroker};
use crate::mqtt::equipment::{Change, Equipment, Input, MqttDevice, Output};
use crate::mqtt::tls;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, PublishOptions, QoS,
    SubscribeFilterInput, SubscribeReasonCode,
};
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;
use storewarden_rules::Reading;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};
use tokio::time::sleep;
use tracing::{debug, info, warn};

/// Topics of one subscription request: some 10 KiB at the longest that the config allows.
const FILTERS_MAX: usize = 50;
/// The broker keeps larger packets back: the longest payload that is looked at, and 1 KiB for topic and
/// properties.
const PACKET_BYTES_MAX: u32 = 65 * 1024;
/// The first pause after a lost connection; each further loss doubles it.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between attempts to connect.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// One broker and its devices. Not `Debug`: the password stays out of logs.
#[derive(Clone)]
pub struct BrokerConfig {
    /// Id in the config; for logs.
    pub name: String,
    /// Where it is, and who we are there.
    pub broker: LanBroker,
    /// Its devices.
    pub devices: Vec<MqttDevice>,
}

/// Listens and commands until the `tie` says stop, or until nobody takes readings any more. Waits while `readings` is
/// full: messages then wait at the broker, which drops them by its own rules.
pub async fn run(
    config: BrokerConfig,
    readings: mpsc::Sender<Vec<Reading>>,
    commands: impl Into<Inlet<Command>>,
    clock: Clock,
    tie: impl Into<Tie>,
) {
    let tie = tie.into();
    let mut shell = Shell {
        equipment: Equipment::new(config.devices.clone(), clock.moment().mono),
        name: config.name.clone(),
        client: None,
        link_told: None,
        replies: HashMap::new(),
        readings,
        commands: commands.into().take().await,
        clock,
        beat: tie.beat,
    };
    tokio::select! {
        _ = shell.drive(&config) => {}
        () = tie.stop.cancelled() => {}
    }
    for (_, reply) in shell.replies.drain() {
        let _ = reply.send(Err(CommandError::Stopped));
    }
}

/// Nobody takes readings any more.
struct Closed;

struct Shell {
    equipment: Equipment,
    name: String,
    client: Option<AsyncClient>,
    /// What the log last said of the connection: that it is there, or why not.
    link_told: Option<Result<(), String>>,
    /// Who waits for which ticket: as many as [`Equipment`] keeps commands.
    replies: HashMap<u64, oneshot::Sender<Result<(), CommandError>>>,
    readings: mpsc::Sender<Vec<Reading>>,
    commands: OwnedMutexGuard<mpsc::Receiver<Command>>,
    clock: Clock,
    beat: Beat,
}

impl Shell {
    /// Connects, serves until an error, and begins anew with a fresh client: a client that lived
    /// through an error may hold publishes, and a command is sent once.
    async fn drive(&mut self, config: &BrokerConfig) -> Result<(), Closed> {
        let mut pause = PAUSE_FIRST;
        loop {
            let topics: Vec<String> = self.equipment.topics().map(str::to_owned).collect();
            let requests = topics.len().div_ceil(FILTERS_MAX) + self.equipment.publishes_max();
            let error = match options(config) {
                Err(error) => error,
                Ok(options) => {
                    let (client, mut connection) = AsyncClient::builder(options).capacity(requests).build();
                    for topics in topics.chunks(FILTERS_MAX) {
                        let filter =
                            |topic: &String| SubscribeFilterInput::new(topic.clone(), QoS::AtLeastOnce);
                        // The channel of a new client is empty, and a closed one shows in the first poll.
                        let _ = client.try_subscribe_many(topics.iter().map(filter));
                    }
                    self.client = Some(client);
                    let error = self.serve(&mut connection, &mut pause).await?;
                    self.client = None;
                    tls::why(&error)
                }
            };
            if self.link_told.as_ref() != Some(&Err(error.clone())) {
                warn!(
                    broker = self.name,
                    error, "no connection; check the broker's address, login and power"
                );
                self.link_told = Some(Err(error));
            }
            self.step(Input::Disconnected).await?;
            self.during(sleep(pause)).await?;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn serve(
        &mut self,
        connection: &mut EventLoop,
        pause: &mut Duration,
    ) -> Result<ConnectionError, Closed> {
        loop {
            match self.during(connection.poll()).await? {
                // The subscriptions are sent first: the answer to a question finds them in place.
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    *pause = PAUSE_FIRST;
                    if self.link_told.replace(Ok(())) != Some(Ok(())) {
                        info!(broker = self.name, "connected");
                    }
                    self.step(Input::Connected).await?;
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let Ok(topic) = std::str::from_utf8(&publish.topic) else { continue };
                    let message =
                        Input::Message { topic, payload: &publish.payload, retained: publish.retain };
                    self.step(message).await?;
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    let granted = |code| matches!(code, &SubscribeReasonCode::Success(_));
                    if !ack.return_codes.iter().all(granted) {
                        warn!(broker = self.name, "the broker refuses a topic; check its access list");
                    }
                }
                Ok(_) => {}
                Err(error) => return Ok(error),
            }
        }
    }

    /// Waits for `future` and meanwhile takes commands and lets time pass. The future is never dropped
    /// half-way: polling an MQTT connection is not made for that.
    async fn during<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Closed> {
        let mut future = pin!(future);
        loop {
            let now = self.clock.moment();
            let due = self.equipment.due(now).saturating_sub(now.mono).min(Beat::EVERY);
            self.beat.give().await;
            tokio::select! {
                output = &mut future => return Ok(output),
                Some(command) = self.commands.recv() => {
                    self.accept(command);
                    self.step(Input::Tick).await?;
                }
                () = sleep(due) => self.step(Input::Tick).await?,
                () = self.readings.closed() => return Err(Closed),
            }
        }
    }

    fn accept(&mut self, command: Command) {
        let Command { point, value, deadline, reply } = command;
        let deadline = Duration::from_millis(u64::try_from(deadline.0).unwrap_or(0));
        match self.equipment.command(self.clock.moment(), point, value, deadline) {
            Ok(ticket) => {
                self.replies.insert(ticket, reply);
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    async fn step(&mut self, input: Input<'_>) -> Result<(), Closed> {
        let now: Moment = self.clock.moment();
        for output in self.equipment.step(now, input) {
            match output {
                Output::Publish { topic, payload } => {
                    let Some(client) = &self.client else { continue };
                    // One that is refused here has no effect; its command ends without an answer.
                    let options = PublishOptions::new(QoS::AtLeastOnce);
                    if let Err(error) = client.try_publish(topic, payload, options) {
                        debug!(broker = self.name, %error, "message not handed over");
                    }
                }
                Output::Report(batch) => self.readings.send(batch).await.map_err(|_| Closed)?,
                Output::Answer { ticket, result } => {
                    if let Some(reply) = self.replies.remove(&ticket) {
                        let _ = reply.send(result);
                    }
                }
                Output::Changed(change) => self.log(change),
            }
        }
        Ok(())
    }

    fn log(&self, change: Change) {
        let broker = self.name.as_str();
        match change {
            Change::DeviceSilent(device) => {
                let device = self.equipment.device(device).name.as_str();
                warn!(broker, device, "is not there; check its power and its network");
            }
            Change::DeviceBack(device) => {
                info!(broker, device = self.equipment.device(device).name, "is back");
            }
            Change::Unreadable { device, point } => {
                let device = self.equipment.device(device);
                let point = device.points[point].name.as_str();
                let device = device.name.as_str();
                warn!(broker, device, point, "its message makes no sense; check profile and firmware");
            }
        }
    }
}

fn options(config: &BrokerConfig) -> Result<MqttOptions, String> {
    let mut options = client::options(&config.broker)?;
    options.set_max_packet_size(Some(PACKET_BYTES_MAX));
    Ok(options)
}
