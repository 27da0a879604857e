//! The promises of the bus, played without a socket: the test is the line and the devices.

use super::*;
use crate::modbus::device::Polls;
use crate::modbus::request::Answer;
use crate::profile::Profile;
use proptest::prelude::*;
use std::time::Duration;
use storewarden_rules::Sample;

const PROFILE: &str = "
maker = 'x'
model = 'x'
classes = ['chiller']
source = 'test'
verified = false
[modbus]
timeout_ms = 500
[[point]]
name = 'near'
function = 3
address = 0
kind = 'u16'
unit = '1'
write = { function = 6, range = [0.0, 100.0] }
[[point]]
name = 'far'
function = 3
address = 100
kind = 'u16'
unit = '1'
[[point]]
name = 'air_temperature'
function = 3
address = 200
kind = 's16'
unit = '°C'
";

/// A device of two wanted points, hence two reads; its points are `10 × number` and the next.
fn device(number: u16, poll: Millis) -> BusDevice {
    let profile = Profile::parse("x", PROFILE).unwrap();
    BusDevice {
        name: format!("device-{number}"),
        unit: u8::try_from(number).unwrap(),
        modbus: profile.modbus().unwrap().clone(),
        points: profile.points,
        polls: Polls::every(Duration::from_millis(poll.0.unsigned_abs())),
        timeout: None,
        safe: None,
        wanted: vec![(PointId(10 * number), 0), (PointId(10 * number + 1), 1)],
    }
}

/// A line with some dead devices, on which an answer takes 10 ms and a missing one 500 ms.
struct Line {
    bus: Bus,
    now: Now,
    reachable: bool,
    dead: Vec<usize>,
    /// What every read of this device is answered with instead.
    odd: Option<(usize, Outcome)>,
    asked: Vec<(i64, usize, Request)>,
    readings: Vec<(i64, Reading)>,
    answers: Vec<(u64, Result<(), CommandError>)>,
    changes: Vec<Change>,
    connects: Vec<i64>,
}

impl Line {
    fn new(devices: Vec<BusDevice>) -> Self {
        Self {
            bus: Bus::new(devices, Mono(0)),
            now: Now::default(),
            reachable: true,
            dead: Vec::new(),
            odd: None,
            asked: Vec::new(),
            readings: Vec::new(),
            answers: Vec::new(),
            changes: Vec::new(),
            connects: Vec::new(),
        }
    }

    fn pass(&mut self, ms: i64) {
        self.now = self.now.after(Millis(ms));
    }

    fn run_until(&mut self, end: i64) {
        while self.now.mono.0 < end {
            self.step(end);
        }
    }

    fn step(&mut self, end: i64) {
        match self.bus.next(self.now) {
            Next::Report(readings) => {
                self.readings.extend(readings.into_iter().map(|reading| (self.now.mono.0, reading)));
            }
            Next::Answer { ticket, result } => self.answers.push((ticket, result)),
            Next::Changed(change) => self.changes.push(change),
            Next::Connect => {
                self.connects.push(self.now.mono.0);
                self.bus.connected(self.now, self.reachable);
            }
            Next::Request { device, request } => {
                self.asked.push((self.now.mono.0, device, request.clone()));
                let dead = self.dead.contains(&device);
                self.pass(if dead { 500 } else { 10 });
                let outcome = match (&request, &self.odd) {
                    _ if !self.reachable => Outcome::Lost,
                    _ if dead => Outcome::TimedOut,
                    (_, Some((odd, outcome))) if *odd == device => outcome.clone(),
                    (Request::Write(_), _) => Outcome::Written,
                    (Request::Read { count, .. }, _) => {
                        Outcome::Answer(Answer::Words(vec![7; usize::from(*count)]))
                    }
                };
                // As a TCP connection does.
                let link = match outcome {
                    Outcome::Garbled | Outcome::TimedOut | Outcome::Lost => LinkAfter::Dropped,
                    _ => LinkAfter::Kept,
                };
                self.bus.done(self.now, outcome, link);
            }
            Next::WaitUntil(moment) => {
                assert!(moment > self.now.mono, "a wait that does not wait spins for ever");
                self.pass(moment.0.min(end) - self.now.mono.0);
            }
        }
    }

