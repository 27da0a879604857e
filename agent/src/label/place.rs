//! Where everything of one label goes, by its template: or why it does not fit.

use super::barcode::{self, Qr};
use super::canvas::{Colour, Rect};
use super::template::{Align, Display, Element, Field, Kind, Purpose, Template};
use super::text::{Face, break_lines, can_show};
use super::words;
use storewarden_prices::{Entry, Gtin, Kind as PriceKind, Language, Measure, Money};

/// What a label shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf<'a> {
    /// Name of the item.
    pub name: &'a str,
    /// What the price is for; may be empty.
    pub unit: &'a str,
    /// The price.
    pub price: Money,
    /// The price of one measure of the content, where it is said.
    pub unit_price: Option<(Money, Measure)>,
    /// What a reduction is compared with, where it is said.
    pub was: Option<Money>,
    /// The bar code.
    pub gtin: Gtin,
    /// What the label says of the item.
    pub purpose: Purpose,
}

/// Why there is no image: an item's text or price, and the template it does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The font lacks a character.
    #[error("the {field} has `{}` (U+{:04X}), which the labels' font lacks; write it otherwise",
        character.escape_debug(), u32::from(*character))]
    Glyph {
        /// Of what.
        field: Field,
        /// The character.
        character: char,
    },
    /// No template.
    #[error(
        "there is no label template for {width} × {height} pixels; add one to the folder of [labels] templates"
    )]
    Size {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
    },
    /// Too long at the smallest size.
    #[error(
        "the {field} `{text}` is too long for label template {template}, also at its smallest size; shorten it"
    )]
    Text {
        /// Of what.
        field: Field,
        /// As it came.
        text: String,
        /// Name of the template.
        template: String,
    },
    /// Fixed words too long at the smallest size.
    #[error("label template {template} has no room for its own words `{text}`; enlarge the box")]
    Words {
        /// As in the template.
        text: String,
        /// Name of the template.
        template: String,
    },
    /// Too many digits.
    #[error("price {price} is too long to be legible with label template {template}")]
    Price {
        /// The price.
        price: Money,
        /// Name of the template.
        template: String,
    },
    /// Too much for a QR code.
    #[error("label template {template} has no room for its QR code; shorten its words or enlarge the box")]
    Qr {
        /// Name of the template.
        template: String,
    },
}

/// Narrowest module of a QR code that a telephone reads from a shelf, pixels.
const QR_MODULE_MIN: i32 = 2;

/// Below this size the strokes of bold Chinese merge, pixels.
const BOLD_EM_MIN: i32 = 20;

impl<'a> Shelf<'a> {
    /// What a price looks like on a display, named in `language` where that name is known.
    pub fn of(entry: &'a Entry, display: Display, language: Option<Language>) -> Self {
        let purpose = match entry.kind {
            PriceKind::Promotion => Purpose::Promotion,
            PriceKind::Markdown => Purpose::Markdown,
            PriceKind::Regular if display.is_in_freezer => Purpose::Freezer,
            PriceKind::Regular => Purpose::Regular,
        };
        let measure = entry.content.map(|content| content.measure).or(entry.sold_by);
        Self {
            name: entry.name_in(language),
            unit: &entry.unit,
            price: entry.price,
            unit_price: entry.unit_price.zip(measure),
            was: entry.was,
            gtin: entry.gtin,
            purpose,
        }
    }

    /// What stands there; empty if nothing does.
    fn text(&self, field: Field) -> String {
        match field {
            Field::Name => self.name.trim().to_owned(),
            Field::Unit => self.unit.trim().to_owned(),
            Field::UnitPrice => {
                self.unit_price.map_or_else(String::new, |(price, measure)| words::unit_price(price, measure))
            }
            Field::Was => self.was.map_or_else(String::new, words::amount),
            Field::Purpose => words::purpose(self.purpose, self.price.currency).to_owned(),
        }
    }
}

/// One thing with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A rectangle.
    Fill(Rect, Colour),
    /// A line of text.
    Line {
        /// Size.
        face: Face,
        /// Left edge.
        x: i32,
        /// Base line.
        base: i32,
        /// What it says.
        text: String,
        /// In what colour.
        colour: Colour,
        /// How often it is drawn, each time a pixel further right.
        weight: i32,
    },
    /// A bar code with modules of that width.
    Bars(Rect, Gtin, i32),
    /// A QR code with modules of that width.
    Qr(Rect, Qr, i32),
}

/// Places everything `shelf` has by the template called `name`.
///
/// # Errors
/// Everything that does not fit.
pub fn place(
    name: &str,
    template: &Template,
    display: Display,
    shelf: &Shelf<'_>,
) -> Result<Vec<Mark>, Vec<Fault>> {
    let mut placing = Placing { name, shelf, marks: Vec::new(), faults: Vec::new() };
    for (field, text) in [(Field::Name, shelf.name), (Field::Unit, shelf.unit)] {
        if let Some(character) = text.chars().find(|c| !can_show(*c)) {
            placing.faults.push(Fault::Glyph { field, character });
        }
    }
    let has = |field| !shelf.text(field).is_empty();
    for element in &template.element {
        let is_meant = element.purposes.contains(&shelf.purpose)
            && element.only_with.is_none_or(has)
            && !element.only_without.is_some_and(has);
        if !is_meant {
            continue;
        }
        let colour = template.colour(element.colour, display.colours);
        match element.kind {
            Kind::Fill => placing.marks.push(Mark::Fill(element.area, colour)),
            Kind::Text => placing.text(element, colour),
            Kind::Price => placing.price(element, colour),
            Kind::Ean13 => placing.bars(element),
            Kind::Qr => placing.qr(element),
        }
    }
    if placing.faults.is_empty() { Ok(placing.marks) } else { Err(placing.faults) }
}

