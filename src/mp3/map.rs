//! The map of a file's frames: the places at which it can be entered, and which frame is where. It
//! grows while the file is read; a complete map can be saved.

use std::fmt::Write as _;
use std::str::FromStr;

use super::bytes::{Bytes, ReadAt};
use super::head::Head;
use super::header::{HEADER_BYTES, Header, MAX_FILE_SAMPLES, MAX_FRAME_BYTES, is_possible_rate_hz};
use super::scanner::Stream;
use super::walk::{Placed, Walk};

/// Bytes between two places of entry: the most that is read before the frame that is wanted.
const ENTRY_DISTANCE_BYTES: u64 = 256 * 1024;

/// Names the written form and its version.
const FORMAT: &str = "frames-2";

/// More bytes than any file has. Nothing that a damaged map says can make a sum overflow.
const MAX_FILE_BYTES: u64 = 1 << 48;

/// A frame from which the file can be walked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    first_sample: u64,
    offset: u64,
    /// The frame length of its stream in free format; 0 otherwise.
    free_format_bytes: usize,
}

/// Consecutive frames that have the same rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Samples before its first frame.
    pub first_sample: u64,
    /// The sample rate of its frames, in Hz.
    pub rate_hz: u32,
}

/// Which frame is where, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameMap {
    entries: Vec<Entry>,
    sections: Vec<Section>,
    /// Samples of all frames seen so far.
    samples: u64,
    /// Where the file's audio ends, once all frames are known: it shows whether the map belongs to
    /// a file.
    whole_until: Option<u64>,
}

impl FrameMap {
    /// Returns the samples of all frames, once all are known.
    pub fn samples(&self) -> Option<u64> {
        self.whole_until.map(|_| self.samples)
    }

    /// Returns the number of samples up to which the frames are known.
    pub(super) fn known_samples(&self) -> u64 {
        self.samples
    }

    /// Returns the sections that are known, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Returns the rate at a sample, as far as the sections are known.
    pub(super) fn rate_at(&self, sample: u64) -> Option<u32> {
        let next = self.sections.partition_point(|section| section.first_sample <= sample);
        Some(self.sections.get(next.checked_sub(1)?)?.rate_hz)
    }

    /// Notes a frame that a walk has reached. Frames that are known already change nothing.
    pub(super) fn note(&mut self, placed: &Placed) {
        if placed.first_sample != self.samples || self.whole_until.is_some() {
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
            let free_format_bytes = frame.stream.free_format_bytes_in_use();
            self.entries.push(Entry { first_sample: placed.first_sample, offset: frame.offset, free_format_bytes });
        }
    }

    /// Notes that the walk has reached the end of the file's audio.
    pub(super) fn finish(&mut self, audio_end: u64) {
        self.whole_until = Some(audio_end);
    }

    /// Begins a walk at the last place of entry at or before a sample. `None` if there is no such
    /// place, or if the file has no frame there: then the map belongs to another file.
    pub(super) fn enter<R: ReadAt>(&self, sample: u64, head: &Head, bytes: &mut Bytes<R>) -> Option<Walk> {
        let index = self.entries.partition_point(|entry| entry.first_sample <= sample).checked_sub(1)?;
        let entry = self.entries.get(index)?;
        let header = Header::parse(bytes.get(entry.offset, HEADER_BYTES).ok()?)?;
        let stream = Stream { header, free_format_bytes: entry.free_format_bytes };
        if header.is_free_format() && entry.free_format_bytes == 0 {
            return None;
        }
        Some(Walk::from_frame(head, entry.offset, stream, entry.first_sample))
    }

    /// Returns whether the map can belong to this file.
    pub(super) fn fits(&self, head: &Head) -> bool {
        let begins_there = self.entries.first().is_some_and(|entry| entry.offset == head.first.offset);
        begins_there && self.whole_until == Some(head.audio.end)
    }
}

