//! From a checked configuration to the store's rules: the same for `run` and for `replay`, so that a
//! recording is judged by exactly what runs in the store.

use crate::config::{Config, Device, Light, PointAt};
use std::sync::Arc;
use storewarden_drivers::profile::{Pace, Point};
use storewarden_rules::cabinet::CabinetPoints;
use storewarden_rules::detect::OutageConfig;
use storewarden_rules::{Class, Condition, DeviceId, Millis, PointId, Rule, Site, SiteFull, Unit};

/// A value not renewed for this many polls is stale.
const STALE_POLLS: i64 = 3;
/// No value is stale sooner, however often it is read: a bus that reads as fast as its line allows
/// has no interval to count.
const STALE_MIN: Millis = Millis::from_secs(1);

/// The store's rules and the names of everything in them.
pub struct Assembled {
    /// The rules.
    pub site: Box<Site>,
    /// Names of devices and points.
    pub names: Arc<Names>,
}

/// Names of devices and points by their dense ids.
#[derive(Debug, Default)]
pub struct Names {
    devices: Vec<DeviceName>,
    points: Vec<PointName>,
    /// Names of the rules that the chain and the store wrote themselves, by their numbers.
    user_rules: Vec<String>,
}

/// Names of one device.
#[derive(Debug)]
pub struct DeviceName {
    /// Id in the config.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What it is for.
    pub class: Class,
    /// Its first point and how many it has; ids of a device's points follow each other.
    first_point: u16,
    point_count: u16,
    /// Points of other devices that are shown as this one's, and as what: a light's switch and power.
    borrowed: Vec<(PointId, &'static str)>,
}

/// Names of one point.
#[derive(Debug)]
pub struct PointName {
    /// Whose.
    pub device: DeviceId,
    /// Name in the profile.
    pub name: String,
    /// Unit of its values.
    pub unit: Unit,
    /// From which change on it is reported, in its unit.
    pub deadband: f64,
}

impl Names {
    /// The names of one device of that class, which it is named after, with these points.
    pub fn of_one(class: Class, points: &[(&str, Unit)]) -> Self {
        let device = DeviceName {
            id: class.name().into(),
            name: class.name().into(),
            class,
            first_point: 0,
            point_count: next_id(points.len()),
            borrowed: Vec::new(),
        };
        let point = |(name, unit): &(&str, Unit)| PointName {
            device: DeviceId(0),
            name: (*name).into(),
            unit: *unit,
            deadband: 0.0,
        };
        Self { devices: vec![device], points: points.iter().map(point).collect(), user_rules: Vec::new() }
    }
    /// The device's names.
    pub fn device(&self, id: DeviceId) -> &DeviceName {
        &self.devices[usize::from(id.0)]
    }
    /// The point's names.
    pub fn point(&self, id: PointId) -> &PointName {
        &self.points[usize::from(id.0)]
    }
    /// The name of a condition as it is written down: of a user's own rule its id.
    pub fn condition(&self, condition: Condition) -> &str {
        match condition {
            Condition::User(number) => {
                self.user_rules.get(usize::from(number)).map_or(condition.name(), String::as_str)
            }
            _ => condition.name(),
        }
    }
    /// The condition that is written so.
    pub fn find_condition(&self, name: &str) -> Option<Condition> {
        let own = || (0..).zip(&self.user_rules).find(|(_, rule)| *rule == name);
        Condition::from_name(name).or_else(|| own().map(|(number, _)| Condition::User(number)))
    }
    /// Every device in the order of the config, then lights, then what they hang on.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, &DeviceName)> {
        (0..).map(DeviceId).zip(&self.devices)
    }
    fn add_parent(
        &mut self,
        site: &mut Site,
        id: &str,
        name: &str,
        class: Class,
    ) -> Result<DeviceId, SiteFull> {
        let device = site.add_device(class, Millis(0))?;
        self.devices.push(DeviceName {
            id: id.into(),
            name: name.into(),
            class,
            first_point: next_id(self.points.len()),
            point_count: 0,
            borrowed: Vec::new(),
        });
        Ok(device)
    }
    /// The id of a point of the configuration.
    fn at(&self, (device, point): PointAt) -> PointId {
        PointId(self.devices[device].first_point + next_id(point))
    }
    /// Every point, by id.
    pub fn points(&self) -> &[PointName] {
        &self.points
    }
    /// The points of a device, in the order of its profile.
    pub fn points_of(&self, id: DeviceId) -> impl Iterator<Item = (PointId, &PointName)> {
        let device = self.device(id);
        let first = usize::from(device.first_point);
        (device.first_point..).map(PointId).zip(&self.points[first..first + usize::from(device.point_count)])
    }
    /// What is shown of a device: its own points, or those it borrows.
    pub fn shown_of(&self, id: DeviceId) -> impl Iterator<Item = (PointId, &str, Unit)> {
        let own = self.points_of(id).map(|(point, name)| (point, name.name.as_str(), name.unit));
        let borrowed = &self.device(id).borrowed;
        own.chain(borrowed.iter().map(|(point, name)| (*point, *name, self.point(*point).unit)))
    }
    /// The id of `device`.
    pub fn find_device(&self, id: &str) -> Option<DeviceId> {
        self.devices().find(|(_, device)| device.id == id).map(|(id, _)| id)
    }
    /// The id of the point written `device/point`.
    pub fn find_point(&self, text: &str) -> Option<PointId> {
        let (device, point) = text.split_once('/')?;
        self.points_of(self.find_device(device)?).find(|(_, name)| name.name == point).map(|(id, _)| id)
    }
}

