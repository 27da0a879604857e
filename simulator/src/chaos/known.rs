//! What is known: what the rig did to the agent, and what the simulator saw. Pure.

/// An excursion must be told of if the agent was whole for so long of it, ms: the rule's delay, a
/// start, and what a slow machine takes.
pub const SEEN_MS: i64 = 4000;
/// A raise may lie so far outside its excursion, ms: polls, the delay, the simulator's step.
pub const SLACK_MS: i64 = 2000;
/// Complaints kept at most.
pub const COMPLAINTS_MAX: usize = 100;

/// An alarm's change of state, as journal and headquarters both tell it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Change {
    /// Number of the occurrence.
    pub alarm: i64,
    /// Device id.
    pub device: String,
    /// What is wrong.
    pub condition: String,
    /// ISA-18.2 state.
    pub state: String,
    /// When, ms since 1970 by the agent's clock.
    pub at_ms: i64,
    /// Since when it is so, likewise.
    pub since_ms: i64,
    /// Probable cause.
    pub cause: String,
    /// Who did it.
    pub by: String,
    /// How often it was said that nobody acknowledges it.
    pub escalation: i64,
}

/// The air of a device was above its limit in the register from `from_ms` to `to_ms`, ms since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excursion {
    /// Device id.
    pub device: String,
    /// Begin.
    pub from_ms: i64,
    /// End.
    pub to_ms: i64,
}

/// What the rig did to the agent.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// When it was not whole: dead, standing still, without room on its disk. ms since 1970.
    pub outages: Vec<(i64, i64)>,
    /// From when its clock was how wrong, in order: ms since 1970, ms.
    pub offsets: Vec<(i64, i64)>,
    /// Begin and end of it all, ms since 1970.
    pub run: (i64, i64),
}

impl Trials {
    /// The true times that a stamp can be of, in order. A walk over a change of summer time shows the same
    /// times as the one before.
    pub fn true_times(&self, stamp_ms: i64) -> impl Iterator<Item = i64> + '_ {
        let ends = self.offsets.iter().skip(1).map(|(from, _)| *from).chain([self.run.1]);
        self.offsets.iter().zip(ends).filter_map(move |(&(from, offset), end)| {
            let at = stamp_ms - offset;
            (from - SLACK_MS..=end + SLACK_MS).contains(&at).then_some(at)
        })
    }

    /// Until when a raise may come for what ended at `end_ms`: what was read before an outage is judged
    /// after it.
    pub fn grace(&self, end_ms: i64) -> i64 {
        let mut latest = end_ms + SLACK_MS;
        for (from, to) in &self.outages {
            if *from <= latest && end_ms <= *to {
                latest = latest.max(to + SLACK_MS);
            }
        }
        latest
    }

    /// Whether the agent was whole for long enough of an excursion.
    pub fn is_due(&self, excursion: &Excursion) -> bool {
        let mut whole_since = excursion.from_ms;
        let ended = (excursion.to_ms, excursion.to_ms);
        for (from, to) in self.outages.iter().chain([&ended]) {
            if *from >= excursion.to_ms || *to <= excursion.from_ms {
                continue;
            }
            if from - whole_since >= SEEN_MS {
                return true;
            }
            whole_since = whole_since.max(*to);
        }
        excursion.to_ms - whole_since >= SEEN_MS
    }
}
