//! What a label looks like, as data: one TOML file for each size of display. See `docs/labels.md`.
//!
//! A template is checked whole when it is read, so that whatever is drawn later can only fail for what an
//! item says: its name, its price.

use super::barcode;
use super::canvas::{Colour, Rect};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;
use storewarden_drivers::esl::estation::model::{Colours, Model};
use storewarden_prices::Language;

/// Chinese at 1 bit is legible from this size on, pixels.
pub const TEXT_EM_MIN: i32 = 16;
/// A price smaller than this is no price on a shelf, pixels.
pub const PRICE_EM_MIN: i32 = 18;

/// What a label is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Display {
    /// Pixels from left to right.
    pub width: u16,
    /// Pixels from top to bottom.
    pub height: u16,
    /// What it can show.
    pub colours: Colours,
    /// Whether it hangs in a freezer.
    pub is_in_freezer: bool,
}

impl From<&Model> for Display {
    fn from(model: &Model) -> Self {
        Self {
            width: model.width,
            height: model.height,
            colours: model.colours,
            is_in_freezer: model.freezer_proof,
        }
    }
}

/// What a label says of its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Purpose {
    /// Its usual price.
    Regular,
    /// A price for a time.
    Promotion,
    /// A price that the store itself took down.
    Markdown,
    /// That there is none.
    OutOfStock,
    /// Its usual price, read through a freezer's door.
    Freezer,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Regular, Self::Promotion, Self::Markdown, Self::OutOfStock, Self::Freezer];

    /// As written in templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Promotion => "promotion",
            Self::Markdown => "markdown",
            Self::OutOfStock => "out_of_stock",
            Self::Freezer => "freezer",
        }
    }
}

/// A text that an item has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What it is called.
    Name,
    /// What the price is for.
    Unit,
    /// The price of a kilogram, litre, metre or piece.
    UnitPrice,
    /// What a reduction is compared with.
    Was,
    /// The purpose in a word, in the language of the currency's own country; of a usual price nothing.
    Purpose,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Unit => "unit",
            Self::UnitPrice => "unit price",
            Self::Was => "price it is compared with",
            Self::Purpose => "word for the purpose",
        })
    }
}

/// Where in its box a text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// At the left edge.
    #[default]
    Left,
    /// In the middle.
    Centre,
    /// At the right edge.
    Right,
}

/// What an element draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The whole box in the colour.
    Fill,
    /// `field`, or the fixed `words`.
    Text,
    /// The price: large digits, small currency and decimals.
    Price,
    /// The bar code with its digits.
    Ean13,
    /// A QR code of `words`.
    Qr,
}

/// One thing on a label. Which keys a kind has is said in `docs/labels.md`, and checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// What it draws.
    pub kind: Kind,
    /// Where: left, top, width, height; pixels.
    #[serde(rename = "box")]
    pub area: Rect,
    /// On which labels; on all if left out.
    #[serde(rename = "for", default = "everywhere")]
    pub purposes: Vec<Purpose>,
    /// Only where the item has this.
    #[serde(rename = "if")]
    pub only_with: Option<Field>,
    /// Only where the item does not have this.
    #[serde(rename = "unless")]
    pub only_without: Option<Field>,
    /// In what colour.
    #[serde(default = "black")]
    pub colour: Colour,
    /// Of text: which.
    pub field: Option<Field>,
    /// Of text: these words; of a QR code: its content, `{gtin}` standing for the 14 digits.
    pub words: Option<String>,
    /// Smallest and largest size of characters, or width of a bar code's module; pixels.
    pub size: Option<[i32; 2]>,
    /// Of text: most lines.
    #[serde(default = "one")]
    pub lines: usize,
    /// Where in the box.
    #[serde(default)]
    pub align: Align,
    /// Of text: heavier by one pixel and more.
    #[serde(default)]
    pub bold: bool,
    /// Of text: struck through.
    #[serde(default)]
    pub strike: bool,
    /// Of text: may be cut, down to half its characters.
    #[serde(default)]
    pub shorten: bool,
}

fn everywhere() -> Vec<Purpose> {
    Purpose::ALL.to_vec()
}

fn black() -> Colour {
    Colour::Black
}

fn one() -> usize {
    1
}

impl Element {
    /// Whether both can be on one label. A field stands there only where the item has it.
    fn may_stand_with(&self, other: &Self) -> bool {
        let excludes = |without: &Self, with: &Self| {
            without.only_without.is_some_and(|field| [with.only_with, with.field].contains(&Some(field)))
        };
        self.purposes.iter().any(|purpose| other.purposes.contains(purpose))
            && !excludes(self, other)
            && !excludes(other, self)
    }

