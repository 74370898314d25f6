//! The sound of a track, decoded and resampled independently of the player, to be found in a
//! recording.

use std::error::Error as StdError;
use std::fs::File;
use std::path::Path;

use nanomp3::{Channels, Reader};
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler};

use crate::error::{Error, Result};

/// How much more is resampled before a stretch that does not begin with the track: the filter needs
/// the samples before it.
const LEAD_S: f64 = 0.1;

/// Returns a stretch of an MP3, both channels mixed, at this rate: `seconds` long, from the second
/// `from_s` on, with silence after the end of the file.
///
/// # Errors
/// [`Error::Track`] if the file cannot be read or is not an MP3.
pub fn stretch(path: &Path, rate_hz: u32, from_s: f64, seconds: f64) -> Result<Vec<f32>> {
    decode(path, rate_hz, from_s, seconds)
        .map_err(|reason| Error::Track { path: path.to_owned(), reason: reason.to_string() })
}

/// Returns the first two seconds of an MP3, as [`stretch`] does.
///
/// # Errors
/// As [`stretch`].
pub fn first_seconds(path: &Path, rate_hz: u32) -> Result<Vec<f32>> {
    stretch(path, rate_hz, 0.0, 2.0)
}

fn decode(path: &Path, rate_hz: u32, from_s: f64, seconds: f64) -> std::result::Result<Vec<f32>, Box<dyn StdError>> {
    let mut reader = Reader::<_, f32>::new(File::open(path)?)?;
    let channels = if reader.channels() == Some(Channels::Mono) { 1 } else { 2 };
    let file_rate_hz = reader.sample_rate();
    if file_rate_hz == 0 {
        return Err("it holds no audio".into());
    }
    let frames = |seconds: f64, rate_hz: u32| (seconds.max(0.0) * f64::from(rate_hz)).round() as usize;
    let mut samples = vec![0.0; frames(from_s + seconds, file_rate_hz) * channels];
    let mut filled = 0;
    while let Some(rest) = samples.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    let lead_s = from_s.clamp(0.0, LEAD_S);
    let first = frames(from_s - lead_s, file_rate_hz);
    let mono: Vec<f64> = samples
        .chunks_exact(channels)
        .skip(first)
        .map(|frame| frame.iter().map(|sample| f64::from(*sample)).sum::<f64>() / channels as f64)
        .collect();
    let resampled = if file_rate_hz == rate_hz { mono } else { resample(mono, file_rate_hz, rate_hz)? };
    Ok(resampled.into_iter().skip(frames(lead_s, rate_hz)).map(|sample| sample as f32).collect())
}

/// Resamples in double precision, as all other transforms here do: their library is then compiled
/// only once.
fn resample(mono: Vec<f64>, from_hz: u32, to_hz: u32) -> std::result::Result<Vec<f64>, Box<dyn StdError>> {
    let mut resampler = Fft::<f64>::new(from_hz as usize, to_hz as usize, 1024, 1, FixedSync::Both)?;
    let frames = mono.len();
    let input = [mono];
    let input = SequentialSliceOfVecs::new(&input, 1, frames)?;
    let length = resampler.process_all_needed_output_len(frames);
    let mut output = [vec![0.0; length]];
    let mut adapter = SequentialSliceOfVecs::new_mut(&mut output, 1, length)?;
    let (_, written) = resampler.process_all_into_buffer(&input, &mut adapter, frames, None)?;
    let [mut output] = output;
    output.truncate(written);
    Ok(output)
}
