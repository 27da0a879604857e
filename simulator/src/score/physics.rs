//! A cabinet's heat, ice and machine, richer than [`crate::physics`] and independent of every detector.
//!
//! Nodes: air, goods (surface and core), wall, evaporator with its ice. Machine: a circuit whose capacity
//! and power follow the evaporating and the condensing temperature. Controller: thermostat and defrosts by
//! the clock. Temperatures in °C, heat in W and J, masses in kg, times in s. The figures are the range of
//! small shop equipment, drawn per seed: choices of this project.

use fastrand::Rng;
use storewarden_rules::Class;

/// Length of a step, s.
pub const STEP_S: f64 = 5.0;
/// Heat to melt a kilogram of ice, J.
const MELT_J: f64 = 334e3;
/// Heat given off when a kilogram of vapour becomes frost, J.
const FROST_J: f64 = 2.83e6;
/// Heat capacity of air, J/(kg·K).
const AIR_J: f64 = 1006.0;
/// Room at which capacities are compared, °C.
const REFERENCE_ROOM_C: f64 = 25.0;

/// A number from `low` to `high`.
pub fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.f64()
}

/// A number around 0 with standard deviation 1 (sum of twelve).
pub fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

/// One unit, as built and as set; drawn per seed.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// What it is for.
    pub class: Class,
    /// The compressor stops below this, °C.
    pub cut_out_c: f64,
    /// It starts this much above, K.
    pub differential_k: f64,
    /// Seconds between two defrosts.
    pub defrost_every_s: f64,
    /// Defrosts with a heater of this power, W; 0: with the machine off and the fan on.
    pub heater_w: f64,
    /// A defrost ends at this evaporator temperature, °C, or
    defrost_end_c: f64,
    /// after this long, s.
    defrost_max_s: f64,
    min_off_s: f64,
    air_j: f64,
    surface_j: f64,
    core_j: f64,
    wall_j: f64,
    evaporator_j: f64,
    wall_ua: f64,
    surface_ua: f64,
    core_ua: f64,
    evaporator_ua: f64,
    door_ua: f64,
    leak_ua: f64,
    capacity_w: f64,
    power_w: f64,
    evaporating_c: f64,
    condenser_k: f64,
    ice_half_kg: f64,
    fan_w: f64,
    standby_w: f64,
    probe_lag_s: f64,
    probe_offset_k: f64,
    openings_per_hour: f64,
    opening_s: f64,
    weekend: f64,
    stocking_days: [bool; 7],
    stocking_hour: f64,
    stocked_share: f64,
    stocked_c: f64,
    room_c: f64,
    room_swing_k: f64,
    room_humidity: f64,
}

