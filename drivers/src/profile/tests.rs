//! What every profile keeps to, the shipped ones and those of a folder.

use super::*;
use proptest::prelude::*;
use std::path::Path;

#[test]
fn every_shipped_profile_parses_and_says_where_it_comes_from() {
    for id in built_in_ids() {
        let profile = built_in(id).expect("listed");
        assert_eq!(profile.id, id);
        assert!(!profile.source.is_empty() && !profile.classes.is_empty(), "{id}");
        assert!(!profile.verified, "{id}: nothing was tried on hardware yet");
    }
}

#[test]
fn what_cannot_be_is_no_value() {
    let point = built_in("danfoss-ekc-202d").expect("shipped").points[0].clone();
    assert_eq!(point.plausible(Sample::Good(80.1)), Sample::Bad(BadReason::OutOfRange));
    assert_eq!(point.plausible(Sample::Good(80.0)), Sample::Good(80.0));
    assert_eq!(point.plausible(Sample::Bad(BadReason::Garbled)), Sample::Bad(BadReason::Garbled));
}

#[test]
fn what_is_kept_keeps_its_multipliers_and_its_place() {
    let point = |name: &str, address: u16, more: &str| {
        format!("[[point]]\nname='{name}'\nfunction=3\naddress={address}\nkind='u16'\nunit='1'\n{more}")
    };
    let text = format!(
        "maker='x'\nmodel='x'\nclasses=['chiller']\nsource='x'\nverified=false\n[modbus]\n{}{}{}{}{}",
        point("a", 0, ""),
        point("pt", 1, ""),
        point("ct", 2, ""),
        point("energy", 3, "scale_by=['pt', 'ct']\n"),
        point("air_temperature", 9, "").replace("'1'", "'°C'"),
    );
    let mut profile = Profile::parse("x", &text).expect("a profile");
    profile.keep(|name| name == "energy");
    let names: Vec<_> = profile.points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!(names, ["pt", "ct", "energy"]);
    let registers = &profile.modbus().expect("Modbus").registers;
    assert_eq!((registers.len(), registers[2].address, &registers[2].scale_by[..]), (3, 3, &[0, 1][..]));
}

/// A meter with the points of its class on lines 7 and 13, and `more` from line 19 on.
fn meter(more: &str) -> String {
    format!(
        "maker='x'\nmodel='x'\nclasses=['meter']\nsource='x'\nverified=false\n[modbus]\n\
         [[point]]\nname='power_total'\nfunction=3\naddress=0\nkind='u16'\nunit='W'\n\
         [[point]]\nname='energy_total'\nfunction=3\naddress=1\nkind='u16'\nunit='kWh'\n{more}"
    )
}

#[test]
fn faults_are_named_with_place_and_what_to_write_instead() {
    let point = "[[point]]\nname='p'\nfunction=3\naddress=9\nkind='u16'\nunit='W'\n";
    let cases = [
        (meter("").replace("[modbus]", "[modbus]\ngap=3"), 7, "unknown field `gap`"),
        (meter("").replace("[modbus]", "[modbus]\nunits=[9, 3]"), 6, "within 0 to 255"),
        (meter(&point.replace("function=3", "function=6")), 19, "does not read"),
        (meter(&point.replace("'W'", "'watts'")), 19, "write one of °C, W"),
        (meter(&point.replace("'u16'", "'bool'")), 19, "functions 1 and 2"),
        (meter(&point.replace("'u16'", "'u64'").replace("=9", "=65533")), 19, "beyond address"),
        (
            meter(&format!("{point}scale_by=['q']\n{}scale_by=['p']\n", point.replace("'p'", "'q'"))),
            19,
            "which has a `scale_by` itself",
        ),
        (meter(&format!("{point}{point}")), 25, "named twice"),
        (meter(&format!("{point}range=[5, 1]\n")), 19, "[lowest, highest]"),
        (meter(&format!("{point}write={{function=5, range=[0, 1]}}\n")), 19, "cannot reach it"),
        (meter(&format!("{point}alarm='general'\n")), 19, "write unit = \"flag\""),
        (meter(&format!("{point}alarm='loud'\n")), 25, "unknown variant `loud`"),
        (meter(&point.replace("'W'", "'code'\nstates={'1'='asleep'}")), 19, "unknown state `asleep`"),
        (meter(&point.replace("'p'", "'voltage_2'")), 19, "write unit = \"V\""),
        (meter("").replace("['meter']", "['metre']"), 3, "unknown class `metre`"),
        (meter("").replace("['meter']", "[]"), 3, "`classes` is empty"),
        (meter("").replace("['meter']", "['meter', 'freezer']"), 3, "needs a point `air_temperature` in °C"),
        (meter("").replace("energy_total", "energy"), 3, "a point `energy_import` or `energy_total` in kWh"),
        (meter("").replace("['meter']", "['light']"), 3, "a writable point `relay_N` in flag"),
        (meter("").split("[[").next().unwrap_or_default().to_owned(), 1, "no [[point]]"),
    ];
    for (text, line, expected) in cases {
        let error = Profile::parse("x", &text).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error} should say {expected:?}");
        assert_eq!((error.file.as_str(), error.line), ("x.toml", line), "{error}");
    }
    Profile::parse("x", &meter(point)).expect("a profile");
}

