//! The recording on disk: two files, of which the newer one grows and the older one is dropped.
//!
//! Lines are appended and synced. A power cut may tear the last line, which is skipped on reading.
//! When the newer file is full it takes the older one's place, by a rename.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::storage::{LiesOn, StatePlace, open_file, regular};

/// The most that the recording takes on disk, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024;

const NEWER: &str = "recorder.jsonl";
const OLDER: &str = "recorder.old.jsonl";
/// What the memory on the clock module holds of earlier boots, on a disk that forgets.
const EARLIER: &str = "recorder.module.jsonl";

/// The most that is appended at a time, in bytes. A power cut may leave a file with the length of
/// what was written last, without its contents: a hole of at most this.
pub(super) const MOST_AT_ONCE_BYTES: usize = 64 * 1024;

/// Where the service that systemd runs records where its state folder cannot be written to, or
/// forgets.
const RUNTIME_FOLDER: &str = "/run/jaudiosync";

/// Returns the folder of the recording: the state folder, or one in memory where that is read-only
/// or on an overlay.
pub fn recording_folder(place: &StatePlace) -> PathBuf {
    let runtime = std::env::var_os("RUNTIME_DIRECTORY").map_or_else(|| PathBuf::from(RUNTIME_FOLDER), PathBuf::from);
    folder_on(place.lies_on, &place.folder, runtime)
}

/// An overlay shows the files of the disk below it: a recording from before there was an overlay
/// would come back with every start, as if it were newer than what the clock module has.
fn folder_on(lies_on: LiesOn, state_folder: &Path, runtime: PathBuf) -> PathBuf {
    let is_unsuitable = matches!(lies_on, LiesOn::ReadOnly | LiesOn::Overlay);
    if is_unsuitable && runtime.exists() { runtime } else { state_folder.to_owned() }
}

/// The files of a recording.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
    /// The most that one of the two holds, in bytes.
    each_bytes: u64,
}

impl Files {
    /// Returns those in a state folder. Reads nothing.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), each_bytes: MAX_BYTES / 2 }
    }

    /// Returns the file that grows.
    pub fn path(&self) -> PathBuf {
        self.folder.join(NEWER)
    }

    /// Reads all that is recorded, the oldest line first; nothing if there is no recording.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for name in [EARLIER, OLDER, NEWER] {
            let file = match open_file(&self.folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            // Anything larger is not ours; a line must not continue in the next file.
            file.take(self.each_bytes).read_to_end(&mut bytes)?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    /// Appends whole lines, and waits until they are on disk. The folder is created if necessary.
    ///
    /// # Errors
    /// If they cannot be written; then none of them is there, or some are and the last one is torn.
    pub fn append(&self, lines: &str) -> io::Result<()> {
        let lines = self.newest(lines).as_bytes();
        if lines.is_empty() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)?;
        let mut file = self.open()?;
        let mut length = file.metadata()?.len();
        if length > 0 && length + lines.len() as u64 + 1 > self.each_bytes {
            self.turn(length)?;
            file = self.open()?;
            length = 0;
        }
        let written = write(&mut file, length, lines).and_then(|()| file.sync_data()).and_then(|()| match length {
            // A new file is on disk only once its folder is.
            0 => File::open(&self.folder)?.sync_all(),
            _ => Ok(()),
        });
        if written.is_err() {
            // A full disk: what was written of it would be torn, or be there twice after the next
            // attempt.
            let _ = file.set_len(length);
        }
        written
    }

    /// Replaces what is known of earlier boots from elsewhere; it comes first when all is read.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_earlier(&self, lines: &str) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        std::fs::write(self.folder.join(EARLIER), lines)
    }

    fn open(&self) -> io::Result<File> {
        regular(OpenOptions::new().read(true).append(true).create(true).mode(0o644).open(self.path())?)
    }

    /// Puts the newer file in the older one's place. One that is a little too large has been given a
    /// hole at its end by a power cut, which is cut off; one that is much too large is not ours.
    fn turn(&self, length: u64) -> io::Result<()> {
        if length > self.each_bytes + MOST_AT_ONCE_BYTES as u64 {
            return std::fs::remove_file(self.path());
        }
        if length > self.each_bytes {
            self.open()?.set_len(self.each_bytes)?;
        }
        std::fs::rename(self.path(), self.folder.join(OLDER))
    }

    /// Returns as many of the last lines as one file holds.
    fn newest<'a>(&self, lines: &'a str) -> &'a str {
        let too_many = (lines.len() as u64).saturating_sub(self.each_bytes - 1) as usize;
        if too_many == 0 {
            return lines;
        }
        let end = lines.bytes().skip(too_many).position(|byte| byte == b'\n');
        end.and_then(|end| lines.get(too_many + end + 1..)).unwrap_or_default()
    }
}