impl Parameters {
    /// The unit of this seed.
    pub fn new(class: Class, rng: &mut Rng) -> Self {
        let freezer = class == Class::Freezer;
        let large = class == Class::ColdRoom;
        let cut_out_c = if freezer { between(rng, -24.0, -21.8) } else { between(rng, 0.5, 1.8) };
        let wall_ua = if large {
            between(rng, 15.0, 30.0)
        } else if freezer {
            between(rng, 4.0, 9.0)
        } else {
            between(rng, 6.0, 14.0)
        };
        let door_ua = if large { between(rng, 100.0, 180.0) } else { between(rng, 35.0, 70.0) };
        let openings_per_hour = if large {
            between(rng, 2.0, 6.0)
        } else if freezer {
            between(rng, 2.0, 10.0)
        } else {
            between(rng, 4.0, 18.0)
        };
        let opening_s = if large { between(rng, 20.0, 45.0) } else { between(rng, 8.0, 16.0) };
        let fan_w = if large { between(rng, 60.0, 120.0) } else { between(rng, 15.0, 45.0) };
        let span_k = 27.0 - cut_out_c;
        let load_w =
            wall_ua * span_k + fan_w + 1.4 * door_ua * span_k * openings_per_hour * opening_s / 3600.0;
        let capacity_w = load_w * between(rng, 1.5, 2.3);
        let approach_k = between(rng, 6.0, 9.5);
        let goods_kg = if large { between(rng, 250.0, 700.0) } else { between(rng, 60.0, 200.0) };
        let goods_j = goods_kg * if freezer { 2000.0 } else { 3500.0 };
        let evaporator_j = between(rng, 6e3, 11e3) * if large { 2.5 } else { 1.0 };
        let heated = freezer || large && rng.bool();
        let heat_up_j = evaporator_j * (14.0 - cut_out_c) + 0.4 * MELT_J;
        let core_j = 0.8 * goods_j;
        let mut stocking_days = [false; 7];
        for _ in 0..rng.usize(2..=4) {
            stocking_days[rng.usize(0..6)] = true;
        }
        Self {
            class,
            cut_out_c,
            differential_k: between(rng, 1.4, 2.4),
            defrost_every_s: 3600.0 * [4.0, 6.0, 8.0, 12.0][rng.usize(0..4)],
            heater_w: if heated { heat_up_j / between(rng, 600.0, 1200.0) } else { 0.0 },
            defrost_end_c: if heated { between(rng, 6.0, 12.0) } else { between(rng, 3.0, 4.5) },
            defrost_max_s: 60.0 * if heated { between(rng, 30.0, 45.0) } else { between(rng, 18.0, 35.0) },
            min_off_s: between(rng, 60.0, 180.0),
            air_j: between(rng, 70e3, 140e3)
                * if freezer { 1.0 } else { 0.6 }
                * if large { 4.0 } else { 1.0 },
            surface_j: 0.2 * goods_j,
            core_j,
            wall_j: between(rng, 30e3, 80e3) * if large { 4.0 } else { 1.0 },
            evaporator_j,
            wall_ua,
            surface_ua: goods_kg.sqrt() * between(rng, 1.6, 2.6),
            core_ua: core_j / (3600.0 * between(rng, 3.0, 8.0)),
            evaporator_ua: capacity_w / approach_k,
            door_ua,
            leak_ua: between(rng, 0.1, 0.4),
            capacity_w,
            power_w: capacity_w / if freezer { between(rng, 1.1, 1.5) } else { between(rng, 2.0, 2.8) },
            evaporating_c: cut_out_c + 1.0 - approach_k,
            condenser_k: between(rng, 8.0, 14.0),
            ice_half_kg: between(rng, 2.0, 4.0) * if large { 3.0 } else { 1.0 },
            fan_w,
            standby_w: between(rng, 8.0, 50.0),
            probe_lag_s: between(rng, 45.0, 200.0),
            probe_offset_k: between(rng, -0.4, 0.4),
            openings_per_hour,
            opening_s,
            weekend: between(rng, 0.7, 1.35),
            stocking_days,
            stocking_hour: between(rng, 5.0, 11.0),
            stocked_share: between(rng, 0.06, 0.2),
            stocked_c: if freezer { between(rng, -18.0, -13.0) } else { between(rng, 4.0, 8.0) },
            room_c: between(rng, 20.0, 26.0),
            room_swing_k: between(rng, 0.5, 2.5),
            room_humidity: between(rng, 0.006, 0.010),
        }
    }
}

/// What is broken in the machine, and how far; healthy by default.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// The compressor does not turn.
    pub compressor: bool,
    /// Nothing has power.
    pub power: bool,
    /// Share of the evaporator's air flow, 0 to 1.
    pub fan: f64,
    /// How far the door stands open, 0 to 1.
    pub door: f64,
    /// Share of the cooling that the refrigerant left allows, 0 to 1.
    pub charge: f64,
    /// How much higher the condenser must be above the room, as a share of its clean difference.
    pub fouling: f64,
    /// A defrost once begun does not end.
    pub defrost_stuck: bool,
    /// No defrost is begun.
    pub defrost_missed: bool,
    /// Defrosts come this many times as often.
    pub defrost_often: f64,
    /// Defrosts have no heat, and a gasket lets damp air in.
    pub defrost_dead: bool,
    /// Ice that no defrost clears, as a share of what halves the air's way to the evaporator.
    pub blocked: f64,
    /// The compressor is stopped after this run, s, and let on again after this rest, s; true: it is the
    /// controller's output that does so.
    pub cycling: Option<(f64, f64, bool)>,
    /// What the controller and everybody else reads instead of the air.
    pub probe: Probe,
}

