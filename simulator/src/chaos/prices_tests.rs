use super::super::order::{Forgery, Order};
use super::*;

const LABELS: u32 = 2;

fn order(number: u32, first: u32, count: u32) -> Order {
    Order { number, first, count, after_ms: 0, for_ms: 0, forgery: None }
}

/// A price for both at 0 s; one for the second in time for 30 s; a promotion for the first from 40 to 50 s; and
/// one that nobody with the key has signed.
fn pushed() -> Vec<Pushed> {
    vec![
        Pushed { order: order(0, 0, 2), at_ms: 0 },
        Pushed { order: Order { after_ms: 10_000, ..order(1, 1, 1) }, at_ms: 20_000 },
        Pushed { order: Order { after_ms: 5_000, for_ms: 10_000, ..order(2, 0, 1) }, at_ms: 35_000 },
        Pushed { order: Order { forgery: Some(Forgery::WrongKey), ..order(3, 0, 2) }, at_ms: 36_000 },
    ]
}

fn picture(price: i64) -> String {
    format!("picture of {price}")
}

fn shown(label: u32, at_ms: i64, order: u32) -> Shown {
    Shown { label, at_ms, image: Some(picture(price_minor(order, label, LABELS))) }
}

fn claim(label: u32, at_ms: i64, order: u32) -> Claim {
    let price = price_minor(order, label, LABELS);
    Claim { label, item: label, price, image: picture(price), proof: REFRESHED, at_ms }
}

fn batch(order: u32, labels: &[u32], accepted: bool) -> Batch {
    let prices = labels.iter().map(|label| price_minor(order, *label, LABELS)).collect();
    Batch { prices, accepted: Some(accepted), reason: String::new() }
}

/// Everything went as it should, with a reset in the middle.
fn right() -> Records {
    let batches =
        vec![batch(0, &[0, 1], true), batch(1, &[1], true), batch(2, &[0], true), batch(3, &[0, 1], false)];
    let accepted = batches[..3].iter().flat_map(|batch| batch.prices.clone()).collect();
    let blank = Shown { label: 1, at_ms: 5_000, image: None };
    Records {
        shown: vec![
            shown(0, 1_000, 0),
            shown(1, 1_100, 0),
            blank,
            shown(1, 6_000, 0),
            shown(1, 30_500, 1),
            shown(0, 40_500, 2),
            shown(0, 50_500, 0),
        ],
        claims: vec![
            claim(0, 1_200, 0),
            claim(1, 1_300, 0),
            claim(1, 6_200, 0),
            claim(1, 31_000, 1),
            claim(0, 41_000, 2),
            claim(0, 51_000, 0),
        ],
        batches,
        accepted,
        refused: 1,
        missing: 0,
    }
}

fn judged(spoil: impl Fn(&mut Records)) -> Prices {
    let mut records = right();
    spoil(&mut records);
    let pictures = offers(&pushed(), LABELS).iter().map(|it| (it.price, picture(it.price))).collect();
    let trials = Trials { outages: vec![], offsets: vec![(0, 0)], run: (0, 60_000) };
    judge(&pushed(), LABELS, &pictures, &records, &trials)
}

#[track_caller]
fn counts(spoil: impl Fn(&mut Records)) -> (usize, usize, usize) {
    let told = judged(spoil);
    assert_eq!(told.complaints.len(), told.lost + told.wrong + told.unauthorised, "{told:?}");
    (told.lost, told.wrong, told.unauthorised)
}

#[test]
fn what_goes_as_it_should_is_clean_and_counted() {
    let told = judged(|_| {});
    assert_eq!(told.complaints, Vec::<String>::new());
    assert_eq!((told.labels, told.ordered, told.forged, told.refused), (2, 4, 1, 1));
    assert_eq!((told.shown, told.disturbed, told.confirmed), (6, 1, 6));
}

#[test]
fn a_wrong_image_is_seen() {
    // The promotion stays after its end.
    assert_eq!(counts(|records| drop((records.shown.pop(), records.claims.pop()))), (0, 1, 0));
    // The other label's image, and at the end of it all.
    let other = |records: &mut Records| records.shown.push(Shown { label: 1, ..shown(0, 55_000, 0) });
    assert_eq!(counts(other), (0, 2, 0));
    // Eleven seconds before its minute.
    let early = |records: &mut Records| (records.shown[5].at_ms, records.claims[4].at_ms) = (29_000, 29_500);
    assert_eq!(counts(early), (0, 1, 0));
}

#[test]
fn a_confirmation_of_what_the_label_does_not_show_is_seen() {
    // The first price was shown, the second is said.
    assert_eq!(counts(|records| records.claims[3].at_ms = 28_000), (0, 1, 0));
    // It was long ago: the promotion came in between.
    assert_eq!(counts(|records| records.claims.insert(5, claim(0, 45_000, 0))), (0, 1, 0));
    // Another label's price, and an image that is not that of the price.
    assert_eq!(counts(|records| records.claims[3].item = 0), (0, 1, 0));
    assert_eq!(counts(|records| records.claims[3].image = picture(1)), (0, 1, 0));
    // What is only queued says nothing of the label, nor what failed.
    for proof in [1, FAILED] {
        let spoil = |records: &mut Records| {
            (records.claims[3].at_ms, records.claims[3].proof) = (28_000, proof);
        };
        assert_eq!(counts(spoil), (1, 0, 0), "and proves nothing");
    }
    // The reset may not have been told.
    assert_eq!(counts(|records| records.claims.insert(2, claim(1, 5_500, 0))), (0, 0, 0));
}

#[test]
fn a_price_that_nobody_signed_is_seen() {
    assert_eq!(counts(|records| records.shown.insert(2, shown(0, 3_000, 3))), (0, 0, 1), "on a label");
    assert_eq!(counts(|records| records.claims.insert(1, claim(0, 3_000, 3))), (0, 0, 1), "in what is said");
    assert_eq!(counts(|records| records.accepted.push(999)), (0, 0, 1), "in the journal");
    assert_eq!(counts(|records| records.batches[3].accepted = Some(true)), (0, 0, 1), "in an answer");
}

#[test]
fn what_is_lost_is_seen() {
    let reset = |at_ms| Shown { label: 0, at_ms, image: None };
    assert_eq!(counts(|records| records.shown.push(reset(55_000))), (1, 0, 0), "a blank label");
    assert_eq!(counts(|records| records.missing = 1), (1, 0, 0), "results");
    assert_eq!(counts(|records| drop(records.claims.pop())), (1, 0, 0), "proof of what it shows at last");
    assert_eq!(counts(|records| records.batches[1].accepted = None), (1, 0, 0), "no answer");
    assert_eq!(counts(|records| records.batches[1].accepted = Some(false)), (1, 0, 0), "refused");
    let never = |records: &mut Records| {
        records.shown.retain(|shown| shown.label == 1);
        records.claims.retain(|claim| claim.label == 1);
    };
    assert_eq!(counts(never), (1, 0, 0), "a label that never showed anything");
    let reset = |records: &mut Records| records.shown.push(Shown { label: 0, at_ms: 51_000, image: None });
    assert_eq!(counts(reset), (1, 0, 0), "a label that was reset and is blank");
}
