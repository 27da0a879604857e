//! Mean power over the utility's window.

use crate::{Change, Evidence, Millis, Mono, Now, Quantity, Sample, Utc};

/// Length of a bucket.
const BUCKET: Millis = Millis::from_mins(1);
/// Most buckets of a window.
const WINDOW_MAX: u8 = 60;
/// Buckets kept: the present one, a full window, and so the one that is sliding out.
const BUCKETS: usize = WINDOW_MAX as usize + 1;

/// Settings of a [`Demand`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DemandConfig {
    /// Contracted power, W.
    pub limit: f64,
    /// Clears below limit × (1 − this); 0 to below 1; 0.05 is this project's choice.
    pub hysteresis: f64,
    /// The utility's window in minutes, 15 or 30 as a rule; 1 to 60 (anything else is brought there).
    pub window_min: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Energy over the known part, W·ms.
    energy: f64,
    /// How much of the bucket is known, ms.
    known: f64,
}

/// Raised when the mean power over the sliding window is above the contracted limit; cleared when
/// it is below limit × (1 − hysteresis).
///
/// mean = Σ(P·Δt) / Σ(Δt) over the known part of the window, where each good reading holds until
/// the next step, at most for a minute. The window slides by the second: the oldest one-minute
/// bucket counts for the share of it that is still inside.
///
/// **Unknown data.** Unknown time is not zero power: it is left out of both sums. While less than
/// half of the window is known there is no opinion: nothing is raised and nothing is cleared.
#[derive(Clone, Debug)]
pub struct Demand {
    limit: f64,
    hysteresis: f64,
    window: u8,
    buckets: [Bucket; BUCKETS],
    last: Option<Last>,
    raised_since: Option<Mono>,
}

/// The step before: from then on power was `power`, if known.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: Mono,
    power: Option<f64>,
}

impl Demand {
    /// A detector that knows nothing yet.
    pub fn new(config: DemandConfig) -> Self {
        Self {
            limit: config.limit,
            hysteresis: config.hysteresis,
            window: config.window_min.clamp(1, WINDOW_MAX),
            buckets: [Bucket::default(); BUCKETS],
            last: None,
            raised_since: None,
        }
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.raised_since = Some(now.mono_of(since));
    }

    /// To be called at every reading of the power (W) and once a second.
    pub fn step(&mut self, now: Now, power: Sample) -> Option<Change> {
        self.advance(now.mono);
        self.last = Some(Last { at: now.mono, power: power.good() });
        let mean = self.mean(now.mono)?;
        match self.raised_since {
            None if mean > self.limit => {
                self.raised_since = Some(now.mono);
                Some(Change::Raised(self.evidence(now, now.mono, mean)))
            }
            Some(since) if mean < self.limit * (1.0 - self.hysteresis) => {
                self.raised_since = None;
                Some(Change::Cleared(self.evidence(now, since, mean)))
            }
            _ => None,
        }
    }

    /// Mean power (W) over the known part of the window that ends now; none while less than half of
    /// it is known. Valid right after a step.
    pub fn mean(&self, now: Mono) -> Option<f64> {
        let present = bucket_number(now);
        let inside =
            |age: i64| -> f64 { if age < i64::from(self.window) { 1.0 } else { 1.0 - share_of_bucket(now) } };
        let (mut energy, mut known) = (0.0, 0.0);
        for age in 0..=i64::from(self.window) {
            let bucket = self.buckets[slot(present - age)];
            energy += bucket.energy * inside(age);
            known += bucket.known * inside(age);
        }
        let half = f64::from(self.window) * BUCKET.as_secs_f64() * 1000.0 / 2.0;
        (known >= half).then(|| energy / known)
    }

    /// Brings the buckets to `now`, crediting the time since the last step.
    fn advance(&mut self, now: Mono) {
        let Some(last) = self.last else { return };
        if now <= last.at {
            return;
        }
        let mut from = last.at;
        // After a long pause of the whole program every old bucket is out of the window anyway.
        let pause_max = Millis(BUCKET.0 * i64::from(WINDOW_MAX + 1));
        if now - from > pause_max {
            self.buckets = [Bucket::default(); BUCKETS];
            return;
        }
        let power = last.power.filter(|_| now - last.at <= BUCKET);
        while from < now {
            let number = bucket_number(from);
            let next = Mono((number + 1) * BUCKET.0);
            let until = next.min(now);
            if let Some(power) = power {
                let span = (until - from).as_secs_f64() * 1000.0;
                let bucket = &mut self.buckets[slot(number)];
                bucket.energy += power * span;
                bucket.known += span;
            }
            if until == next {
                self.buckets[slot(number + 1)] = Bucket::default();
            }
            from = until;
        }
    }

