//! `price integrity`: the prices that should hold, against what each label shows for certain, and against what
//! the tills take.

use super::book::{self, Of};
use super::labels::{self, Label};
use super::outgoing;
use super::pos::{self, Till};
use crate::Failure;
use crate::database::{Database, now_ms};
use crate::print::{cell, csv_file, say};
use crate::show::rfc3339;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use storewarden_prices::{Gtin, Money, PriceBook, Utc};

/// Differences that are shown; `--csv` has all.
const SHOWN_MAX: usize = 20;

/// Of an item that has a price and no label: told, but no difference.
const UNLABELLED: &str = "item_unlabelled";

/// Arguments of `price integrity`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Expected is what the batches say that a store has accepted. A label counts by the newest image of which the store
is certain that it shows it.

POS FILE is CSV, UTF-8 or GB18030: store, price, item or gtin, and if wanted currency; other columns are passed over.

COLUMNS of --csv: store, what, item, name, label, expected, found, currency, since
  label_differs      a label shows another price (found) since then
  label_unproven     no label result is certain yet
  label_unpriced     a label shows a price of an item that should have none
  till_differs       the tills take another price
  till_unpriced      the tills take a price for an item that should have none
  till_missing       the tills know nothing of an item that has a price
  tills_missing      the file of the tills has nothing of this store
  store_unknown      the file of the tills names a store that headquarters never heard of
  item_unlabelled    no label told of an item that has a price: no difference, for many items need no label

EXIT STATUS: 0 everything agrees, 1 something does not, 2 a file or an argument is wrong")]
pub(crate) struct IntegrityArgs {
    /// The chain
    #[arg(long, value_name = "ID")]
    chain: String,
    /// A store, repeatable; without it every store that headquarters knows
    #[arg(long = "store", value_name = "ID")]
    stores: Vec<String>,
    /// What the tills take
    #[arg(long, value_name = "FILE")]
    pos: Option<PathBuf>,
    /// Every difference, as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// One thing that does not agree with the price book.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    what: &'static str,
    item: String,
    name: String,
    /// Of which label, if it is one's.
    label: String,
    expected: Option<Money>,
    found: String,
    /// Since when it is shown, ms since 1970; 0: not known.
    since_ms: i64,
}

