//! A freezer small enough to be followed by hand, and what its judgement says of it.
#![allow(dead_code, reason = "not every story needs all of it")]

use storewarden_rules::cabinet::{Cabinet, CabinetConfig, Scene};
use storewarden_rules::{Cause, Change, Class, Condition, Millis, Mono, Now, Sample, Utc};

pub const HOUR: f64 = 60.0;
pub const DAY: f64 = 24.0 * HOUR;

/// Air leaks heat to the room, loses it to an evaporator while the machine runs, and is heated by a timer's
/// defrosts. Temperatures in °C, times in minutes.
#[derive(Clone)]
pub struct Freezer {
    pub minute: f64,
    pub air: f64,
    pub evaporator: f64,
    pub ambient: f64,
    pub set_point: f64,
    /// Half of the thermostat's hysteresis, K.
    pub swing: f64,
    /// Shares of what is new and healthy.
    pub capacity: f64,
    pub load: f64,
    pub fan_turns: bool,
    pub door_is_open: bool,
    pub defrost_every: f64,
    pub heats_for: f64,
    pub runs: bool,
    pub defrosts: bool,
    /// Defrosts begun so far.
    pub begun: u32,
    next: f64,
    until: f64,
}

impl Freezer {
    fn new() -> Self {
        Self {
            minute: 0.0,
            air: -21.0,
            evaporator: -21.0,
            ambient: 23.0,
            set_point: -21.0,
            swing: 1.0,
            capacity: 1.0,
            load: 1.0,
            fan_turns: true,
            door_is_open: false,
            defrost_every: 8.0 * HOUR,
            heats_for: 20.0,
            runs: false,
            defrosts: false,
            begun: 0,
            next: 5.0 * HOUR,
            until: 0.0,
        }
    }

    /// Its timer has failed.
    pub fn defrost_never(&mut self) {
        (self.defrost_every, self.next) = (f64::INFINITY, f64::INFINITY);
    }

    fn pass(&mut self, minutes: f64) {
        self.minute += minutes;
        if self.next > self.minute + self.defrost_every {
            self.next = self.minute + self.defrost_every;
        }
        if !self.defrosts && self.minute >= self.next {
            self.defrosts = true;
            self.begun += 1;
            self.until = self.minute + self.heats_for;
            self.next = self.minute + self.defrost_every;
        } else if self.defrosts && self.minute >= self.until {
            self.defrosts = false;
            self.runs = true;
        }
        if self.defrosts || self.air <= self.set_point - self.swing {
            self.runs = false;
        } else if self.air >= self.set_point + self.swing {
            self.runs = true;
        }
        let leak = self.load * (self.ambient - self.air) / 300.0;
        let gust = if self.door_is_open { (self.ambient - self.air) / 30.0 } else { 0.0 };
        let through = if self.fan_turns { 1.0 } else { 0.25 };
        let cooled = if self.runs { 0.4 * self.capacity * through } else { 0.0 };
        let heated = if self.defrosts { 0.4 } else { 0.0 };
        self.air += minutes * (leak + gust + heated - cooled);
        let (towards, lag) = match (self.defrosts, self.runs) {
            (true, _) => (6.0, 6.0),
            (_, true) => (self.air - if self.fan_turns { 7.0 } else { 16.0 }, 2.0),
            _ => (self.air, 3.0),
        };
        self.evaporator += (towards - self.evaporator) * (minutes / lag).min(1.0);
    }
}

/// Which points beside the air are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sees {
    OnlyAir,
    /// Evaporator, room, power and the controller's flags.
    All,
}

/// A condition that was raised or cleared, with the cause that was thought of then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    pub minute: f64,
    pub condition: Condition,
    pub is_raised: bool,
    pub cause: Cause,
}

pub struct Bench {
    pub freezer: Freezer,
    pub cabinet: Cabinet,
    pub now: Now,
    /// Shown in place of the true air, or of the true defrost flag.
    pub shown: Option<Sample>,
    pub flag: Option<bool>,
    /// What is read of everything, if nothing answers.
    pub silent: Option<Sample>,
    /// Resolution of the probe, K.
    pub resolution: f64,
    pub told: Vec<Told>,
    sees: Sees,
    /// Seconds between two readings.
    every: i64,
    step: i64,
    air: Sample,
}

