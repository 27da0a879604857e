//! The store: every simulated device, and what they have to do with each other.

use crate::{
    fault::{Fault, Kind},
    physics::{STEP_S, controller::Controller, meter::Meter, recording::Recording, relay::Relay},
};

/// What a device is.
#[derive(Debug)]
pub enum Model {
    /// A cabinet with its controller.
    Cabinet(Box<Controller>),
    /// A recorded column in place of the point of that name.
    Recording {
        /// The column.
        recording: Recording,
        /// Name of the point it plays.
        point: String,
    },
    /// A meter of other devices' power.
    Meter {
        /// The meter.
        meter: Meter,
        /// Everything that is not simulated, W, spread over phases 1 and 2.
        base_w: f64,
        /// Cabinets behind it (indices), by turns on phases 1 and 2.
        cabinets: Vec<usize>,
        /// Lamps behind it (relay's index, name of its point), on phase 3.
        lamps: Vec<(usize, String)>,
    },
    /// A relay module with lamps.
    Relay(Relay),
}

/// What is wrong with a device's side of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Does not answer.
    pub silent: bool,
    /// Answers exception 4.
    pub exception: bool,
    /// Answers too short.
    pub garbage: bool,
}

/// One device.
#[derive(Debug)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// Its side of the line.
    pub line: Line,
    /// Whether its air probe is cut.
    pub probe_cut: bool,
    pub(crate) model: Model,
}

/// A value as a device has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// In the point's unit.
    Number(f64),
    /// The device knows that its sensor is broken.
    SensorFault,
}

impl Device {
    /// A healthy device.
    pub fn new(id: String, model: Model) -> Self {
        Self { id, line: Line::default(), probe_cut: false, model }
    }
}

/// The store. Nothing in it reads a clock.
#[derive(Debug)]
pub struct World {
    devices: Vec<Device>,
    ambient_c: f64,
    start_hour: u32,
    steps: u64,
    carry_s: f64,
}

impl World {
    /// A store that opens its eyes at `start_hour` (0 to 23) with `ambient_c` in the shop.
    pub fn new(devices: Vec<Device>, start_hour: u32, ambient_c: f64) -> Self {
        Self { devices, ambient_c, start_hour, steps: 0, carry_s: 0.0 }
    }

    /// Lets `dt_s` simulated seconds pass, in whole steps; the rest is kept for the next call.
    pub fn step(&mut self, dt_s: f64) {
        self.carry_s += dt_s;
        while self.carry_s >= STEP_S {
            self.carry_s -= STEP_S;
            self.second();
        }
    }

    fn second(&mut self) {
        self.steps += 1;
        let hour = usize::try_from(self.steps / 3600 % 24).unwrap_or(0)
            + usize::try_from(self.start_hour).unwrap_or(0);
        for device in &mut self.devices {
            if let Model::Cabinet(cabinet) = &mut device.model {
                cabinet.step(hour % 24, self.ambient_c);
            }
        }
        for index in 0..self.devices.len() {
            let watts = self.phases(index);
            if let (Model::Meter { meter, .. }, Some(watts)) = (&mut self.devices[index].model, watts) {
                meter.step(watts);
            }
        }
    }

    /// The powers behind the meter at `index`, W.
    fn phases(&self, index: usize) -> Option<[f64; 3]> {
        let Model::Meter { base_w, cabinets, lamps, .. } = &self.devices[index].model else { return None };
        let mut watts = [base_w / 2.0, base_w / 2.0, 0.0];
        for (turn, cabinet) in cabinets.iter().enumerate() {
            if let Model::Cabinet(cabinet) = &self.devices[*cabinet].model {
                watts[turn % 2] += cabinet.cabinet().power_w();
            }
        }
        for (relay, point) in lamps {
            if let Model::Relay(relay) = &self.devices[*relay].model {
                watts[2] += relay.lamp_w(point);
            }
        }
        Some(watts)
    }

    /// Simulated seconds since the start.
    #[expect(clippy::cast_precision_loss, reason = "exact below 285 million years")]
    pub fn elapsed_s(&self) -> f64 {
        self.steps as f64 * STEP_S
    }

