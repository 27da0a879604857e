//! Defrosts as they should be, and as they should not.

mod thermal;

use storewarden_rules::{Cause, Condition};
use thermal::{Bench, DAY, HOUR, Sees};

/// A freezer with all its points that has defrosted every eight hours for a week.
fn settled(every: i64) -> Bench {
    let mut bench = Bench::new(Sees::All, every);
    bench.run(7.0 * DAY);
    assert_eq!(bench.raised(), [], "read every {every} s");
    bench
}

#[test]
fn a_healthy_freezer_says_nothing_and_its_defrosts_are_recognised() {
    for sees in [Sees::All, Sees::OnlyAir] {
        for every in [10, 60, 300] {
            let mut bench = Bench::new(sees, every);
            bench.run(14.0 * DAY + 4.0 * HOUR);
            assert_eq!(bench.raised(), [], "read every {every} s");
            assert_eq!(bench.cabinet.defrosts().recognised(), bench.freezer.begun, "read every {every} s");
        }
    }
}

#[test]
fn a_defrost_that_does_not_end_is_told_after_an_hour() {
    for every in [10, 60, 300] {
        let mut bench = settled(every);
        bench.freezer.heats_for = 4.0 * HOUR;
        let begun = bench.freezer.begun;
        while bench.freezer.begun == begun {
            bench.run(1.0);
        }
        let start = bench.freezer.minute;
        bench.run(59.0);
        assert_eq!(bench.first(Condition::DefrostAbnormal), None, "read every {every} s");
        bench.run(10.0);
        let told = bench.first(Condition::DefrostAbnormal).expect("the heat does not end");
        assert_eq!(told.cause, Cause::DefrostNotEnded, "read every {every} s");
        assert!(told.minute - start <= 66.0, "read every {every} s: {told:?}");
    }
}

#[test]
fn a_flag_that_stays_on_after_the_heat_is_told_too() {
    let mut bench = settled(60);
    bench.flag = Some(true);
    bench.run(59.0);
    assert_eq!(bench.raised(), []);
    bench.run(3.0);
    assert_eq!(bench.first(Condition::DefrostAbnormal).map(|told| told.cause), Some(Cause::DefrostNotEnded));
    bench.flag = None;
    bench.run(2.0 * HOUR);
    let last = bench.told.last().expect("it ended");
    assert_eq!((last.condition, last.is_raised), (Condition::DefrostAbnormal, false));
}

#[test]
fn a_defrost_that_does_not_come_is_told_after_two_and_a_half_intervals() {
    let mut bench = settled(60);
    let begun = bench.freezer.begun;
    while bench.freezer.begun == begun {
        bench.run(1.0);
    }
    // The timer has set the next one before it is taken away: it comes no more.
    let start = bench.freezer.minute;
    bench.freezer.defrost_never();
    bench.run(19.5 * HOUR);
    assert_eq!(bench.raised(), []);
    bench.run(1.5 * HOUR);
    let told = bench.first(Condition::DefrostAbnormal).expect("none came");
    assert_eq!(told.cause, Cause::DefrostMissed);
    assert!((told.minute - start - 20.0 * HOUR).abs() < 20.0, "{told:?}");
}

#[test]
fn defrosts_that_come_too_often_are_told() {
    let mut bench = settled(60);
    bench.freezer.defrost_every = 90.0;
    bench.run(8.0 * HOUR);
    let told = bench.first(Condition::DefrostAbnormal).expect("every hour and a half");
    assert_eq!(told.cause, Cause::DefrostTooFrequent);
}

#[test]
fn a_single_defrost_by_hand_is_not_told() {
    let mut bench = settled(60);
    bench.freezer.defrost_every = 90.0;
    bench.run(90.0);
    bench.freezer.defrost_every = 8.0 * HOUR;
    bench.run(3.0 * DAY);
    assert_eq!(bench.raised(), []);
}