    fn evidence(&self, now: Now, since: Mono, mean: f64) -> Evidence {
        Evidence::since(now.utc_of(since))
            .with(Quantity::Demand, mean)
            .with(Quantity::DemandLimit, self.limit)
            .with_span(Quantity::Held, now.mono - since)
    }
}

fn bucket_number(at: Mono) -> i64 {
    at.0.div_euclid(BUCKET.0)
}

fn share_of_bucket(at: Mono) -> f64 {
    Millis(at.0.rem_euclid(BUCKET.0)).as_secs_f64() / BUCKET.as_secs_f64()
}

fn slot(number: i64) -> usize {
    let buckets = i64::try_from(BUCKETS).expect("61 fits");
    usize::try_from(number.rem_euclid(buckets)).expect("a remainder is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BadReason;
    use proptest::prelude::*;

    const CONFIG: DemandConfig = DemandConfig { limit: 20_000.0, hysteresis: 0.05, window_min: 15 };

    fn at(seconds: i64) -> Now {
        Now::default().after(Millis::from_secs(seconds))
    }

    /// Steps every 10 s from `from` to before `until` and gives what was said, with its second.
    fn run(demand: &mut Demand, from: i64, until: i64, power: Sample) -> Option<(i64, Change)> {
        (from..until).step_by(10).find_map(|s| demand.step(at(s), power).map(|change| (s, change)))
    }

    #[test]
    fn a_short_peak_is_not_a_demand() {
        let mut demand = Demand::new(CONFIG);
        assert_eq!(run(&mut demand, 0, 1200, Sample::Good(15_000.0)), None);
        assert_eq!(run(&mut demand, 1200, 1380, Sample::Good(35_000.0)), None, "3 min of 15: mean 19 kW");
    }

    #[test]
    fn a_lasting_peak_is_raised_at_the_second_the_mean_passes_and_cleared_with_hysteresis() {
        let mut demand = Demand::new(CONFIG);
        run(&mut demand, 0, 1800, Sample::Good(15_000.0));
        // 15 + 20·t/15 > 20 kW first holds after t = 3.75 min = 225 s; the step after is at 230 s.
        let (second, change) = run(&mut demand, 1800, 3000, Sample::Good(35_000.0)).expect("raised");
        assert_eq!(second, 1800 + 230);
        let Change::Raised(evidence) = change else { panic!("{change:?}") };
        assert!((evidence.facts[0].value - 20_111.1).abs() < 0.1, "{evidence:?}");
        // Down again. 5 kW flows from 2030 s on; the mean must fall below 19 kW.
        let (second, change) = run(&mut demand, 2040, 4000, Sample::Good(5_000.0)).expect("cleared");
        assert!(matches!(change, Change::Cleared(_)));
        // From 2040 s (240 s of 35 kW, mean 20.33 kW) each second of 5 for 15 kW takes 11.1 W off.
        assert_eq!(second, 2040 + 130);
    }

    #[test]
    fn unknown_time_is_not_zero_power() {
        let mut demand = Demand::new(CONFIG);
        run(&mut demand, 0, 900, Sample::Good(30_000.0)).expect("raised");
        let unknown = Sample::Bad(BadReason::NoResponse);
        assert_eq!(run(&mut demand, 900, 7200, unknown), None, "not cleared by silence");
        assert_eq!(run(&mut demand, 7200, 7640, Sample::Good(1_000.0)), None, "less than half known");
        assert!(matches!(run(&mut demand, 7640, 7700, Sample::Good(1_000.0)), Some((_, Change::Cleared(_)))));
    }

    #[test]
    fn a_pause_of_the_program_is_unknown() {
        let mut demand = Demand::new(CONFIG);
        demand.step(at(0), Sample::Good(90_000.0));
        assert_eq!(demand.step(at(800), Sample::Good(90_000.0)), None);
        assert_eq!(demand.mean(at(800).mono), None);
        assert_eq!(demand.step(at(100_000), Sample::Good(90_000.0)), None);
    }

    proptest! {
        #[test]
        fn the_mean_lies_between_the_least_and_the_most(
            steps in prop::collection::vec((1_i64..90_000, prop::option::of(0.0..50_000.0_f64)), 1..400),
            window_min in 1_u8..=60,
        ) {
            let mut demand = Demand::new(DemandConfig { window_min, ..CONFIG });
            let mut now = Now { mono: Mono(-7_000_000), utc: Utc(0) };
            let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
            for (span, power) in steps {
                let sample = power.map_or(Sample::Bad(BadReason::NoResponse), Sample::Good);
                now = now.after(Millis(span));
                demand.step(now, sample);
                if let Some(mean) = demand.mean(now.mono) {
                    prop_assert!(mean >= least - 1e-6 && mean <= most + 1e-6, "{least} <= {mean} <= {most}");
                }
                if let Some(power) = power {
                    least = least.min(power);
                    most = most.max(power);
                }
            }
        }
    }
}