    /// Smallest and largest size, pixels.
    pub fn sizes(&self) -> [i32; 2] {
        self.size.unwrap_or([PRICE_EM_MIN, 2 * self.area.h])
    }
}

/// The look of all labels of one size.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Pixels from left to right.
    pub width: u16,
    /// Pixels from top to bottom.
    pub height: u16,
    /// What stands for a colour on a display that lacks it.
    #[serde(default)]
    pub instead_of: BTreeMap<Colour, Colour>,
    /// What is drawn, in this order.
    pub element: Vec<Element>,
}

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {what}")]
pub struct TemplateFault {
    /// Of the file.
    pub name: String,
    /// What is wrong, and what to write.
    pub what: String,
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let template: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        template.check()?;
        Ok(template)
    }

    /// The colour in which a display of these colours shows what shall be `colour`.
    pub fn colour(&self, colour: Colour, colours: Colours) -> Colour {
        if colour.is_of(colours) {
            return colour;
        }
        self.instead_of.get(&colour).copied().unwrap_or(Colour::Black)
    }

    fn check(&self) -> Result<(), String> {
        for (colour, instead) in &self.instead_of {
            if *instead > Colour::Black {
                return Err(format!(
                    "instead_of.{} is {}; write black or white",
                    colour.name(),
                    instead.name()
                ));
            }
        }
        for (number, element) in (1..).zip(&self.element) {
            self.check_element(element).map_err(|what| format!("element {number}: {what}"))?;
            let before = self.element.iter().take(number - 1).zip(1..);
            for (other, first) in before.filter(|(other, _)| other.may_stand_with(element)) {
                // What is drawn may stand on a coloured ground; a bar code may not, nor beside a later one.
                let is_ground = other.kind == Kind::Fill && !element.kind.is_code();
                if !is_ground && other.area.meets(element.area) {
                    return Err(format!("element {number}: its box overlaps that of element {first}"));
                }
            }
        }
        for purpose in Purpose::ALL {
            self.check_purpose(purpose).map_err(|what| format!("{}: {what}", purpose.name()))?;
        }
        Ok(())
    }

    fn check_element(&self, element: &Element) -> Result<(), String> {
        let Rect { x, y, w, h } = element.area;
        let (width, height) = (i32::from(self.width), i32::from(self.height));
        if x < 0 || y < 0 || w < 1 || h < 1 || x + w > width || y + h > height {
            return Err(format!("the box [{x}, {y}, {w}, {h}] is not inside {width} × {height}"));
        }
        if element.colour > Colour::Black && !self.instead_of.contains_key(&element.colour) {
            let name = element.colour.name();
            return Err(format!(
                "not every display has {name}; write in instead_of what stands for it, `{name} = \"black\"`"
            ));
        }
        let (is_text, is_code) = (element.kind == Kind::Text, element.kind.is_code());
        if !is_text
            && (element.field.is_some()
                || element.lines != 1
                || element.bold
                || element.strike
                || element.shorten)
        {
            return Err("field, lines, bold, strike and shorten belong to text".into());
        }
        if is_code && element.colour != Colour::Black {
            return Err("scanners need a code in black".into());
        }
        let [least, most] = element.sizes();
        let least_of_kind = match element.kind {
            Kind::Text => TEXT_EM_MIN,
            Kind::Price => PRICE_EM_MIN,
            Kind::Ean13 | Kind::Fill | Kind::Qr => 1,
        };
        let is_sized = !matches!(element.kind, Kind::Fill | Kind::Qr);
        if !is_sized && element.size.is_some() {
            return Err("only texts, prices and bar codes have a size".into());
        }
        if is_sized && (least < least_of_kind || least > most || most > 1_000) {
            return Err(format!(
                "size [{least}, {most}] must rise from {least_of_kind} or more, to 1000 at most"
            ));
        }
        match element.kind {
            Kind::Text if element.field.is_some() == element.words.is_some() => {
                Err("a text has either field or words".into())
            }
            Kind::Text if element.size.is_none() => Err("a text has a size: [smallest, largest]".into()),
            Kind::Text if element.lines == 0 || h < least => {
                Err(format!("a box {h} pixels high has no room for a line of size {least}"))
            }
            Kind::Text => element.words.as_deref().map_or(Ok(()), shown),
            Kind::Ean13 if element.size.is_none() => Err("a bar code has a size of modules: [1, 2]".into()),
            Kind::Ean13 if w < barcode::MODULES * least || h < 2 * barcode::digits_height(least) => {
                Err(format!(
                    "a bar code with modules of {least} pixels needs {} × {} pixels with its quiet zones",
                    barcode::MODULES * least,
                    2 * barcode::digits_height(least)
                ))
            }
            Kind::Qr if element.words.is_none() => Err("a QR code has words".into()),
            _ => Ok(()),
        }
    }

    /// A label must say what the item is and, while there is any, what it costs, larger than all else.
    fn check_purpose(&self, purpose: Purpose) -> Result<(), String> {
        let elements = || self.element.iter().filter(|element| element.purposes.contains(&purpose));
        if !elements().any(|element| element.field == Some(Field::Name)) {
            return Err("nothing shows the name".into());
        }
        let prices = || elements().filter(|element| element.kind == Kind::Price);
        if prices().next().is_none() && purpose != Purpose::OutOfStock {
            return Err("nothing shows the price".into());
        }
        let largest =
            elements().filter(|element| element.kind == Kind::Text).map(|text| text.sizes()[1]).max();
        match prices().map(|price| price.area.h).min() {
            Some(price) if largest.is_some_and(|largest| largest > price) => {
                Err("a text may be larger than the price".into())
            }
            _ => Ok(()),
        }
    }
}

