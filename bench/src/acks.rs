//! What headquarters acknowledges, as anybody at its broker hears it. It acknowledges only what is
//! committed, so that the moment of hearing is never before the commit.

use chrono::Utc;
use prost::Message as _;
use rumqttc::mqttbytes::v5::Packet;
use rumqttc::{AsyncClient, Broker, Event, MqttOptions, QoS};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use storewarden_proto::topic::{StoreTopics, chain_and_store};
use storewarden_proto::v1::{Ack, Stream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

/// How long the broker may take to let us listen.
const READY_LIMIT: Duration = Duration::from_secs(10);

/// An acknowledgement that said something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Of this stream
    pub stream: Stream,
    /// everything up to here.
    pub seq: u64,
}

#[derive(Default)]
struct Known {
    highest: HashMap<(String, i32), u64>,
    heard: Vec<Heard>,
}

impl Known {
    fn take(&mut self, at_ms: i64, store: &str, ack: &Ack) {
        for of in ack.streams.iter().filter(|of| of.seq > 0) {
            let highest = self.highest.entry((store.to_owned(), of.stream)).or_default();
            if of.seq > *highest {
                *highest = of.seq;
                self.heard.push(Heard { at_ms, stream: of.stream(), seq: of.seq });
            }
        }
    }
}

/// Listens until it is dropped.
pub struct Acks {
    known: Arc<Mutex<Known>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Acks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Acks {
    /// Listens at the broker on `port` for what `store` of `chain` is told; `+` is every store.
    pub async fn listen(port: u16, chain: &str, store: &str) -> io::Result<Self> {
        let mut options = MqttOptions::new("figures-acks", Broker::tcp("127.0.0.1", port));
        options.set_keep_alive(60);
        let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
        let topic = StoreTopics::new(chain, store).ack();
        client.subscribe(topic, QoS::AtMostOnce).await.map_err(io::Error::other)?;
        let known = Arc::new(Mutex::new(Known::default()));
        let (ready, is_ready) = oneshot::channel();
        let (shared, mut ready) = (known.clone(), Some(ready));
        let task = tokio::spawn(async move {
            // It listens as long as the client lives.
            let _client = client;
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        ready.take().map(|ready| ready.send(()));
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let at_ms = Utc::now().timestamp_millis();
                        let topic = String::from_utf8_lossy(&publish.topic);
                        if let (Some((_, store)), Ok(ack)) =
                            (chain_and_store(&topic), Ack::decode(publish.payload.as_ref()))
                        {
                            shared.lock().unwrap_or_else(PoisonError::into_inner).take(at_ms, store, &ack);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("listening for acknowledgements: {error}");
                        return;
                    }
                }
            }
        });
        let listening = timeout(READY_LIMIT, is_ready).await;
        if !matches!(listening, Ok(Ok(()))) {
            return Err(io::Error::other("the broker does not let us listen"));
        }
        Ok(Self { known, task })
    }

    /// Everything that was heard, in order.
    pub fn heard(&self) -> Vec<Heard> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).heard.clone()
    }

    /// Messages of `stream` that are acknowledged, of all stores together.
    pub fn count(&self, stream: Stream) -> u64 {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.highest.iter().filter(|((_, of), _)| *of == i32::from(stream)).map(|(_, seq)| seq).sum()
    }

    /// Waits until `count` messages of `stream` are acknowledged, `limit` at most.
    pub async fn wait_for(&self, stream: Stream, count: u64, limit: Duration) -> io::Result<()> {
        let end = Instant::now() + limit;
        while self.count(stream) < count {
            if self.task.is_finished() {
                return Err(io::Error::other("the broker has closed"));
            }
            if Instant::now() > end {
                let have = self.count(stream);
                return Err(io::Error::other(format!("only {have} of {count} messages were acknowledged")));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_proto::v1::StreamAck;

    #[test]
    fn only_what_is_new_of_a_store_is_noted() {
        let mut known = Known::default();
        let ack = |seq| Ack { streams: vec![StreamAck { stream: 1, seq }], ..Ack::default() };
        for (at_ms, store, seq) in [(1, "a", 0), (2, "a", 3), (3, "b", 2), (4, "a", 3), (5, "a", 4)] {
            known.take(at_ms, store, &ack(seq));
        }
        let heard: Vec<_> = known.heard.iter().map(|heard| (heard.at_ms, heard.seq)).collect();
        assert_eq!(heard, [(2, 3), (3, 2), (5, 4)]);
        assert_eq!(known.highest.values().sum::<u64>(), 6);
    }
}
