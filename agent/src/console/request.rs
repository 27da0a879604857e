//! What a person can ask of the site, and how the console asks it.

use serde::Deserialize;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The longest an alarm may be shelved, minutes: one shift, so that whoever comes next hears of it.
pub const SHELVE_MINUTES_MAX: u32 = 480;

/// The longest a device may be in maintenance, minutes: a day. What takes longer is out of service.
pub const MAINTENANCE_MINUTES_MAX: u32 = 1440;

/// The longest name, in characters.
pub const NAME_CHARS_MAX: usize = 40;

/// The longest reference of a repair or note of an inspection, in characters.
const REMARK_CHARS_MAX: usize = 200;

/// How long the site may take to answer. It commits to the journal first, on the slowest of SD cards.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Where the site puts its answer.
pub type Reply = oneshot::Sender<Result<(), RequestError>>;

/// What a person asks of the task that owns the alarms.
#[derive(Debug)]
pub struct SiteRequest {
    /// What.
    pub act: Act,
    /// Who, as [`PersonName`] let it pass.
    pub by: String,
    /// Answered once it is in the journal.
    pub reply: Reply,
}

/// What a person does. Alarms go by the number of the occurrence, devices by their id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Has seen the alarm and takes care of it.
    Acknowledge {
        /// Which alarm.
        alarm: u64,
    },
    /// Wants to hear nothing of it for some time.
    Shelve {
        /// Which alarm.
        alarm: u64,
        /// For how long, 1 to [`SHELVE_MINUTES_MAX`].
        minutes: u32,
    },
    /// Wants to hear of it again.
    Unshelve {
        /// Which alarm.
        alarm: u64,
    },
    /// Has ordered its repair.
    Repair {
        /// Which alarm.
        alarm: u64,
        /// What the repair service calls it; may be empty.
        reference: String,
    },
    /// Says that the repair is finished.
    Repaired {
        /// Number of the alarm now, or of that with which the repair began.
        alarm: u64,
    },
    /// Works on a device, whose alarms are quiet meanwhile.
    Maintain {
        /// Which device.
        device: String,
        /// For how long, 1 to [`MAINTENANCE_MINUTES_MAX`].
        minutes: u32,
    },
    /// Takes a device out of use.
    RemoveFromService {
        /// Which device.
        device: String,
    },
    /// Ends the maintenance of a device, or takes it into use again.
    ReturnToService {
        /// Which device.
        device: String,
    },
    /// Has checked the refrigeration by hand.
    Inspected {
        /// What was found; may be empty.
        note: String,
    },
}

/// What is asked of the task that owns prices and labels.
#[derive(Debug)]
pub enum ShelfRequest {
    /// Of a label.
    Label(LabelRequest),
    /// A markdown.
    Markdown(MarkdownRequest),
    /// Of an item.
    Stock(StockRequest),
}

/// An item is out of stock, or is not any more.
#[derive(Debug)]
pub struct StockRequest {
    /// Its code.
    pub item: String,
    /// Whether it is.
    pub is_out: bool,
    /// Who says so, as [`PersonName`] let it pass.
    pub by: String,
    /// Answered once it is in the journal.
    pub reply: Reply,
}

/// A markdown that the store manager has signed.
#[derive(Debug)]
pub struct MarkdownRequest {
    /// A `SignedBatch`.
    pub signed: Vec<u8>,
    /// Answered once it is in the journal: why it was refused, if it was.
    pub reply: oneshot::Sender<Result<Result<(), String>, RequestError>>,
}

/// What a person does with labels.
#[derive(Debug)]
pub struct LabelRequest {
    /// What.
    pub act: LabelAct,
    /// The label's tag id.
    pub label: String,
    /// Who, as [`PersonName`] let it pass.
    pub by: String,
    /// Answered once it is in the journal.
    pub reply: Reply,
}

/// What a person does with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelAct {
    /// Binds it to an item. A place or gateway that is not named stays what it is.
    Bind {
        /// Which item.
        item: String,
        /// Where it hangs.
        place: Option<String>,
        /// Id of the gateway it is behind; needed where the store has several and does not know the label.
        gateway: Option<String>,
    },
    /// Takes its item from it: it shows nothing.
    Unbind,
    /// Another takes over its item and place.
    SwapFor {
        /// The other's tag id.
        label: String,
    },
    /// Looks for it: it blinks.
    Find,
}

