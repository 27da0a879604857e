//! Sunrise and sunset after NOAA's solar calculator (equations from Meeus, *Astronomical
//! Algorithms*), for the sun's upper limb with standard refraction: zenith 90.833°.

use crate::{Millis, Utc};
use libm::{acos, asin, cos, floor, sin, tan};

const DAY_MS: i64 = 86_400_000;
/// Zenith of the sun's centre at sunrise and sunset, degrees.
const ZENITH: f64 = 90.833;

/// The sun's day at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SunDay {
    /// It rises and sets.
    Rises {
        /// When the upper limb appears.
        rise: Utc,
        /// When the upper limb disappears.
        set: Utc,
    },
    /// Polar day.
    AlwaysUp,
    /// Polar night.
    AlwaysDown,
}

/// Number of the solar day (midnight to midnight by the mean sun at `longitude`, degrees east) that
/// `at` lies in; day 0 is 1970-01-01.
pub(super) fn solar_day(at: Utc, longitude: f64) -> i64 {
    (at.0 + longitude_ms(longitude)).div_euclid(DAY_MS)
}

/// First moment of solar day `day` at `longitude`.
pub(super) fn solar_midnight(day: i64, longitude: f64) -> Utc {
    Utc(day * DAY_MS - longitude_ms(longitude))
}

/// The sun on day `day` (days since 1970-01-01 by the mean sun at the place) at `latitude` degrees
/// north and `longitude` degrees east. Within about a minute between 65° south and north, years
/// 1900 to 2100; near the polar circles refraction makes it worse.
pub fn sun_day(day: i64, latitude: f64, longitude: f64) -> SunDay {
    let noon = solar_midnight(day, longitude) + Millis(DAY_MS / 2);
    let (mut rise, mut set) = (noon, noon);
    // The sun moves while it rises: the second round uses its place at the first round's answer.
    for _ in 0..3 {
        match (crossing(noon, rise, latitude, -1.0), crossing(noon, set, latitude, 1.0)) {
            (Ok(earlier), Ok(later)) => (rise, set) = (earlier, later),
            (Err(outcome), _) | (_, Err(outcome)) => return outcome,
        }
    }
    SunDay::Rises { rise, set }
}

/// When the sun crosses the horizon before (`side` −1) or after (`side` 1) `mean_noon`, with the
/// sun's place at `guess`.
fn crossing(mean_noon: Utc, guess: Utc, latitude: f64, side: f64) -> Result<Utc, SunDay> {
    let sun = Sun::at(guess);
    let latitude = latitude.to_radians();
    let hour_angle = cos(ZENITH.to_radians()) / (cos(latitude) * cos(sun.declination))
        - tan(latitude) * tan(sun.declination);
    if hour_angle < -1.0 {
        return Err(SunDay::AlwaysUp);
    }
    if hour_angle > 1.0 {
        return Err(SunDay::AlwaysDown);
    }
    // The earth turns one degree in four minutes.
    let minutes = side * acos(hour_angle).to_degrees() * 4.0 - sun.equation_of_time;
    Ok(mean_noon + Millis(whole(minutes * 60_000.0)))
}

struct Sun {
    /// Radians.
    declination: f64,
    /// Apparent minus mean solar time, minutes.
    equation_of_time: f64,
}

impl Sun {
    fn at(time: Utc) -> Self {
        // 1970-01-01T00:00Z is Julian day 2440587.5; J2000.0 is 2451545.0.
        let days = Millis(time.0).as_secs_f64() / 86_400.0 + 2_440_587.5 - 2_451_545.0;
        let t = days / 36_525.0;
        let mean_longitude = (280.46646 + t * (36000.76983 + t * 0.0003032)).to_radians();
        let mean_anomaly = (357.52911 + t * (35999.05029 - 0.0001537 * t)).to_radians();
        let eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t);
        let centre = (1.914602 - t * (0.004817 + 0.000014 * t)) * sin(mean_anomaly)
            + (0.019993 - 0.000101 * t) * sin(2.0 * mean_anomaly)
            + 0.000289 * sin(3.0 * mean_anomaly);
        let node = (125.04 - 1934.136 * t).to_radians();
        let apparent_longitude = mean_longitude + (centre - 0.00569 - 0.00478 * sin(node)).to_radians();
        let mean_obliquity =
            23.0 + (26.0 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60.0) / 60.0;
        let obliquity = (mean_obliquity + 0.00256 * cos(node)).to_radians();
        let declination = asin(sin(obliquity) * sin(apparent_longitude));
        let y = tan(obliquity / 2.0) * tan(obliquity / 2.0);
        let equation = y * sin(2.0 * mean_longitude) - 2.0 * eccentricity * sin(mean_anomaly)
            + 4.0 * eccentricity * y * sin(mean_anomaly) * cos(2.0 * mean_longitude)
            - 0.5 * y * y * sin(4.0 * mean_longitude)
            - 1.25 * eccentricity * eccentricity * sin(2.0 * mean_anomaly);
        Self { declination, equation_of_time: 4.0 * equation.to_degrees() }
    }
}

