//! The life of one alarm, after ISA-18.2 / IEC 62682.

use crate::Mono;

/// State of an alarm as people and headquarters see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlarmState {
    /// Nothing is wrong.
    Normal,
    /// Wrong, and nobody has said that they know.
    ActiveUnacknowledged,
    /// Wrong, and somebody knows.
    ActiveAcknowledged,
    /// No longer wrong, but nobody has seen it.
    ReturnedUnacknowledged,
    /// No longer wrong, but kept until a person acknowledges after the return.
    Latched,
    /// Put aside by a person for a limited time.
    Shelved,
    /// Quiet because another fact explains it.
    SuppressedByDesign,
    /// Quiet because the equipment is not in use.
    OutOfService,
}

impl AlarmState {
    /// All of them, for tables of texts.
    pub const ALL: [Self; 8] = [
        Self::Normal,
        Self::ActiveUnacknowledged,
        Self::ActiveAcknowledged,
        Self::ReturnedUnacknowledged,
        Self::Latched,
        Self::Shelved,
        Self::SuppressedByDesign,
        Self::OutOfService,
    ];

    /// As written in files, on pages and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::ActiveUnacknowledged => "active_unacknowledged",
            Self::ActiveAcknowledged => "active_acknowledged",
            Self::ReturnedUnacknowledged => "returned_unacknowledged",
            Self::Latched => "latched",
            Self::Shelved => "shelved",
            Self::SuppressedByDesign => "suppressed_by_design",
            Self::OutOfService => "out_of_service",
        }
    }

    /// The state of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether it is a person's or a design's cover over the condition rather than the condition itself.
    pub fn is_cover(self) -> bool {
        matches!(self, Self::Shelved | Self::SuppressedByDesign | Self::OutOfService)
    }
}

/// What can happen to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmInput {
    /// The condition became true.
    Raise,
    /// The condition is no longer true.
    Clear,
    /// A person says that they know.
    Acknowledge,
    /// A person puts it aside until then.
    Shelve {
        /// When it comes back by itself.
        until: Mono,
    },
    /// A person takes it off the shelf.
    Unshelve,
    /// Another fact explains it from now on.
    Suppress,
    /// No longer explained.
    Unsuppress,
    /// The equipment is taken out of use.
    RemoveFromService,
    /// The equipment is in use again.
    ReturnToService,
    /// Time has passed.
    Tick,
}

/// What covers the condition. The later cover replaces the earlier, except that only
/// [`AlarmInput::ReturnToService`] ends being out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cover {
    None,
    Shelved,
    Suppressed,
    OutOfService,
}

/// The condition beneath the cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    Normal,
    Unacknowledged,
    Acknowledged,
    Returned,
    Latched,
}

/// One alarm: the condition's process state and a cover over it.
///
/// Under a cover the truth of the condition goes on being followed: when the cover ends, an active
/// condition comes back as [`AlarmState::ActiveUnacknowledged`], whoever acknowledged it before, and
/// one that is over as [`AlarmState::Normal`]. Acknowledging a covered alarm does nothing.
///
/// ISA-18.2 resets a latched alarm in two steps (acknowledge, reset); here acknowledging after the
/// return is the reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    latch: bool,
    process: Process,
    cover: Cover,
    /// End of the shelf, while there is one.
    until: Mono,
}

impl Alarm {
    /// A normal alarm. With `latch`, it stays after the return of the condition until it is
    /// acknowledged, even if it had been acknowledged while active.
    pub fn new(latch: bool) -> Self {
        Self { latch, process: Process::Normal, cover: Cover::None, until: Mono::NEVER }
    }

    /// The alarm as it was in `state` before a restart. Of a cover it is not known whether the
    /// condition beneath was true: it counts as true until it is seen to be over. A shelf without
    /// an end is over at the first tick.
    pub fn restored(latch: bool, state: AlarmState, shelved_until: Option<Mono>) -> Self {
        let (process, cover) = match state {
            AlarmState::Normal => (Process::Normal, Cover::None),
            AlarmState::ActiveUnacknowledged => (Process::Unacknowledged, Cover::None),
            AlarmState::ActiveAcknowledged => (Process::Acknowledged, Cover::None),
            AlarmState::ReturnedUnacknowledged => (Process::Returned, Cover::None),
            AlarmState::Latched => (Process::Latched, Cover::None),
            AlarmState::Shelved => (Process::Unacknowledged, Cover::Shelved),
            AlarmState::SuppressedByDesign => (Process::Unacknowledged, Cover::Suppressed),
            AlarmState::OutOfService => (Process::Unacknowledged, Cover::OutOfService),
        };
        Self { latch, process, cover, until: shelved_until.unwrap_or(Mono::NEVER) }
    }

