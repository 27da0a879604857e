//! Real recordings, and what is made of them, through a [`Site`] with nothing but the class's rules:
//! healthy equipment raises nothing, and its defrosts are recognised.
#![allow(clippy::unwrap_used, reason = "tests")]

use storewarden_rules::cabinet::{CabinetConfig, CabinetPoints};
use storewarden_rules::{
    AlarmState, Class, Condition, Event, Input, Millis, Mono, Now, Reading, Rule, Sample, Site, Utc,
};

const RECORDING: &str = include_str!("recordings/solarplus.csv");
/// 2018-06-01 07:00 UTC, the first row.
const BEGIN: Utc = Utc(1_527_836_400_000);
const EAST_8: i32 = 8 * 3600;

/// Air by minute since the beginning.
type Series = Vec<(f64, f64)>;

/// Minutes since 2018-06-01 00:00 of `2018-06-DD HH:MM…`.
fn minutes_of(stamp: &str) -> f64 {
    let number = |from: usize| stamp[from..from + 2].parse::<f64>().unwrap();
    (number(8) - 1.0) * 1440.0 + number(11) * 60.0 + number(14)
}

fn recorded(column: usize) -> Series {
    let rows = RECORDING.lines().skip(1);
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (minutes_of(fields[0]) - 420.0, (fields[column].parse::<f64>().unwrap() * 10.0).round() / 10.0)
    };
    rows.map(row).collect()
}

fn freezer() -> Series {
    recorded(1)
}

fn fridge() -> Series {
    recorded(2)
}

/// The same every `step` minutes, on straight lines between what was recorded.
fn every(step: f64, series: &Series) -> Series {
    let mut out = Vec::new();
    let mut at = series[0].0;
    for pair in series.windows(2) {
        let [(t0, v0), (t1, v1)] = *pair else { unreachable!() };
        while at < t1 {
            out.push((at, v0 + (v1 - v0) * (at - t0) / (t1 - t0)));
            at += step;
        }
    }
    out
}

fn shifted(kelvin: f64, series: &Series) -> Series {
    series.iter().map(|(at, air)| (*at, air + kelvin)).collect()
}

/// With noise of up to `kelvin` on every reading: the same noise each time.
fn noisy(kelvin: f64, series: &Series) -> Series {
    let mut state = 12_345_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        kelvin * (f64::from(state >> 8) / f64::from(1 << 23) - 1.0)
    };
    series.iter().map(|(at, air)| (*at, air + noise())).collect()
}

/// Without what came before `minute`.
fn since(minute: f64, series: &Series) -> Series {
    series.iter().filter(|(at, _)| *at >= minute).copied().collect()
}

/// Three times in a row: a fortnight.
fn thrice(series: &Series) -> Series {
    (0..3)
        .flat_map(|turn| series.iter().map(move |(at, air)| (at + f64::from(turn) * 7200.0, *air)))
        .collect()
}

/// What became of a cabinet.
struct Told {
    /// When which condition was raised, in minutes.
    raised: Vec<(f64, Condition)>,
    recognised: u32,
}

/// Plays `series` to a cabinet of which only the air is known, with a tick every minute.
fn play(class: Class, series: &Series) -> Told {
    let mut site = Box::new(Site::new());
    let interval = Millis::from_mins(5);
    let cabinet = site.add_device(class, interval).unwrap();
    let air = site.add_point(cabinet, Millis::from_mins(45)).unwrap();
    let config = CabinetConfig::for_class(class).unwrap();
    site.add_rule(cabinet, Rule::Cabinet { points: CabinetPoints::only_air(air), config }).unwrap();
    let mut raised = Vec::new();
    let mut last = series[0].0;
    let stamp = |minute: f64| Now { mono: Mono(0), utc: BEGIN }.after(millis(minute));
    for (at, value) in series {
        while last + 1.0 < *at {
            last += 1.0;
            hear(&mut site, stamp(last), Input::Tick { utc_offset_s: EAST_8 }, &mut raised, last);
        }
        let reading = Reading { point: air, at: stamp(*at).utc, sample: Sample::Good(*value) };
        hear(&mut site, stamp(*at), Input::Reading(reading), &mut raised, *at);
        last = *at;
    }
    let recognised = site.cabinet(cabinet).unwrap().defrosts().recognised();
    Told { raised, recognised }
}

fn hear(site: &mut Site, now: Now, input: Input, raised: &mut Vec<(f64, Condition)>, minute: f64) {
    site.step(now, input, &mut |event| {
        if let Event::Alarm(alarm) = event
            && alarm.state == AlarmState::ActiveUnacknowledged
        {
            raised.push((minute, alarm.condition));
        }
    });
}

#[expect(clippy::cast_possible_truncation, reason = "minutes of a fortnight")]
fn millis(minutes: f64) -> Millis {
    Millis((minutes * 60_000.0).round() as i64)
}

