//! How commands print.

use crate::Failure;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Prints a line. Where nobody reads any more, the exit status still tells the outcome.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Text for a cell of a CSV file that may be opened with a spreadsheet: one that begins like a formula gets an
/// apostrophe before it, so that nothing is calculated or fetched.
pub(crate) fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// A CSV file (RFC 4180) with that header.
pub(crate) fn csv_file(path: &Path, header: &[&str]) -> Result<csv::Writer<File>, Failure> {
    let file = File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(file);
    csv.write_record(header)?;
    Ok(csv)
}
