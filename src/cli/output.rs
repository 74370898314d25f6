//! Printing. A reader that goes away (`| head`) is not an error.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use super::Failure;

/// Prints a line on standard output. Without a reader it does nothing.
pub fn say(line: impl Display) {
    // A reader that has gone is no reason to stop the music.
    let _ = say_to_reader(line);
}

/// Prints a line on standard output, and fails if the reader has gone: for output without end.
pub(super) fn say_to_reader(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Prints a value as one line of JSON on standard output.
///
/// # Errors
/// If the value cannot be written as JSON.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?;
    say(line);
    Ok(())
}

/// Prints a value as indented JSON on standard output.
///
/// # Errors
/// If the value cannot be written as JSON.
pub fn say_pretty_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Other(error.to_string()))?;
    say(text);
    Ok(())
}

/// Prints what a person should know on standard error, beside an output for programs.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints a warning on standard error.
pub(super) fn warn(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "warning: {line}");
}

/// Prints on standard error why the command failed.
pub fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr().lock(), "error: {failure}");
}
