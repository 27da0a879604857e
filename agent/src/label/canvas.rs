//! An image of at most four colours, and its PNG.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use storewarden_drivers::esl::estation::model::Colours;

/// SHA-256 of an image's PNG bytes: names the image.
pub type Digest = [u8; 32];

/// A colour of electronic paper. There is no grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// What a display shows where nothing is drawn.
    White,
    /// Every display has it.
    Black,
    /// Of three colours and more.
    Red,
    /// Of four colours and more.
    Yellow,
}

impl Colour {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::White, Self::Black, Self::Red, Self::Yellow];

    /// Whether a display of these colours has it. Of six colours only these four are used.
    pub fn is_of(self, colours: Colours) -> bool {
        match self {
            Self::White | Self::Black => true,
            Self::Red => colours != Colours::BlackWhite,
            Self::Yellow => matches!(colours, Colours::BlackWhiteRedYellow | Colours::Six),
        }
    }

    /// As written in templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Black => "black",
            Self::Red => "red",
            Self::Yellow => "yellow",
        }
    }

    fn rgb(self) -> [u8; 3] {
        match self {
            Self::White => [0xFF; 3],
            Self::Black => [0; 3],
            Self::Red => [0xFF, 0, 0],
            Self::Yellow => [0xFF, 0xFF, 0],
        }
    }
}

/// An image, one colour a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: u16,
    height: u16,
    /// Row by row from the top, each from the left.
    pixels: Vec<Colour>,
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "[i32; 4]")]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width, pixels.
    pub w: i32,
    /// Height, pixels.
    pub h: i32,
}

impl From<[i32; 4]> for Rect {
    fn from([x, y, w, h]: [i32; 4]) -> Self {
        Self { x, y, w, h }
    }
}

impl Rect {
    /// The column right of it.
    pub fn right(self) -> i32 {
        self.x + self.w
    }

    /// The row below it.
    pub fn bottom(self) -> i32 {
        self.y + self.h
    }

    /// Whether a pixel is in both.
    pub fn meets(self, other: Self) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }
}

impl Image {
    /// A white image of `width` × `height` pixels.
    pub fn white(width: u16, height: u16) -> Self {
        Self { width, height, pixels: vec![Colour::White; usize::from(width) * usize::from(height)] }
    }

    /// Width in pixels.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// The colour of a pixel. Outside all is white.
    pub fn at(&self, x: i32, y: i32) -> Colour {
        match (u16::try_from(x), u16::try_from(y)) {
            (Ok(x), Ok(y)) if x < self.width && y < self.height => {
                self.pixels[usize::from(y) * usize::from(self.width) + usize::from(x)]
            }
            _ => Colour::White,
        }
    }

    /// Paints a rectangle; what is outside is left out.
    pub fn fill(&mut self, area: Rect, colour: Colour) {
        let inside = |value: i32, end: u16| usize::try_from(value.clamp(0, end.into())).unwrap_or(0);
        let (left, right) = (inside(area.x, self.width), inside(area.right(), self.width));
        for y in inside(area.y, self.height)..inside(area.bottom(), self.height) {
            let row = y * usize::from(self.width);
            if left < right {
                self.pixels[row + left..row + right].fill(colour);
            }
        }
    }

    /// Paints another image over this one, its upper left corner at `x`, `y`, with a black frame around it.
    pub fn frame(&mut self, image: &Self, x: i32, y: i32) {
        let (w, h) = (i32::from(image.width) + 2, i32::from(image.height) + 2);
        self.fill(Rect { x: x - 1, y: y - 1, w, h }, Colour::Black);
        for (row, colours) in (y..).zip(image.pixels.chunks(usize::from(image.width).max(1))) {
            for (column, colour) in (x..).zip(colours) {
                self.fill(Rect { x: column, y: row, w: 1, h: 1 }, *colour);
            }
        }
    }

    /// A PNG of 1 bit a pixel (grey) where only black and white are used, else of 2 bits (palette of white,
    /// black, red, yellow). One build of the agent gives the same bytes for the same image: compression and
    /// filter are fixed, and nothing else is written. A build with another version of the compressor may
    /// give others, and then refreshes every label once.
    pub fn to_png(&self) -> Vec<u8> {
        let is_coloured = self.pixels.iter().any(|colour| *colour > Colour::Black);
        let (bits, colour_type) = if is_coloured { (2, 3) } else { (1, 0) };
        let [width, height] = [self.width, self.height].map(|side| u32::from(side).to_be_bytes());
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        // Deflate, the one set of filters there is, not interlaced.
        chunk(&mut png, b"IHDR", &[&width[..], &height, &[bits, colour_type, 0, 0, 0]].concat());
        let rows = if is_coloured {
            chunk(&mut png, b"PLTE", &Colour::ALL.map(Colour::rgb).concat());
            self.packed(2, |colour| colour as u8)
        } else {
            self.packed(1, |colour| (colour == Colour::White).into())
        };
        chunk(&mut png, b"IDAT", &deflated(&rows));
        chunk(&mut png, b"IEND", &[]);
        png
    }

