//! How every driver connects to a broker on the store's LAN: in plain MQTT, as nothing else is there.

use rumqttc::{MqttOptions, NetworkOptions};

/// Publishes under way at most. The library keeps a slot for each: its default of 65,535 is 15 MB.
const INFLIGHT_MAX: u16 = 32;
const KEEP_ALIVE_S: u16 = 15;

/// A login at a broker, if it asks for one. Not `Debug`: the password stays out of logs.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub username: Option<&'a str>,
    pub password: Option<&'a str>,
}

/// The options that all have in common.
pub(crate) fn options(client_id: &str, host: &str, port: u16, login: Login<'_>) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, (host, port));
    options.set_keep_alive(KEEP_ALIVE_S);
    // A confirmation and what follows it are small: together Nagle's rule and a delayed TCP acknowledgement
    // would hold the second back for 40 ms.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    options.set_outgoing_inflight_upper_limit(INFLIGHT_MAX);
    match (login.username, login.password) {
        (Some(username), Some(password)) => {
            options.set_credentials(username, password.to_owned());
        }
        (Some(username), None) => {
            options.set_username(username);
        }
        (None, _) => {}
    }
    options
}
