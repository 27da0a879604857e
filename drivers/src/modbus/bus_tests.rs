//! The promises of the bus, played without a socket: the test is the line and the devices.

use super::*;
use crate::modbus::device::{Polls, Safe};
use crate::modbus::request::Write;
use crate::modbus::serial::Serial;
use crate::profile::{Profile, SafeOutput, Table, Watchdog};
use proptest::prelude::*;
use std::collections::HashMap;
use storewarden_rules::{Sample, Utc};

const HEAD: &str =
    "maker='x'\nmodel='x'\nclasses=['chiller']\nsource='test'\nverified=false\n[modbus]\ntimeout_ms=500\n";

/// What the class requires; nobody reads it.
const AIR: &str = "[[point]]\nname='air_temperature'\nfunction=4\naddress=9\nkind='s16'\nunit='°C'\n";

/// Two points far apart, hence two reads; the first can be written.
const TWO: [&str; 2] = [
    "name='near'\nfunction=3\naddress=0\nkind='u16'\nunit='1'\nwrite={function=6, range=[0, 100]}\n",
    "name='far'\nfunction=3\naddress=100\nkind='u16'\nunit='1'\n",
];

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A device with these points; their ids are `10 × number`, the next, and so on.
fn with(number: u16, interval: Duration, points: &[&str]) -> BusDevice {
    let count = points.len();
    let points: String = points.iter().map(|point| format!("[[point]]\n{point}")).collect();
    let profile = Profile::parse("x", &format!("{HEAD}{points}{AIR}")).unwrap();
    BusDevice {
        name: format!("device-{number}"),
        unit: u8::try_from(number).unwrap(),
        modbus: profile.modbus().unwrap().clone(),
        wanted: (10 * number..).map(PointId).zip(0..count).collect(),
        points: profile.points,
        polls: Polls::every(interval),
        timeout: None,
        safe: None,
    }
}

fn device(number: u16, interval: Duration) -> BusDevice {
    with(number, interval, &TWO)
}

fn register(address: u16) -> String {
    format!("name='p{address}'\nfunction=3\naddress={address}\nkind='u16'\nunit='1'\n")
}

type Odd = Box<dyn FnMut(u64, usize, &Request) -> Option<Outcome>>;

/// A line with some dead devices, on which an answer takes 10 ms and a missing one 500 ms.
struct Line {
    bus: Bus,
    now: Moment,
    link: LinkAfter,
    reachable: bool,
    dead: Vec<usize>,
    /// What happens instead of an answer, by time in ms, device and request.
    odd: Odd,
    words: HashMap<(usize, u16), u16>,
    asked: Vec<(u64, usize, Request)>,
    readings: Vec<(u64, Reading)>,
    answers: Vec<(u64, Result<(), CommandError>)>,
    changes: Vec<Change>,
    connects: Vec<u64>,
}

impl Line {
    fn new(devices: Vec<BusDevice>) -> Self {
        Self {
            bus: Bus::new(LineCost::Tcp, devices, Duration::ZERO),
            now: Moment::default(),
            link: LinkAfter::Kept,
            reachable: true,
            dead: Vec::new(),
            odd: Box::new(|_, _, _| None),
            words: HashMap::new(),
            asked: Vec::new(),
            readings: Vec::new(),
            answers: Vec::new(),
            changes: Vec::new(),
            connects: Vec::new(),
        }
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.now.mono.as_millis()).unwrap()
    }

    fn pass(&mut self, span: Duration) {
        self.now.mono += span;
        self.now.utc = Utc(i64::try_from(self.now.mono.as_millis()).unwrap());
    }

    fn run_until(&mut self, end: u64) {
        while self.now.mono < ms(end) {
            self.step(ms(end));
        }
    }

    fn step(&mut self, end: Duration) {
        let at = self.ms();
        match self.bus.next(self.now) {
            Next::Report(readings) => self.readings.extend(readings.into_iter().map(|reading| (at, reading))),
            Next::Answer { ticket, result } => self.answers.push((ticket, result)),
            Next::Changed(change) => self.changes.push(change),
            Next::Connect => {
                self.connects.push(at);
                self.bus.connected(self.now, self.reachable);
            }
            Next::Request { device, request } => {
                self.asked.push((at, device, request.clone()));
                let odd = (self.odd)(at, device, &request);
                let dead = self.dead.contains(&device) || odd == Some(Outcome::TimedOut);
                self.pass(ms(if dead { 500 } else { 10 }));
                let outcome = match (odd, &request) {
                    _ if !self.reachable => Outcome::Lost,
                    _ if dead => Outcome::TimedOut,
                    (Some(outcome), _) => outcome,
                    (None, Request::Write(write)) => {
                        match *write {
                            Write::Register { address, word } => {
                                self.words.insert((device, address), word);
                            }
                            Write::Coil { address, on } => {
                                self.words.insert((device, address), u16::from(on));
                            }
                            _ => panic!("not used here"),
                        }
                        Outcome::Written
                    }
                    (None, Request::Read { table, start, count }) => {
                        let word = |at| *self.words.get(&(device, at)).unwrap_or(&7);
                        let words = (*start..*start + *count).map(word);
                        Outcome::Answer(if table.is_bits() {
                            Answer::Bits(words.map(|word| word == 1).collect())
                        } else {
                            Answer::Words(words.collect())
                        })
                    }
                };
                let lost = matches!(outcome, Outcome::TimedOut | Outcome::Garbled | Outcome::Lost);
                let link = if outcome == Outcome::Lost { LinkAfter::Dropped } else { self.link };
                self.bus.done(self.now, outcome, if lost { link } else { LinkAfter::Kept });
            }
            Next::WaitUntil(moment) => {
                assert!(moment > self.now.mono, "a wait that does not wait spins for ever");
                self.pass(moment.min(end) - self.now.mono);
            }
        }
    }

    fn samples_of(&self, device: u16) -> Vec<(u64, Sample)> {
        let own = |reading: &Reading| reading.point.0 / 10 == device;
        self.readings
            .iter()
            .filter(|(_, reading)| own(reading))
            .map(|(at, reading)| (*at, reading.sample))
            .collect()
    }

    fn good_of(&self, device: u16) -> usize {
        self.samples_of(device).iter().filter(|(_, sample)| sample.good().is_some()).count()
    }

    fn asked_of(&self, device: usize) -> Vec<(u64, &Request)> {
        let own = self.asked.iter().filter(|(_, asked, _)| *asked == device);
        own.map(|(at, _, request)| (*at, request)).collect()
    }

    fn command(&mut self, point: u16, value: f64, deadline: i64) -> u64 {
        self.bus.command(self.now.mono, PointId(point), value, Millis(deadline)).unwrap()
    }
}

