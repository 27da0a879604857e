//! The thermal side of a cabinet: air, product and evaporator as three masses, a compressor, a
//! defrost heater, a fan and a door.
//!
//! Magnitudes: one freezer of the convenience store behind `recordings/` was identified (by its
//! authors) as 113 kJ/K behind 0.1 K/W with a COP of 1.7 and a 4.5 kW defrost heater on 5.9 kW of
//! cooling. Capacities here are scaled down from that walk-in room to a single display cabinet; the
//! ratio of heater to cooling, the COP and the leak are of its size. The rest was tuned until the
//! traces have the shape of the recording (see the scenarios in `tests/physics.rs`).

use super::STEP_S;

/// Heat to melt ice, J/kg.
const LATENT_J_PER_KG: f64 = 334_000.0;

/// What a cabinet is made of.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Heat capacity of air, shelves and lining, J/K.
    pub air_j_per_k: f64,
    /// Heat capacity of the goods, J/K.
    pub product_j_per_k: f64,
    /// Heat capacity of the evaporator, J/K.
    pub evaporator_j_per_k: f64,
    /// Leak through the walls, W/K.
    pub leak_w_per_k: f64,
    /// Extra leak while the door is open, W/K.
    pub door_w_per_k: f64,
    /// Air to goods, W/K.
    pub product_w_per_k: f64,
    /// Air to evaporator with the fan on, W/K.
    pub evaporator_w_per_k: f64,
    /// The same with the fan off: convection alone, W/K.
    pub still_w_per_k: f64,
    /// Cooling at `rated_evaporator_c`, W.
    pub capacity_w: f64,
    /// Evaporator temperature of the rating, °C.
    pub rated_evaporator_c: f64,
    /// Heat moved per electricity used, 1.
    pub cop: f64,
    /// Defrost heater, W; its heat goes into the evaporator.
    pub heater_w: f64,
    /// Evaporator fan, W; its heat goes into the air.
    pub fan_w: f64,
    /// Frame heater and lamp, W; always on, outside the cold room.
    pub rail_w: f64,
    /// Frost from the leak's moisture, kg/h, and while the door is open, kg/h.
    pub frost_kg_per_h: (f64, f64),
    /// Time constant of the probe in its sleeve, s.
    pub probe_lag_s: f64,
    /// Air at the start, °C.
    pub start_c: f64,
}

impl Parameters {
    /// A glass-door freezer of about 1 m³ with 60 kg of goods.
    pub fn freezer() -> Self {
        Self {
            air_j_per_k: 45_000.0,
            product_j_per_k: 115_000.0,
            evaporator_j_per_k: 9_000.0,
            leak_w_per_k: 6.5,
            door_w_per_k: 45.0,
            product_w_per_k: 75.0,
            evaporator_w_per_k: 140.0,
            still_w_per_k: 3.0,
            capacity_w: 1_050.0,
            rated_evaporator_c: -29.0,
            cop: 1.7,
            heater_w: 800.0,
            fan_w: 45.0,
            rail_w: 60.0,
            frost_kg_per_h: (0.03, 1.5),
            probe_lag_s: 60.0,
            start_c: -21.0,
        }
    }

    /// A glass-door chiller of about 1 m³ with 150 kg of drinks and meals.
    pub fn chiller() -> Self {
        Self {
            air_j_per_k: 55_000.0,
            product_j_per_k: 520_000.0,
            evaporator_j_per_k: 9_000.0,
            leak_w_per_k: 14.0,
            door_w_per_k: 90.0,
            product_w_per_k: 110.0,
            evaporator_w_per_k: 160.0,
            still_w_per_k: 5.0,
            capacity_w: 1_100.0,
            rated_evaporator_c: -6.0,
            cop: 2.4,
            heater_w: 250.0,
            fan_w: 60.0,
            rail_w: 60.0,
            frost_kg_per_h: (0.02, 0.8),
            probe_lag_s: 60.0,
            start_c: 2.5,
        }
    }
}

