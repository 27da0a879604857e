//! Flood: more alarms than people can act on.

use crate::{Millis, Mono, Now, Utc};
use heapless::Deque;

/// What is counted over (ISA-18.2).
const WINDOW: Millis = Millis::from_mins(10);
/// A flood begins with more alarms than this within [`WINDOW`] (ISA-18.2).
const BEGINS_ABOVE: usize = 10;
/// It ends with fewer than this (ISA-18.2).
const ENDS_BELOW: usize = 5;

/// Counts the alarms that are announced; the newest are kept, which is all that the figures ask for.
pub(super) struct Flood {
    announced: Deque<Mono, { BEGINS_ABOVE + 1 }>,
}

impl Flood {
    pub(super) const fn new() -> Self {
        Self { announced: Deque::new() }
    }

    /// An alarm was announced.
    pub(super) fn came(&mut self, now: Mono) {
        if self.announced.is_full() {
            self.announced.pop_front();
        }
        let pushed = self.announced.push_back(now);
        debug_assert!(pushed.is_ok(), "room was made");
    }

    /// An alarm was announced before a restart; to be told oldest first.
    pub(super) fn restore(&mut self, now: Now, at: Utc) {
        self.came(now.mono_of(at));
    }

    /// Whether there is a flood, if there `is` one so far.
    pub(super) fn is_on(&self, now: Mono, is: bool) -> bool {
        let count = self.announced.iter().filter(|at| now - **at < WINDOW).count();
        if is { count >= ENDS_BELOW } else { count > BEGINS_ABOVE }
    }

    /// When the oldest alarm of the flood came, and how many are counted.
    pub(super) fn measure(&self, now: Mono) -> (Mono, usize) {
        let counted = || self.announced.iter().filter(|at| now - **at < WINDOW);
        (counted().next().copied().unwrap_or(now), counted().count())
    }
}
