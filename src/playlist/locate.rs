//! Finds the file that a playlist's entry means, inside the Music folder and never outside it.
//!
//! Playlists are made elsewhere: on a laptop with other folders, on Windows with backslashes, by programs that encode
//! names as in URLs. Each entry is therefore read in several ways, the plainest first, and the first one that names
//! an existing file wins. An absolute path is taken by its tail: `/home/me/Music/Rock/a.mp3` is looked for as
//! `home/me/Music/Rock/a.mp3`, then `me/Music/Rock/a.mp3`, and so on to `a.mp3`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode;
use unicode_normalization::UnicodeNormalization;

use super::index::bytes_to_text;

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Located {
    /// An existing regular file inside the Music folder.
    File(PathBuf, FileStamp),
    /// No such file.
    Missing,
    /// The entry leads out of the Music folder.
    Outside,
    /// The entry is a network address.
    Remote,
}

/// What tells whether a file is still the one that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    /// Size in bytes.
    pub size: u64,
    /// Modification time, in seconds since the Unix epoch.
    pub modified_s: i64,
}

impl FileStamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { size: metadata.len(), modified_s: metadata.mtime() }
    }

    /// Whether a file still agrees with what was saved. FAT, as on the cards and sticks that music travels on, keeps
    /// times in steps of 2 s.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.size == other.size && self.modified_s.abs_diff(other.modified_s) <= 2
    }
}

/// Looks entries up in one Music folder.
pub(super) struct Locator {
    root: PathBuf,
    /// Folders that were asked for, and whether they are inside: asking the system for each file would take as long
    /// as everything else together.
    folders: HashMap<PathBuf, Option<bool>>,
}

impl Locator {
    /// `music` is the Music folder, which exists.
    pub(super) fn new(music: &Path) -> std::io::Result<Self> {
        Ok(Self { root: music.canonicalize()?, folders: HashMap::new() })
    }

    /// The Music folder, without symbolic links.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a located file within the Music folder, as the index writes it.
    pub(super) fn relative(&self, path: &Path) -> String {
        bytes_to_text(path.strip_prefix(&self.root).unwrap_or(path).as_os_str().as_bytes())
    }

    pub(super) fn locate(&mut self, location: &[u8]) -> Located {
        let lower = location.to_ascii_lowercase();
        if lower.starts_with(b"http://") || lower.starts_with(b"https://") {
            return Located::Remote;
        }
        let mut leads_outside = false;
        for reading in readings(location) {
            let Some(parts) = normalize(&reading) else {
                leads_outside = true;
                continue;
            };
            for start in 0..parts.len() {
                match self.look(parts.get(start..).unwrap_or_default()) {
                    Some(Ok(file)) => return file,
                    Some(Err(Escapes)) => leads_outside = true,
                    None => {}
                }
            }
        }
        if leads_outside { Located::Outside } else { Located::Missing }
    }

    fn look(&mut self, parts: &[&[u8]]) -> Option<Result<Located, Escapes>> {
        let path = parts.iter().fold(self.root.clone(), |path, part| path.join(OsStr::from_bytes(part)));
        let metadata = fs::symlink_metadata(&path).ok()?;
        let folder = if metadata.is_symlink() { path.canonicalize().ok()? } else { path.parent()?.to_owned() };
        let is_inside = self.is_inside(folder)?;
        let metadata = if metadata.is_symlink() { fs::metadata(&path).ok()? } else { metadata };
        if !metadata.is_file() {
            return None;
        }
        Some(if is_inside { Ok(Located::File(path, FileStamp::of(&metadata))) } else { Err(Escapes) })
    }

    fn is_inside(&mut self, folder: PathBuf) -> Option<bool> {
        let root = &self.root;
        *self.folders.entry(folder).or_insert_with_key(|folder| Some(folder.canonicalize().ok()?.starts_with(root)))
    }
}

/// A symbolic link leads out of the Music folder.
struct Escapes;

/// The ways to read an entry, the plainest first, without repetition.
fn readings(location: &[u8]) -> Vec<Vec<u8>> {
    let mut readings: Vec<Vec<u8>> = Vec::new();
    let mut add = |reading: Vec<u8>| {
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    };
    let path = strip_file_url(location);
    // What comes after file:// is encoded for certain; anywhere else a percent sign may be one.
    let is_url = path.len() != location.len();
    let decoded: Vec<u8> = percent_decode(path).collect();
    let (first, second) = if is_url { (decoded, path.to_vec()) } else { (path.to_vec(), decoded) };
    for reading in [first, second] {
        let slashes = reading.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
        add(reading);
        add(slashes);
    }
    // Names that went through another system: composed and decomposed accents (macOS), Latin-1 (old Windows lists).
    for reading in readings.clone() {
        let others = match std::str::from_utf8(&reading) {
            Ok(text) => vec![text.nfc().collect::<String>(), text.nfd().collect()],
            Err(_) => vec![reading.iter().map(|&byte| char::from(byte)).collect()],
        };
        for other in others.into_iter().map(String::into_bytes) {
            if !readings.contains(&other) {
                readings.push(other);
            }
        }
    }
    readings
}

