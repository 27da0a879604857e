//! `labels-draw`: images of labels, drawn and packed on one core.
//!
//! Of 296 × 128 pixels, the size most labels have. Items have names of two to five words in Chinese, English
//! or Japanese and prices of their own, so that no two images are alike.

use crate::report::Row;
use std::io;
use std::time::Instant;
use storewarden::label::{Display, Image, Purpose, Shelf, Templates, render};
use storewarden_drivers::esl::estation::model::Colours;
use storewarden_prices::{Currency, Gtin, Measure, Money};

/// The promise, labels a second on one core.
const RATE: f64 = 2_000.0;
/// Runs of each kind.
const RUNS: usize = 5;
/// Labels of a run: those of a large store.
const LABELS: usize = 5_000;

const SIZE: (u16, u16) = (296, 128);

const WORDS: [(Currency, [&str; 12]); 3] = [
    (
        Currency::Cny,
        [
            "农夫山泉",
            "康师傅",
            "红烧牛肉面",
            "经典",
            "大食桶",
            "无糖乌龙茶",
            "伊利",
            "纯牛奶",
            "海苔味",
            "薯片",
            "冰红茶",
            "酸奶",
        ],
    ),
    (
        Currency::Eur,
        [
            "Whole",
            "Milk",
            "Organic",
            "Orange",
            "Juice",
            "Dark",
            "Chocolate",
            "Butter",
            "Sea Salt",
            "Crisps",
            "Still",
            "Water",
        ],
    ),
    (
        Currency::Jpy,
        [
            "森永",
            "カフェラッテ",
            "ノンシュガー",
            "緑茶",
            "おにぎり",
            "紅鮭",
            "明治",
            "牛乳",
            "抹茶",
            "プリン",
            "食パン",
            "濃い味",
        ],
    ),
];

/// What one label shows.
struct Item {
    name: String,
    price: Money,
    unit_price: Money,
    was: Option<Money>,
    gtin: Gtin,
}

impl Item {
    fn some(random: &mut fastrand::Rng) -> Self {
        let (currency, words) = &WORDS[random.usize(..WORDS.len())];
        let name: Vec<_> = (0..random.usize(2..=5)).map(|_| words[random.usize(..words.len())]).collect();
        let space = if *currency == Currency::Cny { "" } else { " " };
        let price = random.i64(100..20_000);
        let money = |minor| Money::new(minor, *currency);
        Self {
            name: name.join(space),
            price: money(price),
            unit_price: money(price * 2),
            was: random.bool().then(|| money(price + price / 4)),
            gtin: gtin(random.u64(..1_000_000_000_000)),
        }
    }

    fn shelf(&self, purpose: Purpose) -> Shelf<'_> {
        Shelf {
            name: &self.name,
            unit: "500 ml",
            price: self.price,
            unit_price: Some((self.unit_price, Measure::Litre)),
            was: self.was,
            gtin: self.gtin,
            purpose,
        }
    }
}

/// The number with its check digit: the only one of ten that is taken.
fn gtin(number: u64) -> Gtin {
    let all = (0..10).map(|check| Gtin::parse(&format!("{number:012}{check}")));
    all.filter_map(Result::ok).next().expect("one of ten check digits is right")
}

/// Measures drawing.
pub async fn draw() -> io::Result<Vec<Row>> {
    tokio::task::spawn_blocking(draw_now).await.map_err(io::Error::other)?
}

fn draw_now() -> io::Result<Vec<Row>> {
    let mut random = fastrand::Rng::with_seed(6);
    let items: Vec<Item> = (0..LABELS).map(|_| Item::some(&mut random)).collect();
    let mut rows = Vec::new();
    for (what, colours, purpose) in [
        ("black and white, usual prices", Colours::BlackWhite, Purpose::Regular),
        ("black, white and red, promotions", Colours::BlackWhiteRed, Purpose::Promotion),
    ] {
        let display = Display { width: SIZE.0, height: SIZE.1, colours, is_in_freezer: false };
        let image = |item: &Item| {
            let drawn = render(Templates::shipped(), display, &item.shelf(purpose));
            drawn.map_err(|faults| io::Error::other(format!("{faults:?}")))
        };
        let mut bytes = 0;
        let packed = rates(&items, |item| {
            let png = image(item)?.to_png();
            bytes += png.len();
            Ok(png)
        })?;
        let drawn = rates(&items, |item| Ok(image(item)?.width()))?;
        let bytes = bytes as f64 / (RUNS * LABELS) as f64;
        rows.push(Row::at_least(
            "labels-draw",
            format!("labels drawn and packed as PNG on one core, {what}, {bytes:.0} bytes each"),
            &packed,
            "/s",
            RATE,
        ));
        rows.push(Row::compared("labels-draw", format!("drawn only, {what}"), &drawn, "/s", "no PNG"));
    }
    let blank = Image::white(SIZE.0, SIZE.1);
    let blanks = rates(&items, |_| Ok(blank.to_png()))?;
    rows.push(Row::compared("labels-draw", "a blank label packed as PNG", &blanks, "/s", "nothing drawn"));
    Ok(rows)
}

/// Items a second of each run; the first begins with no glyph drawn yet, unless another kind was before.
fn rates<T>(items: &[Item], mut work: impl FnMut(&Item) -> io::Result<T>) -> io::Result<Vec<f64>> {
    (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            for item in items {
                std::hint::black_box(work(item)?);
            }
            Ok(items.len() as f64 / began.elapsed().as_secs_f64())
        })
        .collect()
}