/// Builds the rules of a store. `interval` gives the time between two readings of a point of this pace:
/// in the store the configured one ([`Device::interval`]), in a replay the recording's own. A device
/// without one (the recording does not hold it) gets no rules: nobody looks at it, so its silence
/// means nothing.
pub fn assemble(
    config: &Config,
    interval: impl Fn(&Device, Pace) -> Option<Millis>,
) -> Result<Assembled, SiteFull> {
    let mut site = Box::new(Site::new());
    site.set_policy(config.alarm_policy);
    let mut names = Names::default();
    for device in &config.devices {
        let of = |point: &Point| interval(device, point.pace).unwrap_or(device.interval(point.pace));
        let points = &device.profile.points;
        let vital = device.vital().map(|index| of(&points[index]));
        let poll = vital.or(points.iter().map(of).min()).unwrap_or(Millis(0));
        let id = site.add_device(device.class, poll)?;
        let first_point = next_id(names.points.len());
        for (point, deadband) in points.iter().zip(&device.deadbands) {
            site.add_point(id, Millis(of(point).0 * STALE_POLLS).max(STALE_MIN))?;
            names.points.push(PointName {
                device: id,
                name: point.name.clone(),
                unit: point.unit,
                deadband: *deadband,
            });
        }
        names.devices.push(DeviceName {
            id: device.id.clone(),
            name: device.name.clone(),
            class: device.class,
            first_point,
            point_count: next_id(device.profile.points.len()),
            borrowed: Vec::new(),
        });
    }
    for (id, device) in (0..).map(DeviceId).zip(&config.devices) {
        if interval(device, Pace::Normal).is_some() {
            add_device_rules(&mut site, &names, id, device)?;
        }
    }
    for (number, rule) in (0..).zip(&config.user_rules) {
        names.user_rules.push(rule.id.clone());
        for (device, program) in &rule.programs {
            if interval(&config.devices[*device], Pace::Normal).is_some() {
                let rule = Rule::Expression { number, program: *program, delay: rule.delay };
                site.add_rule(DeviceId(next_id(*device)), rule)?;
            }
        }
    }
    for light in &config.lights {
        add_light(&mut site, &mut names, light)?;
    }
    let watched = |index: &usize| interval(&config.devices[*index], Pace::Normal).is_some();
    add_parents(&mut site, &mut names, config, &watched)?;
    Ok(Assembled { site, names: Arc::new(names) })
}

