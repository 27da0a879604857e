use super::*;
use crate::{Currency, Gtin, Money, When};
use proptest::prelude::*;

/// A price in yuan, for the tests of batches, too.
pub(crate) fn entry(item: &str, minor: i64, kind: Kind, from: i64, until: Option<i64>) -> Entry {
    Entry {
        item: item.into(),
        gtin: Gtin::parse("6921168509256").expect("good"),
        name: "农夫山泉".into(),
        names: BTreeMap::new(),
        class: String::new(),
        unit: "550 ml".into(),
        price: Money::new(minor, Currency::Cny),
        kind,
        priority: 0,
        valid_from: When::Instant(Utc(from)),
        valid_until: until.map(|until| When::Instant(Utc(until))),
        sold_by: None,
        content: None,
        unit_price: None,
        was: None,
    }
}

/// The batches of the tests are signed one after another.
fn source(order: u64, number: u64) -> Source {
    Source { issued: Utc(order.cast_signed()), key: "price-team".into(), number }
}

fn minor_at(book: &PriceBook, item: &str, t: i64) -> Option<i64> {
    book.price_at(item, Utc(t)).map(|shown| shown.entry.price.minor)
}

#[test]
fn a_promotion_comes_and_goes_without_a_message() {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    book.insert(&source(1, 70), [entry("water", 200, Kind::Regular, 100, None)]);
    book.insert(&source(2, 71), [entry("water", 150, Kind::Promotion, 300, Some(400))]);
    let prices: Vec<_> = [99, 100, 299, 300, 399, 400].map(|t| minor_at(&book, "water", t)).into();
    assert_eq!(prices, [None, Some(200), Some(200), Some(150), Some(150), Some(200)]);
    assert_eq!(book.price_at("water", Utc(300)).map(|shown| shown.source.number), Some(71));

    let changes: Vec<_> =
        std::iter::successors(book.next_change_after(Utc(0)), |t| book.next_change_after(*t))
            .map(|t| t.0)
            .collect();
    assert_eq!(changes, [100, 300, 400]);
    assert_eq!(minor_at(&book, "tea", 300), None);
}

#[test]
fn a_new_regular_price_does_not_end_a_promotion_but_is_there_after_it() {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    book.insert(&source(1, 1), [entry("water", 200, Kind::Regular, 0, None)]);
    book.insert(&source(2, 2), [entry("water", 150, Kind::Promotion, 100, Some(200))]);
    book.insert(&source(3, 3), [entry("water", 220, Kind::Regular, 150, None)]);
    assert_eq!(minor_at(&book, "water", 160), Some(150));
    assert_eq!(minor_at(&book, "water", 200), Some(220));
}

#[test]
fn the_batch_signed_later_wins_then_the_later_begin() {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    let both = [entry("water", 200, Kind::Regular, 100, None), entry("water", 210, Kind::Regular, 300, None)];
    book.insert(&source(1, 9), both);
    assert_eq!((minor_at(&book, "water", 299), minor_at(&book, "water", 300)), (Some(200), Some(210)));
    // What counts is when it was signed: a key that was made anew begins at 1.
    book.insert(&source(2, 1), [entry("water", 190, Kind::Regular, 200, Some(400))]);
    let prices: Vec<_> = [199, 200, 399, 400].map(|t| minor_at(&book, "water", t)).into();
    assert_eq!(prices, [Some(200), Some(190), Some(190), Some(210)]);
}

#[test]
fn priority_stands_before_the_time_of_signing_and_behind_the_kind() {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    let with = |minor, kind, priority| Entry { priority, ..entry("water", minor, kind, 0, Some(100)) };
    book.insert(&source(1, 1), [with(150, Kind::Promotion, 2), with(300, Kind::Regular, 9)]);
    book.insert(&source(2, 2), [with(140, Kind::Promotion, 1)]);
    assert_eq!(minor_at(&book, "water", 50), Some(150));
    book.insert(&source(3, 3), [with(160, Kind::Promotion, 2)]);
    assert_eq!(minor_at(&book, "water", 50), Some(160));
}

