//! A 1-bit image, and its PNG.

use sha2::{Digest as _, Sha256};

/// SHA-256 of an image's PNG bytes: names the image.
pub type Digest = [u8; 32];

/// A black-and-white image. Bits are packed as in a 1-bit grey PNG: rows of whole bytes, leftmost
/// pixel first, 1 is white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: u16,
    height: u16,
    rows: Vec<u8>,
}

/// Bytes of a row.
fn stride(width: u16) -> usize {
    usize::from(width.div_ceil(8))
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Rect {
    /// The column right of it.
    pub fn right(self) -> i32 {
        self.x + self.w
    }
    /// The row below it.
    pub fn bottom(self) -> i32 {
        self.y + self.h
    }
}

impl Image {
    /// A white image of `width` × `height` pixels.
    pub fn white(width: u16, height: u16) -> Self {
        Self { width, height, rows: vec![0xFF; stride(width) * usize::from(height)] }
    }

    /// Width in pixels.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Byte and bit of a pixel, if it is inside.
    fn place(&self, x: i32, y: i32) -> Option<(usize, u8)> {
        let (x, y) = (u16::try_from(x).ok()?, u16::try_from(y).ok()?);
        (x < self.width && y < self.height)
            .then(|| (usize::from(y) * stride(self.width) + usize::from(x / 8), 0x80 >> (x % 8)))
    }

    /// Whether a pixel is black. Outside all is white.
    pub fn is_black(&self, x: i32, y: i32) -> bool {
        self.place(x, y).is_some_and(|(byte, bit)| self.rows[byte] & bit == 0)
    }

    /// Paints a pixel; outside nothing happens.
    pub fn set(&mut self, x: i32, y: i32, black: bool) {
        if let Some((byte, bit)) = self.place(x, y) {
            if black {
                self.rows[byte] &= !bit;
            } else {
                self.rows[byte] |= bit;
            }
        }
    }

    /// Paints a rectangle.
    pub fn fill(&mut self, area: Rect, black: bool) {
        for y in area.y..area.bottom() {
            for x in area.x..area.right() {
                self.set(x, y, black);
            }
        }
    }

    /// A 1-bit grey PNG. One build of the agent gives the same bytes for the same image: compression
    /// and filter are fixed, and nothing else is written. A build with another version of the
    /// compressor may give others, and then refreshes every label once.
    pub fn to_png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width.into(), self.height.into());
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder.set_deflate_compression(png::DeflateCompression::Level(6));
        encoder.set_filter(png::Filter::NoFilter);
        encoder
            .write_header()
            .and_then(|mut writer| {
                writer.write_image_data(&self.rows)?;
                writer.finish()
            })
            .expect("writing to memory does not fail, and the rows are as long as width and depth ask");
        bytes
    }

    /// Names the image: SHA-256 of `png`, the bytes of [`Self::to_png`].
    pub fn digest(png: &[u8]) -> Digest {
        Sha256::digest(png).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_png_holds_the_pixels() {
        let mut image = Image::white(11, 3);
        image.fill(Rect { x: 2, y: 1, w: 7, h: 1 }, true);
        image.set(5, 1, false);
        image.set(10, 2, true);
        image.set(11, 2, true);
        image.set(-1, 0, true);

        let png = image.to_png();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png.as_slice()));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().expect("a PNG");
        assert_eq!((reader.info().width, reader.info().height), (11, 3));
        assert_eq!(reader.info().bit_depth, png::BitDepth::One);
        let mut grey = vec![0; reader.output_buffer_size().expect("small")];
        reader.next_frame(&mut grey).expect("pixels");
        let rows: Vec<String> = grey
            .chunks(11)
            .map(|row| row.iter().map(|v| if *v == 0 { '#' } else { '.' }).collect())
            .collect();
        assert_eq!(rows, ["...........", "..###.###..", "..........#"]);
    }
}