/// The store, its lines and its circuits: devices without points, on which those that are watched hang.
/// What fewer than two hang on cannot be told from them, and is left out.
fn add_parents(
    site: &mut Site,
    names: &mut Names,
    config: &Config,
    watched: &dyn Fn(&usize) -> bool,
) -> Result<(), SiteFull> {
    let here =
        |members: &[usize]| members.iter().copied().filter(watched).map(next_id).map(DeviceId).collect();
    let lines = config.lines();
    let lines: Vec<(&str, Vec<DeviceId>)> = lines
        .iter()
        .map(|(id, members)| (*id, here(members)))
        .filter(|(_, m): &(_, Vec<_>)| m.len() >= 2)
        .collect();
    let store = names.add_parent(site, &config.store.id, &config.store.name, Class::Store)?;
    let all: Vec<usize> = (0..config.devices.len()).collect();
    for device in here(&all) {
        site.hang(device, store)?;
    }
    site.add_rule(store, Rule::Outage { config: OutageConfig::store() })?;
    for (id, members) in lines {
        let line = names.add_parent(site, id, id, Class::Line)?;
        site.hang(line, store)?;
        members.into_iter().try_for_each(|device| site.hang(device, line))?;
        site.add_rule(line, Rule::Outage { config: OutageConfig::line() })?;
    }
    for circuit in &config.circuits {
        let members: Vec<DeviceId> = here(&circuit.devices);
        if members.len() < 2 {
            continue;
        }
        let id = names.add_parent(site, &circuit.id, &circuit.name, Class::Circuit)?;
        site.hang(id, store)?;
        members.into_iter().try_for_each(|device| site.hang(device, id))?;
        site.add_rule(id, Rule::Outage { config: OutageConfig::circuit() })?;
    }
    Ok(())
}

fn add_device_rules(site: &mut Site, names: &Names, id: DeviceId, device: &Device) -> Result<(), SiteFull> {
    let point = |name: &str| names.points_of(id).find(|(_, point)| point.name == name).map(|(id, _)| id);
    let at = |index: usize| PointId(names.device(id).first_point + next_id(index));
    let vital = device.vital().map(at);
    site.add_rule(id, Rule::NoResponse { vital, config: device.no_response })?;
    if let (Some(air), Some(cabinet)) = (vital, &device.cabinet) {
        let points = CabinetPoints {
            air,
            evaporator: point("defrost_temperature").or(point("evaporator_temperature")),
            ambient: device.ambient.map(|at| names.at(at)).or(point("ambient_temperature")),
            set_point: point("set_point_in_force").or(point("set_point")),
            power: device.power.map(|at| names.at(at)).or(point("power_total")),
            compressor: point("compressor"),
            fan: point("fan"),
            defrost: point("defrost"),
            door: point("door"),
        };
        site.add_rule(id, Rule::Cabinet { points, config: cabinet.config })?;
    } else if let Some(air) = vital {
        for config in &device.temperature_limits {
            site.add_rule(id, Rule::TemperatureLimit { air, defrost: point("defrost"), config: *config })?;
        }
    }
    if let Some((power, config)) = device.demand {
        site.add_rule(id, Rule::Demand { power: at(power), config })?;
    }
    Ok(())
}

/// A light is a device without points of its own: it looks at those of its relay and its meter.
fn add_light(site: &mut Site, names: &mut Names, light: &Light) -> Result<(), SiteFull> {
    let id = site.add_device(Class::Light, Millis(0))?;
    let (switch, power) = (names.at(light.switch), light.power.map(|power| names.at(power)));
    site.add_rule(id, Rule::LightSchedule { switch, config: light.schedule })?;
    site.add_rule(id, Rule::LightDark { switch, power, config: light.dark })?;
    names.devices.push(DeviceName {
        id: light.id.clone(),
        name: light.name.clone(),
        class: Class::Light,
        first_point: next_id(names.points.len()),
        point_count: 0,
        borrowed: [(switch, "light")].into_iter().chain(power.map(|power| (power, "power_total"))).collect(),
    });
    Ok(())
}

fn next_id(count: usize) -> u16 {
    u16::try_from(count).expect("Site takes at most some thousands")
}
