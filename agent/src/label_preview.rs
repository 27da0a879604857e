//! `storewarden label preview`: draw labels as they will be shown, into PNG files.

use crate::config::Config;
use crate::failure::Failure;
use crate::journal;
use crate::label::{Colour, Display, Image, Purpose, Shelf, Templates, render};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use storewarden_drivers::esl::estation::model::{Model, model_of, models};
use storewarden_prices::{Content, Currency, Entry, Gtin, Measure, Money};
use storewarden_rules::Utc;

/// What to draw.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["label", "all"]))]
pub struct Preview {
    /// The store's configuration: its own templates, and what its labels show. Without it, what ships
    /// with the program.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A tag id; its first two digits are the model. Without --item it shows what it shows in the store.
    #[arg(long, requires = "out")]
    label: Option<String>,
    /// The PNG to write.
    #[arg(long, requires = "label")]
    out: Option<PathBuf>,
    /// A folder, for every model and purpose, and contact-sheet.png with one model of each size.
    #[arg(long, value_name = "FOLDER")]
    all: Option<PathBuf>,
    /// What the label is for. Otherwise, as the price says.
    #[arg(long)]
    purpose: Option<Purpose>,
    /// An item as JSON, with the columns of a price table: {"gtin": "6921168509256", "name": "...",
    /// "unit": "550 ml", "currency": "CNY", "price": "2.00", "was": "2.50", "content": "550 ml"}.
    #[arg(long, value_name = "JSON")]
    item: Option<String>,
}

/// An item as it is typed.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    gtin: String,
    name: String,
    #[serde(default)]
    unit: String,
    currency: String,
    price: String,
    was: Option<String>,
    content: Option<String>,
    unit_price: Option<String>,
}

/// What is drawn where nothing else is said.
const SAMPLE: &str = r#"{"gtin": "6921168509256", "name": "农夫山泉饮用天然水", "unit": "550 ml",
    "currency": "CNY", "price": "1.50", "was": "2.00", "content": "550 ml"}"#;

/// Width of a contact sheet, and what is left free around each label; pixels.
const SHEET_WIDTH: u16 = 1640;
const SHEET_GAP: u16 = 8;

/// Does it.
pub(crate) fn run(preview: &Preview) -> Result<(), Failure> {
    let config =
        preview.config.as_deref().map(|path| Config::load(path).map_err(|faults| Failure::config(&faults)));
    let config = config.transpose()?;
    let templates = config.as_ref().map_or_else(|| Templates::shipped(), |config| &config.templates);
    let typed = preview.item.as_deref().map(Typed::parse).transpose()?;
    match (&preview.label, &preview.out, &preview.all) {
        (Some(label), Some(out), _) => {
            let model = model_of(label).ok_or_else(|| {
                Failure::Input(format!("label `{label}`: the first two digits name no known model\n"))
            })?;
            let purpose = preview.purpose;
            let image = match (&typed, &config) {
                (Some(item), _) => draw(templates, model, &item.shelf(model, purpose))?,
                (None, Some(config)) => {
                    let entry = in_store(config, label)?;
                    let of_price = Shelf::of(&entry, model.into(), templates.language());
                    let purpose = purpose.unwrap_or(of_price.purpose);
                    draw(templates, model, &Shelf { purpose, ..of_price })?
                }
                (None, None) => draw(templates, model, &Typed::parse(SAMPLE)?.shelf(model, purpose))?,
            };
            write(out, &image)
        }
        (_, _, Some(folder)) => {
            let item = typed.map_or_else(|| Typed::parse(SAMPLE), Ok)?;
            all(templates, &item, preview.purpose, folder)
        }
        _ => Err(Failure::Input("say --label with --out, or --all\n".into())),
    }
}

/// What the label shows in its store now, by the prices in the journal and this machine's clock.
fn in_store(config: &Config, label: &str) -> Result<Entry, Failure> {
    let known = config.labels.iter().find(|known| known.id.eq_ignore_ascii_case(label));
    let known = known.ok_or_else(|| {
        Failure::Input(format!(
            "there is no [[label]] `{label}` in the configuration; add it, or say --item\n"
        ))
    })?;
    let db = journal::open_read_only(&config.journal.path).map_err(Failure::outcome)?;
    let book = journal::prices::load_book(&db, config.store.timezone).map_err(Failure::outcome)?;
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(Failure::outcome)?;
    let now = Utc(i64::try_from(since_1970.as_millis()).map_err(Failure::outcome)?);
    let shown = book.price_at(&known.item, now);
    shown.map(|shown| Entry::clone(shown.entry)).ok_or_else(|| {
        Failure::Outcome(format!("item `{}` has no price in this store now; say --item", known.item))
    })
}

