//! What a kill in the middle of a write leaves behind.

use std::io;
use std::path::Path;

use super::{Persistent, Position, RANDOM_LETTERS, Session, Volume};

/// Removes the temporary files of records in a state folder, and says how many there were. For the service alone, at
/// its start: another program's write in that very moment would fail, with an error and without loss.
///
/// # Errors
/// When the folder cannot be read; one that does not exist has no leftovers.
pub fn remove_leftovers(folder: &Path) -> io::Result<usize> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let leftovers = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_leftover));
    Ok(leftovers.filter(|entry| std::fs::remove_file(entry.path()).is_ok()).count())
}

fn is_leftover(name: &str) -> bool {
    [Position::FILE, Session::FILE, Volume::FILE].iter().any(|file| {
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
        // A folder cannot be replaced by a file, so this fails at the last step, and cleans up after itself; a file of
        // the same make shows the name.
        let file = tempfile::Builder::new().prefix(".session.json").rand_bytes(RANDOM_LETTERS).tempfile_in(&folder);
        let name = file.unwrap().path().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(is_leftover(&name), "{name}");
    }
}
