//! Brokers and devices, and the rules over one device.

use super::{Check, TlsKeys};
use crate::config::file::{self, At};
use crate::config::{CabinetRules, Device, EquipmentBroker, Origins, Place};
use crate::report::default_deadband;
use std::ops::Range;
use std::sync::Arc;
use storewarden_drivers::profile::{Modbus, Profile, Profiles, Wire};
use storewarden_rules::detect::{DemandConfig, Direction, NoResponseConfig, TemperatureLimitConfig};
use storewarden_rules::{Class, Millis, Unit};

/// Shorter than any device answers, even at 115200 baud.
const TIMEOUT_MIN: Millis = Millis(20);
/// A device that takes longer would hold up its line for longer than rules wait.
const TIMEOUT_MAX: Millis = Millis(10_000);

impl Check {
    pub(super) fn brokers(&mut self, brokers: &[file::EquipmentBroker]) -> Vec<EquipmentBroker> {
        self.unique("broker", brokers.iter().map(|broker| &broker.id));
        self.unique("broker address", brokers.iter().map(|broker| &broker.url));
        brokers
            .iter()
            .filter_map(|broker| {
                let id = broker.id.get_ref();
                self.valid_id("broker", &broker.id);
                let login = self.login(broker.username.as_ref(), broker.password_file.as_ref());
                let files = TlsKeys {
                    ca: broker.ca_file.as_ref(),
                    cert: broker.cert_file.as_ref(),
                    key: broker.key_file.as_ref(),
                };
                let address = self.broker((&format!("broker `{id}`: "), ""), &broker.url, login, files)?;
                Some(EquipmentBroker { id: id.clone(), broker: address })
            })
            .collect()
    }

    /// The profiles that ship with the program and those of the store's folder.
    pub(super) fn profiles(&mut self, profiles: &file::Profiles) -> Profiles {
        let Some(folder) = &profiles.folder else { return Profiles::built_in() };
        match Profiles::with_folder(&self.base.join(folder.get_ref())) {
            Ok(profiles) => profiles,
            Err(faults) => {
                faults.0.iter().for_each(|fault| self.fault(&folder.span(), format!("{fault}")));
                Profiles::built_in()
            }
        }
    }

    /// One entry per device of the file, so that indices agree; none where a fault was found.
    pub(super) fn devices(
        &mut self,
        devices: &[file::Device],
        buses: &[file::Bus],
        brokers: &[file::EquipmentBroker],
        profiles: &Profiles,
    ) -> Vec<Option<Device>> {
        self.unique("device", devices.iter().map(|device| &device.id));
        let mut units: Vec<(&str, i64, &str)> = Vec::new();
        let mut topics: Vec<(&str, &str, &str, &str)> = Vec::new();
        for device in devices {
            let id = device.id.get_ref();
            if let (Some(broker), Some(at)) = (&device.broker, &device.topic) {
                let (broker, topic, profile) = (broker.get_ref(), at.get_ref(), device.profile.get_ref());
                let taken =
                    |(b, t, p, _): &&(&str, &str, &str, &str)| *b == broker && *t == topic && *p == profile;
                if let Some((.., other)) = topics.iter().find(taken) {
                    let message = format!(
                        "device `{id}`: topic `{topic}` at broker `{broker}` is already `{other}`; give each device its own topic"
                    );
                    self.fault(&at.span(), message);
                }
                topics.push((broker, topic, profile, id));
            }
            let (Some(bus), Some(at)) = (&device.bus, &device.unit) else { continue };
            let (bus, unit) = (bus.get_ref(), *at.get_ref());
            if let Some((_, _, other)) = units.iter().find(|(b, u, _)| b == bus && *u == unit) {
                let message = format!(
                    "device `{id}`: unit {unit} on bus `{bus}` is already `{other}`; give each device of a bus its own unit address"
                );
                self.fault(&at.span(), message);
            }
            units.push((bus, unit, id));
        }
        devices.iter().map(|device| self.device(device, buses, brokers, profiles)).collect()
    }

