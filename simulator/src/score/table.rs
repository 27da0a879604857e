//! What many runs come to.

use super::fault::{Group, Kind};
use super::instruments::Instruments;
use super::run::Outcome;
use serde::Serialize;
use std::fmt::Write;
use storewarden_rules::{Cause, Condition};

/// An alarm counts as in time if the goods last this long after it, s (the bound of the figures).
const LEFT_S: f64 = 1800.0;
/// Physics allows it if the goods last twice as long from the fault on, s: a choice of this project.
const ALLOWED_S: f64 = 3600.0;
const MONTH_S: f64 = 30.0 * 86_400.0;

/// Some runs of one sort. Shares 0 to 1; none where nothing was counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The fault, the group or the instruments.
    pub name: String,
    /// Runs in which the fault came so far that it counts.
    pub runs: usize,
    /// Share found in time and before the goods were lost.
    pub found: Option<f64>,
    /// Median time from the clock's start to the first alarm of those found, h; negative: before it.
    pub median_h: Option<f64>,
    /// The time nine of ten are found within, h.
    pub p90_h: Option<f64>,
    /// Runs in which the goods were lost.
    pub lost: usize,
    /// Median time from the alarm to the loss where both happened, h.
    pub left_h: Option<f64>,
    /// Of the runs whose goods last an hour from the fault on: share with an alarm half an hour before their loss.
    pub in_time: Option<f64>,
    /// Of those found: share whose first alarm names a right cause,
    pub cause: Option<f64>,
    /// the very cause,
    pub exact: Option<f64>,
    /// a right one within an hour.
    pub later: Option<f64>,
    /// Share the plain rule finds.
    pub plain_found: Option<f64>,
    /// Its median time, h.
    pub plain_median_h: Option<f64>,
    /// Its share half an hour before the loss.
    pub plain_in_time: Option<f64>,
    /// Of those that both find: how much earlier the rules are than the plain one, median, h.
    pub earlier_h: Option<f64>,
    /// The conditions found by, most frequent first, with their number.
    pub by: Vec<(String, usize)>,
    /// What the first alarm was put down to, most frequent first, with its number.
    pub called: Vec<(String, usize)>,
}

/// False alarms of some cabinets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quiet {
    /// All, or the instruments.
    pub name: String,
    /// Healthy time looked at, months of 30 days.
    pub months: f64,
    /// Alarms in it.
    pub alarms: usize,
    /// Alarms per month.
    pub per_month: f64,
    /// The same of the plain rule.
    pub plain_per_month: f64,
    /// Which, most frequent first.
    pub by: Vec<(String, usize)>,
}

/// The whole scoreboard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// The set of seeds.
    pub seed: u64,
    /// One row a fault.
    pub faults: Vec<Row>,
    /// The faults by how soon they must be found.
    pub groups: Vec<Row>,
    /// The same runs by what was measured.
    pub instruments: Vec<Row>,
    /// False alarms: all, then by what was measured.
    pub quiet: Vec<Quiet>,
}

fn share(count: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

/// The value `tenths` tenths of all lie at or below.
fn quantile(mut values: Vec<f64>, tenths: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = (values.len() * tenths).div_ceil(10).max(1) - 1;
    values.get(place).copied()
}

fn tally(names: impl Iterator<Item = &'static str>) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for name in names {
        match counts.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name.to_owned(), 1)),
        }
    }
    counts.sort_by_key(|(_, count)| usize::MAX - count);
    counts
}

fn hours(seconds: f64) -> f64 {
    seconds / 3600.0
}