    /// Its state.
    pub fn state(&self) -> AlarmState {
        match (self.cover, self.process) {
            (Cover::Shelved, _) => AlarmState::Shelved,
            (Cover::Suppressed, _) => AlarmState::SuppressedByDesign,
            (Cover::OutOfService, _) => AlarmState::OutOfService,
            (Cover::None, Process::Normal) => AlarmState::Normal,
            (Cover::None, Process::Unacknowledged) => AlarmState::ActiveUnacknowledged,
            (Cover::None, Process::Acknowledged) => AlarmState::ActiveAcknowledged,
            (Cover::None, Process::Returned) => AlarmState::ReturnedUnacknowledged,
            (Cover::None, Process::Latched) => AlarmState::Latched,
        }
    }

    /// Whether the condition is true, covered or not.
    pub fn is_active(&self) -> bool {
        matches!(self.process, Process::Unacknowledged | Process::Acknowledged)
    }

    /// Applies `input`; gives the previous state if the state changed.
    pub fn step(&mut self, now: Mono, input: AlarmInput) -> Option<AlarmState> {
        let previous = self.state();
        self.cover = self.next_cover(now, input);
        if let AlarmInput::Shelve { until } = input {
            self.until = until;
        }
        self.process = match self.cover {
            Cover::None if !previous.is_cover() => self.next_process(input),
            _ => self.next_process_covered(input),
        };
        (self.state() != previous).then_some(previous)
    }

    fn next_cover(&self, now: Mono, input: AlarmInput) -> Cover {
        match (self.cover, input) {
            (Cover::OutOfService, AlarmInput::ReturnToService) => Cover::None,
            (Cover::OutOfService, _) | (_, AlarmInput::RemoveFromService) => Cover::OutOfService,
            (_, AlarmInput::Shelve { .. }) => Cover::Shelved,
            (_, AlarmInput::Suppress) => Cover::Suppressed,
            (Cover::Shelved, AlarmInput::Unshelve) => Cover::None,
            (Cover::Shelved, AlarmInput::Tick) if now >= self.until => Cover::None,
            (Cover::Suppressed, AlarmInput::Unsuppress) => Cover::None,
            (cover, _) => cover,
        }
    }

    fn next_process(&self, input: AlarmInput) -> Process {
        match (self.process, input) {
            (Process::Normal | Process::Returned | Process::Latched, AlarmInput::Raise) => {
                Process::Unacknowledged
            }
            (Process::Unacknowledged | Process::Acknowledged, AlarmInput::Clear) if self.latch => {
                Process::Latched
            }
            (Process::Unacknowledged, AlarmInput::Clear) => Process::Returned,
            (Process::Acknowledged, AlarmInput::Clear) => Process::Normal,
            (Process::Unacknowledged, AlarmInput::Acknowledge) => Process::Acknowledged,
            (Process::Returned | Process::Latched, AlarmInput::Acknowledge) => Process::Normal,
            (process, _) => process,
        }
    }

