//! What came of it: what the simulator knows and what the journal holds, against the database of
//! headquarters. The counting is plain; only [`read_journal`], [`read_hq`] and [`read_excursions`] open
//! files.

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    path::Path,
    time::Duration,
};

/// The condition that the waves bring about.
const CONDITION: &str = "temperature_high";
/// An excursion must be told of if the agent was whole for so long of it, ms: the rule's delay, a
/// start, and what a slow machine takes.
const SEEN_MS: i64 = 4000;
/// A raise may lie so far outside its excursion, ms: polls, the delay, the simulator's step.
const SLACK_MS: i64 = 2000;
/// An alarm is not escalated before it has waited so long, ms: the shortest of the default policy.
const ESCALATE_MS: i64 = 900_000;
/// States by their number in the contract (`AlarmState`).
const STATES: [&str; 9] = [
    "unspecified",
    "normal",
    "active_unacknowledged",
    "active_acknowledged",
    "returned_unacknowledged",
    "latched",
    "shelved",
    "suppressed_by_design",
    "out_of_service",
];

/// An alarm's change of state, as journal and headquarters both tell it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Change {
    /// Number of the occurrence.
    pub alarm: i64,
    /// Device id.
    pub device: String,
    /// What is wrong.
    pub condition: String,
    /// ISA-18.2 state.
    pub state: String,
    /// When, ms since 1970 by the agent's clock.
    pub at_ms: i64,
    /// Since when it is so, likewise.
    pub since_ms: i64,
    /// Probable cause.
    pub cause: String,
    /// Who did it.
    pub by: String,
    /// How often it was said that nobody acknowledges it.
    pub escalation: i64,
}

/// The air of a device was above its limit in the register from `from_ms` to `to_ms`, ms since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excursion {
    /// Device id.
    pub device: String,
    /// Begin.
    pub from_ms: i64,
    /// End.
    pub to_ms: i64,
}

/// What the rig did to the agent.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// When it was not whole: dead, standing still, without room on its disk. ms since 1970.
    pub outages: Vec<(i64, i64)>,
    /// How wrong its clock was at any time, ms; 0 is always one of them.
    pub offsets: BTreeSet<i64>,
    /// Begin and end of it all, ms since 1970.
    pub run: (i64, i64),
}

/// The verdict; the last four counts must be 0.
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
    /// Changes that say an alarm has waited for long, while in true time it has not: an agent that
    /// starts under a clock that is ahead takes that for waiting. Not counted as wrong yet, as what a
    /// store makes of a clock it cannot trust is not decided.
    pub escalated_early: usize,
    /// Numbers that headquarters has not, and excursions of which it was not told.
    pub lost: usize,
    /// Rows beyond one for each number.
    pub doubled: usize,
    /// Changes whose numbers are not in the journal's order.
    pub out_of_order: usize,
    /// Changes that are not word for word those of the journal, alarms without an excursion, messages that
    /// headquarters refused, and journals beyond the first.
    pub wrong: usize,
    /// Each fault found, for people; the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
}

/// Complaints kept at most.
const COMPLAINTS_MAX: usize = 100;

