use super::*;
use crate::label::canvas::Colour;
use crate::label::template::{Field, PRICE_EM_MIN, Purpose, TEXT_EM_MIN};
use crate::label::{can_show, words};
use proptest::prelude::*;
use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints, Luma8LuminanceSource, MultiFormatReader, Reader};
use storewarden_drivers::esl::estation::model::{model_of, models};
use storewarden_prices::{Currency, Gtin, Language, Measure, Money};

const GTIN: &str = "6921168509256";
const LINK: &str = "https://id.gs1.org/01/06921168509256";

fn display(code: &str) -> Display {
    model_of(code).expect("a model").into()
}

fn draw(display: Display, shelf: &Shelf<'_>) -> Result<Image, Vec<Fault>> {
    render(Templates::shipped(), display, shelf)
}

fn plain() -> Shelf<'static> {
    Shelf {
        name: "农夫山泉饮用天然水",
        unit: "550ml/瓶",
        price: Money::new(200, Currency::Cny),
        unit_price: Some((Money::new(364, Currency::Cny), Measure::Litre)),
        was: None,
        gtin: Gtin::parse(GTIN).expect("good"),
        purpose: Purpose::Regular,
    }
}

fn shelves() -> Vec<Shelf<'static>> {
    let euro = |minor| Money::new(minor, Currency::Eur);
    let yen = |minor| Money::new(minor, Currency::Jpy);
    vec![
        plain(),
        Shelf { price: Money::new(150, Currency::Cny), was: Some(Money::new(200, Currency::Cny)), ..plain() },
        Shelf {
            name: "康师傅红烧牛肉面（经典大食桶）超值家庭分享装",
            price: Money::new(12850, Currency::Cny),
            unit: "12 桶/箱",
            unit_price: Some((Money::new(1071, Currency::Cny), Measure::Piece)),
            ..plain()
        },
        Shelf {
            name: "Häagen-Dazs Macadamia Nut Brittle Ice Cream",
            price: euro(9999),
            unit: "460 ml",
            unit_price: Some((euro(21737), Measure::Litre)),
            was: Some(euro(12999)),
            ..plain()
        },
        Shelf {
            name: "森永 カフェラッテ ノンシュガー",
            price: yen(158),
            unit: "240ml",
            unit_price: None,
            was: Some(yen(178)),
            ..plain()
        },
    ]
}

/// Writes every label to the folder named by the variable, for a person to look at.
fn keep(name: &str, png: &[u8]) {
    if let Ok(folder) = std::env::var("STOREWARDEN_LABELS_DIR") {
        std::fs::write(format!("{folder}/{name}.png"), png).expect("folder exists");
    }
}

/// What a scanner reads that is held at the code: at the lower three fifths of the label. Held at the name
/// instead, the patient decoder finds a code in one of some thousand random texts.
fn scan(image: &Image, format: BarcodeFormat) -> Option<String> {
    let (w, h) = (i32::from(image.width()), i32::from(image.height()));
    let top = h * 3 / 8;
    // In the red light of a scanner, red is white.
    let grey = (top..h)
        .flat_map(|y| (0..w).map(move |x| (x, y)))
        .map(|(x, y)| if image.at(x, y) == Colour::Black { 0 } else { 255 });
    let (width, height) = (u32::from(image.width()), u32::try_from(h - top).expect("positive"));
    let source = Luma8LuminanceSource::new(grey.collect(), width, height);
    let hints = DecodeHints {
        PossibleFormats: Some([format].into()),
        TryHarder: Some(true),
        ..DecodeHints::default()
    };
    let mut bitmap = BinaryBitmap::new(rxing::common::HybridBinarizer::new(source));
    let result = MultiFormatReader::default().decode_with_hints(&mut bitmap, &hints).ok()?;
    Some(result.getText().to_owned())
}

