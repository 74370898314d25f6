//! The listings of the folders in one Music folder, read when they are first needed: to find names
//! that differ in case, accents or encoding, separately for each part of a path.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::departure::Departure;
use super::text::decode;

/// The most folders that are searched for one entry: folders whose names differ only in case may be
/// nested.
const MAX_LOOKS: usize = 1000;

/// How much a name on disk differs from the requested one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// Not at all.
    Same,
    /// The same text as different bytes.
    SameText(Departure),
    /// The same except for case, or for spaces and dots at its end.
    Alike(Departure),
}

/// A path on disk that may be the requested one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub path: PathBuf,
    /// The likeness of the part that differs most.
    pub likeness: Likeness,
    pub departures: Vec<Departure>,
}

/// A path to find: its names, and the keys to find them by.
pub(super) struct Wanted<'a> {
    names: &'a [Vec<u8>],
    keys: Vec<Vec<u8>>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(names: &'a [Vec<u8>]) -> Self {
        Self { names, keys: names.iter().map(|name| key(name)).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns the keys of the first `count` names, by which they compare without regard to case.
    pub(super) fn first_keys(&self, count: usize) -> &[Vec<u8>] {
        self.keys.get(..count).unwrap_or_default()
    }
}

/// The folders listed so far: the names in each, by key. Anything that is not a folder, or cannot
/// be read, has none.
#[derive(Debug, Default)]
pub(super) struct Folders {
    listed: HashMap<PathBuf, HashMap<Vec<u8>, Vec<Vec<u8>>>>,
}

impl Folders {
    /// Finds everything below `folder` that the last `count` parts of a path may mean. Only folders
    /// that `may_enter` accepts are listed.
    pub(super) fn find(
        &mut self,
        folder: &Path,
        wanted: &Wanted<'_>,
        count: usize,
        may_enter: &mut dyn FnMut(&Path) -> bool,
    ) -> Vec<Candidate> {
        let first = wanted.names.len().saturating_sub(count);
        let mut found = vec![Candidate { path: folder.to_owned(), likeness: Likeness::Same, departures: Vec::new() }];
        let mut looks = 0;
        for (name, key) in wanted.names.iter().zip(&wanted.keys).skip(first) {
            let mut next = Vec::new();
            for folder in found {
                looks += 1;
                if looks <= MAX_LOOKS && may_enter(&folder.path) {
                    next.extend(self.named(&folder.path, key).iter().map(|actual| folder.with(name, actual)));
                }
            }
            found = next;
        }
        found
    }

    fn named(&mut self, folder: &Path, key: &[u8]) -> &[Vec<u8>] {
        let names = self.listed.entry(folder.to_owned()).or_insert_with_key(|folder| {
            let mut names: HashMap<Vec<u8>, Vec<Vec<u8>>> = HashMap::new();
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().as_bytes().to_vec();
                names.entry(self::key(&name)).or_default().push(name);
            }
            names
        });
        names.get(key).map_or(&[], Vec::as_slice)
    }
}

impl Candidate {
    fn with(&self, wanted: &[u8], actual: &[u8]) -> Self {
        let likeness = likeness(wanted, actual);
        let mut departures = self.departures.clone();
        if let Likeness::SameText(departure) | Likeness::Alike(departure) = likeness {
            departures.push(departure);
        }
        let path = self.path.join(OsStr::from_bytes(actual));
        Self { path, likeness: self.likeness.max(likeness), departures }
    }
}

/// Compares two names that have the same key.
fn likeness(wanted: &[u8], actual: &[u8]) -> Likeness {
    if wanted == actual {
        return Likeness::Same;
    }
    let is_utf8 = |name: &[u8]| std::str::from_utf8(name).is_ok();
    let (wanted_text, actual_text) = (decode(wanted), decode(actual));
    if wanted_text.nfc().eq(actual_text.nfc()) {
        let is_encoded = !is_utf8(wanted) || !is_utf8(actual);
        Likeness::SameText(if is_encoded { Departure::Encoding } else { Departure::Accents })
    } else if fold(&wanted_text) == fold(&actual_text) {
        Likeness::Alike(Departure::LetterCase)
    } else {
        Likeness::Alike(Departure::Spaces)
    }
}

