//! Mutations of MP3s: what cutters, taggers, damaged cards and encoders do to frames.

use std::ops::Range;

use fastrand::Rng;
use jaudiosync::mp3::bytes::Bytes;
use jaudiosync::mp3::scanner::Scanner;

/// Headers of all versions and layers, several rates, mono and stereo, and the bytes of a frame of
/// each; in free format any number would do.
const KINDS: [([u8; 4], usize); 10] = [
    ([0xFF, 0xFB, 0x14, 0x44], 96),
    ([0xFF, 0xFB, 0x90, 0xC4], 417),
    ([0xFF, 0xFA, 0x50, 0x64], 208),
    ([0xFF, 0xF3, 0x14, 0xC4], 24),
    ([0xFF, 0xE3, 0x18, 0xC4], 72),
    ([0xFF, 0xF3, 0x04, 0xC4], 60),
    ([0xFF, 0xFD, 0x14, 0xC4], 96),
    ([0xFF, 0xF5, 0x14, 0xC4], 48),
    ([0xFF, 0xFD, 0x04, 0x04], 60),
    ([0xFF, 0xFF, 0x14, 0xC4], 32),
];

/// The bytes at the beginning of a frame that contain its header and side information.
const HEAD_BYTES: usize = 38;

/// Changes the frames of a file in several ways at once.
#[must_use]
pub fn mutate(file: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut file = file.to_vec();
    for _ in 0..random.usize(1..4) {
        let frames = frames_of(&file);
        if frames.is_empty() {
            file.extend(other_frames(random));
            continue;
        }
        let frame = frames[random.usize(..frames.len())].clone();
        let some = frame.start..frames[random.usize(..frames.len())].end.max(frame.end);
        let place = frames[random.usize(..frames.len())].start;
        match random.u8(..12) {
            // Frames are cut out, repeated, moved, or all that is left.
            0 => drop(file.drain(some)),
            1 => {
                let copied = file[some].to_vec();
                insert(&mut file, place, &copied);
            }
            2 => {
                let taken: Vec<u8> = file.drain(some).collect();
                let place = place.min(file.len());
                insert(&mut file, place, &taken);
            }
            3 => file = file[some].to_vec(),
            // Bytes of a frame are lost or zeroed, or others are inserted.
            4 => drop(file.drain(part_of(&frame, random))),
            5 => file[part_of(&frame, random)].fill(0),
            6 => {
                let bytes: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
                insert(&mut file, random.usize(frame.clone()), &bytes);
            }
            // Header and side information are changed: bit rate, rate, padding, channels, the place
            // of the main data.
            7 | 8 => {
                let head = frame.start + 1..frame.end.min(frame.start + HEAD_BYTES);
                if !head.is_empty() {
                    file[random.usize(head)] ^= 1 << random.u8(..8);
                }
            }
            // All frames from here on have other headers.
            9 => {
                let (byte, bit) = (random.usize(1..4), random.u8(..8));
                for start in frames.iter().map(|frame| frame.start).filter(|start| *start >= place) {
                    if let Some(byte) = file.get_mut(start + byte) {
                        *byte ^= 1 << bit;
                    }
                }
            }
            // A tag, as at the seam of two files.
            10 => {
                let size = random.u8(..100);
                let tag = [&b"ID3\x03\0\0\0\0\0"[..], &[size], &vec![0; size.into()]].concat();
                insert(&mut file, place, &tag);
            }
            // Another stream.
            _ => insert(&mut file, place, &other_frames(random)),
        }
    }
    file
}

/// Returns where the frames of a file are.
fn frames_of(file: &[u8]) -> Vec<Range<usize>> {
    let Ok(mut bytes) = Bytes::new(file) else { return Vec::new() };
    let mut scanner = Scanner::new(0, file.len() as u64);
    let next = || scanner.next(&mut bytes).ok()?;
    let range = |start: u64, bytes: usize| start as usize..(start as usize + bytes).min(file.len());
    std::iter::from_fn(next).map(|frame| range(frame.offset, frame.bytes)).filter(|frame| !frame.is_empty()).collect()
}

fn part_of(frame: &Range<usize>, random: &mut Rng) -> Range<usize> {
    let start = random.usize(frame.clone());
    start..random.usize(start..frame.end) + 1
}

fn insert(file: &mut Vec<u8>, place: usize, bytes: &[u8]) {
    file.splice(place..place, bytes.iter().copied());
}

/// Returns some frames of another kind, of silence or noise.
fn other_frames(random: &mut Rng) -> Vec<u8> {
    let (header, bytes) = KINDS[random.usize(..KINDS.len())];
    let noise = if random.bool() { 0 } else { 0xFF };
    let frame = |random: &mut Rng| {
        let body = (header.len()..bytes).map(|_| random.u8(..) & noise).collect::<Vec<u8>>();
        [&header[..], &body].concat()
    };
    (0..random.usize(1..12)).flat_map(|_| frame(random)).collect()
}