#[test]
fn an_item_is_named_in_the_language_of_the_store() {
    let local = |language: &str, name: &str| storewarden_proto::v1::LocalName {
        language: language.into(),
        name: name.into(),
    };
    let wire = storewarden_proto::v1::PriceEntry {
        item: "1".into(),
        gtin: "6901234567892".into(),
        name: "农夫山泉".into(),
        currency: "JPY".into(),
        price_minor: 118,
        kind: storewarden_proto::v1::PriceKind::Regular.into(),
        names: vec![local("en", "Spring water"), local("ja", "天然水")],
        ..storewarden_proto::v1::PriceEntry::default()
    };
    let entry = storewarden_prices::Entry::check(&wire, &can_show).expect("good");
    let display = display("3D");
    let png = |language| {
        let templates = Templates::shipped().clone().in_language(language);
        let shelf = Shelf::of(&entry, display, templates.language());
        (shelf.name.to_owned(), render(&templates, display, &shelf).expect("fits").to_png())
    };
    let plain = png(None);
    assert_eq!(plain, png(Some(Language::Chinese)), "not known in Chinese: the name as it is");
    let [english, japanese] = [Language::English, Language::Japanese].map(|language| png(Some(language)));
    assert_eq!((english.0.as_str(), japanese.0.as_str()), ("Spring water", "天然水"));
    assert!(english.1 != plain.1 && japanese.1 != plain.1 && english.1 != japanese.1);
}

#[test]
fn the_codes_of_every_model_and_purpose_scan() {
    for model in models() {
        for purpose in Purpose::ALL {
            for (number, shelf) in shelves().into_iter().enumerate() {
                let at = format!("{} {} {}, {number}", model.code, purpose.name(), shelf.name);
                let image = draw(model.into(), &Shelf { purpose, ..shelf })
                    .unwrap_or_else(|faults| panic!("{at}: {faults:?}"));
                keep(&format!("{}-{}-{number}", model.code, purpose.name()), &image.to_png());
                assert_eq!(scan(&image, BarcodeFormat::EAN_13).as_deref(), Some(GTIN), "{at}");
                if model.height >= 300 {
                    assert_eq!(scan(&image, BarcodeFormat::QR_CODE).as_deref(), Some(LINK), "{at}");
                }
            }
        }
    }
}

fn has(image: &Image, colour: Colour) -> bool {
    (0..image.height()).any(|y| (0..image.width()).any(|x| image.at(x.into(), y.into()) == colour))
}

#[test]
fn a_display_is_given_only_its_colours_and_shows_a_promotion_in_them() {
    for model in models() {
        for purpose in Purpose::ALL {
            let image = draw(model.into(), &Shelf { purpose, ..plain() }).expect("fits");
            for colour in [Colour::Red, Colour::Yellow] {
                let is_sale = matches!(purpose, Purpose::Promotion | Purpose::Markdown);
                let expected = is_sale && colour.is_of(model.colours);
                assert_eq!(has(&image, colour), expected, "{} {} {colour:?}", model.code, purpose.name());
            }
        }
    }
}

