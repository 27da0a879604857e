//! Whether an image fits a label.

use storewarden_drivers::esl::estation::model::model_of;

/// Whether `image` is a PNG file of exactly the size of the label `tag`, whole to its end.
pub(super) fn fits(tag: &str, image: &[u8]) -> bool {
    let display = model_of(tag).map(|model| (u32::from(model.width), u32::from(model.height)));
    display.is_some() && display == png_size(image)
}

/// Width and height of a PNG file, pixels; none if it cannot be decoded to its end.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut pixels).ok()?;
    Some((frame.width, frame.height))
}
