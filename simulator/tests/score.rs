//! The scoreboard's physics behaves like a cabinet, and its table adds up.

use fastrand::Rng;
use storesim::score::physics::{Broken, Cabinet, Parameters};
use storesim::score::{Fault, Group, Instruments, Job, Kind, Options, Table, outcomes};
use storewarden_rules::Class;

const HOUR: usize = 720;
const DAY: usize = 24 * HOUR;

fn cabinet(class: Class, seed: u64) -> Cabinet {
    let mut rng = Rng::with_seed(seed);
    let parameters = Parameters::new(class, &mut rng);
    Cabinet::new(parameters, rng)
}

fn steps(cabinet: &mut Cabinet, count: usize) {
    (0..count).for_each(|_| cabinet.step());
}

#[test]
fn what_flows_in_is_what_is_stored() {
    for class in [Class::Freezer, Class::Chiller, Class::ColdRoom] {
        for seed in 0..4 {
            let mut cabinet = cabinet(class, seed);
            // Deliveries come at five at the earliest: the first hours bring and take no goods.
            for _ in 0..4 * HOUR {
                let before = cabinet.stored_j();
                let goods = (cabinet.surface_c, cabinet.core_c);
                cabinet.step();
                assert!((cabinet.surface_c - goods.0).abs() < 1.0 && (cabinet.core_c - goods.1).abs() < 0.1);
                let stored = cabinet.stored_j() - before;
                assert!(
                    (stored - cabinet.heat_j).abs() < 1.0,
                    "{class:?} {seed}: {stored} {}",
                    cabinet.heat_j
                );
            }
        }
    }
}

#[test]
fn a_healthy_cabinet_keeps_its_goods_and_defrosts_by_its_clock() {
    for class in [Class::Freezer, Class::Chiller, Class::ColdRoom] {
        for seed in 0..10 {
            let mut cabinet = cabinet(class, seed);
            let (low, high) = if class == Class::Freezer { (-25.0, -16.0) } else { (-0.5, 5.5) };
            let mut inside = 0;
            let mut defrosts = 0;
            let mut before = cabinet.defrosts();
            for _ in 0..10 * DAY {
                cabinet.step();
                assert!((low..=high).contains(&cabinet.core_c), "{class:?} {seed}: core {}", cabinet.core_c);
                let air_c = cabinet.probe_c().expect("the probe is healthy");
                inside += usize::from(air_c > low - 2.0 && air_c < high);
                defrosts += usize::from(cabinet.defrosts() && !before);
                before = cabinet.defrosts();
            }
            assert!(inside * 10 > 9 * 10 * DAY, "{class:?} {seed}: {inside} of {}", 10 * DAY);
            let due = 864_000.0 / cabinet.parameters.defrost_every_s;
            assert!((defrosts as f64 - due).abs() <= 1.0, "{defrosts} of {due}");
            assert!(cabinet.ice_left_kg < 0.2, "{class:?} {seed}: {} kg left", cabinet.ice_left_kg);
        }
    }
}

#[test]
fn without_its_compressor_a_cabinet_goes_to_the_room() {
    for class in [Class::Freezer, Class::Chiller, Class::ColdRoom] {
        let mut cabinet = cabinet(class, 3);
        steps(&mut cabinet, DAY);
        let power_w = cabinet.power_w;
        cabinet.broken = Broken { power: true, ..Broken::default() };
        steps(&mut cabinet, 60 * DAY);
        assert!((cabinet.air_c - cabinet.room_c).abs() < 3.0, "{} of {}", cabinet.air_c, cabinet.room_c);
        assert_eq!(cabinet.power_w, 0.0);
        assert!(power_w > 0.0);
    }
}

#[test]
fn each_slow_fault_takes_capacity_and_its_own_mark_on_the_power() {
    let mut machine = cabinet(Class::Freezer, 5);
    steps(&mut machine, DAY);
    let running_w = |broken: Broken| {
        let mut broken_one = machine.clone();
        broken_one.broken = broken;
        let share = broken_one.capacity_share();
        let mut powers = Vec::new();
        for _ in 0..DAY {
            broken_one.step();
            if broken_one.runs && !broken_one.defrosts() {
                powers.push(broken_one.power_w);
            }
        }
        (share, powers.iter().sum::<f64>() / powers.len() as f64)
    };
    let (whole, usual_w) = running_w(Broken::default());
    let (leaking, leaking_w) = running_w(Broken { charge: 0.6, ..Broken::default() });
    let (fouled, fouled_w) = running_w(Broken { fouling: 2.5, ..Broken::default() });
    let (weak, weak_w) = running_w(Broken { fan: 0.3, ..Broken::default() });
    assert!(
        whole > 0.95 && leaking < 0.8 && fouled < 0.85 && weak < 0.9,
        "{whole} {leaking} {fouled} {weak}"
    );
    assert!(leaking_w < 0.9 * usual_w && fouled_w > 1.15 * usual_w && weak_w < usual_w);
}

#[test]
fn every_slow_fault_reaches_its_clock() {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.group() == Group::Slow) {
        for seed in 0..6 {
            let mut rng = Rng::with_seed(seed);
            let class =
                [Class::Freezer, Class::Chiller, Class::ColdRoom][usize::try_from(seed % 3).expect("small")];
            let mut cabinet = Cabinet::new(Parameters::new(class, &mut rng), rng.fork());
            let fault = Fault::new(kind, &mut rng);
            let mut reached = false;
            for step in 0..20 * DAY {
                fault.apply(&mut cabinet, step as f64 * 5.0);
                cabinet.step();
                reached |= step % 60 == 0 && fault.counts(&cabinet);
            }
            assert!(reached, "{} {seed} {class:?}: {}", kind.name(), cabinet.capacity_share());
        }
    }
}

#[test]
fn a_small_scoreboard_adds_up_and_is_the_same_again() {
    let options = Options { seed: 7, runs: 0, healthy: 4, days: 2.0 };
    let runs = outcomes(options).expect("nothing is written");
    assert_eq!(runs.len(), 4);
    let table = Table::new(7, &runs);
    assert!(table.faults.is_empty());
    let all = &table.quiet[0];
    assert!((all.months - 8.0 / 30.0).abs() < 1e-9, "{}", all.months);
    assert_eq!(all.alarms, table.quiet[1..].iter().map(|row| row.alarms).sum::<usize>());
    assert_eq!(Table::new(7, &outcomes(options).expect("nothing is written")), table);
}

#[test]
fn an_open_probe_is_found_and_counted_once() {
    let job = Job { kind: Some(Kind::ProbeOpen), number: 3, seed: 7, days: 2.0 };
    let mut csv = Vec::new();
    let run = job.run(&mut Some(&mut csv)).expect("memory takes it");
    assert_eq!(run.instruments, Instruments::Air);
    let first = run.first.as_ref().expect("no value is always found");
    let clock_s = run.clock_s.expect("it counts at once");
    assert!(first.at_s > clock_s && run.plain_s.is_some_and(|plain_s| plain_s - clock_s >= 1800.0));
    let table = Table::new(7, std::slice::from_ref(&run));
    assert_eq!(table.faults.len(), 1);
    assert_eq!((table.faults[0].runs, table.faults[0].found), (1, Some(1.0)));
    assert_eq!(table.groups.iter().map(|row| row.runs).sum::<usize>(), 2, "its group, and all");
    let text = String::from_utf8(csv).expect("CSV is text");
    let air = text.lines().rfind(|line| !line.starts_with('#')).expect("a line").split(',').nth(1);
    assert_eq!(air, Some(""), "an open probe has no value");
}