#[test]
fn the_list_of_shipped_profiles_is_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of this crate")
        .filter_map(|entry| entry.expect("readable").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    files.sort();
    assert_eq!(built_in_ids().collect::<Vec<_>>(), files);
    assert_eq!(Profiles::built_in().ids().collect::<Vec<_>>(), files);
}

#[test]
fn shipped_profiles_have_only_the_warnings_that_nobody_can_answer() {
    let unknown = ["a temperature without `unavailable`", "a code without `states`"];
    for (id, text) in BUILT_IN {
        for warning in lint(id, id, text).expect("a profile") {
            assert!(unknown.iter().any(|known| warning.what.contains(known)), "{warning}");
        }
    }
}

#[test]
fn lint_names_what_is_worth_a_look() {
    let text = meter(
        "[[point]]\nname='boost'\nfunction=3\naddress=0\nkind='s16'\nunit='1'\n\
         [[point]]\nname='smoke_alarm'\nfunction=1\naddress=0\nkind='bool'\nunit='flag'\n\
         [[point]]\nname='room_temperature'\nfunction=4\naddress=0\nkind='s16'\nunit='°C'\n",
    )
    .replace("[modbus]", "[modbus]\ngap_max=4");
    let said: Vec<_> =
        lint("my.toml", "my", &text).expect("a profile").iter().map(ToString::to_string).collect();
    for expected in [
        "my.toml:1:1: `gap_max` is above 0",
        "my.toml:20:1: point `boost`: a plain number",
        "my.toml:20:1: point `boost`: has no name for people",
        "my.toml:20:1: point `boost`: shares registers with `power_total`",
        "my.toml:26:1: point `smoke_alarm`: sounds like an alarm",
        "my.toml:32:1: point `room_temperature`: a temperature without `range`",
        "my.toml:32:1: point `room_temperature`: a temperature without `unavailable`",
    ] {
        assert!(said.iter().any(|line| line.starts_with(expected)), "{expected} is missing in {said:#?}");
    }
    assert_eq!(said.len(), 8, "{said:#?}");
}

#[test]
fn a_users_file_goes_before_a_shipped_one_and_every_fault_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("mine.toml", &meter(""));
    write("eastron-sdm630.toml", &meter("").replace("model='x'", "model='changed'"));
    write("notes.txt", "not a profile");
    let profiles = Profiles::with_folder(folder.path()).expect("good profiles");
    assert_eq!(profiles.origin("mine"), Some(Origin::Folder));
    assert_eq!(profiles.origin("eastron-sdm630"), Some(Origin::FolderInsteadOfBuiltIn));
    assert_eq!(profiles.get("eastron-sdm630").expect("there").model, "changed");
    assert_eq!(profiles.origin("carel-ir33"), Some(Origin::BuiltIn));
    assert_eq!(profiles.ids().count(), BUILT_IN.len() + 1);

    write("a.toml", "maker = ");
    write("b.toml", &meter("").replace("'W'", "'kW'"));
    let faults = Profiles::with_folder(folder.path()).expect_err("two bad files").to_string();
    assert!(faults.contains("a.toml:1:"), "{faults}");
    assert!(faults.contains("b.toml:7:1: point `power_total`: unknown unit `kW`"), "{faults}");
    assert_eq!(faults.lines().count(), 2);
    let missing = Profiles::with_folder(&folder.path().join("none")).expect_err("no such folder");
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
}

#[test]
fn the_committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/profile.schema.json");
    // As values: in which order the keys are printed hangs on what else is built.
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let committed = value(&std::fs::read_to_string(path).expect("committed"));
    assert!(
        committed == value(&schema()),
        "write it anew: storewarden profile schema > drivers/profiles/profile.schema.json"
    );
}

proptest! {
    /// Whatever somebody does to a shipped profile, reading it ends in a profile or a fault that is
    /// inside the text.
    #[test]
    fn no_text_makes_the_reader_panic(
        which in 0..BUILT_IN.len(),
        at in any::<prop::sample::Index>(),
        cut in 0_usize..40,
        put in "\\PC{0,12}|[-0-9.eE]{1,20}|\\[\\[point\\]\\]\n|[a-z_]{1,12} = [0-9]{1,6}\n",
    ) {
        let text: Vec<char> = BUILT_IN[which].1.chars().collect();
        let at = at.index(text.len());
        let mut changed: String = text[..at].iter().collect();
        changed.push_str(&put);
        changed.extend(&text[(at + cut).min(text.len())..]);
        if let Err(fault) = Profile::parse("x", &changed) {
            prop_assert!(fault.line <= changed.matches('\n').count() + 1);
            prop_assert!(!fault.what.is_empty());
        }
    }

    /// Nor any text at all.
    #[test]
    fn nor_does_any_other_text(text in "\\PC{0,200}") {
        let _ = Profile::parse("x", &text);
    }
}