#[test]
fn the_same_batch_begins_in_each_store_when_its_own_clock_says_so() {
    let wall = |text| When::wall(text).expect(text);
    let promotion = Entry {
        valid_from: wall("2026-03-29T02:30"),
        valid_until: Some(wall("2026-03-29T22:00")),
        ..entry("water", 150, Kind::Promotion, 0, Some(1))
    };
    let regular = entry("water", 200, Kind::Regular, 0, None);
    let at = |zone, text: &str| {
        let mut book = PriceBook::new(zone);
        book.insert(&source(1, 1), [promotion.clone(), regular.clone()]);
        let t = chrono::DateTime::parse_from_rfc3339(text).expect(text).timestamp_millis();
        (minor_at(&book, "water", t - 1), minor_at(&book, "water", t))
    };
    let (begins, ends) = ((Some(200), Some(150)), (Some(150), Some(200)));
    assert_eq!(at(chrono_tz::Asia::Tokyo, "2026-03-29T02:30:00+09:00"), begins);
    assert_eq!(at(chrono_tz::Asia::Tokyo, "2026-03-29T22:00:00+09:00"), ends);
    // Berlin's clocks go from 2:00 to 3:00.
    assert_eq!(at(chrono_tz::Europe::Berlin, "2026-03-29T03:00:00+02:00"), begins);
    assert_eq!(at(chrono_tz::Europe::Berlin, "2026-03-29T22:00:00+02:00"), ends);
}

#[test]
fn the_history_is_what_was_charged() {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    book.insert(&source(1, 1), [entry("water", 200, Kind::Regular, 10, None)]);
    book.insert(&source(2, 2), [entry("water", 150, Kind::Promotion, 30, Some(40))]);
    book.insert(&source(3, 3), [entry("water", 200, Kind::Regular, 20, None)]);
    let spans: Vec<_> = book
        .history("water", Utc(0), Utc(60))
        .iter()
        .map(|span| (span.from.0, span.until.0, span.price.minor))
        .collect();
    assert_eq!(spans, [(10, 30, 200), (30, 40, 150), (40, 60, 200)]);
    assert_eq!(book.history("water", Utc(32), Utc(33)).len(), 1);
    assert_eq!(book.history("water", Utc(0), Utc(10)), []);
    assert_eq!(book.history("tea", Utc(0), Utc(60)), []);
}

#[test]
fn of_batches_signed_at_one_moment_the_key_and_then_the_number_decide() {
    let of = |key: &str, number| Source { issued: Utc(1), key: key.into(), number };
    let sources = [of("approver", 9), of("price-team", 1), of("price-team", 2)];
    let mut straight = PriceBook::new(chrono_tz::Asia::Shanghai);
    let mut backwards = PriceBook::new(chrono_tz::Asia::Shanghai);
    for (source, minor) in sources.iter().zip(1..) {
        straight.insert(source, [entry("water", minor, Kind::Regular, 0, None)]);
    }
    for (source, minor) in sources.iter().zip([1, 2, 3]).rev() {
        backwards.insert(source, [entry("water", minor, Kind::Regular, 0, None)]);
    }
    assert_eq!((minor_at(&straight, "water", 5), minor_at(&backwards, "water", 5)), (Some(3), Some(3)));
}

