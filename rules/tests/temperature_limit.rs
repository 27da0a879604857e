//! What holds of a temperature limit whatever is read.

use proptest::prelude::*;
use storewarden_rules::detect::{TemperatureInput, TemperatureLimit, TemperatureLimitConfig};
use storewarden_rules::{BadReason, Change, Class, Millis, Mono, Now, Sample, Utc};

fn any_sample() -> impl Strategy<Value = Sample> {
    prop_oneof![
        6 => (-30.0..10.0_f64).prop_map(Sample::Good),
        1 => (-30.0..10.0_f64).prop_map(Sample::Stale),
        1 => Just(Sample::Bad(BadReason::NoResponse)),
    ]
}

proptest! {
    #[test]
    fn never_raised_before_the_delay_never_moved_by_bad_data_always_raised_by_the_longest_delay(
        steps in prop::collection::vec((1_i64..20, any_sample(), prop::option::of(any::<bool>())), 1..300),
    ) {
        let config = TemperatureLimitConfig::for_class(Class::Freezer).expect("a freezer has a limit");
        let mut detector = TemperatureLimit::new(config);
        let mut now = Now { mono: Mono(-5_000), utc: Utc(1_700_000_000_000) };
        let (mut since, mut raised) = (None, false);
        for (minutes, temperature, defrost) in steps {
            now = now.after(Millis::from_mins(minutes));
            let change = detector.step(now, TemperatureInput { temperature, defrost, no_defrost: false });
            match temperature {
                Sample::Good(t) if t > config.limit => { since.get_or_insert(now); }
                Sample::Good(_) if !raised => since = None,
                _ => {}
            }
            match change {
                Some(Change::Pending(_)) => prop_assert!(!raised && temperature.good().is_some()),
                Some(Change::Settled) => prop_assert!(!raised && temperature.good().is_some()),
                Some(Change::Raised(_)) => {
                    prop_assert!(!raised);
                    raised = true;
                    prop_assert!(now.mono - since.expect("an excursion").mono >= config.delay);
                }
                Some(Change::Cleared(_)) => {
                    prop_assert!(raised);
                    raised = false;
                    since = None;
                    prop_assert!(temperature.good().is_some_and(|t| t <= config.limit - config.hysteresis));
                }
                None => {}
            }
            if let (false, Some(since)) = (raised, since) {
                prop_assert!(now.mono - since.mono < config.delay_hold_off, "quiet for too long");
            }
        }
    }
}