#[test]
fn the_same_input_gives_the_same_pixels_everywhere() {
    // Changes only with templates or font; then labels refresh once, which a change log has to say.
    let digest = |code, purpose, number: usize| {
        let image = draw(display(code), &Shelf { purpose, ..shelves()[number].clone() }).expect("fits");
        let again = draw(display(code), &Shelf { purpose, ..shelves()[number].clone() }).expect("fits");
        assert_eq!(image.to_png(), again.to_png());
        let pixels: Vec<u8> = (0..image.height())
            .flat_map(|y| (0..image.width()).map(move |x| (x, y)))
            .map(|(x, y)| image.at(x.into(), y.into()) as u8)
            .collect();
        Image::digest(&pixels)[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let golden = [
        ("3F", Purpose::Regular, 0, "b78f2ce5cfd99a32"),
        ("3D", Purpose::Promotion, 1, "b75871630da11721"),
        ("84", Purpose::Markdown, 3, "c25d493084d4d0d0"),
        ("54", Purpose::Freezer, 2, "fc88ba3c287807a0"),
        ("89", Purpose::OutOfStock, 4, "097741adaecf4e7f"),
    ];
    let found = golden.map(|(code, purpose, number, _)| digest(code, purpose, number));
    assert_eq!(found, golden.map(|(.., digest)| digest));
}

#[test]
fn the_font_has_the_fixed_words() {
    for currency in Currency::ALL {
        let words = Purpose::ALL.map(|purpose| words::purpose(purpose, currency).to_owned());
        let unit_prices = Measure::ALL.map(|measure| words::unit_price(Money::new(1, currency), measure));
        for text in words.iter().chain(&unit_prices) {
            assert_eq!(text.chars().find(|c| !can_show(*c)), None, "{text}");
        }
    }
}

#[test]
fn images_are_small_for_the_radio() {
    let bytes = |code, shelf: &Shelf<'_>| draw(display(code), shelf).expect("fits").to_png().len();
    assert!(bytes("3F", &plain()) < 1_500, "{}", bytes("3F", &plain()));
    // Black and white on a display with red: one bit is enough.
    assert_eq!(bytes("3D", &plain()), bytes("3F", &plain()));
    let sale = Shelf { purpose: Purpose::Promotion, ..shelves()[1].clone() };
    assert!(bytes("84", &sale) < 2_500, "{}", bytes("84", &sale));
}

/// The marks of text on a label.
fn texts(display: Display, shelf: &Shelf<'_>) -> Vec<(i32, String)> {
    let marks = marks(Templates::shipped(), display, shelf).expect("fits");
    let line = |mark| match mark {
        Mark::Line { face, text, .. } => Some((face.em(), text)),
        _ => None,
    };
    marks.into_iter().filter_map(line).collect()
}

#[test]
fn the_price_is_the_largest_and_all_is_legible() {
    for model in models() {
        for purpose in Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::OutOfStock) {
            for shelf in shelves() {
                let shelf = Shelf { purpose, ..shelf };
                let major = shelf.price.digits().0;
                let texts = texts(model.into(), &shelf);
                let (price, others): (Vec<_>, Vec<_>) =
                    texts.into_iter().partition(|(_, text)| *text == major);
                let price = price.first().expect("a price").0;
                let at = format!("{} {} {}", model.code, purpose.name(), shelf.name);
                assert!(price >= PRICE_EM_MIN, "{at}");
                let small =
                    [shelf.price.currency.symbol().to_owned(), format!(".{}", shelf.price.digits().1)];
                for (em, text) in others.into_iter().filter(|(_, text)| !small.contains(text)) {
                    assert!((TEXT_EM_MIN..price).contains(&em), "{at}: {text} of {em} beside {price}");
                }
            }
        }
    }
}

#[test]
fn all_that_is_known_stands_there() {
    let shelf = Shelf { purpose: Purpose::Promotion, ..shelves()[1].clone() };
    let texts_of = |shelf: &Shelf<'_>| -> Vec<String> {
        texts(display("40"), shelf).into_iter().map(|(_, text)| text).collect()
    };
    let sale = texts_of(&shelf);
    for text in ["特价", "农夫山泉饮用天然水", "550ml/瓶", "¥3.64/L", "¥2.00", "¥", "1", ".50"]
    {
        assert!(sale.iter().any(|found| found == text), "{text}: {sale:?}");
    }
    let texts_of = |purpose, number: usize| texts_of(&Shelf { purpose, ..shelves()[number].clone() });
    assert!(texts_of(Purpose::Markdown, 4).contains(&"値引".to_owned()));
    assert!(texts_of(Purpose::Promotion, 3).contains(&"OFFER".to_owned()));
    let gone = texts_of(Purpose::OutOfStock, 0);
    assert!(gone.contains(&"暂时缺货".to_owned()) && !gone.contains(&"2".to_owned()), "{gone:?}");
}

#[test]
fn a_label_that_would_mislead_is_an_error() {
    let says = |display, shelf: &Shelf<'_>| -> Vec<String> {
        let faults = draw(display, shelf).expect_err("cannot be shown");
        assert_eq!(fits(Templates::shipped(), display, shelf), Err(faults.clone()));
        faults.iter().map(ToString::to_string).collect()
    };
    let small = display("33");
    assert_eq!(
        says(small, &Shelf { name: "김치", unit: "1\u{200b}l", ..plain() }),
        [
            "the name has `김` (U+AE40), which the labels' font lacks; write it otherwise",
            "the unit has `\\u{200b}` (U+200B), which the labels' font lacks; write it otherwise",
        ]
    );
    let upright = Display { width: 128, height: 296, ..small };
    assert!(says(upright, &plain())[0].starts_with("there is no label template for 128 × 296 pixels"));
    let price = Money::new(i64::MAX, Currency::Cny);
    assert_eq!(
        says(small, &Shelf { price, ..plain() }),
        ["price ¥92233720368547758.07 is too long to be legible with label template 200x200.toml"]
    );
    let name = "特级初榨橄榄油礼盒装".repeat(6);
    let fault = &says(small, &Shelf { name: &name, purpose: Purpose::Promotion, ..plain() })[0];
    assert!(fault.starts_with("the name `特级初榨橄榄油"), "{fault}");
    assert!(
        fault.ends_with("too long for label template 200x200.toml, also at its smallest size; shorten it")
    );
    let dear = Some((Money::new(storewarden_prices::PRICE_MINOR_MAX, Currency::Cny), Measure::Piece));
    let fault = draw(small, &Shelf { unit_price: dear, ..plain() }).expect_err("never cut");
    assert!(matches!(fault[..], [Fault::Text { field: Field::UnitPrice, .. }]), "{fault:?}");
}

