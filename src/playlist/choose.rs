//! Which file of the Music folder is the playlist that is asked for.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::load_error::{Listing, LoadError};

/// What playlists are called, the better one first.
const EXTENSIONS: [&str; 2] = ["m3u8", "m3u"];

/// Find the playlist of this name: `Ride` is `Ride.m3u8`, and where there is none `Ride.m3u`; `Ride.m3u` is that alone.
/// Where no file is called so, one in other letter case is taken.
///
/// # Errors
/// When there is none, or several differ in nothing but case.
pub(super) fn find_playlist(music: &Path, name: &str) -> Result<PathBuf, LoadError> {
    match fs::read_dir(music) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(LoadError::MusicDenied(music.to_owned(), error));
        }
        Err(_) => return Err(LoadError::NoMusic(music.to_owned())),
    }
    let asked = extension_of(name);
    let path = music.join(if asked.is_some() { name.to_owned() } else { format!("{name}.m3u8") });
    if path.is_file() {
        return Ok(path);
    }
    let folder = path.parent().unwrap_or(music);
    let all = playlists_in(folder);
    for extension in EXTENSIONS.into_iter().filter(|&extension| asked.is_none_or(|asked| asked == extension)) {
        let path = path.with_extension(extension);
        if path.is_file() {
            return Ok(path);
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_meant = |file: &&String| extension_of(file) == Some(extension) && is_alike(stem_of(file), &stem);
        let alike: Vec<&String> = all.iter().filter(is_meant).collect();
        let exact: Vec<&String> = alike.iter().copied().filter(|file| stem_of(file) == stem).collect();
        match (exact.as_slice(), alike.as_slice()) {
            ([file], _) | ([], [file]) => return Ok(folder.join(file)),
            (_, []) => {}
            (_, several) => {
                let files = several.iter().map(|file| file.as_str()).collect::<Vec<_>>().join(", ");
                return Err(LoadError::SeveralPlaylists { path, files });
            }
        }
    }
    if let Some(file) = mistaken_in(folder, &path) {
        let advice = match file.to_ascii_lowercase().ends_with(".txt") {
            true => "is not called as one: if it lists files, rename it so that it ends in .m3u8",
            false => "is of another format: export it as M3U8 in the program that it comes from",
        };
        return Err(LoadError::Mistaken { path, file, advice });
    }
    Err(LoadError::NoPlaylist { path, others: Listing(all.iter().map(|file| short_name(file).to_owned()).collect()) })
}

/// What a playlist is called that is asked for by this name: without folders and extension.
pub fn playlist_name(asked: &str) -> String {
    let path = Path::new(asked);
    let name = if has_extension(asked) { path.file_stem() } else { path.file_name() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// The names of all playlists in a folder, in order.
fn playlists_in(folder: &Path) -> Vec<String> {
    files_in(folder, has_extension)
}

/// A file that somebody may have taken for the playlist: Notepad calls it `Ride.m3u8.txt` and does not show the end, and
/// other formats have the same name.
fn mistaken_in(folder: &Path, path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_string_lossy();
    let is_mistaken = |name: &str| {
        let (name, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        match extension.to_ascii_lowercase().as_str() {
            "txt" => is_alike(name, &stem) || has_extension(name) && is_alike(stem_of(name), &stem),
            "pls" | "xspf" | "wpl" | "zpl" | "asx" | "b4s" | "nml" | "xml" => is_alike(name, &stem),
            _ => false,
        }
    };
    files_in(folder, is_mistaken).into_iter().next()
}

/// The names of such files in a folder, in order. `._Ride.m3u8` is what macOS notes about `Ride.m3u8`.
fn files_in(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let named = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| is_wanted(name) && !name.starts_with('.'))?;
        entry.path().is_file().then_some(name)
    });
    let mut names: Vec<String> = named.collect();
    names.sort();
    names
}

/// How a playlist is named on the command line: with its extension only where it is another than usual.
fn short_name(file: &str) -> &str {
    if extension_of(file) == Some("m3u8") { stem_of(file) } else { file }
}

fn stem_of(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn has_extension(name: &str) -> bool {
    extension_of(name).is_some()
}

fn extension_of(name: &str) -> Option<&'static str> {
    let extension = Path::new(name).extension()?;
    EXTENSIONS.into_iter().find(|known| extension.eq_ignore_ascii_case(known))
}

fn is_alike(a: &str, b: &str) -> bool {
    let fold = |name: &str| name.nfc().flat_map(char::to_lowercase).collect::<String>();
    fold(a) == fold(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file that is taken of these, or why none is.
    fn chosen(files: &[&str], name: &str) -> Result<String, String> {
        let music = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(music.path().join(file), "a.mp3\n").unwrap();
        }
        let found = find_playlist(music.path(), name).map_err(|error| error.to_string())?;
        Ok(found.strip_prefix(music.path()).unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn the_usual_name_comes_first_then_other_case_then_m3u() {
        for (files, name, expected) in [
            (&["Playlist.m3u8", "playlist.m3u8", "Playlist.m3u"][..], "Playlist", "Playlist.m3u8"),
            (&["Playlist.M3U8", "Playlist.m3u"], "Playlist", "Playlist.M3U8"),
            (&["playlist.M3u8", "Playlist.m3u"], "Playlist", "playlist.M3u8"),
            (&["Playlist.m3u"], "Playlist", "Playlist.m3u"),
            (&["PLAYLIST.M3U", "._PLAYLIST.M3U", "Other.m3u8"], "Playlist", "PLAYLIST.M3U"),
            (&["Ride.m3u", "Ride.m3u8"], "Ride.m3u", "Ride.m3u"),
            (&["Ride.M3U"], "Ride.m3u", "Ride.M3U"),
            (&["Cafe\u{301}.m3u8"], "Café", "Cafe\u{301}.m3u8"),
            (&["v1.2.m3u8"], "v1.2", "v1.2.m3u8"),
            (&["v1.2.M3U8"], "v1.2", "v1.2.M3U8"),
        ] {
            assert_eq!(chosen(files, name).as_deref(), Ok(expected), "{name} of {files:?}");
        }
    }

    #[test]
    fn what_is_not_clear_or_not_there_is_named() {
        let error = chosen(&["playlist.m3u8", "PLAYLIST.m3u8"], "Playlist").unwrap_err();
        assert!(error.contains("PLAYLIST.m3u8, playlist.m3u8"), "{error}");
        for mistaken in ["Playlist.m3u8.txt", "playlist.TXT", "Playlist.pls", "Playlist.xspf"] {
            let error = chosen(&[mistaken, "Other.m3u8"], "Playlist").unwrap_err();
            assert!(error.contains(mistaken) && error.contains("Playlist.m3u8; "), "{error}");
        }
        let error = chosen(&["Ride.m3u"], "Ride.m3u8").unwrap_err();
        assert!(error.contains("no playlist") && error.contains("--playlist-name: Ride.m3u"), "{error}");
        let error = chosen(&["Ride.m3u8", "Old.m3u", "._Ride.m3u8", "a.mp3"], "Playlist").unwrap_err();
        assert!(error.contains("--playlist-name: Old.m3u, Ride") && !error.contains("._"), "{error}");
    }
}