    /// The points of other devices that cabinets look at, when all devices are known.
    pub(super) fn points_from_elsewhere(
        &mut self,
        files: &[file::Device],
        store: &file::Store,
        devices: &mut [Option<Device>],
    ) {
        let of_all = store
            .ambient
            .as_ref()
            .and_then(|at| self.point_of("store.ambient", at, Unit::Celsius, files, devices));
        for (index, file) in files.iter().enumerate() {
            let whose = format!("device `{}`", file.id.get_ref());
            // A cabinet measures the room itself, or is what measures it for the others.
            let measures = |device: &Device| device.profile.point("ambient_temperature").is_some();
            let own = devices[index].as_ref().is_some_and(measures);
            let mut found = [None, of_all.filter(|(device, _)| !own && *device != index)];
            for (point, at, unit) in [(0, &file.power, Unit::Watt), (1, &file.ambient, Unit::Celsius)] {
                let Some(at) = at else { continue };
                if devices[index].as_ref().is_some_and(|device| device.cabinet.is_none()) {
                    let message = format!(
                        "{whose}: only a cabinet looks at `power` and `ambient` of another device; leave it out"
                    );
                    self.fault(&at.span(), message);
                }
                found[point] = self.point_of(&whose, at, unit, files, devices);
            }
            if let Some(device) = &mut devices[index] {
                [device.power, device.ambient] = found;
            }
        }
    }

