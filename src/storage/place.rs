//! What kind of file system the state is on: whether it survives a restart.

use std::path::{Path, PathBuf};

use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use serde::{Deserialize, Serialize};

/// The state folder, and what it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePlace {
    /// The folder; it need not exist yet.
    pub folder: PathBuf,
    /// What it is on.
    pub lies_on: LiesOn,
}

/// What a folder is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiesOn {
    /// A disk, which remembers.
    Disk,
    /// A disk that cannot be written to.
    ReadOnly,
    /// An overlay, as raspi-config makes it for a read-only root: what is written is forgotten with
    /// the power.
    Overlay,
    /// Memory: the same.
    Tmpfs,
    /// It could not be found out.
    #[default]
    #[serde(other)]
    Unknown,
}

impl StatePlace {
    /// Examines a folder, or the nearest one above it that exists.
    pub fn of(folder: &Path) -> Self {
        let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
        Self { folder: folder.to_owned(), lies_on: LiesOn::of(existing) }
    }
}

impl LiesOn {
    /// Examines a folder that exists.
    pub fn of(existing: &Path) -> Self {
        let Ok(disk) = statfs(existing) else { return Self::Unknown };
        match disk.filesystem_type() {
            OVERLAYFS_SUPER_MAGIC => Self::Overlay,
            TMPFS_MAGIC => Self::Tmpfs,
            _ if statvfs(existing).is_ok_and(|disk| disk.flags().contains(FsFlags::ST_RDONLY)) => Self::ReadOnly,
            _ => Self::Disk,
        }
    }

    /// Returns whether what is written there is gone after a power cut.
    pub fn forgets(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Overlay | Self::Tmpfs)
    }

    /// Returns what it is in words, after "is"; `None` for a disk that remembers.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::ReadOnly => Some("read-only"),
            Self::Overlay => Some("on an overlay, as for a read-only root"),
            Self::Tmpfs => Some("in memory"),
            Self::Disk | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_recognised_also_below_folders_that_do_not_exist() {
        // Debian and every container have it.
        let place = StatePlace::of(Path::new("/dev/shm/not/yet/there"));
        assert_eq!(place.lies_on, LiesOn::Tmpfs);
        assert!(place.lies_on.forgets() && place.lies_on.words().is_some());
    }

    #[test]
    fn a_kernels_file_system_is_not_taken_for_memory() {
        assert!(matches!(LiesOn::of(Path::new("/proc")), LiesOn::Disk | LiesOn::ReadOnly));
    }
}
