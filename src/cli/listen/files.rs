//! Reads recordings with a progress bar, and writes pictures.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::super::Failure;
use crate::listen::channel::ChannelChoice;
use crate::listen::compress::Compressor;
use crate::listen::recording::{Recording, RecordingError};

/// The longest recording of a sound check, in s: what is made of it is held in memory.
const LONGEST_S: u64 = 30 * 60;
/// Steps of a progress bar.
const STEPS: u64 = 1000;

/// Reads a recording to its end, and calls `take` with each piece of it, one list per channel.
pub(super) fn read(
    file: &Path,
    longest_s: u64,
    mut begin: impl FnMut(u32),
    mut take: impl FnMut(Vec<Vec<f32>>),
) -> Result<(), Failure> {
    let failure = |error: RecordingError| Failure::Other(format!("{}: {error}", file.display()));
    let mut recording = Recording::open(file, longest_s).map_err(failure)?;
    begin(recording.rate_hz());
    // indicatif draws only on a terminal.
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) = ProgressStyle::with_template("Listening {bar:40} {percent} %, {eta} left") {
        bar.set_style(style);
    }
    while let Some(piece) = recording.read().map_err(failure)? {
        take(piece);
        if let Some(part) = recording.progress() {
            bar.set_position((part * STEPS as f64) as u64);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Reads a recording, and makes pulses of its sweeps. Returns them and the recording's rate, in Hz.
pub(super) fn compress(file: &Path, channel: Option<usize>) -> Result<(Vec<f32>, u32), Failure> {
    let rate = std::cell::Cell::new(0);
    let mut parts: Option<(ChannelChoice, Compressor)> = None;
    read(
        file,
        LONGEST_S,
        |rate_hz| rate.set(rate_hz),
        |piece| {
            let (choice, compressor) =
                parts.get_or_insert_with(|| (ChannelChoice::new(rate.get(), channel), Compressor::new(rate.get())));
            compressor.push(&choice.push(piece));
        },
    )?;
    let Some((mut choice, mut compressor)) = parts else { return Ok((Vec::new(), rate.get())) };
    compressor.push(&choice.finish());
    Ok((compressor.finish(), rate.get()))
}

/// Writes a file whole.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::Other(format!("cannot write {}: {error}", file.display())))
}
