//! A lock on a folder, for whoever reads, changes and writes an index in it: the service's threads, and commands beside them.
//!
//! It is the kernel's own (flock), on the folder itself: no file has to be made for it, it works where nothing can be written,
//! and it ends with the process.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// A holder reads and writes one file, which takes a slow card a second. One that was stopped in the middle is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The kernel cannot be asked to wait for so long and no longer.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock on a folder, until it is dropped.
#[derive(Debug)]
pub(super) struct FolderLock(#[expect(dead_code, reason = "it is there to be dropped")] File);

impl FolderLock {
    /// Wait for the lock on a folder. Where a file system has no locks, as some over a network, there is none to wait for.
    ///
    /// # Errors
    /// When there is no such folder, or another program does not let go of it.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        let folder = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
        let began = Instant::now();
        loop {
            match folder.try_lock() {
                Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        io::ErrorKind::WouldBlock,
                        "another jaudiosync keeps its folder locked",
                    ));
                }
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(Self(folder)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        assert!(matches!(File::open(folder.path()).unwrap().try_lock(), Err(TryLockError::WouldBlock)));
        drop(lock);
        FolderLock::take(folder.path()).unwrap();
        assert!(FolderLock::take(&folder.path().join("missing")).is_err());
    }
}
