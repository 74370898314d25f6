//! A file that was cut, damaged and put together at random: joining it anywhere gives the sound
//! that playing it from the start gives there, with a saved map and without; and its length is the
//! one that was determined.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use jaudiosync::mp3::map::FrameMap;
use jaudiosync::mp3::survey::{survey, survey_by_counting};
use jaudiosync::player::decoder::{Decoder, Known, Mix};
use jaudiosync::player::library::{FrameSource, TrackSource};
use proptest::prelude::*;
use support::odd_mp3::{
    Info, frames, free_format_frames, id3v1, id3v2, info_frame, lame, noise, noise_frames, random_bytes,
};

/// Joined samples may differ by this much of full scale.
const DIFFERENCE: f32 = 1e-4;

/// Frames from several kinds of encoders.
static MATERIAL: LazyLock<Vec<Vec<Vec<u8>>>> = LazyLock::new(|| {
    let kinds: [(u32, u16, &[&str]); 9] = [
        (44_100, 2, &["-b", "128"]),
        (44_100, 2, &["-V", "4"]),
        (44_100, 2, &["--abr", "150", "-m", "s"]),
        (44_100, 1, &["-b", "64"]),
        (44_100, 2, &["-b", "320"]),
        (48_000, 2, &["-b", "128"]),
        (22_050, 2, &["-V", "5"]),
        (24_000, 1, &["-b", "32"]),
        (8000, 1, &["-b", "8"]),
    ];
    let frames = |(seed, (rate_hz, channels, options)): (usize, &(u32, u16, &[&str]))| {
        noise_frames(4.0, *rate_hz, *channels, seed as u64 + 1, options)
    };
    let free_format = free_format_frames(&lame(&noise(4.0, 44_100, 2, 10), &["--freeformat", "-b", "400"]));
    kinds.iter().enumerate().map(frames).chain([free_format]).collect()
});

/// Whole files as encoders write them, with an info frame.
static FILES: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    [&["-b", "128"][..], &["-V", "0"], &["-V", "6"], &["--abr", "150"]]
        .map(|options| lame(&noise(6.0, 44_100, 2, 20), options))
});

/// A change of a file's frames.
#[derive(Debug, Clone)]
enum Piece {
    /// Some frames of a kind, from a place on.
    Frames {
        kind: usize,
        from: usize,
        count: usize,
    },
    /// A tag, as at the seam of two files.
    Tag {
        picture_bytes: usize,
    },
    Id3v1,
    /// Random bytes.
    Noise {
        count: usize,
        seed: u64,
    },
    Zeros {
        count: usize,
    },
    /// A frame with some bytes cut out of it.
    Cut {
        kind: usize,
        at: usize,
        from: usize,
        count: usize,
    },
    /// A frame of which bytes were changed.
    Changed {
        kind: usize,
        at: usize,
        changes: Vec<(usize, u8)>,
    },
}

fn piece() -> impl Strategy<Value = Piece> {
    // Mostly of one kind, as files are.
    let kind = prop_oneof![4 => Just(0_usize), 1 => 0_usize..10];
    prop_oneof![
        6 => (kind.clone(), 0_usize..150, 1_usize..150)
            .prop_map(|(kind, from, count)| Piece::Frames { kind, from, count }),
        1 => (0_usize..5000).prop_map(|picture_bytes| Piece::Tag { picture_bytes }),
        1 => Just(Piece::Id3v1),
        1 => (1_usize..4000, any::<u64>()).prop_map(|(count, seed)| Piece::Noise { count, seed }),
        1 => (1_usize..4000).prop_map(|count| Piece::Zeros { count }),
        2 => (kind.clone(), 0_usize..150, 0_usize..1000, 1_usize..600)
            .prop_map(|(kind, at, from, count)| Piece::Cut { kind, at, from, count }),
        2 => (kind, 0_usize..150, prop::collection::vec((0_usize..1000, any::<u8>()), 1..8))
            .prop_map(|(kind, at, changes)| Piece::Changed { kind, at, changes }),
    ]
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        let frame = |kind: usize, at: usize| {
            let frames = &MATERIAL[kind];
            frames[at % frames.len()].clone()
        };
        match self {
            Self::Frames { kind, from, count } => (0..*count).flat_map(|at| frame(*kind, from + at)).collect(),
            Self::Tag { picture_bytes } => id3v2("Seam", *picture_bytes),
            Self::Id3v1 => id3v1(),
            Self::Noise { count, seed } => random_bytes(*count, *seed),
            Self::Zeros { count } => vec![0; *count],
            Self::Cut { kind, at, from, count } => {
                let mut frame = frame(*kind, *at);
                let from = from % frame.len();
                let to = (from + count).min(frame.len());
                frame.drain(from..to);
                frame
            }
            Self::Changed { kind, at, changes } => {
                let mut frame = frame(*kind, *at);
                let length = frame.len();
                changes.iter().for_each(|(place, byte)| frame[place % length] = *byte);
                frame
            }
        }
    }
}

