//! Which deliveries are committed together, and which first. Pure.
//!
//! Telemetry goes in small groups of its own, by turns with everything else: an alert is not behind the backlogs
//! of a thousand stores, waits for at most one short commit, and its own has nothing else to write.

use std::collections::VecDeque;

/// Messages in one transaction at most: a commit waits for the disk once, however many are in it.
pub(crate) const GROUP_MAX: usize = 256;

/// Bytes of telemetry in one transaction, to which the last message may add its own: some five thousand
/// readings, which SQLite writes in 20 ms.
const TELEMETRY_BYTES: usize = 8 * 1024;

/// What waits to be committed; bounded by what the connection holds.
pub(crate) struct Waiting<T> {
    urgent: VecDeque<T>,
    /// With its length, bytes.
    telemetry: VecDeque<(T, usize)>,
    is_telemetrys_turn: bool,
}

impl<T> Waiting<T> {
    pub(crate) fn new() -> Self {
        Self { urgent: VecDeque::new(), telemetry: VecDeque::new(), is_telemetrys_turn: false }
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

    /// The next group, of one kind, in the order in which it came; empty if nothing waits. A flood of alerts
    /// does not hold telemetry up for ever: where both wait they take turns.
    pub(crate) fn group(&mut self) -> Vec<T> {
        let is_telemetry = !self.telemetry.is_empty() && (self.is_telemetrys_turn || self.urgent.is_empty());
        self.is_telemetrys_turn = !is_telemetry;
        if !is_telemetry {
            let count = self.urgent.len().min(GROUP_MAX);
            return self.urgent.drain(..count).collect();
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
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
        assert_eq!((waiting.group(), waiting.group()), (vec![100], vec![0, 1]));
        for number in 0..1000 {
            waiting.push(200 + number, "storewarden/v1/c/s/alert", 1000);
        }
        let group = waiting.group();
        assert_eq!((group.len(), group[0], group[255]), (GROUP_MAX, 200, 455));
        assert_eq!((waiting.group(), waiting.group().len()), (vec![2, 3], GROUP_MAX), "they take turns");
        let rest = std::iter::from_fn(|| Some(waiting.group()).filter(|group| !group.is_empty()));
        assert_eq!(rest.map(|group| group.len()).sum::<usize>(), 1000 - 2 * GROUP_MAX + 10 - 4);
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
