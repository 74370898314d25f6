//! MP3s as cutters, taggers, damaged cards and killed encoders leave them, made of frames that LAME
//! has made.

use std::path::Path;

use super::Signal;

/// Bit rates of Layer III in kbit/s by their index, for MPEG-1 and for MPEG-2 and 2.5. Written
/// independently of the program's own, so that neither hides a mistake in the other.
const KBPS: [[usize; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Makes bursts of noise every half second, each unlike the others.
pub fn noise(seconds: f64, rate_hz: u32, channels: u16, seed: u64) -> Signal {
    let mut random = fastrand::Rng::with_seed(seed);
    let rate = f64::from(rate_hz);
    let samples = (0..(seconds * rate) as usize).flat_map(|frame| {
        let within_s = (frame as f64 / rate + 0.4).rem_euclid(0.5);
        let gain = if within_s < 0.25 { 0.5 * (std::f64::consts::PI * within_s / 0.25).sin().powi(2) } else { 0.0 };
        (0..channels).map(|_| ((gain + 0.004) * (random.f64() - 0.5)) as f32).collect::<Vec<f32>>()
    });
    Signal { rate_hz, channels, samples: samples.collect() }
}

/// Encodes a signal with LAME.
pub fn lame(signal: &Signal, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp3");
    signal.encode(&path, options);
    std::fs::read(path).unwrap()
}

/// Returns the bytes of the Layer III frame that begins here, and its samples per channel.
fn frame_bytes(bytes: &[u8]) -> Option<(usize, usize)> {
    let &[0xFF, second, third, _, ..] = bytes else { return None };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let (bit_rate, rate, padding) = (third >> 4, third >> 2 & 3, third >> 1 & 1);
    if second < 0xE0 || version == 1 || layer != 1 || bit_rate == 0 || bit_rate == 15 || rate == 3 {
        return None;
    }
    let rate_hz = [44_100, 48_000, 32_000][usize::from(rate)] >> [2, 0, 1, 0][usize::from(version)];
    let samples = if version == 3 { 1152 } else { 576 };
    let kbps = KBPS[usize::from(version != 3)][usize::from(bit_rate)];
    Some((samples / 8 * kbps * 1000 / rate_hz + usize::from(padding), samples))
}

/// Returns the frames of a clean file, without LAME's info frame.
pub fn frames(file: &[u8]) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let mut rest = file;
    while let Some((length, _)) = frame_bytes(rest).filter(|(length, _)| *length <= rest.len()) {
        frames.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    if frames.first().is_some_and(|frame| frame.windows(4).take(60).any(|tag| tag == b"Xing" || tag == b"Info")) {
        frames.remove(0);
    }
    frames
}

/// Returns the frames of a clean file in free format, whose length is the distance of its headers,
/// with padding and without.
pub fn free_format_frames(file: &[u8]) -> Vec<Vec<u8>> {
    let is_header = |at: usize| {
        file.get(at..at + 3).is_some_and(|header| header[..2] == file[..2] && header[2] & 0xFC == file[2] & 0xFC)
    };
    let length =
        (100..2304).find(|length| (1..8).all(|frame| (0..=frame).any(|padded| is_header(frame * length + padded))));
    let length = length.expect("a file in free format");
    let mut frames = Vec::new();
    let mut rest = file;
    while rest.len() >= length {
        let bytes = length + usize::from(rest[2] >> 1 & 1);
        frames.push(rest[..bytes.min(rest.len())].to_vec());
        rest = &rest[bytes.min(rest.len())..];
    }
    // LAME's info frame.
    frames.remove(0);
    frames
}

/// Returns frames that LAME makes of noise.
pub fn noise_frames(seconds: f64, rate_hz: u32, channels: u16, seed: u64, options: &[&str]) -> Vec<Vec<u8>> {
    frames(&lame(&noise(seconds, rate_hz, channels, seed), options))
}

/// What an info frame says.
#[derive(Default, Clone)]
pub struct Info<'a> {
    pub tag: &'a [u8],
    pub frames: u32,
    pub bytes: Option<u32>,
    pub delay_padding: Option<(u16, u16)>,
}

/// Makes an info frame from a frame like it, with room for the fields.
pub fn info_frame(like: &[u8], info: &Info<'_>) -> Vec<u8> {
    let mut header = [like[0], like[1] | 1, like[2], like[3]];
    let length = (1..15)
        .find_map(|index| {
            header[2] = like[2] & 0x0D | index << 4;
            let (length, _) = frame_bytes(&header)?;
            (length >= 230).then_some(length)
        })
        .unwrap();
    let is_mono = header[3] >> 6 == 3;
    let side = if header[1] >> 3 & 3 == 3 {
        if is_mono { 17 } else { 32 }
    } else if is_mono {
        9
    } else {
        17
    };
    let tag = if info.tag.is_empty() { &b"Xing"[..] } else { info.tag };
    let flags = 1 | if info.bytes.is_some() { 2 } else { 0 } | 4;
    let mut frame = [&header[..], &vec![0; side], tag, &u32::to_be_bytes(flags)].concat();
    frame.extend_from_slice(&info.frames.to_be_bytes());
    frame.extend(info.bytes.iter().flat_map(|bytes| bytes.to_be_bytes()));
    frame.extend((0..100).map(|index| (index as f64 * 2.56) as u8));
    if let Some((delay, padding)) = info.delay_padding {
        frame.extend_from_slice(b"LAME3.100");
        frame.extend_from_slice(&[0; 12]);
        frame.extend_from_slice(&[(delay >> 4) as u8, (delay << 4) as u8 | (padding >> 8) as u8, padding as u8]);
    }
    frame.resize(length, 0);
    frame
}

/// Makes an info frame that gives the number of frames and nothing else.
pub fn xing(like: &[u8], frames: usize) -> Vec<u8> {
    info_frame(like, &Info { frames: frames as u32, ..Info::default() })
}

/// Returns random bytes.
pub fn random_bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| random.u8(..)).collect()
}

