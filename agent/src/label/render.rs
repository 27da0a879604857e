//! What a shelf label looks like: name, price, unit, bar code, and the band of a promotion.
//!
//! Two layouts. A *strip* (2.13 and 2.9 inch) has bar code and unit left, the price right; a *card*
//! has name, price and bar code one above the other. All positions are whole pixels computed from
//! the size, so the same input gives the same bytes.

use super::barcode;
use super::canvas::{Image, Rect};
use super::text::{Face, break_lines, can_show};
use storewarden_prices::{Gtin, Money};

/// Least and largest label, pixels.
const WIDTH: std::ops::RangeInclusive<u16> = 200..=1024;
const HEIGHT: std::ops::RangeInclusive<u16> = 104..=1024;
/// Chinese at 1 bit is legible from this size on, pixels.
const TEXT_EM_MIN: i32 = 16;
/// A price smaller than this is no price on a shelf, pixels.
const PRICE_EM_MIN: i32 = 18;
/// From this height of the page on, a promotion has a band of its own; below, it shares the name's.
const BAND_PAGE_MIN: i32 = 190;
const PROMOTION: &str = "特价";

/// What a label shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf<'a> {
    /// Name of the item; shortened with an ellipsis if two lines do not hold it.
    pub name: &'a str,
    /// What the price is for; may be empty.
    pub unit: &'a str,
    /// The price.
    pub price: Money,
    /// The bar code.
    pub gtin: Gtin,
    /// Whether the band of a promotion is shown.
    pub promotion: bool,
}

/// Why there is no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The font lacks a character.
    #[error("the labels' font lacks `{}` (U+{:04X}) of `{text}`; write it otherwise",
        character.escape_debug(), u32::from(*character))]
    Glyph {
        /// The character.
        character: char,
        /// Where it stands.
        text: String,
    },
    /// Not a size labels have.
    #[error("no layout for a label of {width} × {height} pixels; {}×{} to {}×{} can be drawn",
        WIDTH.start(), HEIGHT.start(), WIDTH.end(), HEIGHT.end())]
    Size {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
    },
    /// Too many digits.
    #[error("price {0} is too long to be legible on this label")]
    Price(Money),
}

/// Draws `shelf` for a label of `width` × `height` pixels.
///
/// # Errors
/// A size or price for which there is no legible layout; a character the font lacks.
pub fn render(width: u16, height: u16, shelf: &Shelf<'_>) -> Result<Image, RenderError> {
    if !WIDTH.contains(&width) || !HEIGHT.contains(&height) {
        return Err(RenderError::Size { width, height });
    }
    for text in [shelf.name, shelf.unit] {
        if let Some(character) = text.chars().find(|c| !can_show(*c)) {
            return Err(RenderError::Glyph { character, text: text.to_owned() });
        }
    }
    let mut image = Image::white(width, height);
    let (w, h) = (i32::from(width), i32::from(height));
    let margin = (w.min(h) / 36).max(4);
    let page = Rect { x: margin, y: margin, w: w - 2 * margin, h: h - 2 * margin };
    if h < 150 || 2 * w > 5 * h {
        strip(&mut image, page, shelf)?;
    } else {
        card(&mut image, page, shelf)?;
    }
    Ok(image)
}

/// Draws name and promotion over the whole width and gives the first row beneath them.
fn head(image: &mut Image, page: Rect, shelf: &Shelf<'_>, em: i32) -> i32 {
    if shelf.promotion && page.h >= BAND_PAGE_MIN {
        let top = band(image, em);
        let name = Name::fit(shelf.name, page.w, em);
        name.draw(image, page.x, top, true);
        return rule(image, page, top + name.height() + 2);
    }
    let tag = Face::new(em);
    let tag_w = if shelf.promotion { tag.width(PROMOTION) + 10 } else { 0 };
    let name = Name::fit(shelf.name, page.w - tag_w, em);
    let bottom = page.y + name.height() + 2;
    if shelf.promotion {
        image.fill(Rect { x: 0, y: 0, w: i32::from(image.width()), h: bottom + 1 }, true);
        let patch = Rect { x: page.x, y: page.y - 1, w: tag_w - 4, h: bottom - page.y };
        image.fill(patch, false);
        let base = tag.base_for_chinese(patch.y, patch.bottom());
        tag.draw(image, patch.x + 3, base, PROMOTION, true);
    }
    name.draw(image, page.x + tag_w, page.y, !shelf.promotion);
    rule(image, page, bottom)
}

/// A thin line across the page at `y`.
fn rule(image: &mut Image, page: Rect, y: i32) -> i32 {
    image.fill(Rect { x: page.x, y, w: page.w, h: 1 }, true);
    y + 1
}

/// The band of a promotion across the top edge, and the first row beneath it.
fn band(image: &mut Image, em: i32) -> i32 {
    let face = Face::new(em);
    let band = Rect { x: 0, y: 0, w: i32::from(image.width()), h: em + em / 4 + 2 };
    image.fill(band, true);
    let base = face.base_for_chinese(band.y, band.bottom());
    // One em between the two characters: it reads as a heading, not as a word of the name.
    let (first, second) = PROMOTION.split_at('特'.len_utf8());
    let left = (band.w - 3 * em) / 2;
    face.draw(image, left, base, first, false);
    face.draw(image, left + 2 * em, base, second, false);
    band.bottom() + 3
}

