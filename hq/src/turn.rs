//! Which deliveries are committed together, and which first. Pure.
//!
//! Telemetry waits for everything else, and a group holds only so much of it: an alert is not behind the
//! backlogs of a thousand stores, and not behind a long commit of one of them.

use std::collections::VecDeque;

/// Messages in one transaction at most: a commit waits for the disk once, however many are in it.
pub(crate) const GROUP_MAX: usize = 256;

/// Bytes of telemetry in one transaction, to which the last message may add its own: some ten thousand
/// readings, which SQLite writes in 40 ms.
const TELEMETRY_BYTES: usize = 16 * 1024;

/// What waits to be committed; bounded by what the connection holds.
pub(crate) struct Waiting<T> {
    urgent: VecDeque<T>,
    /// With its length, bytes.
    telemetry: VecDeque<(T, usize)>,
}

impl<T> Waiting<T> {
    pub(crate) fn new() -> Self {
        Self { urgent: VecDeque::new(), telemetry: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.telemetry.is_empty()
    }

    /// A delivery that came on `topic` with `bytes` of payload.
    pub(crate) fn push(&mut self, delivery: T, topic: &str, bytes: usize) {
        if topic.ends_with("/telemetry") {
            self.telemetry.push_back((delivery, bytes));
        } else {
            self.urgent.push_back(delivery);
        }
    }

    /// The next group, each kind in the order in which it came. One message of telemetry is always in it
    /// while there is any, so that a flood of alerts does not hold it up for ever.
    pub(crate) fn group(&mut self) -> Vec<T> {
        let count = self.urgent.len().min(GROUP_MAX - 1);
        let mut group: Vec<_> = self.urgent.drain(..count).collect();
        let mut bytes = 0;
        while group.len() < GROUP_MAX
            && bytes < TELEMETRY_BYTES
            && let Some((delivery, its)) = self.telemetry.pop_front()
        {
            group.push(delivery);
            bytes += its;
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_overtakes_telemetry_and_neither_waits_for_ever() {
        let mut waiting = Waiting::new();
        for number in 0..10 {
            waiting.push(number, "storewarden/v1/c/s/telemetry", TELEMETRY_BYTES / 2);
        }
        waiting.push(100, "storewarden/v1/c/s/alert", 1000);
        assert_eq!(waiting.group(), [100, 0, 1]);
        for number in 0..1000 {
            waiting.push(200 + number, "storewarden/v1/c/s/alert", 1000);
        }
        let group = waiting.group();
        assert_eq!((group.len(), group[0], group[254], group[255]), (GROUP_MAX, 200, 454, 2));
        let rest = std::iter::from_fn(|| Some(waiting.group()).filter(|group| !group.is_empty()));
        assert_eq!(rest.map(|group| group.len()).sum::<usize>(), 1000 - 255 + 10 - 3);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_message_longer_than_the_bound_goes_alone() {
        let mut waiting = Waiting::new();
        for number in 0..2 {
            waiting.push(number, "storewarden/v1/c/s/telemetry", 10 * TELEMETRY_BYTES);
        }
        assert_eq!((waiting.group(), waiting.group(), waiting.group()), (vec![0], vec![1], vec![]));
    }
}