/// Returns bytes as in a JPEG: every 0xFF is followed by 0.
pub fn picture(count: usize, seed: u64) -> Vec<u8> {
    let entropy =
        random_bytes(count, seed).into_iter().flat_map(|byte| if byte == 0xFF { vec![0xFF, 0] } else { vec![byte] });
    [0xFF, 0xD8, 0xFF, 0xE0].into_iter().chain(entropy).take(count).collect()
}

fn synchsafe(size: usize) -> [u8; 4] {
    [size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127].map(|part| part as u8)
}

/// Makes an ID3v2.3 tag with a title and a picture.
pub fn id3v2(title: &str, picture_bytes: usize) -> Vec<u8> {
    let frame = |id: &[u8], body: Vec<u8>| [id, &(body.len() as u32).to_be_bytes(), &[0, 0], &body].concat();
    let mut body = frame(b"TIT2", [&[0], title.as_bytes()].concat());
    if picture_bytes > 0 {
        body.extend(frame(b"APIC", [&b"\0image/jpeg\0\x03\0"[..], &picture(picture_bytes, 7)].concat()));
    }
    id3v2_with(&body, body.len())
}

/// Makes an ID3v2.3 tag that claims a size.
pub fn id3v2_with(body: &[u8], claimed: usize) -> Vec<u8> {
    [&b"ID3\x03\0\0"[..], &synchsafe(claimed), body].concat()
}

pub fn id3v1() -> Vec<u8> {
    [&b"TAG"[..], &[b' '; 124], &[0xFF]].concat()
}

pub fn apev2() -> Vec<u8> {
    let item = [&3_u32.to_le_bytes()[..], &[0; 4], b"Title\0Ape"].concat();
    let edge = |flags: u32| {
        let size = (item.len() as u32 + 32).to_le_bytes();
        [&b"APETAGEX"[..], &2000_u32.to_le_bytes(), &size, &1_u32.to_le_bytes(), &flags.to_le_bytes(), &[0; 8]].concat()
    };
    [edge(0xA000_0000), item.clone(), edge(0x8000_0000)].concat()
}

pub fn lyrics3() -> Vec<u8> {
    let text = [&b"LYRICSBEGININD0000200LYR02000"[..], &b"la la la\r\n".repeat(200)].concat();
    [&text[..], format!("{:06}LYRICS200", text.len()).as_bytes()].concat()
}

pub fn write(folder: &Path, name: &str, parts: &[&[u8]]) {
    std::fs::write(folder.join(name), parts.concat()).unwrap();
}