    fn samples_of(&self, device: u16) -> Vec<(i64, Sample)> {
        let own = |reading: &Reading| reading.point.0 / 10 == device;
        self.readings
            .iter()
            .filter(|(_, reading)| own(reading))
            .map(|(at, reading)| (*at, reading.sample))
            .collect()
    }
}

#[test]
fn every_device_is_polled_at_its_own_interval_read_by_read_in_turn() {
    let mut line = Line::new(vec![device(1, Millis(1000)), device(2, Millis(5000))]);
    line.run_until(9_999);
    let turns: Vec<_> = line.asked.iter().take(4).map(|(_, device, _)| *device).collect();
    assert_eq!(turns, [0, 1, 0, 1], "the second read of one does not hold up the first of another");
    assert_eq!(line.samples_of(1).len(), 20);
    assert_eq!(line.samples_of(2).len(), 4);
    assert!(line.readings.iter().all(|(_, reading)| reading.sample == Sample::Good(7.0)));
    assert_eq!(line.changes, [Change::LinkUp]);
    assert_eq!(line.connects, [0]);
}

#[test]
fn a_dead_device_costs_one_time_out_per_pause_and_still_yields_every_missed_poll() {
    let mut line = Line::new(vec![device(1, Millis(1000)), device(2, Millis(1000))]);
    line.dead = vec![0];
    line.run_until(119_999);
    let probes: Vec<_> = line.asked.iter().filter(|(_, device, _)| *device == 0).collect();
    // Asked at 0, then after pauses of 1, 2, 4, 8, 16, 32 s, each at the next poll time.
    assert_eq!(probes.len(), 7, "{probes:?}");
    assert!(probes.iter().all(|(_, _, request)| matches!(request, Request::Read { start: 0, .. })));
    let dead = line.samples_of(1);
    assert_eq!(dead.len(), 240, "two points, 120 polls");
    assert!(dead.iter().all(|(_, sample)| *sample == Sample::Bad(BadReason::NoResponse)));
    let alive = line.samples_of(2);
    assert_eq!(alive.len(), 240, "its neighbour misses nothing");
    assert!(alive.iter().all(|(_, sample)| *sample == Sample::Good(7.0)));
    assert_eq!(line.changes, [Change::LinkUp, Change::DeviceSilent(0)], "told once");

    line.dead.clear();
    line.run_until(200_000);
    assert_eq!(line.changes.last(), Some(&Change::DeviceBack(0)));
    assert_eq!(line.samples_of(1).last().map(|(_, sample)| *sample), Some(Sample::Good(7.0)));
}

#[test]
fn after_a_time_out_the_line_is_opened_anew_before_anything_is_asked() {
    let mut line = Line::new(vec![device(1, Millis(10_000)), device(2, Millis(10_000))]);
    line.dead = vec![0];
    line.run_until(5_000);
    assert_eq!(line.connects, [0, 500]);
    assert_eq!(line.asked[1].0, 500);
}

#[test]
fn a_line_that_was_kept_is_not_opened_anew() {
    let mut bus = Bus::new(vec![device(1, Millis(10_000)), device(2, Millis(10_000))], Mono(0));
    let now = Now::default();
    assert_eq!(bus.next(now), Next::Connect);
    bus.connected(now, true);
    let mut asked = 0;
    for _ in 0..10 {
        if let Next::Request { .. } = bus.next(now) {
            asked += 1;
            bus.done(now, Outcome::TimedOut, LinkAfter::Kept);
        }
        assert_ne!(bus.next(now), Next::Connect);
    }
    assert_eq!(asked, 2, "each device once");
}

#[test]
fn without_a_line_every_poll_is_a_bad_reading_and_attempts_grow_rarer() {
    let mut line = Line::new(vec![device(1, Millis(1000))]);
    line.reachable = false;
    line.run_until(120_000);
    assert_eq!(line.connects, [0, 500, 1500, 3500, 7500, 15_500, 31_500, 61_500, 91_500]);
    assert_eq!(line.samples_of(1).len(), 240);
    assert_eq!(line.changes, [Change::LinkDown]);
    line.reachable = true;
    line.run_until(125_000);
    assert_eq!(line.changes, [Change::LinkDown, Change::LinkUp], "the device was never at fault");
    assert_eq!(line.samples_of(1).last().map(|(_, sample)| *sample), Some(Sample::Good(7.0)));
}

