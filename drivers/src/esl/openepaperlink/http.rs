//! One request to the access point, and what its answer means.

use crate::esl::openepaperlink::exchange::{Answer, Request};
use crate::esl::openepaperlink::image;
use crate::esl::openepaperlink::record::{self, Hash, Record};
use md5::{Digest, Md5};
use std::time::Duration;
use ureq::Agent;
use ureq::http::StatusCode;

/// How long one request may take. An upload of 100 kB takes a second or two.
const REQUEST_MAX: Duration = Duration::from_secs(20);
/// Bytes of an answer that are read: more than a page of the table, or an image of the largest label.
const ANSWER_MAX: u64 = 1 << 20;
/// The access point counts the table's labels in one byte: it never comes to the 256th.
const TABLE_MAX: u16 = 255;
/// What it answers when it has kept a file. It answers 200 to what it did not understand, too.
const SAVED: &str = "Ok, saved";
/// How the lamp is lit, the first 10 of the access point's 12 bytes; how often follows, and a byte that is not
/// used. These are the bytes of its own "ledflash_long": three red flashes, and a pause.
const BLINK: &str = "11E43332000000000000";

/// One access point's HTTP side. Blocks.
#[derive(Clone, Debug)]
pub struct Http {
    agent: Agent,
    base: String,
}

/// An answer that is none.
enum Fault {
    Later,
    Refused(String),
    Broken(String),
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Later => Self::Later,
            Fault::Refused(why) => Self::Refused(why),
            Fault::Broken(why) => Self::Broken(why),
        }
    }
}

impl From<ureq::Error> for Fault {
    fn from(error: ureq::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Http {
    /// The access point at that address.
    pub fn new(host: &str, port: u16) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(REQUEST_MAX))
            .http_status_as_error(false)
            // It closes a connection as it likes: one that was kept may be gone.
            .max_idle_connections(0)
            .build();
        Self { agent: config.into(), base: format!("http://{host}:{port}") }
    }

    /// Asks, and waits for the answer.
    pub fn ask(&self, request: &Request) -> Answer {
        let answer = match request {
            Request::Table => self.table().map(Answer::Table),
            Request::Look(label) => self.look(label).map(Answer::Look),
            Request::Clear(label) => self.command(label, "clear"),
            Request::Forget(label) => self.command(label, "refresh"),
            Request::Upload(label, png) => self.upload(label, png),
            Request::Prepared(label) => self.prepared(label).map(Answer::Prepared),
            Request::Blink(label, times) => self.blink(label, *times),
        };
        answer.unwrap_or_else(Answer::from)
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<(StatusCode, Vec<u8>), Fault> {
        let request = self.agent.get(format!("{}{path}", self.base)).query_pairs(query.iter().copied());
        let mut response = request.call()?;
        let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec()?;
        Ok((response.status(), body))
    }

    fn page(&self, query: &[(&str, &str)]) -> Result<record::Page, Fault> {
        let (status, body) = self.get("/get_db", query)?;
        let text = good(status, &body)?;
        record::page(&text).map_err(|error| Fault::Broken(format!("its table makes no sense: {error}")))
    }

    fn table(&self) -> Result<Vec<Record>, Fault> {
        let (mut labels, mut place) = (Vec::new(), 0);
        loop {
            let page = self.page(&[("pos", &place.to_string())])?;
            labels.extend(page.labels);
            match page.next {
                Some(next) if next > place && next <= TABLE_MAX => place = next,
                _ => return Ok(labels),
            }
        }
    }

    fn look(&self, label: &str) -> Result<Option<Record>, Fault> {
        let page = self.page(&[("mac", label)])?;
        Ok(page.labels.into_iter().find(|record| record.label == label))
    }

    fn command(&self, label: &str, command: &str) -> Result<Answer, Fault> {
        let request = self.agent.post(format!("{}/tag_cmd", self.base));
        let mut response = request.send_form([("mac", label), ("cmd", command)])?;
        let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec()?;
        let text = good(response.status(), &body)?;
        if text.starts_with("Ok") { Ok(Answer::Done) } else { Err(refused(&text)) }
    }

    fn upload(&self, label: &str, png: &[u8]) -> Result<Answer, Fault> {
        let jpeg = image::jpeg(png).map_err(|error| Fault::Refused(error.to_string()))?;
        let (kind, form) = image::form(label, &jpeg);
        let request = self.agent.post(format!("{}/imgupload", self.base)).content_type(kind);
        let mut response = request.send(&form)?;
        let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec()?;
        let text = good(response.status(), &body)?;
        if text.trim() == SAVED { Ok(Answer::Done) } else { Err(refused(&text)) }
    }

    fn prepared(&self, label: &str) -> Result<Option<Hash>, Fault> {
        let (status, body) = self.get("/getdata", &[("mac", label)])?;
        // 400 and 404 both say that there is nothing.
        let hash = Md5::digest(&body);
        Ok((status == StatusCode::OK && !body.is_empty()).then(|| {
            let mut first = Hash::default();
            first.copy_from_slice(&hash[..8]);
            first
        }))
    }

    fn blink(&self, label: &str, times: u16) -> Result<Answer, Fault> {
        let times = u8::try_from(times).unwrap_or(u8::MAX);
        let pattern = format!("{BLINK}{times:02X}00");
        let (status, body) = self.get("/led_flash", &[("mac", label), ("pattern", &pattern)])?;
        let text = good(status, &body)?;
        if text.starts_with("ok") { Ok(Answer::Done) } else { Err(refused(&text)) }
    }
}

fn good(status: StatusCode, body: &[u8]) -> Result<String, Fault> {
    let text = String::from_utf8_lossy(body).into_owned();
    match status {
        StatusCode::OK => Ok(text),
        StatusCode::CONFLICT => Err(Fault::Later),
        status if status.is_client_error() => Err(refused(&text)),
        status => Err(Fault::Broken(format!("{status}: {}", text.trim()))),
    }
}

fn refused(text: &str) -> Fault {
    Fault::Refused(match text.trim() {
        "" => "the access point refuses without a word".to_owned(),
        text => format!("the access point says: {text}"),
    })
}
