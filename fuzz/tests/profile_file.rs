//! A profile is a file that a user wrote: whatever is in it, the answer is a profile or a fault with
//! words, never a panic.

#![allow(clippy::unwrap_used, reason = "a target that cannot read its seeds has failed")]

use std::path::Path;
use storewarden_drivers::profile::Profile;

/// The shipped profiles: what a fuzzer changes step by step.
fn shipped() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../drivers/profiles");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut texts: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    texts.sort();
    texts
}

fn look(text: &[u8]) {
    if let Ok(text) = std::str::from_utf8(text)
        && let Err(fault) = Profile::parse("fuzz", text)
    {
        assert!(!fault.to_string().is_empty());
    }
}

#[test]
fn any_bytes() {
    bolero::check!().for_each(look);
}

#[test]
fn a_shipped_file_with_some_bytes_changed() {
    let shipped = shipped();
    bolero::check!().with_type::<(usize, Vec<(usize, u8)>)>().for_each(|(which, changes)| {
        let mut text = shipped[which % shipped.len()].clone();
        for (place, byte) in changes {
            let place = place % text.len();
            text[place] = *byte;
        }
        look(&text);
    });
}
