//! The four bytes before every MPEG audio frame: ISO/IEC 11172-3, 2.4.1.3 (MPEG-1) and 13818-3
//! (MPEG-2, which halves the rates); MPEG-2.5, which halves them again, is Fraunhofer's extension,
//! which all players know.

use std::ops::RangeInclusive;

/// Bytes of a frame header.
pub(super) const HEADER_BYTES: usize = 4;

/// The longest frame that is decoded. No frame of a fixed bit rate is longer than 1,729 bytes
/// (Layer II, 384 kbit/s, 32 kHz); the decoder takes free-format frames up to this size
/// (`MAX_FREE_FORMAT_FRAME_SIZE` in minimp3.h).
pub(super) const MAX_FRAME_BYTES: usize = 2304;

/// Bit rates in kbit/s by their index, for MPEG-1 Layers I to III and for MPEG-2 and 2.5 (ISO/IEC
/// 11172-3, 2.4.2.3 and 13818-3, 2.4.2.3). Index 0 is free format, 15 is forbidden.
const BIT_RATES_KBPS: [[[u16; 15]; 3]; 2] = [
    [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    ],
    [
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ],
];

/// Sample rates of MPEG-1 in Hz, by their index.
const RATES_HZ: [u32; 3] = [44_100, 48_000, 32_000];

/// The most samples that a file can have: 2^32 frames, the most an info frame can count, of 1,152
/// samples. Such a file has 100 GB.
pub(crate) const MAX_FILE_SAMPLES: u64 = 1152 << 32;

/// Returns whether frames of this rate exist.
pub(crate) fn is_possible_rate_hz(rate_hz: u32) -> bool {
    RATES_HZ.iter().any(|possible_hz| [1, 2, 4].iter().any(|divisor| possible_hz / divisor == rate_hz))
}

/// The header of a frame; all of its fields are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header([u8; HEADER_BYTES]);

/// Which sample rates a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Mpeg1,
    Mpeg2,
    Mpeg25,
}

