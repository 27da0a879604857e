//! When a price begins or ends: an instant, or a time on the clock on the wall of each store.

use chrono::{LocalResult, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use storewarden_rules::Utc;

/// How a wall-clock time is written; seconds may be left out.
const FORMATS: [&str; 2] = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];

/// No zone has ever left out more of a day than this.
const GAP_MINUTES_MAX: i64 = 25 * 60;

/// A moment, as the price team said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// The same moment everywhere.
    Instant(Utc),
    /// What the clock on the store's wall shows then.
    Wall(NaiveDateTime),
}

impl When {
    /// A wall-clock time: `2026-12-01T06:00`, with seconds or without.
    pub fn wall(text: &str) -> Option<Self> {
        FORMATS.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()).map(Self::Wall)
    }

    /// As an entry has it on the wire: ms since 1970 or 0, and the wall-clock time or nothing.
    pub fn to_wire(self) -> (i64, String) {
        match self {
            Self::Instant(at) => (at.0, String::new()),
            Self::Wall(wall) => (0, wall.format(FORMATS[0]).to_string()),
        }
    }

    /// The moment in a store of `zone`. A wall-clock time that summer time leaves out is the moment at which
    /// the gap ends; one that comes twice is the first. So what ends and what begins at the same wall-clock
    /// time always meet, and a later wall-clock time is never an earlier moment.
    pub fn in_zone(self, zone: Tz) -> Utc {
        let wall = match self {
            Self::Instant(at) => return at,
            Self::Wall(wall) => wall,
        };
        match zone.from_local_datetime(&wall) {
            LocalResult::Single(at) => Utc(at.timestamp_millis()),
            LocalResult::Ambiguous(first, second) => Utc(first.min(second).timestamp_millis()),
            LocalResult::None => gap_end(wall, zone),
        }
    }
}

/// The moment at which the gap ends that `wall` is in: the first one after it whose clock shows a later time.
/// Changes of a zone are at whole seconds, those of the last hundred years at whole minutes.
fn gap_end(wall: NaiveDateTime, zone: Tz) -> Utc {
    let shows = |minutes| {
        let later = wall.checked_add_signed(TimeDelta::minutes(minutes))?;
        Some((zone.from_local_datetime(&later).earliest()?, later))
    };
    let Some((after, later)) = (1..=GAP_MINUTES_MAX).find_map(shows) else {
        return Utc(wall.and_utc().timestamp_millis());
    };
    // The minute found may not be the first second of it: back by what lies between.
    let into = (0..60).take_while(|seconds| {
        let before = later - TimeDelta::seconds(seconds + 1);
        zone.from_local_datetime(&before).earliest().is_some()
    });
    Utc(after.timestamp_millis() - 1000 * i64::try_from(into.count()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{America, Asia, Australia, Europe, Pacific};
    use proptest::prelude::*;

    fn at(text: &str, zone: Tz) -> String {
        let Utc(ms) = When::wall(text).expect(text).in_zone(zone);
        chrono::DateTime::from_timestamp_millis(ms).expect("in range").format("%FT%TZ").to_string()
    }

    #[test]
    fn wall_clock_times_are_read_in_the_zone_of_the_store() {
        // Each by `TZ=… date -u -d …`; what it refuses and what comes twice by the announcements of the change.
        assert_eq!(at("2026-12-01T06:00", Asia::Shanghai), "2026-11-30T22:00:00Z");
        assert_eq!(at("2026-12-01T06:00:30", Europe::Berlin), "2026-12-01T05:00:30Z");
        // Berlin goes from 2:00 to 3:00 on 2026-03-29 at 1:00 UTC.
        for left_out in ["2026-03-29T02:00", "2026-03-29T02:30", "2026-03-29T02:59:59", "2026-03-29T03:00"] {
            assert_eq!(at(left_out, Europe::Berlin), "2026-03-29T01:00:00Z", "{left_out}");
        }
        // And from 3:00 back to 2:00 on 2026-10-25 at 1:00 UTC: 2:30 is first at 0:30 UTC.
        assert_eq!(at("2026-10-25T02:30", Europe::Berlin), "2026-10-25T00:30:00Z");
        assert_eq!(at("2026-10-25T03:00", Europe::Berlin), "2026-10-25T02:00:00Z");
        // Half an hour on Lord Howe, and the day that Samoa left out, 2011-12-30.
        assert_eq!(at("2026-10-04T02:10", Australia::Lord_Howe), "2026-10-03T15:30:00Z");
        assert_eq!(at("2011-12-30T12:00", Pacific::Apia), "2011-12-30T10:00:00Z");
    }

    #[test]
    fn what_is_no_wall_clock_time_is_none() {
        for text in
            ["", "2026-12-01", "2026-12-01T06:00+08:00", "2026-12-01T06:00Z", "2026-02-30T06:00", "06:00"]
        {
            assert_eq!(When::wall(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_later_time_on_the_wall_is_never_an_earlier_moment(
            minute in 0i64..60 * 24 * 366, step in 0i64..200, zone in 0usize..5
        ) {
            let zone =
                [Europe::Berlin, America::Sao_Paulo, Australia::Lord_Howe, Asia::Tokyo, America::New_York][zone];
            let start = NaiveDateTime::parse_from_str("2026-01-01T00:00", FORMATS[1]).expect("a time");
            let wall = |minutes| When::Wall(start + TimeDelta::minutes(minutes)).in_zone(zone);
            prop_assert!(wall(minute) <= wall(minute + step));
        }
    }
}
