//! What hangs on a line, circuit or the store, counted for [`crate::detect::Outage`].

use super::{Device, Running, Site};
use crate::detect::Census;
use crate::{Millis, Mono, Now};

impl Site {
    /// What hangs on the device of an outage rule. Devices that are not in use are left out.
    pub(super) fn census(&self, now: Now, number: usize) -> Census {
        let mut census = Census::default();
        let rule = &self.rules[number];
        if !matches!(rule.running, Running::Outage(_)) {
            return census;
        }
        let is_member = |device: &Device| device.hangs_on.contains(&Some(rule.device));
        let watched = || self.devices.iter().filter(|device| device.is_asked());
        // Whoever was heard after the silent ones were to be asked again shows that the line works.
        let fell = watched().filter(|device| is_member(device) && self.is_silent(now, device));
        let fell = fell.map(|device| self.last_heard(now, device) + device.poll).max();
        let is_alive = |device: &Device| {
            let heard = device.heard.filter(|heard| fell.is_none_or(|fell| *heard > fell));
            heard.is_some() && !self.is_silent(now, device)
        };
        // Bit by number of a line; a device without one is its own.
        let line = |(place, device): (usize, &Device)| {
            1_u128 << device.hangs_on[0].map_or(place, |line| usize::from(line.0))
        };
        let (mut silent_lines, mut alive_lines) = (0, 0);
        for (place, device) in self.devices.iter().enumerate().filter(|(_, device)| device.is_asked()) {
            let dark = self.dark_since(device);
            let (is_member, is_silent, is_alive) =
                (is_member(device), self.is_silent(now, device), is_alive(device));
            if is_alive {
                alive_lines |= line((place, device));
            }
            if !is_member {
                census.others_alive += u16::from(is_alive && dark.is_none());
                continue;
            }
            census.members += 1;
            let gone = if is_silent {
                census.silent += 1;
                silent_lines |= line((place, device));
                Some(self.last_heard(now, device))
            } else if dark.is_some() {
                census.without_power += 1;
                dark
            } else {
                census.alive += u16::from(is_alive);
                None
            };
            census.since = census.since.max(gone);
        }
        census.silent_lines = u8::try_from(silent_lines.count_ones()).unwrap_or(u8::MAX);
        census.has_live_line = silent_lines & alive_lines != 0;
        census
    }

    /// Whether nothing has come from `device` for two and a half polls: sooner than the three of its
    /// [`Rule::NoResponse`], so that what explains it is found first.
    pub(super) fn is_silent(&self, now: Now, device: &Device) -> bool {
        let bound = Millis((device.poll.0 * 5 / 2).max(1_000));
        now.mono - self.last_heard(now, device) > bound
    }

    /// When something last came from `device`; before that, when the site began to listen.
    pub(super) fn last_heard(&self, now: Now, device: &Device) -> Mono {
        device.heard.or(self.points.started()).unwrap_or(now.mono)
    }

    /// Since when `device` has been without power by a meter that still answers, if it is.
    pub(super) fn dark_since(&self, device: &Device) -> Option<Mono> {
        let cabinet = device.cabinet.and_then(|(cabinet, _)| self.cabinets[cabinet].dark_since());
        cabinet.or(device.dark_since)
    }
}
