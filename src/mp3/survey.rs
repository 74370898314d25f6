//! What a playlist needs to know of a file: how long it is, at which rate and with how many channels it is played.
//!
//! A file that says how long it is, and whose size bears that out, is believed. Of any other all frames are counted; only one
//! that ends within a frame, as a copy that was interrupted, keeps the length it says, so that its slot is that of the boxes
//! that have the whole of it.

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
    /// It holds no MPEG audio, or a handful of frames by chance.
    #[error("the file holds no MP3 audio")]
    NoAudio,
}

/// Find out about a file.
///
/// # Errors
/// When it cannot be read or holds no MPEG audio.
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

/// Count the frames of a file, whatever it says of itself.
///
/// # Errors
/// When it cannot be read or holds no MPEG audio.
pub fn survey_by_counting<R: ReadAt>(source: R) -> Result<Survey, SurveyError> {
    let count = Count::begin(source)?.ok_or(SurveyError::NoAudio)?;
    count.finish()?.ok_or(SurveyError::NoAudio)
}
