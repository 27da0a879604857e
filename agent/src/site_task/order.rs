//! What headquarters orders to be written to a device.

use super::{Ordered, Running};
use crate::assemble::Names;
use storewarden_drivers::modbus::command::CommandError;
use storewarden_drivers::modbus::task::Command;
use storewarden_rules::{Class, DeviceId, Input, Millis, Now, PointId};
use tokio::sync::oneshot;

/// Something to be written. What the store's configuration allows is judged by who hands it in.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// The set point of a cabinet.
    SetPoint {
        /// Which device.
        device: String,
        /// °C.
        celsius: f64,
    },
    /// A light against its schedule.
    Light {
        /// Which.
        light: String,
        /// On or off.
        on: bool,
        /// For how long.
        span: Millis,
    },
    /// A defrost now.
    Defrost {
        /// Which device.
        device: String,
    },
}

impl Running {
    /// Hands the write to the device's line; who ordered it hears what became of it.
    pub(super) fn order(&mut self, ordered: Ordered) {
        let Ordered { order, by, deadline, reply } = ordered;
        let now = self.task.clock.now();
        let (point, value) = match self.target(now, &order) {
            Ok(target) => target,
            Err(why) => return drop(reply.send(Err(why))),
        };
        let owner = self.names.point(point).device;
        tracing::info!(device = %self.names.device(owner).id, point = %self.names.point(point).name, value, %by, "ordered");
        let (answer, outcome) = oneshot::channel();
        let command = Command { point, value, deadline, reply: answer };
        let is_sent = self.task.commands.get(&owner).is_some_and(|line| line.try_send(command).is_ok());
        if !is_sent {
            return drop(reply.send(Err(CommandError::QueueFull.to_string())));
        }
        if let Order::Light { light, on, span } = &order
            && let Some(device) = self.names.find_device(light)
        {
            self.step(now, Input::SwitchLight { device, on: *on, span: *span });
        }
        tokio::spawn(async move {
            let outcome = outcome.await.unwrap_or(Err(CommandError::Stopped));
            let _ = reply.send(outcome.map_err(|error| error.to_string()));
        });
    }

    /// What is to be written, and where.
    fn target(&self, now: Now, order: &Order) -> Result<(PointId, f64), String> {
        match order {
            Order::SetPoint { device, celsius } => {
                Ok((point_of(&self.names, self.device(device)?, "set_point")?, *celsius))
            }
            Order::Light { light, on, .. } => {
                let device = self.device(light)?;
                let switch = self.names.shown_of(device).find(|(_, name, _)| *name == "light");
                let is_light = self.names.device(device).class == Class::Light;
                let (switch, ..) = switch
                    .filter(|_| is_light)
                    .ok_or_else(|| format!("`{light}` is no [[light]] of this store"))?;
                Ok((switch, f64::from(u8::from(*on))))
            }
            Order::Defrost { device } => {
                let of = self.device(device)?;
                let start = point_of(&self.names, of, "defrost_start")?;
                if let Ok(flag) = point_of(&self.names, of, "defrost")
                    && self.task.assembled.site.sample(now, flag).flag() == Some(true)
                {
                    return Err(format!("`{device}` is defrosting already"));
                }
                Ok((start, 1.0))
            }
        }
    }

    fn device(&self, id: &str) -> Result<DeviceId, String> {
        self.names.find_device(id).ok_or_else(|| format!("this store has no device `{id}`"))
    }
}

fn point_of(names: &Names, device: DeviceId, name: &str) -> Result<PointId, String> {
    let point = names.points_of(device).find(|(_, point)| point.name == name);
    point.map(|(id, _)| id).ok_or_else(|| {
        format!(
            "`{}` has no point `{name}` that is read: its profile has none, or its `points` leave it out",
            names.device(device).id
        )
    })
}