impl LabelAct {
    /// What the interface calls an act upon a label: `bind`, `unbind`, `swap`, `find`.
    ///
    /// # Errors
    /// [`RequestError::UnknownAct`], [`RequestError::BadRemark`].
    pub(super) fn of(name: &str, wish: &LabelWish) -> Result<Self, RequestError> {
        let text =
            |text: &Option<String>| text.as_deref().map(|text| plain(text, REMARK_CHARS_MAX)).transpose();
        Ok(match name {
            "bind" => Self::Bind {
                item: text(&wish.item)?.filter(|item| !item.is_empty()).ok_or(RequestError::BadRemark)?,
                place: text(&wish.place)?,
                gateway: text(&wish.gateway)?,
            },
            "unbind" => Self::Unbind,
            "swap" => Self::SwapFor { label: text(&wish.with)?.ok_or(RequestError::UnknownLabel)? },
            "find" => Self::Find,
            _ => return Err(RequestError::UnknownAct),
        })
    }
}

/// What a person says of a label, as it comes; what an act does not need stays away.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct LabelWish {
    pub(super) by: String,
    item: Option<String>,
    place: Option<String>,
    gateway: Option<String>,
    with: Option<String>,
}

impl Act {
    /// What the interface calls an act upon an alarm: `ack`, `shelve`, `unshelve`, `repair`, `repaired`.
    ///
    /// # Errors
    /// [`RequestError::UnknownAct`], [`RequestError::BadSpan`], [`RequestError::BadRemark`].
    pub(super) fn on_alarm(name: &str, alarm: u64, minutes: u32, remark: &str) -> Result<Self, RequestError> {
        Ok(match name {
            "ack" => Self::Acknowledge { alarm },
            "shelve" => Self::Shelve { alarm, minutes: span(minutes, SHELVE_MINUTES_MAX)? },
            "unshelve" => Self::Unshelve { alarm },
            "repair" => Self::Repair { alarm, reference: plain(remark, REMARK_CHARS_MAX)? },
            "repaired" => Self::Repaired { alarm },
            _ => return Err(RequestError::UnknownAct),
        })
    }

    /// What the interface calls an act upon a device: `maintenance`, `out-of-service`, `in-service`.
    ///
    /// # Errors
    /// [`RequestError::UnknownAct`], [`RequestError::BadSpan`].
    pub(super) fn on_device(name: &str, device: String, minutes: u32) -> Result<Self, RequestError> {
        Ok(match name {
            "maintenance" => Self::Maintain { device, minutes: span(minutes, MAINTENANCE_MINUTES_MAX)? },
            "out-of-service" => Self::RemoveFromService { device },
            "in-service" => Self::ReturnToService { device },
            _ => return Err(RequestError::UnknownAct),
        })
    }

    /// The check of the refrigeration by hand.
    ///
    /// # Errors
    /// [`RequestError::BadRemark`].
    pub(super) fn inspected(note: &str) -> Result<Self, RequestError> {
        Ok(Self::Inspected { note: plain(note, REMARK_CHARS_MAX)? })
    }
}

fn span(minutes: u32, max: u32) -> Result<u32, RequestError> {
    if (1..=max).contains(&minutes) { Ok(minutes) } else { Err(RequestError::BadSpan) }
}

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No open alarm has that number.
    #[error("no open alarm has that number; it may be over, look at the list of alarms")]
    UnknownAlarm,
    /// The alarm's state does not allow it: already acknowledged, shelved, out of service.
    #[error("the alarm's state does not allow it; somebody may have acknowledged or shelved it already")]
    NotNow,
    /// No device has that id.
    #[error("no device has that id; `storewarden check` lists them")]
    UnknownDevice,
    /// The store does not know the label, or no model of label has such an id.
    #[error(
        "no label of this store has that id; to bind a new one, copy the 8 to 16 hex digits printed on it, of which the first two name its model"
    )]
    UnknownLabel,
    /// No label shows that item.
    #[error("no label of this store shows that item; `storewarden label list` lists them")]
    UnknownItem,
    /// No gateway has that id.
    #[error("which gateway is it behind? `storewarden check` lists them")]
    UnknownGateway,
    /// There is nothing of that name to do.
    #[error("there is nothing of that name to do")]
    UnknownAct,
    /// The journal could not keep it, so it was not done.
    #[error("the journal could not keep it, so it was not done; check the disk")]
    NotKept,
    /// The name is empty, too long or has control characters.
    #[error("`by` must be a name of 1 to 40 characters")]
    BadName,
    /// The span is outside 1 to [`SHELVE_MINUTES_MAX`] or [`MAINTENANCE_MINUTES_MAX`].
    #[error("`minutes` must be 1 to 480 for a shelf, 1 to 1440 for maintenance")]
    BadSpan,
    /// The reference or note is too long or has control characters.
    #[error("a reference or note must have at most 200 characters, none of them invisible")]
    BadRemark,
    /// Too many requests are waiting.
    #[error("too many requests are waiting; try again in some seconds")]
    Busy,
    /// The task that owns the alarms has ended.
    #[error("the task that watches the store has stopped; restart storewarden")]
    Stopped,
    /// No answer came in time; whether it was done is not known.
    #[error("no answer within 5 s; look at the alarm to see whether it was done")]
    NoAnswer,
}