    /// Rows of whole bytes, `bits` a pixel, the leftmost in the highest bits; before each the 0 that says it
    /// is not filtered.
    fn packed(&self, bits: usize, value: impl Fn(Colour) -> u8) -> Vec<u8> {
        let per_byte = 8 / bits;
        let width = usize::from(self.width).max(1);
        let mut rows = Vec::with_capacity((width.div_ceil(per_byte) + 1) * usize::from(self.height));
        for row in self.pixels.chunks(width) {
            rows.push(0);
            rows.extend(row.chunks(per_byte).map(|pixels| {
                let missing = bits * (per_byte - pixels.len());
                pixels.iter().fold(0, |byte, colour| byte << bits | value(*colour)) << missing
            }));
        }
        rows
    }

    /// Names the image: SHA-256 of `png`, the bytes of [`Self::to_png`].
    pub fn digest(png: &[u8]) -> Digest {
        Sha256::digest(png).into()
    }
}

thread_local! {
    /// Its tables take 300 KB, and to make them anew for each image takes longer than to draw and pack it.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(6), true));
}

/// A zlib stream.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        // More than what cannot be compressed grows to.
        let mut stream = Vec::with_capacity(bytes.len() + bytes.len() / 8 + 128);
        let end = compressor.compress_vec(bytes, &mut stream, FlushCompress::Finish);
        assert!(matches!(end, Ok(Status::StreamEnd)), "there is room for the whole stream: {end:?}");
        stream
    })
}

/// Appends one chunk of a PNG: length, kind, data, CRC of kind and data.
fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("an image has less than 4 GB");
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    png.extend_from_slice(&length.to_be_bytes());
    png.extend_from_slice(kind);
    png.extend_from_slice(data);
    png.extend_from_slice(&crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels as another decoder sees them, and the depth.
    fn decoded(image: &Image) -> (Vec<String>, png::BitDepth) {
        let png = image.to_png();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png.as_slice()));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().expect("a PNG");
        let (width, depth) = (reader.info().width as usize, reader.info().bit_depth);
        let samples = reader.output_color_type().0.samples();
        let mut bytes = vec![0; reader.output_buffer_size().expect("small")];
        reader.next_frame(&mut bytes).expect("pixels");
        let letter = |pixel: &[u8]| match pixel {
            [0] | [0, 0, 0] => '#',
            [255] | [255, 255, 255] => '.',
            [255, 0, 0] => 'r',
            [255, 255, 0] => 'y',
            _ => '?',
        };
        let rows = bytes.chunks(width * samples).map(|row| row.chunks(samples).map(letter).collect());
        (rows.collect(), depth)
    }

    #[test]
    fn noise_is_packed_too() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut image = Image::white(800, 480);
        for (x, y) in (0..480).flat_map(|y| (0..800).map(move |x| (x, y))) {
            image.fill(Rect { x, y, w: 1, h: 1 }, Colour::ALL[random.usize(..4)]);
        }
        let letters = |y| (0..800).map(move |x| (x, y));
        let (rows, _) = decoded(&image);
        for (row, y) in rows.iter().zip(0..) {
            let expected: String =
                letters(y).map(|(x, y)| ['.', '#', 'r', 'y'][image.at(x, y) as usize]).collect();
            assert_eq!(*row, expected);
        }
    }

    #[test]
    fn the_png_holds_the_pixels() {
        let dot = |x, y| Rect { x, y, w: 1, h: 1 };
        let mut image = Image::white(11, 3);
        image.fill(Rect { x: 2, y: 1, w: 7, h: 1 }, Colour::Black);
        image.fill(dot(5, 1), Colour::White);
        for outside in [dot(10, 2), dot(11, 2), dot(-1, 0), Rect { x: 3, y: -2, w: -5, h: 9 }] {
            image.fill(outside, Colour::Black);
        }
        assert_eq!(
            decoded(&image),
            (["...........", "..###.###..", "..........#"].map(String::from).to_vec(), png::BitDepth::One)
        );

        image.fill(Rect { x: -1, y: 0, w: 3, h: 2 }, Colour::Red);
        image.fill(dot(10, 2), Colour::Yellow);
        assert_eq!(
            (image.at(1, 1), image.at(2, 1), image.at(11, 2)),
            (Colour::Red, Colour::Black, Colour::White)
        );
        assert_eq!(
            decoded(&image),
            (["rr.........", "rr###.###..", "..........y"].map(String::from).to_vec(), png::BitDepth::Two)
        );
    }
}
