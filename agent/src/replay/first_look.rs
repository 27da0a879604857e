//! `storewarden replay --class`: one cabinet of a class, without a configuration: the shipped rules of
//! its class over the columns of a file.

use super::recording::Zone;
use super::{Recording, RecordingError};
use crate::assemble::{Assembled, Names};
use std::io::Read;
use std::sync::Arc;
use storewarden_rules::cabinet::{CabinetConfig, CabinetPoints};
use storewarden_rules::detect::NoResponseConfig;
use storewarden_rules::{Class, Millis, PointId, Rule, Site, SiteFull, Unit};

/// Columns a first look takes, and their units.
const COLUMNS: [(&str, Unit); 9] = [
    ("air_temperature", Unit::Celsius),
    ("power", Unit::Watt),
    ("evaporator_temperature", Unit::Celsius),
    ("ambient_temperature", Unit::Celsius),
    ("set_point", Unit::Celsius),
    ("door", Unit::Flag),
    ("defrost", Unit::Flag),
    ("compressor", Unit::Flag),
    ("fan", Unit::Flag),
];

/// A value not renewed for this many rows is stale, as in the store.
const STALE_ROWS: i64 = 3;

/// Reads a recording whose columns are named as in [`COLUMNS`]; they become points of one device that
/// is named after its class.
pub fn read(class: Class, csv: impl Read) -> Result<Recording, RecordingError> {
    let mut recording = Recording::read_columns(csv, Zone::UtcIfNone, |column| {
        if COLUMNS.iter().any(|(name, _)| *name == column) {
            return Ok(());
        }
        let known: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
        Err(RecordingError::UnknownPoint { column: column.into(), known: known.join(", ") })
    })?;
    if !recording.columns.iter().any(|column| column == "air_temperature") {
        return Err(RecordingError::NoAir);
    }
    for column in &mut recording.columns {
        *column = format!("{}/{column}", class.name());
    }
    Ok(recording)
}

/// The shipped rules of the class over the points of the recording; none but its silence for a class
/// that keeps nothing cold.
pub fn assemble(class: Class, recording: &Recording) -> Result<Assembled, SiteFull> {
    let mut site = Box::new(Site::new());
    // One row alone has no step: then nothing ever is stale.
    let poll = recording.poll_interval(class.name()).unwrap_or(Millis::from_mins(24 * 60));
    let device = site.add_device(class, poll)?;
    let names: Vec<&str> =
        recording.columns.iter().filter_map(|column| Some(column.split_once('/')?.1)).collect();
    let mut points = Vec::new();
    for name in &names {
        let unit = COLUMNS.iter().find(|(known, _)| known == name).map_or(Unit::One, |(_, unit)| *unit);
        points.push((*name, unit));
        site.add_point(device, Millis(poll.0 * STALE_ROWS))?;
    }
    let point = |name: &str| {
        let place = names.iter().position(|known| *known == name)?;
        u16::try_from(place).ok().map(PointId)
    };
    if let (Some(air), Some(config)) = (point("air_temperature"), CabinetConfig::for_class(class)) {
        let points = CabinetPoints {
            air,
            evaporator: point("evaporator_temperature"),
            ambient: point("ambient_temperature"),
            set_point: point("set_point"),
            power: point("power"),
            compressor: point("compressor"),
            fan: point("fan"),
            defrost: point("defrost"),
            door: point("door"),
        };
        site.add_rule(device, Rule::NoResponse { vital: Some(air), config: NoResponseConfig::default() })?;
        site.add_rule(device, Rule::Cabinet { points, config })?;
    }
    Ok(Assembled { site, names: Arc::new(Names::of_one(class, &points)) })
}