fn shown(words: &str) -> Result<(), String> {
    match words.chars().find(|c| !super::can_show(*c)) {
        Some(c) => Err(format!("the labels' font lacks `{}` (U+{:04X})", c.escape_debug(), u32::from(c))),
        None => Ok(()),
    }
}

impl Kind {
    fn is_code(self) -> bool {
        matches!(self, Self::Ean13 | Self::Qr)
    }
}

/// One template for each size, and the language of what they show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    of: BTreeMap<(u16, u16), (String, Template)>,
    language: Option<Language>,
}

static SHIPPED: LazyLock<Templates> = LazyLock::new(|| {
    let mut templates = Templates::default();
    for (name, text) in [
        ("200x200.toml", include_str!("../../labels/200x200.toml")),
        ("250x122.toml", include_str!("../../labels/250x122.toml")),
        ("296x128.toml", include_str!("../../labels/296x128.toml")),
        ("296x152.toml", include_str!("../../labels/296x152.toml")),
        ("384x184.toml", include_str!("../../labels/384x184.toml")),
        ("400x300.toml", include_str!("../../labels/400x300.toml")),
        ("522x152.toml", include_str!("../../labels/522x152.toml")),
        ("648x480.toml", include_str!("../../labels/648x480.toml")),
        ("800x480.toml", include_str!("../../labels/800x480.toml")),
    ] {
        templates.add(name, text).expect("a test reads the shipped templates");
    }
    templates
});

impl Templates {
    /// Those of the agent.
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Those of the agent, and those of `folder` (`*.toml`) in the place of those of the same size.
    ///
    /// # Errors
    /// The first file that cannot be read or used, in the order of names.
    pub fn with_folder(folder: &Path) -> Result<Self, TemplateFault> {
        let unreadable = |path: &Path, error: std::io::Error| TemplateFault {
            name: path.display().to_string(),
            what: format!("it cannot be read: {error}"),
        };
        let list = std::fs::read_dir(folder).and_then(|list| list.collect::<Result<Vec<_>, _>>());
        let mut files: Vec<_> = list
            .map_err(|error| unreadable(folder, error))?
            .into_iter()
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|end| end == "toml"))
            .collect();
        files.sort();
        let mut templates = Self::shipped().clone();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            templates.add(&path.display().to_string(), &text)?;
        }
        Ok(templates)
    }

    /// With names in that language, where they are known.
    pub fn in_language(self, language: Option<Language>) -> Self {
        Self { language, ..self }
    }

    /// The language of names, if one was chosen.
    pub fn language(&self) -> Option<Language> {
        self.language
    }

    fn add(&mut self, name: &str, text: &str) -> Result<(), TemplateFault> {
        let template = Template::parse(text).map_err(|what| TemplateFault { name: name.to_owned(), what })?;
        self.of.insert((template.width, template.height), (name.to_owned(), template));
        Ok(())
    }

    /// The template for a display, and its name; none if none has its size.
    pub fn of(&self, display: Display) -> Option<(&str, &Template)> {
        let (name, template) = self.of.get(&(display.width, display.height))?;
        Some((name, template))
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
