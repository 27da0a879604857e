//! One refrigerated cabinet: what is known of it now, and every detector that judges it.
//!
//! [`Cabinet::step`] is called at every reading of the air and once a second. It makes a [`Scene`] of
//! the moment, lets those detectors complete it that others build upon (is the probe to be believed,
//! does the compressor run, is this a defrost), then asks all of them, and weighs what they say
//! together ([`crate::diagnosis`]).
//!
//! Two speeds: `step` with the scene, at every reading and every second, for what must be quick; and
//! `frame` with a [`Frame`], the means of a minute (or of the time between two readings, if that is
//! longer), for everything that looks at shapes and days. Detectors must work with readings every
//! second and every quarter of an hour.

mod config;
mod frame;
mod scene;
mod trace;

pub use crate::condition::{CABINET_CONDITIONS, index_of};
pub use config::{CabinetConfig, CabinetPoints};
pub use frame::{Frame, Framing, ROOM, share};
pub use scene::{Phase, Scene};
pub use trace::{Trace, TraceSample};

use crate::detect::{
    CapacityLoss, Compressor, Defrost, Door, Exposure, Forecast, Normal, PowerLost, Probe, Rate, Saw,
    TemperatureInput, TemperatureLimit,
};
use crate::diagnosis::{Diagnosis, Symptoms, diagnose};
use crate::{Change, Condition, Evidence, Millis, Mono, Now, Utc};

/// How many numbers a cabinet's learnt knowledge takes.
pub const LEARNT: usize = Normal::LEARNT
    + Saw::LEARNT
    + Compressor::LEARNT
    + Defrost::LEARNT
    + CapacityLoss::LEARNT
    + Probe::LEARNT;

/// One cabinet's judgement.
#[derive(Clone, Debug)]
pub struct Cabinet {
    framing: Framing,
    trace: Trace,
    normal: Normal,
    saw: Saw,
    probe: Probe,
    compressor: Compressor,
    defrost: Defrost,
    high: Option<TemperatureLimit>,
    low: Option<TemperatureLimit>,
    pre_alarm: Option<TemperatureLimit>,
    forecast: Forecast,
    exposure: Exposure,
    rate: Rate,
    door: Door,
    capacity: CapacityLoss,
    power_lost: PowerLost,
    /// Which of [`CABINET_CONDITIONS`] are true now.
    active: u16,
    /// The last moment, completed.
    scene: Scene,
}

impl Cabinet {
    /// A cabinet that starts now and of which nothing is learnt.
    pub fn new(config: CabinetConfig) -> Self {
        Self {
            framing: Framing::new(),
            trace: Trace::new(),
            normal: Normal::new(),
            saw: Saw::new(),
            probe: Probe::new(config.probe),
            compressor: Compressor::new(config.compressor),
            defrost: Defrost::new(config.defrost),
            high: config.high.map(TemperatureLimit::new),
            low: config.low.map(TemperatureLimit::new),
            pre_alarm: config.pre_alarm.map(TemperatureLimit::new),
            forecast: Forecast::new(config.forecast, config.high.map(|high| high.limit)),
            exposure: Exposure::new(config.exposure),
            rate: Rate::new(config.rate),
            door: Door::new(config.door),
            capacity: CapacityLoss::new(config.capacity),
            power_lost: PowerLost::new(config.power_lost),
            active: 0,
            scene: Scene::unknown(),
        }
    }

    /// The equipment was running before the agent started: no hold-off for its start-up.
    pub fn resume(&mut self) {
        for limit in [&mut self.high, &mut self.low, &mut self.pre_alarm].into_iter().flatten() {
            limit.resume();
        }
    }

    /// Its defrosts: what was recognised of them.
    pub fn defrosts(&self) -> &Defrost {
        &self.defrost
    }

    /// Since when it has been without power by its own meter, if it is.
    pub fn dark_since(&self) -> Option<Mono> {
        self.power_lost.dark_since()
    }

