//! What to run, and everything that will go wrong in it.

use super::plan::{self, Party, Step};
use super::shelf_plan::{self, ShelfPlan};
use std::{path::PathBuf, time::Duration};

/// Where headquarters keeps what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Storage {
    /// A file, and one worker.
    Sqlite,
    /// A server of its own, and two workers that share the work.
    Postgres,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long faults happen.
    pub length: Duration,
    /// Decides everything.
    pub seed: u64,
    /// Where `storewarden`, `storewarden-hq` and `storesim` are.
    pub programs: PathBuf,
    /// Where headquarters keeps what it gets.
    pub storage: Storage,
    /// Who says that a message is safe, as the agent's configuration has it: `hq` or `broker`.
    pub ack: String,
    /// Shelf labels of the store; 0: no prices are pushed, and no access point is there.
    pub labels: u32,
    /// Where files are kept; a folder that goes with the run if none.
    pub keep: Option<PathBuf>,
}

impl Options {
    /// Everything that will go wrong.
    pub fn plan(&self) -> Vec<Step> {
        let mut steps = self.faults();
        steps.extend(self.shelf_plan().steps);
        steps.sort_by_key(|step| step.at_ms);
        steps
    }

    /// What goes wrong with or without labels.
    fn faults(&self) -> Vec<Step> {
        let parties = match self.storage {
            Storage::Sqlite => &[Party::Agent, Party::Headquarters, Party::Broker][..],
            Storage::Postgres => &Party::OF_POSTGRES,
        };
        plan::plan(self.seed, self.length_ms(), parties)
    }

    /// What is done with prices and labels.
    pub(super) fn shelf_plan(&self) -> ShelfPlan {
        let whole_ms = self.faults().last().map_or(0, |step| step.at_ms).max(self.length_ms());
        shelf_plan::plan(self.seed, self.length_ms(), whole_ms, self.labels)
    }

    fn length_ms(&self) -> u64 {
        u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX)
    }
}
