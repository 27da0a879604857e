//! When a light should be on, and the commands that make it so.

use super::sun::{SunDay, solar_day, solar_midnight, sun_day};
use crate::{Millis, Mono, Now, Utc};

const DAY_MS: i64 = 86_400_000;
/// Pause between commands that the read-back does not confirm.
const REPEAT: Millis = Millis::from_secs(30);

/// What a light follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LightMode {
    /// On while it is dark by the sun and the store is open.
    SunAndHours {
        /// On this long before sunset already (negative: after it).
        before_sunset: Millis,
        /// Off this long after sunrise only (negative: before it).
        after_sunrise: Millis,
        /// Opening, local time since midnight.
        open: Millis,
        /// Closing, local time since midnight, not including; before `open` it is on the next day,
        /// equal to `open` the store never closes.
        close: Millis,
    },
}

/// Settings of a [`LightSchedule`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LightScheduleConfig {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// What it follows.
    pub mode: LightMode,
    /// Once on, it stays on for so long.
    pub on_time_min: Millis,
}

impl LightScheduleConfig {
    /// Whether the light is wanted on at `at`, with local time `utc_offset_s` seconds ahead of UTC.
    pub fn wants_on(&self, at: Utc, utc_offset_s: i32) -> bool {
        let LightMode::SunAndHours { before_sunset, after_sunrise, open, close } = self.mode;
        is_open(at, utc_offset_s, open, close) && self.is_dark(at, before_sunset, after_sunrise)
    }

    /// Dark is what is in no day's daylight; yesterday and tomorrow count because offsets may reach
    /// over midnight.
    fn is_dark(&self, at: Utc, before_sunset: Millis, after_sunrise: Millis) -> bool {
        let today = solar_day(at, self.longitude);
        !(today - 1..=today + 1).any(|day| {
            let (from, until) = match sun_day(day, self.latitude, self.longitude) {
                SunDay::Rises { rise, set } => (rise + after_sunrise, set + Millis(-before_sunset.0)),
                SunDay::AlwaysUp => {
                    (solar_midnight(day, self.longitude), solar_midnight(day + 1, self.longitude))
                }
                SunDay::AlwaysDown => return false,
            };
            from <= at && at < until
        })
    }
}

fn is_open(at: Utc, utc_offset_s: i32, open: Millis, close: Millis) -> bool {
    let local = Millis((at.0 + i64::from(utc_offset_s) * 1000).rem_euclid(DAY_MS));
    if open == close {
        true
    } else if open < close {
        open <= local && local < close
    } else {
        local >= open || local < close
    }
}

/// Switches one light by its schedule. Whatever the schedule wants is commanded at its start *and*
/// at its end, and commanded again every 30 s until the read-back confirms it. Once confirmed, a
/// switch that is later turned by hand is left alone until the schedule next changes its mind.
///
/// **Unknown data.** An unknown read-back confirms nothing.
#[derive(Clone, Debug)]
pub struct LightSchedule {
    config: LightScheduleConfig,
    commanded: Option<Commanded>,
    /// Until when it stays as somebody ordered it.
    ordered_until: Mono,
}

#[derive(Clone, Copy, Debug)]
struct Commanded {
    on: bool,
    since: Mono,
    last_sent: Mono,
    confirmed: bool,
}

impl LightSchedule {
    /// A schedule that has commanded nothing yet: its first step does.
    pub fn new(config: LightScheduleConfig) -> Self {
        Self { config, commanded: None, ordered_until: Mono::NEVER }
    }

    /// What the light was last commanded to.
    pub fn commanded(&self) -> Option<bool> {
        self.commanded.map(|commanded| commanded.on)
    }

    /// Somebody switches the light against its schedule until `until`, and sends the first command. A restart
    /// of the agent ends it.
    pub fn order(&mut self, now: Now, on: bool, until: Mono) {
        self.ordered_until = until;
        self.commanded = Some(Commanded { on, since: now.mono, last_sent: now.mono, confirmed: false });
    }

