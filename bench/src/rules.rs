//! `rules`: readings judged per second and core, the state they take, and a week of a store replayed.
//!
//! The store of the first figure has 60 devices with 2,000 points: 24 cabinets of which everything is
//! known, 4 meters with a contract, 6 lights, 26 others, on four lines. Every point is read every five
//! seconds, and the clock ticks once a second; both are counted in the time, only readings in the rate.

use crate::report::Row;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use storewarden::config::Config;
use storewarden::replay::{Player, Recording, replay};
use storewarden_rules::cabinet::{CabinetConfig, CabinetPoints};
use storewarden_rules::detect::{DemandConfig, LightDarkConfig, NoResponseConfig, OutageConfig};
use storewarden_rules::schedule::{LightMode, LightScheduleConfig};
use storewarden_rules::{
    Class, DeviceId, Event, Input, Millis, Mono, Now, PointId, Reading, Rule, Sample, Site, SiteFull, Utc,
};

/// The promise, readings a second on one core.
const RATE: f64 = 3_000_000.0;
/// The promise for one cabinet with its alarms, bytes.
const STATE: f64 = 4096.0;
/// The promise for a week of one store, s.
const REPLAY_S: f64 = 2.0;
/// Runs of each kind.
const RUNS: usize = 5;
/// How long a run of readings lasts, simulated: a cabinet defrosts once, and its compressor starts often.
const RUN: Millis = Millis::from_mins(360);
/// The first hours in which detectors learn, simulated; not measured.
const WARM_UP: Millis = Millis::from_mins(360);

const DEVICES: usize = 60;
const CABINETS: usize = 24;
const METERS: usize = 4;
const LIGHTS: usize = 6;
const LINES: usize = 4;
const POINTS: usize = 2_000;
const POLL: Millis = Millis::from_secs(5);
/// Points of a cabinet that rules look at.
const SEEN: usize = 9;

/// Five days of a real store's freezer and fridge, every five minutes.
const RECORDING: &str = include_str!("../../simulator/recordings/solarplus-replay.csv");
const WEEK: Millis = Millis::from_mins(7 * 24 * 60);
const STORE: &str = r#"
[store]
chain = "figures"
id = "1"
timezone = "America/Los_Angeles"

[[bus]]
id = "none"
tcp = "127.0.0.1:502"

[[device]]
id = "freezer-1"
class = "freezer"
profile = "danfoss-ekc-202d"
bus = "none"
unit = 1

[[device]]
id = "chiller-1"
class = "chiller"
profile = "carel-ir33"
bus = "none"
unit = 2
"#;

/// Measures all three.
pub async fn measure() -> io::Result<Vec<Row>> {
    tokio::task::spawn_blocking(measure_now).await.map_err(io::Error::other)?
}

fn measure_now() -> io::Result<Vec<Row>> {
    let mut store = Store::build().map_err(io::Error::other)?;
    store.run(WARM_UP);
    let rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            let readings = store.run(RUN);
            readings as f64 / began.elapsed().as_secs_f64()
        })
        .collect();
    let dir = tempfile::tempdir()?;
    let (config, week) = recorded_week(dir.path())?;
    let weeks =
        (0..RUNS).map(|_| Ok(replayed(&config, &week)?.as_secs_f64())).collect::<io::Result<Vec<_>>>()?;
    Ok(vec![
        Row::at_least(
            "rules",
            format!("readings judged on one core, {DEVICES} devices, {POINTS} points, {CABINETS} cabinets"),
            &rates,
            "/s",
            RATE,
        ),
        Row::bounded(
            "rules",
            "state of a cabinet with all its alarms",
            Site::CABINET_STATE as f64,
            "bytes",
            STATE,
        ),
        Row::at_most(
            "rules",
            format!("a week of a store replayed, {} rows, 604 800 ticks", week.rows.len()),
            &weeks,
            "s",
            REPLAY_S,
        ),
    ])
}

/// A store under full polling.
struct Store {
    site: Box<Site>,
    now: Now,
    /// Every point, and what it reads.
    points: Vec<(PointId, Signal)>,
    /// Changes of alarms, so that none of the work is for nothing.
    said: u64,
}

/// What a point reads over time.
#[derive(Clone, Copy)]
enum Signal {
    Air,
    Evaporator,
    Power,
    Compressor,
    Defrost,
    Steady(f64),
}

impl Signal {
    /// A compressor runs 6 min of 10, and every 6 h there is a defrost of 20 min.
    fn at(self, second: i64) -> f64 {
        let (cycle, day) = (second % 600, second % 21_600);
        let defrost = day < 1_200;
        let runs = cycle < 360 && !defrost;
        let swing = if cycle < 360 { 1.0 - cycle as f64 / 180.0 } else { (cycle - 480) as f64 / 120.0 };
        match self {
            Self::Air if defrost => -21.0 + day as f64 / 200.0,
            // Back where it was half an hour after the heat.
            Self::Air => -21.0 + swing + 6.0 * ((3_000 - day) as f64 / 1_800.0).max(0.0),
            Self::Evaporator if defrost => day as f64 / 120.0 - 5.0,
            Self::Evaporator => {
                if runs {
                    -30.0
                } else {
                    -24.0
                }
            }
            Self::Power => {
                if runs {
                    410.0
                } else {
                    35.0
                }
            }
            Self::Compressor => f64::from(u8::from(runs)),
            Self::Defrost => f64::from(u8::from(defrost)),
            Self::Steady(value) => value,
        }
    }
}

