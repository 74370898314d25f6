//! Reads at a place of a file as much as there is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Fill `buffer` from a place of a file on. Returns how many bytes there were: fewer than fit in only at the file's end.
///
/// # Errors
/// When they cannot be read.
pub(super) fn read_up_to(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