    fn device(
        &mut self,
        device: &file::Device,
        buses: &[file::Bus],
        brokers: &[file::EquipmentBroker],
        profiles: &Profiles,
    ) -> Option<Device> {
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
        let profile = profiles.get(device.profile.get_ref()).cloned();
        let Some(mut profile) = profile else {
            let known: Vec<_> = profiles.ids().collect();
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
        let place = match &profile.wire {
            Wire::Modbus(modbus) => self.bus_place(device, &profile.id, modbus, buses),
            Wire::Mqtt(_) => self.broker_place(device, &profile.id, brokers),
        };
        self.reduce(device, &mut profile);
        let polls = self.polls(device);
        let timeout = device
            .timeout
            .as_ref()
            .map(|timeout| self.span_of_time(Some(timeout), Millis(0), TIMEOUT_MIN, TIMEOUT_MAX));
        let safe = device.safe.as_ref().and_then(|safe| self.safe(&id, safe, &profile, &polls));
        let deadbands = self.deadbands(device, &profile);
        let (class, place) = (class?, place?);
        let (cabinet, temperature_limits) = self.temperature_rules(device, class, &profile);
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
        let by_class = self.set_points.get(class.name()).copied();
        let set_point_range = match &device.set_point_range {
            Some(range) => self.set_point_range(range),
            None => by_class,
        };
        let origins = self.device_origins(device);
        let name = device.name.clone().unwrap_or_else(|| id.clone());
        Some(Device {
            id,
            name,
            class,
            profile: Arc::new(profile),
            place,
            polls,
            timeout,
            safe,
            deadbands,
            cabinet,
            power: None,
            ambient: None,
            temperature_limits,
            no_response,
            demand,
            set_point_range,
            origins,
        })
    }

    /// Where on a bus the device is.
    fn bus_place(
        &mut self,
        device: &file::Device,
        profile: &str,
        modbus: &Modbus,
        buses: &[file::Bus],
    ) -> Option<Place> {
        let id = device.id.get_ref();
        if let Some(other) = device.broker.as_ref().or(device.topic.as_ref()) {
            let message = format!("device `{id}`: a {profile} speaks Modbus; write `bus` and `unit` instead");
            self.fault(&other.span(), message);
            return None;
        }
        let (Some(bus), Some(unit)) = (&device.bus, &device.unit) else {
            let message = format!("device `{id}`: a {profile} speaks Modbus; write its `bus` and its `unit`");
            self.fault(&device.id.span(), message);
            return None;
        };
        let index = buses.iter().position(|known| known.id.get_ref() == bus.get_ref());
        if index.is_none() {
            let message = format!("device `{id}`: there is no [[bus]] with id `{}`", bus.get_ref());
            self.fault(&bus.span(), message);
        }
        // The others mean something else on a serial line: all units, or reserved.
        let serial = index.is_some_and(|index| buses[index].tcp.is_none());
        let (first, last) = (*modbus.units.start(), *modbus.units.end());
        let (first, last) = if serial { (first.max(1), last.min(247)) } else { (first, last) };
        let address = u8::try_from(*unit.get_ref()).ok().filter(|unit| (first..=last).contains(unit));
        if address.is_none() {
            let message = format!(
                "device `{id}`: unit {} is outside the addresses of {profile}; write {first} to {last}",
                unit.get_ref()
            );
            self.fault(&unit.span(), message);
        }
        Some(Place::Bus { bus: index?, unit: address? })
    }

    /// Where at a broker the device is.
    fn broker_place(
        &mut self,
        device: &file::Device,
        profile: &str,
        brokers: &[file::EquipmentBroker],
    ) -> Option<Place> {
        let id = device.id.get_ref();
        let misplaced = device.bus.as_ref().map(At::span).or(device.unit.as_ref().map(At::span));
        if let Some(at) = misplaced {
            let message =
                format!("device `{id}`: a {profile} speaks MQTT; write `broker` and `topic` instead");
            self.fault(&at, message);
            return None;
        }
        let of_a_bus = [
            ("poll_fast", &device.poll_fast),
            ("poll_slow", &device.poll_slow),
            ("timeout", &device.timeout),
        ];
        for (key, at) in of_a_bus {
            if let Some(at) = at {
                let message = format!(
                    "device `{id}`: `{key}` is for a device on a bus; at a broker `poll` says how often the last word of all its points is repeated: leave `{key}` out"
                );
                self.fault(&at.span(), message);
            }
        }
        let (Some(broker), Some(topic)) = (&device.broker, &device.topic) else {
            let message =
                format!("device `{id}`: a {profile} speaks MQTT; write its `broker` and its `topic`");
            self.fault(&device.id.span(), message);
            return None;
        };
        let index = brokers.iter().position(|known| known.id.get_ref() == broker.get_ref());
        if index.is_none() {
            let message = format!("device `{id}`: there is no [[broker]] with id `{}`", broker.get_ref());
            self.fault(&broker.span(), message);
        }
        let text = topic.get_ref();
        let fits = (1..=200).contains(&text.len())
            && !text.contains(['+', '#', '\0', '{', '}'])
            && !text.starts_with(['/', '$'])
            && !text.ends_with('/');
        if !fits {
            let message = format!(
                "device `{id}`: topic `{text}` is no part of a topic; write 1 to 200 bytes without + # {{ }}, without / at the ends, as \"tasmota_1A2B3C\""
            );
            self.fault(&topic.span(), message);
        }
        Some(Place::Broker { broker: index?, topic: text.clone() }).filter(|_| fits)
    }

    /// Leaves only the points that the device names; all of the profile if it names none.
    fn reduce(&mut self, device: &file::Device, profile: &mut Profile) {
        let Some(named) = &device.points else { return };
        if named.is_empty() {
            let message =
                format!("device `{}`: `points` names none; leave it out to read all", device.id.get_ref());
            self.fault(&device.id.span(), message);
        }
        for name in named.iter().filter(|name| profile.point(name.get_ref()).is_none()) {
            let known: Vec<_> = profile.points.iter().map(|point| point.name.as_str()).collect();
            let message = format!(
                "device `{}`: profile {} has no point `{}`; it has {}",
                device.id.get_ref(),
                profile.id,
                name.get_ref(),
                known.join(", ")
            );
            self.fault(&name.span(), message);
        }
        profile.keep(|point| named.iter().any(|name| name.get_ref() == point));
    }

    /// For each point of the profile: what the device says, else what is usual for the unit.
    fn deadbands(&mut self, device: &file::Device, profile: &Profile) -> Vec<f64> {
        let id = device.id.get_ref();
        for (name, deadband) in &device.deadband {
            if profile.point(name.get_ref()).is_none() {
                let known: Vec<_> = profile.points.iter().map(|point| point.name.as_str()).collect();
                let message = format!(
                    "device `{id}`: deadband of `{}`, which is not read; it reads {}",
                    name.get_ref(),
                    known.join(", ")
                );
                self.fault(&name.span(), message);
            }
            let value = *deadband.get_ref();
            if !(value.is_finite() && value >= 0.0) {
                let message = format!(
                    "device `{id}`: deadband {value} of `{}`; write 0 (any change is reported) or more, in the point's unit",
                    name.get_ref()
                );
                self.fault(&deadband.span(), message);
            }
        }
        let own = |name: &str| {
            let named = device.deadband.iter().find(|(own, _)| own.get_ref() == name);
            named.map(|(_, deadband)| *deadband.get_ref())
        };
        profile.points.iter().map(|p| own(&p.name).unwrap_or_else(|| default_deadband(p.unit))).collect()
    }

    fn device_origins(&self, device: &file::Device) -> Origins {
        let mut keys = Vec::new();
        for (name, rule) in
            [("temperature_high", &device.temperature_high), ("temperature_low", &device.temperature_low)]
        {
            keys.extend(rule.iter().flat_map(|rule| limit_keys(name, rule)));
        }
        keys.extend(
            device.no_response.as_ref().map(|rule| ("no_response", "delay", Some(rule.delay.span()))),
        );
        if let Some(demand) = &device.demand {
            keys.extend([
                ("demand", "point", demand.point.as_ref().map(At::span)),
                ("demand", "limit_watts", Some(demand.limit_watts.span())),
                ("demand", "window", demand.window.as_ref().map(At::span)),
                ("demand", "hysteresis", demand.hysteresis.as_ref().map(At::span)),
            ]);
        }
        self.origins(&keys)
    }

    /// The rules of a cabinet, or the limits of what is none.
    fn temperature_rules(
        &mut self,
        device: &file::Device,
        class: Class,
        profile: &Profile,
    ) -> (Option<CabinetRules>, Vec<TemperatureLimitConfig>) {
        let id = device.id.get_ref();
        let whose = format!("device `{id}`");
        let has_air = profile.point("air_temperature").is_some();
        let written = [
            ("temperature_high", Direction::High, &device.temperature_high),
            ("temperature_low", Direction::Low, &device.temperature_low),
        ];
        let by_class = self.classes.get(class.name()).cloned();
        for rule in written.iter().filter_map(|(.., rule)| rule.as_ref()).filter(|_| !has_air) {
            let message =
                format!("{whose}: profile {} has no air_temperature to limit; remove the rule", profile.id);
            self.fault(&rule.limit.span(), message);
        }
        if by_class.is_some() && device.points.is_some() && !has_air {
            let message = format!(
                "{whose}: a {} without its air_temperature is not watched; add it to `points`",
                class.name()
            );
            self.fault(&device.id.span(), message);
        }
        let usual = by_class.as_ref().and_then(|class| class.config.high);
        let mut limits = Vec::new();
        for (name, direction, rule) in &written {
            let limit = rule.as_ref().map(|rule| self.temperature_limit(id, name, rule, *direction, usual));
            limits.extend(limit);
        }
        let Some(class_rules) = by_class.filter(|_| has_air) else {
            if let Some((rule, _)) = device.rules.iter().next() {
                let message = format!(
                    "{whose}: only a cabinet whose air_temperature is read has these rules; remove them"
                );
                self.fault(&rule.span(), message);
            }
            if let ([high, low], Some(rule)) = (limits.as_slice(), &device.temperature_low) {
                self.apart(&whose, &rule.limit.span(), high, low);
            }
            return (None, limits);
        };
        let mut cabinet = class_rules.clone();
        for (name, direction, rule) in written {
            let Some(rule) = rule else { continue };
            let limit = limits.iter().find(|limit| limit.direction == direction).copied();
            match direction {
                Direction::High => cabinet.config.high = limit,
                Direction::Low => cabinet.config.low = limit,
            }
            cabinet.origins.extend(self.origins(&limit_keys(name, rule)));
            if let Some((other, _)) = device.rules.iter().find(|(other, _)| other.get_ref() == name) {
                let message = format!("{whose}: {name} is there twice; write all of it under rules");
                self.fault(&other.span(), message);
            }
        }
        self.put_rules(&whose, class, &device.rules, &mut cabinet);
        let at = device.temperature_low.as_ref().map_or(device.id.span(), |rule| rule.limit.span());
        self.settle(&whose, &at, &class_rules, &mut cabinet);
        (Some(cabinet), Vec::new())
    }

    /// An alarm of one limit must be able to clear before the other's is raised.
    pub(super) fn apart(
        &mut self,
        whose: &str,
        at: &Range<usize>,
        high: &TemperatureLimitConfig,
        low: &TemperatureLimitConfig,
    ) {
        if high.limit - high.hysteresis <= low.limit + low.hysteresis {
            let message = format!(
                "{whose}: limits {} and {} °C lie within each other's hysteresis ({} and {} K), so an alarm could never clear; move them apart or lower the hysteresis",
                low.limit, high.limit, low.hysteresis, high.hysteresis
            );
            self.fault(at, message);
        }
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
        // A cabinet swings by a few kelvin about its set point; an alarm that clears only further inside
        // its limit than that would never clear.
        if !(0.0..=5.0).contains(&hysteresis) {
            let at = rule.hysteresis.as_ref().map_or(rule.limit.span(), At::span);
            self.fault(&at, format!("device `{id}`: {name}.hysteresis {hysteresis} would keep an alarm for ever; write K between 0 and 5"));
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
        if window.0 % 60_000 != 0 {
            let at = demand.window.as_ref().map_or(demand.limit_watts.span(), At::span);
            self.fault(&at, format!("device `{id}`: demand.window is whole minutes, as \"15m\""));
        }
        let window_min = u8::try_from(window.0 / 60_000).unwrap_or(60);
        Some((point?, DemandConfig { limit, hysteresis, window_min }))
    }
}

/// The keys of a limit and where they are.
fn limit_keys(
    name: &'static str,
    rule: &file::TemperatureLimit,
) -> [(&'static str, &'static str, Option<Range<usize>>); 4] {
    [
        (name, "limit", Some(rule.limit.span())),
        (name, "hysteresis", rule.hysteresis.as_ref().map(At::span)),
        (name, "delay", rule.delay.as_ref().map(At::span)),
        (name, "delay_hold_off", rule.delay_hold_off.as_ref().map(At::span)),
    ]
}
