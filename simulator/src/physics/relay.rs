//! A relay module that switches lamps.

/// Channels of the largest module.
pub const CHANNELS: usize = 8;

/// Coils and the lamps behind them.
#[derive(Clone, Debug, Default)]
pub struct Relay {
    coils: [bool; CHANNELS],
    watts: [f64; CHANNELS],
    broken: [bool; CHANNELS],
}

impl Relay {
    /// All coils open; `lamps` are (channel 1 to 8, watts). A channel out of range is left out: the
    /// config has refused it.
    pub fn new(lamps: impl IntoIterator<Item = (usize, f64)>) -> Self {
        let mut relay = Self::default();
        for (channel, watts) in lamps {
            if let Some(slot) = channel.checked_sub(1).and_then(|index| relay.watts.get_mut(index)) {
                *slot = watts;
            }
        }
        relay
    }

    /// Breaks or mends the lamp of one channel, or of all.
    pub fn break_lamp(&mut self, channel: Option<usize>, broken: bool) {
        for (index, slot) in self.broken.iter_mut().enumerate() {
            if channel.is_none_or(|channel| channel == index + 1) {
                *slot = broken;
            }
        }
    }

    /// The coil behind point `relay_1` … `relay_8`.
    pub fn point(&self, name: &str) -> Option<f64> {
        channel_of(name).map(|index| f64::from(u8::from(self.coils[index])))
    }

    /// Every coil; true is closed.
    pub fn coils(&self) -> [bool; CHANNELS] {
        self.coils
    }

    /// Power of the lamp behind point `name`, W: nothing while the coil is open or the lamp broken.
    pub fn lamp_w(&self, name: &str) -> f64 {
        match channel_of(name) {
            Some(index) if self.coils[index] && !self.broken[index] => self.watts[index],
            _ => 0.0,
        }
    }

    /// Switches a coil; false if there is none of that name.
    pub fn write(&mut self, name: &str, value: f64) -> bool {
        let Some(index) = channel_of(name) else { return false };
        self.coils[index] = value != 0.0;
        true
    }
}

fn channel_of(name: &str) -> Option<usize> {
    let channel: usize = name.strip_prefix("relay_")?.parse().ok()?;
    (1..=CHANNELS).contains(&channel).then(|| channel - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lamp_draws_power_only_when_switched_on_and_whole() {
        let mut relay = Relay::new([(1, 120.0), (3, 60.0)]);
        assert_eq!(relay.lamp_w("relay_1"), 0.0);
        assert!(relay.write("relay_1", 1.0) && relay.write("relay_3", 1.0));
        assert_eq!((relay.lamp_w("relay_1"), relay.lamp_w("relay_3")), (120.0, 60.0));
        relay.break_lamp(Some(1), true);
        assert_eq!((relay.lamp_w("relay_1"), relay.lamp_w("relay_3")), (0.0, 60.0));
        assert_eq!(relay.point("relay_1"), Some(1.0), "the coil reads back on: only the power tells");
        assert!(!relay.write("relay_9", 1.0));
    }
}
