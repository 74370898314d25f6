//! Any bytes as an MP3: how long it is, where its frames are, and its samples, played from the
//! start and joined anywhere.
//!
//! The input is the file. Its last four bytes, as a number, also choose where it is joined and how
//! it is read, so that the fuzzer can change either one alone, and its findings are files that the
//! program plays. One in four files gets a large tag between two frames, without which none would
//! be long enough to have more than one place of entry in its map. One in eight is on a card of
//! which a few pages cannot be read.
//!
//! What must hold is what `tests/frame_map.rs` asserts of files that are damaged at random, and
//! more:
//!
//! - No panic except those of the decoder's library that are caught.
//! - The frames are consecutive, their samples are finite, and there are no more than the file's
//!   bytes can hold.
//! - The map that was made by counting is the one that playing makes, and survives being written.
//! - The length that was counted is the same with and without a header, and after it there is
//!   silence.
//! - After joining at any place, with the map and without, and from any other place, the samples
//!   are those that are read there from the start, to 1e-4.
//! - Joining reads no more bytes than there are between two places of entry, and the file's
//!   beginning.
//! - Unreadable bytes count as zeros.
//! - `load` gives the same length, rate, channels and missing bytes, the first time and from the
//!   index that it wrote.

#![no_main]

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use jaudiosync::mp3::bytes::ReadAt;
use jaudiosync::mp3::header::Header;
use jaudiosync::mp3::map::FrameMap;
use jaudiosync::mp3::reader::{Progress, Reader};
use jaudiosync::mp3::survey::{Survey, survey, survey_by_counting};
use jaudiosync::player::decoder::{Decoder, Known, Mix};
use jaudiosync::player::library::{FrameSource, TrackSource};
use jaudiosync_fuzz::{How, MusicFolder, frames};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// Bits of the choice that are all set if the file gets a large tag, and if it is on a damaged
/// card.
const LONG: u32 = 3;
const DAMAGED: u32 = 7 << 29;

/// Joined samples may differ by this much of full scale, or of the loudest sample beyond it: a
/// damaged frame may be some thousand times as loud, where the rounding of a sample is larger.
const DIFFERENCE: f32 = 1e-4;

/// The most frames that are played of a file that says it was longer: the rest of it is silence.
const MOST_FRAMES: u64 = 2_000_000;

/// Frames that are read after the end.
const BEHIND_THE_END: usize = 3000;

/// The fewest frames that are read at once: with fewer, the comparisons that the fuzzer traces
/// would take most of the time.
const FEWEST_BLOCK_FRAMES: usize = 100;

/// Frames that are read after joining.
const JOINED_FRAMES: usize = 3000;

/// Bytes of the tag that makes a file long: more than lie between two places of entry.
const TAG_BYTES: usize = 300_000;

/// The most bytes that joining reads: up to a place of entry, the frames that are decoded and
/// discarded, and the file's beginning and end.
const MOST_BYTES_TO_JOIN: u64 = 1 << 20;

/// Unreadable bytes are replaced by zeros in pieces of this size, as in the program.
const PAGE_BYTES: usize = 4096;

/// How many of the file's last pages may be damaged.
const DAMAGED_PAGES: usize = 3;

static MUSIC: LazyLock<MusicFolder> = LazyLock::new(|| {
    let music = MusicFolder::new();
    music.write("Playlist.m3u8", b"a.mp3\n");
    music
});

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&MUSIC);
    let choice = data.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let long;
    let file = if choice & LONG == LONG {
        long = with_tag(data, (choice >> 2) as usize);
        &long[..]
    } else {
        data
    };
    let damaged = if choice & DAMAGED == DAMAGED { damaged_pages(file.len(), (choice >> 16) as usize) } else { 0..0 };
    let card = Card { file, damaged: damaged.clone() };
    let mut zeroed;
    let file = if damaged.is_empty() {
        file
    } else {
        zeroed = file.to_vec();
        zeroed[damaged].fill(0);
        &zeroed[..]
    };
    let found = survey(&card).ok();
    let counted = survey_by_counting(&card).ok();
    assert_eq!(found, survey(file).ok(), "the one is {:?} of the other unreadable", card.damaged);
    let map = walk(&card, counted.as_ref());
    load(file, found.as_ref());
    let Some(found) = found else { return };
    assert!(found.frames > 0 && (1..=2).contains(&found.channels), "{found:?}");
    assert!((8000..=48_000).contains(&found.rate_hz), "{found:?}");
    assert!(found.missing_bytes <= u32::MAX.into(), "{found:?}");
    if found.map.is_some() {
        assert_eq!(Some(&found), counted.as_ref());
    } else {
        assert_eq!(found.missing_bytes, 0, "its length is believed");
    }
    let how = Reading {
        mix: if choice & 4 == 0 { Mix::Stereo } else { Mix::Mono },
        block_frames: FEWEST_BLOCK_FRAMES + (choice >> 3) as usize % 3000,
    };
    let places = (0..3).map(|step| u64::from(choice.rotate_left(11 * step) >> 8) * found.frames / (1 << 24));
    play(file, &card, &found, map, how, places);
});