fn read(start: u16, count: u16) -> Request {
    Request::Read { table: Table::HoldingRegister, start, count }
}

fn write(address: u16, word: u16) -> Request {
    Request::Write(Write::Register { address, word })
}

#[test]
fn every_device_is_polled_at_its_own_interval_and_the_earliest_deadline_first() {
    let mut line = Line::new(vec![device(1, ms(5000)), device(2, ms(1000))]);
    line.run_until(9_999);
    let turns: Vec<_> = line.asked.iter().take(4).map(|(_, device, _)| *device).collect();
    assert_eq!(turns, [1, 1, 0, 0], "the one that has less time");
    assert_eq!(line.samples_of(1).len(), 4);
    assert_eq!(line.samples_of(2).len(), 20);
    assert!(line.readings.iter().all(|(_, reading)| reading.sample == Sample::Good(7.0)));
    assert_eq!(line.changes, [Change::LinkUp]);
    assert_eq!(line.connects, [0]);
}

#[test]
fn each_pace_of_a_device_has_its_own_interval() {
    let slow = format!("{}pace='slow'\n", register(200));
    let fast = format!("{}pace='fast'\n", register(300));
    let mut one = with(1, ms(1000), &[TWO[0], &slow, &fast]);
    one.polls = Polls { fast: ms(500), normal: ms(1000), slow: ms(60_000) };
    let mut line = Line::new(vec![one]);
    line.run_until(59_999);
    let count = |start| line.asked.iter().filter(|(_, _, request)| *request == read(start, 1)).count();
    assert_eq!((count(300), count(0), count(200)), (120, 60, 1));
}

#[test]
fn an_overloaded_line_starves_nobody() {
    // 20 ms of reads every 15 ms, and one device that wants 20 ms a second.
    let mut line = Line::new(vec![device(1, ms(15)), device(2, ms(1000)), device(3, ms(0))]);
    line.run_until(20_000);
    assert_eq!(line.good_of(2), 40, "not a poll less");
    let polls = line.good_of(1) / 2;
    assert!((500..1333).contains(&polls), "{polls} of 1333: what does not fit is left out");
    assert!(line.good_of(3) > 20, "what is made as fast as may be gets its turn: {}", line.good_of(3));
}

#[test]
fn as_fast_as_the_line_allows_is_all_that_others_leave() {
    let mut line = Line::new(vec![device(1, ms(0)), device(2, ms(1000))]);
    line.run_until(10_000);
    assert_eq!(line.good_of(2), 20);
    assert!((970..=980).contains(&line.good_of(1)), "{}", line.good_of(1));
}

#[test]
fn a_dead_device_is_asked_once_per_pause_and_still_yields_every_missed_poll() {
    let mut line = Line::new(vec![device(1, ms(1000)), device(2, ms(1000))]);
    line.dead = vec![0];
    line.run_until(119_999);
    let asked: Vec<_> = line.asked_of(0).iter().map(|(at, _)| at / 1000).collect();
    // Asked at 0, and as it never answered not once more; then after pauses of 1, 2, 4, 8, 16, 32 s.
    assert_eq!(asked.len(), 7, "{asked:?}");
    let dead = line.samples_of(1);
    assert_eq!(dead.len(), 240, "two points, 120 polls");
    assert!(dead.iter().all(|(_, sample)| *sample == Sample::Bad(BadReason::NoResponse)));
    assert_eq!(line.good_of(2), 240, "its neighbour misses nothing");
    assert_eq!(line.changes, [Change::LinkUp, Change::DeviceSilent(0, BadReason::NoResponse)], "told once");

    line.dead.clear();
    line.run_until(200_000);
    assert_eq!(line.changes.last(), Some(&Change::DeviceBack(0)));
    assert_eq!(line.samples_of(1).last().map(|(_, sample)| *sample), Some(Sample::Good(7.0)));
    let after: Vec<_> = line.asked_of(0).into_iter().skip(7).take(3).collect();
    assert_eq!(after[0].0 + 10, after[1].0, "its poll begins as soon as the probe is answered");
}

#[test]
fn silent_devices_take_turns_and_at_most_three_hundredths_of_a_busy_line() {
    // Reads of the living take 600 of every 700 ms: there is never room for a time-out of 500 ms.
    let busy: Vec<String> = (0..60).map(|n| register(10 * n)).collect();
    let busy: Vec<&str> = busy.iter().map(String::as_str).collect();
    let mut devices = vec![with(1, ms(700), &busy)];
    devices.extend((10..14).map(|number| device(number, ms(700))));
    let mut alone = Line::new(devices[..1].to_vec());
    let mut line = Line::new(devices);
    line.dead = vec![1, 2, 3, 4];
    // What finding out costs, two time-outs each, and half an hour after it.
    line.run_until(9_000);
    let asked = line.asked.len();
    line.run_until(1_809_000);
    alone.run_until(1_800_000);
    let probes: Vec<_> = line.asked[asked..].iter().filter(|(_, device, _)| *device != 0).collect();
    let lost = 500 * probes.len();
    assert!(lost <= 1_800_000 * 3 / 100 + 500, "{lost} ms");
    for dead in 1..5 {
        let own = probes.iter().filter(|(_, device, _)| *device == dead).count();
        assert!(own >= 20, "{own} probes of device {dead}");
    }
    let (with_dead, without) = (line.asked.len() - asked - probes.len(), alone.asked.len());
    assert!(with_dead * 100 >= without * 95, "{with_dead} of {without}");
}

