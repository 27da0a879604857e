//! Lights: a schedule over points of other devices.

use super::Check;
use crate::config::file::{self, At};
use crate::config::{Device, Light, PointAt};
use storewarden_rules::detect::LightDarkConfig;
use storewarden_rules::schedule::{LightMode, LightScheduleConfig};
use storewarden_rules::{Millis, Unit};

impl Check {
    pub(super) fn lights(
        &mut self,
        lights: &[file::Light],
        device_files: &[file::Device],
        devices: &[Option<Device>],
        store: &file::Store,
    ) -> Vec<Light> {
        for light in lights {
            if device_files.iter().any(|device| device.id.get_ref() == light.id.get_ref()) {
                let id = light.id.get_ref();
                self.fault(
                    &light.id.span(),
                    format!("light `{id}` has the id of a [[device]]; give it its own"),
                );
            }
        }
        self.unique("light", lights.iter().map(|light| &light.id));
        self.unique("the switch", lights.iter().map(|light| &light.switch));
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
        let whose = format!("light `{id}`");
        let switch = self.point_of(&whose, &light.switch, Unit::Flag, device_files, devices);
        if let Some((device, point)) = switch {
            let writable =
                devices[device].as_ref().is_some_and(|d| d.profile.points[point].accepts.is_some());
            if !writable {
                self.fault(
                    &light.switch.span(),
                    format!("light `{id}`: `{}` cannot be written; name a relay", light.switch.get_ref()),
                );
            }
        }
        let power = match &light.power {
            None => None,
            Some(power) => Some(self.point_of(&whose, power, Unit::Watt, device_files, devices)?),
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
        let at = |value: &Option<At<String>>| value.as_ref().map(At::span);
        let origins = self.origins(&[
            ("light_dark", "delay", at(&light.dark_delay)),
            ("light_dark", "watts_min", light.watts_min.as_ref().map(At::span)),
            ("schedule", "before_sunset", at(&light.before_sunset)),
            ("schedule", "after_sunrise", at(&light.after_sunrise)),
            ("schedule", "open", at(&light.open)),
            ("schedule", "close", at(&light.close)),
            ("schedule", "min_on", at(&light.min_on)),
        ]);
        Some(Light { id: id.clone(), name, switch: switch?, power, dark, schedule, origins })
    }

    /// `device/point`, both of which must exist.
    pub(super) fn point_of(
        &mut self,
        whose: &str,
        at: &At<String>,
        unit: Unit,
        device_files: &[file::Device],
        devices: &[Option<Device>],
    ) -> Option<PointAt> {
        let text = at.get_ref();
        let Some((device_id, point)) = text.split_once('/') else {
            self.fault(&at.span(), format!("{whose}: `{text}` is no point; write \"device/point\""));
            return None;
        };
        let Some(index) = device_files.iter().position(|device| device.id.get_ref() == device_id) else {
            self.fault(&at.span(), format!("{whose}: there is no [[device]] with id `{device_id}`"));
            return None;
        };
        // A device with faults of its own has been complained about already.
        let profile = devices[index].as_ref()?.profile.clone();
        Some((index, self.profile_point(&at.span(), device_id, &profile, point, unit)?))
    }
}
