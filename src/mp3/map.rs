//! The map of a file's frames: the places at which it can be entered, and what is where. It grows while the file is gone
//! through; a whole one can be kept.

use std::fmt::Write as _;
use std::str::FromStr;

use super::bytes::{Bytes, ReadAt};
use super::head::Head;
use super::header::{HEADER_BYTES, Header, MAX_FILE_SAMPLES, MAX_FRAME_BYTES, is_possible_rate_hz};
use super::scanner::Stream;
use super::walk::{Placed, Walk};

/// Bytes between two places of entry: what is read before the frame that is wanted, at most.
const ENTRY_DISTANCE_BYTES: u64 = 256 * 1024;

/// Names the written form and its version.
const FORMAT: &str = "frames-1";

/// A frame from which the file can be walked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    first_sample: u64,
    offset: u64,
}

/// Frames in a row that have the same rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Samples before its first frame.
    pub first_sample: u64,
    /// Its rate.
    pub rate_hz: u32,
}

/// Which frame is where, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameMap {
    entries: Vec<Entry>,
    sections: Vec<Section>,
    free_format_bytes: usize,
    /// Samples of all frames that were seen.
    samples: u64,
    is_whole: bool,
}

impl FrameMap {
    /// Samples of all frames, once all are known.
    pub fn samples(&self) -> Option<u64> {
        self.is_whole.then_some(self.samples)
    }

    /// Samples up to which the frames are known.
    pub(super) fn known_samples(&self) -> u64 {
        self.samples
    }

    /// The sections that are known, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The rate at a sample, as far as the sections are known.
    pub(super) fn rate_at(&self, sample: u64) -> Option<u32> {
        let next = self.sections.partition_point(|section| section.first_sample <= sample);
        Some(self.sections.get(next.checked_sub(1)?)?.rate_hz)
    }

    /// Takes note of a frame that a walk has come to. Frames that are known already change nothing.
    pub(super) fn note(&mut self, placed: &Placed) {
        if placed.first_sample != self.samples || self.is_whole {
            return;
        }
        self.samples = placed.end_sample();
        let rate_hz = placed.header.rate_hz();
        if self.sections.last().is_none_or(|section| section.rate_hz != rate_hz) {
            self.sections.push(Section { first_sample: placed.first_sample, rate_hz });
        }
        let Some(frame) = placed.frame else { return };
        let is_due = self.entries.last().is_none_or(|entry| frame.offset - entry.offset >= ENTRY_DISTANCE_BYTES);
        if is_due {
            // A file has one stream in free format at most, and others may follow it.
            self.free_format_bytes = self.free_format_bytes.max(frame.stream.free_format_bytes);
            self.entries.push(Entry { first_sample: placed.first_sample, offset: frame.offset });
        }
    }

    /// The walk has come to the end.
    pub(super) fn finish(&mut self) {
        self.is_whole = true;
    }

    /// Begin a walk at the last place of entry at or before a sample. None where there is no such place, or where the file has
    /// no frame there: then it is not the file that the map was made of.
    pub(super) fn enter<R: ReadAt>(&self, sample: u64, head: &Head, bytes: &mut Bytes<R>) -> Option<Walk> {
        let index = self.entries.partition_point(|entry| entry.first_sample <= sample).checked_sub(1)?;
        let entry = self.entries.get(index)?;
        let header = Header::parse(bytes.get(entry.offset, HEADER_BYTES).ok()?)?;
        let free_format_bytes = if header.is_free_format() { self.free_format_bytes } else { 0 };
        if header.is_free_format() && free_format_bytes == 0 {
            return None;
        }
        let stream = Stream { header, free_format_bytes };
        Some(Walk::from_frame(head, entry.offset, stream, entry.first_sample))
    }

    /// Whether the map can be one of this file.
    pub(super) fn fits(&self, head: &Head) -> bool {
        let begins_there = self.entries.first().is_some_and(|entry| entry.offset == head.first.offset);
        let ends_within = self.entries.last().is_some_and(|entry| entry.offset < head.audio.end);
        begins_there && ends_within
    }
}

