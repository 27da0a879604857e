//! Whether a device answers, and when a silent one is asked again.

use std::time::Duration;
use storewarden_rules::BadReason;

/// The first pause after a missed answer; each further miss doubles it.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause: how long a repaired device may wait until it is seen again.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Whether one device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its last poll was answered, or it was never asked.
    Online {
        /// The pause that was in force before it came back, until it has proven itself; then zero. One
        /// that keeps coming and going ends up with the long pauses of one that is gone.
        before: Duration,
    },
    /// It does not answer, or not in words that make sense.
    Silent {
        /// The pause in force, 1 s to 60 s.
        pause: Duration,
        /// When it may be asked again.
        probe_at: Duration,
        /// What its readings are meanwhile.
        reason: BadReason,
    },
    /// It answered a probe, but not yet a whole poll: one that answers one read and hangs on the next
    /// would cost a time-out at every poll.
    Returning {
        /// The pause that was in force; the next one is longer.
        pause: Duration,
    },
}

impl Health {
    /// Never asked, or without a fault for long.
    pub const SOUND: Self = Self::Online { before: Duration::ZERO };

    /// What its readings are, if it is not asked.
    pub fn silence(self) -> Option<BadReason> {
        match self {
            Self::Silent { reason, .. } => Some(reason),
            Self::Online { .. } | Self::Returning { .. } => None,
        }
    }

    /// Whether it answers as it should.
    pub fn is_online(self) -> bool {
        matches!(self, Self::Online { .. })
    }

    /// Whether it was sound until lately, and was not probed yet.
    pub fn is_news(self) -> bool {
        matches!(self, Self::Silent { pause: PAUSE_FIRST, .. })
    }

    /// A probe was answered.
    pub fn probed(&mut self) {
        if let Self::Silent { pause, .. } = *self {
            *self = Self::Returning { pause };
        }
    }

    /// A whole poll was answered. True if it was not online until now.
    pub fn answered(&mut self) -> bool {
        let Self::Returning { pause } = *self else { return false };
        *self = Self::Online { before: pause };
        true
    }

    /// It missed nothing for long.
    pub fn proven(&mut self) {
        if self.is_online() {
            *self = Self::SOUND;
        }
    }

    /// An answer did not come, and is not asked for again. True if it was online until now.
    pub fn missed(&mut self, now: Duration, reason: BadReason) -> bool {
        let (before, news) = match *self {
            Self::Online { before } => (before, true),
            Self::Silent { pause, .. } | Self::Returning { pause } => (pause, false),
        };
        let pause = (before * 2).clamp(PAUSE_FIRST, PAUSE_MAX);
        *self = Self::Silent { pause, probe_at: now + pause, reason };
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_minute_and_a_whole_poll_ends_them() {
        let mut health = Health::SOUND;
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for miss in 0..8 {
            assert_eq!(health.missed(now, BadReason::NoResponse), miss == 0, "news only once");
            let Health::Silent { pause, probe_at, .. } = health else { panic!("silent") };
            assert_eq!(probe_at, now + pause);
            pauses.push(pause.as_secs());
            now = probe_at;
            // A probe answered is not enough.
            if miss % 2 == 1 {
                health.probed();
            }
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        health.probed();
        assert!(health.answered() && !health.answered());
        assert!(health.missed(now, BadReason::Garbled));
        assert_eq!(health.silence(), Some(BadReason::Garbled));
        assert!(matches!(health, Health::Silent { pause: PAUSE_MAX, .. }), "it only came and went");
        health.probed();
        health.answered();
        health.proven();
        health.missed(now, BadReason::Garbled);
        assert!(health.is_news(), "starts again with the short pause");
    }
}
