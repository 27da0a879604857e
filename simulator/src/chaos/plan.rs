//! What goes wrong and when: a seed gives the whole of it, so that a failure can be had again. Nothing
//! here reads a clock or touches a process.

use super::order::{Forgery, Order};
use fastrand::Rng;
use serde::Serialize;
use std::fmt;

/// Real time between the begins of two faults, ms.
const GAP_MS: std::ops::Range<u64> = 150..1100;
/// How long a killed program stays away, ms.
const AWAY_MS: std::ops::Range<u64> = 50..2500;
/// How long a program stands still, ms.
const FROZEN_MS: std::ops::Range<u64> = 200..4000;
/// How long a line is bad, ms.
const WEATHER_MS: std::ops::Range<u64> = 300..6000;
/// How long a disk is full or read-only, ms.
const FULL_MS: std::ops::Range<u64> = 500..5000;
/// How long a stepped clock stays wrong, ms.
const CLOCK_MS: std::ops::Range<u64> = 2000..15_000;
/// Steps of the clock: an hour and a day, either way, ms.
const CLOCK_STEPS_MS: [i64; 4] = [3_600_000, -3_600_000, 86_400_000, -86_400_000];
/// How long a clock shows the time before a change of summer time, ms; and how long in all.
pub const BEFORE_CHANGE_MS: i64 = 7_000;
const SUMMER_TIME_MS: std::ops::Range<u64> = 13_000..20_000;
/// Delays of the temperature alarm that are pushed by turns, ms.
pub const DELAYS_MS: [u64; 2] = [200, 300];

/// A program that is killed and stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// `storewarden run`.
    Agent,
    /// `storewarden-hq serve`.
    Headquarters,
    /// The other worker of headquarters, where there are two.
    SecondHeadquarters,
    /// Mosquitto, which keeps nothing over its death.
    Broker,
    /// The database server of headquarters, where there is one.
    Database,
    /// The store's own Mosquitto, between agent and access point, where there are labels.
    ShelfBroker,
}

impl Party {
    /// Everyone, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Agent,
        Self::Headquarters,
        Self::SecondHeadquarters,
        Self::Broker,
        Self::Database,
        Self::ShelfBroker,
    ];

    /// Those that a plan strikes where headquarters has a database server.
    pub const OF_POSTGRES: [Self; 5] =
        [Self::Agent, Self::Headquarters, Self::SecondHeadquarters, Self::Broker, Self::Database];

    /// Its name in what is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Headquarters => "headquarters",
            Self::SecondHeadquarters => "second_headquarters",
            Self::Broker => "broker",
            Self::Database => "database",
            Self::ShelfBroker => "shelf_broker",
        }
    }
}

/// A line to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The agent's.
    Store,
    /// That of headquarters.
    Headquarters,
}

/// A disk of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Volume {
    /// The journal is on it.
    Journal,
    /// The database of headquarters is on it.
    Headquarters,
}

/// What a line does with what it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weather {
    /// Carries it.
    #[default]
    Fair,
    /// Ends every connection at once, also new ones.
    Cut,
    /// Carries each piece late, and few bytes a second.
    Slow {
        /// What each piece waits, ms.
        late_ms: u64,
        /// Bytes per second and direction.
        bytes_per_s: u64,
    },
    /// Accepts and swallows, both ways.
    HalfOpen,
    /// Swallows what the broker says: it takes messages, nobody hears that it did, and they are sent
    /// again.
    Deaf,
    /// Delivers every PUBLISH twice, both ways, under the same packet id and flagged as sent before. TCP
    /// cannot do that and MQTT 5 forbids it to a client (4.4); a broken bridge or gateway on the way
    /// does it, and clients of MQTT 3 that are tired of waiting. To the receiver it is a new message
    /// (4.3.2), which it acknowledges a second time.
    Twice,
}

/// One act, at its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL.
    Kill(Party),
    /// SIGKILL of the agent; then the tail of its write-ahead log behind the last commit is torn off,
    /// after `share` of 1,000, and half a frame of rubbish is put there.
    KillAndTear {
        /// Of 1,000.
        share: u64,
    },
    /// It is started again.
    Start(Party),
    /// SIGSTOP.
    Freeze(Party),
    /// SIGCONT.
    Thaw(Party),
    /// A line changes.
    Turn(Line, Weather),
    /// No page more finds room on a disk.
    Fill(Volume),
    /// It has room again.
    Free(Volume),
    /// SIGKILL of the agent, whose disk is then read-only: while it runs the kernel refuses.
    KillAndLock,
    /// The journal's disk takes writes again, and the agent is started anew: what began on a read-only
    /// disk stays without a journal.
    Unlock,
    /// A rule file with this delay, ms, and SIGHUP.
    Push(u64),
    /// The agent's wall clock is off by so many ms; 0 is right again.
    Clock(i64),
    /// The agent's wall clock goes to [`BEFORE_CHANGE_MS`] before a change of summer time, and walks on:
    /// to the begin of it, or to its end.
    SummerTime {
        /// Or ends.
        begins: bool,
    },
    /// New prices.
    Order(Order),
}

