//! Secrets on disk: files that others cannot read, not even for a moment.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::Path;

use nix::unistd::Gid;

use super::temporary_beside;

/// Writes a secret whole or not at all, as [`write_atomically`](super::write_atomically) does. Its
/// owner may read and write it, and a group, if one is given, may read it; others may do neither.
///
/// # Errors
/// If the folder cannot be written to, the disk is full, or the file cannot be given to the group.
/// The old file then stays.
pub fn write_secret(path: &Path, contents: &[u8], readers: Option<Gid>) -> io::Result<()> {
    let (mut file, folder) = temporary_beside(path, 0o600)?;
    if let Some(readers) = readers {
        fchown(file.as_file(), None, Some(readers.as_raw()))?;
        file.as_file().set_permissions(Permissions::from_mode(0o640))?;
    }
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn others_cannot_read_it_and_a_group_can_if_it_should() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "old").unwrap();
        let own = nix::unistd::getgid();
        for (readers, mode) in [(None, 0o600), (Some(own), 0o640)] {
            write_secret(&path, b"new", readers).unwrap();
            let metadata = std::fs::metadata(&path).unwrap();
            assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (mode, own.as_raw()));
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    }
}
