//! What is learnt outlives a restart, and nothing is learnt, raised or cleared by what is not known.

mod thermal;

use storewarden_rules::cabinet::Phase;
use storewarden_rules::{BadReason, Condition, Millis, Sample};
use thermal::{Bench, DAY, HOUR, Sees};

/// The numbers, comparable also where they are not numbers.
fn numbers(bench: &Bench) -> Vec<u32> {
    bench.cabinet.learnt().iter().map(|number| number.to_bits()).collect()
}

#[test]
fn a_restarted_cabinet_knows_its_band_and_its_next_defrost() {
    for sees in [Sees::All, Sees::OnlyAir] {
        for every in [10, 60, 300] {
            let mut bench = Bench::new(sees, every);
            bench.run(7.0 * DAY);
            let (band, learnt) = (bench.cabinet.scene().band.expect("learnt"), numbers(&bench));
            bench.restart();
            assert_eq!(numbers(&bench), learnt, "{:?}", bench.about());
            bench.run(5.0);
            assert_eq!(bench.cabinet.scene().band, Some(band), "{:?}", bench.about());
            let begun = bench.freezer.begun;
            while bench.freezer.begun == begun {
                bench.run(1.0);
            }
            bench.run(20.0);
            let phase = bench.cabinet.scene().phase;
            assert!(
                matches!(phase, Phase::Defrost { .. } | Phase::Perhaps { .. } | Phase::Recovery { .. }),
                "{:?}: {phase:?}",
                bench.about()
            );
            bench.run(2.0 * HOUR);
            assert_eq!(bench.cabinet.defrosts().recognised(), 1, "{:?}", bench.about());
            bench.run(2.0 * DAY);
            assert_eq!(bench.raised(), [], "{:?}", bench.about());
        }
    }
}

#[test]
fn a_restart_every_day_raises_nothing() {
    for sees in [Sees::All, Sees::OnlyAir] {
        let mut bench = Bench::new(sees, 60);
        for _ in 0..14 {
            // Through every hour of the day.
            bench.run(23.0 * HOUR);
            bench.restart();
        }
        bench.run(DAY);
        assert_eq!(bench.raised(), [], "{:?}", bench.about());
    }
}

const UNKNOWN: [Sample; 3] =
    [Sample::Stale(20.0), Sample::Bad(BadReason::NoResponse), Sample::Bad(BadReason::Garbled)];

/// A healthy freezer of which for `minutes` nothing is known.
fn silent(sees: Sees, sample: Sample, minutes: f64) -> Bench {
    let mut bench = Bench::new(sees, 60);
    bench.run(5.0 * DAY);
    bench.silent = Some(sample);
    bench.run(minutes);
    bench
}

#[test]
fn what_is_not_known_teaches_nothing() {
    for sees in [Sees::All, Sees::OnlyAir] {
        for sample in UNKNOWN {
            // What was begun while it was known may be closed.
            let mut bench = silent(sees, sample, DAY);
            let learnt = numbers(&bench);
            bench.run(7.0 * DAY);
            assert_eq!(numbers(&bench), learnt, "{sample:?} {:?}", bench.about());
        }
    }
}

fn raises_nothing(minutes: f64) {
    for sees in [Sees::All, Sees::OnlyAir] {
        for sample in UNKNOWN {
            let mut bench = silent(sees, sample, minutes);
            assert_eq!(bench.raised(), [], "{sample:?} {:?}, silent", bench.about());
            bench.silent = None;
            bench.run(3.0 * DAY);
            assert_eq!(bench.raised(), [], "{sample:?} {:?}, heard again", bench.about());
        }
    }
}

#[test]
fn what_is_not_known_for_half_an_hour_raises_nothing() {
    raises_nothing(30.0);
}

#[test]
fn what_is_not_known_for_a_week_raises_nothing() {
    raises_nothing(7.0 * DAY);
}

#[test]
fn what_is_not_known_clears_nothing() {
    for sees in [Sees::All, Sees::OnlyAir] {
        for sample in UNKNOWN {
            let mut bench = Bench::new(sees, 60);
            bench.run(5.0 * DAY);
            bench.freezer.capacity = 0.0;
            bench.run(10.0 * HOUR);
            assert!(bench.first(Condition::TemperatureHigh).is_some(), "it does not cool");
            bench.told.clear();
            bench.silent = Some(sample);
            bench.freezer.capacity = 1.0;
            bench.run(DAY);
            assert!(bench.told.iter().all(|told| told.is_raised), "{sample:?}: {:?}", bench.told);
            bench.silent = None;
            bench.run(DAY);
            let told = bench.told.iter().rfind(|told| told.condition == Condition::TemperatureHigh);
            assert_eq!(told.map(|told| told.is_raised), Some(false), "it was well meanwhile");
        }
    }
}

#[test]
fn a_clock_that_is_set_changes_nothing() {
    for sees in [Sees::All, Sees::OnlyAir] {
        let play = |shift: i64| {
            let mut bench = Bench::new(sees, 60);
            for day in 0..8 {
                bench.run(DAY + HOUR);
                let turn = if day % 2 == 0 { shift } else { -2 * shift };
                bench.now.utc = bench.now.utc + Millis::from_mins(turn);
            }
            bench.freezer.fan_turns = false;
            bench.run(2.0 * HOUR);
            bench.now.utc = bench.now.utc + Millis::from_mins(shift);
            bench.run(10.0 * HOUR);
            bench.freezer.fan_turns = true;
            bench.run(2.0 * DAY);
            (bench.told.clone(), numbers(&bench))
        };
        let as_it_is = play(0);
        assert!(as_it_is.0.len() > 2, "a fan that stood for half a day: {:?}", as_it_is.0);
        for shift in [-360, 97, 3 * 24 * 60] {
            assert_eq!(play(shift), as_it_is, "{shift} min");
        }
    }
}