/// Appends lines to a file of this length; on a new line, even if the last one is torn.
fn write(file: &mut File, length: u64, lines: &[u8]) -> io::Result<()> {
    if length > 0 {
        file.seek(SeekFrom::Start(length - 1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            return file.write_all(&[b"\n", lines].concat());
        }
    }
    file.write_all(lines)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(files: &Files) -> String {
        String::from_utf8_lossy(&files.read().unwrap()).into_owned()
    }

    #[test]
    fn it_holds_the_last_lines_and_no_more_than_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files { each_bytes: 1_000, ..Files::in_folder(&folder.path().join("state")) };
        assert_eq!(text(&files), "");
        for number in 0..1_000 {
            files.append(&format!("line {number}\n")).unwrap();
            let sizes: u64 =
                std::fs::read_dir(&files.folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
            assert!(sizes <= 2_000, "{sizes} bytes");
        }
        let all = text(&files);
        let lines: Vec<&str> = all.lines().filter(|line| !line.is_empty()).collect();
        assert!(lines.len() > 100 && lines.last() == Some(&"line 999"), "{lines:?}");
        let first: usize = lines[0].strip_prefix("line ").unwrap().parse().unwrap();
        assert!(lines.iter().enumerate().all(|(at, line)| *line == format!("line {}", first + at)));
    }

    #[test]
    fn what_is_below_an_overlay_is_left_there() {
        let [state, runtime] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let chosen = |lies_on| folder_on(lies_on, state.path(), runtime.path().to_owned());
        assert_eq!([LiesOn::Overlay, LiesOn::ReadOnly].map(chosen), [runtime.path(), runtime.path()]);
        assert_eq!([LiesOn::Disk, LiesOn::Tmpfs, LiesOn::Unknown].map(chosen), [state.path(); 3]);
        // Without systemd there is none.
        assert_eq!(folder_on(LiesOn::Overlay, state.path(), runtime.path().join("none")), state.path());
    }

    #[test]
    fn more_than_it_holds_at_once_is_cut_to_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files { each_bytes: 100, ..Files::in_folder(folder.path()) };
        let lines: String = (0..100).map(|number| format!("line {number}\n")).collect();
        files.append(&lines).unwrap();
        assert!(text(&files).ends_with("line 98\nline 99\n\n") && text(&files).len() <= 101, "{}", text(&files));
        files.append(&"x".repeat(500)).unwrap();
        assert!(text(&files).contains("line 99"));
    }

    #[test]
    fn a_file_that_is_much_too_large_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::in_folder(folder.path());
        std::fs::write(files.path(), vec![b'x'; 2 * MAX_BYTES as usize]).unwrap();
        files.append("line\n").unwrap();
        assert_eq!(text(&files), "line\n\n");
    }

    #[test]
    fn a_file_that_a_hole_has_made_too_large_keeps_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files { each_bytes: 100, ..Files::in_folder(folder.path()) };
        files.append(&"a line\n".repeat(14)).unwrap();
        OpenOptions::new().write(true).open(files.path()).unwrap().set_len(130).unwrap();
        files.append("the last line\n").unwrap();
        let all = text(&files);
        assert!(all.contains("a line\n") && all.ends_with("\nthe last line\n\n"), "{all:?}");
    }

    #[test]
    fn what_is_in_the_way_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::in_folder(folder.path());
        std::fs::create_dir(files.path()).unwrap();
        assert!(files.append("line\n").is_err() && files.read().is_err());
        // A pipe that nobody writes to would be waited for.
        std::fs::remove_dir(files.path()).unwrap();
        nix::unistd::mkfifo(&files.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(files.append("line\n").is_err() && files.read().is_err());
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        assert!(Files::in_folder(&blocked.join("state")).append("line\n").is_err());
    }

    proptest! {
        #[test]
        fn after_a_cut_at_any_byte_later_lines_are_whole(cut in 0..60_u64) {
            let folder = tempfile::tempdir().unwrap();
            let files = Files::in_folder(folder.path());
            files.append("the first line\nthe second line\nthe third line\n").unwrap();
            OpenOptions::new().write(true).open(files.path()).unwrap().set_len(cut.min(46)).unwrap();
            files.append("a later line\n").unwrap();
            files.append("the last line\n").unwrap();
            prop_assert!(text(&files).contains("\na later line\nthe last line\n") || cut == 0);
        }
    }
}
