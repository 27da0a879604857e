use super::*;
use proptest::prelude::*;
use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints, Luma8LuminanceSource, MultiFormatReader, Reader};
use storewarden_prices::Currency;

const SIZES: [(u16, u16); 9] = [
    (200, 200),
    (250, 122),
    (296, 128),
    (296, 152),
    (384, 184),
    (400, 300),
    (522, 152),
    (648, 480),
    (800, 480),
];

fn gtin() -> Gtin {
    Gtin::parse("6921168509256").expect("good")
}

fn shelves() -> Vec<Shelf<'static>> {
    let plain = Shelf {
        name: "农夫山泉饮用天然水",
        unit: "550ml/瓶",
        price: Money::new(200, Currency::Cny),
        gtin: gtin(),
        promotion: false,
    };
    vec![
        plain.clone(),
        Shelf { promotion: true, price: Money::new(150, Currency::Cny), ..plain.clone() },
        Shelf {
            name: "康师傅红烧牛肉面（经典大食桶）超值家庭分享装",
            price: Money::new(12850, Currency::Cny),
            unit: "12 桶/箱",
            ..plain.clone()
        },
        Shelf {
            name: "Häagen-Dazs 夏威夷果仁冰淇淋 抹茶红豆双拼礼盒",
            price: Money::new(9999, Currency::Eur),
            unit: "",
            promotion: true,
            ..plain.clone()
        },
        Shelf { name: "カフェオレ", price: Money::new(128, Currency::Jpy), unit: "件", ..plain },
    ]
}

/// Writes every label to the folder named by the variable, for a person to look at.
fn keep(name: &str, png: &[u8]) {
    if let Ok(folder) = std::env::var("STOREWARDEN_LABELS_DIR") {
        std::fs::write(format!("{folder}/{name}.png"), png).expect("folder exists");
    }
}

/// What a scanner reads that is held at the bar code: at the lower three fifths of the label. Held at the
/// name instead, the patient decoder finds a code in one of some thousand random texts.
fn scan(image: &Image) -> Option<String> {
    let (w, h) = (i32::from(image.width()), i32::from(image.height()));
    let top = h * 2 / 5;
    let grey = (top..h)
        .flat_map(|y| (0..w).map(move |x| (x, y)))
        .map(|(x, y)| if image.is_black(x, y) { 0 } else { 255 });
    let (width, height) = (u32::from(image.width()), u32::try_from(h - top).expect("positive"));
    let source = Luma8LuminanceSource::new(grey.collect(), width, height);
    let hints = DecodeHints {
        PossibleFormats: Some([BarcodeFormat::EAN_13].into()),
        TryHarder: Some(true),
        ..DecodeHints::default()
    };
    let mut bitmap = BinaryBitmap::new(rxing::common::HybridBinarizer::new(source));
    let result = MultiFormatReader::default().decode_with_hints(&mut bitmap, &hints).ok()?;
    Some(result.getText().to_owned())
}

#[test]
fn every_size_shows_a_bar_code_that_scans() {
    for (width, height) in SIZES {
        for (number, shelf) in shelves().iter().enumerate() {
            let image = render(width, height, shelf).expect("fits");
            keep(&format!("{width}x{height}-{number}"), &image.to_png());
            assert_eq!(scan(&image).as_deref(), Some("6921168509256"), "{width}×{height}, {}", shelf.name);
        }
    }
}

#[test]
fn nothing_reaches_into_the_margin() {
    for (width, height) in SIZES {
        for shelf in shelves().into_iter().map(|shelf| Shelf { promotion: false, ..shelf }) {
            let image = render(width, height, &shelf).expect("fits");
            let (w, h) = (i32::from(width), i32::from(height));
            let frame = (0..w)
                .flat_map(|x| [0, 1, h - 2, h - 1].map(|y| (x, y)))
                .chain((0..h).flat_map(|y| [0, 1, w - 2, w - 1].map(|x| (x, y))));
            for (x, y) in frame {
                assert!(!image.is_black(x, y), "{width}×{height}, {}: {x}, {y}", shelf.name);
            }
        }
    }
}

