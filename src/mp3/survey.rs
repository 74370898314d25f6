//! What a playlist needs to know about a file: how long it is, and at which rate and with how many
//! channels it is played.
//!
//! A file that gives its length is believed if its size confirms it. In any other file all frames
//! are counted; only a file that ends within a frame, as an interrupted copy does, keeps the length
//! it gives, so that its slot is that of the boxes that have the whole file.

use std::io;

use super::bytes::{Bytes, ReadAt};
use super::count::Count;
pub use super::count::Survey;
use super::head::Head;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It contains no MPEG audio, or a handful of frames by chance.
    #[error("the file holds no MP3 audio")]
    NoAudio,
}

/// Determines length, rate and channels of a file.
///
/// # Errors
/// When it cannot be read or contains no MPEG audio.
pub fn survey<R: ReadAt>(source: R) -> Result<Survey, SurveyError> {
    let mut bytes = Bytes::new(source)?;
    let head = Head::read(&mut bytes)?.ok_or(SurveyError::NoAudio)?;
    match head.believed_frames() {
        Some(frames) => {
            let frames = head.audible_samples(frames);
            Ok(Survey { rate_hz: head.rate_hz(), frames, channels: head.channels(), map: None, missing_bytes: 0 })
        }
        None => Count::of(bytes, head).finish()?.ok_or(SurveyError::NoAudio),
    }
}

/// Counts the frames of a file, whatever the file says about itself.
///
/// # Errors
/// When it cannot be read or contains no MPEG audio.
pub fn survey_by_counting<R: ReadAt>(source: R) -> Result<Survey, SurveyError> {
    let count = Count::begin(source)?.ok_or(SurveyError::NoAudio)?;
    count.finish()?.ok_or(SurveyError::NoAudio)
}
