//! Looks into an MP3 file: tags, exact length, and a short hash of its content. Whole files are read only where no
//! header tells the length.

use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nanomp3::{Reader, VbrTag};
use sha2::{Digest, Sha256};

use super::Problem;
use super::tags::read_tags;
use crate::timetable::Length;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inspected {
    pub title: Option<String>,
    pub artist: Option<String>,
    pub length: Length,
    pub content: String,
}

/// Bytes looked at behind the tags for the first frame and its Xing/Info header: what the decoder itself takes to
/// recognize MPEG audio (`MINIMP3_BUF_SIZE`).
const HEAD_BYTES: usize = 16 * 1024;

/// Of the beginning of a file so many are read at once: a small tag and the first frames.
const FIRST_BYTES: usize = HEAD_BYTES + 4096;

/// Samples by which a decoder is late (ISO 11172-3's hybrid filter bank, `DECDELAY` in LAME); a LAME header's delay
/// does not count them.
const DECODER_DELAY: u64 = 529;

/// Bytes hashed at the beginning, in the middle and at the end of a file.
const SAMPLED_BYTES: usize = 1024;

pub(super) fn inspect(path: &Path) -> Result<Inspected, Problem> {
    let unreadable = |error: io::Error| Problem::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size == 0 {
        return Err(Problem::Empty);
    }
    let mut first = vec![0; FIRST_BYTES];
    let read = read_up_to(&file, 0, &mut first).map_err(unreadable)?;
    first.truncate(read);
    let content = hash_content(&file, size, &first).map_err(unreadable)?;
    let (title, artist) = read_tags(path, &file, &first);
    let length = match length_from_header(&file, &first).map_err(unreadable)? {
        Some(length) => length,
        None => length_by_scan(file)?,
    };
    Ok(Inspected { title, artist, length, content })
}

/// Hashes the size and a few blocks: quick on a slow card, and still no two different tracks are taken for one.
fn hash_content(file: &File, size: u64, first: &[u8]) -> io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    hash.update(first.get(..SAMPLED_BYTES).unwrap_or(first));
    let mut block = [0; SAMPLED_BYTES];
    let last = size.saturating_sub(SAMPLED_BYTES as u64);
    for offset in [last / 2, last] {
        let read = read_up_to(file, offset, &mut block)?;
        hash.update(&block[..read]);
    }
    Ok(hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The length from a Xing or Info header, which most encoders write; none if there is no such header.
fn length_from_header(file: &File, first: &[u8]) -> io::Result<Option<Length>> {
    let start = nanomp3::id3v2_len(first);
    let mut elsewhere = Vec::new();
    let head = match first.get(start..).filter(|head| head.len() >= HEAD_BYTES || first.len() < FIRST_BYTES) {
        Some(head) => head,
        None => {
            elsewhere.resize(HEAD_BYTES, 0);
            let read = read_up_to(file, start as u64, &mut elsewhere)?;
            elsewhere.get(..read).unwrap_or_default()
        }
    };
    let Some(frame) = nanomp3::frames(head).next() else {
        return Ok(None);
    };
    let Some(VbrTag { frames: Some(frames), encoder_delay_padding, .. }) = VbrTag::parse(frame.data) else {
        return Ok(None);
    };
    let samples = u64::from(frames) * frame.samples as u64;
    let (delay, padding) = encoder_delay_padding.map_or((0, 0), |(delay, padding)| {
        (u64::from(delay) + DECODER_DELAY, u64::from(padding).saturating_sub(DECODER_DELAY))
    });
    // As the decoder does: what is more than there is, is not cut.
    let samples = samples.checked_sub(delay).unwrap_or(samples);
    let samples = samples.checked_sub(padding).unwrap_or(samples);
    // Zero means that the encoder was stopped before it knew; the scan knows.
    Ok((samples > 0 && frame.sample_rate > 0).then_some(Length { frames: samples, rate_hz: frame.sample_rate }))
}

/// The length of a file without such a header, by counting its frames.
fn length_by_scan(mut file: File) -> Result<Length, Problem> {
    let unreadable = |error: nanomp3::Error| Problem::Unreadable(error.to_string());
    file.rewind().map_err(|error| Problem::Unreadable(error.to_string()))?;
    let mut reader = Reader::<_, f32>::new(file).map_err(unreadable)?;
    let rate_hz = reader.sample_rate();
    let frames = match reader.total_samples() {
        Some(frames) if frames > 0 => frames,
        _ => return Err(Problem::NoAudio),
    };
    // Something that looks like frames is not yet sound: one must decode.
    let mut samples = [0.0; 2];
    match reader.read(&mut samples) {
        Ok(read) if read > 0 && rate_hz > 0 => Ok(Length { frames, rate_hz }),
        _ => Err(Problem::NoAudio),
    }
}

fn read_up_to(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
