//! The rig for a few tens of seconds: agent, headquarters, broker and database are killed, stopped, cut off and
//! left without room, and every alarm is at headquarters once, in order, and true; and labels show what was signed.
//!
//! `STOREWARDEN_SEED` runs another plan; docs/chaos.md tells of longer runs. Full disks need root.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Minutes of faults.
const MINUTES: &str = "0.4";

/// The seed has a full disk on either side, a read-only one, a change of summer time
/// and a line that delivers twice; prices by two wrong keys, of another store, and tampered with.
#[test]
fn nothing_is_lost_doubled_out_of_order_wrong_or_unauthorised() {
    let kinds = ["summer_time_begins", "kill_agent_read_only_disk", "line_twice", "kill_shelf_broker"];
    let forged = ["price_by_wrong_key", "price_by_unknown_key", "price_of_other_store", "price_tampered"];
    let outcome = judge("37", &["--database", "sqlite", "--labels", "40"], &[kinds, forged].concat());
    if std::env::var("STOREWARDEN_SEED").is_ok() {
        return;
    }
    // Else the zeros would say nothing.
    for (what, least) in [("ordered", 41), ("shown", 41), ("confirmed", 41), ("refused", 1)] {
        assert!(outcome["prices"][what].as_u64().unwrap() >= least, "{what}: {outcome}");
    }
}

/// The seed kills the server four times and each of the two workers, and fills the server's disk.
#[test]
fn nor_with_two_workers_and_a_database_server_that_dies() {
    judge(
        "102",
        &["--database", "postgres"],
        &["kill_database", "kill_headquarters", "kill_second_headquarters"],
    );
}

fn judge(seed: &str, rest: &[&str], kinds: &[&str]) -> Value {
    let other = std::env::var("STOREWARDEN_SEED").ok();
    let seed = other.as_deref().unwrap_or(seed);
    let (is_clean, outcome, said) = chaos(seed, rest);
    for what in ["lost", "doubled", "out_of_order", "wrong", "unauthorised"] {
        assert_eq!(outcome[what], 0, "{what}: {outcome} {said}");
    }
    assert!(is_clean, "{said}");
    // Else the zeros would say nothing.
    for what in ["/kills", "/raised", "/at_hq", "/excursions_due", "/telemetry/at_hq", "/telemetry/readings"]
    {
        assert!(outcome.pointer(what).unwrap().as_u64().unwrap() >= 5, "{what}: {outcome}");
    }
    assert!(outcome["lights"]["due"].as_u64().unwrap() > 0, "{outcome}");
    for kind in kinds {
        assert!(other.is_some() || outcome["faults"][kind].as_u64() > Some(0), "{kind}: {outcome}");
    }
    assert_eq!(outcome["raised"], outcome["at_hq"]);
    assert_eq!(outcome["seed"].to_string(), seed);
    outcome
}

/// A store that forgets a message as soon as the broker has it loses what the broker forgets in turn,
/// as docs/configuration.md says. A rig that did not see this would see nothing.
#[test]
fn the_rig_sees_what_the_weaker_promise_loses() {
    let (is_clean, outcome, said) = chaos("11", &["--ack", "broker"]);
    assert!(!is_clean && outcome["lost"].as_u64().unwrap() > 0, "{outcome} {said}");
    assert!(said.contains("--seed 11"), "{said}");
}

/// Runs the rig: whether it found nothing, its line of JSON, and what it said beside.
fn chaos(seed: &str, rest: &[&str]) -> (bool, Value, String) {
    let dir = tempfile::tempdir().unwrap();
    // The rig finds programs by name; the demonstration carries them all. A shell that becomes the
    // program keeps its process id, so that a kill strikes the program.
    let carrier = env!("CARGO_BIN_EXE_storewarden-demo");
    for name in ["storesim", "storewarden", "storewarden-hq"] {
        let file = dir.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\nexec '{carrier}' {name} \"$@\"\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut rig = Command::new(dir.path().join("storesim"));
    rig.args(["chaos", "--minutes", MINUTES, "--seed", seed, "--json", "--programs"]);
    let output = rig.arg(dir.path()).args(rest).env("STORESIM_LOG", "storesim=warn").output().unwrap();
    let (said, line) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    println!("{line}");
    let outcome = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line} {said}"));
    (output.status.success(), outcome, said.into_owned())
}
