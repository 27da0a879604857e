//! `storewarden rules`: what is in force at each device, and where each value comes from.

use crate::config::settings::{Kind, SECTIONS};
use crate::config::{CabinetRules, Config, Device, Light, Origins};
use crate::failure::Failure;
use crate::installer::table;
use serde_json::json;
use std::io::Write;
use storewarden_rules::Millis;
use storewarden_rules::schedule::LightMode;

/// One value in force.
struct Row {
    rule: String,
    key: &'static str,
    value: Value,
    from: String,
}

enum Value {
    Number(Kind, f64),
    Span(Millis),
    /// Time since midnight.
    TimeOfDay(Millis),
    Text(String),
    Switch(bool),
}

impl Value {
    fn write(&self) -> String {
        match self {
            Self::Number(kind, number) => kind.write(*number),
            Self::Span(span) => crate::config::written(*span),
            Self::TimeOfDay(time) => format!("{:02}:{:02}", time.0 / 3_600_000, time.0 / 60_000 % 60),
            Self::Text(text) => text.clone(),
            Self::Switch(is_on) => if *is_on { "on" } else { "off" }.into(),
        }
    }

    /// The value and its unit; spans are in seconds.
    fn as_json(&self) -> (serde_json::Value, &'static str) {
        match self {
            Self::Number(Kind::Span, number) => (json!(number / 1000.0), "s"),
            // As it was written, without the digits that the detectors' own precision adds.
            Self::Number(kind, number) => {
                let digits = format!("{:.6}", number).parse::<f64>().unwrap_or(*number);
                (json!(digits), kind.unit())
            }
            Self::Span(span) => (json!(span.as_secs_f64()), "s"),
            Self::TimeOfDay(_) | Self::Text(_) => (json!(self.write()), ""),
            Self::Switch(is_on) => (json!(is_on), ""),
        }
    }
}

/// Prints the rules of every device, or of the one named.
pub fn print(config: &Config, only: Option<&str>, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let devices = config.devices.iter().map(|device| {
        let rows = device_rows(device).into_iter().chain(user_rows(config, device)).collect();
        (device.id.as_str(), device.name.as_str(), device.class.name(), rows)
    });
    let lights = config
        .lights
        .iter()
        .map(|light| (light.id.as_str(), light.name.as_str(), "light", light_rows(light)));
    let chosen: Vec<_> =
        devices.chain(lights).filter(|(id, ..)| only.is_none_or(|only| only == *id)).collect();
    if let Some(only) = only.filter(|_| chosen.is_empty()) {
        let known: Vec<_> = config.devices.iter().map(|device| device.id.as_str()).collect();
        return Err(Failure::Input(format!("there is no device `{only}`; there are {}\n", known.join(", "))));
    }
    let alarms = if only.is_none() { alarm_rows(config) } else { Vec::new() };
    if json {
        let object = |id: &str, name: &str, class: &str, rows: &[Row]| {
            let rules: Vec<_> = rows.iter().map(as_json).collect();
            json!({ "device": id, "name": name, "class": class, "rules": rules })
        };
        let devices: Vec<_> =
            chosen.iter().map(|(id, name, class, rows)| object(id, name, class, rows)).collect();
        let alarms: Vec<_> = alarms.iter().map(as_json).collect();
        return writeln!(out, "{}", json!({ "devices": devices, "alarms": alarms })).map_err(Failure::output);
    }
    for (id, name, class, rows) in &chosen {
        let name = if id == name { String::new() } else { format!("  {name}") };
        writeln!(out, "{id}{name}  ({class})").map_err(Failure::output)?;
        print_rows(out, rows).map_err(Failure::output)?;
    }
    if !alarms.is_empty() {
        writeln!(out, "alarms of the whole store").map_err(Failure::output)?;
        print_rows(out, &alarms).map_err(Failure::output)?;
    }
    Ok(())
}

fn print_rows(out: &mut impl Write, rows: &[Row]) -> std::io::Result<()> {
    let mut last = "";
    let mut cells = vec![["  rule", "setting", "value", "from"].map(String::from).to_vec()];
    for row in rows {
        let rule = if row.rule == last { String::from("  ") } else { format!("  {}", row.rule) };
        cells.push(vec![rule, row.key.into(), row.value.write(), row.from.clone()]);
        last = &row.rule;
    }
    table(out, &cells)?;
    writeln!(out)
}

fn as_json(row: &Row) -> serde_json::Value {
    let (value, unit) = row.value.as_json();
    json!({ "rule": row.rule, "key": row.key, "value": value, "unit": unit, "from": row.from })
}

