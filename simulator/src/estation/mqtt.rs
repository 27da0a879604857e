//! The access point's wire: a thin MQTT 5 loop around [`AccessPoint`].

use super::{AccessPoint, Fact, Input, Output};
use crate::config::Gateway;
use rumqttc::{
    AsyncClient, Event, EventLoop, Incoming, MqttOptions, PublishOptions, QoS, TlsConfiguration, Transport,
};
use std::{
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

/// Publishes waiting for the line. Beyond it the newest is lost, as in the real access point's memory.
const PUBLISHES_MAX: usize = 1_000;
/// Messages read from the line and not yet looked at; beyond it the line waits.
const INCOMING_MAX: usize = 64;
/// Pause after a failed or lost connection.
const RECONNECT: Duration = Duration::from_millis(500);

/// Longest time for a farewell to the broker.
const FAREWELL: Duration = Duration::from_millis(500);

enum Heard {
    Connected,
    Lost,
    Tasks(Vec<u8>),
}

/// Runs the access point of `config` until `stop`; what happens to labels goes to `facts`. Chance is
/// decided by `seed`.
pub async fn run(config: Gateway, seed: u64, facts: mpsc::Sender<Fact>, stop: CancellationToken) {
    let prefix = format!("/estation/{}", config.ap);
    let mut options =
        MqttOptions::new(format!("estation-{}", config.ap), (config.host.as_str(), config.port));
    options.set_keep_alive(30).set_clean_start(true).set_topic_alias_max(Some(255));
    options.set_unlimited_incoming_packet_size();
    if let Some((name, password)) = &config.login {
        options.set_credentials(name.clone(), password.clone());
    }
    if let Some(path) = &config.ca_file {
        match std::fs::read(path) {
            Ok(ca) => {
                options.set_transport(Transport::tls_with_config(TlsConfiguration::Simple {
                    ca,
                    alpn: None,
                    client_auth: None,
                }));
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "no authority; no connection will come")
            }
        }
    }
    let (client, line) = AsyncClient::builder(options).capacity(PUBLISHES_MAX).build();
    let (heard_sender, mut heard) = mpsc::channel(INCOMING_MAX);
    // The loop that reads the line is a task of its own: dropping its future half way through a
    // connect, as a timer in a `select!` would, starts the connect anew.
    let reader = tokio::spawn(listen(line, heard_sender, config.ap.clone(), stop.clone()));

    let mut incidents = VecDeque::from(config.incidents.clone());
    let mut ap = AccessPoint::new(config, seed);
    let (start, start_ms) = (Instant::now(), utc_ms());
    let passed_ms = move || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    loop {
        let incident_ms = incidents.front().map(|(at_ms, _)| start_ms + at_ms);
        let next_ms = [ap.next_ms(), incident_ms].into_iter().flatten().min();
        let due = start + Duration::from_millis(next_ms.unwrap_or(start_ms).saturating_sub(start_ms));
        let heard = tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(due), if next_ms.is_some() => None,
            message = heard.recv() => match message {
                None => break,
                message => message,
            },
        };
        let now_ms = start_ms + passed_ms();
        let incident = incidents.pop_front_if(|(at_ms, _)| start_ms + *at_ms <= now_ms);
        let mut outputs = match &incident {
            Some((_, incident)) => ap.step(now_ms, Input::Incident(incident)),
            None => Vec::new(),
        };
        outputs.extend(match &heard {
            None => ap.step(now_ms, Input::Tick),
            Some(Heard::Lost) => ap.step(now_ms, Input::Disconnected),
            Some(Heard::Tasks(payload)) => ap.step(now_ms, Input::Tasks(payload)),
            Some(Heard::Connected) => {
                if client.try_subscribe(format!("{prefix}/taskESL2"), QoS::ExactlyOnce).is_err() {
                    tracing::warn!(prefix, "cannot subscribe: too much is waiting for the line");
                }
                ap.step(now_ms, Input::Connected)
            }
        });
        for output in outputs {
            match output {
                Output::Fact(fact) => {
                    if facts.send(fact).await.is_err() {
                        break;
                    }
                }
                Output::Publish { topic, payload, exactly_once } => {
                    let qos = if exactly_once { QoS::ExactlyOnce } else { QoS::AtMostOnce };
                    let sent =
                        client.try_publish(format!("{prefix}/{topic}"), payload, PublishOptions::new(qos));
                    if let Err(error) = sent {
                        tracing::warn!(prefix, topic, %error, "publish lost");
                    }
                }
            }
        }
    }
    // A polite farewell, if there is somebody to say it to; the reader ends with the connection.
    let _ = client.try_disconnect();
    let abort = reader.abort_handle();
    if tokio::time::timeout(FAREWELL, reader).await.is_err() {
        abort.abort();
    }
}

async fn listen(mut line: EventLoop, heard: mpsc::Sender<Heard>, ap: String, stop: CancellationToken) {
    let mut was_up = true;
    loop {
        let message = match line.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                tracing::info!(ap, "access point is connected");
                was_up = true;
                Heard::Connected
            }
            Ok(Event::Incoming(Incoming::Publish(publish))) => Heard::Tasks(publish.payload.to_vec()),
            Ok(_) => continue,
            Err(_) if stop.is_cancelled() => return,
            Err(error) => {
                tokio::time::sleep(RECONNECT).await;
                if !std::mem::take(&mut was_up) {
                    continue;
                }
                tracing::warn!(ap, %error, "access point has no broker; trying again");
                Heard::Lost
            }
        };
        if heard.send(message).await.is_err() {
            return;
        }
    }
}

fn utc_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
