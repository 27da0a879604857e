//! What a label needs of people, from what it and its gateway told.

use super::record::Told;
use storewarden_drivers::esl::estation::task::Trouble;
use storewarden_rules::{Condition, Millis, Mono, Now};

/// mV: a battery below this is to be replaced, and the same of a label in the cold, whose battery gives less
/// (the maker's demonstration program).
const BATTERY_LOW_MV: i32 = 2500;
const BATTERY_LOW_COLD_MV: i32 = 2200;
/// dBm: a label heard more faintly than this will be lost on a busy day. A choice of this project: 10 dB
/// above what such radios still hear.
const FAINT_DBM: i32 = -85;
/// Attempts in a row without an answer after which somebody should go and look: some seven minutes.
const UNANSWERED: u32 = 3;
/// How long somebody else's writing is told.
const MISUSE_TOLD: Millis = Millis::from_mins(60);

/// What somebody should do about a label. In the order of what says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Somebody else writes to it: find out who.
    Misuse,
    /// It has another key: bind it anew.
    Key,
    /// Its display is broken: replace it.
    Display,
    /// Its battery is low: replace it.
    Battery,
    /// It does not answer: look whether it is there, and replace its battery.
    Silent,
    /// It is hardly heard: move it, or the gateway.
    Signal,
    /// It does not show its price in time, for another reason: look at it.
    Late,
}

impl Job {
    /// All.
    pub const ALL: [Self; 7] =
        [Self::Misuse, Self::Key, Self::Display, Self::Battery, Self::Silent, Self::Signal, Self::Late];

    /// The alarm that tells of it.
    pub fn condition(self) -> Condition {
        match self {
            Self::Misuse => Condition::LabelMisuse,
            Self::Key => Condition::LabelKey,
            Self::Display => Condition::LabelDisplay,
            Self::Battery => Condition::LabelBattery,
            Self::Silent => Condition::LabelSilent,
            Self::Signal => Condition::LabelSignal,
            Self::Late => Condition::LabelLate,
        }
    }

    /// As written in the work list.
    pub fn name(self) -> &'static str {
        match self {
            Self::Misuse => "misuse",
            Self::Key => "key",
            Self::Display => "display",
            Self::Battery => "battery",
            Self::Silent => "silent",
            Self::Signal => "signal",
            Self::Late => "late",
        }
    }
}

/// What is known of one label that bears on its care.
#[derive(Clone, Debug, Default)]
pub struct Care {
    /// Since when it has not shown what it should.
    wanted: Option<Mono>,
    trouble: Option<(Trouble, u32)>,
    misused: Option<Mono>,
    told: Told,
}

impl Care {
    /// Whether it is to show something else than it does.
    pub(super) fn wants(&mut self, now: Now, wants: bool) {
        if wants {
            self.wanted.get_or_insert(now.mono);
        } else {
            self.wanted = None;
        }
    }

    pub(super) fn done(&mut self, told: Told) {
        self.trouble = None;
        self.told = told;
    }

    pub(super) fn failed(&mut self, trouble: Trouble) {
        self.trouble = match self.trouble {
            Some((known, times)) if known == trouble => Some((trouble, times.saturating_add(1))),
            _ => Some((trouble, 1)),
        };
    }

    pub(super) fn misused(&mut self, now: Now) {
        self.misused = Some(now.mono);
    }

    /// What the label last told of itself.
    pub fn told(&self) -> Told {
        self.told
    }

    /// What should be done at `now`, if anything, about a label that should show its price within
    /// `deadline`; `is_cold` if it is made for freezers.
    pub fn job(&self, now: Now, deadline: Millis, is_cold: bool) -> Option<Job> {
        let low = if is_cold { BATTERY_LOW_COLD_MV } else { BATTERY_LOW_MV };
        let is_low = self.told.battery_mv.is_some_and(|mv| mv < low);
        let is_late = self.wanted.is_some_and(|since| now.mono - since > deadline);
        if self.misused.is_some_and(|at| now.mono - at < MISUSE_TOLD) {
            return Some(Job::Misuse);
        }
        match self.trouble {
            Some((Trouble::WrongKey, _)) => Some(Job::Key),
            Some((Trouble::Display | Trouble::Invalid, times)) if times > 1 => Some(Job::Display),
            _ if is_low => Some(Job::Battery),
            Some((Trouble::NoAnswer, UNANSWERED..)) => Some(Job::Silent),
            _ if is_late => Some(Job::Late),
            _ if self.told.rf_dbm.is_some_and(|dbm| dbm < FAINT_DBM) => Some(Job::Signal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storewarden_rules::Utc;

    const DEADLINE: Millis = Millis::from_mins(15);

    fn at(minute: i64) -> Now {
        Now { mono: Mono(minute * 60_000), utc: Utc(minute * 60_000) }
    }

    #[test]
    fn what_says_most_is_said() {
        let mut care = Care::default();
        assert_eq!(care.job(at(0), DEADLINE, false), None);
        care.wants(at(0), true);
        assert_eq!(care.job(at(15), DEADLINE, false), None);
        assert_eq!(care.job(at(16), DEADLINE, false), Some(Job::Late));
        for _ in 0..3 {
            care.failed(Trouble::NoAnswer);
        }
        assert_eq!(care.job(at(16), DEADLINE, false), Some(Job::Silent));
        care.told.battery_mv = Some(2300);
        assert_eq!(care.job(at(16), DEADLINE, false), Some(Job::Battery));
        assert_eq!(care.job(at(16), DEADLINE, true), Some(Job::Silent), "in the cold 2.3 V are enough");
        care.failed(Trouble::WrongKey);
        assert_eq!(care.job(at(16), DEADLINE, false), Some(Job::Key));
        care.misused(at(16));
        assert_eq!(care.job(at(16), DEADLINE, false), Some(Job::Misuse));
        care.wants(at(80), false);
        care.done(Told { rf_dbm: Some(-90), battery_mv: Some(2900), temperature_c: None });
        assert_eq!(care.job(at(80), DEADLINE, false), Some(Job::Signal));
        care.done(Told { rf_dbm: Some(-60), ..Told::default() });
        assert_eq!(care.job(at(80), DEADLINE, false), None);
    }

    #[test]
    fn once_is_no_reason_to_replace_a_display() {
        let mut care = Care::default();
        care.failed(Trouble::Display);
        assert_eq!(care.job(at(0), DEADLINE, false), None);
        care.failed(Trouble::Display);
        assert_eq!(care.job(at(0), DEADLINE, false), Some(Job::Display));
    }
}
