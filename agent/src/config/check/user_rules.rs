//! Rules that the chain and the store write themselves.

use super::Check;
use crate::config::file::{self, At};
use crate::config::{Device, UserRule};
use crate::expression::compile;
use storewarden_rules::{Class, Condition, Millis, PointId, USER_RULES_MAX, Unit};

impl Check {
    /// Those of the file that is being looked at, added to `rules`.
    pub(super) fn user_rules(
        &mut self,
        written: &[file::UserRule],
        devices: &[Option<Device>],
        rules: &mut Vec<UserRule>,
    ) {
        for rule in written {
            let id = rule.id.get_ref();
            self.valid_id("rule", &rule.id);
            if rules.iter().any(|other| other.id.eq_ignore_ascii_case(id)) {
                self.fault(&rule.id.span(), format!("rule `{id}` is there twice; give each its own id"));
                continue;
            }
            if Condition::from_name(id).is_some() {
                self.fault(
                    &rule.id.span(),
                    format!("rule `{id}` has the name of a built-in one; give it its own"),
                );
            }
            rules.extend(self.user_rule(rule, devices));
        }
        if let Some(over) = written.last().filter(|_| rules.len() > usize::from(USER_RULES_MAX)) {
            let message =
                format!("there are {} rules of your own; {USER_RULES_MAX} is the most", rules.len());
            self.fault(&over.id.span(), message);
        }
    }

    fn user_rule(&mut self, rule: &file::UserRule, devices: &[Option<Device>]) -> Option<UserRule> {
        let id = rule.id.get_ref();
        let delay =
            self.span_of_time(rule.delay.as_ref(), Millis(0), Millis(0), Millis::from_mins(7 * 24 * 60));
        let hysteresis = rule.hysteresis.as_ref().map_or(0.0, |value| *value.get_ref());
        if let Some(at) = rule.hysteresis.as_ref().filter(|_| !(hysteresis.is_finite() && hysteresis >= 0.0))
        {
            let message =
                format!("rule `{id}`: hysteresis is 0 or more, in the unit of what `when` compares");
            self.fault(&at.span(), message);
            return None;
        }
        let meant = self.devices_of_rule(rule, devices)?;
        // Points cannot be numbered where a device is missing; it has its fault.
        let devices: Vec<&Device> = devices.iter().map(Option::as_ref).collect::<Option<_>>()?;
        let mut programs = Vec::new();
        for device in meant {
            let point = |name: &str| find_point(&devices, device, name);
            match compile(rule.when.get_ref(), hysteresis, &point) {
                Ok(program) => programs.push((device, program)),
                Err(error) => {
                    let message = format!("rule `{id}` at device `{}`: {error}", devices[device].id);
                    self.fault(&rule.when.span(), message);
                    return None;
                }
            }
        }
        Some(UserRule {
            id: id.clone(),
            programs,
            when: rule.when.get_ref().clone(),
            hysteresis,
            delay,
            origin: self.faults.place(&rule.id.span()),
        })
    }

    /// Indices of the devices it is about. A class has none where the store has no such equipment.
    fn devices_of_rule(&mut self, rule: &file::UserRule, devices: &[Option<Device>]) -> Option<Vec<usize>> {
        let id = rule.id.get_ref();
        match (&rule.device, &rule.class) {
            (Some(device), None) => {
                let is_meant =
                    |known: &Option<Device>| known.as_ref().is_some_and(|d| d.id == *device.get_ref());
                let found = devices.iter().position(is_meant);
                if found.is_none() && devices.iter().all(Option::is_some) {
                    let message =
                        format!("rule `{id}`: there is no [[device]] with id `{}`", device.get_ref());
                    self.fault(&device.span(), message);
                }
                Some(vec![found?])
            }
            (None, Some(name)) => {
                let class = Class::from_name(name.get_ref());
                if class.is_none() {
                    let known: Vec<_> = Class::ALL.iter().map(|class| class.name()).collect();
                    let message = format!(
                        "rule `{id}`: unknown class `{}`; write one of {}",
                        name.get_ref(),
                        known.join(", ")
                    );
                    self.fault(&name.span(), message);
                }
                let class = class?;
                let of_class = |device: &Option<Device>| device.as_ref().is_some_and(|d| d.class == class);
                Some((0..devices.len()).filter(|index| of_class(&devices[*index])).collect())
            }
            (_, other) => {
                let at = other.as_ref().map_or(rule.id.span(), At::span);
                self.fault(&at, format!("rule `{id}`: write either `device` or `class`"));
                None
            }
        }
    }
}

/// The point of that name: of `own`, or of the device before the slash.
fn find_point(devices: &[&Device], own: usize, name: &str) -> Result<(PointId, Unit), String> {
    let (device, point) = match name.split_once('/') {
        None => (own, name),
        Some((id, point)) => {
            let found = devices.iter().position(|device| device.id == id);
            (found.ok_or_else(|| format!("there is no [[device]] with id `{id}`"))?, point)
        }
    };
    let points = &devices[device].profile.points;
    let index = points.iter().position(|known| known.name == point).ok_or_else(|| {
        let known: Vec<_> = points.iter().map(|point| point.name.as_str()).collect();
        format!("`{}` reads no point `{point}`; it reads {}", devices[device].id, known.join(", "))
    })?;
    let before: usize = devices[..device].iter().map(|device| device.profile.points.len()).sum();
    let id = u16::try_from(before + index).map_err(|_| "too many points; leave some out".to_owned())?;
    Ok((PointId(id), points[index].unit))
}
