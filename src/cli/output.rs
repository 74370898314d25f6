//! Printing: a reader that goes away (`| head`) is no error, and instants are shown in local time.

use std::fmt::Display;
use std::io::{self, Write};

use chrono::{DateTime, Local};
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

/// `2026-11-22 18:30:05`, local.
pub(super) fn local_time(utc_s: i64) -> String {
    format_local(utc_s.saturating_mul(1_000_000_000), "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-22 18:30:05.123`, local.
pub(super) fn local_time_ms(utc_ns: i64) -> String {
    format_local(utc_ns, "%Y-%m-%d %H:%M:%S%.3f")
}

fn format_local(utc_ns: i64, format: &str) -> String {
    DateTime::from_timestamp_nanos(utc_ns).with_timezone(&Local).format(format).to_string()
}

/// `1:02:03`, or `2:03` below an hour.
pub(crate) fn duration(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
