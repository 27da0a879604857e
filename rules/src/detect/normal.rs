//! Where the air usually is between defrosts.

use crate::cabinet::{Frame, Phase, Scene};
use crate::{Millis, Mono};

/// The usual range of the air between defrosts, °C.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// As cold as it usually gets.
    pub low: f32,
    /// As warm as it usually gets.
    pub high: f32,
}

impl Band {
    /// Its width, K, of which at least half a kelvin is noise.
    pub fn width(&self) -> f32 {
        (self.high - self.low).max(0.5)
    }
}

/// Blocks kept: a day.
const BLOCKS: usize = 24;
/// Length of a block.
const BLOCK: Millis = Millis::from_mins(60);
/// Blocks from which on an hour may be strange to the band. The band itself is said after the first hour:
/// the first defrost may come in the second.
const SETTLED: usize = 4;
/// Fewer known minutes make no block.
const KNOWN_MIN: f32 = 20.0;
/// A block further from the band than this many of its widths (and this many kelvin) is an event and
/// no habit, until as many of them have come in a row as make a day.
const STRANGE_WIDTHS: f32 = 1.0;
const STRANGE_K: f32 = 2.0;

/// Learns the [`Band`]: of each hour the coldest and the warmest frame; the band's low is the median of
/// the coldest over a day, its high the median of the warmest. A median, since a defrost every four hours
/// spoils one hour in four, and a rush of customers a few in a day. Once it is learnt only undisturbed
/// cooling counts; an hour far from the band counts only after a whole day of such hours (the set point
/// was changed). A choice of this project.
#[derive(Clone, Debug)]
pub struct Normal {
    /// Coldest and warmest of each block, 0.01 °C, oldest first.
    blocks: heapless::Deque<(i16, i16), BLOCKS>,
    begun: Mono,
    known_minutes: f32,
    coldest: f32,
    warmest: f32,
    /// Strange blocks in a row.
    strange: u8,
    band: Option<Band>,
}

impl Normal {
    /// How many numbers are learnt.
    pub const LEARNT: usize = 2;

    /// Nothing is learnt yet.
    pub fn new() -> Self {
        Self {
            blocks: heapless::Deque::new(),
            begun: Mono::NEVER,
            known_minutes: 0.0,
            coldest: f32::MAX,
            warmest: f32::MIN,
            strange: 0,
            band: None,
        }
    }

    /// To be called with every frame.
    pub fn frame(&mut self, frame: &Frame, scene: &Scene) {
        let begun = self.begun.get_or_insert(frame.at);
        let counts = match scene.phase {
            Phase::Cooling => true,
            Phase::Unknown => self.band.is_none(),
            _ => false,
        };
        if let Some(air) = frame.air.filter(|_| counts) {
            self.coldest = self.coldest.min(air);
            self.warmest = self.warmest.max(air);
            self.known_minutes += frame.minutes();
        }
        if frame.at - begun >= BLOCK {
            self.begun = frame.at;
            if core::mem::take(&mut self.known_minutes) >= KNOWN_MIN {
                self.close();
            }
            (self.coldest, self.warmest) = (f32::MAX, f32::MIN);
        }
    }

    fn close(&mut self) {
        if let Some(band) = self.band.filter(|_| self.blocks.len() >= SETTLED) {
            let reach = (STRANGE_WIDTHS * band.width()).max(STRANGE_K);
            let strange = self.warmest > band.high + reach || self.warmest < band.low - reach;
            if strange && usize::from(self.strange) < BLOCKS {
                self.strange += 1;
                return;
            }
            if !strange {
                self.strange = 0;
            }
        }
        if self.blocks.is_full() {
            self.blocks.pop_front();
        }
        let pushed = self.blocks.push_back((hundredths(self.coldest), hundredths(self.warmest)));
        debug_assert!(pushed.is_ok(), "room was made");
        let low = median(self.blocks.iter().map(|block| block.0));
        let high = median(self.blocks.iter().map(|block| block.1));
        self.band = low.zip(high).map(|(low, high)| Band { low, high });
    }

    /// The band, once learnt.
    pub fn band(&self) -> Option<Band> {
        self.band
    }

    /// By how much the air moved in the calmest hour of the last day, K; none before a day was seen.
    pub fn calmest(&self) -> Option<f32> {
        let hours = self.blocks.is_full().then_some(&self.blocks)?;
        hours.iter().map(|(coldest, warmest)| warmest - coldest).min().map(|hour| f32::from(hour) / 100.0)
    }

    /// What was learnt, [`Self::LEARNT`] numbers, NaN where unknown.
    pub fn learnt(&self, numbers: &mut [f32]) {
        if let (Some(band), [low, high]) = (self.band, numbers) {
            (*low, *high) = (band.low, band.high);
        }
    }

    /// Goes on from what was learnt.
    pub fn restore_learnt(&mut self, numbers: &[f32]) {
        if let [low, high] = *numbers
            && low <= high
        {
            self.band = Some(Band { low, high });
            for _ in 0..BLOCKS / 2 {
                let _ = self.blocks.push_back((hundredths(low), hundredths(high)));
            }
        }
    }
}

impl Default for Normal {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
fn hundredths(celsius: f32) -> i16 {
    libm::roundf((celsius * 100.0).clamp(-32_000.0, 32_000.0)) as i16
}

/// The middle one of up to a day's blocks, °C.
fn median(values: impl Iterator<Item = i16>) -> Option<f32> {
    let mut sorted: heapless::Vec<i16, BLOCKS> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map(|value| f32::from(*value) / 100.0)
}
