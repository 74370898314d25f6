//! Inspects an MP3 file: its tags, exact length, and a short hash of its content. Reads the whole
//! file only if no header gives a plausible length, or to map a long file.

use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::known_map::MAPPED_FROM_BYTES;
use super::problem::Problem;
use super::reading::read_up_to;
use super::tags::read_tags;
use crate::digest::short_hex;
use crate::mp3::bytes::ReadAt;
use crate::mp3::map::FrameMap;
use crate::mp3::survey::{Survey, SurveyError, survey, survey_by_counting};
use crate::panics;

/// What inspecting a file has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inspected {
    pub title: Option<String>,
    pub artist: Option<String>,
    pub survey: Survey,
    pub content: String,
}

/// Bytes read at once from the beginning of a file: a small tag and the first frames.
const FIRST_BYTES: usize = 20 * 1024;

/// Bytes hashed at the beginning, in the middle and at the end of a file.
const SAMPLED_BYTES: usize = 1024;

/// Whether files are read from end to end for their maps alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maps {
    /// Long files are.
    OfLongFiles,
    /// No file is; a map is saved if counting the frames has made one.
    AsTheyCome,
}

/// The approximate number of bytes that inspecting a file reads, unless it is read whole.
const PROBED_BYTES: u64 = 64 * 1024;

/// Returns roughly how many bytes must be read to inspect a file of this size.
pub(super) fn cost_bytes(size_bytes: u64, maps: Maps) -> u64 {
    let is_mapped = maps == Maps::OfLongFiles && size_bytes > MAPPED_FROM_BYTES;
    PROBED_BYTES + if is_mapped { size_bytes } else { 0 }
}

/// A file that reports how many of its bytes are read.
struct Watched<'a> {
    file: &'a File,
    report: &'a dyn Fn(u64),
}

impl ReadAt for Watched<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = ReadAt::read_at(self.file, buffer, offset)?;
        (self.report)(read as u64);
        Ok(read)
    }

    fn length(&self) -> io::Result<u64> {
        ReadAt::length(self.file)
    }
}

/// Inspects a file. Bytes are reported as they are read from it.
///
/// # Errors
/// When it cannot be played, and why.
pub(super) fn inspect(path: &Path, maps: Maps, report: &dyn Fn(u64)) -> Result<Inspected, Problem> {
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
    let failed = |error| match error {
        SurveyError::Io(error) => unreadable(error),
        SurveyError::NoAudio => Problem::NoAudio,
    };
    let is_long = size > MAPPED_FROM_BYTES;
    let watched = Watched { file: &file, report };
    let mut survey = survey(&watched).map_err(failed)?;
    if maps == Maps::OfLongFiles && is_long && survey.map.is_none() {
        survey.map = map_of(path, &watched);
    }
    survey.map = survey.map.filter(|_| is_long);
    Ok(Inspected { title, artist, survey, content })
}

/// Returns the map of a file whose length is already known. If none can be made, the file does
/// without: what is known about it must not depend on whether maps are made.
fn map_of(path: &Path, file: &Watched<'_>) -> Option<FrameMap> {
    let failed: String = match panics::catch(|| survey_by_counting(file)) {
        Ok(Ok(survey)) => return survey.map,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic.to_string(),
    };
    log::debug!("{} is not mapped: {failed}", path.display());
    None
}

/// Hashes the size and a few blocks: quick on a slow card, and still distinguishes any two tracks.
/// Tags lie in these blocks, so files that differ only in their tags count as different, which errs
/// on the safe side.
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
    Ok(short_hex(hash))
}
