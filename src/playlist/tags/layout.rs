//! How the versions of ID3v2 lay out their frames (id3.org: id3v2-00, id3v2.3.0,
//! id3v2.4.0-structure).

/// Version of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V22,
    V23,
    V24,
}

/// The first ten bytes of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TagHeader {
    pub version: Version,
    /// Of the tag as a whole; in 2.4 every frame repeats it.
    pub is_unsynchronised: bool,
    pub has_extended_header: bool,
    /// Bytes of the tag after these ten.
    pub size: u64,
}

impl TagHeader {
    /// Bytes of the header itself.
    pub(super) const BYTES: usize = 10;

    pub(super) fn parse(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let [b'I', b'D', b'3', major, _, flags, size @ ..] = *bytes else { return None };
        let version = match major {
            2 => Version::V22,
            3 => Version::V23,
            4 => Version::V24,
            _ => return None,
        };
        // In 2.2 the same bit is a compression of the whole tag that was never specified.
        if version == Version::V22 && flags & 0x40 != 0 {
            return None;
        }
        Some(Self {
            version,
            is_unsynchronised: flags & 0x80 != 0,
            has_extended_header: flags & 0x40 != 0,
            size: u64::from(sync_safe(size)),
        })
    }
}

impl Version {
    /// Returns the bytes of a frame's header.
    pub(super) fn header_bytes(self) -> usize {
        if self == Self::V22 { 6 } else { 10 }
    }

    /// Returns the bytes of an extended header after the four that give its size.
    pub(super) fn extended_header_rest(self, size: [u8; 4]) -> u64 {
        match self {
            // In 2.4 the size includes its own four bytes.
            Self::V24 => u64::from(sync_safe(size)).saturating_sub(4),
            Self::V22 | Self::V23 => u64::from(u32::from_be_bytes(size)),
        }
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub kind: Kind,
    /// Bytes of the frame after its header.
    pub size: u64,
    /// The size if it was written as a plain number in 2.4, as iTunes did for years; see
    /// [`sync_safe`].
    pub plain_size: u64,
    pub wrapping: Wrapping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Title,
    Artist,
    Other,
}

impl FrameHeader {
    /// Reads a header, from as many of the bytes as the version has; `None` at padding or anything
    /// else.
    pub(super) fn parse(version: Version, bytes: [u8; 10]) -> Option<Self> {
        let (id, size, plain_size, flags): (&[u8], u32, u32, u8) = match (version, bytes) {
            (Version::V22, [_, _, _, a, b, c, ..]) => {
                let size = u32::from_be_bytes([0, a, b, c]);
                (bytes.get(..3)?, size, size, 0)
            }
            (Version::V23, [_, _, _, _, a, b, c, d, _, flags]) => {
                let size = u32::from_be_bytes([a, b, c, d]);
                (bytes.get(..4)?, size, size, flags)
            }
            (Version::V24, [_, _, _, _, a, b, c, d, _, flags]) => {
                let size = [a, b, c, d];
                (bytes.get(..4)?, sync_safe(size), u32::from_be_bytes(size), flags)
            }
        };
        if !is_id(id) {
            return None;
        }
        let kind = match id {
            b"TT2" | b"TIT2" => Kind::Title,
            b"TP1" | b"TPE1" => Kind::Artist,
            _ => Kind::Other,
        };
        let wrapping = Wrapping::parse(version, flags);
        Some(Self { kind, size: size.into(), plain_size: plain_size.into(), wrapping })
    }
}

/// Returns whether a frame can have that name.
pub(super) fn is_id(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// What was done to a frame's content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wrapping {
    pub is_compressed: bool,
    pub is_encrypted: bool,
    pub is_unsynchronised: bool,
    /// Bytes before the content: the group it is in, and its unpacked size.
    pub prefix_bytes: usize,
}

impl Wrapping {
    fn parse(version: Version, flags: u8) -> Self {
        let is = |bit: u8| flags & bit != 0;
        let count = |is: bool, bytes: usize| if is { bytes } else { 0 };
        match version {
            Version::V22 => Self::default(),
            Version::V23 => Self {
                is_compressed: is(0x80),
                is_encrypted: is(0x40),
                is_unsynchronised: false,
                prefix_bytes: count(is(0x80), 4) + count(is(0x20), 1),
            },
            Version::V24 => Self {
                is_compressed: is(0x08),
                is_encrypted: is(0x04),
                is_unsynchronised: is(0x02),
                prefix_bytes: count(is(0x40), 1) + count(is(0x01), 4),
            },
        }
    }
}

/// Reads a number with seven bits in each byte, so that it cannot look like the beginning of a
/// frame of MPEG audio.
fn sync_safe(bytes: [u8; 4]) -> u32 {
    bytes.into_iter().fold(0, |sum, byte| (sum << 7) | u32::from(byte & 0x7F))
}