    /// The readings before now, down-sampled, oldest first.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Looks at `scene`; `out` is given each condition that changes. Whoever makes the scene fills in
    /// what was read; the rest is completed here.
    pub fn step(&mut self, now: Now, mut scene: Scene, out: &mut dyn FnMut(Condition, Change)) {
        let mut say = |condition: Condition, change: Option<Change>| {
            if let Some(change) = change {
                out(condition, change);
            }
        };
        let mut active = self.active;
        let mut note = |condition: Condition, change: Option<Change>| {
            let bit = 1 << index_of(condition);
            match &change {
                Some(Change::Raised(_)) => active |= bit,
                Some(Change::Cleared(_)) => active &= !bit,
                _ => {}
            }
            say(condition, change);
        };
        note(Condition::ProbeFault, self.probe.step(now, &scene));
        scene.trusted = self.probe.trusted(&scene);
        scene.running = self.compressor.running(now, &scene);
        scene.rests = self.compressor.rests();
        scene.band = self.normal.band();
        scene.calmest = self.normal.calmest();
        note(Condition::DefrostAbnormal, self.defrost.step(now, &scene));
        scene.phase = self.defrost.phase();
        note(Condition::CompressorAbnormal, self.compressor.step(now, &scene));
        let input = TemperatureInput {
            temperature: self.probe.believable(&scene),
            defrost: scene.phase.holds_off(),
            no_defrost: scene.phase.is_excursion(),
        };
        for (condition, limit) in [
            (Condition::TemperatureHigh, &mut self.high),
            (Condition::TemperatureLow, &mut self.low),
            (Condition::TemperaturePreAlarm, &mut self.pre_alarm),
        ] {
            note(condition, limit.as_mut().and_then(|limit| limit.step(now, input)));
        }
        note(Condition::DoorOpen, self.door.step(now, &scene));
        note(Condition::PowerLost, self.power_lost.step(now, &scene));
        if let Some(frame) = self.framing.step(now, &scene) {
            self.trace.push(now.mono, &frame);
            self.normal.frame(&frame, &scene);
            self.saw.frame(&frame, &scene);
            scene.cools = self.saw.cools();
            scene.warming = self.saw.warming();
            note(Condition::DefrostAbnormal, self.defrost.frame(now, &frame, &scene));
            // The very frame that leaves the band may be a defrost: those below must know.
            scene.phase = self.defrost.phase();
            note(Condition::CompressorAbnormal, self.compressor.frame(now, &frame, &scene));
            note(Condition::ProbeFault, self.probe.frame(now, &frame, &scene));
            note(Condition::LimitForecast, self.forecast.frame(now, &frame, &scene));
            note(Condition::GoodsWarm, self.exposure.frame(now, &frame, &scene));
            note(Condition::TemperatureRate, self.rate.frame(now, &frame, &scene));
            note(Condition::DoorOpen, self.door.frame(now, &frame, &scene));
            note(Condition::CapacityLoss, self.capacity.frame(now, &frame, &scene));
        }
        self.active = active;
        self.scene = scene;
    }

    /// The last moment it looked at, completed.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Everything the detectors know that bears on a cause.
    pub fn symptoms(&self, now: Now) -> Symptoms {
        let mut symptoms = Symptoms { active: self.active, ..Symptoms::default() };
        self.compressor.symptoms(now, &mut symptoms);
        self.defrost.symptoms(now, &mut symptoms);
        self.door.symptoms(now, &mut symptoms);
        self.capacity.symptoms(now, &mut symptoms);
        self.probe.symptoms(now, &mut symptoms);
        self.forecast.symptoms(now, &mut symptoms);
        self.power_lost.symptoms(now, &mut symptoms);
        symptoms
    }

    /// Weighs what is known into a cause for `condition`.
    pub fn diagnose(&self, now: Now, condition: Condition) -> Diagnosis {
        diagnose(condition, &self.symptoms(now))
    }

