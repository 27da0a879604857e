//! Everything on one line, circuit or store gone at once.

use crate::{Cause, Change, Condition, Evidence, Millis, Mono, Now, Quantity, Utc};

/// What hangs on a line, circuit or store, counted. Devices that nobody watches are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Devices that have something to say: those that answer, and those that do not but did or should.
    pub members: u16,
    /// Of them, those from which nothing has come for longer than two and a half of their polls.
    pub silent: u16,
    /// Of the others, those that draw nothing by a meter that still answers.
    pub without_power: u16,
    /// Of the rest, those that were heard after the silent ones should have been. Who is in none of
    /// these three was not asked since: polled more slowly, or not yet after a start.
    pub alive: u16,
    /// Devices of the store outside this line, circuit or store that answer and have power.
    pub others_alive: u16,
    /// Lines of the silent ones; a device without a line is one by itself.
    pub silent_lines: u8,
    /// On one of these lines another device answers.
    pub has_live_line: bool,
    /// When the last of those that are gone was heard, or lost its power.
    pub since: Option<Mono>,
}

impl Census {
    /// Whether it must be the power. That everything on one line is silent speaks for the line; but not a
    /// meter that still answers and reads nothing, nor a line on which others answer, nor two lines.
    fn speaks_for_power(&self) -> bool {
        self.without_power > 0 || self.has_live_line || self.silent_lines >= 2
    }
}

/// Settings of an [`Outage`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutageConfig {
    /// [`Condition::LineDead`] for a line, [`Condition::PowerLost`] for a circuit or the store.
    pub condition: Condition,
    /// [`Cause::LineDead`], [`Cause::CircuitTripped`] or [`Cause::PowerCut`].
    pub cause: Cause,
    /// Fewest members that are gone: of one alone it cannot be told whether it or the line has died.
    pub members_min: u16,
    /// For how long. Shorter than the delays of [`super::NoResponse`] and [`super::PowerLost`], so that
    /// the line is named before its devices are; and the shorter the wider, so that a store without
    /// power is named before its lines.
    pub delay: Millis,
}

impl OutageConfig {
    /// For a line: two devices or more, 60 s; a choice of this project.
    pub const fn line() -> Self {
        Self {
            condition: Condition::LineDead,
            cause: Cause::LineDead,
            members_min: 2,
            delay: Millis::from_secs(60),
        }
    }

    /// For a circuit: two devices or more, 55 s; a choice of this project.
    pub const fn circuit() -> Self {
        Self {
            condition: Condition::PowerLost,
            cause: Cause::CircuitTripped,
            members_min: 2,
            delay: Millis::from_secs(55),
        }
    }

    /// For the store: two devices or more, 50 s; a choice of this project.
    pub const fn store() -> Self {
        Self {
            condition: Condition::PowerLost,
            cause: Cause::PowerCut,
            members_min: 2,
            delay: Millis::from_secs(50),
        }
    }
}

/// Raised when `members_min` members and more than half of them have been gone for the delay, and none
/// of the others was heard since; cleared as soon as one is alive.
///
/// A line is dead when its members are silent. A circuit or the store is without power when its members
/// are silent or draw nothing, and that cannot be a dead line ([`Census`]: a meter says so, others on
/// the same line answer, or several lines are silent); for a circuit something else in the store must be
/// alive, else it is the store.
#[derive(Clone, Debug)]
pub struct Outage {
    config: OutageConfig,
    since: Option<Mono>,
    raised: bool,
}

impl Outage {
    /// Nothing is known yet.
    pub fn new(config: OutageConfig) -> Self {
        Self { config, since: None, raised: false }
    }

    /// What it finds.
    pub fn condition(&self) -> Condition {
        self.config.condition
    }

    /// Why, by what it is.
    pub fn cause(&self) -> Cause {
        self.config.cause
    }

    /// To be called once a second.
    pub fn step(&mut self, now: Now, census: Census) -> Option<Change> {
        if self.raised {
            // Who is not heard yet, right after a restart, ends nothing.
            let is_over =
                census.alive > 0 || census.members == 0 || self.is_line() && census.without_power > 0;
            if !is_over {
                return None;
            }
            self.raised = false;
            let since = self.since.take().unwrap_or(now.mono);
            return Some(Change::Cleared(Self::evidence(now, since, census)));
        }
        let since = census.since.filter(|_| self.is_gone(&census))?;
        if now.mono - since < self.config.delay {
            return None;
        }
        self.raised = true;
        self.since = Some(since);
        Some(Change::Raised(Self::evidence(now, since, census)))
    }

    fn is_gone(&self, census: &Census) -> bool {
        let is_proven = match self.config.cause {
            // Who answers that it has no power, answers.
            Cause::LineDead => census.without_power == 0,
            Cause::CircuitTripped => census.speaks_for_power() && census.others_alive > 0,
            _ => census.speaks_for_power(),
        };
        let gone = census.silent + census.without_power;
        is_proven && census.alive == 0 && gone >= self.config.members_min && 2 * gone > census.members
    }

    fn is_line(&self) -> bool {
        self.config.cause == Cause::LineDead
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.since = Some(now.mono_of(since));
        self.raised = true;
    }

    fn evidence(now: Now, since: Mono, census: Census) -> Evidence {
        Evidence::since(now.utc_of(since))
            .with(Quantity::Members, f64::from(census.members))
            .with_span(Quantity::Held, now.mono - since)
    }
}
