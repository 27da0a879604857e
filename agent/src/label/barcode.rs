//! EAN-13 bars with their digits beneath, and QR codes.

use super::canvas::{Colour, Image, Rect};
use super::text::Face;
use barcoders::sym::ean13::EAN13;
use qrcode::{Color, EcLevel, QrCode};
use storewarden_prices::Gtin;

/// Modules of the symbol: 95 of bars, 11 of quiet zone left and 7 right (GS1 General
/// Specifications, 5.2.1.4).
pub const MODULES: i32 = QUIET_LEFT + 95 + QUIET_RIGHT;
const QUIET_LEFT: i32 = 11;
const QUIET_RIGHT: i32 = 7;

/// Height of the digits' square, pixels, for modules of that width.
pub fn digit_em(module: i32) -> i32 {
    match module {
        ..=1 => 12,
        2 => 18,
        _ => 26,
    }
}

/// Height that the digits take beneath the bars, pixels.
pub fn digits_height(module: i32) -> i32 {
    Face::new(digit_em(module)).cap_height() + 2
}

/// Draws the symbol, with modules `module` pixels wide, over the height of `area` from its left
/// edge on. The area is at least `MODULES * module` wide.
pub fn draw(image: &mut Image, area: Rect, gtin: &Gtin, module: i32) {
    let digits = gtin.to_string();
    let bars = EAN13::new(&digits[..12]).expect("twelve digits").encode();
    let face = Face::new(digit_em(module));
    let bars_left = area.x + QUIET_LEFT * module;
    let bars_bottom = area.bottom() - digits_height(module);
    for (at, _) in (0..).zip(&bars).filter(|(_, bar)| **bar == 1) {
        // The guards reach down between the digits.
        let is_guard = at < 3 || (45..50).contains(&at) || at >= 92;
        let bottom = if is_guard { bars_bottom + face.cap_height() / 2 } else { bars_bottom };
        let bar = Rect { x: bars_left + at * module, y: area.y, w: module, h: bottom - area.y };
        image.fill(bar, Colour::Black);
    }
    // The first digit stands left of the bars, the others six and six centred beneath their halves.
    let base = area.bottom();
    let first_width = face.width(&digits[..1]);
    face.draw(image, (bars_left - 2 * module - first_width).max(area.x), base, &digits[..1], Colour::Black);
    for (half, first_module) in [(&digits[1..7], 3), (&digits[7..], 50)] {
        for (place, at) in (0..).zip(0..half.len()) {
            let digit = &half[at..=at];
            let left = bars_left + (first_module + 7 * place) * module;
            face.draw(image, left + (7 * module - face.width(digit)) / 2, base, digit, Colour::Black);
        }
    }
}

/// Light modules that a QR code needs around it (ISO/IEC 18004, 9.1).
const QUIET_QR: i32 = 4;

/// A QR code of error correction M: dark modules row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qr {
    side: i32,
    is_dark: Vec<bool>,
}

impl Qr {
    /// The code of `text`; none if it is too long for any.
    pub fn new(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let side = i32::try_from(code.width()).ok()?;
        Some(Self { side, is_dark: code.to_colors().into_iter().map(|c| c == Color::Dark).collect() })
    }

    /// Width of a module, pixels, that lets the code and its quiet zone fill `area`.
    pub fn module(&self, area: Rect) -> i32 {
        area.w.min(area.h) / (self.side + 2 * QUIET_QR)
    }

    /// Draws it in the middle of `area`, modules `module` pixels wide.
    pub fn draw(&self, image: &mut Image, area: Rect, module: i32) {
        let (left, top) =
            (area.x + (area.w - self.side * module) / 2, area.y + (area.h - self.side * module) / 2);
        let places = (0..self.side).flat_map(|y| (0..self.side).map(move |x| (x, y)));
        for ((x, y), _) in places.zip(&self.is_dark).filter(|(_, is_dark)| **is_dark) {
            let dot = Rect { x: left + x * module, y: top + y * module, w: module, h: module };
            image.fill(dot, Colour::Black);
        }
    }
}
