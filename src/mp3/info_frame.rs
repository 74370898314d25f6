//! The frame without sound that most encoders write first, to say how long the file is: Xing and
//! Info headers with LAME's extension (gabriel.mp3-tech.org/mp3infotag.html), and Fraunhofer's
//! VBRI.

use super::header::{HEADER_BYTES, Header};

/// Samples by which every decoder is late (the hybrid filter bank of ISO/IEC 11172-3, `DECDELAY` in
/// LAME's encoder.h); the encoder's delay in LAME's extension does not include them.
const DECODER_DELAY: u64 = 529;

/// Where a VBRI header starts after the frame header, whatever the length of the side information.
const VBRI_OFFSET: usize = 32;

/// Bytes of LAME's extension before the encoder's delay: the encoder's name, revision, low-pass,
/// gains, flags, bit rate.
const LAME_DELAY_OFFSET: usize = 21;

/// What an info frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InfoFrame {
    /// Frames of sound that follow. `None` if the encoder was stopped before it knew, or does not
    /// say.
    pub frames: Option<u32>,
    /// Bytes of all frames; most programs include the info frame.
    pub bytes: Option<u32>,
    /// Whether all frames have the same bit rate, as "Info" in place of "Xing" says.
    pub constant_bit_rate: bool,
    /// Samples per channel that the encoder put before and after the sound.
    pub delay_padding: Option<(u16, u16)>,
}

impl InfoFrame {
    /// Reads what a whole frame says, if it is an info frame.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let header = Header::parse(frame).filter(|header| header.layer() == 3)?;
        let side = HEADER_BYTES + header.side_information_bytes();
        // LAME puts its header where it would be without a checksum, even if there is one.
        let xing = [side, side + 2].into_iter().find_map(|offset| Self::parse_xing(frame.get(offset..)?));
        xing.or_else(|| Self::parse_vbri(frame.get(HEADER_BYTES + VBRI_OFFSET..)?))
    }

    fn parse_xing(tag: &[u8]) -> Option<Self> {
        if !(tag.starts_with(b"Xing") || tag.starts_with(b"Info")) {
            return None;
        }
        let flags = *tag.get(7)?;
        let mut rest = tag.get(8..)?;
        let mut field = |flag: u8, length: usize| {
            let (field, after) = rest.split_at_checked(if flags & flag == 0 { 0 } else { length })?;
            rest = after;
            Some(field)
        };
        let [frames, bytes] = [field(1, 4)?, field(2, 4)?].map(|field| field.first_chunk().copied());
        field(4, 100)?;
        field(8, 4)?;
        let extension = rest.get(LAME_DELAY_OFFSET..LAME_DELAY_OFFSET + 3);
        let has_name = rest.first().is_some_and(u8::is_ascii_alphanumeric);
        let delay_padding = extension
            .filter(|_| has_name)
            .and_then(<[u8]>::first_chunk)
            .map(|&[a, b, c]: &[u8; 3]| (u16::from(a) << 4 | u16::from(b >> 4), u16::from(b & 15) << 8 | u16::from(c)));
        let frames = frames.map(u32::from_be_bytes).filter(|frames| *frames > 0);
        let constant_bit_rate = tag.starts_with(b"Info");
        Some(Self { frames, bytes: bytes.map(u32::from_be_bytes), constant_bit_rate, delay_padding })
    }

    fn parse_vbri(tag: &[u8]) -> Option<Self> {
        let number = |offset: usize| tag.get(offset..)?.first_chunk().copied().map(u32::from_be_bytes);
        let (bytes, frames) = (number(10)?, number(14)?);
        let is_vbri = tag.starts_with(b"VBRI") && frames > 0;
        is_vbri.then_some(Self {
            frames: Some(frames),
            bytes: Some(bytes),
            constant_bit_rate: false,
            delay_padding: None,
        })
    }

    /// Returns the samples before the sound that are not heard: the encoder's delay and every
    /// decoder's.
    pub(super) fn skipped_samples(&self) -> u64 {
        match (self.frames, self.delay_padding) {
            (Some(_), Some((delay, _))) => u64::from(delay) + DECODER_DELAY,
            _ => 0,
        }
    }

    /// Returns the samples that are not heard at the end of the frames that this one counts.
    pub(super) fn padding_samples(&self) -> u64 {
        match (self.frames, self.delay_padding) {
            (Some(_), Some((_, padding))) => u64::from(padding).saturating_sub(DECODER_DELAY),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Makes a frame of 128 kbit/s at 44.1 kHz, stereo, with `tag` at a place.
    fn frame(checksum: bool, offset: usize, tag: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xFF, if checksum { 0xFA } else { 0xFB }, 0x90, 0]);
        frame[offset..offset + tag.len()].copy_from_slice(tag);
        frame
    }

    fn xing(flags: u8, frames: u32) -> Vec<u8> {
        let mut tag = [&b"Info\0\0\0"[..], &[flags]].concat();
        tag.extend_from_slice(&frames.to_be_bytes());
        tag.extend_from_slice(&[&4567_u32.to_be_bytes()[..], &[7; 100], &[0; 4]].concat());
        tag.extend_from_slice(b"LAME3.100");
        tag.extend_from_slice(&[&[0; 12][..], &[0x24, 0x03, 0xE8]].concat());
        tag
    }

    #[test]
    fn what_lame_writes_is_read_with_and_without_a_checksum() {
        let expected = InfoFrame {
            frames: Some(384),
            bytes: Some(4567),
            constant_bit_rate: true,
            delay_padding: Some((576, 1000)),
        };
        for (checksum, offset) in [(false, 36), (true, 36), (true, 38)] {
            let found = InfoFrame::parse(&frame(checksum, offset, &xing(15, 384)));
            assert_eq!(found, Some(expected), "{checksum} {offset}");
        }
        assert_eq!((expected.skipped_samples(), expected.padding_samples()), (1105, 471));
    }

    #[test]
    fn an_encoder_that_was_stopped_does_not_know() {
        let found = InfoFrame::parse(&frame(false, 36, &xing(15, 0))).unwrap();
        assert_eq!((found.frames, found.skipped_samples(), found.padding_samples()), (None, 0, 0));
    }

    #[test]
    fn vbri_is_read_and_other_frames_are_sound() {
        let tag = [&b"VBRI\0\x01\0\0\0\0"[..], &9000_u32.to_be_bytes(), &100_u32.to_be_bytes()].concat();
        let expected =
            InfoFrame { frames: Some(100), bytes: Some(9000), constant_bit_rate: false, delay_padding: None };
        assert_eq!(InfoFrame::parse(&frame(false, 36, &tag)), Some(expected));
        assert_eq!(InfoFrame::parse(&frame(false, 37, &tag)), None);
        assert_eq!(InfoFrame::parse(&frame(false, 36, b"Xin")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, flags: u8, cut in 0_usize..300) {
            let _ = InfoFrame::parse(&bytes);
            let whole = frame(false, 36, &xing(flags, 1));
            let _ = InfoFrame::parse(&whole[..cut]);
        }
    }
}