/// How the air probe lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Probe {
    /// It does not.
    True,
    /// No value.
    Open,
    /// This value, °C.
    Stuck(f64),
    /// This much too much, K.
    Off(f64),
}

impl Default for Broken {
    fn default() -> Self {
        Self {
            compressor: false,
            power: false,
            fan: 1.0,
            door: 0.0,
            charge: 1.0,
            fouling: 0.0,
            defrost_stuck: false,
            defrost_missed: false,
            defrost_often: 1.0,
            defrost_dead: false,
            blocked: 0.0,
            cycling: None,
            probe: Probe::True,
        }
    }
}

/// Where the defrost is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Cooling,
    Defrost { s: f64 },
    Drip { s: f64 },
    FanDelay { s: f64 },
}

/// One cabinet at work.
#[derive(Clone, Debug)]
pub struct Cabinet {
    /// As built.
    pub parameters: Parameters,
    /// What is broken now.
    pub broken: Broken,
    /// Seconds since Monday, 00:00.
    pub time_s: f64,
    /// True air, °C.
    pub air_c: f64,
    /// Outer layer of the goods, °C.
    pub surface_c: f64,
    /// Core of the goods, °C.
    pub core_c: f64,
    /// Wall, °C.
    pub wall_c: f64,
    /// Evaporator, °C.
    pub evaporator_c: f64,
    /// Ice on it, kg.
    pub ice_kg: f64,
    /// Ice that the last defrost left, kg.
    pub ice_left_kg: f64,
    /// The room, °C.
    pub room_c: f64,
    /// The controller asks for cooling.
    pub asks: bool,
    /// The compressor turns.
    pub runs: bool,
    /// Power drawn, W.
    pub power_w: f64,
    /// Heat that went into all nodes in the last step, J.
    pub heat_j: f64,
    probe_c: f64,
    evaporator_probe_c: f64,
    stage: Stage,
    next_defrost_s: f64,
    missed: bool,
    off_s: f64,
    cycle_s: f64,
    opening_left_s: f64,
    stocking_left_s: f64,
    stocked_on: f64,
    weather_k: f64,
    rng: Rng,
}

impl Cabinet {
    /// A cabinet in the middle of its life.
    pub fn new(parameters: Parameters, mut rng: Rng) -> Self {
        let air_c = parameters.cut_out_c + 1.0;
        let next_defrost_s = parameters.defrost_every_s * rng.f64();
        Self {
            broken: Broken::default(),
            time_s: 0.0,
            air_c,
            surface_c: air_c,
            core_c: air_c,
            wall_c: (air_c + parameters.room_c) / 2.0,
            evaporator_c: air_c - 4.0,
            ice_kg: 0.1,
            ice_left_kg: 0.0,
            room_c: parameters.room_c,
            asks: false,
            runs: false,
            power_w: 0.0,
            heat_j: 0.0,
            probe_c: air_c,
            evaporator_probe_c: air_c - 4.0,
            stage: Stage::Cooling,
            next_defrost_s,
            missed: false,
            off_s: 1e6,
            cycle_s: 0.0,
            opening_left_s: 0.0,
            stocking_left_s: 0.0,
            stocked_on: -1.0,
            weather_k: 0.0,
            parameters,
            rng,
        }
    }

    /// What the air probe says, before noise and rounding; none while it is open.
    pub fn probe_c(&self) -> Option<f64> {
        let honest = self.probe_c + self.parameters.probe_offset_k;
        match self.broken.probe {
            Probe::True => Some(honest),
            Probe::Open => None,
            Probe::Stuck(value) => Some(value),
            Probe::Off(k) => Some(honest + k),
        }
    }

    /// What the evaporator's probe says: the outlet, which a starved evaporator leaves warm.
    pub fn evaporator_probe_c(&self) -> f64 {
        self.evaporator_probe_c
    }

    /// The controller says that it defrosts, drip and fan delay included.
    pub fn defrosts(&self) -> bool {
        self.stage != Stage::Cooling
    }

    /// The last defrost that was due did not come.
    pub fn missed_one(&self) -> bool {
        self.missed
    }

