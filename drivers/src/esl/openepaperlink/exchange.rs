//! What is wanted of an OpenEPaperLink access point, asked of it, and told of it.

use crate::esl::estation::task::{GatewayEvent, Proof};
use crate::esl::openepaperlink::record::{Hash, Record};

/// What is wanted of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Show this PNG file.
    Show(Vec<u8>),
    /// Blink so often.
    Blink(u16),
}

/// One wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Tag id, 16 hex digits.
    pub label: String,
    /// Numbers it; told back with what became of it.
    pub task: u64,
    /// What is wanted.
    pub wish: Wish,
    /// Whether it goes ahead of those that wait.
    pub urgent: bool,
}

/// What is asked of the access point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// All of its table.
    Table,
    /// The record of one label.
    Look(String),
    /// To forget what waits for a label.
    Clear(String),
    /// To forget which image a label shows, so that the same can be sent again.
    Forget(String),
    /// To bring a PNG file onto a label.
    Upload(String, Vec<u8>),
    /// What it has made of the file.
    Prepared(String),
    /// To let a label blink so often.
    Blink(String, u16),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All labels it has.
    Table(Vec<Record>),
    /// The label's record, if it has one.
    Look(Option<Record>),
    /// It is done, or will be.
    Done,
    /// The hash of what was made of the file; none if nothing was yet.
    Prepared(Option<Hash>),
    /// It says no, and why.
    Refused(String),
    /// It says to come back later.
    Later,
    /// It did not answer, or what it said makes no sense. It may have done what it was asked.
    Broken(String),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// This is wanted.
    Order(Order),
    /// The one request under way is answered.
    Answer(Answer),
    /// The access point said this of labels, unasked.
    Records(Vec<Record>),
    /// The access point said this of itself: since when it runs, s, and the space it has left, bytes.
    System(Option<i64>, Option<i64>),
    /// Time passed; to be given about once a second.
    Tick,
}

/// Why a label could not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The access point does not know it.
    Unknown,
    /// The access point refuses the file.
    Refused,
    /// The access point took the file and did nothing with it.
    Ignored,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask this, and tell the answer.
    Ask(Request),
    /// Tell this.
    Event(GatewayEvent),
    /// Tell that an order is over and done; with what the label says of itself, if it has a record.
    Done(Order, Proof, Option<Record>),
    /// Tell that an order is over and not done.
    Failed(Order, Fault, String),
    /// Tell that a label has started anew: what it showed may be gone.
    Reset(String),
    /// Tell that a label shows an image that is not ours.
    Unasked(String),
    /// Tell whether there is space for images; without, nothing is uploaded.
    Space(bool),
}