#[test]
fn a_name_is_cut_down_to_its_half_and_no_further() {
    let cut = |length: usize| {
        let name: String = "矿".repeat(length);
        draw(display("33"), &Shelf { name: &name, purpose: Purpose::Promotion, ..plain() }).is_ok()
    };
    // Two lines of 11 characters of 16 pixels in 188, the last an ellipsis.
    assert!(cut(22) && cut(42) && !cut(43));
    let name = "矿".repeat(30);
    let shown = texts(display("33"), &Shelf { name: &name, purpose: Purpose::Promotion, ..plain() });
    assert!(shown.contains(&(16, format!("{}…", "矿".repeat(10)))), "{shown:?}");
}

#[test]
fn the_dearest_price_a_batch_may_have_fits_every_label() {
    for currency in Currency::ALL {
        let price = Money::new(storewarden_prices::PRICE_MINOR_MAX, currency);
        for model in models() {
            for purpose in Purpose::ALL {
                let shelf = Shelf { price, unit_price: None, purpose, ..plain() };
                draw(model.into(), &shelf).unwrap_or_else(|error| panic!("{}: {error:?}", model.code));
            }
        }
    }
}

#[test]
fn a_price_stands_out_and_differs_from_the_next() {
    let of = |minor| {
        draw(display("36"), &Shelf { price: Money::new(minor, Currency::Cny), ..plain() }).expect("fits")
    };
    assert_ne!(of(200), of(201));
    assert_ne!(of(200), of(2_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_of_the_font_gives_a_label_that_scans_or_a_reason(
        name in "[a-zA-Z0-9 （）农夫山泉矿泉水ァ-ンé-]{1,60}",
        unit in "[0-9mlg/瓶袋盒]{0,60}",
        minor in 1..10_000_000i64,
        was in proptest::option::of(1..10_000_000i64),
        model in 0..models().len(),
        purpose in 0..Purpose::ALL.len(),
    ) {
        let money = |minor| Money::new(minor, Currency::Cny);
        let purpose = Purpose::ALL[purpose];
        let shelf = Shelf { name: &name, unit: &unit, price: money(minor), was: was.map(money), purpose, ..plain() };
        match draw((&models()[model]).into(), &shelf) {
            Ok(image) => prop_assert_eq!(scan(&image, BarcodeFormat::EAN_13), Some(GTIN.to_owned())),
            Err(faults) => {
                let is_long = |fault: &Fault| {
                    let (field, text) = match fault {
                        Fault::Text { field, text, .. } => (*field, text),
                        _ => return false,
                    };
                    matches!(field, Field::Name | Field::Unit) && text.chars().count() > 8
                };
                prop_assert!(name.trim().is_empty() || faults.iter().all(is_long), "{:?}", faults);
            }
        }
    }
}

/// Found by chance: a part of this name reads as 6135310186671.
#[test]
fn a_name_that_looks_like_a_bar_code_does_not_hide_it() {
    let name = "ka泉bDmァ（a夫éAAé农矿a0a水Aaa）9b2夫水kémI4c泉夫ti矿é山aé";
    let image = draw(display("44"), &Shelf { name, purpose: Purpose::Promotion, ..plain() }).expect("fits");
    assert_eq!(scan(&image, BarcodeFormat::EAN_13).as_deref(), Some(GTIN));
}
