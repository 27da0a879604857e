//! What an installer needs before and beside a running store: find the devices of a line, read one,
//! write to one, and see whether a line holds what is asked of it.
//!
//! What lives here: the commands `scan`, `read`, `write` and `plan`. What may not: frames, register
//! arithmetic and the rules of writing, which are the drivers'. A line has one master: these commands
//! are for a line that no running agent owns.

mod connection;
pub mod model;
pub mod orders;
pub mod plan;
pub mod read;
mod reading;
pub mod scan;
pub mod write;

pub use connection::Connection;

use crate::failure::Failure;
use std::io::Write;
use std::path::Path;
use storewarden_drivers::profile::{Modbus, Point, Profile, Profiles};
use storewarden_rules::Unit;

/// Profile and Modbus unit of the device that `read` and `write` talk to.
fn modbus_of(profile: &Profile) -> Result<&Modbus, Failure> {
    profile.modbus().ok_or_else(|| {
        Failure::Input(format!("{} is spoken to over MQTT, not on a Modbus line\n", profile.id))
    })
}

/// The profiles that ship with the program, and those of the user's folder.
pub(crate) fn profiles_of(folder: Option<&Path>) -> Result<Profiles, Failure> {
    match folder {
        Some(folder) => Profiles::with_folder(folder).map_err(|faults| Failure::Input(faults.to_string())),
        None => Ok(Profiles::built_in()),
    }
}

fn profile_of<'a>(profiles: &'a Profiles, id: &str) -> Result<&'a Profile, Failure> {
    profiles.get(id).ok_or_else(|| {
        let known: Vec<_> = profiles.ids().collect();
        Failure::Input(format!("unknown profile `{id}`; write one of {}\n", known.join(", ")))
    })
}

/// A value of the point as the device's own display would have it.
fn shown(point: &Point, value: f64) -> String {
    match point.unit {
        Unit::Flag if value == 0.0 => "off".into(),
        Unit::Flag if value == 1.0 => "on".into(),
        Unit::Code => {
            point.state(value).map_or_else(|| format!("{value}"), |state| format!("{value} ({state})"))
        }
        Unit::One | Unit::Flag => number(value),
        unit => format!("{} {}", number(value), unit.symbol()),
    }
}

/// A value that a single holds with no more digits than that: 230.1, not 230.10000610351562. What no
/// display would show, as a misread float, with an exponent.
fn number(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "compared with the value")]
    let single = value as f32;
    if value != 0.0 && !(1e-6..1e15).contains(&value.abs()) {
        format!("{value:.4e}")
    } else if f64::from(single) == value {
        single.to_string()
    } else {
        value.to_string()
    }
}

/// Rows under each other; the last column is as wide as it is.
pub(crate) fn table(out: &mut (impl Write + ?Sized), rows: &[Vec<String>]) -> std::io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
