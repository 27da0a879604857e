//! What is not wrong in a profile, but worth a look.

use super::file::{self, Fault};
use super::{Kind, Point, Profile, ProfileError, Register, words};
use storewarden_rules::Unit;

/// Reads the text of profile `id` and names what is worth a look. `file` is its name for people.
pub fn lint(file: &str, id: &str, text: &str) -> Result<Vec<ProfileError>, ProfileError> {
    let (profile, places) = file::read(id, text).map_err(|fault| fault.place(file, text))?;
    let mut warnings = Vec::new();
    let mut warn = |at: &std::ops::Range<usize>, what: String| {
        warnings.push(Fault::new(at, what).place(file, text));
    };
    if let Some(modbus) = profile.modbus()
        && modbus.gap_max > 0
        && !format!("{} {}", profile.source, profile.note).contains("gap")
    {
        warn(
            &(0..0),
            "`gap_max` is above 0: say in `source` or `note` how it is known that gaps answer".into(),
        );
    }
    let tells_probe_faults =
        profile.points.iter().any(|point| point.alarm == Some(super::AlarmMeaning::ProbeFault));
    for (index, (point, at)) in profile.points.iter().zip(&places.points).enumerate() {
        let register = profile.modbus().map(|modbus| &modbus.registers[index]);
        let mut said = of_point(point);
        if let Some(register) = register {
            if point.unit == Unit::Celsius
                && point.accepts.is_none()
                && register.unavailable.is_empty()
                && !tells_probe_faults
            {
                said.push("a temperature without `unavailable`, and no alarm flag says `probe_fault`: a broken sensor is told apart by `range` only".into());
            }
            said.extend(overlap(&profile, index, register));
        }
        for what in said {
            warn(at, format!("point `{}`: {what}", point.name));
        }
    }
    Ok(warnings)
}

fn of_point(point: &Point) -> Vec<String> {
    let mut said = Vec::new();
    let is_known = words::unit(&point.name).is_some();
    if point.unit == Unit::Celsius && point.range.is_none() {
        said.push("a temperature without `range`: a broken sensor's value would count".into());
    }
    if point.unit == Unit::One && !is_known {
        said.push("a plain number; has it no unit?".into());
    }
    if point.unit == Unit::Code && point.states.is_empty() {
        said.push("a code without `states`: people see a number".into());
    }
    let is_alarm_word = point.name.contains("alarm") || point.name.ends_with("_fault");
    let sounds_like_alarm = is_alarm_word && !point.name.ends_with("_output");
    if point.unit == Unit::Flag && point.accepts.is_none() && sounds_like_alarm && point.alarm.is_none() {
        said.push("sounds like an alarm; write what it means with `alarm`".into());
    }
    if point.text().is_none() {
        said.push("has no name for people; write `text = { zh, en, ja }`".into());
    }
    said
}

/// An earlier point that reads some of the same registers another way.
fn overlap(profile: &Profile, index: usize, register: &Register) -> Option<String> {
    let span = |register: &Register| {
        let first = u32::from(register.address);
        first..first + u32::from(register.kind.width())
    };
    let registers = &profile.modbus()?.registers;
    let other = registers[..index].iter().position(|other| {
        let (a, b) = (span(register), span(other));
        let is_same = register.kind == other.kind && a == b;
        other.table == register.table
            && register.kind != Kind::Bool
            && a.start < b.end
            && b.start < a.end
            && !is_same
    })?;
    Some(format!("shares registers with `{}`, which reads them as another kind", profile.points[other].name))
}
