//! Looks into an MP3 file: tags, exact length, and a short hash of its content. Whole files are read only where no header
//! gives a length that can be true, or for the map of a long one.

use crate::digest::short_hex;
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Problem;
use super::reading::read_up_to;
use super::tags::read_tags;
use crate::mp3::bytes::ReadAt;
use crate::mp3::map::FrameMap;
use crate::mp3::survey::{Survey, SurveyError, survey, survey_by_counting};
use crate::panics;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inspected {
    pub title: Option<String>,
    pub artist: Option<String>,
    pub survey: Survey,
    pub content: String,
}

/// Bytes of the beginning of a file that are read at once: a small tag and the first frames.
const FIRST_BYTES: usize = 20 * 1024;

/// Files longer than this have their maps kept: reading as much takes a second from a card.
pub(super) const MAPPED_FROM_BYTES: u64 = 20_000_000;

/// Bytes hashed at the beginning, in the middle and at the end of a file.
const SAMPLED_BYTES: usize = 1024;

/// Whether files are gone through for the sake of their maps alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maps {
    /// Long files are.
    OfLongFiles,
    /// Only what falls off is kept.
    AsTheyCome,
}

/// Bytes that a look into a file takes, roughly, where it is not read as a whole.
const LOOK_BYTES: u64 = 64 * 1024;

/// Return how many bytes it takes to look into a file of this size, roughly.
pub(super) fn cost_bytes(size_bytes: u64, maps: Maps) -> u64 {
    let is_mapped = maps == Maps::OfLongFiles && size_bytes > MAPPED_FROM_BYTES;
    LOOK_BYTES + if is_mapped { size_bytes } else { 0 }
}

/// A file of which is reported how many bytes of it are read.
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

/// Look into a file. Bytes are reported as they are read of it.
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

/// Return the map of a file whose length is known already. Where none can be made the file goes without: what is known of it must
/// not depend on whether somebody made maps.
fn map_of(path: &Path, file: &Watched<'_>) -> Option<FrameMap> {
    let failed: String = match panics::catch(|| survey_by_counting(file)) {
        Ok(Ok(survey)) => return survey.map,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic.to_string(),
    };
    log::debug!("{} is not mapped: {failed}", path.display());
    None
}

/// Hash the size and a few blocks: quick on a slow card, and still no two different tracks are taken
/// for one. Tags lie in these blocks, so that files that differ in nothing but their tags count as
/// different: that errs on the safe side.
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
