//! Probes that cannot be believed, and air that only looks like it.

mod thermal;

use storewarden_rules::{BadReason, Cause, Condition, Sample};
use thermal::{Bench, DAY, HOUR, Sees, Told};

fn settled(sees: Sees, every: i64) -> Bench {
    let mut bench = Bench::new(sees, every);
    bench.run(4.0 * DAY);
    assert_eq!(bench.raised(), [], "read every {every} s");
    bench
}

/// The only thing told, which must be the probe.
fn only_fault(bench: &Bench) -> Told {
    let told: Vec<_> = bench.told.iter().filter(|told| told.is_raised).collect();
    assert_eq!(told.len(), 1, "{told:?} at {}, {:?}", bench.freezer.minute, bench.about());
    assert_eq!(told[0].condition, Condition::ProbeFault);
    *told[0]
}

#[test]
fn a_probe_that_is_called_broken_or_shows_what_no_air_has_is_a_fault_and_nothing_else() {
    for sample in [Sample::Bad(BadReason::SensorFault), Sample::Good(850.0), Sample::Good(-200.0)] {
        for every in [10, 60, 300] {
            let mut bench = settled(Sees::All, every);
            let start = bench.freezer.minute;
            bench.shown = Some(sample);
            bench.run(6.0 * HOUR);
            let told = only_fault(&bench);
            assert_eq!(told.cause, Cause::ProbeBroken, "{sample:?}");
            assert!(told.minute - start <= 8.0, "{sample:?} every {every} s: {told:?}");
            bench.shown = None;
            bench.run(HOUR);
            let last = bench.told.last().expect("it is well");
            assert_eq!((last.condition, last.is_raised), (Condition::ProbeFault, false));
            bench.told.clear();
            bench.run(3.0 * DAY);
            assert_eq!(bench.raised(), [], "{sample:?} every {every} s");
        }
    }
}

#[test]
fn one_sentinel_among_good_readings_is_nothing() {
    let mut bench = settled(Sees::All, 10);
    bench.shown = Some(Sample::Good(850.0));
    bench.run(10.0 / 60.0);
    bench.shown = None;
    bench.run(DAY);
    assert_eq!(bench.raised(), []);
}

/// A loose contact: 27 K up in two minutes, back after seven. At several phases of the thermostat, on a
/// reading and between two.
fn loose_contact(every: i64) {
    for sees in [Sees::All, Sees::OnlyAir] {
        for offset in [60.0, 67.0, 74.0, 81.0] {
            let mut bench = settled(sees, every);
            bench.run(offset);
            for (shown, minutes) in [(-18.7, 1.0), (-5.0, 1.0), (8.4, 5.0)] {
                bench.shown = Some(Sample::Good(shown));
                bench.run(minutes);
            }
            bench.shown = None;
            bench.run(12.0 * HOUR);
            assert_eq!(only_fault(&bench).cause, Cause::ProbeJump, "{:?} at {offset} min", bench.about());
        }
    }
}

#[test]
fn a_jump_that_comes_back_is_the_probe_and_warms_nothing() {
    loose_contact(10);
    loose_contact(60);
}

#[test]
fn a_jump_that_is_seen_in_one_reading_is_the_probe_too() {
    loose_contact(300);
}

#[test]
fn a_door_opened_wide_is_no_probe() {
    for sees in [Sees::All, Sees::OnlyAir] {
        for every in [10, 60, 300] {
            for minutes in [1.0, 3.0, 6.0, 12.0, 40.0] {
                let mut bench = settled(sees, every);
                bench.run(2.0 * HOUR);
                bench.freezer.door_is_open = true;
                bench.run(minutes);
                bench.freezer.door_is_open = false;
                bench.run(DAY);
                assert_eq!(bench.first(Condition::ProbeFault), None, "{minutes} min every {every} s");
            }
        }
    }
}

#[test]
fn a_value_that_stays_while_the_machine_works_is_stuck() {
    for (sees, hours) in [(Sees::All, 8.0), (Sees::OnlyAir, 14.0)] {
        for every in [10, 60, 300] {
            let mut bench = settled(sees, every);
            let start = bench.freezer.minute;
            bench.shown = Some(Sample::Good(-21.3));
            bench.run(hours * HOUR);
            let told = only_fault(&bench);
            assert_eq!(told.cause, Cause::ProbeStuck);
            assert!(told.minute - start >= 0.9 * HOUR, "{told:?}");
            bench.shown = None;
            bench.run(HOUR);
            assert_eq!(
                bench.told.last().map(|told| told.is_raised),
                Some(false),
                "it moves again: {:?}",
                bench.told
            );
        }
    }
}

/// The thermostat holds the air within 0.6 K, which a probe of 1 K shows as one value from one defrost to
/// the next.
#[test]
fn a_coarse_probe_that_rests_for_hours_is_no_fault() {
    for sees in [Sees::All, Sees::OnlyAir] {
        for every in [60, 300] {
            let mut bench = Bench::new(sees, every);
            bench.resolution = 1.0;
            bench.freezer.swing = 0.3;
            bench.run(14.0 * DAY);
            assert_eq!(bench.raised(), [], "read every {every} s");
        }
    }
}
