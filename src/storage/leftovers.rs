//! Temporary files that a kill during a write leaves behind.

use std::io;
use std::path::Path;

use super::{Persistent, Position, RANDOM_LETTERS, Run, Session, Volume};

/// Removes the temporary files of records from a state folder, and returns how many it removed.
/// Only the service should call this, at its start: another program's write at that very moment
/// would fail, with an error and without loss.
///
/// # Errors
/// If the folder cannot be read; one that does not exist has no leftovers.
pub fn remove_leftovers(folder: &Path) -> io::Result<usize> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let leftovers = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_leftover));
    Ok(leftovers.filter(|entry| std::fs::remove_file(entry.path()).is_ok()).count())
}

fn is_leftover(name: &str) -> bool {
    [Position::FILE, Run::FILE, Session::FILE, Volume::FILE].iter().any(|file| {
        let random = name.strip_prefix('.').and_then(|name| name.strip_prefix(file));
        random.is_some_and(|random| {
            random.len() == RANDOM_LETTERS && random.bytes().all(|letter| letter.is_ascii_alphanumeric())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_kill_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let stay = ["session.json", "session.json.damaged", ".session.json", ".profile", ".volume.json-backup"];
        let go = [".session.jsonAb3xYz", ".volume.json000000"];
        for name in stay.iter().chain(&go) {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(remove_leftovers(folder.path()).unwrap(), 2);
        assert!(stay.iter().all(|name| folder.path().join(name).exists()));
        assert_eq!(remove_leftovers(&folder.path().join("none")).unwrap(), 0);
    }

    #[test]
    fn a_temporary_file_has_the_name_that_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        // A file that is created as `write_atomically` does it shows the name.
        let file = tempfile::Builder::new().prefix(".session.json").rand_bytes(RANDOM_LETTERS).tempfile_in(&folder);
        let name = file.unwrap().path().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(is_leftover(&name), "{name}");
    }
}