#[test]
fn what_is_over_or_hidden_for_ever_is_forgotten() {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    for day in 0..100 {
        let order = u64::try_from(day).expect("positive");
        book.insert(&source(order, order), [entry("water", 200 + day, Kind::Regular, day, None)]);
    }
    book.insert(&source(200, 200), [entry("tea", 5, Kind::Promotion, 0, Some(50))]);
    book.forget_before(Utc(97));
    assert_eq!(book.items().collect::<Vec<_>>(), ["water"]);
    assert_eq!(book.len(), 3, "day 97 and the two to come");
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let one = (0..3usize, 1..1000i64, any::<bool>(), 0..50i64, proptest::option::of(1..30i64)).prop_map(
        |(item, minor, promotion, from, length)| {
            let kind = if promotion { Kind::Promotion } else { Kind::Regular };
            let length = length.or(promotion.then_some(10));
            entry(["water", "tea", "rice"][item], minor, kind, from, length.map(|l| from + l))
        },
    );
    proptest::collection::vec(one, 1..5)
}

fn batches() -> impl Strategy<Value = Vec<(u64, Vec<Entry>)>> {
    proptest::collection::vec(entries(), 1..8).prop_map(|batches| (1..).zip(batches).collect())
}

fn book_of(batches: &[(u64, Vec<Entry>)]) -> PriceBook {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    for (order, entries) in batches {
        book.insert(&source(*order, *order), entries.clone());
    }
    book
}

proptest! {
    #[test]
    fn the_order_of_insertion_and_repetition_change_nothing(batches in batches(), seed in any::<u64>()) {
        let mut shuffled = batches.clone();
        shuffled.extend(batches.first().cloned());
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let (straight, shuffled) = (book_of(&batches), book_of(&shuffled));
        for t in 0..90 {
            for item in ["water", "tea", "rice"] {
                prop_assert_eq!(straight.price_at(item, Utc(t)), shuffled.price_at(item, Utc(t)));
            }
        }
    }

    #[test]
    fn the_history_says_what_the_price_was_at_each_moment(batches in batches()) {
        let book = book_of(&batches);
        let spans = book.history("tea", Utc(0), Utc(90));
        prop_assert!(spans.windows(2).all(|pair| pair[0].until <= pair[1].from));
        for t in 0..90 {
            let span = spans.iter().find(|span| (span.from.0..span.until.0).contains(&t));
            prop_assert_eq!(span.map(|span| span.price.minor), minor_at(&book, "tea", t));
        }
    }

    #[test]
    fn other_items_do_not_matter(batches in batches()) {
        let only: Vec<_> = batches.iter().map(|(order, entries)| {
            (*order, entries.iter().filter(|e| e.item == "tea").cloned().collect::<Vec<_>>())
        }).collect();
        let (whole, only) = (book_of(&batches), book_of(&only));
        for t in 0..90 {
            prop_assert_eq!(minor_at(&whole, "tea", t), minor_at(&only, "tea", t));
        }
    }

    #[test]
    fn between_changes_nothing_changes(batches in batches(), start in 0..80i64) {
        let book = book_of(&batches);
        let end = book.next_change_after(Utc(start)).map_or(90, |t| t.0);
        prop_assert!(end > start);
        for t in start..end {
            for item in ["water", "tea", "rice"] {
                prop_assert_eq!(book.price_at(item, Utc(t)), book.price_at(item, Utc(start)));
            }
        }
    }

    #[test]
    fn after_the_last_promotion_the_regular_price_is_back(batches in batches()) {
        let book = book_of(&batches);
        let regular: Vec<_> = batches.iter().map(|(order, entries)| {
            (*order, entries.iter().filter(|e| e.kind == Kind::Regular).cloned().collect::<Vec<_>>())
        }).collect();
        let mut without = PriceBook::new(chrono_tz::Asia::Shanghai);
        for (order, entries) in &regular {
            without.insert(&source(*order, *order), entries.clone());
        }
        for t in 80..90 {
            prop_assert_eq!(minor_at(&book, "tea", t), minor_at(&without, "tea", t));
        }
    }

    #[test]
    fn forgetting_changes_no_price_from_then_on(batches in batches(), t in 0..90i64) {
        let book = book_of(&batches);
        let mut pruned = book.clone();
        pruned.forget_before(Utc(t));
        for later in t..90 {
            for item in ["water", "tea", "rice"] {
                prop_assert_eq!(book.price_at(item, Utc(later)), pruned.price_at(item, Utc(later)));
            }
        }
    }
}