#[test]
fn some_misses_are_forgiven_and_more_than_that_are_not() {
    let mut line = Line::new(vec![device(1, ms(1000))]);
    line.odd = Box::new(|at, _, _| [3_000, 5_000, 7_000].contains(&at).then_some(Outcome::Garbled));
    line.run_until(50_000);
    assert_eq!(line.good_of(1), 100, "asked once more each time");
    assert_eq!(line.changes, [Change::LinkUp]);
    let bad = [51_000, 53_000, 55_000, 57_000];
    line.odd = Box::new(move |at, _, _| bad.contains(&at).then_some(Outcome::Garbled));
    line.run_until(58_000);
    assert_eq!(line.changes[1..], [Change::DeviceSilent(0, BadReason::Garbled)]);
    assert_eq!(line.samples_of(1).last().unwrap().1, Sample::Bad(BadReason::Garbled));
    line.run_until(60_000);
    assert_eq!(line.changes[2..], [Change::DeviceBack(0)]);
}

#[test]
fn a_dropped_line_is_opened_anew_before_anything_is_asked_and_a_kept_one_is_not() {
    for (link, connects) in [(LinkAfter::Dropped, &[0, 500][..]), (LinkAfter::Kept, &[0][..])] {
        let mut line = Line::new(vec![device(1, ms(10_000)), device(2, ms(10_000))]);
        (line.dead, line.link) = (vec![0], link);
        line.run_until(1_400);
        assert_eq!(line.connects, connects);
        assert_eq!(line.good_of(2), 2);
    }
}

