//! The controller of a cabinet: thermostat, defrost timer, its own alarm, and a cabinet to act on.

use super::STEP_S;
use super::cabinet::{Cabinet, Drive, Parameters};
use super::doors::Doors;

/// State codes of the EKC 202 family, as far as this controller reaches them.
mod code {
    pub const COOLING: f64 = 0.0;
    pub const DRIP: f64 = 4.0;
    pub const THERMOSTAT_OFF: f64 = 11.0;
    pub const DEFROST: f64 = 14.0;
    pub const FAN_DELAY: f64 = 15.0;
    pub const EMERGENCY: f64 = 20.0;
}

/// What the controller is set to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Compressor off at this, °C.
    pub set_point_c: f64,
    /// Compressor on at set point plus this, K.
    pub differential_k: f64,
    /// Least time off, s.
    pub off_min_s: f64,
    /// Time between two defrosts, s.
    pub defrost_every_s: f64,
    /// Evaporator temperature that ends a defrost, °C.
    pub defrost_end_c: f64,
    /// Longest defrost, s.
    pub defrost_max_s: f64,
    /// Pause after a defrost in which water runs off, s.
    pub drip_s: f64,
    /// The fan starts again when the evaporator is this cold, °C.
    pub fan_start_c: f64,
    /// Limits of the controller's own alarm, °C.
    pub alarm_low_high_c: (f64, f64),
    /// Delay of the controller's own alarm, s.
    pub alarm_delay_s: f64,
}

impl Settings {
    /// Factory-like settings of a freezer.
    pub fn freezer() -> Self {
        Self {
            set_point_c: -22.0,
            differential_k: 2.0,
            off_min_s: 300.0,
            defrost_every_s: 6.0 * 3600.0,
            defrost_end_c: 8.0,
            defrost_max_s: 1800.0,
            drip_s: 180.0,
            fan_start_c: -8.0,
            alarm_low_high_c: (-30.0, -12.0),
            alarm_delay_s: 1800.0,
        }
    }

    /// Factory-like settings of a chiller.
    pub fn chiller() -> Self {
        Self {
            set_point_c: 1.7,
            differential_k: 1.6,
            off_min_s: 180.0,
            defrost_every_s: 6.0 * 3600.0,
            defrost_end_c: 8.0,
            defrost_max_s: 1800.0,
            drip_s: 60.0,
            fan_start_c: 2.0,
            alarm_low_high_c: (-2.0, 10.0),
            alarm_delay_s: 1800.0,
        }
    }
}

/// Something broken in or at a cabinet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// The relay closes, the compressor does not run.
    pub compressor: bool,
    /// The relay closes, the fan does not turn.
    pub fan: bool,
    /// The air probe's cable is cut.
    pub probe: bool,
    /// Somebody left the door open.
    pub door: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Cooling { on: bool, for_s: f64 },
    Defrost { for_s: f64 },
    Drip { for_s: f64 },
    FanDelay { for_s: f64 },
}

/// The fan waits no longer than this for a cold evaporator, s: a dead compressor must not stop it.
const FAN_DELAY_MAX_S: f64 = 300.0;

/// A cabinet with its controller and its customers.
#[derive(Clone, Debug)]
pub struct Controller {
    settings: Settings,
    cabinet: Cabinet,
    doors: Doors,
    phase: Phase,
    to_defrost_s: f64,
    outside_s: [f64; 2],
    drive: Drive,
    relay: Drive,
    /// What is broken; set from outside.
    pub broken: Broken,
    /// Night flag, written over Modbus; kept, without effect on the thermostat.
    pub night: bool,
    /// Lamp flag, written over Modbus.
    pub light: bool,
}

impl Controller {
    /// A healthy cabinet whose first defrost comes after `first_defrost_s` seconds.
    pub fn new(parameters: Parameters, settings: Settings, seed: u64, first_defrost_s: f64) -> Self {
        Self {
            settings,
            cabinet: Cabinet::new(parameters),
            doors: Doors::new(seed),
            phase: Phase::Cooling { on: false, for_s: 3600.0 },
            to_defrost_s: first_defrost_s,
            outside_s: [0.0; 2],
            drive: Drive::default(),
            relay: Drive::default(),
            broken: Broken::default(),
            night: false,
            light: true,
        }
    }

    /// One second at `hour` of the day in a room of `ambient_c`.
    pub fn step(&mut self, hour: usize, ambient_c: f64) {
        self.to_defrost_s -= STEP_S;
        self.phase = self.next_phase();
        self.relay = match self.phase {
            Phase::Cooling { on, .. } => Drive { compressor: on, fan: true, ..Drive::default() },
            Phase::Defrost { .. } => Drive { heater: true, ..Drive::default() },
            Phase::Drip { .. } => Drive::default(),
            Phase::FanDelay { .. } => Drive { compressor: true, ..Drive::default() },
        };
        let customer = self.doors.step(hour);
        self.drive = Drive {
            compressor: self.relay.compressor && !self.broken.compressor,
            fan: self.relay.fan && !self.broken.fan,
            heater: self.relay.heater,
            door_open: customer || self.broken.door,
        };
        self.cabinet.step(self.drive, ambient_c);
        self.watch_limits();
    }

