//! An image as the access point takes it: a JPEG file in a form.

use jpeg_encoder::{ColorType, Encoder, EncodingError, SamplingFactor};

/// Why an image cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It is not the PNG file that it should be.
    #[error("not a PNG file: {0}")]
    Png(#[from] png::DecodingError),
    /// No JPEG file can be made of it.
    #[error("no JPEG can be made of it: {0}")]
    Jpeg(#[from] EncodingError),
    /// Larger than any label.
    #[error("larger than 65535 pixels")]
    Size,
}

/// No loss that a label could show: every pixel stays next to the colour it had, as no label has greys.
const QUALITY: u8 = 100;

/// The image as a JPEG file, with colours at full resolution.
pub fn jpeg(png: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(ImageError::Size)?];
    let frame = reader.next_frame(&mut pixels)?;
    pixels.truncate(frame.buffer_size());
    // Always three colours: a small decoder may not know grey files.
    let pixels: Vec<u8> = match frame.color_type {
        png::ColorType::Grayscale => pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        png::ColorType::Rgb | png::ColorType::Indexed => pixels,
        png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect(),
    };
    let side = |length: u32| u16::try_from(length).map_err(|_| ImageError::Size);
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
    encoder.encode(&pixels, side(frame.width)?, side(frame.height)?, ColorType::Rgb)?;
    Ok(jpeg)
}

/// The form of `/imgupload`: its content type and its body. The label's id comes before the file, because
/// the access point looks for it when the file begins.
pub fn form(label: &str, jpeg: &[u8]) -> (String, Vec<u8>) {
    let boundary = boundary(jpeg);
    let mut body = Vec::with_capacity(jpeg.len() + 1024);
    // No dithering: the image has the label's colours already. Mode 24 is an image from outside.
    for (name, value) in [("mac", label), ("dither", "0"), ("contentmode", "24"), ("ttl", "0")] {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"label.jpg\"\r\n\
         Content-Type: image/jpeg\r\n\r\n"
    );
    body.extend(head.bytes());
    body.extend(jpeg);
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// A line that the file does not contain.
fn boundary(file: &[u8]) -> String {
    let candidates = (0_u64..).map(|number| format!("storewarden-{number}"));
    let is_free = |name: &String| file.windows(name.len()).all(|part| part != name.as_bytes());
    candidates.into_iter().find(is_free).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_not_in_the_file() {
        let (kind, body) = form("00000218CEDD3B10", b"--storewarden-0");
        assert_eq!(kind, "multipart/form-data; boundary=storewarden-1");
        assert!(
            body.starts_with(b"--storewarden-1\r\nContent-Disposition: form-data; name=\"mac\"\r\n\r\n0000")
        );
        assert!(body.ends_with(b"\r\n--storewarden-0\r\n--storewarden-1--\r\n"));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        assert!(matches!(jpeg(b"no image"), Err(ImageError::Png(_))));
    }
}