fn decoder(file: &[u8], known: Known) -> Decoder<&[u8]> {
    Decoder::new(Path::new("odd.mp3"), file, Mix::Stereo, known).unwrap()
}

fn check(file: &[u8], joins: &[f64]) -> Result<(), TestCaseError> {
    let Ok(found) = survey(file) else { return Ok(()) };
    let known = |map: Option<Arc<FrameMap>>| Known { rate_hz: Some(found.rate_hz), channels: Some(2), map };
    let map = survey_by_counting(file).ok().and_then(|survey| survey.map).map(Arc::new);
    // All of it, and some silence after it.
    let frames = found.frames as usize;
    let mut played = vec![0.0; 2 * (frames + 3000)];
    decoder(file, known(None)).read(&mut played).unwrap();
    // A header is believed if it can be true, and may still be false.
    let is_counted = found.map.is_some();
    let is_silent_behind = played[2 * frames..].iter().all(|sample| *sample == 0.0);
    prop_assert!(!is_counted || is_silent_behind, "sound after the end of {} frames", frames);
    // With a map that was read from an index.
    let map = map.map(|map| Arc::new(map.to_string().parse::<FrameMap>().unwrap()));
    for map in [None, map] {
        let has_map = map.is_some();
        let mut wandering = decoder(file, known(map.clone()));
        prop_assert_eq!(wandering.rate_hz(), found.rate_hz);
        // As a box that joins does, and from where another place has led.
        for (join, is_first) in joins.iter().flat_map(|join| [(join, true), (join, false)]) {
            let place = (join * frames as f64) as usize;
            let mut fresh = decoder(file, known(map.clone()));
            let joining = if is_first { &mut fresh } else { &mut wandering };
            joining.seek(place as i64).unwrap();
            let mut joined = vec![0.0; 2 * 5000.min(frames + 3000 - place)];
            joining.read(&mut joined).unwrap();
            let expected = &played[2 * place..2 * place + joined.len()];
            let worst =
                joined.iter().zip(expected).map(|(a, b)| (a - b).abs()).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let (at, difference) = worst.unwrap_or_default();
            // A damaged frame may be far beyond full scale, where the rounding is larger, too.
            let loudest = expected.iter().fold(1.0_f32, |loudest, sample| sample.abs().max(loudest));
            prop_assert!(
                difference <= DIFFERENCE * loudest,
                "joined at {} of {}, map {}, at first {}: {} off at {}",
                place,
                frames,
                has_map,
                is_first,
                difference,
                at / 2
            );
        }
    }
    Ok(())
}

/// Makes a frame of 24 bytes, 3 of which are main data: Layer III, MPEG-2, 8 kbit/s, 24 kHz,
/// stereo. It depends on 250 bytes before it.
fn small_frame(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |value: u32, count: u32| bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    // Where the main data begins, and private bits.
    put(250, 8);
    put(0, 2);
    for _ in 0..2 {
        // Bits of main data, pairs of values, gain, scale factors and window, tables, regions,
        // flags.
        put(random.u32(60..=110), 12);
        put(random.u32(5..=20), 9);
        put(random.u32(165..=185), 8);
        put(0, 10);
        (0..3).for_each(|_| put(random.u32(1..4), 5));
        put(3, 4);
        put(2, 3);
        put(0, 2);
    }
    bits.resize(17 * 8, false);
    let side_information = bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    let main_data: Vec<u8> = (0..3).map(|_| random.u8(..)).collect();
    [0xFF, 0xF3, 0x14, 0x04].into_iter().chain(side_information).chain(main_data).collect()
}

#[test]
fn frames_that_depend_on_many_others_are_joined_as_they_are_played() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..10 {
        let file: Vec<u8> = (0..300).flat_map(|_| small_frame(&mut random)).collect();
        check(&file, &[0.3, 0.4, 0.5, 0.6, 0.7, 0.8]).unwrap();
    }
}

#[test]
fn what_follows_a_stream_in_free_format_changes_nothing_before_it() {
    let free = lame(&noise(3.0, 44_100, 2, 4), &["--freeformat", "-b", "100", "-t"]);
    // The tag makes the file so long that it has a place of entry in each part.
    let file = [free, id3v2("Seam", 300_000), MATERIAL[0].concat()].concat();
    assert!(survey(&file[..]).unwrap().frames > 6 * 44_100);
    check(&file, &[0.9, 0.1, 0.2, 0.5, 0.3, 0.4]).unwrap();
}