impl Row {
    fn new(name: &str, outcomes: &[&Outcome]) -> Self {
        let counted: Vec<_> = outcomes.iter().copied().filter(|run| run.clock_s.is_some()).collect();
        let found_of = |run: &Outcome| run.found(run.first.as_ref().map(|said| said.at_s));
        let found: Vec<_> = counted.iter().copied().filter(|run| found_of(run).is_some()).collect();
        let times: Vec<f64> = counted.iter().filter_map(|run| found_of(run)).map(hours).collect();
        let plain: Vec<f64> = counted.iter().filter_map(|run| run.found(run.plain_s)).map(hours).collect();
        let earlier = counted.iter().filter_map(|run| Some(hours(run.found(run.plain_s)? - found_of(run)?)));
        let left = found.iter().filter_map(|run| Some(hours(run.lost_s? - run.first.as_ref()?.at_s)));
        let allowed: Vec<_> = counted.iter().filter(|run| lasts(run)).collect();
        let early = |at_s: Option<f64>, run: &Outcome| {
            run.found(at_s).is_some()
                && run.lost_s.is_none_or(|lost| at_s.is_some_and(|at| lost - at >= LEFT_S))
        };
        let in_time =
            allowed.iter().filter(|run| early(run.first.as_ref().map(|said| said.at_s), run)).count();
        let plain_in_time = allowed.iter().filter(|run| early(run.plain_s, run)).count();
        let first = |run: &Outcome| run.first.as_ref().map(|said| said.cause);
        let exact = |run: &Outcome| run.kind.map(Kind::cause) == first(run);
        let of_found = |holds: &dyn Fn(&Outcome) -> bool| {
            share(found.iter().filter(|run| holds(run)).count(), found.len())
        };
        Self {
            name: name.to_owned(),
            runs: counted.len(),
            found: share(found.len(), counted.len()),
            lost: counted.iter().filter(|run| run.lost_s.is_some()).count(),
            left_h: quantile(left.collect(), 5),
            in_time: share(in_time, allowed.len()),
            cause: of_found(&|run| right(run, first(run))),
            exact: of_found(&exact),
            later: of_found(&|run| right(run, run.later)),
            plain_found: share(plain.len(), counted.len()),
            plain_median_h: quantile(plain, 5),
            plain_in_time: share(plain_in_time, allowed.len()),
            earlier_h: quantile(earlier.collect(), 5),
            by: tally(found.iter().filter_map(|run| Some(run.first.as_ref()?.condition.name()))),
            called: tally(found.iter().filter_map(|run| Some(first(run)?.name()))),
            median_h: quantile(times.clone(), 5),
            p90_h: quantile(times, 9),
        }
    }
}

/// Whether `cause` is an accepted one of the run's fault.
fn right(run: &Outcome, cause: Option<Cause>) -> bool {
    run.kind
        .zip(cause)
        .is_some_and(|(kind, cause)| kind.cause() == cause || kind.also(run.instruments).contains(&cause))
}

