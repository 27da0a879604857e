//! How far the store's clock may be trusted. Pure.
//!
//! Headquarters puts its time into each acknowledgement. While the store's clock agrees within
//! [`AGREES`], it is synchronised; an hour without word it is on its own (holdover) for up to
//! [`HOLDOVER`], in which a quartz of 100 ppm strays by a minute; beyond that, before the first word since
//! the agent started, and after a step of the clock, nothing is known. When the two disagree it is wrong,
//! until they agree or it is set: a line that is down does not mend it. What the clock was set by (NTP, a radio, a person) does not
//! matter: only whether it is right. Bounds are choices of this project.

use storewarden_proto::v1;
use storewarden_rules::{Millis, Mono, Now, Utc};

/// The store and headquarters agree within this: what the network and two NTP clients may make.
const AGREES: Millis = Millis::from_secs(5);
/// So long after it last agreed the clock counts as synchronised.
const FRESH: Millis = Millis::from_mins(60);
/// So long after it last agreed the clock is trusted on its own.
const HOLDOVER: Millis = Millis::from_mins(7 * 24 * 60);
/// What a quartz may stray, parts per million, and what a slewing NTP client may besides.
const STRAY_PPM: i64 = 600;
/// A clock that moved by more than this against the monotonic one, beyond its stray, was set.
const STEP: Millis = Millis::from_secs(2);

/// The clock's word, in the terms of the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// It may show anything.
    #[default]
    Unknown,
    /// Headquarters' disagrees. On its way there it is called unknown: that it disagrees it knows itself.
    Wrong,
    /// It agrees with headquarters.
    Synchronised,
    /// It did, not too long ago, and has not been set since.
    Holdover,
}

impl Trust {
    /// Whether what is due by the clock may be done.
    pub fn is_enough(self) -> bool {
        matches!(self, Self::Synchronised | Self::Holdover)
    }
}

impl From<Trust> for v1::ClockTrust {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Unknown | Trust::Wrong => Self::Unknown,
            Trust::Synchronised => Self::Synchronised,
            Trust::Holdover => Self::Holdover,
        }
    }
}

/// Follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockTrust {
    /// When headquarters last gave its time, and whether the two agreed then.
    heard: Option<(Mono, Utc, bool)>,
}

impl ClockTrust {
    /// Headquarters says that it is `there`; the word must be fresh, not one the broker kept.
    pub fn heard(&mut self, now: Now, there: Utc) {
        self.heard = Some((now.mono, now.utc, (now.utc.0 - there.0).abs() <= AGREES.0));
    }

    /// How far the clock may be trusted at `now`, for those who only look: at each look anew, because the clock
    /// may be set at any moment.
    pub fn at(mut self, now: Now) -> Trust {
        self.trust(now)
    }

    /// How far the clock may be trusted now.
    pub fn trust(&mut self, now: Now) -> Trust {
        let Some((mono, utc, agrees)) = self.heard else { return Trust::Unknown };
        let elapsed = now.mono - mono;
        let moved = (now.utc.0 - utc.0 - elapsed.0).abs();
        if moved > STEP.0 + elapsed.0 * STRAY_PPM / 1_000_000 {
            // It was set: wrong or right, it is another clock.
            self.heard = None;
            return Trust::Unknown;
        }
        match elapsed {
            _ if !agrees => Trust::Wrong,
            fresh if fresh <= FRESH => Trust::Synchronised,
            old if old <= HOLDOVER => Trust::Holdover,
            _ => Trust::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_790_000_000_000;

    fn at(seconds: i64, clock_off_s: i64) -> Now {
        Now { mono: Mono(seconds * 1000), utc: Utc(START + (seconds + clock_off_s) * 1000) }
    }

    fn there(seconds: i64) -> Utc {
        Utc(START + seconds * 1000)
    }

    #[test]
    fn trust_comes_with_the_first_word_and_fades() {
        let mut clock = ClockTrust::default();
        assert_eq!(clock.trust(at(0, 0)), Trust::Unknown);
        clock.heard(at(10, 3), there(10));
        assert_eq!(clock.trust(at(10, 3)), Trust::Synchronised);
        assert_eq!(clock.trust(at(10 + 3600, 3)), Trust::Synchronised);
        assert_eq!(clock.trust(at(10 + 3601, 3)), Trust::Holdover);
        assert_eq!(clock.trust(at(10 + 7 * 86_400, 3)), Trust::Holdover);
        assert_eq!(clock.trust(at(11 + 7 * 86_400, 3)), Trust::Unknown);
    }

    #[test]
    fn a_clock_that_disagrees_or_was_set_is_not_trusted_until_it_agrees_again() {
        let mut clock = ClockTrust::default();
        clock.heard(at(10, 6), there(10));
        assert_eq!(clock.trust(at(10, 6)), Trust::Wrong, "six seconds off");
        assert_eq!(clock.trust(at(10 + 8 * 86_400, 6)), Trust::Wrong, "no word mends nothing");
        let mut set = clock;
        assert_eq!(set.trust(at(20, 0)), Trust::Unknown, "it was set, rightly or not");
        clock.heard(at(20, 0), there(20));
        for off in [3600, -3600, 86_400, -86_400, 3] {
            let mut set = clock;
            assert_eq!(set.trust(at(30, off)), Trust::Unknown, "set by {off} s");
            assert_eq!(set.trust(at(40, 0)), Trust::Unknown, "and back: nobody knows");
            set.heard(at(50, 0), there(50));
            assert_eq!(set.trust(at(50, 0)), Trust::Synchronised);
        }
        // A quartz that strays is no step: 20 s in two days are 116 ppm.
        assert_eq!(clock.trust(at(20 + 2 * 86_400, 20)), Trust::Holdover);
    }
}
