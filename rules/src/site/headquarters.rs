//! How the store stands with headquarters: whether its broker takes what the store sends, and whether the
//! two clocks agree. A word that is missing neither raises nor clears: a line that is down is no news.

use super::{Event, Site, change};
use crate::{Diagnosis, Evidence, Millis, Mono, Now, Quantity};

/// What has lasted so long is said: the broker's refusals, and the clocks' disagreement. A broker whose
/// access rules are being changed, and a clock that is being set after a start, are right again before.
/// Both are choices of this project.
const DELAYS: [Millis; 2] = [Millis::from_mins(5), Millis::from_mins(15)];
/// Where their alarms are among those of the store.
const FIRST: usize = 4;

/// Since when each holds.
pub(super) struct Headquarters {
    since: [Mono; 2],
}

impl Headquarters {
    pub(super) fn new() -> Self {
        Self { since: [Mono::NEVER; 2] }
    }
}

impl Site {
    /// Takes over what the link found: whether the broker refuses, whether the clocks disagree.
    pub(super) fn look_at_headquarters(
        &mut self,
        now: Now,
        found: [Option<bool>; 2],
        out: &mut dyn FnMut(Event),
    ) {
        let Some((_, first)) = self.store else { return };
        for (place, (is, delay)) in found.into_iter().zip(DELAYS).enumerate() {
            let Some(is) = is else { continue };
            let held = &mut self.headquarters.since[place];
            held.hold(is, now.mono);
            let since = held.known().unwrap_or(now.mono);
            let alarm = usize::from(first) + FIRST + place;
            if is != self.alarms[alarm].is_true() && (!is || now.mono - since >= delay) {
                let evidence = Evidence::since(now.utc_of(since)).with_span(Quantity::Delay, delay);
                self.change_alarm(now, alarm, change(is, evidence), Diagnosis::default(), out);
            }
        }
    }
}
