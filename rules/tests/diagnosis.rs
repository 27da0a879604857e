//! What a technician would say of each picture, and what must not be said.

use proptest::prelude::*;
use storewarden_rules::cabinet::index_of;
use storewarden_rules::diagnosis::{Symptoms, diagnose};
use storewarden_rules::{Cause, Condition};

const WARM: [Condition; 4] = [
    Condition::TemperatureHigh,
    Condition::TemperaturePreAlarm,
    Condition::LimitForecast,
    Condition::GoodsWarm,
];

fn none() -> Symptoms {
    Symptoms::default()
}

#[test]
fn without_a_symptom_a_warm_cabinet_has_no_cause() {
    for condition in WARM {
        let diagnosis = diagnose(condition, &none());
        assert_eq!((diagnosis.cause, diagnosis.probability), (Cause::Unknown, 0.0), "{condition:?}");
        assert!(diagnosis.alternatives.iter().all(|(_, probability)| *probability > 0.1));
    }
}

#[test]
fn what_a_condition_means_is_said_without_more() {
    for (condition, cause, least) in
        [(Condition::PowerLost, Cause::DevicePower, 0.9), (Condition::DoorOpen, Cause::DoorOpen, 0.6)]
    {
        let diagnosis = diagnose(condition, &none());
        assert_eq!(diagnosis.cause, cause);
        assert!(diagnosis.probability >= least, "{diagnosis:?}");
    }
}

#[test]
fn every_picture_of_a_warm_cabinet_has_its_cause() {
    let pictures = [
        // All that is measured of a cabinet with a meter, an evaporator probe and a contact.
        (
            Cause::DoorOpen,
            Symptoms {
                door: Some(true),
                running: Some(true),
                asked: Some(true),
                excess: Some(6.0),
                climb_ratio: Some(5.0),
                slope_ratio: Some(0.1),
                run_power_ratio: Some(1.05),
                evaporator_shift: Some(4.0),
                ..none()
            },
        ),
        // The same without a contact.
        (
            Cause::DoorOpen,
            Symptoms {
                running: Some(true),
                asked: Some(true),
                excess: Some(6.0),
                climb_ratio: Some(5.0),
                slope_ratio: Some(0.1),
                run_share_ratio: Some(1.4),
                run_power_ratio: Some(1.05),
                approach_ratio: Some(1.1),
                evaporator_shift: Some(4.0),
                ..none()
            },
        ),
        (
            Cause::CompressorNotRunning,
            Symptoms {
                asked: Some(true),
                running: Some(false),
                excess: Some(4.0),
                climb_ratio: Some(1.0),
                slope_ratio: Some(0.7),
                cold_ratio: Some(0.1),
                ..none()
            },
        ),
        // Only its power is known: nothing asks, but so warm the thermostat must.
        (Cause::CompressorNotRunning, Symptoms { running: Some(false), excess: Some(4.0), ..none() }),
        // Only the air is known.
        (
            Cause::CompressorNotRunning,
            Symptoms { excess: Some(5.0), climb_ratio: Some(1.0), slope_ratio: Some(0.7), ..none() },
        ),
        (
            Cause::EvaporatorFan,
            Symptoms {
                asked: Some(true),
                running: Some(true),
                excess: Some(3.0),
                rise: Some(2.0),
                approach_ratio: Some(1.8),
                evaporator_shift: Some(-6.0),
                approach_growth: Some(0.0),
                run_power_ratio: Some(0.88),
                ..none()
            },
        ),
        (
            Cause::EvaporatorIced,
            Symptoms {
                asked: Some(true),
                running: Some(true),
                excess: Some(2.5),
                rise: Some(0.3),
                approach_ratio: Some(1.5),
                evaporator_shift: Some(-4.0),
                approach_growth: Some(0.3),
                run_power_ratio: Some(0.95),
                run_share_ratio: Some(1.4),
                ..none()
            },
        ),
        (
            Cause::RefrigerantLoss,
            Symptoms {
                asked: Some(true),
                running: Some(true),
                excess: Some(2.5),
                rise: Some(0.2),
                approach_ratio: Some(0.8),
                evaporator_shift: Some(2.0),
                run_power_ratio: Some(0.88),
                run_share_ratio: Some(1.4),
                ..none()
            },
        ),
        (
            Cause::CondenserFouled,
            Symptoms {
                asked: Some(true),
                running: Some(true),
                excess: Some(2.5),
                rise: Some(0.2),
                approach_ratio: Some(0.95),
                run_power_ratio: Some(1.15),
                run_share_ratio: Some(1.3),
                ..none()
            },
        ),
        (
            Cause::DefrostNotEnded,
            Symptoms {
                asked: Some(false),
                running: Some(false),
                excess: Some(8.0),
                rise: Some(10.0),
                defrost: Some(Cause::DefrostNotEnded),
                ..none()
            },
        ),
        (Cause::DevicePower, Symptoms { running: Some(false), no_power: true, excess: Some(4.0), ..none() }),
        (Cause::ProbeJump, Symptoms { probe: Some(Cause::ProbeJump), ..none() }),
        (Cause::ProbeBroken, Symptoms { probe: Some(Cause::ProbeBroken), running: Some(true), ..none() }),
    ];
    for (cause, symptoms) in pictures {
        for condition in WARM {
            let diagnosis = diagnose(condition, &symptoms);
            assert_eq!(diagnosis.cause, cause, "{condition:?} of {symptoms:?}: {diagnosis:?}");
            assert!(diagnosis.probability < 1.0 && diagnosis.probability > diagnosis.alternatives[0].1);
        }
    }
}