impl Act {
    /// The kind it is counted under; none for what only ends a fault.
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Kill(Party::Agent) => "kill_agent",
            Self::Kill(Party::Headquarters) => "kill_headquarters",
            Self::Kill(Party::SecondHeadquarters) => "kill_second_headquarters",
            Self::Kill(Party::Broker) => "kill_broker",
            Self::Kill(Party::Database) => "kill_database",
            Self::Kill(Party::ShelfBroker) => "kill_shelf_broker",
            Self::KillAndTear { .. } => "kill_agent_torn_log",
            Self::Freeze(Party::Agent) => "freeze_agent",
            Self::Freeze(Party::Headquarters) => "freeze_headquarters",
            Self::Freeze(Party::SecondHeadquarters) => "freeze_second_headquarters",
            Self::Freeze(Party::Broker) => "freeze_broker",
            Self::Freeze(Party::Database) => "freeze_database",
            Self::Freeze(Party::ShelfBroker) => "freeze_shelf_broker",
            Self::Turn(_, Weather::Cut) => "line_cut",
            Self::Turn(_, Weather::Slow { .. }) => "line_slow",
            Self::Turn(_, Weather::HalfOpen) => "line_half_open",
            Self::Turn(_, Weather::Deaf) => "line_deaf",
            Self::Turn(_, Weather::Twice) => "line_twice",
            Self::Fill(Volume::Journal) => "disk_full",
            Self::Fill(Volume::Headquarters) => "disk_full_headquarters",
            Self::KillAndLock => "kill_agent_read_only_disk",
            Self::Push(_) => "config_push",
            Self::Clock(offset) if *offset != 0 => "clock_step",
            Self::SummerTime { begins: true } => "summer_time_begins",
            Self::SummerTime { begins: false } => "summer_time_ends",
            Self::Order(order) => match order.forgery? {
                Forgery::WrongKey => "price_by_wrong_key",
                Forgery::UnknownKey => "price_by_unknown_key",
                Forgery::OtherStore => "price_of_other_store",
                Forgery::Tampered => "price_tampered",
                Forgery::Again => "price_again",
            },
            Self::Start(_)
            | Self::Thaw(_)
            | Self::Turn(_, Weather::Fair)
            | Self::Free(_)
            | Self::Unlock
            | Self::Clock(_) => return None,
        })
    }

    /// Whether it kills a program.
    pub fn is_kill(&self) -> bool {
        matches!(self, Self::Kill(_) | Self::KillAndTear { .. } | Self::KillAndLock)
    }
}

/// An act and when it is, ms since the begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// ms since the begin.
    pub at_ms: u64,
    /// What happens.
    pub act: Act,
}

impl fmt::Display for Step {
    #[expect(clippy::cast_precision_loss, reason = "hours at most")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.3} s  {:?}", self.at_ms as f64 / 1000.0, self.act)
    }
}

/// What can be broken once at a time: until when each is, ms.
#[derive(Default)]
struct Busy {
    parties: [u64; 6],
    lines: [u64; 2],
    volumes: [u64; 2],
    clock: u64,
}

