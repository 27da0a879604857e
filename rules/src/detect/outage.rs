//! Everything on one line, circuit or store gone at once.

use crate::{Cause, Change, Condition, Evidence, Millis, Mono, Now, Quantity, Utc};

/// What hangs on a line, circuit or store, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Devices that have something to say: those that answer, and those that do not but did or should.
    pub members: u16,
    /// Of them, those from which nothing good has come for longer than three of their polls.
    pub silent: u16,
    /// Of them, those whose own meter reads no power.
    pub without_power: u16,
    /// Devices of the store outside this line or circuit that answer.
    pub others_alive: u16,
}

/// Settings of an [`Outage`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutageConfig {
    /// [`Condition::LineDead`] for a line, [`Condition::PowerLost`] for a circuit or the store.
    pub condition: Condition,
    /// [`Cause::LineDead`], [`Cause::CircuitTripped`] or [`Cause::PowerCut`].
    pub cause: Cause,
    /// Fewest members: of one alone it cannot be told whether it or the line has died.
    pub members_min: u16,
    /// For how long. Shorter than the delay of [`super::NoResponse`], so that the line is named before
    /// its devices are.
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
}

/// Raised when every member is silent or without power for the delay; cleared as soon as one is not.
#[derive(Clone, Debug)]
pub struct Outage {
    config: OutageConfig,
    gone_since: Option<Mono>,
    raised: bool,
}

impl Outage {
    /// Nothing is known yet.
    pub fn new(config: OutageConfig) -> Self {
        Self { config, gone_since: None, raised: false }
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
        let gone = census.members >= self.config.members_min
            && census.silent.max(census.without_power) >= census.members;
        if !gone {
            let since = self.gone_since.take()?;
            let raised = core::mem::take(&mut self.raised);
            return raised.then(|| Change::Cleared(Self::evidence(now, since, census)));
        }
        let since = *self.gone_since.get_or_insert(now.mono);
        if self.raised || now.mono - since < self.config.delay {
            return None;
        }
        self.raised = true;
        Some(Change::Raised(Self::evidence(now, since, census)))
    }

    /// Continues a condition that was raised before the restart and had held since `since`.
    pub fn restore_raised(&mut self, now: Now, since: Utc) {
        self.gone_since = Some(now.mono_of(since));
        self.raised = true;
    }

    fn evidence(now: Now, since: Mono, census: Census) -> Evidence {
        Evidence::since(now.utc_of(since))
            .with(Quantity::Members, f64::from(census.members))
            .with_span(Quantity::Held, now.mono - since)
    }
}
