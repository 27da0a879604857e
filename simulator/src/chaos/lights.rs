//! The sign that the agent switches by local time, against the schedule. Pure.
//!
//! The store is in Berlin, and its sign shines from midnight to half past two. Whoever walks the agent's
//! clock over a change of summer time sees it switched there: in spring local time goes from 2:00 to
//! 3:00, and the sign off; in autumn from 3:00 back to 2:00, and the sign on again.

use super::known::{COMPLAINTS_MAX, SEEN_MS, Trials};
use chrono::{DateTime, Datelike as _, NaiveDate};
use serde::Serialize;

/// The store's zone, in the words of its configuration.
pub const TIMEZONE: &str = "Europe/Berlin";
/// Until when the sign shines, from midnight: in the words of the configuration, and ms.
pub const CLOSE: &str = "02:30";
const CLOSE_MS: i64 = 9_000_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Between two looks of the judge, ms.
const LOOK_MS: i64 = 100;

/// What became of the sign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lights {
    /// How often the simulated relay was switched.
    pub switched: usize,
    /// Times in which clock and schedule said the same and the agent was whole, for longer than it may
    /// take to obey.
    pub due: usize,
    /// Of these, such as a clock that had just walked over a change of summer time.
    pub due_after_change: usize,
    /// Of these, such as the sign was not as it should be all the time.
    pub wrong: usize,
    /// Each of these, for people.
    #[serde(skip)]
    pub complaints: Vec<String>,
}

/// The moment at which summer time begins or ends in the year of `near_ms`, both ms since 1970: the last
/// Sunday of March or October, 1:00 UTC (directive 2000/84/EC).
pub fn change_ms(near_ms: i64, begins: bool) -> i64 {
    let year = DateTime::from_timestamp_millis(near_ms).unwrap_or_default().year();
    let last = NaiveDate::from_ymd_opt(year, if begins { 3 } else { 10 }, 31).unwrap_or_default();
    let days = last.num_days_from_ce() - i32::try_from(last.weekday().num_days_from_sunday()).unwrap_or(0);
    let since_1970 = days - NaiveDate::default().num_days_from_ce();
    i64::from(since_1970) * DAY_MS + HOUR_MS
}

/// Whether the sign is to shine at `utc_ms`.
fn wants_on(utc_ms: i64) -> bool {
    let is_summer = change_ms(utc_ms, true) <= utc_ms && utc_ms < change_ms(utc_ms, false);
    let local_ms = utc_ms + if is_summer { 2 * HOUR_MS } else { HOUR_MS };
    local_ms.rem_euclid(DAY_MS) < CLOSE_MS
}

/// Judges the sign: `switches` are the moments at which it was switched, ms since 1970, and whether it was
/// on then; it was off before.
pub fn judge(switches: &[(i64, bool)], trials: &Trials) -> Lights {
    let mut lights = Lights { switched: switches.len(), ..Lights::default() };
    let (mut switches, mut offsets) = (switches.iter().peekable(), trials.offsets.iter().peekable());
    let mut outages = trials.outages.clone();
    outages.sort_unstable();
    let mut outages = outages.into_iter().peekable();
    let (mut on, mut offset_ms, mut wants) = (false, 0, None);
    // Since when nothing has changed that the agent had to see; whether it is judged already, and how.
    let (mut since, mut is_due, mut is_wrong, mut walked) = (trials.run.0, false, false, false);
    let mut at = trials.run.0;
    while at < trials.run.1 {
        at += LOOK_MS;
        while let Some((_, is_on)) = switches.next_if(|(moment, _)| *moment <= at) {
            on = *is_on;
        }
        let mut is_new = false;
        while let Some((_, offset)) = offsets.next_if(|(moment, _)| *moment <= at) {
            (offset_ms, is_new, walked) = (*offset, true, false);
        }
        let wanted = Some(wants_on(at + offset_ms));
        if wanted != wants {
            // With the same clock: time has brought it about.
            walked = !is_new && wants.is_some();
            (wants, is_new) = (wanted, true);
        }
        while outages.next_if(|(_, end)| *end + LOOK_MS < at).is_some() {}
        let is_ill = outages.peek().is_some_and(|(begin, _)| *begin <= at);
        if is_new || is_ill {
            (since, is_due, is_wrong) = (at, false, false);
        } else if at - since >= SEEN_MS {
            lights.due += usize::from(!is_due);
            lights.due_after_change += usize::from(!is_due && walked);
            is_due = true;
            if Some(on) != wants && !is_wrong {
                is_wrong = true;
                lights.wrong += 1;
                if lights.complaints.len() < COMPLAINTS_MAX {
                    lights.complaints.push(format!("the sign is on: {on}, against its schedule, {at}"));
                }
            }
        }
    }
    lights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-10-25 01:00 UTC and 2027-03-28 01:00 UTC, from the table of the Physikalisch-Technische
    /// Bundesanstalt.
    const AUTUMN_2026: i64 = 1_792_890_000_000;
    const SPRING_2027: i64 = 1_806_195_600_000;

    #[test]
    fn summer_time_changes_on_the_days_of_the_law() {
        assert_eq!(change_ms(AUTUMN_2026 + 40 * DAY_MS, false), AUTUMN_2026);
        assert_eq!(change_ms(SPRING_2027 - 80 * DAY_MS, true), SPRING_2027);
        for (change, before) in [(AUTUMN_2026, false), (SPRING_2027, true)] {
            assert_eq!((wants_on(change - 1), wants_on(change)), (before, !before));
        }
    }

    #[test]
    fn a_sign_that_misses_the_change_is_seen_and_one_that_follows_is_not() {
        // A minute long; from 20 s to 40 s the clock walks from 10 s before the change in autumn to 10 s after.
        let offset = AUTUMN_2026 - 30_000;
        let trials = Trials {
            outages: vec![(45_000, 46_000)],
            offsets: vec![(0, 12 * HOUR_MS), (20_000, offset), (40_000, 12 * HOUR_MS)],
            run: (0, 60_000),
        };
        let counts = |switches: &[(i64, bool)]| {
            let lights = judge(switches, &trials);
            (lights.due, lights.due_after_change, lights.wrong)
        };
        assert_eq!(counts(&[(31_000, true), (41_000, false)]), (5, 1, 0));
        assert_eq!(counts(&[]), (5, 1, 1));
        assert_eq!(counts(&[(21_000, true), (41_000, false)]), (5, 1, 1), "an hour early");
        // It comes on once more where it has no reason to.
        assert_eq!(counts(&[(31_000, true), (41_000, false), (55_000, true), (55_500, false)]), (5, 1, 1));
    }
}
