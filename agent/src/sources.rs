//! The tasks that bring readings in: one per bus, one per broker that has equipment. All run on one thread.

use crate::assemble::Assembled;
use crate::config::{Config, Place};
use crate::journal::JournalError;
use crate::tasks::Tasks;
use std::collections::HashMap;
use storewarden_drivers::clock::Clock;
use storewarden_drivers::keep::{Beat, Inlet, Tie};
use storewarden_drivers::modbus::task::{self, BusConfig, Command};
use storewarden_drivers::mqtt::equipment::MqttDevice;
use storewarden_drivers::mqtt::task::{self as mqtt, BrokerConfig};
use storewarden_rules::{DeviceId, PointId, Reading};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Commands waiting for a bus; beyond, a command is refused.
const COMMANDS_MAX: usize = 16;

/// Everything that brings readings in.
pub struct Buses {
    /// The running tasks.
    pub tasks: Vec<JoinHandle<()>>,
    /// Their signs of life.
    pub beats: Vec<Beat>,
    /// Where the commands for each device go.
    pub commands: HashMap<DeviceId, mpsc::Sender<Command>>,
}

/// What everything that brings readings in is started with.
pub struct Sources<'a> {
    /// The thread of its own that they run on.
    pub on: &'a Handle,
    /// What there is.
    pub config: &'a Config,
    /// The ids of devices and points.
    pub assembled: &'a Assembled,
    /// Where readings go.
    pub readings: &'a mpsc::Sender<Vec<Reading>>,
    /// The time.
    pub clock: &'a Clock,
    /// Ends them.
    pub stop: &'a CancellationToken,
}

impl Sources<'_> {
    /// One task per bus.
    pub fn start_buses(&self, tasks: &mut Tasks) -> Buses {
        let Self { on, config, assembled, readings, clock, stop } = *self;
        let mut buses = Buses { tasks: Vec::new(), beats: Vec::new(), commands: HashMap::new() };
        for (index, bus) in config.buses.iter().enumerate() {
            let (sender, receiver) = mpsc::channel(COMMANDS_MAX);
            let mut devices = Vec::new();
            for (device_index, device) in config.devices_of(index) {
                let id = device_id(device_index);
                buses.commands.insert(id, sender.clone());
                let first = assembled.names.points_of(id).next().map_or(PointId(0), |(point, _)| point);
                devices.extend(device.on_bus(first));
            }
            let bus =
                BusConfig { name: bus.id.clone(), transport: bus.transport.clone(), cost: bus.cost, devices };
            let beat = Beat::of(&format!("bus {}", bus.name));
            buses.beats.push(beat.clone());
            let (readings, clock, commands) = (readings.clone(), clock.clone(), Inlet::from(receiver));
            let tie = Tie { stop: stop.clone(), beat: beat.clone() };
            buses.tasks.push(tasks.keep(on, beat, move || {
                let task =
                    task::run(bus.clone(), readings.clone(), commands.clone(), clock.clone(), tie.clone());
                async {
                    task.await;
                    Ok::<_, JournalError>(())
                }
            }));
        }
        buses
    }

    /// One task per broker that has devices; their commands join those of the buses.
    pub fn start_brokers(&self, tasks: &mut Tasks, buses: &mut Buses) {
        let Self { on, config, assembled, readings, clock, stop } = *self;
        for (index, broker) in config.brokers.iter().enumerate() {
            let (sender, receiver) = mpsc::channel(COMMANDS_MAX);
            let mut devices = Vec::new();
            for (id, device) in (0..).map(DeviceId).zip(&config.devices) {
                let Place::Broker { broker, topic } = &device.place else { continue };
                if *broker != index {
                    continue;
                }
                buses.commands.insert(id, sender.clone());
                let mqtt = device.profile.mqtt().expect("the config puts only MQTT devices at a broker");
                devices.push(MqttDevice {
                    name: device.id.clone(),
                    topic: topic.clone(),
                    mqtt: mqtt.clone(),
                    points: device.profile.points.clone(),
                    poll: device.polls.normal,
                    wanted: assembled
                        .names
                        .points_of(id)
                        .enumerate()
                        .map(|(index, (point, _))| (point, index))
                        .collect(),
                });
            }
            if devices.is_empty() {
                continue;
            }
            // Ids hold no slash: no label gateway's connection has this name.
            let client_id = format!("storewarden-{}/{}", config.store.id, broker.id);
            let broker =
                BrokerConfig { name: broker.id.clone(), broker: broker.broker.on_lan(client_id), devices };
            let beat = Beat::of(&format!("broker {}", broker.name));
            buses.beats.push(beat.clone());
            let (readings, clock, commands) = (readings.clone(), clock.clone(), Inlet::from(receiver));
            let tie = Tie { stop: stop.clone(), beat: beat.clone() };
            buses.tasks.push(tasks.keep(on, beat, move || {
                let task =
                    mqtt::run(broker.clone(), readings.clone(), commands.clone(), clock.clone(), tie.clone());
                async {
                    task.await;
                    Ok::<_, JournalError>(())
                }
            }));
        }
    }
}

/// Devices are added to the rules in the order of the config.
fn device_id(index: usize) -> DeviceId {
    DeviceId(u16::try_from(index).expect("Site takes at most some hundreds"))
}