    fn next_process_covered(&self, input: AlarmInput) -> Process {
        let active = match input {
            AlarmInput::Raise => true,
            AlarmInput::Clear => false,
            _ => self.is_active(),
        };
        if active { Process::Unacknowledged } else { Process::Normal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Mono = Mono(1000);

    /// Next state of every state, in the order of [`inputs`], written by hand from ISA-18.2.
    /// N normal, U active unacknowledged, A active acknowledged, R returned, L latched, S shelved,
    /// D suppressed by design, O out of service. Covers stand over an active condition.
    const TABLE: [(char, &str); 8] = [
        // Raise Clear Ack Shelve Unshelve Suppress Unsuppress Remove Return Tick(late)
        ('N', "UNNSNDNONN"),
        ('U', "URASUDUOUU"),
        ('A', "ANASADAOAA"),
        ('R', "URNSRDRORR"),
        ('L', "ULNSLDLOLL"),
        ('S', "SSSSUDSOSU"),
        ('D', "DDDSDDUODD"),
        ('O', "OOOOOOOOUO"),
    ];

    fn inputs() -> [AlarmInput; 10] {
        [
            AlarmInput::Raise,
            AlarmInput::Clear,
            AlarmInput::Acknowledge,
            AlarmInput::Shelve { until: Mono(2000) },
            AlarmInput::Unshelve,
            AlarmInput::Suppress,
            AlarmInput::Unsuppress,
            AlarmInput::RemoveFromService,
            AlarmInput::ReturnToService,
            AlarmInput::Tick,
        ]
    }

    fn state(letter: char) -> AlarmState {
        match letter {
            'N' => AlarmState::Normal,
            'U' => AlarmState::ActiveUnacknowledged,
            'A' => AlarmState::ActiveAcknowledged,
            'R' => AlarmState::ReturnedUnacknowledged,
            'L' => AlarmState::Latched,
            'S' => AlarmState::Shelved,
            'D' => AlarmState::SuppressedByDesign,
            'O' => AlarmState::OutOfService,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_state_meets_every_input() {
        for (letter, row) in TABLE {
            for (input, next) in inputs().into_iter().zip(row.chars()) {
                let mut alarm = Alarm::restored(false, state(letter), Some(NOW));
                let changed = alarm.step(NOW, input);
                assert_eq!(alarm.state(), state(next), "{letter} {input:?}");
                assert_eq!(changed, (letter != next).then_some(state(letter)), "{letter} {input:?}");
            }
        }
    }

    #[test]
    fn a_latched_alarm_stays_until_it_is_acknowledged_after_the_return() {
        let mut alarm = Alarm::new(true);
        alarm.step(NOW, AlarmInput::Raise);
        alarm.step(NOW, AlarmInput::Acknowledge);
        alarm.step(NOW, AlarmInput::Clear);
        assert_eq!(alarm.state(), AlarmState::Latched);
        alarm.step(NOW, AlarmInput::Acknowledge);
        assert_eq!(alarm.state(), AlarmState::Normal);
    }

    #[test]
    fn what_is_over_when_the_shelf_ends_is_normal() {
        let mut alarm = Alarm::new(false);
        alarm.step(NOW, AlarmInput::Raise);
        alarm.step(NOW, AlarmInput::Shelve { until: Mono(2000) });
        assert_eq!(alarm.step(NOW, AlarmInput::Clear), None, "quiet beneath the shelf");
        assert_eq!(alarm.step(Mono(1999), AlarmInput::Tick), None);
        assert_eq!(alarm.step(Mono(2000), AlarmInput::Tick), Some(AlarmState::Shelved));
        assert_eq!(alarm.state(), AlarmState::Normal);
    }

    #[test]
    fn names_are_read_back() {
        for state in AlarmState::ALL {
            assert_eq!(AlarmState::from_name(state.name()), Some(state));
        }
        assert_eq!(AlarmState::from_name("fine"), None);
    }

    proptest! {
        #[test]
        fn the_truth_of_the_condition_is_never_lost(
            steps in prop::collection::vec(0_usize..10, 0..200),
            latch in any::<bool>(),
        ) {
            let mut alarm = Alarm::new(latch);
            let mut truth = false;
            for (time, step) in (0_i64..).zip(steps) {
                let input = match inputs()[step] {
                    AlarmInput::Shelve { .. } => AlarmInput::Shelve { until: Mono(time + 7) },
                    other => other,
                };
                truth = match input { AlarmInput::Raise => true, AlarmInput::Clear => false, _ => truth };
                let before = alarm.state();
                let changed = alarm.step(Mono(time), input);
                prop_assert_eq!(changed, (alarm.state() != before).then_some(before));
                prop_assert_eq!(alarm.is_active(), truth);
                if truth && !alarm.state().is_cover() {
                    prop_assert!(matches!(
                        alarm.state(),
                        AlarmState::ActiveUnacknowledged | AlarmState::ActiveAcknowledged
                    ));
                }
                if before.is_cover() && !alarm.state().is_cover() {
                    prop_assert_ne!(alarm.state(), AlarmState::ActiveAcknowledged);
                }
            }
        }
    }
}
