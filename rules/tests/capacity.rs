//! Capacity that is lost over days, and weather and trade that only look like it.

mod thermal;

use storewarden_rules::{Cause, Condition};
use thermal::{Bench, DAY, HOUR, Sees};

fn settled(every: i64) -> Bench {
    let mut bench = Bench::new(Sees::All, every);
    bench.run(14.0 * DAY);
    assert_eq!(bench.raised(), [], "read every {every} s");
    bench
}

#[test]
fn a_fifth_of_the_capacity_is_missed_within_72_hours() {
    for every in [10, 60, 300] {
        let mut bench = settled(every);
        let start = bench.freezer.minute;
        bench.freezer.capacity = 0.8;
        bench.run(3.0 * DAY);
        let told = bench.first(Condition::CapacityLoss).expect("it runs a quarter longer");
        assert!(told.minute - start <= 72.0 * HOUR, "read every {every} s");
        bench.freezer.capacity = 1.0;
        bench.run(14.0 * DAY);
        let last = bench.told.iter().rfind(|told| told.condition == Condition::CapacityLoss);
        assert_eq!(last.map(|told| told.is_raised), Some(false), "repaired; read every {every} s");
    }
}

#[test]
fn a_week_that_strays_by_a_tenth_is_no_loss_in_eight_weeks() {
    let mut bench = Bench::new(Sees::All, 60);
    for hour in 0..8 * 7 * 24 {
        let week = f64::from(hour) / (7.0 * 24.0) * std::f64::consts::TAU;
        bench.freezer.load = 1.0 + 0.1 * week.sin();
        bench.run(HOUR);
    }
    assert_eq!(bench.raised(), []);
}

#[test]
fn a_room_between_18_and_32_degrees_is_no_loss() {
    // By day and night, and by a warm spell of a week after a cool fortnight.
    for every in [60, 300] {
        let mut bench = Bench::new(Sees::All, every);
        for hour in 0..28 * 24 {
            let day = f64::from(hour) / 24.0 * std::f64::consts::TAU;
            bench.freezer.ambient = 25.0 + 7.0 * day.sin();
            bench.run(HOUR);
        }
        assert_eq!(bench.raised(), [], "by day and night, every {every} s");
        let mut bench = Bench::new(Sees::All, every);
        bench.freezer.ambient = 18.0;
        bench.run(14.0 * DAY);
        for hour in 0..7 * 24 {
            bench.freezer.ambient = (18.0 + f64::from(hour) / 4.0).min(32.0);
            bench.run(HOUR);
        }
        assert_eq!(bench.raised(), [], "a warm spell, every {every} s");
    }
}

#[test]
fn a_fan_that_stands_is_told_in_about_an_hour() {
    for every in [10, 60, 300] {
        let mut bench = settled(every);
        bench.run(2.0 * HOUR);
        bench.freezer.fan_turns = false;
        bench.run(75.0);
        assert!(!bench.raised().is_empty(), "read every {every} s");
        let cause = bench.cabinet.diagnose(bench.now, Condition::CapacityLoss).cause;
        assert_eq!(cause, Cause::EvaporatorFan, "read every {every} s");
    }
}
