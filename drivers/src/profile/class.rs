//! What each class asks of a profile, so that rules work on any model of it.

use super::{Point, Profile, words};
use std::fmt;
use storewarden_rules::{Class, Unit};

/// A point that a class requires: one of these names, in this unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Any of these will do; `_N` stands for a number.
    pub names: &'static [&'static str],
    /// Its unit.
    pub unit: Unit,
    /// Whether it must be writable.
    pub is_written: bool,
}

impl Requirement {
    /// Whether a point of `profile` is what is asked for.
    pub fn is_met(&self, profile: &Profile) -> bool {
        profile.points.iter().any(|point| self.is(point))
    }

    fn is(&self, point: &Point) -> bool {
        let stem = words::stem(&point.name);
        self.names.iter().any(|name| *name == point.name || stem.as_deref() == Some(name))
            && point.unit == self.unit
            && (point.accepts.is_some() || !self.is_written)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writable = if self.is_written { "writable " } else { "" };
        write!(f, "a {writable}point `{}` in {}", self.names.join("` or `"), self.unit.symbol())
    }
}

/// What a profile of that class must have.
pub fn requirements(class: Class) -> &'static [Requirement] {
    match class {
        Class::Chiller | Class::Freezer | Class::ColdRoom => {
            const { &[Requirement { names: &["air_temperature"], unit: Unit::Celsius, is_written: false }] }
        }
        Class::Meter => {
            const {
                &[
                    Requirement { names: &["power_total"], unit: Unit::Watt, is_written: false },
                    Requirement {
                        names: &["energy_import", "energy_total"],
                        unit: Unit::KilowattHour,
                        is_written: false,
                    },
                ]
            }
        }
        // No device of the configuration can be one of these.
        Class::Line | Class::Circuit | Class::Store => &[],
        Class::Light => const { &[Requirement { names: &["relay_N"], unit: Unit::Flag, is_written: true }] },
        Class::AirConditioner => {
            const {
                &[
                    Requirement { names: &["on"], unit: Unit::Flag, is_written: true },
                    Requirement { names: &["set_point"], unit: Unit::Celsius, is_written: true },
                ]
            }
        }
    }
}