    fn next_phase(&mut self) -> Phase {
        let s = &self.settings;
        let evaporator_c = self.cabinet.evaporator_c();
        match self.phase {
            Phase::Cooling { .. } if self.to_defrost_s <= 0.0 => {
                self.to_defrost_s += s.defrost_every_s;
                Phase::Defrost { for_s: 0.0 }
            }
            Phase::Cooling { on, for_s } => {
                let wants = self.thermostat(on, for_s);
                let for_s = if wants == on { for_s + STEP_S } else { 0.0 };
                Phase::Cooling { on: wants, for_s }
            }
            Phase::Defrost { for_s } if evaporator_c >= s.defrost_end_c || for_s >= s.defrost_max_s => {
                Phase::Drip { for_s: 0.0 }
            }
            Phase::Defrost { for_s } => Phase::Defrost { for_s: for_s + STEP_S },
            Phase::Drip { for_s } if for_s >= s.drip_s => Phase::FanDelay { for_s: 0.0 },
            Phase::Drip { for_s } => Phase::Drip { for_s: for_s + STEP_S },
            Phase::FanDelay { for_s } if evaporator_c <= s.fan_start_c || for_s >= FAN_DELAY_MAX_S => {
                Phase::Cooling { on: true, for_s: 0.0 }
            }
            Phase::FanDelay { for_s } => Phase::FanDelay { for_s: for_s + STEP_S },
        }
    }

    fn thermostat(&self, on: bool, for_s: f64) -> bool {
        let s = &self.settings;
        if self.broken.probe {
            // Emergency cooling: without a probe the controller runs by the clock, half and half.
            return if for_s >= 600.0 { !on } else { on };
        }
        let air_c = self.cabinet.probe_c();
        if on {
            air_c > s.set_point_c
        } else {
            air_c >= s.set_point_c + s.differential_k && for_s >= s.off_min_s
        }
    }

    fn watch_limits(&mut self) {
        let air_c = self.cabinet.probe_c();
        let (low, high) = self.settings.alarm_low_high_c;
        let quiet = self.broken.probe || !matches!(self.phase, Phase::Cooling { .. });
        for (held_s, outside) in self.outside_s.iter_mut().zip([air_c < low, air_c > high]) {
            *held_s = if outside && !quiet { *held_s + STEP_S } else { 0.0 };
        }
    }

    /// The cabinet behind it.
    pub fn cabinet(&self) -> &Cabinet {
        &self.cabinet
    }

    /// Whether the air probe's cable is cut.
    pub fn probe_broken(&self) -> bool {
        self.broken.probe
    }

    /// The value of the profile point `name`, if this controller has such a thing. The air
    /// temperature of a cut probe is what the controller last believed; serving a fault in its
    /// place is the register map's affair.
    pub fn point(&self, name: &str) -> Option<f64> {
        let [low_s, high_s] = self.outside_s;
        let (low, high) = (low_s >= self.settings.alarm_delay_s, high_s >= self.settings.alarm_delay_s);
        let defrosting = matches!(self.phase, Phase::Defrost { .. });
        Some(match name {
            "air_temperature" => self.cabinet.probe_c(),
            "defrost_temperature" => self.cabinet.evaporator_c(),
            "set_point" | "set_point_in_force" => self.settings.set_point_c,
            "state" => self.state_code(),
            "defrost" | "defrost_start" => flag(defrosting),
            "compressor" => flag(self.relay.compressor),
            "fan" => flag(self.relay.fan),
            "door" => flag(self.drive.door_open),
            "alarm" => flag(low || high || self.broken.probe),
            "alarm_high" => flag(high),
            "alarm_low" => flag(low),
            "probe_fault" => flag(self.broken.probe),
            "night" => flag(self.night),
            "light" => flag(self.light),
            _ => return None,
        })
    }

    fn state_code(&self) -> f64 {
        match self.phase {
            Phase::Defrost { .. } => code::DEFROST,
            Phase::Drip { .. } => code::DRIP,
            Phase::FanDelay { .. } => code::FAN_DELAY,
            Phase::Cooling { .. } if self.broken.probe => code::EMERGENCY,
            Phase::Cooling { on: true, .. } => code::COOLING,
            Phase::Cooling { on: false, .. } => code::THERMOSTAT_OFF,
        }
    }

    /// Takes a write to the point `name`; false if it has none that can be written.
    pub fn write(&mut self, name: &str, value: f64) -> bool {
        match name {
            "night" => self.night = value != 0.0,
            "light" => self.light = value != 0.0,
            "set_point" => self.settings.set_point_c = value,
            "defrost_start" if value != 0.0 => self.phase = Phase::Defrost { for_s: 0.0 },
            // It ends when the evaporator is warm.
            "defrost_start" => {}
            _ => return false,
        }
        true
    }
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}
