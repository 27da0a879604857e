//! From the shape of the file to a configuration: every fault is collected, none stops the search.

pub(super) mod bus;
mod circuits;
mod equipment;
mod labels;
mod lights;
mod policy;
mod rules;
mod store;
mod timeseries;
mod user_rules;

use super::file::{At, File};
use super::{Broker, CabinetRules, Config, Faults, Origins, TlsFiles, written};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use storewarden_drivers::profile::{Origin, Profile};
use storewarden_proto::topic::is_valid_id;
use storewarden_rules::{Class, Millis, Unit};

pub(super) fn check(
    file: File,
    path: &Path,
    digest: Sha256,
    faults: Faults,
) -> Result<(Config, Faults), Faults> {
    let base = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let mut check = Check { faults, base, classes: by_class(), set_points: BTreeMap::new(), digest };
    let (alarm_policy, alarm_origins, chain_rules) = check.policy(file.policy.as_ref());
    let store = check.store(&file.store);
    let journal = check.journal(&file.journal);
    let heartbeat = check.heartbeat(&file.telemetry);
    let hq = file.hq.as_ref().and_then(|hq| check.hq(hq));
    let timeseries = file.timeseries.as_ref().and_then(|to| check.timeseries(to, file.hq.is_some()));
    let console = check.console(&file.console);
    let price_keys = check.keys("price", &file.price_key);
    let root_keys = check.keys("root", &file.root_key);
    if let (Some(_), Some(price)) = (file.root_key.first(), file.price_key.first()) {
        let message = "with a [[root_key]] only the keys of its list count; take [[price_key]] out";
        check.fault(&price.id.span(), message);
    }
    let command_keys = check.keys("command", &file.command_key);
    let buses = check.buses(&file.bus);
    let brokers = check.brokers(&file.broker);
    let profiles = check.profiles(&file.profiles);
    let mut devices = check.devices(&file.device, &file.bus, &file.broker, &profiles);
    check.points_from_elsewhere(&file.device, &file.store, &mut devices);
    let lights = check.lights(&file.light, &file.device, &devices, &file.store);
    let mut user_rules = Vec::new();
    if !chain_rules.is_empty() {
        check.faults.turn_to(1);
        check.user_rules(&chain_rules, &devices, &mut user_rules);
        check.faults.turn_to(0);
    }
    check.user_rules(&file.rule, &devices, &mut user_rules);
    let circuits = check.circuits(&file.circuit, &devices);
    let gateways = check.gateways(&file.gateway);
    let label_deadline = check.label_deadline(&file.labels);
    let templates = check.templates(&file.labels);
    let labels =
        check.labels(&file.label, &file.gateway, !(file.price_key.is_empty() && file.root_key.is_empty()));
    // Whatever is missing below has its fault.
    match (store, console, check.faults.is_empty()) {
        (Some(store), Some(console), true) => {
            let config = Config {
                digest: check.digest.clone().finalize().into(),
                store,
                alarm_policy,
                alarm_origins,
                journal,
                heartbeat,
                hq,
                timeseries,
                console,
                price_keys,
                root_keys,
                command_keys,
                buses: buses.into_iter().flatten().collect(),
                brokers,
                own_profiles: profiles
                    .ids()
                    .filter(|id| profiles.origin(id) == Some(Origin::FolderInsteadOfBuiltIn))
                    .map(String::from)
                    .collect(),
                devices: devices.into_iter().flatten().collect(),
                lights,
                circuits,
                user_rules,
                gateways,
                labels,
                label_deadline,
                templates,
            };
            check.parents(&config, &file);
            check.loads(&config, &file);
            Ok((config, check.faults))
        }
        _ => Err(check.faults),
    }
}

struct Check {
    faults: Faults,
    base: PathBuf,
    /// What each class of cabinet brings, by its name: the program's rules and those of the policy.
    classes: BTreeMap<&'static str, CabinetRules>,
    /// Set points that headquarters may order, °C, by class.
    set_points: BTreeMap<String, (f64, f64)>,
    /// Of every byte that was read as configuration.
    digest: Sha256,
}

