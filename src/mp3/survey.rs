//! What a playlist needs to know of a file: how long it is, at which rate and with how many channels it is played.
//!
//! A file that says how long it is, and whose size bears that out, is believed. Of any other all frames are counted; only one
//! whose end was lost, as that of a copy that was interrupted, keeps the length it says, so that its slot is that of the boxes
//! that have the whole of it.

use std::io;

use super::bytes::{Bytes, ReadAt};
use super::head::Head;
use super::map::FrameMap;
use super::timeline::Timeline;
use super::walk::Walk;

/// Frames in a row that no file has by chance.
const FRAMES_OF_A_STREAM: u64 = 100;

/// Otherwise at least this part of a file's bytes, tags apart, must be frames.
const LEAST_PART_OF_FRAMES: f64 = 0.5;

/// What was found out about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The rate at which it is played: that of most of it.
    pub rate_hz: u32,
    /// Frames of the sound at that rate, without what the encoder added.
    pub frames: u64,
    /// 2 where any part is stereo.
    pub channels: usize,
    /// Where its frames are, if all were counted.
    pub map: Option<FrameMap>,
}

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
    match survey_by_head(&head) {
        Some(survey) => Ok(survey),
        None => count(&head, &mut bytes, &mut |_| true)?.ok_or(SurveyError::NoAudio),
    }
}

/// Make the map of a file of which only the head was read. `goes_on` is asked every few frames, with the bytes that were gone
/// through; none where it said no, or where there is no sound.
///
/// # Errors
/// When the file cannot be read.
pub fn make_map<R: ReadAt>(source: R, goes_on: &mut dyn FnMut(u64) -> bool) -> io::Result<Option<FrameMap>> {
    let mut bytes = Bytes::new(source)?;
    let Some(head) = Head::read(&mut bytes)? else { return Ok(None) };
    Ok(count(&head, &mut bytes, goes_on)?.and_then(|survey| survey.map))
}

fn survey_by_head(head: &Head) -> Option<Survey> {
    let frames = audible_frames(head, head.believed_frames()?);
    Some(Survey { rate_hz: head.rate_hz(), frames, channels: head.channels(), map: None })
}

/// Samples that are heard of so many frames like the first.
fn audible_frames(head: &Head, frames: u64) -> u64 {
    head.trim().audible_before(frames * head.first.stream.header.samples() as u64)
}

/// Frames between two questions whether to go on.
const FRAMES_PER_QUESTION: u64 = 1000;

fn count<R: ReadAt>(
    head: &Head,
    bytes: &mut Bytes<R>,
    goes_on: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Option<Survey>> {
    let mut walk = Walk::from_start(head);
    let mut map = FrameMap::default();
    let (mut channels, mut frame_bytes, mut in_a_row, mut longest_row, mut frames) = (1, 0, 0, 0, 0_u64);
    while let Some(placed) = walk.next(bytes)? {
        map.note(&placed);
        channels = channels.max(placed.header.channels());
        if let Some(frame) = placed.frame {
            frame_bytes += frame.bytes as u64;
            in_a_row = if frame.stride_over_junk == 0 { in_a_row + 1 } else { 0 };
            longest_row = in_a_row.max(longest_row);
        }
        frames += 1;
        if frames.is_multiple_of(FRAMES_PER_QUESTION) && !goes_on(walk.position()) {
            return Ok(None);
        }
    }
    map.finish();
    let part = frame_bytes as f64 / (head.audio.end - head.audio.start).max(1) as f64;
    let Some(samples) = map.samples().filter(|_| longest_row >= FRAMES_OF_A_STREAM || part >= LEAST_PART_OF_FRAMES)
    else {
        return Ok(None);
    };
    let rate_hz = Timeline::prevailing_rate_hz(map.sections(), samples).unwrap_or_else(|| head.rate_hz());
    let timeline = Timeline::new(rate_hz, map.sections(), &head.trim(), Some(samples));
    let counted = timeline.frames().unwrap_or(0);
    let promised = head.frames_before_loss().filter(|_| walk.is_torn()).map(|frames| audible_frames(head, frames));
    let heard = promised.unwrap_or(counted).max(counted);
    Ok((heard > 0).then_some(Survey { rate_hz, frames: heard, channels, map: Some(map) }))
}