impl Header {
    /// Reads a header at the beginning of `bytes`. Layer I in free format is refused: no encoder
    /// writes it, and quiet 16-bit samples look like it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; HEADER_BYTES] = *bytes.first_chunk()?;
        let has_sync = bytes[0] == 0xFF && bytes[1] & 0xE0 == 0xE0;
        let is_reserved =
            bytes[1] & 0x18 == 0x08 || bytes[1] & 0x06 == 0 || bytes[2] >> 4 == 15 || bytes[2] & 0x0C == 0x0C;
        let header = Self(bytes);
        // MPEG-2.5 exists only as Layer III.
        let exists = header.layer() == 3
            || header.version() != Version::Mpeg25 && !(header.is_free_format() && header.layer() == 1);
        (has_sync && !is_reserved && exists).then_some(header)
    }

    fn version(self) -> Version {
        match self.0[1] >> 3 & 3 {
            0 => Version::Mpeg25,
            2 => Version::Mpeg2,
            _ => Version::Mpeg1,
        }
    }

    /// Returns the layer: 1, 2 or 3.
    pub fn layer(self) -> u8 {
        4 - (self.0[1] >> 1 & 3)
    }

    /// Returns whether the frame's length does not follow from its bit rate, but is the same for
    /// all frames of the stream.
    pub fn is_free_format(self) -> bool {
        self.0[2] >> 4 == 0
    }

    /// Returns whether a checksum of two bytes follows the header.
    pub fn has_checksum(self) -> bool {
        self.0[1] & 1 == 0
    }

    /// Returns the sample rate in Hz.
    pub fn rate_hz(self) -> u32 {
        let rate_hz = RATES_HZ.get(usize::from(self.0[2] >> 2 & 3)).copied().unwrap_or_default();
        match self.version() {
            Version::Mpeg1 => rate_hz,
            Version::Mpeg2 => rate_hz / 2,
            Version::Mpeg25 => rate_hz / 4,
        }
    }

    /// Returns the number of channels, 1 or 2.
    pub fn channels(self) -> usize {
        if self.0[3] >> 6 == 3 { 1 } else { 2 }
    }

    /// Returns the samples per channel that the frame decodes to.
    pub fn samples(self) -> usize {
        match (self.layer(), self.version()) {
            (1, _) => 384,
            (2, _) | (_, Version::Mpeg1) => 1152,
            _ => 576,
        }
    }

    /// Returns the bytes of the side information of a Layer III frame (ISO/IEC 11172-3, 2.4.1.7;
    /// 13818-3, 2.4.1.7).
    pub(super) fn side_information_bytes(self) -> usize {
        match (self.version(), self.channels()) {
            (Version::Mpeg1, 1) => 17,
            (Version::Mpeg1, _) => 32,
            (_, 1) => 9,
            _ => 17,
        }
    }

    /// Returns by how many bytes a padded frame is longer.
    pub(super) fn padding_bytes(self) -> usize {
        match (self.0[2] & 2, self.layer()) {
            (0, _) => 0,
            (_, 1) => 4,
            _ => 1,
        }
    }

    /// Returns the bytes of the frame, including its header and padding. In free format they follow
    /// from `free_format_bytes`, the length without padding of all frames of the stream.
    pub(super) fn frame_bytes(self, free_format_bytes: usize) -> usize {
        if self.is_free_format() {
            return free_format_bytes + self.padding_bytes();
        }
        self.unpadded_bytes_at(self.bits_per_s()) + self.padding_bytes()
    }

    fn unpadded_bytes_at(self, bits_per_s: u32) -> usize {
        // Layer I counts in slots of four bytes.
        let slot_bytes = if self.layer() == 1 { 4 } else { 1 };
        let slots = self.samples() as u32 / 8 * bits_per_s / self.rate_hz().max(1) / slot_bytes;
        (slots * slot_bytes) as usize
    }

    /// Returns whether a frame of this version, layer and rate can have that many bytes, at some
    /// bit rate, with padding or without.
    pub(super) fn can_have_bytes(self, bytes: u64) -> bool {
        let padding_bytes = if self.layer() == 1 { 4 } else { 1 };
        (1..15).any(|index| {
            let unpadded = self.unpadded_bytes_at(self.bits_per_s_of_index(index)) as u64;
            bytes == unpadded || bytes == unpadded + padding_bytes
        })
    }

    /// Returns the bit rate; 0 in free format.
    pub(super) fn bits_per_s(self) -> u32 {
        self.bits_per_s_of_index(usize::from(self.0[2] >> 4))
    }

    /// Returns the bit rates that a frame of this version and layer can have.
    pub(super) fn possible_bits_per_s(self) -> RangeInclusive<u32> {
        self.bits_per_s_of_index(1)..=self.bits_per_s_of_index(14)
    }

    fn bits_per_s_of_index(self, index: usize) -> u32 {
        let layers = &BIT_RATES_KBPS[usize::from(self.version() != Version::Mpeg1)];
        let rates = layers.get(usize::from(self.layer()) - 1).unwrap_or(&layers[2]);
        1000 * u32::from(rates.get(index).copied().unwrap_or_default())
    }

    /// Returns whether another frame can belong to the same stream: the same version, layer and
    /// rate, and both or neither in free format. Channels and bit rate may change from frame to
    /// frame.
    pub(super) fn is_compatible(self, other: Self) -> bool {
        self.0[1] >> 1 == other.0[1] >> 1
            && self.0[2] >> 2 & 3 == other.0[2] >> 2 & 3
            && self.is_free_format() == other.is_free_format()
    }

    /// Returns whether bytes may have been a header of the same stream before one of them was
    /// changed.
    pub(super) fn is_resembled_by(self, bytes: &[u8]) -> bool {
        bytes.iter().zip(self.0).take(2).any(|(a, b)| *a == b)
    }

    pub(super) fn bytes(self) -> [u8; HEADER_BYTES] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The crate that decodes the frames reads their headers in the same way.
        #[test]
        fn headers_are_read_as_by_the_decoder(low in 0xE0_u8.., third: u8, fourth: u8) {
            let bytes = [0xFF, low, third, fourth];
            let Some(header) = Header::parse(&bytes) else { return Ok(()) };
            prop_assume!(!header.is_free_format());
            let length = header.frame_bytes(0);
            let mut frames = vec![0; 2 * length];
            frames[..4].copy_from_slice(&bytes);
            frames[length..length + 4].copy_from_slice(&bytes);
            let frame = nanomp3::frames(&frames).next().expect("two frames in a row");
            prop_assert_eq!((frame.offset, frame.data.len()), (0, length));
            prop_assert_eq!(frame.sample_rate, header.rate_hz());
            prop_assert_eq!(frame.layer, header.layer());
            prop_assert_eq!(usize::from(frame.channels.num()), header.channels());
            prop_assert_eq!(frame.samples, header.samples());
        }
    }

    #[test]
    fn reserved_values_and_those_never_written_are_not_headers() {
        for bytes in [
            [0xFF, 0xE9, 0x90, 0], // version 1
            [0xFF, 0xF9, 0x90, 0], // layer 0
            [0xFF, 0xFB, 0xF0, 0], // bit rate 15
            [0xFF, 0xFB, 0x9C, 0], // rate 3
            [0xFF, 0xFF, 0x00, 0], // Layer I in free format
            [0xFF, 0xE4, 0x90, 0], // Layer II of MPEG-2.5
            [0xFE, 0xFB, 0x90, 0],
        ] {
            assert_eq!(Header::parse(&bytes), None, "{bytes:02X?}");
        }
        assert_eq!(Header::parse(&[0xFF, 0xFB, 0x90]), None);
        assert!(Header::parse(&[0xFF, 0xFB, 0x90, 0]).is_some());
    }

    #[test]
    fn frames_of_a_stream_may_change_channels_and_bit_rate_but_not_rate_or_layer() {
        let header = |bytes: [u8; 4]| Header::parse(&bytes).unwrap();
        let first = header([0xFF, 0xFB, 0x90, 0x00]);
        assert!(first.is_compatible(header([0xFF, 0xFA, 0xB2, 0xC0])));
        assert!(!first.is_compatible(header([0xFF, 0xFB, 0x94, 0x00])));
        assert!(!first.is_compatible(header([0xFF, 0xFD, 0x90, 0x00])));
        assert!(!first.is_compatible(header([0xFF, 0xF3, 0x90, 0x00])));
        assert!(!first.is_compatible(header([0xFF, 0xFB, 0x00, 0x00])));
    }
}