fn strip(image: &mut Image, page: Rect, shelf: &Shelf<'_>) -> Result<(), RenderError> {
    let em = (page.h / 6).max(TEXT_EM_MIN);
    let top = head(image, page, shelf, em) + 4;
    let module = if barcode::MODULES * 2 <= page.w / 2 { 2 } else { 1 };
    let left = Rect { x: page.x, y: top, w: barcode::MODULES * module, h: page.bottom() - top };
    let unit = Unit::fit(shelf.unit, left.w, em.min(TEXT_EM_MIN.max(page.h / 8)));
    unit.draw(image, left.x, left.y);
    let bars_top = left.y + unit.height();
    barcode::draw(image, Rect { y: bars_top, h: left.bottom() - bars_top, ..left }, &shelf.gtin, module);

    let x = left.right() + 2;
    price(image, Rect { x, y: top, w: page.right() - x, h: left.h }, shelf.price)
}

fn card(image: &mut Image, page: Rect, shelf: &Shelf<'_>) -> Result<(), RenderError> {
    let em = (page.h / 7).max(TEXT_EM_MIN);
    let top = head(image, page, shelf, em) + page.h / 40 + 1;

    let module = match page.w / barcode::MODULES {
        ..=1 => 1,
        fits => fits.min((page.h / 150).max(2)),
    };
    let bars_h = page.h / 6 + barcode::digits_height(module);
    let bars = Rect { x: page.x, y: page.bottom() - bars_h, w: barcode::MODULES * module, h: bars_h };
    barcode::draw(image, bars, &shelf.gtin, module);

    let row = Rect { x: page.x, y: top, w: page.w, h: bars.y - page.h / 30 - top };
    // The unit stands beside the bar code where it fits, else left of the price.
    let beside = page.right() - bars.right();
    let unit_em = page.h / 9;
    for em in (TEXT_EM_MIN..=unit_em).rev().chain([TEXT_EM_MIN]) {
        let unit = Unit::fit(shelf.unit, page.w / 2, em);
        if unit.width() <= beside {
            unit.draw(image, page.right() - unit.width(), page.bottom() - unit.height());
            return price(image, row, shelf.price);
        }
    }
    let unit = Unit::fit(shelf.unit, page.w / 3, TEXT_EM_MIN.max(unit_em));
    unit.draw(image, row.x, row.bottom() - unit.height());
    let taken = unit.width() + 6;
    price(image, Rect { x: row.x + taken, w: row.w - taken, ..row }, shelf.price)
}

/// A name broken into one or two lines.
struct Name {
    face: Face,
    lines: Vec<String>,
}

impl Name {
    /// One line at `em` or up to a quarter smaller; else two lines, smaller again.
    fn fit(text: &str, width: i32, em: i32) -> Self {
        for em in ((em * 3 / 4).max(TEXT_EM_MIN)..=em).rev() {
            let face = Face::new(em);
            if face.width(text.trim()) <= width {
                return Self { face, lines: vec![text.trim().to_owned()] };
            }
        }
        let face = Face::new((em * 3 / 4).max(TEXT_EM_MIN));
        let lines = break_lines(&face, text, width, 2);
        Self { face, lines }
    }

    fn line_height(&self) -> i32 {
        self.face.em() + self.face.em() / 8
    }

    fn height(&self) -> i32 {
        (0..).zip(&self.lines).map(|_| self.line_height()).sum()
    }

    fn draw(&self, image: &mut Image, x: i32, top: i32, black: bool) {
        for (row, line) in (0..).zip(&self.lines) {
            let top = top + row * self.line_height();
            self.face.draw(image, x, self.face.base_for_chinese(top, top + self.line_height()), line, black);
        }
    }
}

/// What the price is for, in one line.
struct Unit {
    face: Face,
    text: String,
}

impl Unit {
    fn fit(text: &str, width: i32, em: i32) -> Self {
        let face = Face::new(em);
        let text = break_lines(&face, text, width, 1).pop().unwrap_or_default();
        Self { face, text }
    }

    fn width(&self) -> i32 {
        self.face.width(&self.text)
    }

    fn height(&self) -> i32 {
        if self.text.is_empty() { 0 } else { self.face.em() + 3 }
    }

    fn draw(&self, image: &mut Image, x: i32, top: i32) {
        self.face.draw(image, x, self.face.base_for_chinese(top, top + self.face.em()), &self.text, true);
    }
}

/// Draws the price as large as `area` allows, right-aligned and centred in height: the symbol small
/// at the base line, the minor digits small and raised.
fn price(image: &mut Image, area: Rect, money: Money) -> Result<(), RenderError> {
    let symbol = money.currency.symbol();
    let (major, minor) = money.digits();
    let minor = if minor.is_empty() { minor } else { format!(".{minor}") };
    let widths = |em: i32| {
        let (large, small) = (Face::new(em), Face::new(em / 2));
        (small.width(symbol) + em / 16, large.width(&major), small.width(&minor))
    };
    // A capital is three quarters of the em high: an em of 4/3 of the area's height fills it.
    let em = (PRICE_EM_MIN..=area.h * 4 / 3)
        .rev()
        .find(|em| {
            let (symbol, major, minor) = widths(*em);
            symbol + major + minor <= area.w && Face::new(*em).cap_height() <= area.h
        })
        .ok_or(RenderError::Price(money))?;
    let (large, small) = (Face::new(em), Face::new(em / 2));
    let (symbol_w, major_w, minor_w) = widths(em);
    let base = large.base_for_digits(area.y, area.bottom());
    let left = area.right() - symbol_w - major_w - minor_w;
    small.draw(image, left, base, symbol, true);
    large.draw(image, left + symbol_w, base, &major, true);
    let raised = base - large.cap_height() + small.cap_height();
    small.draw(image, left + symbol_w + major_w, raised, &minor, true);
    Ok(())
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
