//! How every driver connects to a broker on the store's LAN.

use super::tls::TlsFiles;
use rumqttc::{MqttOptions, NetworkOptions};

/// Publishes under way at most. The library keeps a slot for each: its default of 65,535 is 15 MB.
const INFLIGHT_MAX: u16 = 32;
const KEEP_ALIVE_S: u16 = 15;

/// A broker on the store's LAN, and who we are there. Not `Debug`: the password stays out of logs.
#[derive(Clone)]
pub struct LanBroker {
    /// Host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, if it asks for a login; the password may be empty.
    pub login: Option<(String, String)>,
    /// Of a TLS connection; none: plain MQTT.
    pub tls: Option<TlsFiles>,
    /// MQTT client id; unique at the broker.
    pub client_id: String,
}

/// The options that all have in common.
///
/// # Errors
/// Which file of a TLS connection cannot be read, and why.
pub(crate) fn options(broker: &LanBroker) -> Result<MqttOptions, String> {
    let mut options = MqttOptions::new(&broker.client_id, (broker.host.as_str(), broker.port));
    options.set_keep_alive(KEEP_ALIVE_S);
    // A confirmation and what follows it are small: together Nagle's rule and a delayed TCP acknowledgement
    // would hold the second back for 40 ms.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    options.set_outgoing_inflight_upper_limit(INFLIGHT_MAX);
    match &broker.login {
        Some((user, password)) if password.is_empty() => {
            options.set_username(user);
        }
        Some((user, password)) => {
            options.set_credentials(user, password.to_owned());
        }
        None => {}
    }
    if let Some(files) = &broker.tls {
        options.set_transport(files.read()?);
    }
    Ok(options)
}