#[test]
fn without_a_line_every_poll_is_a_bad_reading_and_attempts_grow_rarer() {
    let mut line = Line::new(vec![device(1, ms(1000))]);
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
fn a_device_that_failed_spoils_its_own_read_only() {
    let mut line = Line::new(vec![device(1, ms(1000))]);
    line.odd = Box::new(|_, _, _| Some(Outcome::Exception(4)));
    line.run_until(500);
    let reasons: Vec<_> = line.samples_of(1).iter().map(|(_, sample)| *sample).collect();
    assert_eq!(reasons, [Sample::Bad(BadReason::Exception(4)); 2]);
    assert_eq!(line.asked.len(), 2, "the second read is still made");
    assert_eq!(line.changes, [Change::LinkUp], "a device that refuses is not silent");
}

#[test]
fn a_refused_read_is_cut_at_its_gaps_then_in_halves_until_the_culprit_is_found() {
    let points = [0u16, 1, 2, 3, 7, 8].map(register);
    let mut one = with(1, ms(1000), &points.each_ref().map(String::as_str));
    one.modbus.gap_max = 10;
    let mut line = Line::new(vec![one]);
    // Nothing at 4 to 6, and point 2 is not there either.
    line.odd = Box::new(|_, _, request| match request {
        Request::Read { start, count, .. } => {
            (*start..start + count).any(|at| at == 2 || (4..7).contains(&at)).then_some(Outcome::Exception(2))
        }
        Request::Write(_) => None,
    });
    line.run_until(999);
    let reads: Vec<_> = line.asked.iter().map(|(_, _, request)| request.clone()).collect();
    let whole = [read(0, 9), read(0, 4), read(0, 2), read(2, 2), read(0, 2), read(2, 1)];
    assert_eq!(reads[..6], whole);
    assert_eq!(reads[6..], [read(0, 2), read(3, 1), read(7, 2)]);
    let told = |start, count, points: &[usize]| {
        let read = Read { table: Table::HoldingRegister, start, count, points: points.to_vec() };
        Change::ReadSplit { device: 0, read }
    };
    let absent = Change::PointAbsent { device: 0, point: 2 };
    let expected = [told(0, 9, &[0, 1, 2, 3, 4, 5]), told(0, 4, &[0, 1, 2, 3]), told(2, 2, &[2, 3]), absent];
    assert_eq!(line.changes[1..], expected);

    let (asked, seen) = (line.asked.len(), line.readings.len());
    line.run_until(1_999);
    assert_eq!(line.asked.len() - asked, 3, "remembered: not asked for again");
    let poll: Vec<_> =
        line.readings[seen..].iter().map(|(_, reading)| (reading.point.0, reading.sample)).collect();
    let good = |point| (point, Sample::Good(7.0));
    let bad = (12, Sample::Bad(BadReason::Exception(2)));
    assert_eq!(poll, [bad, good(10), good(11), good(13), good(14), good(15)]);

    line.odd = Box::new(|_, _, _| None);
    line.run_until(3_605_000);
    assert_eq!(
        line.readings.iter().rev().find(|(_, r)| r.point.0 == 12).unwrap().1.sample,
        Sample::Good(7.0)
    );
    assert!(line.asked.iter().filter(|(at, ..)| *at > 3_601_000).all(|(_, _, r)| *r != read(0, 9)));
}

#[test]
fn a_device_that_comes_back_is_asked_for_all_its_points_again() {
    let mut line = Line::new(vec![device(1, ms(1000))]);
    line.odd = Box::new(|_, _, request| match request {
        Request::Read { start, count, .. } => (start + count > 9).then_some(Outcome::Exception(2)),
        Request::Write(_) => None,
    });
    line.run_until(3_000);
    assert_eq!(line.changes[1..], [Change::PointAbsent { device: 0, point: 1 }]);
    // Switched off, and another one in its place.
    line.dead = vec![0];
    line.run_until(20_000);
    line.dead.clear();
    line.odd = Box::new(|_, _, _| None);
    line.run_until(60_000);
    assert_eq!(
        line.readings.iter().rev().find(|(_, r)| r.point.0 == 11).unwrap().1.sample,
        Sample::Good(7.0)
    );
}

#[test]
fn a_busy_device_is_asked_again_while_others_go_on() {
    let mut line = Line::new(vec![device(1, ms(10_000)), device(2, ms(10_000))]);
    line.odd = Box::new(|at, device, _| (device == 0 && at < 250).then_some(Outcome::Exception(6)));
    line.run_until(1_000);
    assert!(line.readings.iter().all(|(_, reading)| reading.sample == Sample::Good(7.0)));
    let own: Vec<_> = line.asked_of(0).iter().map(|(at, _)| *at).collect();
    assert_eq!(own, [0, 110, 220, 330, 340]);
    assert_eq!(line.asked_of(1)[0].0, 10);

    let mut line = Line::new(vec![device(1, ms(10_000))]);
    line.odd = Box::new(|_, _, _| Some(Outcome::Exception(5)));
    line.run_until(5_000);
    assert_eq!(line.asked.len(), 12, "each read five times more");
    assert_eq!(line.samples_of(1)[0].1, Sample::Bad(BadReason::Exception(5)));
}

#[test]
fn a_busy_device_is_sent_a_command_again() {
    let bit = "name='eco'\nfunction=3\naddress=5\nkind='u16'\nunit='flag'\nbit=3\nwrite={function=6, range=[0, 1]}\n";
    let mut line = Line::new(vec![device(1, ms(10_000)), with(2, ms(10_000), &[bit])]);
    line.words.insert((1, 5), 0xf0f0);
    line.run_until(100);
    let busy = |at, request: &Request| at < 350 && matches!(request, Request::Write(_));
    line.odd = Box::new(move |at, _, request| busy(at, request).then_some(Outcome::Exception(6)));
    let (whole, part) = (line.command(10, 5.0, 3000), line.command(20, 1.0, 3000));
    line.run_until(200);
    // Its other bits changed while it was busy.
    line.words.insert((1, 5), 0x0f00);
    line.run_until(2_000);
    assert_eq!(line.answers, [(whole, Ok(())), (part, Ok(()))]);
    assert_eq!((line.words[&(0, 0)], line.words[&(1, 5)]), (5, 0x0f08));

    line.odd =
        Box::new(|_, _, request| matches!(request, Request::Write(_)).then_some(Outcome::Exception(6)));
    let ticket = line.command(10, 6.0, 3000);
    line.run_until(4_000);
    assert_eq!(line.answers[2..], [(ticket, Err(CommandError::Exception(6)))], "not for ever");
}

#[test]
fn an_answer_is_as_late_as_the_wait_for_it_was_over() {
    // Registers 0 and 9, each a read of its own: their answers look alike.
    let (fast, slow) = (format!("{}pace='fast'\n", register(0)), format!("{}pace='slow'\n", register(9)));
    let mut one = with(1, ms(60_000), &[&fast, &slow]);
    one.timeout = Some(Millis(15_000));
    let mut bus = Bus::new(LineCost::Tcp, vec![one], Duration::ZERO);
    let mut now = Moment::default();
    bus.connected(now, true);
    let mut asked = Vec::new();
    while asked.len() < 4 {
        match bus.next(now) {
            Next::Request { request, .. } => {
                asked.push(request);
                let answered = asked.len() < 3;
                now.mono += ms(if answered { 10 } else { 15_000 });
                let seven = Outcome::Answer(Answer::Words(vec![7]));
                bus.done(now, if answered { seven } else { Outcome::TimedOut }, LinkAfter::Kept);
            }
            Next::WaitUntil(moment) => now.mono = moment,
            _ => {}
        }
    }
    assert_eq!(asked[..3], [read(0, 1), read(9, 1), read(0, 1)]);
    assert_ne!(asked[3], read(9, 1), "the answer to the one before may still come");
}

#[test]
fn a_gateway_that_misses_the_unit_is_the_units_silence() {
    let mut line = Line::new(vec![device(1, ms(1000)), device(2, ms(1000))]);
    line.odd = Box::new(|_, device, _| (device == 0).then_some(Outcome::Exception(0x0B)));
    line.run_until(500);
    assert_eq!(line.asked_of(0).len(), 1);
    assert_eq!(line.changes, [Change::LinkUp, Change::DeviceSilent(0, BadReason::Exception(0x0B))]);
    assert_eq!(line.samples_of(1)[1].1, Sample::Bad(BadReason::Exception(0x0B)));
    assert_eq!(line.connects, [0], "the gateway answered: the line is sound");
    assert_eq!(line.good_of(2), 2);
}

#[test]
fn garbage_is_told_as_such_and_ends_in_pauses() {
    let mut line = Line::new(vec![device(1, ms(1000)), device(2, ms(1000))]);
    line.odd = Box::new(|_, device, _| (device == 0).then_some(Outcome::Garbled));
    line.run_until(60_000);
    assert!(line.samples_of(1).iter().all(|(_, sample)| *sample == Sample::Bad(BadReason::Garbled)));
    assert_eq!(line.samples_of(1).len(), 120);
    assert!(line.asked_of(0).len() <= 8, "{:?}", line.asked_of(0));
    assert_eq!(line.good_of(2), 120);
}

#[test]
fn multipliers_are_read_first_and_the_last_good_one_counts() {
    let ratio = format!("{}pace='slow'\n", register(50));
    let energy = format!("{}scale_by=['p50']\nrange=[0, 100]\n", register(0));
    let mut one = with(1, ms(1000), &[&energy, &ratio]);
    one.polls.slow = ms(5000);
    let mut line = Line::new(vec![one]);
    line.words.insert((0, 50), 4);
    line.run_until(500);
    assert_eq!(line.asked[0].2, read(50, 1));
    let samples: Vec<_> =
        line.readings.iter().map(|(_, reading)| (reading.point.0, reading.sample)).collect();
    assert_eq!(samples, [(11, Sample::Good(4.0)), (10, Sample::Good(28.0))]);
    line.words.insert((0, 50), 40);
    line.run_until(6_500);
    let last =
        |line: &Line, point| line.readings.iter().rev().find(|(_, r)| r.point.0 == point).unwrap().1.sample;
    assert_eq!(last(&line, 10), Sample::Bad(BadReason::OutOfRange), "the range is that of the product");
    line.words.insert((0, 0), 2);
    line.odd = Box::new(|_, _, request| (*request == read(50, 1)).then_some(Outcome::Exception(4)));
    line.run_until(12_000);
    assert_eq!(last(&line, 11), Sample::Bad(BadReason::Exception(4)));
    assert_eq!(last(&line, 10), Sample::Good(80.0));
}

#[test]
fn nothing_is_told_of_a_point_whose_multiplier_is_not_known() {
    let ratio = format!("{}pace='slow'\n", register(50));
    let energy = format!("{}scale_by=['p50']\n", register(0));
    let mut line = Line::new(vec![with(1, ms(1000), &[&energy, &ratio])]);
    line.odd = Box::new(|_, _, request| (*request == read(50, 1)).then_some(Outcome::Exception(4)));
    line.run_until(3_500);
    assert!(line.readings.iter().all(|(_, reading)| reading.point.0 == 11), "{:?}", line.readings);
}

#[test]
fn a_multiplier_that_cannot_be_is_not_known() {
    let ratio = format!("{}pace='slow'\nrange=[1, 100]\n", register(50));
    let energy = format!("{}scale_by=['p50']\n", register(0));
    let mut line = Line::new(vec![with(1, ms(1000), &[&energy, &ratio])]);
    line.words.insert((0, 50), 0);
    line.run_until(3_500);
    let told: Vec<_> = line.readings.iter().map(|(_, reading)| (reading.point.0, reading.sample)).collect();
    assert!(!told.is_empty());
    assert!(told.iter().all(|told| *told == (11, Sample::Bad(BadReason::OutOfRange))), "{told:?}");
}

#[test]
fn a_command_goes_before_the_polls_that_wait_and_is_read_back() {
    let mut line = Line::new((1..=8).map(|number| device(number, ms(1000))).collect());
    line.run_until(1_020);
    let ticket = line.command(80, 5.0, 3000);
    let asked = line.asked.len();
    line.run_until(1_050);
    assert_eq!(line.asked[asked], (1_020, 7, write(0, 5)));
    assert_eq!(line.asked[asked + 1], (1_030, 7, read(0, 1)));
    assert_eq!(line.answers, [(ticket, Ok(()))]);
    let shown = line.samples_of(8).into_iter().filter(|(at, _)| *at >= 1_020).collect::<Vec<_>>();
    assert_eq!(shown[0], (1_040, Sample::Good(5.0)), "told at once");
}

#[test]
fn what_a_device_does_not_take_is_told_after_it_had_its_time() {
    let mut line = Line::new(vec![device(1, ms(1000)), device(2, ms(1000))]);
    line.run_until(100);
    // It says yes and does nothing.
    line.odd = Box::new(|_, _, request| matches!(request, Request::Write(_)).then_some(Outcome::Written));
    let ticket = line.command(10, 5.0, 3000);
    let second = line.command(10, 6.0, 3000);
    line.run_until(1_500);
    let not_taken = |wrote| Err(CommandError::NotTaken { wrote, reads: 7.0 });
    assert_eq!(line.answers, [(ticket, not_taken(5.0)), (second, not_taken(6.0))]);
    let own: Vec<_> = line.asked_of(0).into_iter().filter(|(at, _)| (100..1000).contains(at)).collect();
    let first = [(100, &write(0, 5)), (110, &read(0, 1)), (220, &read(0, 1)), (730, &read(0, 1))];
    assert_eq!(own[..4], first, "at once, after 100 ms and after 500 ms");
    assert_eq!(own[4], (740, &write(0, 6)), "in the order given");

    line.odd =
        Box::new(|_, _, request| matches!(request, Request::Write(_)).then_some(Outcome::Exception(3)));
    let refused = line.command(10, 5.0, 3000);
    line.run_until(3_000);
    assert_eq!(line.answers[2], (refused, Err(CommandError::Exception(3))));
}

#[test]
fn a_slow_switch_is_given_time() {
    let mut line = Line::new(vec![device(1, ms(1000))]);
    line.words.insert((0, 0), 3);
    line.run_until(100);
    line.odd = Box::new(|at, _, request| match request {
        Request::Write(_) => None,
        Request::Read { .. } => (at < 200).then(|| Outcome::Answer(Answer::Words(vec![3]))),
    });
    let ticket = line.command(10, 5.0, 3000);
    line.run_until(500);
    assert_eq!(line.answers, [(ticket, Ok(()))]);
}

#[test]
fn a_write_whose_answer_is_lost_is_not_repeated_but_read_back() {
    for lost in [Outcome::TimedOut, Outcome::Garbled, Outcome::Lost] {
        for took in [true, false] {
            let mut line = Line::new(vec![device(1, ms(1000))]);
            line.run_until(100);
            if took {
                line.words.insert((0, 0), 5);
            }
            let outcome = lost.clone();
            line.odd =
                Box::new(move |_, _, request| matches!(request, Request::Write(_)).then(|| outcome.clone()));
            let ticket = line.command(10, 5.0, 5000);
            line.run_until(6_000);
            let writes = line.asked.iter().filter(|(_, _, request)| *request == write(0, 5)).count();
            assert_eq!(writes, 1, "{lost:?}");
            let expected = if took { Ok(()) } else { Err(CommandError::NotTaken { wrote: 5.0, reads: 7.0 }) };
            assert_eq!(line.answers, [(ticket, expected)], "{lost:?}");
        }
    }
}

#[test]
fn bits_of_a_shared_word_are_changed_with_nothing_in_between() {
    let bit = "name='eco'\nfunction=3\naddress=5\nkind='u16'\nunit='flag'\nbit=3\nwrite={function=6, range=[0, 1]}\n";
    let mut line = Line::new(vec![device(1, ms(10)), with(2, ms(100), &[bit]), device(3, ms(10))]);
    line.words.insert((1, 5), 0xf0f0);
    line.run_until(1_000);
    let ticket = line.command(20, 1.0, 3000);
    let other = line.command(10, 1.0, 3000);
    line.run_until(1_100);
    let at = line.asked.iter().position(|(_, _, request)| *request == write(5, 0xf0f8)).expect("written");
    assert_eq!((line.asked[at - 1].1, &line.asked[at - 1].2), (1, &read(5, 1)));
    assert_eq!(line.answers, [(ticket, Ok(())), (other, Ok(()))]);
}

#[test]
fn commands_for_a_dead_device_end_at_their_deadline_and_cost_no_more_than_its_probes() {
    let mut line = Line::new(vec![device(1, ms(1000)), device(2, ms(1000))]);
    line.dead = vec![0];
    line.run_until(1_600);
    let (now, asked) = (line.now.mono, line.asked_of(0).len());
    for _ in 0..COMMANDS_MAX {
        line.command(10, 5.0, 10_000);
    }
    let full = line.bus.command(now, PointId(10), 5.0, Millis(10_000));
    assert_eq!(full, Err(CommandError::QueueFull));
    let neighbour = line.command(20, 5.0, 10_000);
    line.run_until(30_000);
    assert_eq!(line.answers.len(), COMMANDS_MAX + 1);
    assert_eq!(line.answers[0], (neighbour, Ok(())));
    assert!(line.answers[1..].iter().all(|(_, result)| *result == Err(CommandError::TooLate)));
    assert!(line.asked_of(0)[asked..].iter().all(|(_, request)| matches!(request, Request::Read { .. })));
    assert!(line.asked_of(0).len() - asked <= 4);
    assert!(line.good_of(2) >= 60, "and the neighbour misses no poll");

    let ticket = line.command(10, 5.0, 60_000);
    line.dead.clear();
    line.run_until(95_000);
    assert_eq!(line.answers.last(), Some(&(ticket, Ok(()))), "it comes back in time");
}

#[test]
fn without_a_line_a_command_ends_at_its_deadline_without_being_sent() {
    let mut line = Line::new(vec![device(1, ms(60_000))]);
    line.reachable = false;
    line.run_until(100);
    let ticket = line.command(10, 5.0, 2000);
    line.run_until(2_099);
    assert_eq!(line.answers, []);
    line.run_until(2_110);
    assert_eq!(line.answers, [(ticket, Err(CommandError::TooLate))]);
    assert_eq!(line.asked, []);
}

#[test]
fn what_cannot_be_written_is_refused_at_once() {
    let mut bus = Bus::new(LineCost::Tcp, vec![device(1, ms(1000))], Duration::ZERO);
    let mut refusal =
        |point, value| bus.command(Duration::ZERO, PointId(point), value, Millis(1000)).unwrap_err();
    assert_eq!(refusal(99, 1.0), CommandError::NotHere);
    assert_eq!(refusal(11, 1.0), CommandError::ReadOnly);
    assert!(matches!(refusal(10, 101.0), CommandError::OutOfRange { .. }));
}

/// A relay with a watchdog: time-out in register 8, in seconds; safe state of its output in 930,
/// behaviour 1 in 938.
fn guarded(number: u16, interval: Duration) -> BusDevice {
    let output = SafeOutput { point: 0, state: 930, behaviour: Some((938, 1)) };
    let mut relay = device(number, interval);
    relay.modbus.watchdog = Some(Watchdog { address: 8, tick_ms: 1000, outputs: vec![output] });
    relay.safe = Some(Safe { after: ms(30_000), outputs: vec![(0, true)] });
    relay
}

#[test]
fn a_watchdog_is_set_once_verified_and_set_again_when_the_device_comes_back() {
    let mut line = Line::new(vec![guarded(1, ms(1000))]);
    line.words.insert((0, 938), 1);
    line.run_until(900);
    let writes = |line: &Line| -> Vec<_> {
        line.asked
            .iter()
            .filter(|(_, _, r)| matches!(r, Request::Write(_)))
            .map(|(_, _, r)| r.clone())
            .collect()
    };
    assert_eq!(writes(&line), [write(930, 1), write(8, 30)], "only what differs");
    assert_eq!(line.changes, [Change::LinkUp, Change::WatchdogSet(0)]);

    line.dead = vec![0];
    line.run_until(3_000);
    line.dead.clear();
    line.words.clear();
    line.run_until(20_000);
    assert_eq!(
        line.changes[2..],
        [Change::DeviceSilent(0, BadReason::NoResponse), Change::WatchdogSet(0), Change::DeviceBack(0)]
    );
    assert_eq!(writes(&line)[2..], [write(938, 1), write(930, 1), write(8, 30)]);
}

#[test]
fn a_watchdog_that_cannot_be_set_is_told() {
    let mut line = Line::new(vec![guarded(1, ms(1000))]);
    line.odd = Box::new(|_, _, request| (*request == write(930, 1)).then_some(Outcome::Exception(2)));
    line.run_until(2_000);
    let why = CommandError::Exception(2);
    assert_eq!(line.changes[1..], [Change::WatchdogFailed { device: 0, address: 930, why }]);
    assert!(!line.asked.iter().any(|(_, _, request)| *request == write(8, 30)), "never armed half set");
}

#[test]
fn a_device_with_a_watchdog_is_not_left_alone() {
    let mut line = Line::new(vec![guarded(1, ms(600_000))]);
    line.run_until(300_000);
    let times: Vec<_> = line.asked.iter().map(|(at, _, _)| *at).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 10_010), "{times:?}");
    assert!(times.len() < 45, "{}", times.len());
}