#[test]
fn warm_goods_are_told_from_a_door_that_is_closed() {
    let symptoms = Symptoms {
        door: Some(false),
        asked: Some(true),
        running: Some(true),
        excess: Some(4.0),
        climb_ratio: Some(2.0),
        slope_ratio: Some(-0.3),
        run_power_ratio: Some(1.05),
        run_share_ratio: Some(1.4),
        evaporator_shift: Some(4.0),
        ..none()
    };
    assert_eq!(diagnose(Condition::TemperatureHigh, &symptoms).cause, Cause::WarmLoad);
}

#[test]
fn a_loss_of_capacity_is_told_apart_by_power_and_evaporator() {
    let of = |symptoms: Symptoms| diagnose(Condition::CapacityLoss, &symptoms).cause;
    let share = Some(1.25);
    assert_eq!(
        of(Symptoms { run_share_ratio: share, run_power_ratio: Some(0.93), ..none() }),
        Cause::RefrigerantLoss
    );
    assert_eq!(
        of(Symptoms { run_share_ratio: share, run_power_ratio: Some(1.07), ..none() }),
        Cause::CondenserFouled
    );
    let iced = Symptoms { approach_ratio: Some(1.25), approach_growth: Some(0.15), ..none() };
    assert_eq!(of(Symptoms { run_power_ratio: Some(0.98), ..iced }), Cause::EvaporatorIced);
    assert_eq!(of(iced), Cause::EvaporatorIced);
    let fan = Symptoms { approach_ratio: Some(1.5), approach_growth: Some(0.0), ..none() };
    assert_eq!(of(fan), Cause::EvaporatorFan);
    assert_eq!(of(Symptoms { sudden: Some(true), approach_growth: None, ..fan }), Cause::EvaporatorFan);
    assert_eq!(of(Symptoms { sudden: Some(false), approach_growth: None, ..fan }), Cause::EvaporatorIced);
}