/// Takes away `file://` and a host name behind it.
fn strip_file_url(location: &[u8]) -> &[u8] {
    match location.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"file://") => {
            let rest = location.get(7..).unwrap_or_default();
            let path = rest.iter().position(|&byte| byte == b'/').unwrap_or(0);
            rest.get(path..).unwrap_or_default()
        }
        _ => location,
    }
}

/// The parts of a path with `.` and `..` resolved, without drive letters; none if it climbs above where it began.
fn normalize(path: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            [letter, b':'] if letter.is_ascii_alphabetic() && parts.is_empty() => {}
            part => parts.push(part),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A Music folder beside a secret, and where an entry leads from there.
    fn locate(location: &[u8]) -> Located {
        let folder = tempfile::tempdir().unwrap();
        let music = folder.path().join("Music");
        for name in ["plain.mp3", "Rock/a b.mp3", "100%25.mp3", "d\u{e9}j\u{e0}.mp3", "back\\slash.mp3"] {
            let path = music.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        fs::write(music.join(OsStr::from_bytes(b"\xFFraw.mp3")), "raw").unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        symlink("../secret", music.join("link.mp3")).unwrap();
        symlink("..", music.join("up")).unwrap();
        symlink("Rock/a b.mp3", music.join("inner.mp3")).unwrap();
        match Locator::new(&music).unwrap().locate(location) {
            Located::File(path, stamp) => {
                let relative = path.strip_prefix(music.canonicalize().unwrap()).unwrap();
                Located::File(relative.to_owned(), FileStamp { modified_s: 0, ..stamp })
            }
            other => other,
        }
    }

    #[track_caller]
    fn assert_finds(location: &[u8], name: &[u8]) {
        match locate(location) {
            Located::File(path, _) => assert_eq!(path.as_os_str().as_bytes(), name),
            other => panic!("{}: {other:?}", String::from_utf8_lossy(location)),
        }
    }

    #[test]
    fn entries_made_elsewhere_are_found() {
        assert_finds(b"plain.mp3", b"plain.mp3");
        assert_finds(b"./Rock/../plain.mp3", b"plain.mp3");
        assert_finds(b"Rock\\a b.mp3", b"Rock/a b.mp3");
        assert_finds(b"Rock/a%20b.mp3", b"Rock/a b.mp3");
        assert_finds(b"/home/me/Music/Rock/a b.mp3", b"Rock/a b.mp3");
        assert_finds(b"C:\\Users\\me\\Music\\Rock\\a b.mp3", b"Rock/a b.mp3");
        assert_finds(b"file:///home/me/Music/Rock/a%20b.mp3", b"Rock/a b.mp3");
        assert_finds(b"file://laptop/C:/Music/plain.mp3", b"plain.mp3");
        assert_finds(b"inner.mp3", b"inner.mp3");
    }

    #[test]
    fn names_are_bytes() {
        assert_finds(b"\xFFraw.mp3", b"\xFFraw.mp3");
        assert_finds(b"100%25.mp3", b"100%25.mp3");
        assert_finds(b"back\\slash.mp3", b"back\\slash.mp3");
        assert_finds("de\u{301}ja\u{300}.mp3".as_bytes(), "d\u{e9}j\u{e0}.mp3".as_bytes());
        assert_finds(b"d\xE9j\xE0.mp3", "d\u{e9}j\u{e0}.mp3".as_bytes());
    }

    #[test]
    fn nothing_outside_is_reached() {
        for location in [&b"../secret"[..], b"../../etc/passwd", b"Rock/../../secret", b"%2e%2e/secret", b"..\\secret"]
        {
            assert_eq!(locate(location), Located::Outside, "{}", String::from_utf8_lossy(location));
        }
        assert_eq!(locate(b"link.mp3"), Located::Outside);
        assert_eq!(locate(b"up/secret"), Located::Outside);
        assert_eq!(locate(b"/etc/passwd"), Located::Missing);
        assert_eq!(locate(b"https://example.org/a.mp3"), Located::Remote);
        assert_eq!(locate(b"Rock"), Located::Missing);
    }
}