#[test]
fn quiet_time_between_frames_is_kept() {
    let mut quiet = device(1, ms(1000));
    quiet.modbus.guard_ms = 50;
    let mut line = Line::new(vec![quiet]);
    line.run_until(200);
    let times: Vec<_> = line.asked.iter().map(|(at, _, _)| *at).collect();
    assert_eq!(times, [0, 60], "50 ms after the answer that came at 10");

    let mut line = Line::new(vec![device(1, ms(1000))]);
    line.bus =
        Bus::new(LineCost::Rtu(Serial { baud: 1200, ..Serial::STANDARD }), vec![device(1, ms(1000))], ms(0));
    line.run_until(200);
    let times: Vec<_> = line.asked.iter().map(|(at, _, _)| *at).collect();
    assert_eq!(times, [0, 42], "3.5 characters of 9.2 ms");
}

#[test]
fn a_poll_longer_than_its_interval_skips_polls_and_never_piles_them_up() {
    let mut line = Line::new(vec![device(1, ms(15))]);
    line.run_until(1_000);
    assert!(line.asked.len() <= 100 && line.asked.len() > 50, "{}", line.asked.len());
    let starts: Vec<_> = line.asked.iter().map(|(_, _, request)| request.clone()).collect();
    assert!(starts.windows(2).all(|pair| pair[0] != pair[1]), "each poll is made whole");
}

