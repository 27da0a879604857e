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
    Online,
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
    /// What its readings are, if it is not asked.
    pub fn silence(self) -> Option<BadReason> {
        match self {
            Self::Silent { reason, .. } => Some(reason),
            Self::Online | Self::Returning { .. } => None,
        }
    }

    /// A probe was answered.
    pub fn probed(&mut self) {
        if let Self::Silent { pause, .. } = *self {
            *self = Self::Returning { pause };
        }
    }

    /// A whole poll was answered. True if it was not online until now.
    pub fn answered(&mut self) -> bool {
        std::mem::replace(self, Self::Online) != Self::Online
    }

    /// An answer did not come, and is not asked for again. True if it was online until now.
    pub fn missed(&mut self, now: Duration, reason: BadReason) -> bool {
        let (pause, news) = match *self {
            Self::Online => (PAUSE_FIRST, true),
            Self::Silent { pause, .. } | Self::Returning { pause } => ((pause * 2).min(PAUSE_MAX), false),
        };
        *self = Self::Silent { pause, probe_at: now + pause, reason };
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_minute_and_a_whole_poll_ends_them() {
        let mut health = Health::Online;
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
        assert!(health.answered());
        assert!(!health.answered());
        health.missed(now, BadReason::Garbled);
        assert_eq!(health.silence(), Some(BadReason::Garbled));
        assert!(
            matches!(health, Health::Silent { pause: PAUSE_FIRST, .. }),
            "starts again with the short pause"
        );
    }
}
