//! Faults of a config file, printed as `store.toml:12: what is wrong; what to write` with the line.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Everything wrong with a configuration: its file and, once that was opened, the policy it names.
/// Nothing starts while there is any.
#[derive(Debug)]
pub struct Faults {
    files: Vec<(PathBuf, String)>,
    /// The file that is being looked at.
    current: usize,
    faults: Vec<Fault>,
}

#[derive(Debug)]
struct Fault {
    /// In which of the files.
    file: usize,
    /// Byte offset in the text; none when the file itself could not be read.
    at: Option<usize>,
    message: String,
}

impl Faults {
    /// No faults yet in `text`, which was read from `file`.
    pub fn new(file: &Path, text: &str) -> Self {
        Self { files: vec![(file.to_owned(), text.to_owned())], current: 0, faults: Vec::new() }
    }
    /// The fault of a file that cannot be read.
    pub fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        let mut faults = Self::new(file, "");
        faults.faults.push(Fault { file: 0, at: None, message: format!("cannot be read: {error}") });
        faults
    }
    /// From here on faults are of `file`, which holds `text`, until [`Faults::turn_to`].
    pub fn open(&mut self, file: &Path, text: &str) {
        self.files.push((file.to_owned(), text.to_owned()));
        self.current = self.files.len() - 1;
    }
    /// From here on faults are of that file again: 0 the first, 1 the policy.
    pub fn turn_to(&mut self, file: usize) {
        self.current = file;
    }
    /// Adds a fault found at `span`.
    pub fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(Fault { file: self.current, at: Some(span.start), message: message.into() });
    }
    /// Adds a fault of the TOML itself.
    pub fn add_toml(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or(0..0);
        self.add(span, error.message().trim().to_owned());
    }
    /// Where `span` is, as `store.toml:45`: the file's name and the line.
    pub fn place(&self, span: &Range<usize>) -> String {
        let (file, text) = &self.files[self.current];
        let name = file.file_name().unwrap_or(file.as_os_str());
        format!("{}:{}", name.display(), line_number(text, span.start))
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.faults.len()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut faults: Vec<_> = self.faults.iter().collect();
        faults.sort_by_key(|fault| (fault.file, fault.at));
        for fault in faults {
            let (file, text) = &self.files[fault.file];
            let file = file.display();
            match fault.at {
                None => writeln!(f, "{file}: {}", fault.message)?,
                Some(at) => {
                    let number = line_number(text, at);
                    let line = text.lines().nth(number - 1).unwrap_or("");
                    writeln!(f, "{file}:{number}: {}\n    {number} | {line}", fault.message)?;
                }
            }
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

fn line_number(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}