/// What goes wrong next on the line, and for how long.
fn trouble() -> impl Strategy<Value = (bool, Vec<usize>, Option<(usize, Outcome)>, u64)> {
    let odd = prop_oneof![
        Just(Outcome::Garbled),
        Just(Outcome::Lost),
        Just(Outcome::Exception(4)),
        Just(Outcome::Exception(6)),
        Just(Outcome::Exception(0x0B)),
        Just(Outcome::Answer(Answer::Words(Vec::new()))),
        Just(Outcome::Answer(Answer::Bits(vec![true]))),
        Just(Outcome::Written),
    ];
    (
        prop::bool::weighted(0.7),
        prop::collection::vec(0usize..3, 0..3),
        prop::option::of((0usize..3, odd)),
        1u64..40_000,
    )
}

proptest! {
    #[test]
    fn whatever_happens_every_point_keeps_being_reported_and_recovers(
        troubles in prop::collection::vec((trouble(), any::<bool>()), 1..8),
        kept in any::<bool>(),
    ) {
        let mut line = Line::new((1..=3).map(|number| device(number, ms(1000))).collect());
        line.link = if kept { LinkAfter::Kept } else { LinkAfter::Dropped };
        let mut tickets = 0;
        for ((reachable, dead, odd, span), order) in troubles {
            (line.reachable, line.dead) = (reachable, dead);
            line.odd = Box::new(move |_, device, _| {
                odd.as_ref().filter(|(odd, _)| *odd == device).map(|(_, outcome)| outcome.clone())
            });
            if order && line.bus.command(line.now.mono, PointId(20), 1.0, Millis(5000)).is_ok() {
                tickets += 1;
            }
            line.run_until(line.ms() + span);
        }
        (line.reachable, line.dead) = (true, Vec::new());
        line.odd = Box::new(|_, _, _| None);
        // The longest pause of the line or of a device, the poll after it, and what may still be late.
        line.run_until(line.ms() + 75_000);
        prop_assert_eq!(line.answers.len(), tickets, "every command has one outcome");
        for point in [10, 11, 20, 21, 30, 31].map(PointId) {
            let own: Vec<_> = line.readings.iter().filter(|(_, reading)| reading.point == point).collect();
            let mut last = 0;
            for (at, _) in &own {
                // One interval, and three time-outs of all three devices in it.
                prop_assert!(at - last <= 1000 + 9 * 600, "{point:?}: nothing from {last} to {at}");
                last = *at;
            }
            prop_assert!(line.ms() - last <= 2000);
            let value = own.last().map(|(_, reading)| reading.sample);
            prop_assert!(matches!(value, Some(Sample::Good(value)) if value == 7.0 || value == 1.0), "{value:?}");
        }
    }
}

