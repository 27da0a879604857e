//! What came of it: what the simulator knows and what the journal holds, against the database of
//! headquarters. Pure.

use super::known::{COMPLAINTS_MAX, Change, Excursion, SLACK_MS, Trials};
use super::{lights::Lights, prices::Prices, telemetry::Telemetry};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// The condition that the waves bring about.
const CONDITION: &str = "temperature_high";
/// Numbers follow the agent's time, but for what waited for its disk, ms.
const ORDER_SLACK_MS: i64 = 10_000;
/// An alarm is not escalated before it has waited so long, ms: the shortest of the default policy.
const ESCALATE_MS: i64 = 900_000;
/// The verdict; the last five counts must be 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Alarm changes in the journal.
    pub raised: usize,
    /// Alarm changes at headquarters.
    pub at_hq: usize,
    /// Excursions that the simulator knows of.
    pub excursions: usize,
    /// Of these, such as the agent was whole for long enough of.
    pub excursions_due: usize,
    /// Changes that came to headquarters after one with a higher number. No fault: a broker that dies
    /// forgets for whom it held messages, so they are sent again, and the number tells the order.
    pub late: usize,
    /// Changes that carry the stamp of a stepped clock.
    pub by_wrong_clock: usize,
    /// Changes that say an alarm has waited for long, while in true time it has not; wrong, too.
    pub escalated_early: usize,
    /// Messages that headquarters refused and took in when they came again: the record of a gap that
    /// overtakes what comes before it.
    pub refused_at_first: usize,
    /// What became of telemetry; its counts of faults are in those below.
    pub telemetry: Telemetry,
    /// What became of the sign that the agent switches by local time.
    pub lights: Lights,
    /// What became of prices, where there are labels; its counts of faults are in those below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// Numbers that headquarters has not, excursions of which it was not told, telemetry that is missing
    /// and in no recorded gap.
    pub lost: usize,
    /// Rows beyond one for each number; readings that are there more than once.
    pub doubled: usize,
    /// Changes whose numbers are not in the journal's order.
    pub out_of_order: usize,
    /// Changes that are not word for word those of the journal, alarms without an excursion, messages that
    /// headquarters never took in, journals beyond the first, readings that were not so, and times that the
    /// sign was on or off against its schedule.
    pub wrong: usize,
    /// Prices that nobody with the key has ordered: on a label, in the journal, or in the store's words.
    pub unauthorised: usize,
    /// Each fault found, for people; the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
}

