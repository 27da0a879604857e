//! `storewarden profile`: check a profile's file, list the profiles there are, print the schema.

use crate::failure::Failure;
use crate::installer::profiles_of;
use clap::Subcommand;
use std::io::Write;
use std::path::{Path, PathBuf};
use storewarden_drivers::profile::{self, Origin, Profile, Wire};

/// What to do with profiles.
#[derive(Subcommand)]
pub enum ProfileCommand {
    /// Check files: faults, and what is worth a look. Exit code 2 if there is a fault.
    Check {
        /// Profiles, `ID.toml` each.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List the profiles that ship with the program, and those of a folder.
    List {
        /// The user's folder of profiles.
        #[arg(long)]
        folder: Option<PathBuf>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of a profile, for editors.
    Schema,
}

/// Does it.
pub fn run(command: &ProfileCommand) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match command {
        ProfileCommand::Check { files } => check(files, &mut out),
        ProfileCommand::List { folder, json } => list(folder.as_deref(), *json, &mut out),
        ProfileCommand::Schema => write!(out, "{}", profile::schema()).map_err(Failure::output),
    }
}

fn check(files: &[PathBuf], out: &mut impl Write) -> Result<(), Failure> {
    let mut faults = String::new();
    for path in files {
        let file = path.display().to_string();
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else {
            faults += &format!("{file}:1:1: error: the name is not UTF-8; rename it\n");
            continue;
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                faults += &format!("{file}:1:1: error: cannot be read: {error}\n");
                continue;
            }
        };
        match profile::lint(&file, id, &text) {
            Err(fault) => {
                faults += &format!("{file}:{}:{}: error: {}\n", fault.line, fault.column, fault.what);
            }
            Ok(warnings) => {
                for it in &warnings {
                    writeln!(out, "{file}:{}:{}: warning: {}", it.line, it.column, it.what)
                        .map_err(Failure::output)?;
                }
                let count = warnings.len();
                let s = if count == 1 { "" } else { "s" };
                writeln!(out, "{file}: ok, {count} warning{s}").map_err(Failure::output)?;
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Input(faults)) }
}

fn list(folder: Option<&Path>, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let profiles = profiles_of(folder)?;
    for profile in profiles.iter() {
        let origin = match profiles.origin(&profile.id) {
            Some(Origin::Folder) => "folder",
            Some(Origin::FolderInsteadOfBuiltIn) => "folder, instead of the shipped one",
            Some(Origin::BuiltIn) | None => "shipped",
        };
        let line = if json { json_line(profile, origin) } else { text_lines(profile, origin) };
        writeln!(out, "{line}").map_err(Failure::output)?;
    }
    Ok(())
}

fn json_line(profile: &Profile, origin: &str) -> String {
    let classes: Vec<_> = profile.classes.iter().map(|class| class.name()).collect();
    let points: Vec<_> = profile.points.iter().map(|point| &point.name).collect();
    let writable: Vec<_> =
        profile.points.iter().filter(|point| point.accepts.is_some()).map(|point| &point.name).collect();
    serde_json::json!({
        "id": profile.id, "maker": profile.maker, "model": profile.model, "classes": classes,
        "wire": wire(profile), "points": points, "writable": writable, "verified": profile.verified,
        "origin": origin, "source": profile.source, "note": profile.note,
    })
    .to_string()
}

fn text_lines(profile: &Profile, origin: &str) -> String {
    let classes: Vec<_> = profile.classes.iter().map(|class| class.name()).collect();
    let points: Vec<_> = profile
        .points
        .iter()
        .map(|point| if point.accepts.is_some() { format!("{}*", point.name) } else { point.name.clone() })
        .collect();
    let verified = if profile.verified { "verified on hardware" } else { "not verified on hardware" };
    let mut text = format!(
        "{}: {} {} ({}, {}, {verified}, {origin})\n  points (* writable): {}\n  source: {}",
        profile.id,
        profile.maker,
        profile.model,
        classes.join(" or "),
        wire(profile),
        points.join(" "),
        profile.source
    );
    if !profile.note.is_empty() {
        text += &format!("\n  note: {}", profile.note);
    }
    text
}

fn wire(profile: &Profile) -> &'static str {
    match profile.wire {
        Wire::Modbus(_) => "Modbus",
        Wire::Mqtt(_) => "MQTT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(outcome: Result<(), Failure>, out: &[u8]) -> String {
        let text = String::from_utf8_lossy(out);
        match outcome {
            Ok(()) => text.into_owned(),
            Err(Failure::Input(faults)) => format!("{text}{faults}"),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_with_a_fault_is_told_by_line_and_a_good_one_by_its_warnings() {
        let folder = tempfile::tempdir().expect("a folder");
        let good = folder.path().join("good.toml");
        let bad = folder.path().join("bad.toml");
        let text = "maker='x'\nmodel='x'\nclasses=['freezer']\nsource='x'\nverified=false\n[modbus]\n\
                    [[point]]\nname='air_temperature'\nfunction=3\naddress=1\nkind='s16'\nunit='°C'\n";
        std::fs::write(&good, text).expect("written");
        std::fs::write(&bad, text.replace("°C", "F")).expect("written");
        let mut out = Vec::new();
        let outcome = check(&[good.clone(), bad.clone(), folder.path().join("none.toml")], &mut out);
        assert!(matches!(outcome, Err(Failure::Input(_))));
        let said = said(outcome, &out);
        assert!(
            said.contains("good.toml:7:1: warning: point `air_temperature`: a temperature without `range`")
        );
        assert!(said.contains("good.toml: ok, 2 warnings"), "{said}");
        assert!(said.contains("bad.toml:7:1: error: point `air_temperature`: unknown unit `F`"), "{said}");
        assert!(said.contains("none.toml:1:1: error: cannot be read"), "{said}");
    }

    #[test]
    fn the_list_says_of_each_profile_where_it_comes_from() {
        let mut out = Vec::new();
        list(None, true, &mut out).expect("listed");
        let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&out)
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert!(lines.len() >= 25, "{}", lines.len());
        assert!(lines.iter().all(|line| line["verified"] == false && line["origin"] == "shipped"));
        assert!(lines.iter().all(|line| line["source"].as_str().is_some_and(|source| source.len() > 10)));
        let mut out = Vec::new();
        list(None, false, &mut out).expect("listed");
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(
            text.contains("waveshare-relay-8: Waveshare Modbus RTU Relay (8 channels) (light, Modbus, not")
        );
        assert!(text.contains("relay_1* relay_2*"), "{text}");
    }
}