/// Readings of each of the first seven of twelve units on a line at 9600 baud within ten minutes, polled as
/// fast as it allows. With the other five three are dead, one answers 200 ms after its time-out, into
/// whatever is on the line then, and one garbles.
fn readings_of_the_healthy(units: u16) -> Vec<usize> {
    let serial = Serial { baud: 9600, ..Serial::STANDARD };
    let line = LineCost::Rtu(serial);
    let texts: Vec<_> = (0..10).map(register).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let devices: Vec<_> = (1..=units).map(|number| with(number, ms(0), &texts)).collect();
    let mut bus = Bus::new(line, devices, Duration::ZERO);
    let mut now = Moment::default();
    let mut late: Vec<Duration> = Vec::new();
    let mut good = vec![0; 7];
    while now.mono < ms(600_000) {
        match bus.next(now) {
            Next::Report(readings) => {
                for reading in readings.into_iter().filter(|reading| reading.sample.good().is_some()) {
                    let device = usize::from(reading.point.0 / 10) - 1;
                    let value = f64::from(reading.point.0 % 10) + 100.0 * f64::from(reading.point.0 / 10);
                    assert_eq!(reading.sample, Sample::Good(value));
                    good[device] += 1;
                }
            }
            Next::Connect => bus.connected(now, true),
            Next::WaitUntil(moment) => now.mono = moment,
            Next::Request { device, request } => {
                let end = now.mono + line.request(&bus.device(device).modbus, &request) - line.gap();
                let timeout = now.mono + ms(500);
                let collides = late.iter().any(|at| (now.mono..end).contains(at));
                late.retain(|at| *at > end);
                let Request::Read { start, count, .. } = request else { panic!("nothing is written") };
                let unit = u16::try_from(device + 1).unwrap();
                let (at, outcome) = match device {
                    7..=9 => (timeout, Outcome::TimedOut),
                    10 => {
                        late.push(timeout + ms(200));
                        (timeout, Outcome::TimedOut)
                    }
                    11 => (end, Outcome::Garbled),
                    _ if collides => (timeout, Outcome::TimedOut),
                    _ => (
                        end,
                        Outcome::Answer(Answer::Words(
                            (start..start + count).map(|at| at + 100 * unit).collect(),
                        )),
                    ),
                };
                now.mono = at;
                bus.done(now, outcome, LinkAfter::Kept);
            }
            Next::Changed(_) | Next::Answer { .. } => {}
        }
    }
    good
}

#[test]
fn in_a_storm_the_healthy_are_read_nearly_as_often_as_without_it() {
    let (calm, storm) = (readings_of_the_healthy(7), readings_of_the_healthy(12));
    for (calm, storm) in calm.iter().zip(&storm) {
        assert!(storm * 105 >= calm * 100, "{storm} instead of {calm}");
    }
    // The bound: ten minutes over what the planner says the seven cost.
    let texts: Vec<_> = (0..10).map(register).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let devices: Vec<_> = (1..=7).map(|number| with(number, ms(0), &texts)).collect();
    let line = LineCost::Rtu(Serial { baud: 9600, ..Serial::STANDARD });
    let cycle = crate::modbus::load::Load::of(line, &devices).cycle;
    let bound = 600.0 / cycle.as_secs_f64();
    let polls: usize = calm.iter().sum::<usize>() / 70;
    assert!((polls as f64) > 0.99 * bound && (polls as f64) <= bound + 1.0, "{polls} of {bound}");
}