impl Store {
    fn build() -> Result<Self, SiteFull> {
        let mut site = Box::new(Site::new());
        let mut points = Vec::with_capacity(POINTS);
        let whole = site.add_device(Class::Store, POLL)?;
        let lines = (0..LINES).map(|_| site.add_device(Class::Line, POLL)).collect::<Result<Vec<_>, _>>()?;
        for number in 0..DEVICES {
            let class = match number {
                0..CABINETS => Class::Freezer,
                _ if number < CABINETS + METERS => Class::Meter,
                _ if number < CABINETS + METERS + LIGHTS => Class::Light,
                _ => Class::AirConditioner,
            };
            let device = site.add_device(class, POLL)?;
            site.hang(device, lines[number % LINES])?;
            site.hang(device, whole)?;
            let first = points.len();
            for place in 0..POINTS * (number + 1) / DEVICES - first {
                let point = site.add_point(device, Millis::from_secs(15))?;
                points.push((point, signal(class, place)));
            }
            let ids: Vec<PointId> = points[first..].iter().map(|(point, _)| *point).collect();
            add_rules(&mut site, device, class, &ids)?;
        }
        for line in lines {
            site.add_rule(line, Rule::Outage { config: OutageConfig::line() })?;
        }
        let now = Now { mono: Mono(0), utc: Utc(1_781_971_200_000) };
        Ok(Self { site, now, points, said: 0 })
    }

    /// Lets `span` pass; gives the number of readings.
    fn run(&mut self, span: Millis) -> u64 {
        let end = self.now.mono + span;
        let (mut readings, mut said) = (0, self.said);
        let mut out = |event| said += u64::from(matches!(event, Event::Alarm(_)));
        while self.now.mono < end {
            let now = self.now;
            let second = now.mono.0 / 1000;
            // A fifth of the points each second, as buses deliver them.
            for (place, (point, signal)) in self.points.iter().enumerate() {
                if place % 5 == usize::try_from(second % 5).unwrap_or(0) {
                    let sample = Sample::Good(signal.at(second));
                    let reading = Reading { point: *point, at: now.utc, sample };
                    self.site.step(now, Input::Reading(reading), &mut out);
                    readings += 1;
                }
            }
            self.site.step(now, Input::Tick { utc_offset_s: 0 }, &mut out);
            self.now = now.after(Millis::from_secs(1));
        }
        self.said = std::hint::black_box(said);
        readings
    }
}

fn signal(class: Class, place: usize) -> Signal {
    let of_cabinet: [Signal; SEEN] = [
        Signal::Air,
        Signal::Evaporator,
        Signal::Steady(24.0),
        Signal::Steady(-21.0),
        Signal::Power,
        Signal::Compressor,
        Signal::Steady(1.0),
        Signal::Defrost,
        Signal::Steady(0.0),
    ];
    match class {
        Class::Freezer => of_cabinet.get(place).copied().unwrap_or(Signal::Steady(1.0)),
        _ => Signal::Steady(1.0),
    }
}

fn add_rules(site: &mut Site, device: DeviceId, class: Class, points: &[PointId]) -> Result<(), SiteFull> {
    let mut vital = None;
    match class {
        Class::Freezer => {
            let config = CabinetConfig::for_class(class).ok_or(SiteFull::Unknown)?;
            let points = CabinetPoints {
                air: points[0],
                evaporator: Some(points[1]),
                ambient: Some(points[2]),
                set_point: Some(points[3]),
                power: Some(points[4]),
                compressor: Some(points[5]),
                fan: Some(points[6]),
                defrost: Some(points[7]),
                door: Some(points[8]),
            };
            vital = Some(points.air);
            site.add_rule(device, Rule::Cabinet { points, config })?;
        }
        Class::Meter => {
            let config = DemandConfig { limit: 20_000.0, hysteresis: 0.05, window_min: 15 };
            site.add_rule(device, Rule::Demand { power: points[0], config })?;
        }
        Class::Light => {
            let mode = LightMode::SunAndHours {
                before_sunset: Millis(0),
                after_sunrise: Millis(0),
                open: Millis(0),
                close: Millis(0),
            };
            let schedule =
                LightScheduleConfig { latitude: 31.2, longitude: 121.5, mode, on_time_min: Millis(0) };
            let switch = points[0];
            site.add_rule(device, Rule::LightSchedule { switch, config: schedule })?;
            let config = LightDarkConfig::default();
            site.add_rule(device, Rule::LightDark { switch, power: None, config })?;
        }
        _ => {}
    }
    site.add_rule(device, Rule::NoResponse { vital, config: NoResponseConfig::default() })
}

/// The recording, repeated until a week is full, with the store it is of.
fn recorded_week(dir: &Path) -> io::Result<(Config, Recording)> {
    let path = dir.join("store.toml");
    std::fs::write(&path, STORE)?;
    let config = Config::load(&path).map_err(|faults| io::Error::other(faults.to_string()))?;
    let mut week = Recording::read(&config, RECORDING.as_bytes()).map_err(io::Error::other)?;
    let rows = week.rows.clone();
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Err(io::Error::other("the recording is empty"));
    };
    let length = last.at + Millis::from_mins(5) - first.at;
    let mut shift = length;
    while shift < WEEK {
        let repeated = rows.iter().map(|row| {
            let mut row = row.clone();
            row.at = row.at + shift;
            row
        });
        week.rows.extend(repeated.take_while(|row| row.at - first.at < WEEK));
        shift = Millis(shift.0 + length.0);
    }
    Ok((config, week))
}

/// How long the week takes.
fn replayed(config: &Config, week: &Recording) -> io::Result<Duration> {
    let mut said = String::new();
    let began = Instant::now();
    let player = Player::of_store(config, week).map_err(io::Error::other)?;
    replay(player, |_, alarm| {
        writeln!(said, "{} {}", alarm.at.0, alarm.condition.name()).map_err(io::Error::other)
    })?;
    Ok(began.elapsed())
}