#[test]
fn an_exception_spoils_its_own_read_only() {
    let mut line = Line::new(vec![device(1, Millis(1000))]);
    line.odd = Some((0, Outcome::Exception(2)));
    line.run_until(500);
    let reasons: Vec<_> = line.samples_of(1).iter().map(|(_, sample)| *sample).collect();
    assert_eq!(reasons, [Sample::Bad(BadReason::Exception(2)); 2]);
    assert_eq!(line.asked.len(), 2, "the second read is still made");
    assert_eq!(line.changes, [Change::LinkUp], "a device that refuses is not silent");
}

#[test]
fn a_gateway_that_misses_the_unit_is_the_units_silence() {
    let mut line = Line::new(vec![device(1, Millis(1000))]);
    line.odd = Some((0, Outcome::Exception(0x0B)));
    line.run_until(500);
    assert_eq!(line.asked.len(), 1);
    assert_eq!(line.changes, [Change::LinkUp, Change::DeviceSilent(0)]);
    assert_eq!(line.samples_of(1)[1].1, Sample::Bad(BadReason::Exception(0x0B)));
    assert_eq!(line.connects, [0], "the gateway answered: the line is sound");
}

#[test]
fn garbage_is_told_as_such() {
    let mut line = Line::new(vec![device(1, Millis(1000))]);
    line.odd = Some((0, Outcome::Garbled));
    line.run_until(500);
    assert!(line.samples_of(1).iter().all(|(_, sample)| *sample == Sample::Bad(BadReason::Garbled)));
    assert_eq!(line.connects.len(), 3, "reopened after each");
}

#[test]
fn a_command_goes_before_the_polls_that_wait() {
    let mut line = Line::new((1..=8).map(|number| device(number, Millis(1000))).collect());
    line.run_until(1_020);
    let ticket = line.bus.command(line.now.mono, PointId(80), 5.0, Millis(3000)).unwrap();
    let asked = line.asked.len();
    line.run_until(1_030);
    let write = Request::Write(Write::Register { address: 0, word: 5 });
    assert_eq!(line.asked[asked], (1_020, 7, write));
    line.run_until(1_100);
    assert_eq!(line.answers, [(ticket, Ok(()))]);
}

#[test]
fn commands_for_a_dead_device_wait_for_its_probes_and_end_at_their_deadline() {
    let mut line = Line::new(vec![device(1, Millis(1000)), device(2, Millis(1000))]);
    line.dead = vec![0];
    line.run_until(600);
    for _ in 0..COMMANDS_MAX {
        line.bus.command(line.now.mono, PointId(10), 5.0, Millis(10_000)).unwrap();
    }
    let full = line.bus.command(line.now.mono, PointId(10), 5.0, Millis(10_000));
    assert_eq!(full, Err(CommandError::QueueFull));
    let neighbour = line.bus.command(line.now.mono, PointId(20), 5.0, Millis(10_000)).unwrap();
    line.run_until(30_000);
    assert_eq!(line.answers.len(), COMMANDS_MAX + 1);
    assert_eq!(line.answers[0], (neighbour, Ok(())));
    let late = line.answers.iter().filter(|(_, result)| *result == Err(CommandError::TooLate)).count();
    let sent = line.answers.iter().filter(|(_, result)| *result == Err(CommandError::NoAnswer)).count();
    assert_eq!(late + sent, COMMANDS_MAX);
    assert!(sent <= 4, "each costs the neighbours a time-out: {sent}");
    assert_eq!(line.samples_of(2).len(), 60, "and the neighbour misses no poll");
}

