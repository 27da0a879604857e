//! The rules of cabinets, in layers: what the class brings, what the chain's policy says, what the device
//! says. The last word wins.

use super::Check;
use crate::config::file::{self, At};
use crate::config::settings::{Kind, SECTIONS, Section, Setting, all_on};
use crate::config::{CabinetRules, FOLLOWS};
use std::ops::Range;
use storewarden_rules::Class;
use storewarden_rules::cabinet::CabinetConfig;

impl Check {
    /// Puts `rules` over what `cabinet` has so far. `whose` begins each fault: device `x`, or class x.
    pub(super) fn put_rules(
        &mut self,
        whose: &str,
        class: Class,
        rules: &file::Rules,
        cabinet: &mut CabinetRules,
    ) {
        for (name, table) in rules {
            let Some(section) = SECTIONS.iter().find(|section| section.name == name.get_ref()) else {
                let known: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
                let message =
                    format!("{whose}: no rule `{}`; write one of {}", name.get_ref(), known.join(", "));
                self.fault(&name.span(), message);
                continue;
            };
            self.put_section(whose, class, section, name, table, cabinet);
        }
    }

    fn put_section(
        &mut self,
        whose: &str,
        class: Class,
        section: &Section,
        name: &At<String>,
        table: &file::Table,
        cabinet: &mut CabinetRules,
    ) {
        let named = |key: &str| table.iter().find(|(at, _)| at.get_ref() == key).map(|(at, _)| at.span());
        if table.is_empty() {
            let message =
                format!("{whose}: `{}` says nothing; write a setting or leave it out", section.name);
            self.fault(&name.span(), message);
        }
        let enabled = table.iter().find(|(key, _)| key.get_ref() == "enabled");
        let is_on = match enabled.map(|(_, value)| value.get_ref()) {
            None => true,
            Some(toml::Value::Boolean(is_on)) => *is_on,
            Some(_) => {
                let message = format!("{whose}: {}.enabled is true or false", section.name);
                self.fault(&name.span(), message);
                true
            }
        };
        if !is_on {
            (section.switch_off)(&mut cabinet.config);
        } else if !section.is_on(&cabinet.config) {
            let Some(all) = all_on(class) else { return };
            // A class leaves off only what has no usual limit.
            let has_usual = CabinetConfig::for_class(class).is_some_and(|config| section.is_on(&config));
            if !has_usual && named("limit").is_none() {
                let message =
                    format!("{whose}: a {} has no usual {}; write its `limit`", class.name(), section.name);
                self.fault(&name.span(), message);
                return;
            }
            (section.copy)(&all, &mut cabinet.config);
            cabinet.origins.retain(|(other, _), _| *other != section.name);
        }
        if let Some((key, _)) = enabled {
            self.note(cabinet, section.name, "enabled", &key.span());
        }
        for (key, value) in table.iter().filter(|(key, _)| key.get_ref() != "enabled") {
            let Some(setting) = section.settings().find(|setting| setting.key == key.get_ref()) else {
                let known: Vec<_> = section.settings().map(|setting| setting.key).collect();
                let message = format!(
                    "{whose}: {} has no `{}`; write enabled, {}",
                    section.name,
                    key.get_ref(),
                    known.join(", ")
                );
                self.fault(&key.span(), message);
                continue;
            };
            if let Some(value) = self.setting(whose, setting, value) {
                (setting.set)(&mut cabinet.config, value);
                self.note(cabinet, setting.section, setting.key, &key.span());
            }
        }
        self.hold_off(whose, section, named("delay_hold_off"), cabinet);
    }

