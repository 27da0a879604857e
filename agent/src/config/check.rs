//! From the shape of the file to a configuration: every fault is collected, none stops the search.

use super::file::{self, At, File};
use super::{
    AckBy, Broker, Bus, Config, Console, Device, Faults, Gateway, Hq, Journal, Label, Light, PointAt, Store,
};
use crate::price::PriceKey;
use crate::texts::Language;
use ed25519_dalek::VerifyingKey;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storewarden_drivers::esl::estation::model::model_of;
use storewarden_drivers::profile::{self, Profile};
use storewarden_proto::topic::is_valid_id;
use storewarden_rules::detect::{
    DemandConfig, Direction, LightDarkConfig, NoResponseConfig, TemperatureLimitConfig,
};
use storewarden_rules::schedule::{LightMode, LightScheduleConfig};
use storewarden_rules::{Class, Millis, Unit};

/// Telemetry kept while headquarters is away, unless the file says otherwise: at one message in 10 s
/// that is twelve days.
const TELEMETRY_MESSAGES_MAX: u64 = 100_000;

pub(super) fn check(file: File, path: &Path, digest: [u8; 32], faults: Faults) -> Result<Config, Faults> {
    let base = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let mut check = Check { faults, base };
    let store = check.store(&file.store);
    let journal = check.journal(&file.journal);
    let hq = file.hq.as_ref().and_then(|hq| check.hq(hq));
    let console = check.console(&file.console);
    let price_keys = check.price_keys(&file.price_key);
    let buses = check.buses(&file.bus);
    let devices = check.devices(&file.device, &file.bus);
    let lights = check.lights(&file.light, &file.device, &devices, &file.store);
    let gateways = check.gateways(&file.gateway);
    let labels = check.labels(&file.label, &file.gateway);
    let Check { faults, .. } = check;
    // Whatever is missing below has its fault.
    match (store, console, faults.is_empty()) {
        (Some(store), Some(console), true) => Ok(Config {
            digest,
            store,
            journal,
            hq,
            console,
            price_keys,
            buses,
            devices: devices.into_iter().flatten().collect(),
            lights,
            gateways,
            labels,
        }),
        _ => Err(faults),
    }
}

struct Check {
    faults: Faults,
    base: PathBuf,
}

impl Check {
    fn fault(&mut self, at: &Range<usize>, message: impl Into<String>) {
        self.faults.add(at.clone(), message);
    }

    fn store(&mut self, store: &file::Store) -> Option<Store> {
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
        let id = store.id.get_ref().clone();
        let name = store.name.clone().unwrap_or_else(|| id.clone());
        Some(Store { chain: store.chain.get_ref().clone(), id, name, timezone })
    }

    fn journal(&mut self, journal: &file::Journal) -> Journal {
        let path = journal.path.as_deref().unwrap_or("journal.sqlite");
        let max = journal.telemetry_messages_max.as_ref();
        if let Some(max) = max.filter(|max| *max.get_ref() < 100) {
            self.fault(&max.span(), "journal.telemetry_messages_max must be 100 or more");
        }
        Journal {
            path: self.base.join(path),
            telemetry_messages_max: max.map_or(TELEMETRY_MESSAGES_MAX, |max| *max.get_ref()),
        }
    }

    fn hq(&mut self, hq: &file::Hq) -> Option<Hq> {
        let login = self.login(hq.username.as_ref(), hq.password_file.as_ref());
        let (tls, broker) = self.broker(&hq.broker, login)?;
        let ca = match (&hq.ca_file, tls) {
            (Some(ca), true) => Some(self.read_file(ca)?),
            (Some(ca), false) => {
                self.fault(&ca.span(), "hq.ca_file is for TLS; write `broker = \"mqtts://…\"`");
                None
            }
            (None, true) => {
                let message = "TLS needs hq.ca_file: the PEM file of the authority that signed the broker's certificate";
                self.fault(&hq.broker.span(), message);
                None
            }
            (None, false) => None,
        };
        if !tls && !hq.plaintext && !is_loopback(&broker.host) {
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
            Millis::from_secs(10),
            Millis(1000),
            Millis::from_mins(15),
        );
        Some(Hq { broker, ca, ack, telemetry_every })
    }

