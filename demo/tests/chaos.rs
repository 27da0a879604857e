//! The rig for two thirds of a minute: agent, headquarters and broker are killed, stopped, cut off and
//! left without room, and every alarm is at headquarters once, in order, and true.
//!
//! `STOREWARDEN_SEED` runs another plan; docs/chaos.md tells of longer runs.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Minutes of faults.
const MINUTES: &str = "0.6";
/// Runs the same faults every time.
const SEED: u64 = 7;

#[test]
fn nothing_is_lost_doubled_out_of_order_or_wrong() {
    let seed = std::env::var("STOREWARDEN_SEED").unwrap_or_else(|_| SEED.to_string());
    let (is_clean, outcome, said) = chaos(&seed, "hq");
    for what in ["lost", "doubled", "out_of_order", "wrong"] {
        assert_eq!(outcome[what], 0, "{what}: {outcome} {said}");
    }
    assert!(is_clean, "{said}");
    // Else the zeros would say nothing.
    for what in ["kills", "raised", "at_hq", "excursions_due"] {
        assert!(outcome[what].as_u64().unwrap() >= 5, "{what}: {outcome}");
    }
    let steps = outcome["faults"]["clock_step"].as_u64().unwrap_or(0);
    assert!(
        seed != SEED.to_string() || steps > 0 && outcome["by_wrong_clock"].as_u64().unwrap() > 0,
        "{outcome}"
    );
    assert_eq!(outcome["raised"], outcome["at_hq"]);
    assert_eq!(outcome["seed"].to_string(), seed);
}

/// A store that forgets a message as soon as the broker has it loses what the broker forgets in turn,
/// as docs/configuration.md says. A rig that did not see this would see nothing.
#[test]
fn the_rig_sees_what_the_weaker_promise_loses() {
    let (is_clean, outcome, said) = chaos("11", "broker");
    assert!(!is_clean && outcome["lost"].as_u64().unwrap() > 0, "{outcome} {said}");
    assert!(said.contains("--seed 11"), "{said}");
}

/// Runs the rig: whether it found nothing, its line of JSON, and what it said beside.
fn chaos(seed: &str, ack: &str) -> (bool, serde_json::Value, String) {
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
    rig.args(["chaos", "--minutes", MINUTES, "--seed", seed, "--ack", ack, "--json", "--programs"]);
    let output = rig.arg(dir.path()).env("STORESIM_LOG", "storesim=warn").output().unwrap();
    let (said, line) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    println!("{line}");
    let outcome = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line} {said}"));
    (output.status.success(), outcome, said.into_owned())
}