    /// The value of a setting, checked; none where it has a fault.
    fn setting(&mut self, whose: &str, setting: &Setting, value: &At<toml::Value>) -> Option<f64> {
        let (section, key) = (setting.section, setting.key);
        let number = match (setting.kind, value.get_ref()) {
            #[expect(clippy::cast_precision_loss, reason = "a span in ms; beyond its range it is refused")]
            (Kind::Span, toml::Value::String(text)) => {
                humantime::parse_duration(text).ok().map(|span| span.as_millis() as f64)
            }
            (Kind::Truth, toml::Value::Boolean(truth)) => Some(f64::from(u8::from(*truth))),
            (Kind::Span | Kind::Truth, _) => None,
            #[expect(clippy::cast_precision_loss, reason = "beyond its range it is refused")]
            (_, toml::Value::Integer(number)) => Some(*number as f64),
            (_, toml::Value::Float(number)) => Some(*number),
            _ => None,
        };
        let (least, most) =
            (setting.kind.write(*setting.range.start()), setting.kind.write(*setting.range.end()));
        let Some(number) = number else {
            let message = match setting.kind {
                Kind::Truth => format!("{whose}: {section}.{key} is true or false"),
                Kind::Span => {
                    format!("{whose}: {section}.{key} is a span of time as \"10m\", {least} to {most}")
                }
                _ => format!("{whose}: {section}.{key} is a number, {least} to {most}"),
            };
            self.fault(&value.span(), message);
            return None;
        };
        if !setting.range.contains(&number) || (setting.kind == Kind::Days && number.fract() != 0.0) {
            let message = format!(
                "{whose}: {section}.{key} {} is out of range; write {least} to {most}",
                setting.kind.write(number)
            );
            self.fault(&value.span(), message);
            return None;
        }
        Some(number)
    }

    /// A delay around a defrost is no shorter than the usual one: it grows with it unless it was written.
    fn hold_off(
        &mut self,
        whose: &str,
        section: &Section,
        at: Option<Range<usize>>,
        cabinet: &mut CabinetRules,
    ) {
        let find = |key: &str| section.settings().find(|setting| setting.key == key);
        let (Some(delay), Some(hold_off)) = (find("delay"), find("delay_hold_off")) else { return };
        let (Some(least), Some(value)) = ((delay.get)(&cabinet.config), (hold_off.get)(&cabinet.config))
        else {
            return;
        };
        if value >= least {
            return;
        }
        match at {
            Some(at) => {
                let message = format!(
                    "{whose}: {}.delay_hold_off is shorter than its delay; write the same or longer",
                    section.name
                );
                self.fault(&at, message);
            }
            None => (hold_off.set)(&mut cabinet.config, least),
        }
    }

    /// What cannot be right together, when all layers have spoken; `at` is where the cabinet is written.
    pub(super) fn settle(
        &mut self,
        whose: &str,
        at: &Range<usize>,
        class: &CabinetRules,
        cabinet: &mut CabinetRules,
    ) {
        let config = &mut cabinet.config;
        let is_given =
            |section| cabinet.origins.get(&(section, "limit")).is_some_and(|origin| origin != FOLLOWS);
        if let Some(high) = config.high {
            // A cabinet for warmer goods than its class: what stands beside the limit moves with it.
            let up = class.config.high.map_or(0.0, |usual| high.limit - usual.limit).max(0.0);
            let mut follows = Vec::new();
            if let Some(pre_alarm) = &mut config.pre_alarm
                && !is_given("pre_alarm")
                && up > 0.0
            {
                pre_alarm.limit += up;
                follows.push("pre_alarm");
            }
            if let Some(goods) = &mut config.exposure
                && !is_given("goods")
                && up > 0.0
            {
                #[expect(clippy::cast_possible_truncation, reason = "a temperature")]
                let up = up as f32;
                goods.limit += up;
                follows.push("goods");
            }
            if config.pre_alarm.is_some_and(|pre_alarm| pre_alarm.limit >= high.limit) {
                if is_given("pre_alarm") {
                    let message = format!(
                        "{whose}: pre_alarm.limit is not below temperature_high.limit {} °C; lower it, or write pre_alarm enabled = false",
                        high.limit
                    );
                    self.fault(at, message);
                }
                // It would say what the alarm says, later.
                config.pre_alarm = None;
                cabinet.origins.insert(("pre_alarm", "enabled"), "not below temperature_high.limit".into());
            }
            for section in follows {
                cabinet.origins.insert((section, "limit"), FOLLOWS.into());
            }
        }
        if let (Some(high), Some(low)) = (cabinet.config.high, cabinet.config.low) {
            self.apart(whose, at, &high, &low);
        }
    }

    /// Notes where a value was written.
    pub(super) fn note(
        &self,
        cabinet: &mut CabinetRules,
        section: &'static str,
        key: &'static str,
        at: &Range<usize>,
    ) {
        cabinet.origins.insert((section, key), self.faults.place(at));
    }
}
