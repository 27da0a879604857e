//! Report by exception: which readings headquarters gets. Pure.
//!
//! The rules judge every reading; this stands between them and telemetry. A reading is reported if it is
//! the first of its point, its quality is another than that of the last one reported, its value has
//! moved by the point's deadband or more since then, or the heartbeat has passed. So the last reading
//! reported holds until the next one: whoever keeps it is never off by the deadband, and a point of
//! which nothing came for longer than the heartbeat and its poll interval is not held but missing. The
//! last word of a device at a broker is repeated with its old time, and counts like any other poll.

use storewarden_rules::{Millis, Mono, Reading, Sample, Unit};

/// Share of a deadband that a value may stay below it and still count as moved: −18.4 and −18.3 are a
/// tenth apart, and their difference in binary is 0.099 999 999 999 998.
const ROUNDING: f64 = 1e-6;

/// The deadband of a point for which the configuration has none, in the point's unit; 0: any change is
/// reported. They are steps that mean nothing to a store, or that its instruments cannot tell:
///
/// - 0.1 °C: the step in which cabinet controllers count;
/// - 5 W: the power below which a lamp circuit counts as dark; 0.02 A is the same at 230 V;
/// - 0.01 kWh: the last digit of a meter;
/// - 1 V: the error of an instrument of class 0.5 % at 230 V;
/// - 0.05 Hz: the mains wander by less all the time;
/// - 1 %: the step in which controllers count.
///
/// Flags, codes, times and plain numbers change when something happens, and then it is told.
pub fn default_deadband(unit: Unit) -> f64 {
    match unit {
        Unit::Celsius => 0.1,
        Unit::Watt => 5.0,
        Unit::KilowattHour => 0.01,
        Unit::Volt | Unit::Percent => 1.0,
        Unit::Ampere => 0.02,
        Unit::Hertz => 0.05,
        _ => 0.0,
    }
}

/// What was last reported of every point.
pub struct Reports {
    /// By point id.
    points: Vec<Point>,
    heartbeat: Millis,
}

struct Point {
    /// Less [`ROUNDING`].
    deadband: f64,
    /// None before the first.
    last: Option<(Mono, Sample)>,
}

impl Reports {
    /// Points with these deadbands, by point id, each finite and 0 or more. A heartbeat of 0 reports every
    /// reading.
    pub fn new(heartbeat: Millis, deadbands: impl Iterator<Item = f64>) -> Self {
        let point = |deadband| Point { deadband: deadband * (1.0 - ROUNDING), last: None };
        Self { points: deadbands.map(point).collect(), heartbeat }
    }

    /// Whether to report `reading`, which came at `now`; if so, it is the last one reported.
    pub fn take(&mut self, now: Mono, reading: &Reading) -> bool {
        let point = &mut self.points[usize::from(reading.point.0)];
        let held = point.last.is_some_and(|(at, last)| {
            now - at < self.heartbeat && is_held(last, reading.sample, point.deadband)
        });
        if !held {
            point.last = Some((now, reading.sample));
        }
        !held
    }
}

/// Whether `last` still tells what `sample` says.
fn is_held(last: Sample, sample: Sample, deadband: f64) -> bool {
    match (last, sample) {
        // Not a number is neither near nor equal: told each time.
        (Sample::Good(last), Sample::Good(value)) | (Sample::Stale(last), Sample::Stale(value)) => {
            (value - last).abs() < deadband || value == last
        }
        _ => last == sample,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use storewarden_rules::{BadReason, PointId, Utc};

    const HEARTBEAT: Millis = Millis::from_mins(5);

    fn reports(deadband: f64) -> Reports {
        Reports::new(HEARTBEAT, [deadband].into_iter())
    }

    fn reading(sample: Sample) -> Reading {
        // The stamp plays no part: a clock that is set must not stop reports.
        Reading { point: PointId(0), at: Utc(7), sample }
    }

    /// Which of `samples`, a second apart, are reported.
    fn reported(deadband: f64, samples: &[Sample]) -> Vec<usize> {
        let mut reports = reports(deadband);
        let take = |(second, sample): (usize, &Sample)| {
            let now = Mono(i64::try_from(second).unwrap() * 1000);
            reports.take(now, &reading(*sample)).then_some(second)
        };
        samples.iter().enumerate().filter_map(take).collect()
    }

    #[test]
    fn the_first_and_whatever_moved_by_the_deadband_is_reported() {
        let samples = [-18.5, -18.5, -18.45, -18.4, -18.3, -18.35, -18.25].map(Sample::Good);
        assert_eq!(reported(0.1, &samples), [0, 3, 4]);
        let slowly: Vec<_> = (0..10).map(|step| Sample::Good(f64::from(step) * 0.04)).collect();
        assert_eq!(reported(0.1, &slowly), [0, 3, 6, 9], "a slow drift counts from the last one reported");
    }

    #[test]
    fn without_a_deadband_any_change_is_reported_and_no_change_is_not() {
        let samples = [0.0, 0.0, 1.0, 1.0, 0.0].map(Sample::Good);
        assert_eq!(reported(0.0, &samples), [0, 2, 4]);
    }

    #[test]
    fn another_quality_is_reported_at_once_whatever_the_value() {
        let (silent, broken) = (BadReason::NoResponse, BadReason::SensorFault);
        let samples = [
            Sample::Good(1.0),
            Sample::Stale(1.0),
            Sample::Bad(silent),
            Sample::Bad(silent),
            Sample::Bad(broken),
            Sample::Bad(BadReason::Exception(2)),
            Sample::Bad(BadReason::Exception(4)),
            Sample::Good(1.0),
        ];
        assert_eq!(reported(100.0, &samples), [0, 1, 2, 4, 5, 6, 7]);
    }

    #[test]
    fn a_stuck_value_is_repeated_at_each_heartbeat_and_not_before() {
        for sample in [Sample::Good(-18.5), Sample::Bad(BadReason::NoResponse)] {
            assert_eq!(reported(0.1, &[sample; 901]), [0, 300, 600, 900]);
        }
        let mut all = Reports::new(Millis(0), [0.1].into_iter());
        assert!((0..3).all(|_| all.take(Mono(0), &reading(Sample::Good(1.0)))), "0: every reading");
    }

    fn any_sample() -> impl Strategy<Value = Sample> {
        prop_oneof![
            8 => (-300i16..300).prop_map(|tenths| Sample::Good(f64::from(tenths) * 0.01)),
            1 => Just(Sample::Stale(1.0)),
            1 => Just(Sample::Bad(BadReason::NoResponse)),
            1 => Just(Sample::Bad(BadReason::SensorFault)),
        ]
    }

    proptest! {
        #[test]
        fn whoever_holds_the_last_report_knows_the_quality_and_is_off_by_less_than_the_deadband(
            polls in prop::collection::vec((1i64..200_000, any_sample()), 1..100),
            deadband in prop::sample::select(vec![0.0, 0.1, 0.5, 2.0]),
        ) {
            let mut reports = reports(deadband);
            let mut now = Mono(0);
            let mut held: Option<(Mono, Sample)> = None;
            for (pause, sample) in polls {
                now = now + Millis(pause);
                if reports.take(now, &reading(sample)) {
                    held = Some((now, sample));
                }
                let (at, last) = held.expect("the first is reported");
                prop_assert_eq!(last.quality(), sample.quality());
                prop_assert!(now - at < HEARTBEAT, "held for {:?}", now - at);
                if let (Some(last), Some(value)) = (last.good(), sample.good()) {
                    prop_assert!(last == value || (last - value).abs() < deadband, "{last} for {value}");
                }
            }
        }
    }
}