/// An item that was typed, understood.
struct Typed {
    item: Item,
    gtin: Gtin,
    price: Money,
    was: Option<Money>,
    unit_price: Option<(Money, Measure)>,
}

impl Typed {
    fn parse(json: &str) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::Input(format!("--item: {what}\n"));
        let item: Item = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        let gtin = Gtin::parse(&item.gtin).map_err(|error| wrong(error.to_string()))?;
        let currency = Currency::from_code(&item.currency)
            .ok_or_else(|| wrong(format!("currency `{}`; write CNY, EUR, JPY or USD", item.currency)))?;
        let money = |text: &str| Money::parse(text, currency).map_err(|error| wrong(error.to_string()));
        let price = money(&item.price)?;
        let content = item.content.as_deref().map(|text| {
            Content::parse(text)
                .ok_or_else(|| wrong(format!("content `{text}`; write \"550 ml\" or \"1.5 kg\"")))
        });
        let content = content.transpose()?;
        let unit_price = match item.unit_price.as_deref() {
            Some(text) => Some(money(text)?),
            None => content.and_then(|content| content.unit_price(price)),
        };
        let was = item.was.as_deref().map(money).transpose()?;
        let unit_price = unit_price.zip(content.map(|content| content.measure));
        Ok(Self { gtin, price, was, unit_price, item })
    }

    /// A promotion if a price is given that it is compared with.
    fn shelf(&self, model: &Model, purpose: Option<Purpose>) -> Shelf<'_> {
        let usual = if model.freezer_proof { Purpose::Freezer } else { Purpose::Regular };
        let purpose = purpose.unwrap_or(if self.was.is_some() { Purpose::Promotion } else { usual });
        Shelf {
            name: &self.item.name,
            unit: &self.item.unit,
            price: self.price,
            unit_price: self.unit_price,
            was: self.was,
            gtin: self.gtin,
            purpose,
        }
    }
}

fn draw(templates: &Templates, model: &Model, shelf: &Shelf<'_>) -> Result<Image, Failure> {
    render(templates, Display::from(model), shelf).map_err(|faults| {
        let line = |fault| format!("model {} ({}): {fault}\n", model.code, shelf.purpose.name());
        Failure::Input(faults.iter().map(line).collect())
    })
}

fn all(templates: &Templates, item: &Typed, only: Option<Purpose>, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(Failure::outcome)?;
    let purposes: Vec<_> =
        Purpose::ALL.into_iter().filter(|purpose| only.is_none_or(|only| only == *purpose)).collect();
    let mut sheet: Vec<Image> = Vec::new();
    for model in models() {
        let colours = Colour::ALL.into_iter().filter(|colour| colour.is_of(model.colours)).count();
        let is_most_colourful = models()
            .iter()
            .filter(|other| (other.width, other.height) == (model.width, model.height))
            .all(|other| {
                Colour::ALL.into_iter().filter(|colour| colour.is_of(other.colours)).count() <= colours
            });
        let is_new =
            !sheet.iter().any(|image| (image.width(), image.height()) == (model.width, model.height));
        for purpose in &purposes {
            let image = draw(templates, model, &item.shelf(model, Some(*purpose)))?;
            write(&folder.join(format!("{}-{}.png", model.code, purpose.name())), &image)?;
            if is_new && is_most_colourful {
                sheet.push(image);
            }
        }
    }
    sheet.sort_by_key(|image| (image.height(), image.width()));
    write(&folder.join("contact-sheet.png"), &contact_sheet(&sheet))
}

/// The images in rows, one pixel of frame around each.
fn contact_sheet(images: &[Image]) -> Image {
    let (mut x, mut y, mut row) = (SHEET_GAP, SHEET_GAP, 0);
    let mut places = Vec::new();
    for image in images {
        if x + image.width() + SHEET_GAP > SHEET_WIDTH {
            (x, y, row) = (SHEET_GAP, y + row + SHEET_GAP, 0);
        }
        places.push((x, y));
        x += image.width() + SHEET_GAP;
        row = row.max(image.height());
    }
    let mut sheet = Image::white(SHEET_WIDTH, y + row + SHEET_GAP);
    for (image, (x, y)) in images.iter().zip(places) {
        sheet.frame(image, x.into(), y.into());
    }
    sheet
}

