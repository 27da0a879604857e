//! What one label shows now, and what it will show next, by the price book.

use crate::config::Label;
use crate::label::{Digest, Image, Price, Purpose, Shelf as Drawn, Templates, render};
use std::sync::Arc;
use storewarden_prices::{BatchId, Currency, Entry, Money, PriceBook, Shown};
use storewarden_rules::{Millis, Utc};

/// How long ahead of its minute a price is brought to its label. A leaflet comes the day before.
const AHEAD: Millis = Millis::from_mins(24 * 60);

/// A price as a label shows it.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) entry: Arc<Entry>,
    pub(super) batch: BatchId,
    /// Whether it says that the item is out of stock.
    is_out: bool,
    /// SHA-256 of its image.
    pub(super) image: Digest,
}

/// A label, and what it was last told to show.
#[derive(Clone, Debug)]
pub(super) struct Showing {
    pub(super) label: Label,
    pub(super) now: Option<Content>,
    pub(super) next: Option<Content>,
    /// Whether it stands in the line of those to be looked at.
    pub(super) is_in_line: bool,
    /// Whether its change goes ahead of others.
    pub(super) is_urgent: bool,
    /// Whether its item is out of stock.
    pub(super) is_out: bool,
    /// Whether it was bound by hand: then it shows nothing while its item has no price, or it has no item.
    /// What it showed before was another item's.
    is_by_hand: bool,
}

impl Content {
    fn is(&self, found: Shown<'_>, is_out: bool) -> bool {
        self.is_out == is_out
            && self.batch.number == found.source.number
            && self.batch.key == found.source.key
            && self.entry == *found.entry
    }
}

impl Showing {
    pub(super) fn new(label: Label) -> Self {
        let (is_in_line, is_urgent, is_out, is_by_hand) = (false, false, false, false);
        Self { label, now: None, next: None, is_in_line, is_urgent, is_out, is_by_hand }
    }

    /// One that a person has just bound.
    pub(super) fn by_hand(label: Label) -> Self {
        Self { is_in_line: true, is_urgent: true, is_by_hand: true, ..Self::new(label) }
    }

    /// What it should show now: the image, and what that says.
    pub(super) fn desired(&self) -> Option<(Digest, Price)> {
        if let Some(Content { entry, batch, image, .. }) = &self.now {
            return Some((
                *image,
                Price { item: entry.item.clone(), price: entry.price, batch: batch.clone() },
            ));
        }
        let batch = BatchId { key: "".into(), number: 0 };
        let nothing = Price { item: String::new(), price: Money::new(0, Currency::Cny), batch };
        self.is_by_hand.then(|| (Image::digest(&self.blank()), nothing))
    }

    fn blank(&self) -> Vec<u8> {
        Image::white(self.label.display.width, self.label.display.height).to_png()
    }

    fn look_up<'a>(&self, book: &'a PriceBook, at: Utc) -> [Option<Shown<'a>>; 2] {
        let item = &self.label.item;
        let find = |at| book.price_at(item, at);
        let change = book.next_change_of(item, at).filter(|change| *change <= at + AHEAD);
        [find(at), change.and_then(find)]
    }

    /// Whether its price at `at`, or the next, is not what it was told; the first of them matters now.
    pub(super) fn is_outdated(&self, book: &PriceBook, at: Utc) -> (bool, bool) {
        let differs = |known: &Option<Content>, found: Option<Shown<'_>>| match (known, found) {
            (Some(known), Some(found)) => !known.is(found, self.is_out),
            (known, found) => known.is_some() != found.is_some(),
        };
        let [now, next] = self.look_up(book, at);
        // An item without a price keeps what it shows: nothing says what else it should be.
        (now.is_some() && differs(&self.now, now), differs(&self.next, next))
    }

    /// Looks its prices up at `at` and draws what was not drawn before.
    pub(super) fn update(&mut self, book: &PriceBook, templates: &Templates, at: Utc) {
        let [now, next] = self.look_up(book, at);
        let known = [self.now.take(), self.next.take()];
        let draw = |found: Option<Shown<'_>>| {
            let found = found?;
            if let Some(known) = known.iter().flatten().find(|known| known.is(found, self.is_out)) {
                return Some(known.clone());
            }
            let image = Image::digest(&draw(templates, &self.label, found.entry, self.is_out)?);
            Some(Content { entry: found.entry.clone(), batch: found.source.id(), is_out: self.is_out, image })
        };
        let [new, next] = [draw(now), draw(next)];
        let [before, _] = &known;
        self.now = new.or_else(|| before.clone());
        self.next = next;
    }

    /// The PNG of an image that it shows now or next; none if it is neither any more.
    pub(super) fn png(&self, templates: &Templates, image: Digest) -> Option<Vec<u8>> {
        let content = [&self.now, &self.next].into_iter().flatten().find(|content| content.image == image);
        match content {
            Some(content) => draw(templates, &self.label, &content.entry, content.is_out),
            None => self.is_by_hand.then(|| self.blank()).filter(|blank| Image::digest(blank) == image),
        }
    }
}

/// The image of a label. What cannot be drawn was refused with its batch; what was accepted before the label
/// was bound is said in the log, and the label keeps what it shows.
fn draw(templates: &Templates, label: &Label, entry: &Entry, is_out: bool) -> Option<Vec<u8>> {
    let mut drawn = Drawn::of(entry, label.display, templates.language());
    if is_out {
        drawn.purpose = Purpose::OutOfStock;
    }
    match render(templates, label.display, &drawn) {
        Ok(image) => Some(image.to_png()),
        Err(faults) => {
            for fault in faults {
                tracing::error!(label = %label.id, item = %entry.item, %fault, "label cannot be drawn");
            }
            None
        }
    }
}
