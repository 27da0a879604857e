//! Text in the labels' one font, without grey.

use super::canvas::{Colour, Image, Rect};
use ab_glyph::{Font as _, FontRef, PxScale, point};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// See `fonts/README.md`.
static FONT: &[u8] = include_bytes!("../../fonts/ShelfSansSC.ttf");

/// Share of a pixel a glyph must cover to make it black. With the font's weight, half keeps the
/// strokes of Chinese at 16 pixels apart and whole; 0.45 closes the counters of dense characters.
const COVERED_MIN: f32 = 0.5;

/// Height of a digit or capital above the base line, in parts of the em.
const CAP_HEIGHT: f32 = 0.733;

/// Most drawn glyphs that are kept, some 300 bytes each. When there are more, all are forgotten.
const GLYPHS_MAX: usize = 8_192;

static PARSED: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::try_from_slice(FONT).expect("the built-in font is whole; a test reads it"));

/// Units of the font in an em.
static EM_UNITS: LazyLock<f32> =
    LazyLock::new(|| PARSED.units_per_em().expect("the built-in font is scalable; a test reads it"));

/// Step from pen to pen in units of the font, plus one, by code point; 0 for what the font lacks.
static ADVANCES: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let mut advances = vec![0; 0x1_0000];
    for (id, character) in PARSED.codepoint_ids().filter(|(_, character)| !character.is_control()) {
        if let Some(advance) = advances.get_mut(character as usize) {
            *advance = u16::try_from(whole(PARSED.h_advance_unscaled(id)) + 1).unwrap_or(0);
        }
    }
    advances
});

/// A run of a glyph's pixels: right and down from where the pen stands on the base line, and its length.
type Run = [i16; 3];

/// A glyph at one size.
type Glyph = Arc<[Run]>;

/// What was drawn before: a label has few characters that no other has.
static GLYPHS: LazyLock<Mutex<HashMap<(char, i32), Glyph>>> = LazyLock::new(Mutex::default);

/// Whether the font has a glyph for `character`.
pub fn can_show(character: char) -> bool {
    advance(character) != 0
}

fn advance(character: char) -> u16 {
    ADVANCES.get(character as usize).copied().unwrap_or(0)
}

/// The font at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    em: i32,
}

impl Face {
    /// Characters in a square of `em` × `em` pixels.
    pub fn new(em: i32) -> Self {
        Self { em }
    }

    /// The size it was made for.
    pub fn em(self) -> i32 {
        self.em
    }

    /// Height of digits, pixels.
    pub fn cap_height(self) -> i32 {
        whole(pixels(self.em) * CAP_HEIGHT)
    }

    /// Height of a line of text, pixels.
    pub fn line_height(self) -> i32 {
        self.em + self.em / 8
    }

    /// Steps from pen to pen are whole pixels, so that equal characters look equal.
    fn advance(self, character: char) -> i32 {
        whole(f32::from(advance(character).saturating_sub(1)) * pixels(self.em) / *EM_UNITS)
    }

    /// Width of `text` in one line, pixels.
    pub fn width(self, text: &str) -> i32 {
        text.chars().map(|c| self.advance(c)).sum()
    }

    /// Draws `text` from `x` on with its base line at `base`.
    pub fn draw(self, image: &mut Image, x: i32, base: i32, text: &str, colour: Colour) {
        let mut glyphs = GLYPHS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pen = x;
        for character in text.chars() {
            if glyphs.len() >= GLYPHS_MAX {
                glyphs.clear();
            }
            let glyph = glyphs.entry((character, self.em)).or_insert_with(|| self.glyph(character));
            for run in glyph.iter() {
                let [x, y, w] = run.map(i32::from);
                image.fill(Rect { x: pen + x, y: base + y, w, h: 1 }, colour);
            }
            pen += self.advance(character);
        }
    }

    fn glyph(self, character: char) -> Glyph {
        let font = &*PARSED;
        let scale = PxScale::from(pixels(self.em) * font.height_unscaled() / *EM_UNITS);
        let glyph = font.glyph_id(character).with_scale_and_position(scale, point(0.0, 0.0));
        let mut runs: Vec<Run> = Vec::new();
        if let Some(outline) = font.outline_glyph(glyph) {
            let bounds = outline.px_bounds();
            let (left, top) = (whole(bounds.min.x), whole(bounds.min.y));
            outline.draw(|dx, dy, coverage| {
                let x = i16::try_from(left.saturating_add_unsigned(dx));
                let y = i16::try_from(top.saturating_add_unsigned(dy));
                let (Ok(x), Ok(y), true) = (x, y, coverage >= COVERED_MIN) else { return };
                match runs.last_mut() {
                    Some(last) if last[1] == y && last[0] + last[2] == x => last[2] += 1,
                    _ => runs.push([x, y, 1]),
                }
            });
        }
        runs.into()
    }

    /// Base line that centres digits and capitals between `top` and `bottom`.
    pub fn base_for_digits(self, top: i32, bottom: i32) -> i32 {
        (top + bottom + self.cap_height()) / 2
    }

    /// Base line that centres Chinese between `top` and `bottom`: its square reaches from 0.12 em
    /// below the base line to 0.88 em above.
    pub fn base_for_chinese(self, top: i32, bottom: i32) -> i32 {
        (top + bottom + whole(0.76 * pixels(self.em))) / 2
    }
}

/// Lines of a text, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// At least one, unless the text is empty.
    pub lines: Vec<String>,
    /// Whether a word had to be broken.
    pub breaks_word: bool,
    /// Characters that stand, and that there were.
    pub kept: (usize, usize),
}