/// Returns the key that two names share if they may mean each other: the text without regard to
/// case, to how accents are composed, or to white space and dots at its end, which Windows drops.
fn key(name: &[u8]) -> Vec<u8> {
    let folded = if name.is_ascii() { name.to_ascii_lowercase() } else { fold(&decode(name)).into_bytes() };
    let end = folded.iter().rposition(|byte| !matches!(byte, b' ' | b'.')).map_or(0, |last| last + 1);
    let begin = folded.iter().position(|&byte| byte != b' ').unwrap_or(0).min(end);
    folded.get(begin..end).unwrap_or_default().to_vec()
}

/// Removes differences of case by way of upper case, so that `ß` becomes `SS` and every sigma the
/// same letter.
fn fold(text: &str) -> String {
    let lower: String = text.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    lower.nfc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_may_mean_each_other_have_one_key() {
        let alike: [(&str, &str, Likeness); 8] = [
            ("a.mp3", "A.MP3", Likeness::Alike(Departure::LetterCase)),
            ("ÄRGER.mp3", "ärger.mp3", Likeness::Alike(Departure::LetterCase)),
            ("ÜBER STRASSE.mp3", "u\u{308}ber straße.mp3", Likeness::Alike(Departure::LetterCase)),
            ("ΟΔΟΣ.mp3", "οδος.mp3", Likeness::Alike(Departure::LetterCase)),
            ("ОДИН.mp3", "один.mp3", Likeness::Alike(Departure::LetterCase)),
            ("é.mp3", "e\u{301}.mp3", Likeness::SameText(Departure::Accents)),
            ("Rock ", "Rock", Likeness::Alike(Departure::Spaces)),
            ("Live...", " live", Likeness::Alike(Departure::Spaces)),
        ];
        for (a, b, expected) in alike {
            assert_eq!(key(a.as_bytes()), key(b.as_bytes()), "{a} and {b}");
            assert_eq!(likeness(a.as_bytes(), b.as_bytes()), expected, "{a} and {b}");
        }
        assert_eq!(key(b"D\xE9j\xE0\x92"), key("Déjà’".as_bytes()));
        assert_eq!(likeness(b"D\xE9j\xE0", "Déjà".as_bytes()), Likeness::SameText(Departure::Encoding));
        assert_ne!(key(b"a.mp3"), key(b"b.mp3"));
        assert_ne!(key("é".as_bytes()), key(b"e"));
    }

    #[test]
    fn each_part_of_a_path_departs_on_its_own() {
        let music = tempfile::tempdir().unwrap();
        let file = music.path().join("Cafe\u{301}").join("D\u{e9}j\u{e0}.mp3");
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(&file, "x").unwrap();
        for path in ["Café/Déjà.mp3", "Cafe\u{301}/De\u{301}ja\u{300}.mp3", "Café/De\u{301}ja\u{300}.mp3"] {
            let parts: Vec<Vec<u8>> = path.split('/').map(|part| part.as_bytes().to_vec()).collect();
            let found = Folders::default().find(music.path(), &Wanted::new(&parts), 2, &mut |_| true);
            assert_eq!(found.len(), 1, "{path}");
            assert_eq!(found[0].path, file);
            assert_eq!(found[0].likeness, Likeness::SameText(Departure::Accents));
        }
    }

    #[test]
    fn looking_ends_where_folders_lie_in_each_other_for_ever() {
        let music = tempfile::tempdir().unwrap();
        for name in ["loop", "Loop", "LOOP"] {
            std::os::unix::fs::symlink(".", music.path().join(name)).unwrap();
        }
        let parts = vec![b"loop".to_vec(); 60];
        let begin = std::time::Instant::now();
        assert!(Folders::default().find(music.path(), &Wanted::new(&parts), 60, &mut |_| true).is_empty());
        assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn a_key_depends_on_neither_case_nor_composition(name in "\\PC{0,20}") {
            let expected = key(name.as_bytes());
            prop_assert_eq!(&key(name.nfd().collect::<String>().as_bytes()), &expected);
            prop_assert_eq!(&key(name.nfc().collect::<String>().as_bytes()), &expected);
            prop_assert_eq!(&key(name.to_uppercase().as_bytes()), &expected);
        }
    }
}
