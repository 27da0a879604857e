//! Faults of a config file, printed as `store.toml:12: what is wrong; what to write` with the line.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Everything wrong with one config file. Nothing starts while there is any.
#[derive(Debug)]
pub struct Faults {
    file: PathBuf,
    text: String,
    faults: Vec<Fault>,
}

#[derive(Debug)]
struct Fault {
    /// Byte offset in the text; none when the file itself could not be read.
    at: Option<usize>,
    message: String,
}

impl Faults {
    /// No faults yet in `text`, which was read from `file`.
    pub fn new(file: &Path, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.to_owned(), faults: Vec::new() }
    }
    /// The fault of a file that cannot be read.
    pub fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        let mut faults = Self::new(file, "");
        faults.faults.push(Fault { at: None, message: format!("cannot be read: {error}") });
        faults
    }
    /// Adds a fault found at `span`.
    pub fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(Fault { at: Some(span.start), message: message.into() });
    }
    /// Adds a fault of the TOML itself.
    pub fn add_toml(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or(0..0);
        self.add(span, error.message().trim().to_owned());
    }
    /// Where `span` is, as `store.toml:45`: the file's name and the line.
    pub fn place(&self, span: &Range<usize>) -> String {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        format!("{}:{}", name.display(), line_number(&self.text, span.start))
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
        let file = self.file.display();
        let mut faults: Vec<_> = self.faults.iter().collect();
        faults.sort_by_key(|fault| fault.at);
        for fault in faults {
            match fault.at {
                None => writeln!(f, "{file}: {}", fault.message)?,
                Some(at) => {
                    let number = line_number(&self.text, at);
                    let line = self.text.lines().nth(number - 1).unwrap_or("");
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
