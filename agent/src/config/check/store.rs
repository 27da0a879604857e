//! The store itself: identity, journal, link to headquarters, console, price keys.

use super::{Check, TlsKeys};
use crate::config::file::{self, At};
use crate::config::{AckBy, Console, Hq, Journal, Store};
use crate::journal::outbox::Budget;
use crate::signed::PublicKey;
use crate::texts::Language;
use ed25519_dalek::VerifyingKey;
use storewarden_prices::Jurisdiction;
use storewarden_proto::topic::is_valid_id;
use storewarden_rules::Millis;

/// MB of telemetry kept while headquarters is away, unless the file says otherwise.
const TELEMETRY_MAX_MB: u64 = 200;

/// Unless the file says otherwise: 288 readings a day of a value that stands still, and the same time
/// after which it is known at headquarters that one is missing.
const HEARTBEAT: Millis = Millis::from_mins(5);

impl Check {
    pub(super) fn store(&mut self, store: &file::Store) -> Option<Store> {
        for (what, id) in [("chain", &store.chain), ("id", &store.id)] {
            if !is_valid_id(id.get_ref()) {
                self.fault(
                    &id.span(),
                    format!(
                        "store.{what} `{}` cannot be part of a topic; write 1 to 64 of a-z, A-Z, 0-9, - _ .",
                        id.get_ref()
                    ),
                );
            }
        }
        let timezone = store.timezone.get_ref().parse();
        let Ok(timezone) = timezone else {
            let message = format!(
                "unknown time zone `{}`; write an IANA name like \"Asia/Shanghai\"",
                store.timezone.get_ref()
            );
            self.fault(&store.timezone.span(), message);
            return None;
        };
        let jurisdiction = store.jurisdiction.as_ref().and_then(|code| {
            let known = Jurisdiction::from_code(code.get_ref());
            if known.is_none() {
                let message =
                    format!("store.jurisdiction `{}` is not known; write CN, EU or JP", code.get_ref());
                self.fault(&code.span(), message);
            }
            known
        });
        let id = store.id.get_ref().clone();
        let name = store.name.clone().unwrap_or_else(|| id.clone());
        Some(Store { chain: store.chain.get_ref().clone(), id, name, timezone, jurisdiction })
    }

    pub(super) fn journal(&mut self, journal: &file::Journal) -> Journal {
        // Under systemd the configuration's directory cannot be written; StateDirectory= names one that can.
        let default = || match std::env::var_os("STATE_DIRECTORY") {
            Some(directory) => std::path::Path::new(&directory).join("journal.sqlite"),
            None => "journal.sqlite".into(),
        };
        let path = journal.path.as_ref().map_or_else(default, std::path::PathBuf::from);
        let max = journal.telemetry_messages_max.as_ref();
        if let Some(max) = max.filter(|max| *max.get_ref() < 100) {
            self.fault(&max.span(), "journal.telemetry_messages_max must be 100 or more");
        }
        let megabytes = journal.telemetry_max_mb.as_ref();
        if let Some(max) = megabytes.filter(|max| !(1..=100_000).contains(max.get_ref())) {
            self.fault(&max.span(), "journal.telemetry_max_mb must be 1 to 100000");
        }
        let megabytes = megabytes.filter(|max| *max.get_ref() <= 100_000);
        Journal {
            path: self.base.join(path),
            telemetry: Budget {
                bytes: megabytes.map_or(TELEMETRY_MAX_MB, |max| *max.get_ref()) * 1_000_000,
                messages: max.map_or(u64::MAX, |max| *max.get_ref()),
            },
        }
    }

    pub(super) fn heartbeat(&mut self, telemetry: &file::Telemetry) -> Millis {
        self.span_of_time(telemetry.heartbeat.as_ref(), HEARTBEAT, Millis(0), Millis::from_mins(24 * 60))
    }

    pub(super) fn hq(&mut self, hq: &file::Hq) -> Option<Hq> {
        let login = self.login(hq.username.as_ref(), hq.password_file.as_ref());
        let files =
            TlsKeys { ca: hq.ca_file.as_ref(), cert: hq.cert_file.as_ref(), key: hq.key_file.as_ref() };
        let broker = self.broker(("", "hq."), &hq.broker, login, files)?;
        if broker.tls.is_none() && !hq.plaintext && !is_loopback(&broker.host) {
            let message = "this would send everything unencrypted; write mqtts:// with hq.ca_file, or hq.plaintext = true where the line itself is protected (VPN)";
            self.fault(&hq.broker.span(), message);
        }
        let ack = match hq.ack.as_ref().map(|ack| (ack.get_ref().as_str(), ack.span())) {
            None | Some(("hq", _)) => AckBy::Hq,
            Some(("broker", _)) => AckBy::Broker,
            Some((other, at)) => {
                self.fault(&at, format!("hq.ack `{other}` is not known; write \"hq\" or \"broker\""));
                AckBy::Hq
            }
        };
        let telemetry_every = self.span_of_time(
            hq.telemetry_every.as_ref(),
            Millis::from_mins(5),
            Millis(1000),
            Millis::from_mins(15),
        );
        Some(Hq { broker, ack, telemetry_every })
    }

    pub(super) fn console(&mut self, console: &file::Console) -> Option<Console> {
        let language = match console.language.as_ref().map(|l| (l.get_ref().as_str(), l.span())) {
            None | Some(("zh", _)) => Language::Zh,
            Some(("en", _)) => Language::En,
            Some(("ja", _)) => Language::Ja,
            Some((other, at)) => {
                self.fault(
                    &at,
                    format!("console.language `{other}` is unknown; write \"zh\", \"en\" or \"ja\""),
                );
                Language::Zh
            }
        };
        let listen = console.listen.as_ref().map_or("127.0.0.1:8080", |listen| listen.get_ref());
        match listen.parse::<std::net::SocketAddr>() {
            Ok(listen) if listen.ip().is_loopback() => {
                Some(Console { listen, language, allowed_hosts: console.allowed_hosts.clone() })
            }
            other => {
                let at = console.listen.as_ref().map_or(0..0, At::span);
                let message = match other {
                    Ok(_) => {
                        "the console has no log-in yet and listens on loopback only; write \"127.0.0.1:8080\" and put an authenticating proxy before it for the LAN"
                    }
                    Err(_) => "console.listen is an address and a port; write \"127.0.0.1:8080\"",
                };
                self.fault(&at, message);
                None
            }
        }
    }

    /// `[[root_key]]`, `[[price_key]]` or `[[command_key]]`.
    pub(super) fn keys(&mut self, what: &str, keys: &[file::PublicKey]) -> Vec<PublicKey> {
        self.unique(&format!("{what}_key"), keys.iter().map(|key| &key.id));
        keys.iter()
            .filter_map(|key| {
                let public = parse_hex_32(key.public.get_ref())
                    .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
                if public.is_none() {
                    let tool = if what == "command" { "command" } else { "price" };
                    let message = format!(
                        "{what}_key.public is 64 hex digits, as `storewarden-hq {tool} keygen` prints them"
                    );
                    self.fault(&key.public.span(), message);
                }
                Some(PublicKey { id: key.id.get_ref().clone(), key: public? })
            })
            .collect()
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn parse_hex_32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