/// The recording as it is, offset, noisy, and read more and less often.
fn variants(series: &Series) -> Vec<(&'static str, Series)> {
    vec![
        ("as recorded", series.clone()),
        ("noise of 0.2 K", noisy(0.2, series)),
        ("noise of 0.5 K", noisy(0.5, series)),
        ("every minute", every(1.0, series)),
        ("every minute, noise of 0.3 K", noisy(0.3, &every(1.0, series))),
        ("every 10 minutes", every(10.0, series)),
        ("every 15 minutes", every(15.0, series)),
        ("from a defrost on", since(122.0, series)),
        ("a fortnight", thrice(series)),
    ]
}

#[test]
fn the_freezer_raises_nothing_at_any_set_point_noise_and_interval() {
    for offset in [-6.0, -3.0, 0.0, 2.0, 4.0] {
        for (name, series) in variants(&shifted(offset, &freezer())) {
            assert_eq!(play(Class::Freezer, &series).raised, [], "{name}, {offset:+} K");
        }
    }
}

#[test]
fn the_fridge_raises_nothing_at_any_noise_and_interval() {
    for offset in [-3.0, -1.0, 0.0] {
        for (name, series) in variants(&shifted(offset, &fridge())) {
            assert_eq!(play(Class::Chiller, &series).raised, [], "{name}, {offset:+} K");
        }
    }
}

/// The recording has 20, and the blip at 06-03 01:20, which is none.
#[test]
fn every_defrost_of_the_freezer_is_recognised_and_the_blip_is_none() {
    for offset in [-6.0, 0.0, 4.0] {
        let series = shifted(offset, &freezer());
        assert_eq!(play(Class::Freezer, &series).recognised, 20, "{offset:+} K");
        assert_eq!(play(Class::Freezer, &every(1.0, &series)).recognised, 20, "{offset:+} K, every minute");
    }
}

#[test]
fn a_probe_that_jumps_27_kelvin_and_is_back_in_7_minutes_warms_no_goods() {
    let mut series = every(1.0, &freezer());
    let at = series.iter().position(|(at, _)| *at >= 2000.0).unwrap();
    for (_, air) in &mut series[at..at + 7] {
        *air = 8.4;
    }
    let raised: Vec<_> = play(Class::Freezer, &series).raised.into_iter().map(|told| told.1).collect();
    assert_eq!(raised, [Condition::ProbeFault]);
}

/// A freezer that is as cold as the recorded one, and whose air every `hours` rises above -15 °C for an
/// hour: 12 min up, an hour at the top, 40 min down.
fn long_defrosts(hours: u32) -> Series {
    let shape = |minute: f64| match minute {
        m if m < 12.0 => -24.0 + m * 14.0 / 12.0,
        m if m < 72.0 => -10.0,
        m if m < 112.0 => -10.0 - (m - 72.0) * 14.0 / 40.0,
        m => -24.0 + 0.8 * (m / 3.0).sin(),
    };
    let cycle = f64::from(hours) * 60.0;
    (0..20_160).map(f64::from).map(|minute| (minute, shape((minute + 0.5 * cycle) % cycle))).collect()
}

#[test]
fn defrosts_that_lift_a_freezer_above_its_limit_for_an_hour_warm_no_goods() {
    for hours in [6, 8, 12, 24] {
        for step in [1.0, 5.0, 15.0] {
            let told = play(Class::Freezer, &every(step, &long_defrosts(hours)));
            let warm = |condition: &Condition| {
                matches!(
                    condition,
                    Condition::TemperatureHigh | Condition::GoodsWarm | Condition::TemperaturePreAlarm
                )
            };
            let raised: Vec<_> = told.raised.iter().filter(|(_, condition)| warm(condition)).collect();
            assert!(raised.is_empty(), "every {hours} h, read every {step} min: {raised:?}");
        }
    }
}

#[test]
fn a_freezer_whose_cooling_stops_is_told() {
    let dead = |minute: f64| 22.0 - 47.0 * (-(minute - 4000.0) / 600.0).exp();
    for step in [1.0, 5.0, 15.0] {
        let series: Series = every(step, &freezer())
            .into_iter()
            .filter(|(at, _)| *at < 4600.0)
            .map(|(at, air)| (at, if at < 4000.0 { air } else { dead(at) }))
            .collect();
        let raised = play(Class::Freezer, &series).raised;
        assert!(
            raised.iter().any(|told| told.1 == Condition::TemperatureHigh),
            "every {step} min: {raised:?}"
        );
        assert!(raised.iter().any(|told| told.1 == Condition::GoodsWarm), "every {step} min: {raised:?}");
        assert!(raised.iter().all(|told| told.0 >= 4000.0), "every {step} min: {raised:?}");
    }
}