/// The acts of `length_ms`, in order; everything is whole again at the end of the list, which may be
/// some seconds later.
///
/// `parties` are those that are there; the more, the less often each is struck.
pub fn plan(seed: u64, length_ms: u64, parties: &[Party]) -> Vec<Step> {
    let mut dice = Rng::with_seed(seed);
    let mut busy = Busy::default();
    let mut steps = Vec::new();
    let (mut pushes, mut walks) = (0, 0);
    let mut now = 3000;
    while now < length_ms {
        let (party, line) = (parties[dice.usize(..parties.len())], dice.usize(..2));
        // Every number is drawn on every turn: what is busy changes nothing for those who come after.
        let (kind, away, frozen) = (dice.u8(..25), dice.u64(AWAY_MS), dice.u64(FROZEN_MS));
        let (bad, full, wrong) = (dice.u64(WEATHER_MS), dice.u64(FULL_MS), dice.u64(CLOCK_MS));
        let (late_ms, bytes_per_s) = (dice.u64(20..800), dice.u64(2_000..60_000));
        let (share, step) = (dice.u64(..=1000), CLOCK_STEPS_MS[dice.usize(..4)]);
        let walk = dice.u64(SUMMER_TIME_MS);
        let mut fault = |busy: &mut u64, begin: Act, end: Act, length: u64| {
            if *busy <= now {
                *busy = now + length + 100;
                steps.push(Step { at_ms: now, act: begin });
                steps.push(Step { at_ms: now + length, act: end });
            }
        };
        match kind {
            0..8 => fault(&mut busy.parties[party as usize], Act::Kill(party), Act::Start(party), away),
            8..10 => fault(
                &mut busy.parties[Party::Agent as usize],
                Act::KillAndTear { share },
                Act::Start(Party::Agent),
                away,
            ),
            10..12 => fault(&mut busy.parties[party as usize], Act::Freeze(party), Act::Thaw(party), frozen),
            12..17 => {
                let weather = match kind {
                    12 => Weather::Cut,
                    13 => Weather::Slow { late_ms, bytes_per_s },
                    14 => Weather::HalfOpen,
                    15 => Weather::Deaf,
                    _ => Weather::Twice,
                };
                let end = [Line::Store, Line::Headquarters][line];
                let (begin, over) = (Act::Turn(end, weather), Act::Turn(end, Weather::Fair));
                fault(&mut busy.lines[line], begin, over, bad);
            }
            17 | 18 => {
                let volume = [Volume::Journal, Volume::Headquarters][usize::from(kind - 17)];
                fault(&mut busy.volumes[volume as usize], Act::Fill(volume), Act::Free(volume), full);
            }
            19 => {
                let (agent, disk) = (Party::Agent as usize, Volume::Journal as usize);
                if busy.parties[agent].max(busy.volumes[disk]) <= now {
                    (busy.parties[agent], busy.volumes[disk]) = (now + away + 100, now + full + 100);
                    let ends = [(0, Act::KillAndLock), (away, Act::Start(Party::Agent)), (full, Act::Unlock)];
                    steps.extend(ends.map(|(after, act)| Step { at_ms: now + after, act }));
                }
            }
            20 => fault(&mut busy.clock, Act::Clock(step), Act::Clock(0), wrong),
            // By turns: two walks to one change show the same times, and must not follow each other.
            21 | 22 if busy.clock <= now => {
                walks += 1;
                let act = Act::SummerTime { begins: walks % 2 == 1 };
                fault(&mut busy.clock, act, Act::Clock(0), walk);
            }
            // A program that is away, or still starting, is not told.
            _ if busy.parties[Party::Agent as usize] + 1000 <= now => {
                pushes += 1;
                steps.push(Step { at_ms: now, act: Act::Push(DELAYS_MS[pushes % DELAYS_MS.len()]) });
            }
            _ => {}
        }
        now += dice.u64(GAP_MS);
    }
    steps.sort_by_key(|step| step.at_ms);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Without a database server.
    const THREE: [Party; 3] = [Party::Agent, Party::Headquarters, Party::Broker];

    #[test]
    fn a_seed_is_a_plan_and_another_seed_another() {
        assert_eq!(plan(7, 60_000, &THREE), plan(7, 60_000, &THREE));
        assert_ne!(plan(7, 60_000, &THREE), plan(8, 60_000, &THREE));
    }

    #[test]
    fn everything_is_broken_and_everything_is_whole_at_the_end() {
        let steps = plan(1, 900_000, &Party::OF_POSTGRES);
        let kinds: BTreeSet<_> = steps.iter().filter_map(|step| step.act.kind()).collect();
        assert_eq!(kinds.len(), 23, "{kinds:?}");
        let mut broken = BTreeSet::new();
        for Step { act, .. } in &steps {
            if *act == Act::KillAndLock {
                assert!(broken.insert(format!("{:?}-disk", Volume::Journal)), "{act:?} twice");
            }
            let (what, breaks) = match act {
                Act::Kill(party) | Act::Freeze(party) => (format!("{party:?}"), true),
                Act::KillAndTear { .. } | Act::KillAndLock => (format!("{:?}", Party::Agent), true),
                Act::Start(party) | Act::Thaw(party) => (format!("{party:?}"), false),
                Act::Turn(line, weather) => (format!("{line:?}-line"), *weather != Weather::Fair),
                Act::Fill(volume) => (format!("{volume:?}-disk"), true),
                Act::Free(volume) => (format!("{volume:?}-disk"), false),
                Act::Unlock => (format!("{:?}-disk", Volume::Journal), false),
                Act::SummerTime { .. } => ("clock".to_owned(), true),
                Act::Clock(offset) => ("clock".to_owned(), *offset != 0),
                Act::Push(_) | Act::Order(_) => continue,
            };
            let changed = if breaks { broken.insert(what) } else { broken.remove(&what) };
            assert!(changed, "{act:?} twice");
        }
        assert!(broken.is_empty(), "{broken:?}");
    }
}