#[test]
fn the_beginning_of_another_rate_is_found_however_it_is_reached() {
    // 31 frames at 8 kHz are 98,431.2 at 44.1 kHz.
    let file = [MATERIAL[0][..60].concat(), MATERIAL[8][..31].concat(), MATERIAL[0][60..120].concat()].concat();
    let border = 60 * 1152 + 98_431;
    let mut played = vec![0.0; 2 * (border + 6000)];
    decoder(&file, Known::default()).read(&mut played).unwrap();
    for place in border - 3..border + 3 {
        let mut joining = decoder(&file, Known::default());
        let mut joined = vec![0.0; 2 * 5000];
        // From a place in the part at 8 kHz, whose end is not known then: on the way to it, samples
        // count as being of one rate.
        joining.seek(75_000).unwrap();
        joining.read(&mut joined).unwrap();
        joining.seek(place as i64).unwrap();
        joining.read(&mut joined).unwrap();
        let differences = joined.iter().zip(&played[2 * place..]).map(|(a, b)| (a - b).abs());
        let largest = differences.fold(0.0, f32::max);
        assert!(largest <= DIFFERENCE, "{largest} off from {place} on, where {border} is the border");
    }
}

#[test]
fn a_damaged_frame_in_free_format_silences_no_other() {
    let mut file = lame(&noise(4.0, 44_100, 2, 3), &["--freeformat", "-b", "100", "-t"]);
    let rate_hz = survey(&file[..]).unwrap().rate_hz as usize;
    // More pairs of values than a frame has, in the first frame with sound after the first second.
    let header = file[..4].to_vec();
    let at = (20_000..).find(|at| file[*at..].starts_with(&header[..2])).unwrap();
    file[at + 4..at + 36].fill(0xFF);
    let mut samples = vec![0.0; 2 * 3 * rate_hz];
    decoder(&file, Known::default()).read(&mut samples).unwrap();
    let last = &samples[2 * 2 * rate_hz..];
    assert!(last.iter().any(|sample| sample.abs() > 0.1), "nothing is heard after the damage");
    check(&file, &[0.9, 0.5, 0.1]).unwrap();
}

proptest! {

    #[test]
    fn joining_anywhere_is_the_same_as_playing_from_the_start(
        pieces in prop::collection::vec(piece(), 1..12),
        info in prop::option::of((0_u32..3000, prop::option::of((0_u16..2000, 0_u16..2000)), any::<bool>())),
        joins in prop::collection::vec(0.0..1.0_f64, 4),
    ) {
        let body: Vec<u8> = pieces.iter().flat_map(Piece::bytes).collect();
        let like = &MATERIAL[0][0];
        let head = info.map_or_else(Vec::new, |(frames, delay_padding, right_bytes)| {
            let info = Info { frames, bytes: right_bytes.then_some(body.len() as u32), delay_padding, tag: b"Xing" };
            info_frame(like, &info)
        });
        check(&[head, body].concat(), &joins)?;
    }

    /// Two boxes, one of which has a copy with a damaged place: they differ while that place lasts,
    /// and not after it.
    #[test]
    fn a_damaged_byte_moves_nothing_behind_it(
        which in 0_usize..4,
        at in 0.1..0.8_f64,
        in_header in prop::option::of(1_usize..3),
        bits in 1_u8..,
    ) {
        let good = &FILES[which];
        let mut bad = good.clone();
        let place = match in_header {
            Some(byte) => header_near(good, at) + byte,
            None => (at * good.len() as f64) as usize,
        };
        bad[place] ^= bits;
        let (good, bad) = (sound(good), sound(&bad));
        prop_assert_eq!(good.len(), bad.len());
        // Up to there, and some frames that depend on the damaged one.
        let differs = good.iter().zip(&bad).rposition(|(good, bad)| (good - bad).abs() > DIFFERENCE);
        let begins = good.iter().zip(&bad).position(|(good, bad)| (good - bad).abs() > DIFFERENCE);
        let lasts = differs.zip(begins).map_or(0, |(last, first)| (last - first) / 2);
        prop_assert!(lasts < 32 * 1152, "{} frames differ", lasts);
    }
}

/// Returns where a frame begins, at about a part of the file.
fn header_near(file: &[u8], part: f64) -> usize {
    let frames = frames(file);
    let before = (part * frames.len() as f64) as usize;
    file.len() - frames[before..].concat().len()
}

fn sound(file: &[u8]) -> Vec<f32> {
    let frames = survey(file).unwrap().frames as usize;
    let mut samples = vec![0.0; 2 * frames];
    decoder(file, Known { rate_hz: None, channels: Some(2), map: None }).read(&mut samples).unwrap();
    samples
}

#[test]
fn a_stream_in_free_format_is_joined_though_another_follows() {
    let file = [MATERIAL[9].concat(), MATERIAL[4].concat()].concat();
    check(&file, &[0.05, 0.2, 0.4, 0.6, 0.9]).unwrap();
    let played = sound(&file);
    assert!(played[..played.len() / 4].iter().any(|sample| sample.abs() > 0.05), "it is heard");
}