#[test]
fn what_a_detector_found_is_the_cause_of_its_own_condition() {
    for cause in
        [Cause::DefrostNotEnded, Cause::DefrostTooLong, Cause::DefrostMissed, Cause::DefrostTooFrequent]
    {
        let symptoms = Symptoms { defrost: Some(cause), ..none() };
        let diagnosis = diagnose(Condition::DefrostAbnormal, &symptoms);
        assert_eq!(diagnosis.cause, cause);
        assert!(diagnosis.probability > 0.5, "{diagnosis:?}");
    }
    for cause in [Cause::ProbeBroken, Cause::ProbeStuck, Cause::ProbeJump, Cause::ProbeDrift] {
        let symptoms = Symptoms { probe: Some(cause), ..none() };
        let diagnosis = diagnose(Condition::ProbeFault, &symptoms);
        assert_eq!(diagnosis.cause, cause);
        assert!(diagnosis.probability > 0.9, "{diagnosis:?}");
    }
    let cycling = Symptoms { starts_ratio: Some(3.0), running: Some(true), asked: Some(true), ..none() };
    assert_eq!(diagnose(Condition::CompressorAbnormal, &cycling).cause, Cause::CompressorShortCycling);
    let dead = Symptoms { asked: Some(true), running: Some(false), ..none() };
    assert_eq!(diagnose(Condition::CompressorAbnormal, &dead).cause, Cause::CompressorNotRunning);
}

#[test]
fn days_of_lost_capacity_speak_for_what_comes_slowly() {
    let active = 1 << index_of(Condition::CapacityLoss);
    let symptoms = Symptoms { active, run_power_ratio: Some(1.12), running: Some(true), ..none() };
    let diagnosis = diagnose(Condition::TemperatureHigh, &symptoms);
    assert_eq!(diagnosis.cause, Cause::CondenserFouled, "{diagnosis:?}");
}

#[test]
fn no_cause_is_made_up_for_what_has_none_here() {
    for condition in [Condition::TemperatureLow, Condition::LightDark, Condition::User(3)] {
        let diagnosis = diagnose(condition, &none());
        assert_eq!((diagnosis.cause, diagnosis.probability), (Cause::Unknown, 0.0), "{condition:?}");
    }
}

fn number() -> impl Strategy<Value = Option<f32>> {
    prop::option::of(prop_oneof![-20.0..20.0_f32, Just(f32::NAN), Just(f32::INFINITY), Just(0.0_f32)])
}

proptest! {
    #[test]
    fn whatever_is_known_the_shares_are_shares_and_in_order(
        numbers in prop::array::uniform7(number()),
        flags in prop::array::uniform5(prop::option::of(any::<bool>())),
        defrost in prop::option::of(prop::sample::select(Cause::ALL.to_vec())),
        probe in prop::option::of(prop::sample::select(Cause::ALL.to_vec())),
        no_power in any::<bool>(),
        active in 0_u16..1 << 12,
    ) {
        let [run_power_ratio, run_share_ratio, starts_ratio, approach_ratio, evaporator_shift, excess, rise] =
            numbers;
        let [asked, running, door, when_due, sudden] = flags;
        let symptoms = Symptoms {
            active, asked, running, door, when_due, sudden, run_power_ratio, run_share_ratio,
            starts_ratio, approach_ratio, evaporator_shift, excess, rise, defrost, probe, no_power,
            running_minutes: None, approach_growth: None, cold_ratio: approach_ratio, climb_ratio: rise,
            slope_ratio: excess, door_minutes: rise, not_starting: no_power,
        };
        for condition in Condition::ALL {
            let diagnosis = diagnose(condition, &symptoms);
            let [(first, p1), (second, p2)] = diagnosis.alternatives;
            prop_assert!(p1 >= p2 && p2 >= 0.0, "{:?}", diagnosis);
            prop_assert!(diagnosis.probability + p1 + p2 <= 1.0 + 1e-5, "{:?}", diagnosis);
            match diagnosis.cause {
                Cause::Unknown => prop_assert!(diagnosis.probability == 0.0),
                cause => {
                    prop_assert!(diagnosis.probability >= 0.25 && diagnosis.probability >= p1);
                    prop_assert!(cause != first && cause != second);
                }
            }
        }
    }
}
