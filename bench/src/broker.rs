//! Embedded MQTT brokers, one per port, in a process of their own.

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

/// Largest payload, bytes.
const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Serves a broker on each of `ports` of the loopback address until killed.
pub fn run(ports: &[u16]) -> ExitCode {
    let brokers: Vec<_> = ports
        .iter()
        .map(|port| {
            let mut broker = Broker::new(config(*port));
            std::thread::spawn(move || broker.start().map_err(|error| error.to_string()))
        })
        .collect();
    for broker in brokers {
        if let Ok(Err(error)) = broker.join() {
            eprintln!("broker: {error}");
        }
    }
    ExitCode::FAILURE
}

fn config(port: u16) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 10_000,
        max_payload_size: PAYLOAD_BYTES_MAX,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: format!("mqtt-{port}"),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    Config {
        router: RouterConfig {
            max_connections: 64,
            max_outgoing_packet_count: 200,
            max_segment_size: 16 * 1024 * 1024,
            max_segment_count: 4,
            ..RouterConfig::default()
        },
        v5: Some(HashMap::from([(port.to_string(), server)])),
        ..Config::default()
    }
}