#[test]
fn without_a_line_a_command_ends_at_its_deadline_without_being_sent() {
    let mut line = Line::new(vec![device(1, Millis(60_000))]);
    line.reachable = false;
    line.run_until(100);
    let ticket = line.bus.command(line.now.mono, PointId(10), 5.0, Millis(2000)).unwrap();
    line.run_until(2_099);
    assert_eq!(line.answers, []);
    line.run_until(2_110);
    assert_eq!(line.answers, [(ticket, Err(CommandError::TooLate))]);
    assert_eq!(line.asked, []);
}

#[test]
fn what_cannot_be_written_is_refused_at_once() {
    let mut bus = Bus::new(vec![device(1, Millis(1000))], Mono(0));
    let mut refusal = |point, value| bus.command(Mono(0), PointId(point), value, Millis(1000)).unwrap_err();
    assert_eq!(refusal(99, 1.0), CommandError::NotHere);
    assert_eq!(refusal(11, 1.0), CommandError::ReadOnly);
    assert!(matches!(refusal(10, 101.0), CommandError::OutOfRange { .. }));
}

#[test]
fn quiet_time_between_frames_is_kept() {
    let mut quiet = device(1, Millis(1000));
    quiet.modbus.guard_ms = 50;
    let mut line = Line::new(vec![quiet]);
    line.run_until(200);
    let times: Vec<_> = line.asked.iter().map(|(at, _, _)| *at).collect();
    assert_eq!(times, [0, 60], "50 ms after the answer that came at 10");
}

#[test]
fn a_poll_longer_than_its_interval_skips_polls_and_never_piles_them_up() {
    let mut line = Line::new(vec![device(1, Millis(15))]);
    line.run_until(1_000);
    assert!(line.asked.len() <= 100 && line.asked.len() > 50, "{}", line.asked.len());
    let starts: Vec<_> = line.asked.iter().map(|(_, _, request)| request.clone()).collect();
    assert!(starts.windows(2).all(|pair| pair[0] != pair[1]), "each poll is made whole");
}

/// What goes wrong next on the line, and for how long.
fn trouble() -> impl Strategy<Value = (bool, Vec<usize>, Option<(usize, Outcome)>, i64)> {
    let odd = prop_oneof![
        Just(Outcome::Garbled),
        Just(Outcome::Lost),
        Just(Outcome::Exception(2)),
        Just(Outcome::Exception(0x0B)),
        Just(Outcome::Answer(Answer::Words(Vec::new()))),
        Just(Outcome::Answer(Answer::Bits(vec![true]))),
        Just(Outcome::Written),
    ];
    (
        prop::bool::weighted(0.7),
        prop::collection::vec(0usize..3, 0..3),
        prop::option::of((0usize..3, odd)),
        1i64..40_000,
    )
}

proptest! {
    #[test]
    fn whatever_happens_every_point_keeps_being_reported_and_recovers(
        troubles in prop::collection::vec((trouble(), any::<bool>()), 1..8),
    ) {
        let mut line = Line::new((1..=3).map(|number| device(number, Millis(1000))).collect());
        let mut tickets = 0;
        for ((reachable, dead, odd, span), order) in troubles {
            (line.reachable, line.dead, line.odd) = (reachable, dead, odd);
            if order && line.bus.command(line.now.mono, PointId(20), 1.0, Millis(5000)).is_ok() {
                tickets += 1;
            }
            line.run_until(line.now.mono.0 + span);
        }
        (line.reachable, line.dead, line.odd) = (true, Vec::new(), None);
        // The longest pause of the line or of a device, and the poll after it.
        line.run_until(line.now.mono.0 + 62_000);
        prop_assert_eq!(line.answers.len(), tickets, "every command has one outcome");
        for point in [10, 11, 20, 21, 30, 31].map(PointId) {
            let own: Vec<_> = line.readings.iter().filter(|(_, reading)| reading.point == point).collect();
            let mut last = 0;
            for (at, _) in &own {
                // One interval, and the time-outs of all three devices in it.
                prop_assert!(at - last <= 1000 + 3 * 600, "{point:?}: nothing from {last} to {at}");
                last = *at;
            }
            prop_assert!(line.now.mono.0 - last <= 2000);
            prop_assert_eq!(own.last().map(|(_, reading)| reading.sample), Some(Sample::Good(7.0)));
        }
    }
}