/// Runs `price integrity`; whether everything agrees.
pub(crate) fn run(database: &mut Database, args: &IntegrityArgs) -> Result<bool, Failure> {
    let tills =
        match &args.pos {
            None => None,
            Some(path) => {
                let file = std::fs::read(path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                let read = pos::read(&file);
                Some(read.map_err(|faults| {
                    format!("{} is not taken:\n  {}", path.display(), faults.join("\n  "))
                })?)
            }
        };
    let known = outgoing::known_stores(database, &args.chain)?;
    let stores = if args.stores.is_empty() { known.clone() } else { args.stores.clone() };
    if stores.is_empty() {
        return Err(format!("no store of chain {} has reported yet", args.chain).into());
    }
    let mut report = Report::create(args.csv.as_deref())?;
    let now = Utc(now_ms());
    let mut checked = 0;
    let chain = &args.chain;
    // A file whose stores are written otherwise (42 for 0042) must not pass for one that agrees.
    let named = tills.iter().flat_map(BTreeMap::keys);
    for store in named.filter(|store| !known.contains(*store) && !stores.contains(*store)) {
        report.add(store, &Difference::of_store("store_unknown"))?;
    }
    book::for_each(database, chain, &stores, Of::Accepted, |database, shelves| {
        for store in &shelves.stores {
            let labels = labels::of_store(database, chain, store)?;
            checked += labels
                .values()
                .filter(|label| label.newest.as_ref().is_some_and(|it| !it.item.is_empty()))
                .count();
            let till = tills.as_ref().map(|tills| tills.get(store).map_or(&[][..], Vec::as_slice));
            for difference in differences(&shelves.book, &labels, till, now) {
                report.add(store, &difference)?;
            }
        }
        Ok(())
    })?;
    let (what, is_good) = report.end()?;
    say(&format!("{} stores, {checked} labels: {what}", stores.len()));
    Ok(is_good)
}

/// What was found, as it is shown and written.
struct Report {
    csv: Option<csv::Writer<File>>,
    /// How often, by what.
    found: BTreeMap<&'static str, usize>,
    differences: usize,
}

impl Report {
    fn create(path: Option<&Path>) -> Result<Self, Failure> {
        let header = ["store", "what", "item", "name", "label", "expected", "found", "currency", "since"];
        let csv = path.map(|path| csv_file(path, &header)).transpose()?;
        Ok(Self { csv, found: BTreeMap::new(), differences: 0 })
    }

    fn add(&mut self, store: &str, difference: &Difference) -> Result<(), Failure> {
        *self.found.entry(difference.what).or_default() += 1;
        if difference.what != UNLABELLED {
            self.differences += 1;
            if self.differences <= SHOWN_MAX {
                say(&difference.line(store));
            }
        }
        if let Some(csv) = &mut self.csv {
            csv.write_record(difference.cells(store))?;
        }
        Ok(())
    }

    /// The sum in words, and whether everything agrees.
    fn end(mut self) -> Result<(String, bool), Failure> {
        if let Some(csv) = &mut self.csv {
            csv.flush()?;
        }
        if self.differences > SHOWN_MAX {
            say(&format!("and {} more (--csv FILE has all)", self.differences - SHOWN_MAX));
        }
        let is_good = self.differences == 0;
        let agrees = is_good.then(|| "everything agrees".to_owned());
        let sums = self.found.iter().map(|(what, count)| format!("{count} {what}"));
        Ok((agrees.into_iter().chain(sums).collect::<Vec<_>>().join(", "), is_good))
    }
}

/// What does not agree in one store, and which items have no label. `tills` is what its tills take, if a file
/// was given.
fn differences(
    book: &PriceBook,
    labels: &BTreeMap<String, Label>,
    tills: Option<&[Till]>,
    now: Utc,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let expected = |item: &str| book.price_at(item, now).map(|shown| shown.entry);
    let new = |what, item: &str, found: String| Difference {
        what,
        item: item.to_owned(),
        name: expected(item).map_or_else(String::new, |entry| entry.name.clone()),
        label: String::new(),
        expected: expected(item).map(|entry| entry.price),
        found,
        since_ms: 0,
    };
    for (id, label) in labels {
        let Some(newest) = label.newest.as_ref().filter(|newest| !newest.item.is_empty()) else { continue };
        let confirmed = label.confirmed.as_ref().filter(|confirmed| confirmed.item == newest.item);
        let (item, price) = (&newest.item, expected(&newest.item).map(|entry| entry.price));
        let found = confirmed.and_then(|confirmed| confirmed.price);
        let what = match (price, confirmed) {
            (None, Some(_)) => "label_unpriced",
            (None, None) => continue,
            (Some(_), None) => "label_unproven",
            (Some(_), Some(_)) if found != price => "label_differs",
            (Some(_), Some(_)) => continue,
        };
        let found = found.map_or_else(|| newest.reason.clone(), Money::decimal);
        let since_ms = confirmed.map_or(0, |confirmed| confirmed.at_ms);
        differences.push(Difference { label: id.clone(), since_ms, ..new(what, item, found) });
    }
    let at_labels: BTreeSet<&str> =
        labels.values().filter_map(|label| Some(label.newest.as_ref()?.item.as_str())).collect();
    let priced = || book.items().filter(|item| expected(item).is_some());
    differences.extend(
        priced().filter(|item| !at_labels.contains(item)).map(|item| new(UNLABELLED, item, String::new())),
    );
    let Some(tills) = tills else { return differences };
    if tills.is_empty() && !book.is_empty() {
        differences.push(Difference::of_store("tills_missing"));
        return differences;
    }
    let items: HashMap<Gtin, &str> =
        book.items().filter_map(|item| Some((expected(item)?.gtin, item))).collect();
    let mut at_tills = BTreeSet::new();
    for till in tills {
        let by_gtin = till.gtin.and_then(|gtin| items.get(&gtin)).copied();
        let item = if till.item.is_empty() { by_gtin.unwrap_or_default() } else { &till.item };
        let Some(entry) = expected(item) else {
            let item = if item.is_empty() {
                till.gtin.map_or_else(String::new, |gtin| gtin.to_string())
            } else {
                item.to_owned()
            };
            differences.push(new("till_unpriced", &item, till.price.clone()));
            continue;
        };
        at_tills.insert(item.to_owned());
        let takes = Money::parse(&till.price, till.currency.unwrap_or(entry.price.currency)).ok();
        if takes != Some(entry.price) {
            differences.push(new("till_differs", item, till.price.clone()));
        }
    }
    for item in priced().filter(|item| !at_tills.contains(*item)) {
        differences.push(new("till_missing", item, String::new()));
    }
    differences
}

impl Difference {
    /// One of a store as a whole.
    fn of_store(what: &'static str) -> Self {
        let (item, name, label, found) = Default::default();
        Self { what, item, name, label, expected: None, found, since_ms: 0 }
    }

    fn line(&self, store: &str) -> String {
        let expected = self.expected.map_or_else(|| "no price".to_owned(), |price| price.to_string());
        let found = if self.found.is_empty() { "nothing" } else { &self.found };
        let of = match self.label.as_str() {
            "" => String::new(),
            label => format!(" label {label}"),
        };
        if self.item.is_empty() {
            return format!("{store}{of}: {}", self.what);
        }
        format!(
            "{store}{of}: {} {}: expected {expected}, found {found} ({})",
            self.item, self.name, self.what
        )
    }

    fn cells(&self, store: &str) -> [String; 9] {
        [
            cell(store),
            self.what.to_owned(),
            cell(&self.item),
            cell(&self.name),
            cell(&self.label),
            self.expected.map_or_else(String::new, Money::decimal),
            cell(&self.found),
            self.expected.map_or_else(String::new, |price| price.currency.code().to_owned()),
            if self.since_ms == 0 { String::new() } else { rfc3339(self.since_ms) },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::News;
    use super::*;
    use storewarden_prices::{BatchId, Currency, Entry, Kind, Source, When};
    use storewarden_proto::v1::Proof;

    fn book() -> PriceBook {
        let entry = |item: &str, gtin: &str, minor| Entry {
            item: item.into(),
            gtin: Gtin::parse(gtin).unwrap(),
            name: format!("the {item}"),
            names: BTreeMap::new(),
            class: String::new(),
            unit: String::new(),
            price: Money::new(minor, Currency::Cny),
            kind: Kind::Regular,
            priority: 0,
            valid_from: When::Instant(Utc(0)),
            valid_until: None,
            sold_by: None,
            content: None,
            unit_price: None,
            was: None,
        };
        let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
        let source = Source { issued: Utc(0), key: "li".into(), number: 1 };
        book.insert(&source, [entry("water", "6901234567892", 200), entry("tea", "6902083881405", 350)]);
        book
    }

    fn label(item: &str, minor: i64, proof: Proof) -> Label {
        let news = News {
            item: item.into(),
            price: Some(Money::new(minor, Currency::Cny)),
            batch: BatchId { key: "li".into(), number: 1 },
            proof,
            at_ms: 7,
            reason: if proof == Proof::Failed { "no answer".into() } else { String::new() },
        };
        Label { newest: Some(news.clone()), confirmed: Some(news).filter(News::is_confirmed) }
    }

    fn told(labels: &[(&str, Label)], tills: Option<&[Till]>) -> Vec<String> {
        let labels = labels.iter().map(|(id, label)| ((*id).to_owned(), label.clone())).collect();
        let found = differences(&book(), &labels, tills, Utc(10));
        found
            .iter()
            .filter(|found| found.what != UNLABELLED)
            .map(|found| format!("{} {} {} {}", found.what, found.item, found.label, found.found))
            .collect()
    }

    #[test]
    fn labels_are_held_against_the_book() {
        let labels = [
            ("1", label("water", 200, Proof::Refreshed)),
            ("2", label("water", 210, Proof::ReadBack)),
            ("3", label("tea", 350, Proof::Failed)),
            ("4", label("rice", 100, Proof::Refreshed)),
            ("5", label("", 0, Proof::Refreshed)),
            ("6", label("rice", 100, Proof::Failed)),
        ];
        assert_eq!(
            told(&labels, None),
            ["label_differs water 2 2.10", "label_unproven tea 3 no answer", "label_unpriced rice 4 1.00"]
        );
        let one = [("1".to_owned(), label("water", 200, Proof::Refreshed))].into();
        let rest: Vec<_> =
            differences(&book(), &one, None, Utc(10)).into_iter().map(|it| (it.what, it.item)).collect();
        assert_eq!(rest, [(UNLABELLED, "tea".to_owned())]);
        // It was bound to another item since: what it showed then proves nothing now.
        let mut rebound = label("tea", 350, Proof::Queued);
        rebound.confirmed = label("water", 200, Proof::Refreshed).newest;
        assert_eq!(told(&[("7", rebound)], None), ["label_unproven tea 7 "]);
    }

    #[test]
    fn tills_are_held_against_the_book() {
        let till = |item: &str, gtin: &str, price: &str| Till {
            item: item.into(),
            gtin: Gtin::parse(gtin).ok(),
            price: price.into(),
            currency: None,
        };
        let all = |tills: &[Till]| told(&[], Some(tills));
        assert_eq!(all(&[till("water", "", "2.00"), till("", "6902083881405", "3.5")]), [""; 0]);
        assert_eq!(
            all(&[till("water", "", "2.10"), till("rice", "", "1.00"), till("", "4006381333931", "1.00")]),
            [
                "till_differs water  2.10",
                "till_unpriced rice  1.00",
                "till_unpriced 4006381333931  1.00",
                "till_missing tea  "
            ]
        );
        assert_eq!(all(&[till("water", "", "free"), till("tea", "", "3.50")]), ["till_differs water  free"]);
        let dollars = Till { currency: Some(Currency::Usd), ..till("water", "", "2.00") };
        assert_eq!(all(&[dollars, till("tea", "", "3.50")]), ["till_differs water  2.00"]);
    }
}
