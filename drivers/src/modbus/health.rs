//! Whether a device answers, and when a silent one is asked again.

use storewarden_rules::{Millis, Mono};

/// The first pause after a missed answer; each further miss doubles it.
const PAUSE_FIRST: Millis = Millis::from_secs(1);
/// The longest pause: how long a repaired device may wait until it is seen again.
const PAUSE_MAX: Millis = Millis::from_secs(60);

/// Whether one device answers. A silent one costs its neighbours one time-out per pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its last poll was answered, or it was never asked.
    Online,
    /// It missed an answer.
    Silent {
        /// The pause in force, 1 s to 60 s.
        pause: Millis,
        /// When it may be asked again.
        probe_at: Mono,
    },
}

impl Health {
    /// Whether it may be asked now.
    pub fn may_ask(self, now: Mono) -> bool {
        match self {
            Self::Online => true,
            Self::Silent { probe_at, .. } => now >= probe_at,
        }
    }

    /// A whole poll was answered. True if it was silent until now. A single answer is not enough:
    /// a device that answers one read and hangs on the next would cost a time-out at every poll.
    pub fn answered(&mut self) -> bool {
        std::mem::replace(self, Self::Online) != Self::Online
    }

    /// An answer did not come. True if it was online until now.
    pub fn missed(&mut self, now: Mono) -> bool {
        let (pause, news) = match *self {
            Self::Online => (PAUSE_FIRST, true),
            Self::Silent { pause, .. } => (Millis(pause.0 * 2).min(PAUSE_MAX), false),
        };
        *self = Self::Silent { pause, probe_at: now + pause };
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_minute_and_one_answer_ends_them() {
        let mut health = Health::Online;
        let mut now = Mono(0);
        let mut pauses = Vec::new();
        for miss in 0..8 {
            assert!(health.may_ask(now));
            assert_eq!(health.missed(now), miss == 0, "news only once");
            let Health::Silent { pause, probe_at } = health else { panic!("silent") };
            assert!(!health.may_ask(Mono(probe_at.0 - 1)));
            pauses.push(pause.0 / 1000);
            now = probe_at;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(health.answered());
        assert!(!health.answered());
        assert_eq!(health, Health::Online);
        health.missed(now);
        assert!(health.may_ask(now + Millis::from_secs(1)), "starts again with the short pause");
    }
}