// Changing any byte usually ends in a file of fewer frames. So every second time the frames are
// changed instead, and sometimes how the file is read: nothing else makes large tags and damaged
// pages common.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(2) {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut random = fastrand::Rng::with_seed(seed.into());
    let mut mutated = frames::mutate(&data[..size], &mut random);
    let size = mutated.len().min(max_size);
    mutated.truncate(size);
    if random.u8(..4) == 0
        && let Some(choice) = mutated.last_chunk_mut()
    {
        *choice = (random.u32(..) | [0, LONG, DAMAGED, LONG | DAMAGED][random.usize(..4)]).to_le_bytes();
    }
    data[..size].copy_from_slice(&mutated[..size]);
    size
});

/// A file on a card of which some pages cannot be read.
struct Card<'a> {
    file: &'a [u8],
    damaged: Range<usize>,
}

impl ReadAt for Card<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(buffer.len() as u64);
        if (self.damaged.start as u64) < end && offset < self.damaged.end as u64 {
            return Err(io::Error::other("bad sector"));
        }
        self.file.read_at(buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

/// Returns one or two of a file's last pages, but not the first: without that one it could not be
/// played.
fn damaged_pages(file_bytes: usize, choice: usize) -> Range<usize> {
    let pages = file_bytes.div_ceil(PAGE_BYTES);
    if pages < 2 {
        return 0..0;
    }
    let first = pages - 1 - choice % DAMAGED_PAGES.min(pages - 1);
    let behind = first + 1 + choice / DAMAGED_PAGES % 2;
    first * PAGE_BYTES..(behind * PAGE_BYTES).min(file_bytes)
}

/// How a file is read.
#[derive(Debug, Clone, Copy)]
struct Reading {
    mix: Mix,
    block_frames: usize,
}

/// Returns the file with a large tag before the first frame header at or after a place.
fn with_tag(file: &[u8], from: usize) -> Vec<u8> {
    let from = from % file.len().max(1);
    let is_header = |at: &usize| file.get(*at..).and_then(Header::parse).is_some();
    let at = (from..file.len()).find(is_header).unwrap_or(from);
    let size = [TAG_BYTES >> 21 & 127, TAG_BYTES >> 14 & 127, TAG_BYTES >> 7 & 127, TAG_BYTES & 127];
    let mut long = file[..at].to_vec();
    long.extend_from_slice(b"ID3\x03\0\0");
    long.extend(size.map(|part| part as u8));
    long.resize(long.len() + TAG_BYTES, 0);
    long.extend_from_slice(&file[at..]);
    long
}

/// Goes through all frames, and returns the map of them.
fn walk(card: &Card<'_>, counted: Option<&Survey>) -> Option<FrameMap> {
    let file = card.file;
    let mut reader = Reader::open(card, None).expect("memory can be read")?;
    let mut next = 0;
    while let Some(decoded) = reader.advance().expect("memory can be read") {
        assert_eq!(decoded.first_sample, next, "frames are consecutive");
        assert!((1..=2).contains(&decoded.channels));
        assert!(decoded.samples.iter().all(|sample| sample.is_finite()), "a sample that is not finite at {next}");
        next += (decoded.samples.len() / decoded.channels) as u64;
    }
    let map = reader.map().clone();
    assert_eq!(map.samples(), Some(next));
    // A frame is at least a header, and has at most 1,152 samples.
    assert!(next <= 288 * file.len() as u64, "{next} samples in {} bytes", file.len());
    assert!(reader.read_bytes() <= 8 * file.len() as u64 + 65_536, "{} bytes were read", reader.read_bytes());
    if let Some(counted) = counted {
        assert_eq!(counted.map.as_ref(), Some(&map));
    }
    if next == 0 {
        return None;
    }
    let written = map.to_string();
    let kept: FrameMap = written.parse().expect("what was written is a map");
    assert_eq!(kept, map, "{written}");
    Some(kept)
}

/// Plays a file from the start, and joins it at several places as it is read from a card.
fn play(
    file: &[u8],
    card: &Card<'_>,
    found: &Survey,
    map: Option<FrameMap>,
    how: Reading,
    places: impl Iterator<Item = u64>,
) {
    let known =
        |map: Option<Arc<FrameMap>>| Known { rate_hz: Some(found.rate_hz), channels: Some(found.channels), map };
    let frames = found.frames.min(MOST_FRAMES) as usize;
    let name = Path::new("a.mp3");
    let mut from_start = Decoder::new(name, file, how.mix, known(None)).expect("it has a length, so it opens");
    let channels = from_start.channels();
    let mut played = vec![0.0; channels * (frames + BEHIND_THE_END)];
    for block in played.chunks_mut(channels * how.block_frames) {
        from_start.read(block).expect("memory can be read");
    }
    // A header is believed if it can be true, and may still be false.
    if found.map.is_some() && found.frames <= MOST_FRAMES {
        assert!(played[channels * frames..].iter().all(|sample| *sample == 0.0), "sound after {frames} frames");
    }
    let places: Vec<usize> = places.map(|place| place.min(frames as u64) as usize).collect();
    for map in [None, map.map(Arc::new)] {
        let has_map = map.is_some();
        // At first as a box that joins does; then from wherever that has led.
        let mut joining = Decoder::new(name, card, how.mix, known(map)).expect("it has a length, so it opens");
        assert_eq!(joining.rate_hz(), found.rate_hz);
        for (number, place) in places.iter().copied().enumerate() {
            while joining.approach(place as i64).expect("memory can be read") == Progress::OnTheWay {}
            if has_map && number == 0 {
                assert!(joining.read_bytes() <= MOST_BYTES_TO_JOIN, "{} bytes to join", joining.read_bytes());
            }
            let mut joined = vec![0.0; channels * JOINED_FRAMES.min(frames + BEHIND_THE_END - place)];
            for block in joined.chunks_mut(channels * how.block_frames) {
                joining.read(block).expect("memory can be read");
            }
            let expected = &played[channels * place..][..joined.len()];
            let allowed = DIFFERENCE * expected.iter().fold(1.0, |loudest, sample| sample.abs().max(loudest));
            let differs = |(a, b): (&f32, &f32)| (a - b).abs() > allowed || a.is_nan() != b.is_nan();
            if let Some(at) = joined.iter().zip(expected).position(differs) {
                panic!(
                    "joined at {places:?}, the {number}th, of {frames}, map {has_map}, {how:?}: {} instead of {} at {}",
                    joined[at],
                    expected[at],
                    at / channels
                );
            }
        }
    }
}

/// Loads a playlist of the file, and again with the index that was written.
fn load(file: &[u8], found: Option<&Survey>) {
    MUSIC.write("a.mp3", file);
    let expected = found.map(|found| (found.frames, found.rate_hz, found.channels, found.missing_bytes));
    let first = MUSIC.load(How::Rebuild).expect("a playlist of one line is loaded").playlist;
    let track = &first.tracks[0];
    let said = track.length.map(|length| (length.frames, length.rate_hz, track.channels, track.missing_bytes));
    assert_eq!(said, expected, "{track:?}");
    assert_eq!(track.problem.is_none(), found.is_some());
    for how in [How::UseIndex, How::TrustIndex] {
        let again = MUSIC.load(how).expect("a playlist of one line is loaded").playlist;
        assert_eq!(again, first, "{how:?}");
        assert_eq!(again.fingerprint(), first.fingerprint());
    }
}
