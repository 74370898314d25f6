//! A lock on a folder, for everything that reads, changes and writes an index in it: the service's
//! threads, and commands that run beside them.
//!
//! It is the kernel's own (flock), on the folder itself: it needs no lock file, works where nothing
//! can be written, and ends with the process.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to wait. A holder reads and writes one file, which takes a second on a slow card; a
/// holder that was stopped in the middle is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two attempts: flock has no timeout.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock on a folder, held until it is dropped.
#[derive(Debug)]
pub(super) struct FolderLock(#[expect(dead_code, reason = "it is there to be dropped")] File);

impl FolderLock {
    /// Waits for the lock on a folder. On a file system without locks, as some network ones are,
    /// there is nothing to wait for.
    ///
    /// # Errors
    /// When there is no such folder, or another program holds the lock for too long.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        let folder = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
        let began = Instant::now();
        loop {
            match folder.try_lock() {
                Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, "another jaudiosync has locked its folder"));
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
