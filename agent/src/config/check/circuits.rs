//! What equipment hangs on: circuits, and the ids of lines and of the store beside those of devices.

use super::Check;
use crate::config::file::{self, At, File};
use crate::config::{Circuit, Config, Device};

impl Check {
    pub(super) fn circuits(
        &mut self,
        circuits: &[file::Circuit],
        devices: &[Option<Device>],
    ) -> Vec<Circuit> {
        self.unique("circuit", circuits.iter().map(|circuit| &circuit.id));
        self.unique("device of a circuit", circuits.iter().flat_map(|circuit| &circuit.devices));
        let mut checked = Vec::new();
        for circuit in circuits {
            let id = circuit.id.get_ref();
            self.valid_id("circuit", &circuit.id);
            let mut members = Vec::new();
            for name in &circuit.devices {
                let is_meant =
                    |known: &Option<Device>| known.as_ref().is_some_and(|d| d.id == *name.get_ref());
                match devices.iter().position(is_meant) {
                    Some(index) => members.push(index),
                    // A device with faults of its own has been complained about already.
                    None if devices.iter().any(Option::is_none) => {}
                    None => {
                        let message =
                            format!("circuit `{id}`: there is no [[device]] with id `{}`", name.get_ref());
                        self.fault(&name.span(), message);
                    }
                }
            }
            if circuit.devices.len() < 2 {
                let message = format!(
                    "circuit `{id}`: of one device alone it cannot be told whether it or its circuit has died; name two or more, or leave it out"
                );
                self.fault(&circuit.id.span(), message);
            }
            let name = circuit.name.clone().unwrap_or_else(|| id.clone());
            checked.push(Circuit { id: id.clone(), name, devices: members });
        }
        checked
    }

    /// Lines, circuits and the store have alarms of their own, under their ids.
    pub(super) fn parents(&mut self, config: &Config, file: &File) {
        let lines: Vec<_> = config.lines().into_iter().map(|(id, _)| id).collect();
        let buses = file.bus.iter().map(|bus| ("bus", &bus.id));
        let brokers = file.broker.iter().map(|broker| ("broker", &broker.id));
        let lines = buses.chain(brokers).filter(|(_, id)| lines.contains(&id.get_ref().as_str()));
        let circuits = file.circuit.iter().map(|circuit| ("circuit", &circuit.id));
        let mut taken: Vec<&str> = config.devices.iter().map(|device| device.id.as_str()).collect();
        taken.extend(config.lights.iter().map(|light| light.id.as_str()));
        for (what, id) in [("store", &file.store.id)].into_iter().chain(lines).chain(circuits) {
            self.not_taken(what, id, &taken);
            taken.push(id.get_ref());
        }
    }

    fn not_taken(&mut self, what: &str, id: &At<String>, taken: &[&str]) {
        if taken.contains(&id.get_ref().as_str()) {
            let message = format!(
                "{what} `{}` has the id of something else that has alarms; give each its own",
                id.get_ref()
            );
            self.fault(&id.span(), message);
        }
    }
}
