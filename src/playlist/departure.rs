//! The ways in which a file was found other than as its line is written.

use serde::Serialize;

/// A way in which a file was found other than as its line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// Backslashes, a URL, `%20` or quotation marks: the same name in another notation, not worth
    /// reporting.
    Notation,
    /// The end of an absolute path, or of a path that leads out of the Music folder.
    Tail,
    /// In the Music folder instead of the playlist's own folder.
    MusicFolder,
    /// Another letter case.
    LetterCase,
    /// Accents composed in another way (NFC, NFD).
    Accents,
    /// A name in a code page.
    Encoding,
    /// Other white space or dots at the end of a name.
    Spaces,
}

impl Departure {
    /// Returns how such files are found, in words.
    pub(super) fn how(self) -> &'static str {
        match self {
            Self::Notation => "in another notation",
            Self::Tail => "by the end of the path",
            Self::MusicFolder => "from the Music folder instead of the playlist's",
            Self::LetterCase => "in another letter case",
            Self::Accents => "with accents composed in another way",
            Self::Encoding => "in another text encoding",
            Self::Spaces => "with other spaces or dots at the end of a name",
        }
    }
}
