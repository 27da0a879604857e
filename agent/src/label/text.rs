//! Text in the labels' one font, without grey.

use super::canvas::Image;
use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use std::sync::LazyLock;

/// See `fonts/README.md`.
static FONT: &[u8] = include_bytes!("../../fonts/ShelfSansSC.ttf");

/// Share of a pixel a glyph must cover to make it black. With the font's weight, half keeps the
/// strokes of Chinese at 16 pixels apart and whole; 0.45 closes the counters of dense characters.
const COVERED_MIN: f32 = 0.5;

/// Height of a digit or capital above the base line, in parts of the em.
const CAP_HEIGHT: f32 = 0.733;

static PARSED: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::try_from_slice(FONT).expect("the built-in font is whole; a test reads it"));

/// Whether the font has a glyph for `character`.
pub fn can_show(character: char) -> bool {
    !character.is_control() && PARSED.glyph_id(character).0 != 0
}

/// The font at one size.
pub struct Face {
    font: &'static FontRef<'static>,
    scale: PxScale,
    em: i32,
}

impl Face {
    /// Characters in a square of `em` × `em` pixels.
    pub fn new(em: i32) -> Self {
        let font = &*PARSED;
        let em_units = font.units_per_em().expect("the built-in font is scalable; a test reads it");
        let scale = PxScale::from(pixels(em) * font.height_unscaled() / em_units);
        Self { font, scale, em }
    }

    /// The size it was made for.
    pub fn em(&self) -> i32 {
        self.em
    }

    /// Height of digits, pixels.
    pub fn cap_height(&self) -> i32 {
        whole(pixels(self.em) * CAP_HEIGHT)
    }

    /// Steps from pen to pen are whole pixels, so that equal characters look equal.
    fn advance(&self, character: char) -> i32 {
        let scaled = self.font.as_scaled(self.scale);
        whole(scaled.h_advance(scaled.glyph_id(character)))
    }

    /// Width of `text` in one line, pixels.
    pub fn width(&self, text: &str) -> i32 {
        text.chars().map(|c| self.advance(c)).sum()
    }

    /// Draws `text` from `x` on with its base line at `base`, black or white.
    pub fn draw(&self, image: &mut Image, x: i32, base: i32, text: &str, black: bool) {
        let mut pen = x;
        for character in text.chars() {
            let glyph = self.font.glyph_id(character).with_scale_and_position(self.scale, point(0.0, 0.0));
            if let Some(outline) = self.font.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                let (left, top) = (pen + whole(bounds.min.x), base + whole(bounds.min.y));
                outline.draw(|dx, dy, coverage| {
                    if coverage >= COVERED_MIN {
                        image.set(left.saturating_add_unsigned(dx), top.saturating_add_unsigned(dy), black);
                    }
                });
            }
            pen += self.advance(character);
        }
    }

    /// Base line that centres digits and capitals between `top` and `bottom`.
    pub fn base_for_digits(&self, top: i32, bottom: i32) -> i32 {
        (top + bottom + self.cap_height()) / 2
    }

    /// Base line that centres Chinese between `top` and `bottom`: its square reaches from 0.12 em
    /// below the base line to 0.88 em above.
    pub fn base_for_chinese(&self, top: i32, bottom: i32) -> i32 {
        (top + bottom + whole(0.76 * pixels(self.em))) / 2
    }
}

/// Breaks `text` into at most `lines_max` lines no wider than `width`; what does not fit is replaced
/// by an ellipsis. Chinese may break anywhere but before a closing mark; other text at spaces, and
/// inside a word only where the word alone is too wide.
pub fn break_lines(face: &Face, text: &str, width: i32, lines_max: usize) -> Vec<String> {
    let mut rest = text.trim();
    let mut lines = Vec::new();
    while !rest.is_empty() && lines.len() < lines_max {
        if face.width(rest) <= width {
            lines.push(rest.to_owned());
            return lines;
        }
        let fits = fitting(face, rest, width);
        if lines.len() + 1 == lines_max {
            let fits = fitting(face, rest, width - face.width("…"));
            lines.push(format!("{}…", rest[..fits].trim_end()));
            return lines;
        }
        let at = break_before(rest, fits);
        lines.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start();
    }
    lines
}

/// Bytes of the longest beginning of `text` that is no wider than `width`; at least one character.
fn fitting(face: &Face, text: &str, width: i32) -> usize {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += face.advance(character);
        if used > width && at > 0 {
            return at;
        }
    }
    text.len()
}

/// The last place at or before byte `fits` where a line may end.
fn break_before(text: &str, fits: usize) -> usize {
    let can_break = |at: usize| {
        let before = text[..at].chars().next_back().unwrap_or(' ');
        let after = text[at..].chars().next().unwrap_or(' ');
        let is_latin = |c: char| c.is_alphanumeric() && u32::from(c) < 0x2E80 || "().,-%'".contains(c);
        !(is_latin(before) && is_latin(after)
            || "，。、）》」』！？：；…".contains(after)
            || "（《「『".contains(before))
    };
    (1..=fits).rev().filter(|at| text.is_char_boundary(*at)).find(|at| can_break(*at)).unwrap_or(fits)
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
        for character in "农夫山泉ＡaZ09¥€$£ーカフェオレ々’…（）×℃½é ".chars() {
            assert!(can_show(character), "{character}");
        }
        for character in ['\n', '\u{0}', '😀', '한', '㗎'] {
            assert!(!can_show(character), "{character}");
        }
    }

    #[test]
    fn lines_break_where_a_reader_would() {
        let face = Face::new(16);
        let lines = |text, width| break_lines(&face, text, width, 2);
        assert_eq!(lines("农夫山泉", 64), ["农夫山泉"]);
        assert_eq!(lines("农夫山泉矿泉水", 64), ["农夫山泉", "矿泉水"]);
        assert_eq!(lines("农夫山泉（瓶）", 80), ["农夫山泉", "（瓶）"]);
        assert_eq!(lines("可口可乐。好", 64), ["可口可", "乐。好"]);
        assert_eq!(lines("Cola Zero Sugar", 90), ["Cola Zero", "Sugar"]);
        assert_eq!(lines("农夫山泉饮用天然水矿泉水", 64), ["农夫山泉", "饮用天…"]);
        for line in lines("Supercalifragilistic", 60) {
            assert!(face.width(&line) <= 60, "{line}");
        }
    }

    #[test]
    fn glyphs_stand_on_the_base_line() {
        let face = Face::new(40);
        let mut image = Image::white(40, 60);
        face.draw(&mut image, 5, 50, "1", true);
        let rows: Vec<i32> = (0..60).filter(|y| (0..40).any(|x| image.is_black(x, *y))).collect();
        let (top, bottom) = (rows[0], rows[rows.len() - 1]);
        assert_eq!(bottom, 49, "the last row above the base line");
        assert!((50 - top - face.cap_height()).abs() <= 1, "{top}");
    }
}