    fn console(&mut self, console: &file::Console) -> Option<Console> {
        let language = match console.language.as_ref().map(|l| (l.get_ref().as_str(), l.span())) {
            None | Some(("zh", _)) => Language::Zh,
            Some(("en", _)) => Language::En,
            Some((other, at)) => {
                self.fault(
                    &at,
                    format!("console.language `{other}` is not there yet; write \"zh\" or \"en\""),
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

    fn price_keys(&mut self, keys: &[file::PriceKey]) -> Vec<PriceKey> {
        self.unique("price_key", keys.iter().map(|key| &key.id));
        keys.iter()
            .filter_map(|key| {
                let public = parse_hex_32(key.public.get_ref())
                    .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
                if public.is_none() {
                    let message =
                        "price_key.public is 64 hex digits, as `storewarden-hq price keygen` prints them";
                    self.fault(&key.public.span(), message);
                }
                Some(PriceKey { id: key.id.get_ref().clone(), key: public? })
            })
            .collect()
    }

    fn buses(&mut self, buses: &[file::Bus]) -> Vec<Bus> {
        self.unique("bus", buses.iter().map(|bus| &bus.id));
        for bus in buses {
            let port = bus.tcp.get_ref().rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                let message = format!(
                    "bus `{}`: tcp `{}` is not host:port; write \"192.168.1.60:502\"",
                    bus.id.get_ref(),
                    bus.tcp.get_ref()
                );
                self.fault(&bus.tcp.span(), message);
            }
        }
        buses.iter().map(|bus| Bus { id: bus.id.get_ref().clone(), tcp: bus.tcp.get_ref().clone() }).collect()
    }

    /// One entry per device of the file, so that indices agree; none where a fault was found.
    fn devices(&mut self, devices: &[file::Device], buses: &[file::Bus]) -> Vec<Option<Device>> {
        self.unique("device", devices.iter().map(|device| &device.id));
        let mut units: Vec<(&str, i64, &str)> = Vec::new();
        for device in devices {
            let (bus, unit, id) = (device.bus.get_ref(), *device.unit.get_ref(), device.id.get_ref());
            if let Some((_, _, other)) = units.iter().find(|(b, u, _)| b == bus && *u == unit) {
                let message = format!(
                    "device `{id}`: unit {unit} on bus `{bus}` is already `{other}`; give each device of a bus its own unit address"
                );
                self.fault(&device.unit.span(), message);
            }
            units.push((bus, unit, id));
        }
        devices.iter().map(|device| self.device(device, buses)).collect()
    }

    fn device(&mut self, device: &file::Device, buses: &[file::Bus]) -> Option<Device> {
        let id = device.id.get_ref().clone();
        self.valid_id("device", &device.id);
        let class = Class::from_name(device.class.get_ref());
        if class.is_none() {
            let known: Vec<_> = Class::ALL.iter().map(|class| class.name()).collect();
            let message = format!(
                "device `{id}`: unknown class `{}`; write one of {}",
                device.class.get_ref(),
                known.join(", ")
            );
            self.fault(&device.class.span(), message);
        }
        let bus = buses.iter().position(|bus| bus.id.get_ref() == device.bus.get_ref());
        if bus.is_none() {
            let message = format!("device `{id}`: there is no [[bus]] with id `{}`", device.bus.get_ref());
            self.fault(&device.bus.span(), message);
        }
        let profile = profile::built_in(device.profile.get_ref());
        let Some(profile) = profile else {
            let known: Vec<_> = profile::built_in_ids().collect();
            let message = format!(
                "device `{id}`: unknown profile `{}`; write one of {}",
                device.profile.get_ref(),
                known.join(", ")
            );
            self.fault(&device.profile.span(), message);
            return None;
        };
        if let Some(class) = class.filter(|class| !profile.classes.contains(class)) {
            let known: Vec<_> = profile.classes.iter().map(|class| class.name()).collect();
            let message = format!(
                "device `{id}`: a {} cannot be a {}; write class = \"{}\"",
                profile.model,
                class.name(),
                known.join("\" or \"")
            );
            self.fault(&device.class.span(), message);
        }
        let unit =
            u8::try_from(*device.unit.get_ref()).ok().filter(|unit| profile.modbus.units.contains(unit));
        if unit.is_none() {
            let (first, last) = (profile.modbus.units.start(), profile.modbus.units.end());
            let message = format!(
                "device `{id}`: unit {} is outside the addresses of {}; write {first} to {last}",
                device.unit.get_ref(),
                profile.id
            );
            self.fault(&device.unit.span(), message);
        }
        let poll =
            self.span_of_time(device.poll.as_ref(), Millis::from_secs(5), Millis(100), Millis::from_mins(15));
        let (class, bus, unit) = (class?, bus?, unit?);
        let temperature_limits = self.temperature_limits(device, class, &profile);
        let mut no_response = NoResponseConfig::default();
        if let Some(rule) = &device.no_response {
            no_response.delay = self.span_of_time(
                Some(&rule.delay),
                no_response.delay,
                Millis(0),
                Millis::from_mins(24 * 60),
            );
        }
        let demand = device.demand.as_ref().and_then(|demand| self.demand(&id, demand, &profile));
        let name = device.name.clone().unwrap_or_else(|| id.clone());
        Some(Device {
            id,
            name,
            class,
            profile: Arc::new(profile),
            bus,
            unit,
            poll,
            temperature_limits,
            no_response,
            demand,
        })
    }

    fn temperature_limits(
        &mut self,
        device: &file::Device,
        class: Class,
        profile: &Profile,
    ) -> Vec<TemperatureLimitConfig> {
        let id = device.id.get_ref();
        for rule in [&device.temperature_high, &device.temperature_low].into_iter().flatten() {
            if profile.point("air_temperature").is_none() {
                let message = format!(
                    "device `{id}`: profile {} has no air_temperature to limit; remove the rule",
                    profile.id
                );
                self.fault(&rule.limit.span(), message);
            }
        }
        let by_class = TemperatureLimitConfig::for_class(class);
        let high = match &device.temperature_high {
            Some(rule) => {
                Some(self.temperature_limit(id, "temperature_high", rule, Direction::High, by_class))
            }
            None => by_class.filter(|_| profile.point("air_temperature").is_some()),
        };
        let low = device
            .temperature_low
            .as_ref()
            .map(|rule| self.temperature_limit(id, "temperature_low", rule, Direction::Low, by_class));
        if let (Some(high), Some(low), Some(rule)) = (high, low, &device.temperature_low) {
            if high.limit - high.hysteresis <= low.limit + low.hysteresis {
                let message = format!(
                    "device `{id}`: limits {} and {} °C lie within each other's hysteresis ({} and {} K), so an alarm could never clear; move them apart or lower the hysteresis",
                    low.limit, high.limit, low.hysteresis, high.hysteresis
                );
                self.fault(&rule.limit.span(), message);
            }
        }
        high.into_iter().chain(low).collect()
    }

    fn temperature_limit(
        &mut self,
        id: &str,
        name: &str,
        rule: &file::TemperatureLimit,
        direction: Direction,
        by_class: Option<TemperatureLimitConfig>,
    ) -> TemperatureLimitConfig {
        let limit = *rule.limit.get_ref();
        if !(-60.0..=80.0).contains(&limit) {
            self.fault(&rule.limit.span(), format!("device `{id}`: {name}.limit {limit} is no cabinet temperature; write °C between -60 and 80"));
        }
        let default_hysteresis = by_class.map_or(0.5, |class| class.hysteresis);
        let hysteresis = rule.hysteresis.as_ref().map_or(default_hysteresis, |value| *value.get_ref());
        // A refrigeration controller's own differential is at most 20 K; an alarm that needs more than
        // 10 K to clear lies outside what a cabinet reaches in normal service.
        if !(0.0..=10.0).contains(&hysteresis) {
            let at = rule.hysteresis.as_ref().map_or(rule.limit.span(), At::span);
            self.fault(&at, format!("device `{id}`: {name}.hysteresis {hysteresis} would keep an alarm for ever; write K between 0 and 10"));
        }
        let (delay, hold_off) = by_class.map_or((Millis::from_mins(30), Millis::from_mins(90)), |class| {
            (class.delay, class.delay_hold_off)
        });
        let day = Millis::from_mins(24 * 60);
        let delay = self.span_of_time(rule.delay.as_ref(), delay, Millis(0), day);
        let delay_hold_off =
            self.span_of_time(rule.delay_hold_off.as_ref(), hold_off.max(delay), Millis(0), day);
        if delay_hold_off < delay {
            let at = rule.delay_hold_off.as_ref().map_or(rule.limit.span(), At::span);
            self.fault(
                &at,
                format!(
                    "device `{id}`: {name}.delay_hold_off is shorter than its delay; write the same or longer"
                ),
            );
        }
        TemperatureLimitConfig { direction, limit, hysteresis, delay, delay_hold_off }
    }

    fn demand(
        &mut self,
        id: &str,
        demand: &file::Demand,
        profile: &Profile,
    ) -> Option<(usize, DemandConfig)> {
        let name = demand.point.as_ref().map_or("power_total", |point| point.get_ref());
        let at = demand.point.as_ref().map_or(demand.limit_watts.span(), At::span);
        let point = self.profile_point(&at, id, profile, name, Unit::Watt);
        let limit = *demand.limit_watts.get_ref();
        if !(limit.is_finite() && limit > 0.0) {
            self.fault(
                &demand.limit_watts.span(),
                format!("device `{id}`: demand.limit_watts must be above 0"),
            );
        }
        let hysteresis = demand.hysteresis.as_ref().map_or(0.05, |value| *value.get_ref());
        if !(0.0..1.0).contains(&hysteresis) {
            let at = demand.hysteresis.as_ref().map_or(demand.limit_watts.span(), At::span);
            self.fault(
                &at,
                format!(
                    "device `{id}`: demand.hysteresis is a share of the limit; write 0 to below 1, as 0.05"
                ),
            );
        }
        let window = self.span_of_time(
            demand.window.as_ref(),
            Millis::from_mins(15),
            Millis::from_mins(1),
            Millis::from_mins(60),
        );
        let window_min = u8::try_from(window.0 / 60_000).unwrap_or(60);
        Some((point?, DemandConfig { limit, hysteresis, window_min }))
    }

    fn lights(
        &mut self,
        lights: &[file::Light],
        device_files: &[file::Device],
        devices: &[Option<Device>],
        store: &file::Store,
    ) -> Vec<Light> {
        self.unique(
            "light or device",
            lights.iter().map(|light| &light.id).chain(device_files.iter().map(|d| &d.id)),
        );
        let place = match (&store.latitude, &store.longitude) {
            (Some(latitude), Some(longitude)) => {
                let (north, east) = (*latitude.get_ref(), *longitude.get_ref());
                if !(-90.0..=90.0).contains(&north) || !(-180.0..=180.0).contains(&east) {
                    self.fault(&latitude.span(), "store.latitude is -90 to 90 (north positive), store.longitude -180 to 180 (east positive)");
                }
                Some((north, east))
            }
            _ => None,
        };
        lights.iter().filter_map(|light| self.light(light, device_files, devices, place)).collect()
    }

    fn light(
        &mut self,
        light: &file::Light,
        device_files: &[file::Device],
        devices: &[Option<Device>],
        place: Option<(f64, f64)>,
    ) -> Option<Light> {
        let id = light.id.get_ref();
        self.valid_id("light", &light.id);
        let switch = self.point_of(id, &light.switch, Unit::Flag, device_files, devices);
        if let Some((device, point)) = switch {
            let writable = devices[device].as_ref().is_some_and(|d| d.profile.points[point].write.is_some());
            if !writable {
                self.fault(
                    &light.switch.span(),
                    format!("light `{id}`: `{}` cannot be written; name a relay", light.switch.get_ref()),
                );
            }
        }
        let power = match &light.power {
            None => None,
            Some(power) => Some(self.point_of(id, power, Unit::Watt, device_files, devices)?),
        };
        let Some((latitude, longitude)) = place else {
            self.fault(
                &light.id.span(),
                format!("light `{id}` follows the sun; write store.latitude and store.longitude"),
            );
            return None;
        };
        let mut dark = LightDarkConfig::default();
        dark.delay =
            self.span_of_time(light.dark_delay.as_ref(), dark.delay, Millis(0), Millis::from_mins(24 * 60));
        if let Some(watts) = &light.watts_min {
            if !(watts.get_ref().is_finite() && *watts.get_ref() > 0.0) {
                self.fault(&watts.span(), format!("light `{id}`: watts_min must be above 0"));
            }
            if light.power.is_none() {
                self.fault(
                    &watts.span(),
                    format!("light `{id}`: watts_min needs `power`, the point that measures the circuit"),
                );
            }
            dark.power_min = *watts.get_ref();
        }
        let hours = Millis::from_mins(12 * 60);
        let schedule = LightScheduleConfig {
            latitude,
            longitude,
            mode: LightMode::SunAndHours {
                before_sunset: self.span_of_time(light.before_sunset.as_ref(), Millis(0), Millis(0), hours),
                after_sunrise: self.span_of_time(light.after_sunrise.as_ref(), Millis(0), Millis(0), hours),
                open: self.time_of_day(light.open.as_ref(), Millis(0)),
                close: self.time_of_day(light.close.as_ref(), Millis::from_mins(24 * 60)),
            },
            on_time_min: self.span_of_time(light.min_on.as_ref(), Millis::from_mins(5), Millis(0), hours),
        };
        let name = light.name.clone().unwrap_or_else(|| id.clone());
        Some(Light { id: id.clone(), name, switch: switch?, power, dark, schedule })
    }

    fn gateways(&mut self, gateways: &[file::Gateway]) -> Vec<Gateway> {
        self.unique("gateway", gateways.iter().map(|gateway| &gateway.id));
        gateways
            .iter()
            .filter_map(|gateway| {
                let id = gateway.id.get_ref();
                if let Some(driver) = gateway.driver.as_ref().filter(|driver| driver.get_ref() != "estation")
                {
                    self.fault(
                        &driver.span(),
                        format!("gateway `{id}`: unknown driver `{}`; write \"estation\"", driver.get_ref()),
                    );
                }
                let ap = gateway.ap.get_ref();
                if ap.len() != 4 || !ap.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    self.fault(
                        &gateway.ap.span(),
                        format!("gateway `{id}`: ap is the access point's id, four letters or digits"),
                    );
                }
                let login = self.login(gateway.username.as_ref(), gateway.password_file.as_ref());
                let (tls, broker) = self.broker(&gateway.broker, login)?;
                if tls {
                    self.fault(
                        &gateway.broker.span(),
                        format!("gateway `{id}`: the LAN broker is spoken to as mqtt://"),
                    );
                }
                Some(Gateway { id: id.clone(), ap: ap.clone(), broker })
            })
            .collect()
    }

    fn labels(&mut self, labels: &[file::Label], gateways: &[file::Gateway]) -> Vec<Label> {
        self.unique("label", labels.iter().map(|label| &label.id));
        labels
            .iter()
            .filter_map(|label| {
                let id = label.id.get_ref();
                let model = model_of(id);
                if model.is_none() {
                    let message = format!("label `{id}`: its first two hex digits name no known label model; copy the id printed on the label");
                    self.fault(&label.id.span(), message);
                }
                let gateway = gateways.iter().position(|gateway| gateway.id.get_ref() == label.gateway.get_ref());
                if gateway.is_none() {
                    let message = format!("label `{id}`: there is no [[gateway]] with id `{}`", label.gateway.get_ref());
                    self.fault(&label.gateway.span(), message);
                }
                let model = model?;
                Some(Label { id: id.clone(), gateway: gateway?, item: label.item.get_ref().clone(), size: (model.width, model.height) })
            })
            .collect()
    }

    // ---- pieces -----------------------------------------------------------------------------

    fn unique<'a>(&mut self, what: &str, ids: impl Iterator<Item = &'a At<String>>) {
        let mut seen: Vec<&str> = Vec::new();
        for id in ids {
            if seen.contains(&id.get_ref().as_str()) {
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
            let message = format!(
                "`{id}`: profile {} has no point `{name}` in {}; it has {known}",
                profile.id,
                unit.symbol()
            );
            self.fault(at, message);
        }
        found
    }

    /// `device/point`, both of which must exist.
    fn point_of(
        &mut self,
        id: &str,
        at: &At<String>,
        unit: Unit,
        device_files: &[file::Device],
        devices: &[Option<Device>],
    ) -> Option<PointAt> {
        let text = at.get_ref();
        let Some((device_id, point)) = text.split_once('/') else {
            self.fault(&at.span(), format!("light `{id}`: `{text}` is no point; write \"device/point\""));
            return None;
        };
        let Some(index) = device_files.iter().position(|device| device.id.get_ref() == device_id) else {
            self.fault(&at.span(), format!("light `{id}`: there is no [[device]] with id `{device_id}`"));
            return None;
        };
        // A device with faults of its own has been complained about already.
        let profile = devices[index].as_ref()?.profile.clone();
        Some((index, self.profile_point(&at.span(), device_id, &profile, point, unit)?))
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
                let password = String::from_utf8(self.read_file(file)?).ok()?;
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

    fn broker(&mut self, url: &At<String>, login: Option<(String, String)>) -> Option<(bool, Broker)> {
        let parsed = parse_broker(url.get_ref());
        if parsed.is_none() {
            self.fault(
                &url.span(),
                format!(
                    "`{}` is no broker; write \"mqtts://host:8883\" or \"mqtt://host:1883\"",
                    url.get_ref()
                ),
            );
        }
        let (tls, host, port) = parsed?;
        Some((tls, Broker { host, port, login }))
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

fn written(span: Millis) -> String {
    humantime::format_duration(std::time::Duration::from_millis(span.0.unsigned_abs())).to_string()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
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
    (!host.is_empty() && !host.contains('/')).then(|| (tls, host.to_owned(), port))
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
