//! Label models, looked up by tag id.

use serde::Deserialize;
use std::sync::LazyLock;

/// What a label can show.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The first two hex digits of its tag ids, in upper case.
    pub code: String,
    /// Diagonal of the display.
    pub inch: f64,
    /// What colours it has.
    pub colours: Colours,
    /// Pixels from left to right.
    pub width: u16,
    /// Pixels from top to bottom.
    pub height: u16,
    /// Whether it may hang in a freezer.
    #[serde(default)]
    pub freezer_proof: bool,
}

/// The colours of a display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colours {
    /// Black and white.
    BlackWhite,
    /// With red.
    BlackWhiteRed,
    /// With red and yellow.
    BlackWhiteRedYellow,
    /// Six.
    Six,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Model>,
}

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../../../models/estation.toml"))
        .expect("a test parses the shipped table");
    file.model
});

/// All known models.
pub fn models() -> &'static [Model] {
    &MODELS
}

/// The model of a label; none if the tag id does not begin with a known code.
pub fn model_of(label: &str) -> Option<&'static Model> {
    let code = label.get(..2)?;
    MODELS.iter().find(|model| model.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_id_tells_its_model() {
        let freezer = model_of("54ab12cd3401").unwrap();
        assert_eq!((freezer.width, freezer.height, freezer.freezer_proof), (296, 128, true));
        assert_eq!(model_of("A00000000001").unwrap().colours, Colours::Six);
        assert_eq!(model_of("5b0000000001").unwrap().inch, 2.66);
        for unknown in ["", "5", "zz00", "é0", "FF0000000001"] {
            assert_eq!(model_of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_table_is_whole() {
        assert_eq!(models().len(), 23);
        for (index, model) in models().iter().enumerate() {
            assert!(model.width >= model.height && model.height > 0, "{}", model.code);
            assert!(u8::from_str_radix(&model.code, 16).is_ok(), "{}", model.code);
            assert!(models()[..index].iter().all(|other| other.code != model.code), "{}", model.code);
        }
    }
}
