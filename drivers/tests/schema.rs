//! The JSON Schema of profiles, judged by Python's `jsonschema` and `tomllib`: every shipped profile
//! satisfies it, wrong ones do not. Python is `$STOREWARDEN_PYTHON`, or `python3`.

use std::path::Path;
use std::process::Command;

const JUDGE: &str = r#"
import copy, json, pathlib, sys, tomllib
from jsonschema import Draft202012Validator

folder = pathlib.Path(sys.argv[1])
schema = json.loads((folder / "profile.schema.json").read_text())
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
profiles = {path.stem: tomllib.loads(path.read_text()) for path in sorted(folder.glob("*.toml"))}
assert len(profiles) >= 25, len(profiles)
for name, profile in profiles.items():
    for error in validator.iter_errors(profile):
        sys.exit(f"{name}: {error.message}")

def wrong(what, change):
    profile = copy.deepcopy(profiles["parker-psk214"])
    change(profile)
    if validator.is_valid(profile):
        sys.exit(f"a profile with {what} satisfies the schema")

wrong("an unknown key", lambda p: p.update(vendor="x"))
wrong("no maker", lambda p: p.pop("maker"))
wrong("an unknown class", lambda p: p.update(classes=["oven"]))
wrong("no class", lambda p: p.update(classes=[]))
wrong("an unknown unit", lambda p: p["point"][0].update(unit="kW"))
wrong("an unknown kind", lambda p: p["point"][0].update(kind="u17"))
wrong("function 7", lambda p: p["point"][0].update(function=7))
wrong("address 65536", lambda p: p["point"][0].update(address=65536))
wrong("a name with a space", lambda p: p["point"][0].update(name="air temperature"))
wrong("an unknown alarm", lambda p: p["point"][0].update(alarm="loud"))
wrong("an unknown state", lambda p: p["point"][0].update(states={"1": "asleep"}))
wrong("a state of no number", lambda p: p["point"][0].update(states={"on": "idle"}))
wrong("a text without Japanese", lambda p: p["point"][0].update(text={"zh": "x", "en": "x"}))
wrong("a range of three", lambda p: p["point"][0].update(range=[1, 2, 3]))
wrong("writing by reading", lambda p: p["point"][0].update(write={"function": 3, "range": [0, 1]}))
wrong("200 registers a read", lambda p: p["modbus"].update(registers_max=200))
wrong("three stop bits", lambda p: p["modbus"]["serial"].update(stop_bits=3))
"#;

#[test]
fn the_schema_takes_every_shipped_profile_and_refuses_wrong_ones() {
    let python = std::env::var_os("STOREWARDEN_PYTHON").unwrap_or_else(|| "python3".into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let output =
        Command::new(python).args(["-c", JUDGE]).arg(folder).output().expect(
            "Python with jsonschema; pip install -r scripts/requirements.txt and set STOREWARDEN_PYTHON",
        );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