/// A batch, and whether a later one withdraws it.
fn lives() -> impl Strategy<Value = Vec<(u64, Vec<Entry>, Option<u64>)>> {
    let one = (entries(), proptest::option::of(1..60u64));
    proptest::collection::vec(one, 1..8)
        .prop_map(|batches| (1..).zip(batches).map(|(order, (entries, at))| (order, entries, at)).collect())
}

proptest! {
    #[test]
    fn withdrawn_is_as_if_it_had_ended_then_in_any_order(lives in lives(), seed in any::<u64>()) {
        let mut steps: Vec<_> = lives.iter().map(|(order, entries, _)| (*order, Some(entries.clone()), 0)).collect();
        steps.extend(lives.iter().filter_map(|(order, _, at)| Some((*order, None, (*at)?.cast_signed()))));
        fastrand::Rng::with_seed(seed).shuffle(&mut steps);
        let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
        for (order, entries, at) in steps {
            match entries {
                Some(entries) => book.insert(&source(order, order), entries),
                None => book.withdraw(&source(order, order).id(), Utc(at)),
            }
        }
        for t in 0..90 {
            let held: Vec<_> = lives
                .iter()
                .filter(|(.., at)| at.is_none_or(|at| t < at.cast_signed()))
                .map(|(order, entries, _)| (*order, entries.clone()))
                .collect();
            for item in ["water", "tea", "rice"] {
                prop_assert_eq!(minor_at(&book, item, t), minor_at(&book_of(&held), item, t));
            }
        }
    }

    #[test]
    fn what_was_signed_since_can_be_withdrawn_after_forgetting(lives in lives(), t in 0..60i64) {
        let mut whole = PriceBook::new(chrono_tz::Asia::Shanghai);
        for (order, entries, _) in &lives {
            whole.insert(&source(order * 8, *order), entries.clone());
        }
        let mut pruned = whole.clone();
        pruned.forget_before(Utc(t));
        for (order, _, at) in &lives {
            if at.is_some() && (order * 8).cast_signed() > t {
                for book in [&mut whole, &mut pruned] {
                    book.withdraw(&source(order * 8, *order).id(), Utc(t + 5));
                }
            }
        }
        for later in t..90 {
            for item in ["water", "tea", "rice"] {
                prop_assert_eq!(minor_at(&whole, item, later), minor_at(&pruned, item, later));
            }
        }
    }
}

#[test]
fn a_markdown_holds_where_it_is_below_the_price() {
    let mut book = PriceBook::new(chrono_tz::Asia::Shanghai);
    book.insert(&source(1, 1), [entry("water", 200, Kind::Regular, 0, None)]);
    book.insert(&source(2, 2), [entry("water", 150, Kind::Promotion, 20, Some(30))]);
    book.insert(&source(3, 3), [entry("water", 160, Kind::Markdown, 10, Some(40))]);
    let prices: Vec<_> = [9, 10, 20, 30, 40].map(|t| minor_at(&book, "water", t)).into();
    assert_eq!(prices, [Some(200), Some(160), Some(150), Some(160), Some(200)]);
    assert_eq!(book.usual_at("water", Utc(10)).map(|shown| shown.entry.price.minor), Some(200));
    book.insert(&source(4, 4), [entry("water", 170, Kind::Markdown, 15, Some(40))]);
    assert_eq!(minor_at(&book, "water", 16), Some(170), "the one signed last, also if it is higher");
    book.insert(&source(5, 5), [entry("tea", 90, Kind::Markdown, 0, Some(40))]);
    assert_eq!(minor_at(&book, "tea", 5), None, "nothing to mark down");
    book.forget_before(Utc(50));
    assert_eq!((book.len(), minor_at(&book, "water", 50)), (1, Some(200)));
}
