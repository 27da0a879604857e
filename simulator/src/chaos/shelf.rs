//! Prices and labels in the loop of the rig: when all of them are done, and what is judged.

use super::{
    Rig,
    order::Pushed,
    pictures,
    plan::Party,
    prices::{self, Offer, Prices},
    records::{self, complete_to, last_number},
    utc_ms,
};
use std::{collections::HashMap, io, process::Command, thread, time::Duration};
use tokio::time::Instant;

/// How long labels may take until each shows what it should, once all is whole.
const LIMIT: Duration = Duration::from_secs(300);
/// How often it is looked whether they do.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A begin or an end so near is waited for, ms.
const EDGE_MS: i64 = 3_600_000;

/// What was ordered, and how it looks.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    pushed: Vec<Pushed>,
    pictures: HashMap<i64, String>,
}

impl Rig {
    /// Waits until every order is carried out, every batch answered, every label as it should be, and headquarters
    /// told; or until that takes too long, which is judged.
    pub(super) async fn settle_shelf(&mut self) -> io::Result<()> {
        let Some(team) = self.team.take() else { return Ok(()) };
        let work = team.close();
        while !work.is_over() {
            self.wait_until(Instant::now() + LOOK_EVERY).await?;
        }
        let pushed = work.done()?;
        let offers = prices::offers(&pushed, self.labels());
        let (dir, program, all) = (self.dir.clone(), self.storewarden.clone(), offers.clone());
        let drawing = thread::spawn(move || pictures::draw(&program, &dir, &all));
        while !drawing.is_finished() {
            self.wait_until(Instant::now() + LOOK_EVERY).await?;
        }
        let pictures = drawing.join().map_err(|_| io::Error::other("who draws has died"))??;
        let end = Instant::now() + LIMIT;
        while Instant::now() < end && !self.is_shelf_right(&offers, &pictures).unwrap_or(false) {
            self.wait_until(Instant::now() + LOOK_EVERY).await?;
        }
        self.ordered = Ordered { pushed, pictures };
        Ok(())
    }

    fn labels(&self) -> u32 {
        self.places.shelf.as_ref().map_or(0, |(shelf, _)| shelf.labels)
    }

    /// An error where a database cannot be read in this moment.
    fn is_shelf_right(&self, offers: &[Offer], pictures: &HashMap<i64, String>) -> io::Result<bool> {
        let now_ms = utc_ms();
        if prices::last_edge(offers, now_ms + EDGE_MS) >= now_ms {
            return Ok(false);
        }
        let is_told = records::untold(&self.journal)? == 0
            && complete_to(&self.hq, records::PRICES)? >= last_number(&self.journal, records::PRICES)?;
        let shown = records::read_truth(&self.dir.join("truth.jsonl"), now_ms)?.shown;
        let last = prices::last(&shown);
        let is_right = |(label, offer): (u32, &Offer)| {
            let right = pictures.get(&offer.price).map(String::as_str);
            last.get(&label).is_some_and(|last| *last == right)
        };
        let is_shown = prices::due(offers, now_ms).into_iter().all(is_right);
        // Last, for it is much to read.
        Ok(is_told && is_shown && records::batches(&self.hq)?.iter().all(|batch| batch.accepted.is_some()))
    }

    /// Judges prices; none where there are no labels. The agent does not run any more.
    pub(super) fn judge_shelf(&self, shown: Vec<prices::Shown>) -> io::Result<Option<Prices>> {
        if !self.programs.contains_key(&Party::ShelfBroker) {
            return Ok(None);
        }
        let Ordered { pushed, pictures } = &self.ordered;
        let records = records::read_prices(&self.journal, &self.hq, shown)?;
        let mut told = prices::judge(pushed, self.labels(), pictures, &records, &self.trials);
        let mut verify = Command::new(&self.storewarden);
        let output =
            verify.args(["audit", "verify", "--config"]).arg(self.dir.join("store.toml")).output()?;
        if !output.status.success() {
            let why = [output.stdout, output.stderr].concat();
            told.wrong(&format!("audit verify: {}", String::from_utf8_lossy(&why).trim()));
        }
        Ok(Some(told))
    }
}
