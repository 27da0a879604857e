//! A day of a store of 60 devices, read once a minute: what telemetry is measured with.
//!
//! 540 points: cabinets of the scoreboard's physics with their controllers' points (temperatures in tenths,
//! flags), a room probe and a meter each. Every reading is sent; nothing is left out because it did not
//! change. The moments of a device stray by up to 20 ms.

use std::ops::Range;
use storesim::score::physics::{Cabinet, Parameters, STEP_S};
use storewarden_proto::telemetry::pack;
use storewarden_proto::v1::{Quality, QualityRun, Series};
use storewarden_rules::Class;

/// Devices of the store.
pub const DEVICES: usize = 60;
/// Readings of a point.
pub const MINUTES: usize = 24 * 60;
/// The length of the day, ms.
pub const DAY_MS: i64 = 24 * 3_600_000;
/// Monday, 5 January 2026, 00:00 UTC, ms.
pub const START: i64 = 1_767_571_200_000;

/// A point of a device: its name, its unit, its step.
pub const POINTS: [(&str, &str, f64); 9] = [
    ("air_temperature", "°C", 0.1),
    ("evaporator_temperature", "°C", 0.1),
    ("set_point", "°C", 0.1),
    ("compressor", "", 1.0),
    ("evaporator_fan", "", 1.0),
    ("defrost", "", 1.0),
    ("room_temperature", "°C", 0.1),
    ("power", "W", 1.0),
    ("energy", "kWh", 0.01),
];

/// Of each device: when it was read, and the values of its points.
pub type Day = Vec<Vec<(i64, [f64; POINTS.len()])>>;

/// The same each time.
pub fn make() -> Day {
    let mut rng = fastrand::Rng::with_seed(20_261_123);
    (0..DEVICES)
        .map(|device| {
            let class = [Class::Freezer, Class::Chiller, Class::ColdRoom][device % 3];
            let mut cabinet = Cabinet::new(Parameters::new(class, &mut rng), rng.fork());
            let (mut kwh, offset) = (rng.f64() * 5000.0, rng.i64(0..60_000));
            let mut read = Vec::with_capacity(MINUTES);
            for minute in 0..MINUTES {
                for _ in 0..12 {
                    cabinet.step();
                    kwh += cabinet.power_w * STEP_S / 3.6e6;
                }
                let flag = |on: bool| f64::from(u8::from(on));
                let values = [
                    cabinet.probe_c().unwrap_or(0.0),
                    cabinet.evaporator_probe_c(),
                    cabinet.parameters.cut_out_c,
                    flag(cabinet.asks),
                    flag(cabinet.fan_on()),
                    flag(cabinet.defrosts()),
                    cabinet.room_c,
                    cabinet.power_w,
                    kwh,
                ];
                let stepped = std::array::from_fn(|point| {
                    let step = POINTS[point].2;
                    // As a register times its scale gives it, with the last bits of that product.
                    (values[point] / step).round() * step
                });
                let at = START + offset + i64::try_from(minute).unwrap_or(0) * 60_000 + rng.i64(0..20);
                read.push((at, stepped));
            }
            read
        })
        .collect()
}

/// Its name.
pub fn id(device: usize) -> String {
    format!("cabinet-{:02}", device + 1)
}

/// The readings of the first `devices` devices in those minutes, `later_ms` after the day, as telemetry
/// packs them.
pub fn packed(day: &Day, devices: usize, minutes: Range<usize>, later_ms: i64) -> Vec<u8> {
    let mut all = Vec::new();
    for (device, read) in day.iter().take(devices).enumerate() {
        let part = &read[minutes.start..minutes.end.min(read.len())];
        for (point, (name, unit, _)) in POINTS.iter().enumerate() {
            all.push(Series {
                device: id(device),
                point: (*name).into(),
                unit: (*unit).into(),
                first_ms: part[0].0 + later_ms,
                step_ms: part.windows(2).map(|pair| pair[1].0 - pair[0].0).collect(),
                value: part.iter().map(|(_, values)| values[point]).collect(),
                quality: vec![QualityRun {
                    quality: Quality::Good.into(),
                    count: u32::try_from(part.len()).unwrap_or(0),
                    exception: 0,
                }],
            });
        }
    }
    pack(&all)
}