    /// The controller's fan output.
    pub fn fan_on(&self) -> bool {
        match self.stage {
            Stage::Cooling => true,
            Stage::Defrost { .. } => self.parameters.heater_w == 0.0,
            Stage::Drip { .. } | Stage::FanDelay { .. } => false,
        }
    }

    /// Cooling at reference conditions, as a share of what the clean machine gives; ice counts as the last
    /// defrost left it.
    pub fn capacity_share(&self) -> f64 {
        let healthy = Broken::default();
        self.reference_w(&self.broken, self.ice_left_kg) / self.reference_w(&healthy, 0.0)
    }

    fn reference_w(&self, broken: &Broken, ice_kg: f64) -> f64 {
        let air_c = self.parameters.cut_out_c + 1.0;
        let ua = self.evaporator_ua(broken, ice_kg, true);
        // The balance of evaporator and machine: what the one takes up the other carries off.
        let (mut low, mut high) = (air_c - 60.0, air_c);
        for _ in 0..40 {
            let middle = (low + high) / 2.0;
            if self.cooling(broken, middle, REFERENCE_ROOM_C).0 > ua * (air_c - middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        ua * (air_c - low)
    }

    /// Heat per kelvin between air and evaporator, W/K.
    fn evaporator_ua(&self, broken: &Broken, ice_kg: f64, fan_on: bool) -> f64 {
        let flow = if fan_on { broken.fan } else { 0.0 };
        let moved = 0.05 + 0.95 * flow.powf(0.7);
        let ice = ice_kg / self.parameters.ice_half_kg + broken.blocked;
        let iced = 1.0 / (1.0 + ice.powf(1.6));
        self.parameters.evaporator_ua * moved * iced * broken.charge.powf(0.5)
    }

    /// Heat carried off and power of the compressor, W.
    fn cooling(&self, broken: &Broken, evaporating_c: f64, room_c: f64) -> (f64, f64) {
        let p = &self.parameters;
        let suction = (1.0 + 0.032 * (evaporating_c - p.evaporating_c)).clamp(0.05, 1.8) * broken.charge;
        let lift_k =
            room_c + p.condenser_k * (1.0 + broken.fouling) * suction - (REFERENCE_ROOM_C + p.condenser_k);
        let heat = p.capacity_w * suction * (1.0 - 0.011 * lift_k).max(0.1);
        let density = (1.0 + 0.014 * (evaporating_c - p.evaporating_c)).clamp(0.3, 1.5);
        let power = p.power_w * density * (1.0 + 0.014 * lift_k).max(0.4) * (0.45 + 0.55 * broken.charge);
        (heat, power)
    }

    /// Goes on by [`STEP_S`].
    pub fn step(&mut self) {
        self.time_s += STEP_S;
        self.room();
        let open = self.door().max(self.broken.door);
        self.control();
        self.heat(open);
    }

    fn hour(&self) -> f64 {
        self.time_s / 3600.0 % 24.0
    }

    /// Day and night, a weather of some days, and the air conditioning between them.
    fn room(&mut self) {
        if self.time_s % 600.0 < STEP_S {
            self.weather_k += -self.weather_k * 600.0 / 172_800.0 + 0.1 * normal(&mut self.rng);
        }
        let day = (core::f64::consts::TAU * (self.hour() - 15.0) / 24.0).cos();
        let weather_k = self.weather_k.clamp(-3.0, 3.0);
        let aim = self.parameters.room_c + self.parameters.room_swing_k * day + weather_k;
        self.room_c += (aim - self.room_c) * STEP_S / 1800.0;
    }

    /// Share of this step for which customers or staff hold the door open.
    fn door(&mut self) -> f64 {
        let hour = self.hour();
        let day = (self.time_s / 86_400.0).floor();
        let weekday = day % 7.0;
        let busy = match hour {
            h if h < 6.0 => 0.15,
            h if h < 7.0 => 0.6,
            h if h < 9.5 => 1.5,
            h if h < 11.5 => 0.8,
            h if h < 13.5 => 1.7,
            h if h < 17.0 => 0.9,
            h if h < 20.5 => 1.6,
            h if h < 22.5 => 0.8,
            _ => 0.35,
        };
        let weekend = if weekday >= 5.0 { self.parameters.weekend } else { 1.0 };
        let rate = self.parameters.openings_per_hour * busy * weekend;
        if self.rng.f64() < rate * STEP_S / 3600.0 {
            self.opening_left_s += self.parameters.opening_s * between(&mut self.rng, 0.4, 1.8);
        }
        let stocks = (0..7).zip(self.parameters.stocking_days).any(|(n, on)| on && f64::from(n) == weekday);
        if stocks && self.stocked_on < day && hour >= self.parameters.stocking_hour {
            self.stocked_on = day;
            self.stocking_left_s = between(&mut self.rng, 300.0, 1200.0);
            let share = self.parameters.stocked_share * between(&mut self.rng, 0.5, 1.3);
            let stocked_c = self.parameters.stocked_c;
            self.surface_c += share * (stocked_c - self.surface_c);
            self.core_c += share * (stocked_c - self.core_c);
        }
        if self.stocking_left_s > 0.0 {
            self.stocking_left_s -= STEP_S;
            if self.rng.f64() < 0.03 {
                self.opening_left_s += between(&mut self.rng, 15.0, 60.0);
            }
        }
        let open = (self.opening_left_s / STEP_S).min(1.0);
        self.opening_left_s = (self.opening_left_s - STEP_S).max(0.0);
        open
    }

    fn control(&mut self) {
        if self.broken.power {
            (self.asks, self.runs) = (false, false);
            return;
        }
        self.next_defrost_s -= STEP_S * self.broken.defrost_often;
        self.stage = match self.stage {
            Stage::Cooling if self.next_defrost_s <= 0.0 => {
                self.next_defrost_s = self.parameters.defrost_every_s;
                self.missed = self.broken.defrost_missed;
                if self.missed { Stage::Cooling } else { Stage::Defrost { s: 0.0 } }
            }
            Stage::Cooling => Stage::Cooling,
            Stage::Defrost { s } => {
                let warm = s > 60.0 && self.evaporator_probe_c >= self.parameters.defrost_end_c;
                if !self.broken.defrost_stuck && (warm || s >= self.parameters.defrost_max_s) {
                    self.ice_left_kg = self.ice_kg;
                    if self.parameters.heater_w > 0.0 { Stage::Drip { s: 0.0 } } else { Stage::Cooling }
                } else {
                    Stage::Defrost { s: s + STEP_S }
                }
            }
            Stage::Drip { s } if s >= 120.0 => Stage::FanDelay { s: 0.0 },
            Stage::Drip { s } => Stage::Drip { s: s + STEP_S },
            Stage::FanDelay { s } if s >= 180.0 || self.evaporator_c < self.parameters.cut_out_c + 10.0 => {
                Stage::Cooling
            }
            Stage::FanDelay { s } => Stage::FanDelay { s: s + STEP_S },
        };
        self.off_s = if self.asks { 0.0 } else { self.off_s + STEP_S };
        let cold = match self.probe_c() {
            Some(c) if c <= self.parameters.cut_out_c => Some(true),
            Some(c) if c >= self.parameters.cut_out_c + self.parameters.differential_k => Some(false),
            Some(_) => None,
            // Without its probe a controller runs by the clock.
            None => Some(self.time_s % 1200.0 > 780.0),
        };
        let allowed = matches!(self.stage, Stage::Cooling | Stage::FanDelay { .. });
        self.asks = allowed
            && match cold {
                Some(true) => false,
                Some(false) => self.asks || self.off_s >= self.parameters.min_off_s,
                None => self.asks,
            };
        let mut let_run = true;
        if let Some((run_s, rest_s, by_controller)) = self.broken.cycling {
            self.cycle_s = (self.cycle_s + STEP_S) % (run_s + rest_s);
            let_run = self.cycle_s < run_s;
            if by_controller && !let_run {
                self.asks = false;
                self.off_s = self.parameters.min_off_s;
            } else if by_controller && allowed && cold != Some(true) {
                self.asks = true;
            }
        }
        self.runs = self.asks && let_run && !self.broken.compressor;
    }

    fn heat(&mut self, open: f64) {
        let p = &self.parameters;
        let dead = self.broken.power;
        let fan_on = self.fan_on() && !dead;
        let flow = if fan_on { self.broken.fan } else { 0.0 };
        let (cooled_w, compressor_w) =
            if self.runs { self.cooling(&self.broken, self.evaporator_c, self.room_c) } else { (0.0, 0.0) };
        let heating = matches!(self.stage, Stage::Defrost { .. }) && !self.broken.defrost_dead && !dead;
        let heater_w = if heating { p.heater_w } else { 0.0 };
        let fan_w = if fan_on { p.fan_w * (0.4 + 0.6 * self.broken.fan) } else { 0.0 };
        let ua = self.evaporator_ua(&self.broken, self.ice_kg, fan_on);
        let damp_ua = if self.broken.defrost_dead { 1.5 } else { 0.0 };
        let air_change_ua = p.door_ua * open + p.leak_ua + damp_ua;
        let to_evaporator_w = ua * (self.air_c - self.evaporator_c);
        let surface_w = p.surface_ua * (0.45 + 0.55 * flow) * (self.air_c - self.surface_c);
        let core_w = p.core_ua * (self.surface_c - self.core_c);
        let inner_w = 2.0 * p.wall_ua * (self.wall_c - self.air_c);
        let outer_w = 2.0 * p.wall_ua * (self.room_c - self.wall_c);
        let change_w = air_change_ua * (self.room_c - self.air_c);
        // Vapour pressure over ice roughly doubles every 7 K.
        let held = 0.0038 * 2f64.powf(self.evaporator_c / 7.0);
        let frost_kg_s = if self.evaporator_c < 0.0 {
            air_change_ua / AIR_J * (p.room_humidity - held).max(0.0)
        } else {
            0.0
        };
        let melt_w = if self.evaporator_c > 0.0 && self.ice_kg > 0.0 {
            (p.evaporator_j * self.evaporator_c / 30.0).min(self.ice_kg * MELT_J / STEP_S)
        } else {
            0.0
        };
        // What heats but is not held back by the evaporator goes to the air.
        let air_w = change_w + inner_w - surface_w - to_evaporator_w + fan_w + 0.08 * heater_w;
        let evaporator_w = to_evaporator_w + frost_kg_s * FROST_J + 0.92 * heater_w - cooled_w - melt_w;
        self.heat_j =
            STEP_S * (change_w + outer_w + fan_w + heater_w + frost_kg_s * FROST_J - cooled_w - melt_w);
        // Thawing goods take up far more heat.
        let thaw = |c: f64| if p.class == Class::Freezer && c > -6.0 && c < 0.0 { 8.0 } else { 1.0 };
        let surface_j = p.surface_j * thaw(self.surface_c);
        let core_j = p.core_j * thaw(self.core_c);
        self.air_c += air_w * STEP_S / p.air_j;
        self.surface_c += (surface_w - core_w) * STEP_S / surface_j;
        self.core_c += core_w * STEP_S / core_j;
        self.wall_c += (outer_w - inner_w) * STEP_S / p.wall_j;
        self.evaporator_c += evaporator_w * STEP_S / p.evaporator_j;
        self.ice_kg = (self.ice_kg + frost_kg_s * STEP_S - melt_w * STEP_S / MELT_J).max(0.0);
        let lag_s = p.probe_lag_s * if flow > 0.3 { 1.0 } else { 1.8 };
        self.probe_c += (self.air_c - self.probe_c) * STEP_S / lag_s;
        let starved = if self.runs { 0.8 * (1.0 - self.broken.charge) } else { 0.0 };
        let outlet_c = self.evaporator_c + starved * (self.air_c - self.evaporator_c);
        self.evaporator_probe_c += (outlet_c - self.evaporator_probe_c) * STEP_S / 40.0;
        self.power_w = if dead { 0.0 } else { compressor_w + heater_w + fan_w + p.standby_w };
    }

    /// Heat held by all nodes above 0 °C, J; true where nothing thaws.
    pub fn stored_j(&self) -> f64 {
        let p = &self.parameters;
        p.air_j * self.air_c
            + p.surface_j * self.surface_c
            + p.core_j * self.core_c
            + p.wall_j * self.wall_c
            + p.evaporator_j * self.evaporator_c
    }
}