/// One line a run as CSV: hours from the fault's clock to the first alarm, to the plain rule's, and to the
/// loss of the goods; of healthy days the alarms that were said.
pub fn list(outcomes: &[Outcome]) -> String {
    let mut text =
        "fault,number,class,instruments,found,alarm_h,condition,cause,right,plain_h,lost_h,false\n"
            .to_owned();
    for run in outcomes {
        let after = |at_s: Option<f64>| {
            at_s.zip(run.clock_s)
                .map_or(String::new(), |(at_s, clock_s)| format!("{:.2}", hours(at_s - clock_s)))
        };
        let first = run.first.as_ref();
        let at_s = first.map(|said| said.at_s);
        let fields = [
            run.kind.map_or("healthy", Kind::name).to_owned(),
            run.number.to_string(),
            run.class.name().to_owned(),
            run.instruments.name().to_owned(),
            u8::from(run.found(at_s).is_some()).to_string(),
            after(at_s),
            first.map_or(String::new(), |said| said.condition.name().to_owned()),
            first.map_or(String::new(), |said| said.cause.name().to_owned()),
            u8::from(right(run, first.map(|said| said.cause))).to_string(),
            after(run.plain_s),
            after(run.lost_s),
            run.false_alarms
                .iter()
                .map(|said| format!("{}@{:.1}h", said.condition.name(), hours(said.at_s)))
                .collect::<Vec<_>>()
                .join(" "),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

/// Whether the goods last long enough for an alarm to be in time.
fn lasts(run: &Outcome) -> bool {
    match (run.lost_s, run.clock_s) {
        (Some(lost_s), Some(clock_s)) => lost_s - clock_s >= ALLOWED_S,
        (None, _) => true,
        (Some(_), None) => false,
    }
}

impl Quiet {
    fn new(name: &str, outcomes: &[&Outcome]) -> Self {
        let months = outcomes.iter().map(|run| run.healthy_s).sum::<f64>() / MONTH_S;
        let alarms = outcomes.iter().map(|run| run.false_alarms.len()).sum::<usize>();
        let plain: u32 = outcomes.iter().map(|run| run.plain_false_alarms).sum();
        let conditions = outcomes.iter().flat_map(|run| &run.false_alarms).map(|said| said.condition);
        Self {
            name: name.to_owned(),
            months,
            alarms,
            per_month: alarms as f64 / months.max(f64::MIN_POSITIVE),
            plain_per_month: f64::from(plain) / months.max(f64::MIN_POSITIVE),
            by: tally(conditions.map(Condition::name)),
        }
    }
}

impl Table {
    /// Counts the runs of the set `seed`.
    pub fn new(seed: u64, outcomes: &[Outcome]) -> Self {
        let those = |holds: &dyn Fn(&Outcome) -> bool| -> Vec<&Outcome> {
            outcomes.iter().filter(|run| holds(run)).collect()
        };
        let faults = Kind::ALL
            .into_iter()
            .map(|kind| Row::new(kind.name(), &those(&|run| run.kind == Some(kind))))
            .filter(|row| row.runs > 0)
            .collect();
        let groups = [("abrupt", Group::Abrupt), ("schedule", Group::Schedule), ("slow", Group::Slow)]
            .into_iter()
            .map(|(name, group)| {
                // A drifting probe takes no capacity: it has its own row.
                let is_of = |kind: Kind| kind.group() == group && kind != Kind::ProbeDrift;
                Row::new(name, &those(&|run| run.kind.is_some_and(is_of)))
            })
            .chain([Row::new("all", &those(&|run| run.kind.is_some()))])
            .collect();
        let by = |instruments: Instruments| {
            those(&move |run| run.kind.is_some() && run.instruments == instruments)
        };
        let instruments =
            Instruments::ALL.into_iter().map(|which| Row::new(which.name(), &by(which))).collect();
        let quiet = [Quiet::new("all", &those(&|_| true))]
            .into_iter()
            .chain(
                Instruments::ALL
                    .into_iter()
                    .map(|which| Quiet::new(which.name(), &those(&move |run| run.instruments == which))),
            )
            .collect();
        Self { seed, faults, groups, instruments, quiet }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{:<22}{:>5}{:>7}{:>8}{:>8}{:>6}{:>8}{:>7}{:>7}{:>7}{:>7} |{:>7}{:>8}{:>7}{:>9}",
            "fault",
            "runs",
            "found",
            "median",
            "p90",
            "lost",
            "left",
            ">=30m",
            "cause",
            "exact",
            "1h on",
            "plain",
            "median",
            ">=30m",
            "earlier"
        );
        for rows in [&self.faults, &self.groups, &self.instruments] {
            for row in rows {
                let _ = writeln!(
                    text,
                    "{:<22}{:>5}{:>7}{:>8}{:>8}{:>6}{:>8}{:>7}{:>7}{:>7}{:>7} |{:>7}{:>8}{:>7}{:>9}  {}; {}",
                    row.name,
                    row.runs,
                    percent(row.found),
                    span(row.median_h),
                    span(row.p90_h),
                    row.lost,
                    span(row.left_h),
                    percent(row.in_time),
                    percent(row.cause),
                    percent(row.exact),
                    percent(row.later),
                    percent(row.plain_found),
                    span(row.plain_median_h),
                    percent(row.plain_in_time),
                    span(row.earlier_h),
                    listed(&row.by),
                    listed(&row.called),
                );
            }
            text.push('\n');
        }
        let _ = writeln!(
            text,
            "{:<22}{:>8}{:>8}{:>11}{:>11}",
            "healthy", "months", "alarms", "per month", "plain"
        );
        for row in &self.quiet {
            let _ = writeln!(
                text,
                "{:<22}{:>8.1}{:>8}{:>11.2}{:>11.2}  {}",
                row.name,
                row.months,
                row.alarms,
                row.per_month,
                row.plain_per_month,
                listed(&row.by)
            );
        }
        text
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.0}%", share * 100.0))
}

fn span(hours: Option<f64>) -> String {
    match hours {
        None => "-".to_owned(),
        Some(hours) if hours.abs() < 2.0 => format!("{:.0}min", hours * 60.0),
        Some(hours) => format!("{hours:.1}h"),
    }
}

fn listed(counts: &[(String, usize)]) -> String {
    let first = counts.iter().take(4).map(|(name, count)| format!("{name} {count}"));
    first.collect::<Vec<_>>().join(", ")
}