/// Writes the map as one line of numbers: all samples, where the audio ends, the number of sections
/// and each section (first sample and rate), then the entries (bytes and samples since the one
/// before, and in free format the frame length).
impl std::fmt::Display for FrameMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = format!("{FORMAT} {} {} {}", self.samples, self.whole_until.unwrap_or(0), self.sections.len());
        for section in &self.sections {
            write!(line, " {}:{}", section.first_sample, section.rate_hz)?;
        }
        let mut before = (0, 0);
        for entry in &self.entries {
            write!(line, " {}:{}", entry.offset - before.0, entry.first_sample - before.1)?;
            if entry.free_format_bytes > 0 {
                write!(line, ":{}", entry.free_format_bytes)?;
            }
            before = (entry.offset, entry.first_sample);
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
        let number = |text: Option<&str>| {
            text.and_then(|text| text.parse::<u64>().ok()).filter(|number| *number <= MAX_FILE_BYTES).ok_or(NotAMap)
        };
        let mut words = text.split(' ');
        if words.next() != Some(FORMAT) {
            return Err(NotAMap);
        }
        let samples = Some(number(words.next())?).filter(|samples| *samples <= MAX_FILE_SAMPLES).ok_or(NotAMap)?;
        let audio_end = number(words.next())?;
        let section_count = number(words.next())?;
        let mut sections = Vec::new();
        for _ in 0..section_count {
            let mut parts = words.next().ok_or(NotAMap)?.split(':');
            let first_sample = number(parts.next())?;
            let rate_hz = u32::try_from(number(parts.next())?).map_err(|_| NotAMap)?;
            if !is_possible_rate_hz(rate_hz) || parts.next().is_some() {
                return Err(NotAMap);
            }
            sections.push(Section { first_sample, rate_hz });
        }
        let mut entries = Vec::new();
        let mut last = Entry { first_sample: 0, offset: 0, free_format_bytes: 0 };
        for word in words {
            let mut parts = word.split(':');
            last.offset += number(parts.next())?;
            last.first_sample += number(parts.next())?;
            let free_format_bytes = parts.next().map_or(Ok(0), |part| number(Some(part)))?;
            last.free_format_bytes = usize::try_from(free_format_bytes).map_err(|_| NotAMap)?;
            let can_be = last.offset < audio_end && last.free_format_bytes <= MAX_FRAME_BYTES;
            if !can_be || parts.next().is_some() {
                return Err(NotAMap);
            }
            entries.push(last);
        }
        let in_order = sections.is_sorted_by(|a, b| a.first_sample < b.first_sample)
            && entries.is_sorted_by(|a, b| a.offset < b.offset && a.first_sample < b.first_sample);
        let begins = sections.first().is_some_and(|section| section.first_sample == 0)
            && entries.first().is_some_and(|entry| entry.first_sample == 0);
        let ends = last.first_sample < samples && sections.last().is_some_and(|section| section.first_sample < samples);
        let map = Self { entries, sections, samples, whole_until: Some(audio_end) };
        (in_order && begins && ends).then_some(map).ok_or(NotAMap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_numbers_that_no_file_has_are_not() {
        let is_map = |text: &str| text.parse::<FrameMap>().is_ok_and(|map| map.to_string() == text);
        let right = "frames-2 4947802324992 500000 2 0:8000 1152:48000 417:0:2304 262144:1152";
        assert!(is_map(right));
        for (number, wrong) in [
            ("4947802324992", "4947802324993"),
            ("417:0:2304", "417:0:2305"),
            ("500000", "262560"),
            ("8000", "0"),
            ("8000", "1"),
            ("48000", "4294967295"),
            ("frames-2", "frames-1"),
            ("0:8000", "1:8000"),
            ("1152:48000", "0:48000"),
            ("417:0", "417:1"),
            ("262144:", "0:"),
            ("262144:1152", "262144:1152:1:1"),
            ("262144:", "18446744073709551615:"),
        ] {
            let text = right.replacen(number, wrong, 1);
            assert!(!is_map(&text), "{text}");
        }
    }
}
