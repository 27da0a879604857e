//! One label: its pages, its display, its key and its battery.

use super::{
    message::{Pattern, TagRecord, Task},
    model,
    nature::LabelNature,
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc};

/// Statuses of a result, as the vendor's demonstration names them.
pub(super) mod status {
    pub const GOOD: u8 = 0x00;
    pub const DISPLAY: u8 = 0x01;
    pub const RESET: u8 = 0x02;
    pub const REFRESH: u8 = 0x03;
    pub const WRONG_KEY: u8 = 0xF0;
    pub const DUPLICATE_TOKEN: u8 = 0xF1;
}

/// What a result says of a label that did not answer.
pub(super) const NO_ANSWER_DBM: i32 = -256;
/// Below it a label is silent.
const BATTERY_EMPTY_UV: u32 = 2_000_000;

/// SHA-256 of an image, as the PNG file that was sent.
pub type ImageDigest = [u8; 32];

/// What a label really shows and keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// The image on the display; none after a reset, or before the first.
    pub shown: Option<ImageDigest>,
    /// The page it is of.
    pub page: Option<u8>,
    /// Since when, ms since 1970; 0 if it has always been so.
    pub since_ms: u64,
    /// What is kept on pages.
    pub pages: BTreeMap<u8, ImageDigest>,
    /// How often the display was refreshed.
    pub refreshes: u32,
    /// How often the lamp was told to blink.
    pub blinks: u32,
}

#[derive(Debug)]
pub(super) struct Label {
    pub nature: LabelNature,
    pub truth: Truth,
    images: BTreeMap<u8, Arc<[u8]>>,
    battery_uv: u32,
    token: Option<u16>,
    pub is_silent: bool,
}

impl Label {
    pub fn new(nature: LabelNature) -> Self {
        Self {
            battery_uv: nature.battery_mv.saturating_mul(1000),
            nature,
            truth: Truth::default(),
            images: BTreeMap::new(),
            token: None,
            is_silent: false,
        }
    }

    /// Whether it hears the access point, and is heard.
    pub fn answers(&self) -> bool {
        !self.is_silent && self.nature.rf_dbm != NO_ANSWER_DBM && self.battery_uv >= BATTERY_EMPTY_UV
    }

    /// The image now on the display if it was refreshed, or the status of a refusal. A refresh takes
    /// `refresh_uv` from the battery.
    pub fn obey(&mut self, now_ms: u64, task: &Task, refresh_uv: u32) -> Result<Option<Arc<[u8]>>, u8> {
        if !self.nature.key.eq_ignore_ascii_case(&task.key) {
            return Err(status::WRONG_KEY);
        }
        if self.token.replace(task.token) == Some(task.token) {
            return Err(status::DUPLICATE_TOKEN);
        }
        match task.pattern {
            Pattern::Key => self.nature.key.clone_from(&task.new_key),
            Pattern::Led => self.truth.blinks += u32::from(task.times),
            Pattern::Display | Pattern::Store => {
                if !model::fits(&task.tag, &task.image) {
                    return Err(status::DISPLAY);
                }
                self.truth.pages.insert(task.page, Sha256::digest(&task.image).into());
                self.images.insert(task.page, Arc::from(task.image.as_slice()));
            }
            Pattern::Flip => {}
        }
        if !matches!(task.pattern, Pattern::Display | Pattern::Flip) {
            return Ok(None);
        }
        let image = self.images.get(&task.page).cloned().ok_or(status::REFRESH)?;
        self.show(now_ms, task.page);
        let is_cold = self.nature.temperature_c < 0;
        self.battery_uv = self.battery_uv.saturating_sub(refresh_uv * if is_cold { 3 } else { 1 });
        Ok(Some(image))
    }

    /// Somebody else's image, which is kept nowhere.
    pub fn intrude(&mut self, now_ms: u64, image: &[u8]) {
        self.truth.pages.insert(0, Sha256::digest(image).into());
        self.images.insert(0, Arc::from(image));
        self.show(now_ms, 0);
    }

    fn show(&mut self, now_ms: u64, page: u8) {
        self.truth.shown = self.truth.pages.get(&page).copied();
        self.truth.page = Some(page);
        self.truth.since_ms = now_ms;
        self.truth.refreshes += 1;
    }

    /// The controller starts anew. Its key is kept: it is burnt in.
    pub fn reset(&mut self, now_ms: u64) {
        self.images.clear();
        self.token = None;
        let Truth { refreshes, blinks, .. } = self.truth;
        self.truth = Truth { since_ms: now_ms, refreshes, blinks, ..Truth::default() };
    }

    /// What it says of itself: `status` about the task `token`.
    pub fn record(&self, now_ms: u64, token: u16, status: u8) -> TagRecord {
        let sag_uv = if self.nature.temperature_c < 0 { 200_000 } else { 0 };
        let battery = (self.battery_uv.saturating_sub(sag_uv) + 50_000) / 100_000;
        TagRecord {
            tag: self.nature.tag.clone(),
            rf_dbm: self.nature.rf_dbm,
            battery: u8::try_from(battery).unwrap_or(u8::MAX),
            status,
            token,
            temperature_c: self.nature.temperature_c,
            utc_s: now_ms / 1000,
            count: self.truth.refreshes,
        }
    }

    /// What the access point says of a label that did not answer.
    pub fn no_answer(now_ms: u64, tag: &str, token: u16) -> TagRecord {
        TagRecord {
            tag: tag.to_owned(),
            rf_dbm: NO_ANSWER_DBM,
            battery: 0,
            status: status::GOOD,
            token,
            temperature_c: 0,
            utc_s: now_ms / 1000,
            count: 0,
        }
    }
}
