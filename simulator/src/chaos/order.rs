//! An order of prices, and one that was carried out.

/// What is wrong with a batch that must not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with another key, under the id of the price team's.
    WrongKey,
    /// Signed with a key under an id that the store does not know.
    UnknownKey,
    /// Signed by the price team, for another store.
    OtherStore,
    /// Signed by the price team, and changed after that.
    Tampered,
    /// The first batch of all, as it was, once more.
    Again,
}

/// New prices for some items in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Counted from 0. It is in each of its prices, so that a price tells by whom it was ordered.
    pub number: u32,
    /// The first item.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// From so long after the push on, ms; 0: at once.
    pub after_ms: u64,
    /// A promotion of so long, ms; 0: a regular price.
    pub for_ms: u64,
    /// Why it must not count, if it must not.
    pub forgery: Option<Forgery>,
}

/// An order that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What was ordered.
    pub order: Order,
    /// When it was begun, ms since 1970.
    pub at_ms: i64,
}

impl Pushed {
    /// From when on its prices are to be shown, ms since 1970.
    pub fn begins_ms(&self) -> i64 {
        self.at_ms + self.order.after_ms.cast_signed()
    }

    /// Until when, not including; none for ever.
    pub fn ends_ms(&self) -> Option<i64> {
        (self.order.for_ms > 0).then(|| self.begins_ms() + self.order.for_ms.cast_signed())
    }
}

/// What an item costs by an order: no two prices of a run are the same.
pub fn price_minor(order: u32, item: u32, labels: u32) -> i64 {
    100 + i64::from(order) * i64::from(labels) + i64::from(item)
}