    /// To be called once a second with what the switch reads back; gives the state to command now,
    /// if one is to be. `utc_offset_s` is the offset of local time from UTC in seconds.
    pub fn step(&mut self, now: Now, utc_offset_s: i32, read_back: Option<bool>) -> Option<bool> {
        let ordered = self.commanded.filter(|_| now.mono < self.ordered_until);
        let wanted = ordered.map_or_else(|| self.config.wants_on(now.utc, utc_offset_s), |last| last.on);
        match &mut self.commanded {
            Some(last) if last.on == wanted || now.mono - last.since < self.config.on_time_min && last.on => {
                last.confirmed |= read_back == Some(last.on);
                if last.confirmed || now.mono - last.last_sent < REPEAT {
                    return None;
                }
                last.last_sent = now.mono;
                Some(last.on)
            }
            _ => {
                self.commanded =
                    Some(Commanded { on: wanted, since: now.mono, last_sent: now.mono, confirmed: false });
                Some(wanted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-21 00:00 in Shanghai; the sun rises at 04:50 and sets at 19:01 there.
    const MIDNIGHT: Utc = Utc(1_781_971_200_000);
    const EAST_8: i32 = 8 * 3600;

    fn config(open_h: i64, close_h: i64) -> LightScheduleConfig {
        LightScheduleConfig {
            latitude: 31.2304,
            longitude: 121.4737,
            mode: LightMode::SunAndHours {
                before_sunset: Millis::from_mins(30),
                after_sunrise: Millis::from_mins(15),
                open: Millis::from_mins(open_h * 60),
                close: Millis::from_mins(close_h * 60),
            },
            on_time_min: Millis::from_mins(10),
        }
    }
    fn at(minutes: i64) -> Now {
        Now { mono: Mono(0), utc: MIDNIGHT }.after(Millis::from_mins(minutes))
    }
    /// Minutes after midnight at which the wish changes, within two days.
    fn changes(config: &LightScheduleConfig) -> Vec<(i64, bool)> {
        let wish = |minute| config.wants_on(at(minute).utc, EAST_8);
        (1..2880).filter(|m| wish(*m) != wish(m - 1)).map(|m| (m, wish(m))).collect()
    }

    extern crate std;
    use std::vec::Vec;

    #[test]
    fn a_store_that_never_closes_follows_the_sun_with_its_offsets() {
        let found = changes(&config(0, 0));
        // 05:05 off, 18:31 on, next day the same; the almanac is good for two minutes.
        let expected =
            [(5 * 60 + 6, false), (18 * 60 + 32, true), (29 * 60 + 6, false), (42 * 60 + 32, true)];
        assert_eq!(found.len(), 4, "{found:?}");
        for ((minute, on), (wanted_minute, wanted_on)) in found.into_iter().zip(expected) {
            assert!(on == wanted_on && (minute - wanted_minute).abs() <= 2, "{minute} {wanted_minute}");
        }
    }

    #[test]
    fn opening_hours_cut_the_night_also_over_midnight() {
        let day_shop: Vec<_> = changes(&config(8, 22)).into_iter().map(|(m, on)| (m / 60, on)).collect();
        assert_eq!(day_shop, [(18, true), (22, false), (42, true), (46, false)]);
        let night_shop: Vec<_> = changes(&config(20, 2)).into_iter().map(|(m, on)| (m / 60, on)).collect();
        assert_eq!(night_shop, [(2, false), (20, true), (26, false), (44, true)]);
    }

    #[test]
    fn polar_day_is_never_dark_and_polar_night_always() {
        let mut north = config(0, 0);
        (north.latitude, north.longitude) = (69.6492, 18.9553);
        assert!((0..1440).all(|m| !north.wants_on(at(m).utc, 7200)));
        north.latitude = -69.6492;
        assert!((0..1440).all(|m| north.wants_on(at(m).utc, 7200)));
    }

    #[test]
    fn offsets_may_reach_over_midnight() {
        let mut late = config(0, 0);
        late.mode = LightMode::SunAndHours {
            before_sunset: Millis::from_mins(-7 * 60),
            after_sunrise: Millis(0),
            open: Millis(0),
            close: Millis(0),
        };
        let hours: Vec<_> = changes(&late).into_iter().map(|(m, on)| (m / 60, on)).collect();
        assert_eq!(hours, [(2, true), (4, false), (26, true), (28, false)]);
    }

    #[test]
    fn both_ends_are_commanded_and_repeated_until_confirmed() {
        let mut light = LightSchedule::new(config(0, 0));
        let noon = at(720);
        assert_eq!(light.step(noon, EAST_8, None), Some(false), "unknown at the start: said once");
        assert_eq!(light.step(noon.after(Millis::from_secs(29)), EAST_8, None), None);
        assert_eq!(light.step(noon.after(Millis::from_secs(30)), EAST_8, Some(true)), Some(false));
        assert_eq!(light.step(noon.after(Millis::from_secs(31)), EAST_8, Some(false)), None);
        assert_eq!(light.step(noon.after(Millis::from_mins(5)), EAST_8, Some(true)), None, "by hand");
        assert_eq!(light.step(at(19 * 60), EAST_8, Some(false)), Some(true));
        assert_eq!(light.commanded(), Some(true));
        assert_eq!(light.step(at(20 * 60), EAST_8, Some(false)), Some(true), "not obeyed: again");
        assert_eq!(light.step(at(21 * 60), EAST_8, Some(true)), None);
        assert_eq!(light.step(at(30 * 60), EAST_8, Some(true)), Some(false), "the reverse at the end");
        assert_eq!(light.step(at(30 * 60 + 1), EAST_8, Some(true)), Some(false), "and verified");
    }

    #[test]
    fn what_somebody_ordered_holds_until_its_end_and_is_repeated_until_confirmed() {
        let mut light = LightSchedule::new(config(0, 0));
        let (noon, second) = (at(720), Millis::from_secs(1));
        let later = |by: Millis| Now { mono: noon.mono + by, utc: noon.utc + by };
        assert_eq!(light.step(noon, EAST_8, None), Some(false), "by day it is dark by schedule");
        light.order(noon, true, noon.mono + Millis::from_mins(10));
        assert_eq!(light.commanded(), Some(true), "the first command is sent by who ordered it");
        assert_eq!(light.step(later(second), EAST_8, Some(false)), None);
        assert_eq!(light.step(later(REPEAT), EAST_8, Some(false)), Some(true));
        assert_eq!(light.step(later(Millis(REPEAT.0 + 1)), EAST_8, Some(true)), None);
        assert_eq!(light.step(later(Millis::from_mins(9)), EAST_8, Some(true)), None);
        let over = later(Millis::from_mins(60));
        assert_eq!(light.step(over, EAST_8, Some(true)), Some(false), "the schedule has it again");
    }

    #[test]
    fn a_light_that_went_on_stays_on_for_its_least_time() {
        let mut light = LightSchedule::new(config(8, 19));
        assert_eq!(light.step(at(18 * 60 + 55), EAST_8, None), Some(true));
        assert_eq!(light.step(at(19 * 60), EAST_8, Some(true)), None);
        assert_eq!(light.step(at(19 * 60 + 5), EAST_8, Some(true)), Some(false));
        let mut early = LightSchedule::new(config(8, 19));
        assert_eq!(early.step(at(18 * 60 + 28), EAST_8, None), Some(false));
        assert_eq!(early.step(at(18 * 60 + 35), EAST_8, Some(false)), Some(true), "going on needs no wait");
    }
}