/// What is switched on during one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drive {
    /// Compressor really running (a stopped one is off whatever the relay says).
    pub compressor: bool,
    /// Fan really turning.
    pub fan: bool,
    /// Defrost heater.
    pub heater: bool,
    /// Door open.
    pub door_open: bool,
}

/// The masses and their temperatures.
#[derive(Clone, Debug)]
pub struct Cabinet {
    parameters: Parameters,
    air_c: f64,
    product_c: f64,
    evaporator_c: f64,
    probe_c: f64,
    frost_kg: f64,
    power_w: f64,
}

impl Cabinet {
    /// A cabinet that has been cold for long.
    pub fn new(parameters: Parameters) -> Self {
        let start = parameters.start_c;
        Self {
            parameters,
            air_c: start,
            product_c: start,
            evaporator_c: start,
            probe_c: start,
            frost_kg: 0.1,
            power_w: 0.0,
        }
    }

    /// One second with `drive`, in a room of `ambient_c`.
    pub fn step(&mut self, drive: Drive, ambient_c: f64) {
        let p = &self.parameters;
        let door_w_per_k = if drive.door_open { p.door_w_per_k } else { 0.0 };
        let evaporator_w_per_k = if drive.fan { p.evaporator_w_per_k } else { p.still_w_per_k };
        let fan_w = if drive.fan { p.fan_w } else { 0.0 };

        let from_room_w = (p.leak_w_per_k + door_w_per_k) * (ambient_c - self.air_c);
        let from_product_w = p.product_w_per_k * (self.product_c - self.air_c);
        let to_evaporator_w = evaporator_w_per_k * (self.air_c - self.evaporator_c);
        // A colder evaporator gives thinner gas: less heat moved per stroke.
        let strength = 1.0 + 0.03 * (self.evaporator_c - p.rated_evaporator_c);
        let cooling_w = if drive.compressor { p.capacity_w * strength.clamp(0.1, 1.6) } else { 0.0 };
        let heater_w = if drive.heater { p.heater_w } else { 0.0 };

        let evaporator_gain_w = to_evaporator_w + heater_w - cooling_w;
        self.warm_evaporator(evaporator_gain_w * STEP_S);
        let p = &self.parameters;
        self.air_c += (from_room_w + from_product_w + fan_w - to_evaporator_w) * STEP_S / p.air_j_per_k;
        self.product_c -= from_product_w * STEP_S / p.product_j_per_k;
        self.probe_c += (self.air_c - self.probe_c) * STEP_S / p.probe_lag_s;
        let frost = if drive.door_open { p.frost_kg_per_h.1 } else { p.frost_kg_per_h.0 };
        if self.evaporator_c < 0.0 {
            self.frost_kg += frost * STEP_S / 3600.0;
        }
        self.power_w = cooling_w / p.cop + heater_w + fan_w + p.rail_w;
    }

    /// Heat into the evaporator; at 0 °C it melts frost before it warms metal.
    fn warm_evaporator(&mut self, joule: f64) {
        let capacity = self.parameters.evaporator_j_per_k;
        let target_c = self.evaporator_c + joule / capacity;
        if joule <= 0.0 || target_c <= 0.0 || self.frost_kg <= 0.0 {
            self.evaporator_c = target_c;
            return;
        }
        let to_melt_j = (target_c - self.evaporator_c.max(0.0)) * capacity;
        self.frost_kg = (self.frost_kg - to_melt_j / LATENT_J_PER_KG).max(0.0);
        self.evaporator_c = self.evaporator_c.max(0.0);
    }

    /// Air as the probe reports it: lagged, in steps of 0.1 °C.
    pub fn probe_c(&self) -> f64 {
        (self.probe_c * 10.0).round() / 10.0
    }

    /// Evaporator as its probe reports it, in steps of 0.1 °C.
    pub fn evaporator_c(&self) -> f64 {
        (self.evaporator_c * 10.0).round() / 10.0
    }

    /// The goods, °C; no probe sees them.
    pub fn product_c(&self) -> f64 {
        self.product_c
    }

    /// Electricity drawn during the last step, W.
    pub fn power_w(&self) -> f64 {
        self.power_w
    }
}