    /// The devices, in the order they were given.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Breaks or mends something. A device or kind that does not fit is left alone: the config has
    /// refused it.
    pub fn set_fault(&mut self, fault: &Fault, broken: bool) {
        let Some(device) = self.devices.iter_mut().find(|device| device.id == fault.device) else { return };
        match (fault.kind, &mut device.model) {
            (Kind::NoResponse, _) => device.line.silent = broken,
            (Kind::Exception, _) => device.line.exception = broken,
            (Kind::Garbage, _) => device.line.garbage = broken,
            (Kind::SensorFault, Model::Cabinet(cabinet)) => {
                device.probe_cut = broken;
                cabinet.broken.probe = broken;
            }
            (Kind::SensorFault, _) => device.probe_cut = broken,
            (Kind::CompressorStopped, Model::Cabinet(cabinet)) => cabinet.broken.compressor = broken,
            (Kind::DoorOpen, Model::Cabinet(cabinet)) => cabinet.broken.door = broken,
            (Kind::FanStopped, Model::Cabinet(cabinet)) => cabinet.broken.fan = broken,
            (Kind::LampBroken, Model::Relay(relay)) => relay.break_lamp(fault.channel, broken),
            _ => {}
        }
    }

    /// Whether `kind` can happen to the device at `index`.
    pub fn can_break(&self, index: usize, kind: Kind) -> bool {
        let model = &self.devices[index].model;
        match kind {
            Kind::NoResponse | Kind::Exception | Kind::Garbage => true,
            Kind::SensorFault => matches!(model, Model::Cabinet(_) | Model::Recording { .. }),
            Kind::CompressorStopped | Kind::DoorOpen | Kind::FanStopped => {
                matches!(model, Model::Cabinet(_))
            }
            Kind::LampBroken => matches!(model, Model::Relay(_)),
        }
    }

    /// Whether everything behind the meter at `index` is what it is called; says what is not.
    pub fn check_links(&self, index: usize) -> Result<(), String> {
        let Model::Meter { cabinets, lamps, .. } = &self.devices[index].model else { return Ok(()) };
        for device in cabinets.iter().map(|cabinet| &self.devices[*cabinet]) {
            if !matches!(device.model, Model::Cabinet(_)) {
                return Err(format!(
                    "`{}` is not a simulated cabinet and has no power; leave it out",
                    device.id
                ));
            }
        }
        for (relay, point) in lamps {
            let device = &self.devices[*relay];
            if !matches!(&device.model, Model::Relay(relay) if relay.point(point).is_some()) {
                return Err(format!("`{}` has no lamp `{point}`; write \"relay-1/relay_1\"", device.id));
            }
        }
        Ok(())
    }

    /// The value of point `name` of the device at `index`; none if its model knows nothing of it.
    pub fn value(&self, index: usize, name: &str) -> Option<Value> {
        let device = &self.devices[index];
        let number = match &device.model {
            Model::Cabinet(cabinet) => cabinet.point(name),
            Model::Recording { recording, point } => (point == name).then(|| recording.at(self.elapsed_s())),
            Model::Meter { meter, .. } => meter.point(name),
            Model::Relay(relay) => relay.point(name),
        }?;
        let is_probe = match &device.model {
            Model::Recording { point, .. } => point == name,
            _ => name == AIR,
        };
        Some(if device.probe_cut && is_probe { Value::SensorFault } else { Value::Number(number) })
    }

    /// The air temperature of the device at `index` as its register shows it, °C; none if it has no
    /// such point or its probe is cut.
    pub fn register_air_c(&self, index: usize) -> Option<f64> {
        match self.value(index, AIR)? {
            Value::Number(number) => Some((number * 10.0).round() / 10.0),
            Value::SensorFault => None,
        }
    }

    /// Takes a write; false if the model cannot be written there.
    pub fn write(&mut self, index: usize, name: &str, value: f64) -> bool {
        match &mut self.devices[index].model {
            Model::Cabinet(cabinet) => cabinet.write(name, value),
            Model::Relay(relay) => relay.write(name, value),
            Model::Recording { .. } | Model::Meter { .. } => false,
        }
    }
}

const AIR: &str = "air_temperature";
