//! The shape of a cabinet's trace, healthy and broken.

use storesim::physics::cabinet::Parameters;
use storesim::physics::controller::{Broken, Controller, Settings};

const HOUR: usize = 3600;
const DAY: usize = 24 * HOUR;
const AMBIENT_C: f64 = 22.0;

fn freezer(seed: u64) -> Controller {
    Controller::new(Parameters::freezer(), Settings::freezer(), seed, 3.0 * 3600.0)
}

fn chiller(seed: u64) -> Controller {
    Controller::new(Parameters::chiller(), Settings::chiller(), seed, 3.0 * 3600.0)
}

/// Air temperature of each second from `from`, and whether it was a defrost or its aftermath.
fn trace(cabinet: &mut Controller, from: usize, seconds: usize) -> Vec<(f64, f64)> {
    (from..from + seconds)
        .map(|second| {
            cabinet.step(second / HOUR % 24, AMBIENT_C);
            (cabinet.cabinet().probe_c(), cabinet.point("state").expect("a state"))
        })
        .collect()
}

/// Longest run of seconds for which `outside` holds.
fn longest(trace: &[(f64, f64)], outside: impl Fn(f64) -> bool) -> usize {
    trace.split(|(air_c, _)| !outside(*air_c)).map(<[_]>::len).max().unwrap_or(0)
}

/// Seconds until the air passes `limit_c`.
fn until(trace: &[(f64, f64)], passed: impl Fn(f64) -> bool) -> usize {
    trace.iter().position(|(air_c, _)| passed(*air_c)).unwrap_or(usize::MAX)
}

#[test]
fn a_healthy_freezer_stays_frozen_and_peaks_above_the_limit_only_for_its_defrosts() {
    for seed in 0..8 {
        let days = trace(&mut freezer(seed), 0, 5 * DAY);
        let mean = days.iter().map(|(air_c, _)| air_c).sum::<f64>() / (5.0 * DAY as f64);
        assert!((-22.0..=-20.0).contains(&mean), "mean {mean}");
        let peaks = days.split(|(air_c, _)| *air_c <= -18.0).filter(|run| !run.is_empty()).count();
        assert!((16..=20).contains(&peaks), "{peaks} peaks in 20 defrosts");
        let above = longest(&days, |air_c| air_c > -18.0);
        assert!((3 * 60..=20 * 60).contains(&above), "seed {seed}: above the limit for {above} s");
        let peak = days.iter().map(|(air_c, _)| *air_c).fold(f64::MIN, f64::max);
        assert!((-17.5..-12.0).contains(&peak), "peak {peak}");
        assert!(days.iter().all(|(air_c, _)| *air_c > -26.0));
    }
}

#[test]
fn a_healthy_chiller_stays_between_one_and_four_but_for_its_defrosts() {
    for seed in 0..8 {
        let days = trace(&mut chiller(seed), 0, 5 * DAY);
        let inside = days.iter().filter(|(air_c, _)| (1.0..=4.0).contains(air_c)).count();
        assert!(inside as f64 > 0.93 * days.len() as f64, "inside {inside} of {}", days.len());
        let above = longest(&days, |air_c| air_c > 5.0);
        assert!(above <= 20 * 60, "above 5 °C for {above} s");
        assert!(days.iter().all(|(air_c, _)| *air_c > 0.0));
    }
}

#[test]
fn a_freezer_whose_compressor_stops_warms_as_goods_do_and_recovers_when_it_returns() {
    for seed in 0..8 {
        let mut cabinet = freezer(seed);
        trace(&mut cabinet, 0, HOUR);
        cabinet.broken = Broken { compressor: true, ..Broken::default() };
        let stopped = trace(&mut cabinet, HOUR, 2 * HOUR);
        let limit = until(&stopped, |air_c| air_c > -18.0);
        assert!((8 * 60..=22 * 60).contains(&limit), "seed {seed}: -18 °C after {limit} s");
        let ten = until(&stopped, |air_c| air_c > -10.0);
        assert!((50 * 60..=2 * HOUR).contains(&ten), "seed {seed}: -10 °C after {ten} s");

        cabinet.broken = Broken::default();
        let mut early = freezer(seed);
        trace(&mut early, 0, HOUR);
        early.broken = Broken { compressor: true, ..Broken::default() };
        trace(&mut early, HOUR, HOUR);
        early.broken = Broken::default();
        let back = until(&trace(&mut early, 2 * HOUR, HOUR - 60), |air_c| air_c < -18.0);
        assert!(back < 45 * 60, "seed {seed}: recovered after {back} s");
    }
}

#[test]
fn a_stopped_compressor_draws_nothing_while_its_relay_stays_closed() {
    let mut cabinet = freezer(5);
    trace(&mut cabinet, 0, HOUR);
    let most_w = (0..HOUR)
        .map(|second| {
            cabinet.step(9 + second / HOUR, AMBIENT_C);
            cabinet.cabinet().power_w()
        })
        .fold(0.0, f64::max);
    assert!((600.0..1_200.0).contains(&most_w), "healthy: {most_w} W");
    cabinet.broken = Broken { compressor: true, ..Broken::default() };
    trace(&mut cabinet, 2 * HOUR, HOUR / 2);
    assert_eq!(cabinet.point("compressor"), Some(1.0));
    let power_w = cabinet.cabinet().power_w();
    assert!((90.0..=120.0).contains(&power_w), "fan and frame heater alone: {power_w} W");
}

#[test]
fn an_open_door_and_a_dead_fan_warm_the_air_while_the_compressor_runs() {
    let broken = [Broken { door: true, ..Broken::default() }, Broken { fan: true, ..Broken::default() }];
    for broken in broken {
        let mut cabinet = freezer(3);
        trace(&mut cabinet, 0, HOUR);
        cabinet.broken = broken;
        let warm = trace(&mut cabinet, HOUR, HOUR);
        let limit = until(&warm, |air_c| air_c > -18.0);
        assert!(limit < 40 * 60, "{broken:?}: -18 °C after {limit} s");
        assert_eq!(cabinet.point("compressor"), Some(1.0), "{broken:?}");
    }
}

#[test]
fn a_cut_probe_leads_to_emergency_cooling_by_the_clock() {
    let mut cabinet = freezer(4);
    trace(&mut cabinet, 0, HOUR);
    cabinet.broken = Broken { probe: true, ..Broken::default() };
    trace(&mut cabinet, HOUR, HOUR);
    assert_eq!(cabinet.point("state"), Some(20.0));
    assert_eq!(cabinet.point("probe_fault"), Some(1.0));
    assert!(cabinet.cabinet().product_c() < -15.0, "the goods stay frozen meanwhile");
}

#[test]
fn one_seed_gives_one_run_and_another_seed_another() {
    let run = |seed| trace(&mut freezer(seed), 0, DAY);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
