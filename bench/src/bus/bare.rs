//! The peer: read, publish, and nothing else.

use super::REGISTERS;
use rumqttc::{AsyncClient, Broker, MqttOptions, PublishOptions, QoS};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};
use tokio_modbus::client::{Reader, tcp};

/// What the process is told.
#[derive(clap::Args)]
pub struct Arguments {
    /// Addresses of the devices.
    #[arg(long, value_delimiter = ',')]
    devices: Vec<String>,
    /// Port of the broker.
    #[arg(long)]
    mqtt: u16,
    /// From one read of a device to the next, ms; 0: at once.
    #[arg(long)]
    every_ms: u64,
    /// Quality of service, 0 or 1.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=1))]
    qos: u8,
}

/// Polls until killed.
pub fn run(arguments: Arguments) -> io::Result<()> {
    // One thread: to wake another costs more than all that this loop does with an answer.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(poll_all(arguments))
}

async fn poll_all(arguments: Arguments) -> io::Result<()> {
    let broker = Broker::tcp("127.0.0.1", arguments.mqtt);
    let mut options = MqttOptions::new("bare-loop", broker);
    // Not one write for each message.
    options.set_max_request_batch(256);
    let (client, mut event_loop) = AsyncClient::builder(options).capacity(256).build();
    tokio::spawn(async move { while event_loop.poll().await.is_ok() {} });
    let mut polling = tokio::task::JoinSet::new();
    for (index, address) in arguments.devices.into_iter().enumerate() {
        let poller = Poller {
            topic: format!("bare/{index}"),
            every_ms: arguments.every_ms,
            qos: if arguments.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce },
            client: client.clone(),
        };
        polling.spawn(poller.run(address));
    }
    match polling.join_next().await {
        Some(ended) => ended?,
        None => Ok(()),
    }
}

struct Poller {
    topic: String,
    every_ms: u64,
    qos: QoS,
    client: AsyncClient,
}

impl Poller {
    async fn run(self, address: String) -> io::Result<()> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut device = tcp::attach(stream);
        let mut tick = interval(Duration::from_millis(self.every_ms.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            if self.every_ms > 0 {
                tick.tick().await;
            }
            let words = device.read_holding_registers(0, REGISTERS).await;
            let words = words.map_err(io::Error::other)?.map_err(io::Error::other)?;
            let payload: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let options = PublishOptions::new(self.qos);
            self.client.publish(self.topic.as_str(), payload, options).await.map_err(io::Error::other)?;
        }
    }
}
