//! Reads recordings with a progress bar, and writes pictures.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::super::Failure;
use super::input::Input;
use crate::listen::analysis::Known;
use crate::listen::findings::Findings;
use crate::listen::recording::RecordingError;
use crate::listen::{self, AnalyseError};

/// The longest recording of a sound check, in s: what is made of it is held in memory.
pub(super) const LONGEST_S: u64 = 30 * 60;
/// Steps of a progress bar.
const STEPS: u64 = 1000;

/// Reads a recording to its end, and calls `take` with each piece of it, one list per channel.
pub(super) fn read(
    input: &Input,
    longest_s: u64,
    mut begin: impl FnMut(u32),
    mut take: impl FnMut(Vec<Vec<f32>>),
) -> Result<(), Failure> {
    let failure = |error: RecordingError| in_file(&input.name, &error);
    let mut recording = input.recording(longest_s).map_err(failure)?;
    begin(recording.rate_hz());
    let progress = Progress::new("Listening");
    while let Some(piece) = recording.read().map_err(failure)? {
        take(piece);
        progress.show(recording.progress());
    }
    Ok(())
}

/// Hears a sound check in a recording. Returns what was found, and the recording's rate, in Hz.
pub(super) fn hear(input: &Input, channel: Option<usize>, known: &Known) -> Result<(Findings, u32), AnalyseError> {
    let recording = input.recording(LONGEST_S)?;
    let progress = Progress::new("Listening");
    let show = |part| {
        progress.show(part);
        true
    };
    listen::hear(recording, channel, known, show)
}

/// Returns what is wrong with a file.
pub(super) fn in_file(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Other(format!("{}: {error}", file.display()))
}

/// A progress bar, on a terminal alone. It vanishes at the end.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Begins to show how far something has come.
    pub(super) fn new(what: &str) -> Self {
        let bar = ProgressBar::new(STEPS);
        if let Ok(style) = ProgressStyle::with_template(&format!("{what} {{bar:40}} {{percent}} %, {{eta}} left")) {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Shows how much is done, 0 to 1, if that is known.
    pub(super) fn show(&self, part: Option<f64>) {
        if let Some(part) = part {
            self.bar.set_position((part * STEPS as f64) as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Writes a file whole.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::Other(format!("cannot write {}: {error}", file.display())))
}
