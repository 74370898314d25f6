//! The files around a box: its music, its playlist, its state.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fastrand::Rng;

use super::hour::Hour;

/// Files of some seconds, made once.
pub struct Tracks {
    pub folder: tempfile::TempDir,
    pub names: Vec<String>,
}

impl Tracks {
    pub fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lengths_s = [3, 9, 14, 30];
        let names = lengths_s.map(|seconds| {
            let name = format!("{seconds}.mp3");
            let frames = seconds * 8000 + 123;
            let signal = crate::support::Signal::tone(8000, 1, frames, 440.0);
            signal.encode(&folder.path().join(&name), &["-b", "8", "-m", "m", "--resample", "8"]);
            name
        });
        Self { folder, names: names.to_vec() }
    }
}

impl Hour<'_> {
    /// Writes another playlist, or something that is not a playlist.
    pub fn edit_playlist(&mut self, kind: usize) {
        let list = self.around.music.join("Playlist.m3u8");
        let pick = |random: &mut Rng| self.tracks.names[random.usize(..self.tracks.names.len())].clone();
        match kind {
            0 => _ = fs::remove_file(&list),
            1 => self.write(&list, b"\x00\xff\xfe not a playlist"),
            2 => {
                let name = pick(&mut self.random);
                _ = fs::remove_file(self.around.music.join(name));
            }
            _ => {
                let count = self.random.usize(1..6);
                let names: Vec<String> = (0..count).map(|_| pick(&mut self.random)).collect();
                for name in &names {
                    let file = self.around.music.join(name);
                    if !file.exists() {
                        fs::copy(self.tracks.folder.path().join(name), &file).unwrap();
                        self.touch(&file);
                    }
                }
                self.write(&list, format!("#EXTM3U\n{}\n", names.join("\n")).as_bytes());
            }
        }
        let music = self.around.music.clone();
        self.touch(&music);
    }

    fn write(&mut self, file: &Path, contents: &[u8]) {
        fs::write(file, contents).unwrap();
        self.touch(file);
    }

    /// Changes a file's time: in virtual time two edits may share one tick of the file system's
    /// clock.
    fn touch(&mut self, file: &Path) {
        self.edits += 10;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.edits);
        fs::File::open(file).unwrap().set_modified(time).unwrap();
    }

    /// Puts a file where the state folder is: every write fails.
    pub fn block_state(&self) {
        if self.around.state.is_dir() {
            fs::rename(&self.around.state, self.hidden_state()).unwrap();
        }
        fs::write(&self.around.state, "").unwrap();
    }

    pub fn unblock_state(&self) {
        if self.around.state.is_file() {
            fs::remove_file(&self.around.state).unwrap();
        }
        if self.hidden_state().is_dir() && !self.around.state.exists() {
            fs::rename(self.hidden_state(), &self.around.state).unwrap();
        }
    }

    fn hidden_state(&self) -> PathBuf {
        self.around.state.with_extension("hidden")
    }
}
