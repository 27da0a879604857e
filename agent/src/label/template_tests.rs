use super::*;
use storewarden_drivers::esl::estation::model::models;

const GOOD: &str = r#"
width = 100
height = 60
instead_of = { red = "black" }
element = [
  { kind = "text", field = "name", box = [0, 0, 100, 16], size = [16, 16] },
  { kind = "price", box = [0, 20, 100, 30], colour = "red" },
]
"#;

#[test]
fn every_model_has_a_template() {
    for model in models() {
        let (name, template) = Templates::shipped().of(model.into()).expect(&model.code);
        assert_eq!((template.width, template.height), (model.width, model.height), "{name}");
    }
}

#[test]
fn a_display_without_a_colour_shows_what_the_template_says() {
    let template = Template::parse(GOOD).expect("good");
    assert_eq!(template.colour(Colour::Red, Colours::BlackWhite), Colour::Black);
    assert_eq!(template.colour(Colour::Red, Colours::BlackWhiteRed), Colour::Red);
    assert_eq!(template.colour(Colour::White, Colours::BlackWhite), Colour::White);
    assert!(Colour::Yellow.is_of(Colours::Six) && !Colour::Yellow.is_of(Colours::BlackWhiteRed));
}

#[test]
fn every_fault_of_a_template_is_said() {
    let bars = |area| format!(r#"{{ kind = "ean13", box = {area}, size = [1, 1] }}, ]"#);
    for (from, to, says) in [
        ("\"name\"", "\"nom\"", "unknown variant `nom`"),
        ("size = [16, 16]", "size = [16, 16], wide = true", "unknown field `wide`"),
        (
            "[0, 20, 100, 30]",
            "[0, 31, 100, 30]",
            "element 2: the box [0, 31, 100, 30] is not inside 100 × 60",
        ),
        ("[0, 20, 100, 30]", "[0, 15, 100, 30]", "element 2: its box overlaps that of element 1"),
        ("[16, 16]", "[15, 16]", "size [15, 16] must rise from 16"),
        ("[16, 16]", "[18, 16]", "size [18, 16] must rise"),
        ("size = [16, 16] ", "", "a text has a size"),
        ("0, 100, 16]", "0, 100, 15]", "no room for a line of size 16"),
        ("field = \"name\"", "field = \"unit\"", "regular: nothing shows the name"),
        ("field = \"name\"", "field = \"name\", words = \"x\"", "either field or words"),
        ("field = \"name\"", "words = \"김\"", "the labels' font lacks `김` (U+AE40)"),
        ("\"price\"", "\"fill\"", "nothing shows the price"),
        ("\"red\" }", "\"red\", strike = true }", "belong to text"),
        ("\"red\" }", "\"yellow\" }", "not every display has yellow"),
        ("red = \"black\"", "red = \"yellow\"", "instead_of.red is yellow"),
        ("[0, 20, 100, 30]", "[0, 20, 100, 15]", "a text may be larger than the price"),
        ("\"red\" }", "\"red\", for = [\"promotion\"] }", "regular: nothing shows the price"),
        ("},\n]", &format!("}},\n{}", bars("[0, 50, 90, 10]")), "needs 113 × 22 pixels with its quiet zones"),
        ("},\n]", "},\n{ kind = \"qr\", box = [0, 50, 10, 10] } ]", "a QR code has words"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let fault = Template::parse(&text).expect_err(says);
        assert!(fault.contains(says), "{fault:?} should say {says:?}");
    }
}

#[test]
fn what_never_stands_together_may_overlap() {
    let price = r#"{ kind = "price", box = [0, 20, 100, 30], colour = "red" }"#;
    let two = |a: &str, b: &str| {
        let other = price.replace("100, 30", "90, 30").replace("\"red\"", b);
        GOOD.replace(price, &format!("{}, {other}", price.replace("\"red\"", a)))
    };
    assert!(Template::parse(&two("\"red\"", "\"red\"")).is_err());
    assert!(Template::parse(&two("\"red\", if = \"was\"", "\"red\", unless = \"was\"")).is_ok());
    assert!(Template::parse(&two("\"red\", if = \"was\"", "\"red\", unless = \"unit\"")).is_err());
}

#[test]
fn a_folder_stands_in_for_what_is_shipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = GOOD.replace("100\nheight = 60", "296\nheight = 128");
    std::fs::write(folder.path().join("ours.toml"), &own).expect("written");
    std::fs::write(folder.path().join("notes.txt"), "not a template").expect("written");
    let templates = Templates::with_folder(folder.path()).expect("good");
    let display = |width, height| Display { width, height, colours: Colours::Six, is_in_freezer: false };
    let (name, template) = templates.of(display(296, 128)).expect("ours");
    assert!(name.ends_with("ours.toml") && template.element.len() == 2, "{name}");
    assert_eq!(templates.of(display(250, 122)), Templates::shipped().of(display(250, 122)));

    std::fs::write(folder.path().join("bad.toml"), "width = 1").expect("written");
    let fault = Templates::with_folder(folder.path()).expect_err("bad");
    assert!(fault.name.ends_with("bad.toml") && fault.what.contains("height"), "{fault}");
    assert!(Templates::with_folder(&folder.path().join("none")).is_err());
}