/// Breaks `text` into at most `lines_max` lines no wider than `width`; what does not fit is replaced
/// by an ellipsis. Chinese may break anywhere but before a closing mark; other text at spaces, and
/// inside a word only where the word alone is too wide.
pub fn break_lines(face: Face, text: &str, width: i32, lines_max: usize) -> Lines {
    let mut rest = text.trim();
    let all = rest.chars().count();
    let mut broken = Lines { lines: Vec::new(), breaks_word: false, kept: (all, all) };
    while !rest.is_empty() && broken.lines.len() < lines_max {
        if face.width(rest) <= width {
            broken.lines.push(rest.to_owned());
            return broken;
        }
        if broken.lines.len() + 1 == lines_max {
            let fits = fitting(face, rest, width - face.width("…"));
            let last = rest[..fits].trim_end();
            broken.kept.0 = all - rest.chars().count() + last.chars().count();
            broken.lines.push(format!("{last}…"));
            return broken;
        }
        let fits = fitting(face, rest, width);
        let breaks = || (1..=fits).rev().filter(|at| rest.is_char_boundary(*at) && can_break(rest, *at));
        // Where a reader would pause, if what follows fits the next line; else as late as may be.
        let pause = breaks().find(|at| is_pause(rest, *at));
        let at = pause.filter(|at| face.width(rest[*at..].trim_start()) <= width).or_else(|| breaks().next());
        broken.breaks_word |= at.is_none();
        let at = at.unwrap_or(fits);
        broken.lines.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start();
    }
    broken
}

/// Whether byte `at` follows a space or stands before a bracket.
fn is_pause(text: &str, at: usize) -> bool {
    text[..at].ends_with(' ') || text[at..].starts_with(['(', '（', '《', '「', '『'])
}

/// Bytes of the longest beginning of `text` that is no wider than `width`; at least one character.
fn fitting(face: Face, text: &str, width: i32) -> usize {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += face.advance(character);
        if used > width && at > 0 {
            return at;
        }
    }
    text.len()
}

/// Whether a line may end before byte `at`. Kana are broken as Chinese is, but not before a small one or the
/// long-vowel mark.
fn can_break(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back().unwrap_or(' ');
    let after = text[at..].chars().next().unwrap_or(' ');
    let is_latin = |c: char| c.is_alphanumeric() && u32::from(c) < 0x2E80 || "().,-%'".contains(c);
    !(is_latin(before) && is_latin(after)
        || "，。、）》」』！？：；…ーっッゃャゅュょョ々".contains(after)
        || "（《「『".contains(before))
}

#[expect(clippy::cast_precision_loss, reason = "sizes on a label are far below 2^24")]
fn pixels(value: i32) -> f32 {
    value as f32
}

#[expect(clippy::cast_possible_truncation, reason = "sizes on a label are far below 2^31")]
fn whole(value: f32) -> i32 {
    value.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_what_goods_are_called_and_says_what_it_lacks() {
        for character in "农夫山泉ＡaZ09¥€$£ーカフェオレ々’…（）×℃½é売値引鰹鯖 ".chars()
        {
            assert!(can_show(character), "{character}");
        }
        for character in ['\n', '\u{0}', '😀', '한', '㗎'] {
            assert!(!can_show(character), "{character}");
        }
    }

    #[test]
    fn lines_break_where_a_reader_would() {
        let face = Face::new(16);
        let lines = |text, width| break_lines(face, text, width, 2).lines;
        assert_eq!(lines("农夫山泉", 64), ["农夫山泉"]);
        assert_eq!(lines("农夫山泉矿泉水", 64), ["农夫山泉", "矿泉水"]);
        assert_eq!(lines("农夫山泉（瓶）", 80), ["农夫山泉", "（瓶）"]);
        assert_eq!(lines("可口可乐。好", 64), ["可口可", "乐。好"]);
        assert_eq!(lines("Cola Zero Sugar", 90), ["Cola Zero", "Sugar"]);
        assert_eq!(lines("农夫山泉饮用天然水矿泉水", 64), ["农夫山泉", "饮用天…"]);
        assert_eq!(lines("カフェオレ", 48), ["カフェ", "オレ"]);
        assert_eq!(lines("カフィーパ", 48), ["カフ", "ィーパ"]);
        assert_eq!(lines("カフェ ノンシュガー", 96), ["カフェ", "ノンシュガー"]);
        assert_eq!(lines("红烧牛肉面（大食桶）", 112), ["红烧牛肉面", "（大食桶）"]);
        assert_eq!(lines("牛肉面 经典大食桶家庭装大", 128), ["牛肉面 经典大食", "桶家庭装大"]);
        let long = break_lines(face, "Supercalifragilistic", 60, 2);
        assert!(long.breaks_word && long.kept.0 < 15 && long.kept.1 == 20, "{long:?}");
        for line in long.lines {
            assert!(face.width(&line) <= 60, "{line}");
        }
    }

    #[test]
    fn glyphs_stand_on_the_base_line() {
        let face = Face::new(40);
        let mut image = Image::white(40, 60);
        face.draw(&mut image, 5, 50, "1", Colour::Red);
        let rows: Vec<i32> = (0..60).filter(|y| (0..40).any(|x| image.at(x, *y) == Colour::Red)).collect();
        let (top, bottom) = (rows[0], rows[rows.len() - 1]);
        assert_eq!(bottom, 49, "the last row above the base line");
        assert!((50 - top - face.cap_height()).abs() <= 1, "{top}");
    }
}
