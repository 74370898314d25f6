//! Printing: a reader that goes away (`| head`) is not an error.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use super::Failure;

/// Prints a line on standard output.
pub fn say(line: impl Display) {
    // Nobody reading is no reason to stop the music.
    let _ = say_to_reader(line);
}

/// The same, for what is of no use once nobody reads it any more.
pub(super) fn say_to_reader(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Prints a line of JSON on standard output.
///
/// # Errors
/// When the value cannot be written as JSON.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?;
    say(line);
    Ok(())
}

/// Prints a value as indented JSON on standard output.
///
/// # Errors
/// When the value cannot be written as JSON.
pub fn say_pretty_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Other(error.to_string()))?;
    say(text);
    Ok(())
}

/// Prints a line for people on standard error.
pub(super) fn warn(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "warning: {line}");
}

/// Prints why the command failed on standard error.
pub fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr().lock(), "error: {failure}");
}
