//! Freezers whose air temperature jumps between right and wrong, each at its own pace: alarms come and
//! go at moments that have nothing to do with the agent's polls.

use crate::lab::Place;
use std::fmt::Write as _;

/// Simulated seconds per real second: the simulator moves in whole simulated seconds, and 50 ms is how
/// often it looks.
const ACCELERATION: f64 = 20.0;

/// A store of such freezers, on one bus.
#[derive(Clone, Copy)]
pub struct Waves {
    /// How many.
    pub devices: u32,
    /// How long the first one stays right, and then wrong, s.
    pub half_s: f64,
    /// How much longer each further one takes than the one before, s.
    pub spread_s: f64,
    /// How often each is polled, as in the configuration.
    pub poll: &'static str,
    /// How long the temperature must be wrong, as in the configuration.
    pub delay: &'static str,
}

impl Waves {
    /// The recordings that the simulator plays: name and text.
    pub fn recordings(&self) -> Vec<(String, String)> {
        (0..self.devices)
            .map(|index| {
                let half_s = self.half_s + self.spread_s * f64::from(index);
                #[expect(clippy::cast_possible_truncation, reason = "minutes at most")]
                let half_ms = (half_s * ACCELERATION * 1000.0) as i64;
                let time = |ms| {
                    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
                    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
                };
                let text = format!("time,air\n{},-22\n{},-12\n", time(0), time(half_ms));
                (format!("wave-{index}.csv"), text)
            })
            .collect()
    }

    /// The simulator's configuration.
    pub fn simulator(&self) -> String {
        let mut text = format!("acceleration = {ACCELERATION:.1}\n[[bus]]\nlisten = \"127.0.0.1:0\"\n");
        for index in 0..self.devices {
            let unit = index + 1;
            let _ = writeln!(
                text,
                "[[bus.unit]]\nunit = {unit}\nprofile = \"danfoss-ekc-202d\"\nid = \"freezer-{unit}\"\nwatch_limit = -18.0\n\
                 model = {{ recording = \"wave-{index}.csv\", column = \"air\", point = \"air_temperature\" }}"
            );
        }
        text
    }

    /// The agent's configuration.
    pub fn store(&self, place: &Place) -> String {
        let Self { poll, delay, .. } = self;
        let mut text = place.store_toml();
        for unit in 1..=self.devices {
            let _ = writeln!(
                text,
                "[[device]]\nid = \"freezer-{unit}\"\nclass = \"freezer\"\nprofile = \"danfoss-ekc-202d\"\nbus = \"equipment\"\n\
                 unit = {unit}\npoll = \"{poll}\"\npoints = [\"air_temperature\"]\n\
                 temperature_high = {{ limit = -18.0, delay = \"{delay}\", delay_hold_off = \"{delay}\" }}"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use storewarden::config::Config;

    #[test]
    fn agent_and_simulator_take_the_configurations() {
        let waves = Waves { devices: 3, half_s: 1.0, spread_s: 0.5, poll: "100ms", delay: "200ms" };
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in waves.recordings() {
            std::fs::write(dir.path().join(name), text).expect("writes");
        }
        let world =
            storesim::config::parse(&dir.path().join("sim.toml"), &waves.simulator()).expect("a world");
        assert_eq!((world.world.devices().len(), world.watch.len()), (3, 3));
        let place = Place::for_tests();
        let config = Config::parse(Path::new("store.toml"), &waves.store(&place)).expect("a store");
        assert_eq!(config.devices[2].polls.normal.as_millis(), 100);
        assert_eq!(
            config.devices[2]
                .cabinet
                .as_ref()
                .and_then(|cabinet| cabinet.config.high)
                .map(|high| high.delay.0),
            Some(200)
        );
    }

    #[test]
    fn each_freezer_has_its_own_pace() {
        let waves = Waves { devices: 2, half_s: 1.0, spread_s: 0.5, poll: "1s", delay: "1s" };
        let texts: Vec<_> = waves.recordings().into_iter().map(|(_, text)| text).collect();
        // 1 s and 1.5 s, at 20 simulated seconds each.
        assert!(texts[0].ends_with("1970-01-01T00:00:20.000Z,-12\n"), "{}", texts[0]);
        assert!(texts[1].ends_with("1970-01-01T00:00:30.000Z,-12\n"), "{}", texts[1]);
    }
}