impl RequestError {
    /// As written in the JSON interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownAlarm => "unknown_alarm",
            Self::NotNow => "not_now",
            Self::NotKept => "not_kept",
            Self::BadName => "bad_name",
            Self::BadSpan => "bad_span",
            Self::BadRemark => "bad_remark",
            Self::UnknownDevice => "unknown_device",
            Self::UnknownLabel => "unknown_label",
            Self::UnknownItem => "unknown_item",
            Self::UnknownGateway => "unknown_gateway",
            Self::UnknownAct => "unknown_act",
            Self::Busy => "busy",
            Self::Stopped => "stopped",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// A name as it goes into the journal and to headquarters: 1 to 40 characters, trimmed, none of them
/// invisible or able to turn the writing round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonName(String);

impl PersonName {
    /// Checks what somebody typed.
    ///
    /// # Errors
    /// [`RequestError::BadName`].
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        match plain(text, NAME_CHARS_MAX) {
            Ok(name) if !name.is_empty() => Ok(Self(name)),
            _ => Err(RequestError::BadName),
        }
    }

    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// What somebody typed, trimmed, if it is not too long and nothing in it is invisible or able to turn the
/// writing round.
fn plain(text: &str, chars_max: usize) -> Result<String, RequestError> {
    let text = text.trim();
    let is_plain = !text.chars().any(|c| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    });
    if is_plain && text.chars().count() <= chars_max {
        Ok(text.to_owned())
    } else {
        Err(RequestError::BadRemark)
    }
}

/// Puts one request to the site and waits for its answer.
pub(super) async fn ask(
    requests: &mpsc::Sender<SiteRequest>,
    act: Act,
    by: &str,
) -> Result<(), RequestError> {
    let by = PersonName::parse(by)?.into_string();
    answered(requests, |reply| SiteRequest { act, by, reply }).await
}

/// Puts one request to whoever owns the labels and waits for its answer.
pub(super) async fn ask_of_label(
    requests: &mpsc::Sender<ShelfRequest>,
    label: String,
    act: LabelAct,
    by: &str,
) -> Result<(), RequestError> {
    let by = PersonName::parse(by)?.into_string();
    answered(requests, |reply| ShelfRequest::Label(LabelRequest { act, label, by, reply })).await
}

/// Tells whoever owns the labels that an item is out of stock, or is not any more.
pub(super) async fn ask_of_stock(
    requests: &mpsc::Sender<ShelfRequest>,
    item: String,
    is_out: bool,
    by: &str,
) -> Result<(), RequestError> {
    let by = PersonName::parse(by)?.into_string();
    answered(requests, |reply| ShelfRequest::Stock(StockRequest { item, is_out, by, reply })).await
}

/// Brings a signed markdown to whoever owns the prices, and waits for what becomes of it.
pub(super) async fn mark_down(
    requests: &mpsc::Sender<ShelfRequest>,
    signed: Vec<u8>,
) -> Result<Result<(), String>, RequestError> {
    answered(requests, |reply| ShelfRequest::Markdown(MarkdownRequest { signed, reply })).await
}

async fn answered<R, A>(
    requests: &mpsc::Sender<R>,
    request: impl FnOnce(oneshot::Sender<Result<A, RequestError>>) -> R,
) -> Result<A, RequestError> {
    let (reply, answer) = oneshot::channel();
    requests.try_send(request(reply)).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => RequestError::Busy,
        mpsc::error::TrySendError::Closed(_) => RequestError::Stopped,
    })?;
    match tokio::time::timeout(ANSWER_TIME_MAX, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_dropped)) => Err(RequestError::Stopped),
        Err(_elapsed) => Err(RequestError::NoAnswer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_nothing_invisible_passes() {
        assert_eq!(PersonName::parse(" 小李 ").map(PersonName::into_string), Ok("小李".to_owned()));
        assert!(PersonName::parse(&"名".repeat(40)).is_ok());
        for bad in ["", "   ", "a\nb", "a\u{202e}b", "\u{200b}", &"名".repeat(41)] {
            assert_eq!(PersonName::parse(bad), Err(RequestError::BadName), "{bad:?}");
        }
    }
}