fn device_rows(device: &Device) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(cabinet) = &device.cabinet {
        cabinet_rows(&mut rows, cabinet, &format!("class {}", device.class.name()));
    }
    let mut row = |rule, key, value| rows.push(of(&device.origins, rule, key, value));
    for limit in &device.temperature_limits {
        use storewarden_rules::detect::Direction;
        let rule = match limit.direction {
            Direction::High => "temperature_high",
            Direction::Low => "temperature_low",
        };
        row(rule, "limit", Value::Number(Kind::Celsius, limit.limit));
        row(rule, "hysteresis", Value::Number(Kind::Kelvin, limit.hysteresis));
        row(rule, "delay", Value::Span(limit.delay));
        if limit.direction == Direction::High {
            row(rule, "delay_hold_off", Value::Span(limit.delay_hold_off));
        }
    }
    row("no_response", "delay", Value::Span(device.no_response.delay));
    if let Some((point, demand)) = device.demand {
        row("demand", "point", Value::Text(device.profile.points[point].name.clone()));
        row("demand", "limit_watts", Value::Number(Kind::Watt, demand.limit));
        row("demand", "window", Value::Span(Millis::from_mins(demand.window_min.into())));
        row("demand", "hysteresis", Value::Number(Kind::Share, demand.hysteresis));
    }
    rows
}

fn cabinet_rows(rows: &mut Vec<Row>, cabinet: &CabinetRules, class: &str) {
    for section in &SECTIONS {
        let from = |key| cabinet.origins.get(&(section.name, key)).map_or(class, String::as_str).to_owned();
        let row = |key, value| Row { rule: section.name.into(), key, value, from: from(key) };
        if !section.is_on(&cabinet.config) {
            rows.push(row("enabled", Value::Switch(false)));
            continue;
        }
        for setting in section.settings() {
            if let Some(value) = (setting.get)(&cabinet.config) {
                rows.push(row(setting.key, Value::Number(setting.kind, value)));
            }
        }
    }
}

fn user_rows(config: &Config, device: &Device) -> Vec<Row> {
    let is_here = |index: &usize| config.devices[*index].id == device.id;
    let here = config.user_rules.iter().filter(|rule| rule.programs.iter().any(|(index, _)| is_here(index)));
    here.flat_map(|rule| {
        let row = |key, value| Row { rule: rule.id.clone(), key, value, from: rule.origin.clone() };
        [
            row("when", Value::Text(rule.when.clone())),
            // In the unit of what it compares.
            row("hysteresis", Value::Number(Kind::Share, rule.hysteresis)),
            row("delay", Value::Span(rule.delay)),
        ]
    })
    .collect()
}

fn light_rows(light: &Light) -> Vec<Row> {
    let row = |rule, key, value| of(&light.origins, rule, key, value);
    let LightMode::SunAndHours { before_sunset, after_sunrise, open, close } = light.schedule.mode;
    let mut rows = vec![row("light_dark", "delay", Value::Span(light.dark.delay))];
    if light.power.is_some() {
        rows.push(row("light_dark", "watts_min", Value::Number(Kind::Watt, light.dark.power_min)));
    }
    rows.extend([
        row("schedule", "before_sunset", Value::Span(before_sunset)),
        row("schedule", "after_sunrise", Value::Span(after_sunrise)),
        row("schedule", "open", Value::TimeOfDay(open)),
        row("schedule", "close", Value::TimeOfDay(close)),
        row("schedule", "min_on", Value::Span(light.schedule.on_time_min)),
    ]);
    rows
}

fn alarm_rows(config: &Config) -> Vec<Row> {
    let policy = &config.alarm_policy;
    let spans = [
        ("escalate_high", policy.escalate_high),
        ("escalate_medium", policy.escalate_medium),
        ("escalate_low", policy.escalate_low),
        ("repair_max", policy.repair_max),
        ("inspection_interval", policy.inspection_interval),
        ("chatter_quiet", policy.chatter_quiet),
    ];
    let from = |key| config.alarm_origins.get(key).map_or("default", String::as_str).to_owned();
    let row = |key, value| Row { rule: "alarms".into(), key, value, from: from(key) };
    let span = |span: Option<Millis>| span.map_or_else(|| Value::Text("never".into()), Value::Span);
    let rows = spans.into_iter().map(|(key, value)| row(key, span(value)));
    rows.chain([row("flood", Value::Switch(policy.has_flood))]).collect()
}

fn of(origins: &Origins, rule: &'static str, key: &'static str, value: Value) -> Row {
    let from = origins.get(&(rule, key)).map_or("default", String::as_str).to_owned();
    Row { rule: rule.into(), key, value, from }
}
