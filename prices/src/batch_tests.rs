use super::*;
use crate::Currency;
use crate::book::tests::entry;

const HOUR: i64 = 3_600_000;

fn batch(number: u64, entries: Vec<Entry>) -> Batch {
    let source = Source { issued: Utc(number.cast_signed()), key: "team".into(), number };
    Batch {
        source,
        jurisdiction: None,
        entries: entries.into_iter().map(Arc::new).collect(),
        withdraws: Vec::new(),
    }
}

fn book(batches: &[Batch]) -> PriceBook {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    batches.iter().for_each(|batch| batch.clone().add_to(&mut book));
    book
}

fn regular(minor: i64) -> Entry {
    entry("water", minor, Kind::Regular, 0, None)
}

fn said(batch: &Batch, book: &PriceBook, limit: &Limit, now: i64) -> Result<(), String> {
    batch.judge(book, None, limit, Utc(now)).map_err(|fault| fault.to_string())
}

#[test]
fn a_price_that_ends_needs_one_that_follows() {
    let empty = book(&[]);
    let promotion = entry("water", 150, Kind::Promotion, 100, Some(200));
    let ends = |book: &PriceBook, entries: Vec<Entry>| said(&batch(9, entries), book, &Limit::None, 0);
    let left = "item water: nothing gives it a price from 1970-01-01T00:00:00Z on; add a regular price without an end";
    assert_eq!(ends(&empty, vec![promotion.clone()]), Err(left.into()));
    assert_eq!(ends(&empty, vec![promotion.clone(), regular(200)]), Ok(()), "in the same batch");
    let late = entry("water", 200, Kind::Regular, 201, None);
    assert!(ends(&empty, vec![promotion.clone(), late]).is_err(), "not one that comes later");
    assert_eq!(ends(&book(&[batch(1, vec![regular(200)])]), vec![promotion]), Ok(()), "in the book");
    assert!(ends(&empty, vec![entry("tea", 300, Kind::Regular, 0, Some(50))]).is_err());
}

#[test]
fn what_takes_back_must_leave_a_price_and_counts_as_a_change() {
    let book = book(&[
        batch(1, vec![regular(200), entry("tea", 90, Kind::Regular, 0, None)]),
        batch(2, vec![entry("water", 100, Kind::Promotion, 50, Some(900))]),
        batch(3, vec![entry("water", 190, Kind::Regular, 400, None)]),
    ]);
    let takes = |number, withdraws: &[u64]| {
        let withdraws =
            withdraws.iter().map(|number| BatchId { key: "team".into(), number: *number }).collect();
        Batch { withdraws, ..batch(number, Vec::new()) }
    };
    let leaflet = takes(60, &[2]);
    assert_eq!(said(&leaflet, &book, &Limit::None, 60), Ok(()));
    let change = |at, old, new| Change {
        item: "water".into(),
        at: Utc(at),
        old: Some(Money::new(old, Currency::Cny)),
        new: Some(Money::new(new, Currency::Cny)),
    };
    assert_eq!(leaflet.changes(&book, Utc(60)), [change(60, 100, 200), change(400, 100, 190)]);
    assert_eq!(
        said(&leaflet, &book, &Limit::Change { percent: 50 }, 60),
        Err("item water: ¥1.00 to ¥2.00 is more than 50 %: an approver must sign it too (`storewarden-hq price sign`)".into())
    );
    let all = said(&takes(60, &[1, 3]), &book, &Limit::None, 60).unwrap_err();
    assert!(all.starts_with("item tea: nothing gives it a price"), "{all}");
    assert_eq!(said(&takes(60, &[7]), &book, &Limit::None, 60), Ok(()), "may come later");
}

#[test]
fn a_markdown_keeps_within_what_headquarters_allows() {
    let book = book(&[
        batch(1, vec![regular(1000)]),
        batch(2, vec![entry("water", 800, Kind::Promotion, 2 * HOUR, Some(3 * HOUR))]),
        batch(3, vec![entry("water", 600, Kind::Markdown, 0, Some(5 * HOUR))]),
    ]);
    let limit = Limit::Markdown { percent: 40, within: Millis(4 * HOUR), classes: Vec::new() };
    let judged = |entry: Entry| said(&batch(9, vec![entry]), &book, &limit, HOUR);
    let markdown = |minor, hours| entry("water", minor, Kind::Markdown, 0, Some(hours * HOUR));
    assert_eq!(judged(markdown(600, 5)), Ok(()), "of the price without markdowns");
    for (entry, why) in [
        (markdown(599, 5), "¥5.99 is more than 40 % below ¥10.00"),
        (markdown(600, 6), "ends within 4 h"),
        (markdown(1000, 2), "¥10.00 is not below ¥10.00"),
        (entry("water", 600, Kind::Promotion, 0, Some(HOUR)), "signs markdowns only"),
        (entry("rice", 600, Kind::Markdown, 0, Some(HOUR)), "no price that could be marked down"),
        (Entry { price: Money::new(600, Currency::Usd), ..markdown(600, 2) }, "is not below ¥10.00"),
    ] {
        let fault = judged(entry).unwrap_err();
        assert!(fault.contains(why), "{fault} should say {why}");
    }
    let fresh = Limit::Markdown { percent: 40, within: Millis(4 * HOUR), classes: vec!["fresh".into()] };
    let of_any = said(&batch(9, vec![markdown(600, 5)]), &book, &fresh, HOUR);
    assert!(of_any.unwrap_err().contains("only items of these classes are marked down: fresh"));
    let theirs = said(&batch(9, vec![markdown(900, 5)]), &book, &Limit::Change { percent: 90 }, HOUR);
    assert!(theirs.unwrap_err().contains("a markdown is the store's"));
}

#[test]
fn a_markdown_is_judged_by_every_price_it_will_stand_before() {
    let dear = batch(2, vec![entry("water", 2000, Kind::Promotion, HOUR, Some(2 * HOUR))]);
    let book = book(&[batch(1, vec![regular(1000)]), dear]);
    let limit = Limit::Markdown { percent: 40, within: Millis(4 * HOUR), classes: Vec::new() };
    let until = |hours| batch(9, vec![entry("water", 700, Kind::Markdown, 0, Some(hours * HOUR))]);
    assert_eq!(said(&until(1), &book, &limit, 0), Ok(()));
    assert!(said(&until(2), &book, &limit, 0).unwrap_err().contains("below ¥20.00"));
}

#[test]
fn a_book_takes_so_much_and_no_more() {
    let many = (0..PRICES_MAX).map(|n| entry(&n.to_string(), 100, Kind::Regular, 0, None)).collect();
    let full = book(&[batch(1, many)]);
    let one = batch(2, vec![regular(200)]);
    assert!(said(&one, &full, &Limit::None, 0).unwrap_err().contains("holds 50000 prices"));
    let takes = Batch { withdraws: vec![batch(1, Vec::new()).source.id()], ..batch(3, Vec::new()) };
    assert!(said(&takes, &full, &Limit::None, 5).unwrap_err().contains("nothing gives it a price"));
}
