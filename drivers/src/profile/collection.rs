//! The profiles there are: those that ship with the program and those of the user's folder.

use super::{BUILT_IN, Profile, ProfileError};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Largest file that is taken for a profile, bytes; the largest shipped one has a tenth of it.
const FILE_MAX: u64 = 256 * 1024;

/// Where a profile comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It ships with the program.
    BuiltIn,
    /// It is in the user's folder.
    Folder,
    /// It is in the user's folder and stands in for the shipped one of that id.
    FolderInsteadOfBuiltIn,
}

/// All profiles that a store can use, by id.
#[derive(Clone, Debug)]
pub struct Profiles(BTreeMap<String, (Origin, Profile)>);

/// Every fault of a folder of profiles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ProfileFaults(pub Vec<ProfileError>);

impl fmt::Display for ProfileFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl Profiles {
    /// Those that ship with the program.
    pub fn built_in() -> Self {
        let profile = |(id, text): &(&str, &str)| {
            let profile = Profile::parse(id, text).expect("a test parses every shipped profile");
            (profile.id.clone(), (Origin::BuiltIn, profile))
        };
        Self(BUILT_IN.iter().map(profile).collect())
    }

    /// Those that ship with the program and every `*.toml` of `folder`, which go first. A fault in any
    /// of them is a fault of all: a store does not start with half of its profiles.
    pub fn with_folder(folder: &Path) -> Result<Self, ProfileFaults> {
        let mut profiles = Self::built_in();
        let mut faults = Vec::new();
        let whole = |path: &Path, what: String| ProfileError {
            file: path.display().to_string(),
            line: 1,
            column: 1,
            what,
        };
        let unreadable = |path: &Path, error: std::io::Error| {
            whole(path, format!("cannot be read: {error}; correct the name or its permissions"))
        };
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(|error| ProfileFaults(vec![unreadable(folder, error)]))?;
        let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        for path in paths {
            let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else {
                faults.push(whole(&path, "the name is not UTF-8; rename it".into()));
                continue;
            };
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.len() > FILE_MAX => {
                    faults.push(whole(&path, format!("larger than {FILE_MAX} bytes; that is no profile")));
                    continue;
                }
                _ => {}
            }
            match std::fs::read_to_string(&path) {
                Err(error) => faults.push(unreadable(&path, error)),
                Ok(text) => match Profile::parse(id, &text) {
                    Ok(profile) => profiles.add(profile),
                    Err(fault) => {
                        faults.push(ProfileError { file: path.display().to_string(), ..fault });
                    }
                },
            }
        }
        if faults.is_empty() { Ok(profiles) } else { Err(ProfileFaults(faults)) }
    }

    fn add(&mut self, profile: Profile) {
        let replaced = self.0.contains_key(&profile.id);
        let origin = if replaced { Origin::FolderInsteadOfBuiltIn } else { Origin::Folder };
        self.0.insert(profile.id.clone(), (origin, profile));
    }

    /// The profile of that id.
    pub fn get(&self, id: &str) -> Option<&Profile> {
        self.0.get(id).map(|(_, profile)| profile)
    }

    /// Where the profile of that id comes from.
    pub fn origin(&self, id: &str) -> Option<Origin> {
        self.0.get(id).map(|(origin, _)| *origin)
    }

    /// Their ids, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All of them, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.values().map(|(_, profile)| profile)
    }
}
