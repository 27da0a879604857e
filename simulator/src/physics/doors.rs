//! Customers: when a cabinet's door opens and for how long.

use super::STEP_S;

/// Openings of one cabinet's door per hour, by hour of the day: quiet nights, and the three rushes of
/// a convenience store. Made up; only the shape matters.
const OPENINGS_PER_HOUR: [f64; 24] = [
    2.0, 1.0, 1.0, 1.0, 1.0, 2.0, 5.0, 9.0, 8.0, 5.0, 5.0, 8.0, 12.0, 10.0, 6.0, 5.0, 6.0, 8.0, 10.0, 9.0,
    7.0, 6.0, 4.0, 3.0,
];

/// The shortest and the longest time a customer keeps the door open, s.
const OPEN_S: (f64, f64) = (6.0, 18.0);

/// A door with customers in front of it.
#[derive(Clone, Debug)]
pub struct Doors {
    random: fastrand::Rng,
    open_left_s: f64,
}

impl Doors {
    /// A closed door; `seed` decides every opening to come.
    pub fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), open_left_s: 0.0 }
    }

    /// Whether the door is open during the next second, at `hour` of the day (0 ≤ hour < 24).
    pub fn step(&mut self, hour: usize) -> bool {
        if self.open_left_s > 0.0 {
            self.open_left_s -= STEP_S;
            return true;
        }
        let chance = OPENINGS_PER_HOUR[hour % 24] * STEP_S / 3600.0;
        if self.random.f64() < chance {
            self.open_left_s = OPEN_S.0 + self.random.f64() * (OPEN_S.1 - OPEN_S.0);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noon_is_busier_than_night_and_a_seed_repeats_itself() {
        let open_s = |hour| {
            let mut doors = Doors::new(1);
            (0..36_000).filter(|_| doors.step(hour)).count()
        };
        assert!(open_s(12) > 3 * open_s(3));
        assert_eq!(open_s(12), open_s(12));
    }
}
