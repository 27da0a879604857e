use super::*;
use crate::price::Currency;
use proptest::prelude::*;
use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints, Luma8LuminanceSource, MultiFormatReader, Reader};

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

/// Writes every label to the folder named by the variable, for looking at.
fn keep(name: &str, png: &[u8]) {
    if let Ok(folder) = std::env::var("STOREWARDEN_LABELS_DIR") {
        std::fs::write(format!("{folder}/{name}.png"), png).expect("folder exists");
    }
}

fn scan(image: &Image) -> Option<String> {
    let (w, h) = (i32::from(image.width()), i32::from(image.height()));
    let grey = (0..h)
        .flat_map(|y| (0..w).map(move |x| (x, y)))
        .map(|(x, y)| if image.is_black(x, y) { 0 } else { 255 });
    let source = Luma8LuminanceSource::new(grey.collect(), image.width().into(), image.height().into());
    let mut hints = DecodeHints::default();
    hints.PossibleFormats = Some([BarcodeFormat::EAN_13].into());
    hints.TryHarder = Some(true);
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
