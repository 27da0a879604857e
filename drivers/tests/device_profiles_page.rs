//! The tables of `docs/device-profiles.md` against what ships.

use std::fmt::Write;
use std::path::Path;
use storewarden_drivers::profile::{AlarmMeaning, Profiles, Wire, class, words};
use storewarden_rules::Class;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/device-profiles.md");
    std::fs::read_to_string(path).expect("the page")
}

#[test]
fn the_table_of_models_is_what_ships() {
    let mut table = String::new();
    for profile in Profiles::built_in().iter() {
        let classes: Vec<_> = profile.classes.iter().map(|class| class.name()).collect();
        let written: Vec<_> = profile
            .points
            .iter()
            .filter(|point| point.accepts.is_some())
            .map(|point| format!("`{}`", point.name))
            .collect();
        let written = match written.as_slice() {
            [] => "—".to_owned(),
            [first, .., last] if written.iter().all(|name| name.starts_with("`relay_")) => {
                format!("{first} to {last}")
            }
            all => all.join(", "),
        };
        let wire = if matches!(profile.wire, Wire::Modbus(_)) { "Modbus" } else { "MQTT" };
        let _ = writeln!(
            table,
            "| [`{}`](../drivers/profiles/{}.toml) | {} {} | {} | {wire} | {} | {written} |",
            profile.id,
            profile.id,
            profile.maker,
            profile.model,
            classes.join(", "),
            profile.points.len(),
        );
    }
    assert!(page().contains(&table), "the table of models must be:\n{table}");
}

#[test]
fn every_alarm_and_state_is_on_the_page() {
    let page = page();
    for meaning in AlarmMeaning::ALL {
        let row = format!("| `{}` | {} |", meaning.name(), words::alarm(meaning).en);
        assert!(page.contains(&row), "missing: {row}");
    }
    for state in words::states() {
        assert!(page.contains(&format!("`{state}`")), "missing: {state}");
    }
}

#[test]
fn what_each_class_requires_is_on_the_page() {
    let page = page();
    let section = page.split("## What a class requires").nth(1).expect("the section");
    for class in Class::ALL {
        let key = format!("`{}`", class.name());
        let row = section.lines().find(|line| line.starts_with('|') && line.contains(&key)).expect("a row");
        for needed in class::requirements(class) {
            assert!(needed.names.iter().all(|name| row.contains(&format!("`{name}`"))), "{row}");
            assert!(
                needed.unit == storewarden_rules::Unit::Flag || row.contains(needed.unit.symbol()),
                "{row}"
            );
            assert!(!needed.is_written || row.contains("writable"), "{row}");
        }
    }
}