#[test]
fn the_same_input_gives_the_same_pixels_everywhere() {
    // Changes only with layout or font; then every label of every store refreshes once, which a
    // change log has to say.
    let image = render(296, 128, &shelves()[1]).expect("fits");
    let pixels: Vec<u8> = (0..128)
        .flat_map(|y| (0..296).map(move |x| (x, y)))
        .map(|(x, y)| image.is_black(x, y).into())
        .collect();
    let hex: String = Image::digest(&pixels).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "073c8e7c99b5c6208bfe4e97c2a519fab54b26a90418a081c6279a4811bfb2fa");

    let png = image.to_png();
    assert_eq!(png, render(296, 128, &shelves()[1]).expect("fits").to_png());
    assert!(png.len() < 4_000, "{} bytes for the radio", png.len());
}

#[test]
fn a_label_that_would_mislead_is_an_error() {
    let shelf = &shelves()[0];
    let glyph = render(296, 128, &Shelf { name: "김치", ..shelf.clone() }).expect_err("no Hangul");
    assert_eq!(glyph.to_string(), "the labels' font lacks `김` (U+AE40) of `김치`; write it otherwise");
    let glyph = render(296, 128, &Shelf { unit: "1\u{200b}l", ..shelf.clone() }).expect_err("invisible");
    assert!(matches!(glyph, RenderError::Glyph { character: '\u{200b}', .. }));
    let size = render(128, 296, shelf).expect_err("upright");
    assert!(size.to_string().starts_with("no layout for a label of 128 × 296 pixels"), "{size}");
    let price = Money::new(i64::MAX, Currency::Cny);
    let long = render(250, 122, &Shelf { price, ..shelf.clone() }).expect_err("absurd");
    assert_eq!(long, RenderError::Price(price));
}

#[test]
fn the_dearest_price_a_batch_may_have_fits_every_label() {
    for currency in Currency::ALL {
        for (width, height) in SIZES {
            let price = Money::new(storewarden_prices::PRICE_MINOR_MAX, currency);
            for promotion in [false, true] {
                render(width, height, &Shelf { price, promotion, ..shelves()[2].clone() })
                    .unwrap_or_else(|error| panic!("{width}×{height}: {error}"));
            }
        }
    }
}

#[test]
fn a_price_stands_out_and_differs_from_the_next() {
    let of = |minor| {
        let price = Money::new(minor, Currency::Cny);
        render(250, 122, &Shelf { price, ..shelves()[0].clone() }).expect("fits")
    };
    assert_ne!(of(200), of(201));
    assert_ne!(of(200), of(2_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_of_the_font_gives_a_label_that_scans(
        name in "[a-zA-Z0-9 （）农夫山泉矿泉水ァ-ンé-]{1,60}",
        unit in "[0-9mlg/瓶袋盒]{0,60}",
        minor in 1..10_000_000i64,
        size in 0..SIZES.len(),
        promotion in any::<bool>(),
    ) {
        let (width, height) = SIZES[size];
        let price = Money::new(minor, Currency::Cny);
        let shelf = Shelf { name: &name, unit: &unit, price, gtin: gtin(), promotion };
        let image = render(width, height, &shelf).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(scan(&image), Some("6921168509256".to_owned()));
    }
}

/// Found by chance: a part of this name reads as 6135310186671.
#[test]
fn a_name_that_looks_like_a_bar_code_does_not_hide_it() {
    let name = "ka泉bDmァ（a夫éAAé农矿a0a水Aaa）9b2夫水kémI4c泉夫ti矿é山aé";
    let price = Money::new(1, Currency::Cny);
    let shelf = Shelf { name, unit: "", price, gtin: gtin(), promotion: true };
    let image = render(800, 480, &shelf).expect("fits");
    assert_eq!(scan(&image).as_deref(), Some("6921168509256"));
}
