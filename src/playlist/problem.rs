//! What may be wrong with a track.

/// The most folders that a path may have; a longer one is not searched for.
pub(super) const MAX_PARTS: usize = 100;

/// Why a track is silence. It keeps its slot all the same: dropping it would shift this box against
/// all others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such file in the Music folder.
    #[error("the file is missing")]
    Missing,
    /// There is no such file, and the one that might be mistaken for it is another: the saved index
    /// knows which file was meant, or other lines show where it would be.
    #[error("the file is missing; {0} is another file")]
    Another(String),
    /// Several files differ from the entry only in letter case.
    #[error("it may mean several files: {}; rename one, or write the exact name", .0.join(", "))]
    Ambiguous(Vec<String>),
    /// The entry is longer than any path.
    #[error("the line is longer than any path, or names more than {MAX_PARTS} folders")]
    TooLong,
    /// The file contains what macOS notes about another one, on disks that are not its own
    /// (AppleDouble).
    #[error("it is not music: macOS keeps notes about a file in it; remove the line on all boxes")]
    MacosNotes,
    /// The entry leads out of the Music folder.
    #[error("it leads out of the Music folder, and only files inside it are played")]
    Outside,
    /// The entry is a network address.
    #[error("it is a network address; only files in the Music folder are played")]
    Remote,
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file holds no MPEG audio.
    #[error("the file holds no MP3 audio")]
    NoAudio,
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
}
