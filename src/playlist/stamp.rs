//! Whether a file is still the one that was inspected.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Size and time of a file, as saved in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStamp {
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time, in seconds since the Unix epoch.
    pub modified_s: i64,
}

impl FileStamp {
    /// Returns the stamp of a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self { size_bytes: metadata.len(), modified_s: metadata.mtime() }
    }

    /// Returns whether a file still agrees with what was saved. FAT, as on the cards and sticks
    /// that music travels on, stores times in steps of 2 s.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.size_bytes == other.size_bytes && self.modified_s.abs_diff(other.modified_s) <= 2
    }
}

/// Which file this is, and in which state, for reads that take minutes on the machine that has the
/// file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Device and inode: a file that takes another's place has different ones.
    file: (u64, u64),
    /// Size in bytes.
    size_bytes: u64,
    /// Seconds and nanoseconds of the last change of the content, and of anything about the file:
    /// the latter cannot be set by programs.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    /// Returns the state of a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size_bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
