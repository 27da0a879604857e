//! One label: what it shows, and the image that a JPEG file becomes on it.

use sha2::{Digest, Sha256};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::{colorspace::ColorSpace, options::DecoderOptions};

/// An image as a label has it: one byte for each pixel, from left to right and from top to bottom:
/// 0 black, 1 white, 2 red, 3 yellow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels from left to right.
    pub width: u16,
    /// Pixels from top to bottom.
    pub height: u16,
    /// Their colours.
    pub colours: Vec<u8>,
}

/// Red, green and blue of the colours of [`Pixels`].
pub const PALETTE: [[u8; 3]; 4] = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [255, 255, 0]];

impl Pixels {
    /// The image of a JPEG file, each pixel in the colour next to its own; none if it is no such file.
    pub fn of_jpeg(file: &[u8]) -> Option<Self> {
        let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(file, options);
        let bytes = decoder.decode().ok()?;
        let (width, height) = decoder.dimensions()?;
        let distance = |colour: &[u8; 3], pixel: &[u8]| -> u32 {
            colour.iter().zip(pixel).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
        };
        // A grey file has one number for each pixel.
        let components = bytes.len() / (width * height).max(1);
        let nearest = |pixel: &[u8]| {
            let pixel = if let [grey] = pixel { &[*grey; 3] } else { pixel };
            let colours = (0..).zip(&PALETTE);
            colours.min_by_key(|(_, colour)| distance(colour, pixel)).map_or(0, |(index, _)| index)
        };
        let side = |length: usize| u16::try_from(length).ok();
        let colours = bytes.chunks_exact(components.max(1)).map(nearest).collect();
        Some(Self { width: side(width)?, height: side(height)?, colours })
    }

    /// SHA-256 of the colours.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.colours).into()
    }

    /// The same image as a PNG file.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width.into(), self.height.into());
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(PALETTE.concat());
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.colours)?;
        writer.finish()?;
        Ok(bytes)
    }
}

/// What a label really shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// [`Pixels::digest`] of the image on the display; none if it shows nothing.
    pub shown: Option<[u8; 32]>,
    /// Since when, ms since 1970; 0 if it has always been so.
    pub since_ms: u64,
    /// How often the display was refreshed.
    pub refreshes: u32,
    /// How often the lamp was told to blink.
    pub blinks: u32,
}
