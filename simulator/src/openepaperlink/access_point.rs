//! The access point as a state machine: requests in, answers and events out.
//!
//! As in the firmware, a file that was taken is made into an image some seconds later; an image whose MD5 is
//! that of the one the label is believed to show is dropped; what is left waits until the label asks for
//! news. All of what the access point knows of a label is believed, none of it is seen.

use super::{
    label::{Pixels, Truth},
    nature::{Incident, Nature},
};
use crate::estation::{Fact, Shown};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// A page of the table ends after so many bytes.
const PAGE_BYTES: usize = 5_000;
/// How often it says something of itself, ms.
const SYSTEM_EVERY_MS: u64 = 4_000;
/// Why a label woke up: by its timer, and because it started anew.
const BY_TIMER: u8 = 0;
const FIRST_BOOT: u8 = 0xFC;
/// Bytes of a wish to blink.
const PATTERN_BYTES: usize = 12;

/// A request, with its path and parameters taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// As `/get_db`.
    pub path: String,
    /// Parameters of the query or of the form. Of a form with a file: those before the file.
    pub parameters: BTreeMap<String, String>,
    /// The file, if there is one.
    pub file: Option<Vec<u8>>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// HTTP status and body.
    Answer(u16, Vec<u8>),
    /// The connection breaks.
    Break,
}

/// What happens beside the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Say this to all who listen on the WebSocket.
    Say(Value),
    /// Something happened to a label.
    Fact(Fact),
    /// All connections of the WebSocket end.
    HangUp,
}

/// One access point's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Ids of its labels, 16 hex digits in upper case.
    pub labels: Vec<String>,
    /// Pixels of its labels from left to right and from top to bottom.
    pub size: (u16, u16),
    /// How it behaves.
    pub nature: Nature,
    /// What happens to it, and when, real ms since the start; in this order.
    pub incidents: Vec<(u64, Incident)>,
}

#[derive(Debug)]
struct Waiting {
    hash: [u8; 8],
    /// None: a wish to blink.
    image: Option<Pixels>,
}

/// A label, and what the access point believes of it.
#[derive(Debug, Default)]
struct Label {
    truth: Truth,
    is_silent: bool,
    has_restarted: bool,
    next_checkin_ms: u64,
    /// Whether the access point's table has it; what follows is of the table.
    is_listed: bool,
    /// A file that no image was made of yet, and when one will be.
    file: Option<(u64, Vec<u8>)>,
    queue: VecDeque<Waiting>,
    /// The image made last, until it is fetched.
    made: Option<Vec<u8>>,
    hash: [u8; 8],
    updated_s: u64,
    updates: u32,
    seen_s: u64,
    wakeup: u8,
}

/// One access point. All times are ms since 1970, handed in; chance is decided by the seed alone.
#[derive(Debug)]
pub struct AccessPoint {
    config: Config,
    dice: fastrand::Rng,
    labels: BTreeMap<String, Label>,
    started_ms: u64,
    system_at_ms: u64,
    free_bytes: u64,
    is_busy: bool,
}

impl AccessPoint {
    /// An access point that has just started, and whose labels are in its table.
    pub fn new(config: Config, seed: u64, now_ms: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut label = || Label {
            is_listed: true,
            next_checkin_ms: now_ms + dice.u64(1..=config.nature.checkin_ms),
            ..Label::default()
        };
        Self {
            labels: config.labels.iter().map(|mac| (mac.clone(), label())).collect(),
            started_ms: now_ms,
            system_at_ms: now_ms,
            free_bytes: config.nature.free_bytes,
            is_busy: false,
            dice,
            config,
        }
    }

    /// What each label really shows now, by id.
    pub fn truth(&self) -> impl Iterator<Item = (&str, &Truth)> {
        self.labels.iter().map(|(mac, label)| (mac.as_str(), &label.truth))
    }

    /// When [`Self::tick`] has something to do.
    pub fn next_ms(&self) -> u64 {
        let labels = self.labels.values();
        let moments = labels
            .flat_map(|label| [Some(label.next_checkin_ms), label.file.as_ref().map(|(at_ms, _)| *at_ms)]);
        moments.flatten().chain([self.system_at_ms]).min().unwrap_or(self.system_at_ms)
    }

