//! `price status CAMPAIGN --watch`: how far it is, until every store and label is done.

use super::campaign::{Answer, Campaign, Labels, Progress};
use crate::Failure;
use crate::database::Database;
use crate::print::say;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// How often the database is asked: every label of every store of the campaign is looked up.
const EVERY: Duration = Duration::from_secs(2);

/// Prints how far `campaign` is. Whether all is done and nothing was refused.
pub(crate) fn once(database: &mut Database, campaign: &Campaign) -> Result<bool, Failure> {
    let progress = campaign.progress(database)?;
    for (store, answer) in &progress.stores {
        say(&line_of(&progress, store, answer));
    }
    say(&sum(&progress));
    Ok(is_done(&progress) && is_accepted(&progress))
}

/// Shows how far `campaign` is until all is done, or `longest` has passed; a bar on a terminal, else a line
/// for every change. Whether all is done and nothing was refused.
pub(crate) fn run(
    database: &mut Database,
    campaign: &Campaign,
    longest: Option<Duration>,
) -> Result<bool, Failure> {
    let bar = std::io::stdout().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} labels  {msg}");
        let bar = ProgressBar::new(0);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    });
    let end = longest.map(|longest| Instant::now() + longest);
    let (mut before, mut told) = (None, BTreeSet::new());
    loop {
        let progress = campaign.progress(database)?;
        let line = |text: &str| match &bar {
            Some(bar) => bar.println(text),
            None => say(text),
        };
        for (store, answer) in &progress.stores {
            let Labels { due, shown, .. } = progress.labels_of(store);
            let is_through = answer.open == 0 && (answer.refused > 0 || shown == due);
            if is_through && told.insert(store.clone()) {
                line(&line_of(&progress, store, answer));
            }
        }
        match &bar {
            Some(bar) => {
                let Labels { due, shown, .. } = progress.all_labels();
                bar.set_length(u64::try_from(due).unwrap_or(u64::MAX));
                bar.set_position(u64::try_from(shown).unwrap_or(u64::MAX));
                bar.set_message(stores(&progress));
            }
            None if before.as_ref() != Some(&progress) => say(&sum(&progress)),
            None => {}
        }
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        if is_done(&progress) || is_over {
            // What is still missing, store by store.
            for (store, answer) in progress.stores.iter().filter(|(store, _)| !told.contains(*store)) {
                line(&line_of(&progress, store, answer));
            }
            if let Some(bar) = bar {
                bar.abandon();
            }
            return Ok(is_done(&progress) && is_accepted(&progress));
        }
        before = Some(progress);
        std::thread::sleep(EVERY);
    }
}

/// Whether no store and no label will tell anything new by itself.
fn is_done(progress: &Progress) -> bool {
    let Labels { due, shown, .. } = progress.all_labels();
    shown == due && progress.stores.values().all(|answer| answer.open == answer.expired)
}

fn is_accepted(progress: &Progress) -> bool {
    progress.stores.values().all(|answer| answer.refused + answer.open == 0)
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer { refused: 1.., reason, .. } => format!("refused: {reason}"),
        Answer { expired: 1.., .. } => "not answered, and too late now".into(),
        Answer { open: 1.., .. } => "not answered yet".into(),
        Answer { .. } => "accepted".into(),
    }
}

/// A store with its answer and its labels.
fn line_of(progress: &Progress, store: &str, answer: &Answer) -> String {
    let Labels { due, shown, failed, later } = progress.labels_of(store);
    let mut text = format!("{store}: {}", words(answer));
    if answer.accepted > 0 {
        text += &format!("; {shown} of {due} labels show it");
    }
    if later > 0 {
        text += &format!(", {later} later");
    }
    if failed > 0 {
        text += &format!(", {failed} failed so far");
    }
    if progress.offline.contains(store) {
        text += "; offline";
    }
    text
}

fn stores(progress: &Progress) -> String {
    let count = |of: fn(&Answer) -> bool| progress.stores.values().filter(|answer| of(answer)).count();
    let accepted = count(|answer| answer.refused + answer.open == 0);
    let refused = count(|answer| answer.refused > 0);
    let mut text = format!("{accepted}/{} stores accepted", progress.stores.len());
    if refused > 0 {
        text += &format!(", {refused} refused");
    }
    let failed = progress.all_labels().failed;
    if failed > 0 {
        text += &format!(", {failed} labels failed so far");
    }
    if !progress.offline.is_empty() {
        text += &format!(", {} offline", progress.offline.len());
    }
    text
}

fn sum(progress: &Progress) -> String {
    let Labels { due, shown, later, .. } = progress.all_labels();
    let later = if later > 0 { format!(", {later} later") } else { String::new() };
    format!("{}; {shown} of {due} labels show it{later}", stores(progress))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_when_all_have_accepted_and_every_label_that_should_shows_it() {
        let with = |answer: Answer, due, shown| Progress {
            stores: [("0042".to_owned(), answer)].into(),
            labels: [("0042".to_owned(), Labels { due, shown, failed: due - shown, later: 0 })].into(),
            offline: ["0042".to_owned()].into(),
        };
        let line = |progress: &Progress| line_of(progress, "0042", &progress.stores["0042"]);
        let accepted = Answer { accepted: 2, ..Answer::default() };
        assert!(is_done(&with(accepted.clone(), 5, 5)));
        assert!(!is_done(&with(accepted.clone(), 5, 4)));
        let open = Answer { accepted: 1, open: 1, ..Answer::default() };
        assert!(!is_done(&with(open, 5, 5)));
        let refused = Answer { refused: 1, reason: "no".into(), ..Answer::default() };
        assert!(is_done(&with(refused.clone(), 0, 0)), "nothing new will come");
        assert_eq!(words(&refused), "refused: no");
        let late = with(accepted, 5, 4);
        assert_eq!(
            sum(&late),
            "1/1 stores accepted, 1 labels failed so far, 1 offline; 4 of 5 labels show it"
        );
        assert_eq!(line(&late), "0042: accepted; 4 of 5 labels show it, 1 failed so far; offline");
        let late = Answer { open: 1, expired: 1, ..Answer::default() };
        assert_eq!(words(&late), "not answered, and too late now");
        assert!(is_done(&with(late, 0, 0)), "it can answer no more");
    }
}