    /// Time until the goods must be thrown away, if the air stays as it is; none if that is never.
    pub fn goods_left(&self) -> Option<Millis> {
        self.exposure.time_left()
    }

    /// Continues a delay that ran before the restart, since `since`.
    pub fn restore_pending(&mut self, now: Now, condition: Condition, since: Utc) {
        if let Some(limit) = self.limit_mut(condition) {
            limit.restore_pending(now, since);
        }
    }

    /// Continues a condition that was raised before the restart with `evidence`.
    pub fn restore_raised(&mut self, now: Now, condition: Condition, evidence: &Evidence) {
        self.active |= 1 << index_of(condition);
        let since = evidence.since;
        match condition {
            Condition::TemperatureHigh | Condition::TemperatureLow | Condition::TemperaturePreAlarm => {
                if let Some(limit) = self.limit_mut(condition) {
                    limit.restore_raised(now, evidence);
                }
            }
            Condition::LimitForecast => self.forecast.restore_raised(now, since),
            Condition::GoodsWarm => self.exposure.restore_raised(now, evidence),
            Condition::TemperatureRate => self.rate.restore_raised(now, since),
            Condition::DoorOpen => self.door.restore_raised(now, since),
            Condition::DefrostAbnormal => self.defrost.restore_raised(now, since),
            Condition::CompressorAbnormal => self.compressor.restore_raised(now, since),
            Condition::CapacityLoss => self.capacity.restore_raised(now, since),
            Condition::ProbeFault => self.probe.restore_raised(now, since),
            Condition::PowerLost => self.power_lost.restore_raised(now, since),
            _ => {}
        }
    }

    /// What was learnt of this cabinet, to be kept over a restart: plain numbers, NaN where unknown.
    pub fn learnt(&self) -> [f32; LEARNT] {
        let mut numbers = [f32::NAN; LEARNT];
        let mut rest = &mut numbers[..];
        let mut take = |count: usize| {
            let (head, tail) = core::mem::take(&mut rest).split_at_mut(count);
            rest = tail;
            head
        };
        self.normal.learnt(take(Normal::LEARNT));
        self.saw.learnt(take(Saw::LEARNT));
        self.compressor.learnt(take(Compressor::LEARNT));
        self.defrost.learnt(take(Defrost::LEARNT));
        self.capacity.learnt(take(CapacityLoss::LEARNT));
        self.probe.learnt(take(Probe::LEARNT));
        numbers
    }

    /// Goes on from what was learnt before a restart.
    pub fn restore_learnt(&mut self, numbers: &[f32; LEARNT]) {
        let (normal, rest) = numbers.split_at(Normal::LEARNT);
        let (saw, rest) = rest.split_at(Saw::LEARNT);
        let (compressor, rest) = rest.split_at(Compressor::LEARNT);
        let (defrost, rest) = rest.split_at(Defrost::LEARNT);
        let (capacity, probe) = rest.split_at(CapacityLoss::LEARNT);
        self.normal.restore_learnt(normal);
        self.saw.restore_learnt(saw);
        self.compressor.restore_learnt(compressor);
        self.defrost.restore_learnt(defrost);
        self.capacity.restore_learnt(capacity);
        self.probe.restore_learnt(probe);
    }

    /// The limit that `condition` watches, if it is one of a temperature.
    pub fn limit(&self, condition: Condition) -> Option<&TemperatureLimit> {
        match condition {
            Condition::TemperatureHigh => self.high.as_ref(),
            Condition::TemperatureLow => self.low.as_ref(),
            Condition::TemperaturePreAlarm => self.pre_alarm.as_ref(),
            _ => None,
        }
    }

    fn limit_mut(&mut self, condition: Condition) -> Option<&mut TemperatureLimit> {
        match condition {
            Condition::TemperatureHigh => self.high.as_mut(),
            Condition::TemperatureLow => self.low.as_mut(),
            Condition::TemperaturePreAlarm => self.pre_alarm.as_mut(),
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<Cabinet>() <= 2_500, "with its alarms a cabinet takes at most 4 KB");