    /// Answers a request.
    pub fn request(&mut self, now_ms: u64, request: &Request) -> (Reply, Vec<Output>) {
        let mut out = self.tick(now_ms);
        let mac = request.parameters.get("mac").map(|mac| mac.to_ascii_uppercase());
        let mac = mac.as_deref();
        let reply = match request.path.as_str() {
            "/get_db" => ok(self.page(mac, request.parameters.get("pos")).to_string()),
            "/getdata" => match mac.and_then(|mac| self.listed(mac)?.made.clone()) {
                Some(image) => ok(image),
                None => answer(400, "No data available"),
            },
            "/imgupload" => self.upload(now_ms, mac, request.file.as_deref(), &mut out),
            "/tag_cmd" => self.command(mac, request.parameters.get("cmd"), &mut out),
            "/led_flash" => self.blink(mac, request.parameters.get("pattern"), &mut out),
            _ => answer(404, ""),
        };
        (reply, out)
    }

    fn listed(&mut self, mac: &str) -> Option<&mut Label> {
        self.labels.get_mut(mac).filter(|label| label.is_listed)
    }

    /// A page of the table: of one label, or from a place on.
    fn page(&self, mac: Option<&str>, place: Option<&String>) -> Value {
        // One byte, as in the firmware: a larger number begins anew.
        let place = place.and_then(|place| place.parse::<u64>().ok()).map_or(0, |place| place % 256);
        let mut page = json!({ "tags": [] });
        for (index, (other, label)) in (0_u64..).zip(&self.labels) {
            if !label.is_listed || mac.is_some_and(|mac| mac != other) || (mac.is_none() && index < place) {
                continue;
            }
            if let Some(tags) = page["tags"].as_array_mut() {
                tags.push(self.record(other, label));
            }
            if page.to_string().len() > PAGE_BYTES {
                page["continu"] = (index + 1).into();
                break;
            }
        }
        page
    }