impl Account {
    /// Whether nothing is lost, doubled, out of order or wrong.
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.out_of_order + self.wrong == 0
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
        for (number, change) in changes {
            let Some(at_ms) = trials.true_ms(change.at_ms) else {
                self.wrong += 1;
                self.complain(format!("number {number} is of no time of the run: {change:?}"));
                continue;
            };
            self.by_wrong_clock += usize::from(at_ms != change.at_ms);
            let times = active.entry(&change.device).or_default();
            let is_open = times.last().is_some_and(|(_, end)| *end == i64::MAX);
            let waited = times.last().is_some_and(|(begin, _)| at_ms - begin >= ESCALATE_MS);
            self.escalated_early += usize::from(change.escalation > 0 && !waited);
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

impl Trials {
    /// The true time of a stamp. The steps are so large, and the run so short, that only one fits.
    fn true_ms(&self, stamp_ms: i64) -> Option<i64> {
        let (begin, end) = (self.run.0 - SLACK_MS, self.run.1 + SLACK_MS);
        self.offsets.iter().map(|offset| stamp_ms - offset).find(|at| (begin..=end).contains(at))
    }

    /// Until when a raise may come for what ended at `end_ms`: what was read before an outage is judged
    /// after it.
    fn grace(&self, end_ms: i64) -> i64 {
        let mut latest = end_ms + SLACK_MS;
        for (from, to) in &self.outages {
            if *from <= latest && end_ms <= *to {
                latest = latest.max(to + SLACK_MS);
            }
        }
        latest
    }

    /// Whether the agent was whole for long enough of an excursion.
    fn is_due(&self, excursion: &Excursion) -> bool {
        let mut whole_since = excursion.from_ms;
        let ended = (excursion.to_ms, excursion.to_ms);
        for (from, to) in self.outages.iter().chain([&ended]) {
            if *from >= excursion.to_ms || *to <= excursion.from_ms {
                continue;
            }
            if from - whole_since >= SEEN_MS {
                return true;
            }
            whole_since = whole_since.max(*to);
        }
        excursion.to_ms - whole_since >= SEEN_MS
    }
}

/// Every alarm change of the journal, in order. An error if it has begun to forget.
pub fn read_journal(path: &Path) -> io::Result<Vec<Change>> {
    let db = open(path)?;
    let first: Option<i64> =
        db.query_row("SELECT min(id) FROM alarm_history", [], |row| row.get(0)).map_err(io::Error::other)?;
    if first.is_some_and(|first| first > 1) {
        return Err(io::Error::other(
            "the journal keeps 10,000 alarm changes, and there were more: say fewer --minutes",
        ));
    }
    let changes = changes(
        &db,
        "SELECT id, alarm, device, condition, state, at_ms, since_ms, cause, by, escalation FROM alarm_history ORDER BY id",
    )?;
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

/// What headquarters has.
#[derive(Clone, Debug)]
pub struct Headquarters {
    /// Every alarm change with its number, in the order of their arrival.
    pub changes: Vec<(i64, Change)>,
    /// How many journals spoke.
    pub journals: usize,
    /// Messages that it could not take in.
    pub refused: usize,
}

/// Reads the database of headquarters at `path`.
pub fn read_hq(path: &Path) -> io::Result<Headquarters> {
    let db = open(path)?;
    let changes = changes(
        &db,
        "SELECT seq, alarm, device, condition, state, at_ms, since_ms, cause, by, escalation FROM alert ORDER BY id",
    )?;
    let count = |sql: &str| {
        let count = db.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(io::Error::other)?;
        usize::try_from(count).map_err(io::Error::other)
    };
    let journals = count("SELECT count(DISTINCT journal) FROM message")?;
    let refused = count("SELECT count(*) FROM refused")?;
    Ok(Headquarters { changes, journals, refused })
}

/// Last number of the alert stream that the journal gave out, and up to which headquarters has all.
pub fn last_numbers(journal: &Path, hq: &Path) -> io::Result<(i64, i64)> {
    const ALERTS: &str = "WHERE stream = 1";
    let one = |path: &Path, sql: String| {
        open(path)?.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0)).map_err(io::Error::other)
    };
    let last = one(journal, format!("SELECT max(last) FROM stream {ALERTS}"))?;
    let has = one(hq, format!("SELECT max(seq) FROM contiguous {ALERTS}"))?;
    Ok((last.unwrap_or(0), has.unwrap_or(0)))
}

/// Excursions from the simulator's record; one that had not ended ends at `end_ms`.
pub fn read_excursions(path: &Path, end_ms: i64) -> io::Result<Vec<Excursion>> {
    #[derive(Deserialize)]
    struct Line {
        at_ms: i64,
        event: String,
        device: String,
        above: Option<bool>,
    }
    let mut excursions = Vec::new();
    let mut open: BTreeMap<String, i64> = BTreeMap::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let line: Line = serde_json::from_str(line)?;
        match (line.event.as_str(), line.above) {
            ("limit_crossed", Some(true)) => drop(open.insert(line.device, line.at_ms)),
            ("limit_crossed", Some(false)) => {
                if let Some(from_ms) = open.remove(&line.device) {
                    excursions.push(Excursion { device: line.device, from_ms, to_ms: line.at_ms });
                }
            }
            _ => {}
        }
    }
    excursions.extend(open.into_iter().map(|(device, from_ms)| Excursion {
        device,
        from_ms,
        to_ms: end_ms.max(from_ms),
    }));
    Ok(excursions)
}

fn open(path: &Path) -> io::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
    db.busy_timeout(Duration::from_secs(10)).map_err(io::Error::other)?;
    Ok(db)
}

/// Rows of a number and a change. A state is a name in the journal and a number at headquarters.
fn changes(db: &Connection, sql: &str) -> io::Result<Vec<(i64, Change)>> {
    let read = || -> rusqlite::Result<Vec<(i64, Change)>> {
        let mut statement = db.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let state = match row.get_ref(4)? {
                ValueRef::Integer(number) => usize::try_from(number)
                    .ok()
                    .and_then(|number| STATES.get(number))
                    .map_or_else(|| format!("state {number}"), |state| (*state).to_owned()),
                other => String::from_utf8_lossy(other.as_bytes()?).into_owned(),
            };
            let change = Change {
                alarm: row.get(1)?,
                device: row.get(2)?,
                condition: row.get(3)?,
                state,
                at_ms: row.get(5)?,
                since_ms: row.get(6)?,
                cause: row.get(7)?,
                by: row.get(8)?,
                escalation: row.get(9)?,
            };
            Ok((row.get(0)?, change))
        })?;
        rows.collect()
    };
    read().map_err(io::Error::other)
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
            let offsets = BTreeSet::from([0, 3_600_000]);
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
            let trials = Trials { outages: vec![], offsets: BTreeSet::from([0]), run: (0, 2_000_000) };
            let mut account = Account::default();
            account.compare_truth(&[], &trials, &[(1, raised), (2, later)]);
            account.escalated_early
        };
        assert_eq!([judge(20_000, 1), judge(20_000, 0), judge(920_000, 1)], [1, 0, 0]);
    }
}