/// As one line of numbers: all samples, the free format's frame length, sections (first sample and rate), then entries (bytes
/// and samples since the one before).
impl std::fmt::Display for FrameMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = format!("{FORMAT} {} {} {}", self.samples, self.free_format_bytes, self.sections.len());
        for section in &self.sections {
            write!(line, " {}:{}", section.first_sample, section.rate_hz)?;
        }
        let mut before = Entry { first_sample: 0, offset: 0 };
        for entry in &self.entries {
            write!(line, " {}:{}", entry.offset - before.offset, entry.first_sample - before.first_sample)?;
            before = *entry;
        }
        f.write_str(&line)
    }
}

/// The text is not a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a map of a file's frames")]
pub struct NotAMap;

impl FromStr for FrameMap {
    type Err = NotAMap;

    fn from_str(text: &str) -> Result<Self, NotAMap> {
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok()).ok_or(NotAMap);
        let pair = |text: Option<&str>| {
            let (first, second) = text.and_then(|text| text.split_once(':')).ok_or(NotAMap)?;
            Ok((number(Some(first))?, number(Some(second))?))
        };
        let mut words = text.split(' ');
        if words.next() != Some(FORMAT) {
            return Err(NotAMap);
        }
        let bounded = |number: u64, most: u64| Some(number).filter(|number| *number <= most).ok_or(NotAMap);
        let samples = bounded(number(words.next())?, MAX_FILE_SAMPLES)?;
        let free_format_bytes = bounded(number(words.next())?, MAX_FRAME_BYTES as u64)? as usize;
        let section_count = number(words.next())?;
        let mut sections = Vec::new();
        for _ in 0..section_count {
            let (first_sample, rate_hz) = pair(words.next())?;
            let rate_hz = u32::try_from(rate_hz).ok().filter(|rate_hz| is_possible_rate_hz(*rate_hz)).ok_or(NotAMap)?;
            sections.push(Section { first_sample, rate_hz });
        }
        let mut entries = Vec::new();
        let mut last = Entry { first_sample: 0, offset: 0 };
        for word in words {
            let (bytes, samples) = pair(Some(word))?;
            last.offset = last.offset.checked_add(bytes).ok_or(NotAMap)?;
            last.first_sample = last.first_sample.checked_add(samples).ok_or(NotAMap)?;
            entries.push(last);
        }
        let in_order = sections.is_sorted_by(|a, b| a.first_sample < b.first_sample)
            && entries.is_sorted_by(|a, b| a.offset < b.offset && a.first_sample < b.first_sample);
        let begins = sections.first().is_some_and(|section| section.first_sample == 0)
            && entries.first().is_some_and(|entry| entry.first_sample == 0);
        let ends = last.first_sample < samples && sections.last().is_some_and(|section| section.first_sample < samples);
        let map = Self { entries, sections, free_format_bytes, samples, is_whole: true };
        (in_order && begins && ends).then_some(map).ok_or(NotAMap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_numbers_that_no_file_has_are_not() {
        let is_map = |text: &str| text.parse::<FrameMap>().is_ok_and(|map| map.to_string() == text);
        let right = "frames-1 4947802324992 2304 2 0:8000 1152:48000 417:0 262144:1152";
        assert!(is_map(right));
        for (number, wrong) in [
            ("4947802324992", "4947802324993"),
            ("2304", "2305"),
            ("8000", "0"),
            ("8000", "1"),
            ("48000", "4294967295"),
            ("frames-1", "frames-2"),
            ("0:8000", "1:8000"),
            ("1152:48000", "0:48000"),
            ("417:0", "417:1"),
            ("262144:", "0:"),
            ("262144:", "18446744073709551615:"),
        ] {
            let text = right.replacen(number, wrong, 1);
            assert!(!is_map(&text), "{text}");
        }
    }
}