    fn record(&self, mac: &str, label: &Label) -> Value {
        let hex: String = label.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "mac": mac,
            "hash": format!("{hex}{}", "0".repeat(16)),
            "lastseen": label.seen_s,
            "nextupdate": 3_216_153_600_u64,
            "nextcheckin": label.next_checkin_ms / 1000,
            "pending": label.queue.len(),
            "alias": "",
            "contentMode": 24,
            "LQI": 100,
            "RSSI": -61,
            "temperature": 21,
            "batteryMv": 2900,
            "hwType": 1,
            "wakeupReason": label.wakeup,
            "capabilities": 0,
            "modecfgjson": "",
            "isexternal": false,
            "apip": "0.0.0.0",
            "rotate": 0,
            "lut": 0,
            "invert": 0,
            "updatecount": label.updates,
            "updatelast": label.updated_s,
            "ch": 11,
            "ver": 39,
        })
    }

    fn say_record(&self, mac: &str, out: &mut Vec<Output>) {
        if let Some(label) = self.labels.get(mac).filter(|label| label.is_listed) {
            out.push(Output::Say(json!({ "tags": [self.record(mac, label)] })));
        }
    }

    fn upload(
        &mut self,
        now_ms: u64,
        mac: Option<&str>,
        file: Option<&[u8]>,
        out: &mut Vec<Output>,
    ) -> Reply {
        if self.is_busy || self.chance(|nature| nature.later) {
            return answer(409, "Come back later");
        }
        let Some(mac) = mac else { return answer(400, "parameters incomplete") };
        let is_mac = [12, 16].contains(&mac.len()) && mac.bytes().all(|byte| byte.is_ascii_hexdigit());
        // As in the firmware: an id that is none is nobody's concern, and neither is a form without a file.
        let (true, Some(file)) = (is_mac, file) else { return answer(200, "") };
        if self.chance(|nature| nature.empty) {
            return answer(200, "");
        }
        let breaks = self.chance(|nature| nature.broken);
        if breaks && self.dice.bool() {
            return Reply::Break;
        }
        let at_ms = now_ms + self.config.nature.prepare_ms;
        let Some(label) = self.labels.get_mut(mac).filter(|label| label.is_listed) else {
            return answer(400, "mac not found");
        };
        let size = file.len() as u64;
        if size <= self.free_bytes {
            label.file = Some((at_ms, file.to_vec()));
            self.free_bytes -= if self.config.nature.hoards { size } else { 0 };
        } else {
            out.push(log("Failed to open file for appending"));
        }
        if breaks { Reply::Break } else { answer(200, "Ok, saved") }
    }

    fn command(&mut self, mac: Option<&str>, command: Option<&String>, out: &mut Vec<Output>) -> Reply {
        let (Some(mac), Some(command)) = (mac, command) else { return answer(500, "param error") };
        let Some(label) = self.listed(mac) else { return answer(400, "Error: mac not found") };
        match command.as_str() {
            "clear" => {
                label.queue.clear();
                label.made = None;
            }
            // It makes the image anew of a file that it has thrown away.
            "refresh" => {
                (label.hash, label.made) = ([0; 8], None);
                out.push(log("Not found: /temp/label.jpg"));
            }
            _ => {}
        }
        self.say_record(mac, out);
        answer(200, "Ok, done")
    }

    fn blink(&mut self, mac: Option<&str>, pattern: Option<&String>, out: &mut Vec<Output>) -> Reply {
        let is_pattern = |pattern: &String| {
            pattern.len() == 2 * PATTERN_BYTES && pattern.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if pattern.is_some_and(|pattern| !is_pattern(pattern)) {
            return answer(400, "Error: expects 12 hex bytes in pattern");
        }
        let Some(mac) = mac else { return answer(400, "parameters are missing") };
        let Some(label) = self.listed(mac) else { return answer(400, "parameters are missing") };
        label.queue.push_back(Waiting { hash: [0; 8], image: None });
        self.say_record(mac, out);
        answer(200, "ok, request transmitted")
    }

    /// Something goes wrong.
    pub fn suffer(&mut self, now_ms: u64, incident: &Incident) -> Vec<Output> {
        let mut out = self.tick(now_ms);
        match incident {
            Incident::Restart | Incident::TableLost => {
                let is_listed = *incident == Incident::Restart;
                for label in self.labels.values_mut() {
                    let hash = if is_listed { label.hash } else { [0; 8] };
                    *label = Label {
                        truth: label.truth.clone(),
                        is_silent: label.is_silent,
                        has_restarted: label.has_restarted,
                        next_checkin_ms: label.next_checkin_ms,
                        updated_s: if is_listed { label.updated_s } else { 0 },
                        is_listed,
                        hash,
                        ..Label::default()
                    };
                }
                if is_listed {
                    self.started_ms = now_ms;
                    out.push(Output::Say(json!({ "errMsg": "REBOOTING" })));
                    out.push(Output::HangUp);
                }
            }
            Incident::Busy => self.is_busy = true,
            Incident::Idle => self.is_busy = false,
            Incident::Reset(mac) | Incident::Faded(mac) => {
                let Some(label) = self.labels.get_mut(mac) else { return out };
                label.truth.shown = None;
                label.truth.since_ms = now_ms;
                out.push(Output::Fact(Fact::Blank { ap: self.config.listen.clone(), label: mac.clone() }));
                if let Incident::Reset(_) = incident {
                    (label.has_restarted, label.next_checkin_ms) = (true, now_ms);
                    out.extend(self.tick(now_ms));
                }
            }
            Incident::Stranger(mac) => {
                let (width, height) = self.config.size;
                let colours = vec![0; usize::from(width) * usize::from(height)];
                let image = Pixels { width, height, colours };
                if let Some(label) = self.labels.get_mut(mac) {
                    make(label, image);
                }
                self.say_record(mac, &mut out);
            }
            Incident::Silent(mac) => {
                if let Some(label) = self.labels.get_mut(mac) {
                    label.is_silent = true;
                }
            }
            Incident::Audible(mac) => {
                if let Some(label) = self.labels.get_mut(mac) {
                    label.is_silent = false;
                }
            }
        }
        out
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Output> {
        let mut out = Vec::new();
        let macs: Vec<String> = self.labels.keys().cloned().collect();
        for mac in macs {
            self.prepare(now_ms, &mac, &mut out);
            while self.labels.get(&mac).is_some_and(|label| label.next_checkin_ms <= now_ms) {
                self.check_in(&mac, &mut out);
            }
        }
        if self.system_at_ms <= now_ms {
            self.system_at_ms = now_ms + SYSTEM_EVERY_MS;
            out.push(Output::Say(json!({ "sys": {
                "currtime": now_ms / 1000,
                "recordcount": self.labels.len(),
                "littlefsfree": self.free_bytes,
                "apstate": 1,
                "runstate": 2,
                "uptime": (now_ms - self.started_ms) / 1000,
            } })));
        }
        out
    }

    /// Makes an image of the file, once it is time.
    fn prepare(&mut self, now_ms: u64, mac: &str, out: &mut Vec<Output>) {
        let size = self.config.size;
        let Some(label) = self.labels.get_mut(mac) else { return };
        let Some((_, file)) = label.file.take_if(|(at_ms, _)| *at_ms <= now_ms) else { return };
        let image = Pixels::of_jpeg(&file).filter(|image| (image.width, image.height) == size);
        match image {
            None => out.push(log("jpg conversion error")),
            Some(image) if hash(&image) == label.hash => {
                out.push(Output::Say(
                    json!({ "logMsg": "new image is the same as current image. not updating tag." }),
                ));
            }
            Some(image) => make(label, image),
        }
        self.say_record(mac, out);
    }

    /// The label asks for news, and fetches what waits.
    fn check_in(&mut self, mac: &str, out: &mut Vec<Output>) {
        let unfetched = self.chance(|nature| nature.unfetched);
        let Some(label) = self.labels.get_mut(mac) else { return };
        let now_ms = label.next_checkin_ms;
        label.next_checkin_ms += self.config.nature.checkin_ms;
        if label.is_silent {
            return;
        }
        (label.is_listed, label.seen_s) = (true, now_ms / 1000);
        label.wakeup = BY_TIMER;
        if std::mem::take(&mut label.has_restarted) {
            label.wakeup = FIRST_BOOT;
            if label.queue.is_empty() {
                label.hash = [0; 8];
            }
        }
        if unfetched && label.queue.iter().any(|waiting| waiting.image.is_some()) {
            label.made = None;
            label.queue.clear();
            out.push(log("xfer timeout"));
        }
        for waiting in std::mem::take(&mut label.queue) {
            let Some(image) = waiting.image else {
                label.truth.blinks += 1;
                continue;
            };
            label.truth.shown = Some(image.digest());
            label.truth.since_ms = now_ms;
            label.truth.refreshes += 1;
            (label.hash, label.made) = (waiting.hash, None);
            label.updates += 1;
            (label.updated_s, label.wakeup) = (now_ms / 1000, BY_TIMER);
            if let Ok(png) = image.png() {
                let (ap, label) = (self.config.listen.clone(), mac.to_owned());
                out.push(Output::Fact(Fact::Shown(Shown { ap, label, png })));
            }
        }
        self.say_record(mac, out);
    }

    fn chance(&mut self, share: impl Fn(&Nature) -> f64) -> bool {
        let share = share(&self.config.nature);
        // Without a die where nothing can happen: a trap that is off moves no other.
        share > 0.0 && self.dice.f64() < share
    }
}

/// Puts an image into the label's queue.
fn make(label: &mut Label, image: Pixels) {
    label.made = Some(image.colours.clone());
    label.queue.push_back(Waiting { hash: hash(&image), image: Some(image) });
}

/// The first 8 bytes of the MD5 of an image.
fn hash(image: &Pixels) -> [u8; 8] {
    let digest = Md5::digest(&image.colours);
    std::array::from_fn(|index| digest[index])
}

fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Answer(200, body.into())
}

fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer(status, body.into())
}

fn log(text: &str) -> Output {
    Output::Say(json!({ "errMsg": text }))
}

#[cfg(test)]
mod tests;
