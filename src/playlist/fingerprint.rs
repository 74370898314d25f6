//! The fingerprint of a playlist: boxes with equal fingerprints play the same music.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::timetable::Length;

/// A short hash of the slots and the tracks' contents, shown as three groups of four hexadecimal
/// digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 6]);

impl Fingerprint {
    /// Makes the fingerprint of tracks from what is heard, and when: their order, and the length
    /// and the hash of the content of each, not their names. `None` is an unknown length, or
    /// silence.
    pub fn of<'a>(tracks: impl IntoIterator<Item = (Option<Length>, Option<&'a str>)>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"jaudiosync-fingerprint-2");
        for (length, content) in tracks {
            let (frames, rate_hz) = length.map_or((u64::MAX, 0), |length| (length.frames, length.rate_hz));
            hash.update(frames.to_le_bytes());
            hash.update(rate_hz.to_le_bytes());
            // A missing file differs from every file: this box is silent where others are not.
            hash.update(content.unwrap_or("silence").as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let mut short = [0; 6];
        short.copy_from_slice(&digest[..6]);
        Self(short)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}{b:02x}-{c:02x}{d:02x}-{e:02x}{g:02x}")
    }
}