impl Bench {
    pub fn new(sees: Sees, every: i64) -> Self {
        Self {
            freezer: Freezer::new(),
            cabinet: Cabinet::new(config()),
            now: Now { mono: Mono(0), utc: Utc(1_700_000_000_000) },
            shown: None,
            flag: None,
            silent: None,
            resolution: 0.1,
            told: Vec::new(),
            sees,
            every,
            step: every.min(60),
            air: Scene::unknown().air,
        }
    }

    /// Lets the freezer work for `minutes`.
    pub fn run(&mut self, minutes: f64) {
        let end = self.freezer.minute + minutes;
        while self.freezer.minute < end {
            #[expect(clippy::cast_precision_loss, reason = "a minute at most")]
            self.freezer.pass(self.step as f64 / 60.0);
            self.now = self.now.after(Millis::from_secs(self.step));
            let is_new = self.now.mono.0 % (self.every * 1000) == 0;
            if is_new {
                let steps = (self.freezer.air / self.resolution).round();
                self.air = self.shown.unwrap_or(Sample::Good(steps * self.resolution));
            }
            self.look(is_new);
        }
    }

    fn look(&mut self, is_new: bool) {
        let air = self.silent.unwrap_or(self.air);
        let bare = Scene { air, is_new, ..Scene::unknown() };
        let freezer = &self.freezer;
        let scene = match (self.sees, self.silent) {
            (Sees::OnlyAir, _) | (_, Some(_)) => bare,
            (Sees::All, None) => Scene {
                evaporator: narrow(freezer.evaporator),
                ambient: narrow(freezer.ambient),
                set_point: narrow(freezer.set_point),
                power: narrow(match (freezer.defrosts, freezer.runs) {
                    (true, _) => 800.0,
                    (_, true) => 450.0,
                    _ => 30.0,
                }),
                asked: Some(freezer.runs),
                fan: Some(!freezer.defrosts),
                defrost_flag: Some(self.flag.unwrap_or(freezer.defrosts)),
                door: None,
                ..bare
            },
        };
        let mut changes = Vec::new();
        self.cabinet.step(self.now, scene, &mut |condition, change| match change {
            Change::Raised(_) => changes.push((condition, true)),
            Change::Cleared(_) => changes.push((condition, false)),
            Change::Pending(_) | Change::Settled => {}
        });
        for (condition, is_raised) in changes {
            let cause = self.cabinet.diagnose(self.now, condition).cause;
            self.told.push(Told { minute: self.freezer.minute, condition, is_raised, cause });
        }
    }

    /// How it is read, for messages.
    pub fn about(&self) -> (Sees, i64) {
        (self.sees, self.every)
    }

    /// What was raised since last asked, in order.
    pub fn raised(&mut self) -> Vec<Condition> {
        let raised = self.told.drain(..).filter(|told| told.is_raised);
        raised.map(|told| told.condition).collect()
    }

    /// The first time that `condition` was raised, if it was.
    pub fn first(&self, condition: Condition) -> Option<Told> {
        self.told.iter().find(|told| told.is_raised && told.condition == condition).copied()
    }

    /// The agent starts anew: only what is learnt is kept.
    pub fn restart(&mut self) {
        let learnt = self.cabinet.learnt();
        self.cabinet = Cabinet::new(config());
        self.cabinet.resume();
        self.cabinet.restore_learnt(&learnt);
        self.now.mono = Mono(0);
    }
}

fn config() -> CabinetConfig {
    CabinetConfig::for_class(Class::Freezer).expect("it is refrigeration")
}

#[expect(clippy::cast_possible_truncation, clippy::unnecessary_wraps, reason = "points of a scene")]
fn narrow(value: f64) -> Option<f32> {
    Some(value as f32)
}
