//! The peer: read, publish, and nothing else.

use super::REGISTERS;
use crate::process;
use rumqttc::{AsyncClient, Broker, MqttOptions, PublishOptions, QoS};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep};
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
    /// How many answers of a device go into one message.
    #[arg(long)]
    polls_a_message: usize,
    /// How long it works before it measures, s.
    #[arg(long)]
    warm_up_s: u64,
    /// How long it measures, s.
    #[arg(long)]
    run_s: u64,
}

/// What it prints.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    /// Registers read.
    pub registers: u64,
    /// In so many seconds.
    pub seconds: f64,
    /// CPU time of the process meanwhile, s.
    pub cpu_s: f64,
}

/// Polls, then prints the [`Outcome`].
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
    let read = Arc::new(AtomicU64::new(0));
    let mut polling = tokio::task::JoinSet::new();
    for (index, address) in arguments.devices.into_iter().enumerate() {
        let poller = Poller {
            topic: format!("bare/{index}"),
            every_ms: arguments.every_ms,
            polls_a_message: arguments.polls_a_message,
            client: client.clone(),
            read: read.clone(),
        };
        polling.spawn(poller.run(address));
    }
    let measured = async {
        sleep(Duration::from_secs(arguments.warm_up_s)).await;
        let id = std::process::id();
        let (before, cpu, began) = (read.load(Ordering::Relaxed), process::cpu_s(id)?, Instant::now());
        sleep(Duration::from_secs(arguments.run_s)).await;
        Ok::<_, io::Error>(Outcome {
            registers: read.load(Ordering::Relaxed) - before,
            seconds: began.elapsed().as_secs_f64(),
            cpu_s: process::cpu_s(id)? - cpu,
        })
    };
    let outcome = tokio::select! {
        outcome = measured => outcome?,
        Some(ended) = polling.join_next() => {
            return Err(ended?.err().unwrap_or_else(|| io::Error::other("a device is gone")));
        }
    };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

struct Poller {
    topic: String,
    every_ms: u64,
    polls_a_message: usize,
    client: AsyncClient,
    read: Arc<AtomicU64>,
}

impl Poller {
    async fn run(self, address: String) -> io::Result<()> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut device = tcp::attach(stream);
        let mut tick = interval(Duration::from_millis(self.every_ms.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let message_bytes = self.polls_a_message * usize::from(REGISTERS) * 2;
        let mut message = Vec::with_capacity(message_bytes);
        loop {
            if self.every_ms > 0 {
                tick.tick().await;
            }
            let words = device.read_holding_registers(0, REGISTERS).await;
            let words = words.map_err(io::Error::other)?.map_err(io::Error::other)?;
            self.read.fetch_add(u64::from(REGISTERS), Ordering::Relaxed);
            message.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            if message.len() >= message_bytes {
                let payload = std::mem::replace(&mut message, Vec::with_capacity(message_bytes));
                let options = PublishOptions::new(QoS::AtMostOnce);
                self.client.publish(self.topic.as_str(), payload, options).await.map_err(io::Error::other)?;
            }
        }
    }
}