struct Placing<'a> {
    name: &'a str,
    shelf: &'a Shelf<'a>,
    marks: Vec<Mark>,
    faults: Vec<Fault>,
}

impl Placing<'_> {
    /// In one line, down to three quarters of the largest size; else the largest size at which the whole
    /// text stands without a broken word; else the smallest, words broken; else, if the template allows it,
    /// cut with an ellipsis as long as half of it stands.
    fn text(&mut self, element: &Element, colour: Colour) {
        let text = match (element.field, &element.words) {
            (Some(field), _) => self.shelf.text(field),
            (None, words) => words.clone().unwrap_or_default(),
        };
        let [least, most] = element.sizes();
        let area = element.area;
        let broken = |em: i32, lines_max: usize| {
            let face = Face::new(em);
            let room = (area.h - em) / face.line_height() + 1;
            let lines = lines_max.min(usize::try_from(room).unwrap_or(1));
            let weight = weight(element, em);
            (face, break_lines(face, &text, area.w - weight + 1, lines))
        };
        let largest = most.min(area.h);
        let one_line = (least.max(largest * 3 / 4)..=largest).rev().map(|em| (em, 1));
        let more_lines = (least..=largest).rev().map(|em| (em, element.lines));
        let whole = one_line
            .chain(more_lines)
            .map(|(em, lines)| broken(em, lines))
            .find(|(_, lines)| !lines.breaks_word && lines.kept.0 == lines.kept.1);
        let (face, lines) = whole.unwrap_or_else(|| broken(least, element.lines));
        let (kept, all) = lines.kept;
        if kept < all && !(element.shorten && 2 * kept >= all) {
            let template = self.name.to_owned();
            self.faults.push(match element.field {
                Some(field) => Fault::Text { field, text, template },
                None => Fault::Words { text, template },
            });
            return;
        }
        let weight = weight(element, face.em());
        let height = face.line_height() * i32::try_from(lines.lines.len()).unwrap_or(1) - face.em() / 8;
        let mut top = area.y + (area.h - height) / 2;
        for text in lines.lines {
            let width = face.width(&text) + weight - 1;
            let x = aligned(element.align, area, width);
            let base = face.base_for_chinese(top, top + face.em());
            if element.strike {
                let h = (face.em() / 12).max(1);
                let line = Rect { x: x - 1, y: base - (face.cap_height() + h) / 2, w: width + 2, h };
                self.marks.push(Mark::Fill(line, colour));
            }
            self.marks.push(Mark::Line { face, x, base, text, colour, weight });
            top += face.line_height();
        }
    }

    /// The price as large as the box allows, centred in height: the symbol small at the base line, the
    /// minor digits small and raised.
    fn price(&mut self, element: &Element, colour: Colour) {
        let (money, area) = (self.shelf.price, element.area);
        let symbol = money.currency.symbol();
        let (major, minor) = money.digits();
        let minor = if minor.is_empty() { minor } else { format!(".{minor}") };
        let [least, most] = element.sizes();
        let fitting = (least..=most).rev().find_map(|em| {
            let (large, small) = (Face::new(em), Face::new(em / 2));
            let widths = [small.width(symbol) + em / 16, large.width(&major), small.width(&minor)];
            let fits = large.cap_height() <= area.h && widths.iter().sum::<i32>() <= area.w;
            fits.then_some((large, small, widths))
        });
        let Some((large, small, [symbol_w, major_w, minor_w])) = fitting else {
            self.faults.push(Fault::Price { price: money, template: self.name.to_owned() });
            return;
        };
        let base = large.base_for_digits(area.y, area.bottom());
        let left = aligned(element.align, area, symbol_w + major_w + minor_w);
        let raised = base - large.cap_height() + small.cap_height();
        for (face, x, base, text) in [
            (small, left, base, symbol.to_owned()),
            (large, left + symbol_w, base, major),
            (small, left + symbol_w + major_w, raised, minor),
        ] {
            self.marks.push(Mark::Line { face, x, base, text, colour, weight: 1 });
        }
    }

    fn bars(&mut self, element: &Element) {
        let [least, most] = element.sizes();
        let module = (element.area.w / barcode::MODULES).clamp(least, most);
        let width = barcode::MODULES * module;
        let area = Rect { x: aligned(element.align, element.area, width), w: width, ..element.area };
        self.marks.push(Mark::Bars(area, self.shelf.gtin, module));
    }

    fn qr(&mut self, element: &Element) {
        let words = element.words.clone().unwrap_or_default();
        let text = words.replace("{gtin}", &format!("0{}", self.shelf.gtin));
        let code = Qr::new(&text).map(|code| (code.module(element.area), code));
        match code {
            Some((module, code)) if module >= QR_MODULE_MIN => {
                self.marks.push(Mark::Qr(element.area, code, module));
            }
            _ => self.faults.push(Fault::Qr { template: self.name.to_owned() }),
        }
    }
}

/// How often text of size `em` is drawn: the font has one weight, and what is bold is drawn again a pixel
/// further right; not below [`BOLD_EM_MIN`].
fn weight(element: &Element, em: i32) -> i32 {
    if element.bold && em >= BOLD_EM_MIN { 2 + em / 40 } else { 1 }
}

fn aligned(align: Align, area: Rect, width: i32) -> i32 {
    match align {
        Align::Left => area.x,
        Align::Centre => area.x + (area.w - width) / 2,
        Align::Right => area.right() - width,
    }
}
