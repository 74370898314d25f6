//! What a track sounds like, decoded and resampled apart from the player, to be found in a recording.

use std::error::Error as StdError;
use std::fs::File;
use std::path::Path;

use nanomp3::{Channels, Reader};
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler};

use crate::error::{Error, Result};

/// The first two seconds of an MP3, both channels mixed, at this rate.
///
/// # Errors
/// [`Error::Track`] if the file cannot be read or is no MP3.
pub fn first_seconds(path: &Path, rate_hz: u32) -> Result<Vec<f32>> {
    decode(path, rate_hz).map_err(|reason| Error::Track { path: path.to_owned(), reason: reason.to_string() })
}

fn decode(path: &Path, rate_hz: u32) -> std::result::Result<Vec<f32>, Box<dyn StdError>> {
    let mut reader = Reader::<_, f32>::new(File::open(path)?)?;
    let channels = if reader.channels() == Some(Channels::Mono) { 1 } else { 2 };
    let file_rate_hz = reader.sample_rate();
    if file_rate_hz == 0 {
        return Err("it holds no audio".into());
    }
    let mut samples = vec![0.0; 2 * file_rate_hz as usize * channels];
    let mut filled = 0;
    while let Some(rest) = samples.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    let mono: Vec<f32> =
        samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    if file_rate_hz == rate_hz {
        return Ok(mono);
    }
    let mut resampler = Fft::<f32>::new(file_rate_hz as usize, rate_hz as usize, 1024, 1, FixedSync::Both)?;
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