/// A unit on an RTU line that answers in the order in which it is asked, each time after its own
/// while, sometimes never. Registers hold their address, coils its lowest bit. Its answers come to
/// whoever listens then: the line takes whatever has the function and length it waits for.
struct LateUnit {
    /// When the answer comes, and to what.
    coming: VecDeque<(Duration, Request)>,
    /// Per request: the delay, or none for an answer that never comes.
    delays: std::vec::IntoIter<Option<u64>>,
    /// What it does with a request for a table that it does not have.
    answers_strange: bool,
    tables: Vec<Table>,
}

impl LateUnit {
    fn asked(&mut self, now: Duration, request: &Request) {
        let Some(delay) = self.delays.next().unwrap_or(Some(20)) else { return };
        let Request::Read { table, .. } = request else { return };
        if !self.tables.contains(table) && !self.answers_strange {
            return;
        }
        let after = self.coming.back().map_or(now, |(at, _)| now.max(*at));
        let at = after + ms(delay);
        // Later than any unit is known to be: it has given up by then.
        if at < now + crate::modbus::fence::LATEST {
            self.coming.push_back((at, request.clone()));
        }
    }

    /// What the line takes for the answer to `request`, and when.
    fn listen(&mut self, from: Duration, until: Duration, request: &Request) -> (Duration, Outcome) {
        while let Some((at, asked)) = self.coming.front().cloned() {
            if at > until {
                break;
            }
            self.coming.pop_front();
            let (Request::Read { table, start, count }, Request::Read { table: wanted, count: many, .. }) =
                (&asked, request)
            else {
                continue;
            };
            if at < from || table != wanted {
                continue;
            }
            if !self.tables.contains(table) {
                return (at, Outcome::Exception(2));
            }
            let bytes = |count| crate::modbus::cost::data_bytes(*table, count);
            if bytes(*count) != bytes(*many) {
                return (at, Outcome::Garbled);
            }
            // The line counts bytes: of bits it takes as many as it asked for.
            let words = *start..start + many;
            let answer = if table.is_bits() {
                Answer::Bits(words.map(|at| at & 1 == 1).collect())
            } else {
                Answer::Words(words.collect())
            };
            return (at, Outcome::Answer(answer));
        }
        (until, Outcome::TimedOut)
    }
}

fn point(function: u8, address: u16, kind: &str, pace: &str) -> String {
    format!(
        "name='p{function}_{address}'\nfunction={function}\naddress={address}\nkind='{kind}'\nunit='1'\npace='{pace}'\n"
    )
}

fn any_points() -> impl Strategy<Value = Vec<(u8, u16, &'static str, &'static str)>> {
    let pace = prop::sample::select(vec!["fast", "normal", "slow"]);
    let one = (0usize..6, 0u16..40, pace).prop_map(|(kind, place, pace)| match kind {
        0 => (1, 3 * place, "bool", pace),
        1 | 2 => (3, 3 * place, "u16", pace),
        3 => (3, 3 * place, "u32", pace),
        4 => (3, 200 + 3 * place, "u16", pace),
        _ => (4, 3 * place, "u16", pace),
    });
    prop::collection::btree_map(0u8..40, one, 2..9).prop_map(|points| {
        let mut points: Vec<_> = points.into_values().collect();
        points.sort_unstable();
        points.dedup_by_key(|(function, address, ..)| (*function, *address));
        points
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_shrink_iters: 2000, ..ProptestConfig::default() })]
    #[test]
    fn however_late_answers_are_no_value_is_anothers(
        points in any_points(),
        delays in prop::collection::vec(
            prop_oneof![4 => (5u64..100).prop_map(Some), 2 => (100u64..4000).prop_map(Some), 1 => Just(None)],
            0..80,
        ),
        answers_strange in any::<bool>(),
        gap_max in 0u16..4,
    ) {
        let texts: Vec<_> = points.iter().map(|(f, at, kind, pace)| point(*f, *at, kind, pace)).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let mut one = with(1, ms(1200), &texts);
        one.modbus.gap_max = gap_max;
        one.modbus.registers_max = 4;
        let registers = one.modbus.registers.clone();
        let tables = registers.iter().map(|register| register.table).collect();
        let mut unit =
            LateUnit { coming: VecDeque::new(), delays: delays.into_iter(), answers_strange, tables };
        let mut bus = Bus::new(LineCost::Rtu(Serial::STANDARD), vec![one], Duration::ZERO);
        let mut now = Moment::default();
        let mut good = 0;
        let mut end = ms(75_000);
        // Until all trouble is over, and the longest pause, and what may still be late.
        while now.mono < end || unit.delays.len() > 0 {
            if unit.delays.len() > 0 {
                end = now.mono + ms(75_000);
            }
            match bus.next(now) {
                Next::Report(readings) => {
                    for reading in readings {
                        let register = &registers[usize::from(reading.point.0 - 10)];
                        let address = f64::from(register.address);
                        let expected = match register.kind {
                            crate::profile::Kind::Bool => address % 2.0,
                            crate::profile::Kind::U32 => address * 65_536.0 + address + 1.0,
                            _ => address,
                        };
                        match reading.sample {
                            Sample::Good(value) => prop_assert_eq!(value, expected, "{:?}", register),
                            _ => continue,
                        }
                        good += 1;
                    }
                }
                Next::Connect => bus.connected(now, true),
                Next::Request { request, .. } => {
                    unit.asked(now.mono, &request);
                    let (at, outcome) = unit.listen(now.mono, now.mono + ms(500), &request);
                    now.mono = at;
                    bus.done(now, outcome, LinkAfter::Kept);
                }
                Next::WaitUntil(moment) => {
                    prop_assert!(moment > now.mono);
                    now.mono = moment;
                }
                Next::Changed(_) | Next::Answer { .. } => {}
            }
        }
        prop_assert!(good > 0, "it comes back in the end");
    }
}