fn write(path: &Path, image: &Image) -> Result<(), Failure> {
    std::fs::write(path, image.to_png())
        .map_err(|error| Failure::Outcome(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Identity, Journal};
    use crate::price::{Right, Verified};
    use storewarden_proto::prost::Message as _;
    use storewarden_proto::v1;

    fn preview() -> Preview {
        Preview { config: None, label: None, out: None, all: None, purpose: None, item: None }
    }

    fn faults(preview: Preview) -> String {
        match run(&preview) {
            Err(Failure::Input(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    fn size(png: &Path) -> (u32, u32) {
        let png = std::fs::read(png).expect("written");
        let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("a PNG");
        (reader.info().width, reader.info().height)
    }

    #[test]
    fn every_model_and_purpose_is_drawn() {
        let folder = tempfile::tempdir().expect("a folder");
        let all = Preview { all: Some(folder.path().join("new")), ..preview() };
        run(&(all)).expect("drawn");
        let drawn = folder.path().join("new");
        assert_eq!(std::fs::read_dir(&drawn).expect("there").count(), 23 * 5 + 1);
        assert_eq!(size(&drawn.join("91-out_of_stock.png")), (522, 152));
        assert_eq!(size(&drawn.join("contact-sheet.png")).0, u32::from(SHEET_WIDTH));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let out = |label: &str, item: &str| Preview {
            label: Some(label.into()),
            out: Some("/nonexistent/x.png".into()),
            item: Some(item.into()),
            ..preview()
        };
        assert!(faults(out("FF000000", SAMPLE)).contains("name no known model"));
        assert!(faults(out("33000000", "{}")).contains("missing field `gtin`"));
        assert!(faults(out("33000000", &SAMPLE.replace("CNY", "RMB"))).contains("currency `RMB`"));
        assert!(faults(out("33000000", &SAMPLE.replace("550 ml\"}", "5 oz\"}"))).contains("content `5 oz`"));
        let korean = faults(out("33000000", &SAMPLE.replace("农夫", "김치")));
        assert!(korean.starts_with("model 33 (promotion): the name has `김`"), "{korean}");
        let written = run(&(out("33000000", SAMPLE)));
        assert!(matches!(written, Err(Failure::Outcome(_))), "{written:?}");
    }

    #[tokio::test]
    async fn a_label_of_the_store_shows_what_its_journal_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.sqlite");
        let identity = Identity { chain: "k".into(), store: "1".into(), boot: 1, journal: 1, reports: false };
        let journal = Journal::open(&path, identity.clone(), Utc(0)).expect("opened");
        let entry = v1::PriceEntry {
            item: "10001".into(),
            gtin: "6921168509256".into(),
            name: "农夫山泉".into(),
            currency: "CNY".into(),
            price_minor: 200,
            kind: v1::PriceKind::Regular.into(),
            ..v1::PriceEntry::default()
        };
        let batch = v1::PriceBatch { number: 1, entries: vec![entry], ..v1::PriceBatch::default() };
        let signed = v1::SignedBatch { batch: batch.encode_to_vec(), ..v1::SignedBatch::default() };
        let verified = Verified {
            batch: storewarden_prices::Batch::read(&batch, "team", &|_| true).expect("good"),
            digest: [0; 32],
            signed: signed.encode_to_vec(),
            signers: Vec::new(),
            right: Right::PriceTeam,
            by: String::new(),
        };
        journal.run(move |db| journal::prices::accept(db, &identity, Utc(0), &verified)).await.expect("kept");

        let store = folder.path().join("store.toml");
        let text = include_str!("../../docs/store.toml");
        let start = text.find("[[gateway]]").expect("there");
        let key = "[[price_key]]\nid = \"team\"\n\
            public = \"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"\n";
        let text = format!(
            "[store]\nchain = \"k\"\nid = \"1\"\ntimezone = \"Asia/Shanghai\"\n[journal]\npath = {path:?}\n{key}{}",
            &text[start..]
        );
        std::fs::write(&store, text).expect("written");
        let out = folder.path().join("label.png");
        let show = |label: &str, purpose| Preview {
            config: Some(store.clone()),
            label: Some(label.into()),
            out: Some(out.clone()),
            purpose,
            ..preview()
        };
        run(&(show("3D0001A7", None))).expect("drawn");
        let regular = std::fs::read(&out).expect("written");
        assert_eq!(size(&out), (296, 128));
        run(&(show("3d0001a7", Some(Purpose::Markdown)))).expect("drawn");
        assert_ne!(std::fs::read(&out).expect("written"), regular);
        let none = run(&(show("360002C4", None)));
        assert!(matches!(none, Err(Failure::Outcome(text)) if text.contains("item `10002` has no price")));
        assert!(faults(show("3D000000", None)).contains("there is no [[label]] `3D000000`"));
    }
}
