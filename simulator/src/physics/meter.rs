//! The store's main meter: the powers of everything behind it on three phases.

use super::STEP_S;

const VOLTS: [f64; 3] = [229.4, 230.6, 231.1];
const POWER_FACTOR: f64 = 0.93;
const HERTZ: f64 = 50.0;

/// A three-phase meter.
#[derive(Clone, Debug)]
pub struct Meter {
    watts: [f64; 3],
    import_kwh: f64,
}

impl Default for Meter {
    fn default() -> Self {
        Self { watts: [0.0; 3], import_kwh: START_KWH }
    }
}

/// A meter is never new; a reading from the middle of its life finds errors a zero would hide.
const START_KWH: f64 = 4_200.0;

impl Meter {
    /// One second with these powers on its phases, W.
    pub fn step(&mut self, watts: [f64; 3]) {
        self.watts = watts;
        self.import_kwh += watts.iter().sum::<f64>() * STEP_S / 3.6e6;
    }

    /// The value of the profile point `name`, if a meter has such a thing.
    pub fn point(&self, name: &str) -> Option<f64> {
        let of_phase = |prefix: &str| {
            let phase: usize = name.strip_prefix(prefix)?.parse().ok()?;
            (1..=3).contains(&phase).then(|| phase - 1)
        };
        match name {
            "power_total" => return Some(self.watts.iter().sum()),
            "frequency" => return Some(HERTZ),
            "energy_import" | "energy_total" => return Some(self.import_kwh),
            "energy_export" => return Some(0.0),
            _ => {}
        }
        if let Some(phase) = of_phase("voltage_") {
            return Some(VOLTS[phase]);
        }
        if let Some(phase) = of_phase("current_") {
            return Some(self.watts[phase] / (VOLTS[phase] * POWER_FACTOR));
        }
        of_phase("power_").map(|phase| self.watts[phase])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_at_a_kilowatt_is_a_kilowatt_hour() {
        let mut meter = Meter::default();
        (0..3600).for_each(|_| meter.step([500.0, 300.0, 200.0]));
        let hour = meter.point("energy_import").expect("a meter counts") - START_KWH;
        assert!((hour - 1.0).abs() < 1e-6, "{hour}");
        assert_eq!(meter.point("power_total"), Some(1000.0));
        assert_eq!(meter.point("power_3"), Some(200.0));
        assert_eq!(meter.point("power_4"), None);
    }
}