fn by_class() -> BTreeMap<&'static str, CabinetRules> {
    let of = |class: Class| Some((class.name(), CabinetRules::for_class(class)?));
    Class::ALL.into_iter().filter_map(of).collect()
}

/// The keys of a TLS connection, where they are given.
#[derive(Clone, Copy)]
struct TlsKeys<'a> {
    ca: Option<&'a At<String>>,
    cert: Option<&'a At<String>>,
    key: Option<&'a At<String>>,
}

impl Check {
    fn fault(&mut self, at: &Range<usize>, message: impl Into<String>) {
        self.faults.add(at.clone(), message);
    }

    /// Where each of these keys was written, if it was.
    fn origins(&self, keys: &[(&'static str, &'static str, Option<Range<usize>>)]) -> Origins {
        let written = keys.iter().filter_map(|(rule, key, at)| Some((*rule, *key, at.as_ref()?)));
        written.map(|(rule, key, at)| ((rule, key), self.faults.place(at))).collect()
    }

    /// Ids that differ only in case are taken for one: people would mix them up, and so do gateways.
    fn unique<'a>(&mut self, what: &str, ids: impl Iterator<Item = &'a At<String>>) {
        let mut seen: Vec<&str> = Vec::new();
        for id in ids {
            if seen.iter().any(|other| other.eq_ignore_ascii_case(id.get_ref())) {
                self.fault(
                    &id.span(),
                    format!("{what} `{}` is there twice; give each its own id", id.get_ref()),
                );
            }
            seen.push(id.get_ref());
        }
    }

    fn valid_id(&mut self, what: &str, id: &At<String>) {
        if !is_valid_id(id.get_ref()) {
            let message = format!(
                "{what} id `{}`: write 1 to 64 of a-z, A-Z, 0-9, - _ .; `name` may hold any text",
                id.get_ref()
            );
            self.fault(&id.span(), message);
        }
    }

    /// The index of a profile's point that must be there and have this unit.
    fn profile_point(
        &mut self,
        at: &Range<usize>,
        id: &str,
        profile: &Profile,
        name: &str,
        unit: Unit,
    ) -> Option<usize> {
        let found = profile.points.iter().position(|point| point.name == name && point.unit == unit);
        if found.is_none() {
            let known: Vec<_> =
                profile.points.iter().filter(|p| p.unit == unit).map(|p| p.name.as_str()).collect();
            let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
            let message =
                format!("`{id}`: reads no point `{name}` in {}; of those it reads {known}", unit.symbol());
            self.fault(at, message);
        }
        found
    }

    fn span_of_time(
        &mut self,
        value: Option<&At<String>>,
        default: Millis,
        least: Millis,
        most: Millis,
    ) -> Millis {
        let Some(value) = value else { return default };
        let parsed =
            humantime::parse_duration(value.get_ref()).ok().and_then(|d| i64::try_from(d.as_millis()).ok());
        match parsed.map(Millis) {
            Some(span) if (least..=most).contains(&span) => span,
            Some(_) => {
                let (least, most) = (written(least), written(most));
                self.fault(
                    &value.span(),
                    format!("`{}` is out of range; write {least} to {most}", value.get_ref()),
                );
                default
            }
            None => {
                self.fault(
                    &value.span(),
                    format!(
                        "`{}` is no span of time; write \"500ms\", \"5s\", \"30m\" or \"2h\"",
                        value.get_ref()
                    ),
                );
                default
            }
        }
    }

    /// `HH:MM` as time since midnight; `24:00` is the end of the day.
    fn time_of_day(&mut self, value: Option<&At<String>>, default: Millis) -> Millis {
        let Some(value) = value else { return default };
        let parsed = value.get_ref().split_once(':').and_then(|(hour, minute)| {
            let (hour, minute) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
            let minutes = i64::from(hour) * 60 + i64::from(minute);
            (minute < 60 && minutes <= 24 * 60).then(|| Millis::from_mins(minutes))
        });
        if parsed.is_none() {
            self.fault(
                &value.span(),
                format!("`{}` is no time of day; write \"06:30\", or \"24:00\" for the end", value.get_ref()),
            );
        }
        parsed.unwrap_or(default)
    }

    fn login(
        &mut self,
        user: Option<&String>,
        password_file: Option<&At<String>>,
    ) -> Option<(String, String)> {
        match (user, password_file) {
            (Some(user), Some(file)) => {
                let Ok(password) = String::from_utf8(self.read_file(file)?) else {
                    self.fault(&file.span(), format!("`{}` is not text (UTF-8)", file.get_ref()));
                    return None;
                };
                Some((user.clone(), password.trim_end().to_owned()))
            }
            (Some(user), None) => Some((user.clone(), String::new())),
            (None, Some(file)) => {
                self.fault(&file.span(), "password_file needs `username` beside it");
                None
            }
            (None, None) => None,
        }
    }

    /// A broker at `url`. Faults begin with `whose` it is, and name keys behind `section`. `files` are those of TLS.
    fn broker(
        &mut self,
        (whose, section): (&str, &str),
        url: &At<String>,
        login: Option<(String, String)>,
        files: TlsKeys<'_>,
    ) -> Option<Broker> {
        let parsed = parse_broker(url.get_ref());
        if parsed.is_none() {
            self.fault(
                &url.span(),
                format!(
                    "`{}` is no broker; write \"mqtts://host:8883\" or \"mqtt://host:1883\", a user in `username`",
                    url.get_ref().rsplit('@').next().unwrap_or_default()
                ),
            );
        }
        let (is_tls, host, port) = parsed?;
        let TlsKeys { ca, cert, key } = files;
        if !is_tls {
            for (name, file) in [("ca_file", ca), ("cert_file", cert), ("key_file", key)] {
                if let Some(file) = file {
                    let message =
                        format!("{whose}{section}{name} is for TLS; write the broker as \"mqtts://…\"");
                    self.fault(&file.span(), message);
                }
            }
            return Some(Broker { host, port, login, tls: None });
        }
        let client = match (cert, key) {
            (Some(cert), Some(key)) => Some((self.readable_file(cert)?, self.readable_file(key)?)),
            (Some(lone), None) | (None, Some(lone)) => {
                let message = format!(
                    "{whose}{section}cert_file and {section}key_file belong together: the store's certificate and its private key"
                );
                self.fault(&lone.span(), message);
                None
            }
            (None, None) => None,
        };
        let Some(ca) = ca else {
            let message = format!(
                "{whose}TLS needs {section}ca_file: the PEM file of the authority that signed the broker's certificate"
            );
            self.fault(&url.span(), message);
            return None;
        };
        let tls = Some(TlsFiles { ca: self.readable_file(ca)?, client });
        Some(Broker { host, port, login, tls })
    }

    fn readable_file(&mut self, file: &At<String>) -> Option<PathBuf> {
        self.read_file(file).map(|_| self.base.join(file.get_ref()))
    }

    fn read_file(&mut self, file: &At<String>) -> Option<Vec<u8>> {
        match std::fs::read(self.base.join(file.get_ref())) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.fault(&file.span(), format!("`{}` cannot be read: {error}", file.get_ref()));
                None
            }
        }
    }
}

fn parse_broker(url: &str) -> Option<(bool, String, u16)> {
    let (tls, rest) = match url.split_once("://")? {
        ("mqtts", rest) => (true, rest),
        ("mqtt", rest) => (false, rest),
        _ => return None,
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (rest, if tls { 8883 } else { 1883 }),
    };
    // A user name and password in the address would be printed and logged: they have keys of their own.
    let plain = !host.is_empty() && !host.contains(['/', '@', ' ', '?']);
    (plain && port > 0).then(|| (tls, host.to_owned(), port))
}
