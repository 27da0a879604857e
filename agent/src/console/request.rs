//! What a person can ask of the site, and how the console asks it.

use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The longest an alarm may be shelved, minutes: one shift, so that whoever comes next hears of it.
pub const SHELVE_MINUTES_MAX: u32 = 480;

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 40;

/// How long the site may take to answer. It commits to the journal first, on the slowest of SD cards.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Where the site puts its answer.
pub type Reply = oneshot::Sender<Result<(), RequestError>>;

/// What a person asks of the task that owns the alarms.
#[derive(Debug)]
pub enum SiteRequest {
    /// Somebody has seen the alarm and takes care of it.
    Acknowledge {
        /// Number of the occurrence.
        alarm: u64,
        /// Who, as [`PersonName`] let it pass.
        by: String,
        /// Answered once it is in the journal.
        reply: Reply,
    },
    /// Somebody wants to hear nothing of it for some time.
    Shelve {
        /// Number of the occurrence.
        alarm: u64,
        /// Who, as [`PersonName`] let it pass.
        by: String,
        /// For how long, 1 to [`SHELVE_MINUTES_MAX`].
        minutes: u32,
        /// Answered once it is in the journal.
        reply: Reply,
    },
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
    /// The journal could not keep it, so it was not done.
    #[error("the journal could not keep it, so it was not done; check the disk")]
    NotKept,
    /// The name is empty, too long or has control characters.
    #[error("`by` must be a name of 1 to 40 characters")]
    BadName,
    /// The span is outside 1 to [`SHELVE_MINUTES_MAX`].
    #[error("`minutes` must be 1 to 480")]
    BadSpan,
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
        let name = text.trim();
        let is_short = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
        let is_plain = !name.chars().any(|c| {
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        });
        if is_short && is_plain { Ok(Self(name.to_owned())) } else { Err(RequestError::BadName) }
    }

    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Puts one request to the site and waits for its answer.
pub(super) async fn ask(
    requests: &mpsc::Sender<SiteRequest>,
    request: impl FnOnce(Reply) -> SiteRequest,
) -> Result<(), RequestError> {
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
