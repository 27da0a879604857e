//! The image of a label.

use super::barcode;
use super::canvas::Image;
use super::place::{Fault, Mark, Shelf, place};
use super::template::{Display, Templates};

/// Draws `shelf` for a display. The same input gives the same pixels.
///
/// # Errors
/// Everything about the item that does not fit the display's template.
pub fn render(templates: &Templates, display: Display, shelf: &Shelf<'_>) -> Result<Image, Vec<Fault>> {
    let mut image = Image::white(display.width, display.height);
    for mark in marks(templates, display, shelf)? {
        match mark {
            Mark::Fill(area, colour) => image.fill(area, colour),
            Mark::Line { face, x, base, text, colour, weight } => {
                (x..x + weight).for_each(|x| face.draw(&mut image, x, base, &text, colour));
            }
            Mark::Bars(area, gtin, module) => barcode::draw(&mut image, area, &gtin, module),
            Mark::Qr(area, code, module) => code.draw(&mut image, area, module),
        }
    }
    Ok(image)
}

/// Whether `shelf` can be drawn for a display, without drawing it.
///
/// # Errors
/// As [`render`].
pub fn fits(templates: &Templates, display: Display, shelf: &Shelf<'_>) -> Result<(), Vec<Fault>> {
    marks(templates, display, shelf).map(drop)
}

fn marks(templates: &Templates, display: Display, shelf: &Shelf<'_>) -> Result<Vec<Mark>, Vec<Fault>> {
    let Some((name, template)) = templates.of(display) else {
        return Err(vec![Fault::Size { width: display.width, height: display.height }]);
    };
    place(name, template, display, shelf)
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