impl Account {
    /// Whether nothing is lost, doubled, out of order, wrong or unauthorised.
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.out_of_order + self.wrong + self.unauthorised == 0
    }

    /// Compares the journal with headquarters, whose rows are in the order of their arrival.
    pub fn compare(&mut self, journal: &[Change], hq: &[(i64, Change)]) {
        (self.raised, self.at_hq) = (journal.len(), hq.len());
        let mut highest = 0;
        for (number, _) in hq {
            self.late += usize::from(*number < highest);
            highest = highest.max(*number);
        }
        let mut by_number: BTreeMap<i64, &Change> = BTreeMap::new();
        for (number, change) in hq {
            if by_number.insert(*number, change).is_some() {
                self.doubled += 1;
                self.complain(format!("number {number} is twice at headquarters: {change:?}"));
            }
        }
        for (number, change) in (1..).zip(journal) {
            match by_number.get(&number) {
                None => {
                    self.lost += 1;
                    self.complain(format!("number {number} is not at headquarters: {change:?}"));
                }
                Some(other) if *other != change => {
                    self.wrong += 1;
                    self.complain(format!("number {number} is {other:?} at headquarters, {change:?} here"));
                }
                Some(_) => {}
            }
        }
        for (number, change) in &by_number {
            if usize::try_from(*number).is_ok_and(|number| number > journal.len()) {
                self.wrong += 1;
                self.complain(format!("the journal has no number {number}: {change:?}"));
            }
        }
        let places: HashMap<&Change, usize> = journal.iter().zip(0..).collect();
        let mut before = 0;
        for (number, change) in &by_number {
            let Some(place) = places.get(change) else { continue };
            if *place < before {
                self.out_of_order += 1;
                self.complain(format!("number {number} is out of order"));
            }
            before = *place;
        }
    }

    /// Compares what truly happened with headquarters: every excursion that could be seen was told of,
    /// and no alarm came from nothing.
    pub fn compare_truth(&mut self, excursions: &[Excursion], trials: &Trials, hq: &[(i64, Change)]) {
        self.excursions = excursions.len();
        let mut changes: Vec<_> = hq.iter().filter(|(_, change)| change.condition == CONDITION).collect();
        changes.sort_by_key(|(number, _)| *number);
        changes.dedup_by_key(|(number, _)| *number);
        // (begin, end) of each time an alarm was active, by device, in true time.
        let mut active: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
        let mut latest = i64::MIN;
        for (number, change) in changes {
            let Some(at_ms) =
                trials.true_times(change.at_ms).find(|at| *at >= latest.saturating_sub(ORDER_SLACK_MS))
            else {
                self.wrong += 1;
                self.complain(format!("number {number} is of no time of the run: {change:?}"));
                continue;
            };
            latest = latest.max(at_ms);
            self.by_wrong_clock += usize::from(at_ms != change.at_ms);
            let times = active.entry(&change.device).or_default();
            let is_open = times.last().is_some_and(|(_, end)| *end == i64::MAX);
            let waited = times.last().is_some_and(|(begin, _)| at_ms - begin >= ESCALATE_MS);
            if change.escalation > 0 && !waited {
                self.escalated_early += 1;
                self.wrong += 1;
                self.complain(format!(
                    "number {number} says that it waits for long, and does not: {change:?}"
                ));
            }
            match (change.state.starts_with("active"), is_open) {
                (true, false) => times.push((at_ms, i64::MAX)),
                (false, true) => {
                    if let Some(last) = times.last_mut() {
                        last.1 = at_ms;
                    }
                }
                _ => {}
            }
        }
        for (device, times) in &active {
            for (begin, _) in times {
                let is_true = excursions.iter().any(|excursion| {
                    excursion.device == *device
                        && excursion.from_ms - SLACK_MS <= *begin
                        && *begin <= trials.grace(excursion.to_ms)
                });
                if !is_true {
                    self.wrong += 1;
                    self.complain(format!("{device} was not too warm when it was raised, {begin}"));
                }
            }
        }
        for excursion in excursions.iter().filter(|excursion| trials.is_due(excursion)) {
            self.excursions_due += 1;
            let end = trials.grace(excursion.to_ms);
            let times = active.get(excursion.device.as_str()).into_iter().flatten();
            if !times.clone().any(|(from, to)| *from <= end && *to >= excursion.from_ms) {
                self.lost += 1;
                self.complain(format!("headquarters was not told of {excursion:?}"));
            }
        }
    }

    /// Adds what was found of telemetry and of the sign.
    pub fn add(&mut self, telemetry: Telemetry, lights: Lights) {
        self.lost += telemetry.lost;
        self.doubled += telemetry.doubled;
        self.wrong += telemetry.wrong + lights.wrong;
        telemetry.complaints.iter().chain(&lights.complaints).for_each(|what| self.complain(what.clone()));
        (self.telemetry, self.lights) = (telemetry, lights);
    }

    /// Adds what was found of prices.
    pub fn add_prices(&mut self, prices: Prices) {
        self.lost += prices.lost;
        self.wrong += prices.wrong;
        self.unauthorised += prices.unauthorised;
        prices.complaints.iter().for_each(|what| self.complain(what.clone()));
        self.prices = Some(prices);
    }

    /// Counts a fault that is wrong beyond the lists.
    pub fn add_wrong(&mut self, count: usize, what: &str) {
        if count > 0 {
            self.wrong += count;
            self.complain(format!("{count} {what}"));
        }
    }

    fn complain(&mut self, what: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Vec<(i64, Change)>;

    fn change(device: &str, state: &str, at_ms: i64) -> Change {
        Change {
            alarm: 1,
            device: device.into(),
            condition: CONDITION.into(),
            state: state.into(),
            at_ms,
            since_ms: at_ms,
            cause: "unknown".into(),
            by: String::new(),
            escalation: 0,
        }
    }

    fn counts(account: &Account) -> (usize, usize, usize, usize, usize) {
        (account.lost, account.doubled, account.out_of_order, account.wrong, account.late)
    }

    #[test]
    fn every_way_in_which_headquarters_can_be_wrong_is_counted() {
        let journal: Vec<_> = (0..4).map(|n| change("a", "active_unacknowledged", n)).collect();
        let right: Vec<_> = (1..).zip(journal.iter().cloned()).collect();
        let judge = |spoil: &dyn Fn(&mut Rows)| {
            let mut hq = right.clone();
            spoil(&mut hq);
            let mut account = Account::default();
            account.compare(&journal, &hq);
            counts(&account)
        };
        assert_eq!(judge(&|_| {}), (0, 0, 0, 0, 0));
        assert_eq!(judge(&|hq| drop(hq.remove(1))), (1, 0, 0, 0, 0));
        assert_eq!(judge(&|hq| hq.push(hq[3].clone())), (0, 1, 0, 0, 0));
        assert_eq!(judge(&|hq| hq.swap(1, 2)), (0, 0, 0, 0, 1));
        assert_eq!(judge(&|hq| hq[0].1.cause = "door_open".into()), (0, 0, 0, 1, 0));
        assert_eq!(judge(&|hq| hq.push((5, hq[0].1.clone()))), (0, 0, 1, 1, 0));
        // The numbers of two are exchanged: two are wrong, and one goes back.
        let exchange = |hq: &mut Rows| (hq[1].0, hq[2].0) = (3, 2);
        assert_eq!(judge(&exchange), (0, 0, 1, 2, 1));
    }

    #[test]
    fn what_the_simulator_knows_is_told_and_nothing_else() {
        let excursion = |from_ms, to_ms| Excursion { device: "a".into(), from_ms, to_ms };
        let excursions = [excursion(10_000, 20_000), excursion(40_000, 50_000)];
        let run = (0, 60_000);
        let judge = |outages: &[(i64, i64)], hq: &[Change]| {
            // An hour ahead for a while, twice.
            let offsets = vec![(0, 0), (9_000, 3_600_000), (12_000, 0), (55_000, 3_600_000), (60_000, 0)];
            let trials = Trials { outages: outages.to_vec(), offsets, run };
            let mut account = Account::default();
            let hq: Vec<_> = (1..).zip(hq.iter().cloned()).collect();
            account.compare_truth(&excursions, &trials, &hq);
            assert_eq!(account.by_wrong_clock, hq.iter().filter(|(_, it)| it.at_ms == 3_610_300).count());
            (account.excursions_due, account.lost, account.wrong)
        };
        let (raise, clear) =
            (|at| change("a", "active_unacknowledged", at), |at| change("a", "returned_unacknowledged", at));
        let both = [raise(10_300), clear(20_100), raise(40_300), clear(50_100)];
        assert_eq!(judge(&[], &both), (2, 0, 0));
        // By a clock that is an hour wrong.
        assert_eq!(judge(&[], &[raise(3_610_300), clear(20_100), raise(40_300)]), (2, 0, 0));
        assert_eq!(judge(&[], &both[..2]), (2, 1, 0));
        // Active from the first to the second: that it ended in between was not seen.
        assert_eq!(judge(&[], &[raise(10_300), clear(50_100)]), (2, 0, 0));
        // Away for all but 3 s at each end of the second.
        assert_eq!(judge(&[(43_000, 47_000)], &both[..2]), (1, 0, 0));
        assert_eq!(judge(&[(43_000, 45_000)], &both[..2]), (2, 1, 0));
        // Raised while cold; and what was read before an outage is judged after it.
        let late = [raise(10_300), clear(20_100), raise(30_000), clear(31_000), raise(40_300)];
        assert_eq!(judge(&[], &late), (2, 0, 1));
        assert_eq!(judge(&[(19_900, 29_000)], &late), (2, 0, 0));
        assert_eq!(judge(&[], &[&both[..], &[raise(7_000_000)]].concat()), (2, 0, 1));
    }

    #[test]
    fn an_alarm_that_has_not_waited_is_escalated_early() {
        let judge = |at_ms, escalation| {
            let raised = change("a", "active_unacknowledged", 10_000);
            let later = Change { escalation, ..change("a", "active_unacknowledged", at_ms) };
            let trials = Trials { outages: vec![], offsets: vec![(0, 0)], run: (0, 2_000_000) };
            let mut account = Account::default();
            account.compare_truth(&[], &trials, &[(1, raised), (2, later)]);
            account.escalated_early
        };
        assert_eq!([judge(20_000, 1), judge(20_000, 0), judge(920_000, 1)], [1, 0, 0]);
    }
}