/// Time by which the mean sun at `longitude` is ahead of Greenwich.
fn longitude_ms(longitude: f64) -> i64 {
    whole(longitude * 240_000.0)
}

#[expect(clippy::cast_possible_truncation, reason = "at most some days in ms, far inside i64")]
fn whole(ms: f64) -> i64 {
    floor(ms + 0.5) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with PyEphem 4 (libastro, another theory of the sun) with pressure 0 and horizon
    /// −0:50 for the sun's centre, as the US Naval Observatory's almanac prescribes. The London rows agree with
    /// the printed almanac: solstice 04:43 and 21:21 BST, 08:04 and 15:53 GMT.
    const ALMANAC: &[(&str, f64, f64, i64, i64)] = &[
        ("London 2026-03-20", 51.5074, -0.1278, 1773986604, 1774030410),
        ("London 2026-06-21", 51.5074, -0.1278, 1782013386, 1782073293),
        ("London 2026-12-21", 51.5074, -0.1278, 1797840225, 1797868404),
        ("London 2024-02-29", 51.5074, -0.1278, 1709189216, 1709228386),
        ("Shanghai 2026-03-20", 31.2304, 121.4737, 1773957510, 1774001116),
        ("Shanghai 2026-06-21", 31.2304, 121.4737, 1781988625, 1782039677),
        ("Shanghai 2026-12-21", 31.2304, 121.4737, 1797806908, 1797843332),
        ("Shanghai 2024-02-29", 31.2304, 121.4737, 1709158917, 1709200297),
        ("Tromso 2026-03-20", 69.6492, 18.9553, 1773981836, 1774026091),
        ("Tromso 2024-02-29", 69.6492, 18.9553, 1709187156, 1709221338),
        ("Quito 2026-06-21", -0.1807, -78.4678, 1782040342, 1782083946),
        ("Quito 2026-12-21", -0.1807, -78.4678, 1797851279, 1797894966),
        ("Auckland 2026-03-20", -36.8485, 174.7633, 1773944606, 1773988381),
        ("Auckland 2026-06-21", -36.8485, 174.7633, 1781984021, 1782018698),
        ("Auckland 2026-12-21", -36.8485, 174.7633, 1797785880, 1797838773),
    ];

    #[test]
    fn sunrise_and_sunset_agree_with_an_independent_almanac() {
        for &(name, latitude, longitude, rise_s, set_s) in ALMANAC {
            let day = solar_day(Utc((rise_s + set_s) / 2 * 1000), longitude);
            let SunDay::Rises { rise, set } = sun_day(day, latitude, longitude) else { panic!("{name}") };
            let off = |ours: Utc, theirs_s: i64| (ours.0 - theirs_s * 1000).abs();
            assert!(off(rise, rise_s) < 60_000, "{name}: rise off by {} ms", off(rise, rise_s));
            assert!(off(set, set_s) < 60_000, "{name}: set off by {} ms", off(set, set_s));
        }
    }

    #[test]
    fn beyond_the_polar_circle_there_are_days_without() {
        let june = solar_day(Utc(1_782_043_200_000), 18.9553);
        assert_eq!(sun_day(june, 69.6492, 18.9553), SunDay::AlwaysUp);
        assert_eq!(sun_day(june, -69.6492, 18.9553), SunDay::AlwaysDown);
        let december = solar_day(Utc(1_797_854_400_000), 18.9553);
        assert_eq!(sun_day(december, 69.6492, 18.9553), SunDay::AlwaysDown);
    }
}
