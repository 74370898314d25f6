//! Finds the file in the Music folder that is the requested playlist.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::every_mp3::is_of_a_system;
use super::load_error::{Listing, LoadError};

/// The extensions of playlists, the preferred one first.
const EXTENSIONS: [&str; 2] = ["m3u8", "m3u"];

/// The playlist's name unless another is configured.
pub const USUAL_NAME: &str = "Playlist";

/// Finds the playlist of this name: `Ride` means `Ride.m3u8` or, if there is none, `Ride.m3u`;
/// `Ride.m3u` means that file alone. If no file has exactly that name, one that differs only in
/// letter case is taken. If the Music folder has no playlist at all, those in the folders right in
/// it count: a folder was copied with its playlist.
///
/// # Errors
/// When there is none, several differ only in letter case, or several folders have one.
pub(super) fn find_playlist(music: &Path, name: &str) -> Result<PathBuf, LoadError> {
    match fs::read_dir(music) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(LoadError::MusicDenied(music.to_owned(), error));
        }
        Err(_) => return Err(LoadError::NoMusic(music.to_owned())),
    }
    let path = music.join(if has_extension(name) { name.to_owned() } else { format!("{name}.m3u8") });
    let asked = extension_of(name);
    if let Some(found) = find_in(&path, asked)? {
        return Ok(found);
    }
    let folder = path.parent().unwrap_or(music);
    let all = playlists_in(folder);
    if all.is_empty() && folder == music {
        let mut inside = Vec::new();
        for folder in folders_in(music) {
            inside.extend(find_in(&folder.join(path.file_name().unwrap_or_default()), asked)?);
        }
        match inside.as_slice() {
            [] => {}
            [one] => return Ok(one.clone()),
            several => {
                let within = |file: &PathBuf| file.strip_prefix(music).unwrap_or(file).display().to_string();
                return Err(LoadError::InSeveralFolders {
                    path,
                    files: several.iter().map(within).collect::<Vec<_>>().join(", "),
                });
            }
        }
    }
    if let Some(file) = mistaken_in(folder, &path) {
        let advice = match file.to_ascii_lowercase().ends_with(".txt") {
            true => "is not named as one: if it lists files, rename it so that it ends in .m3u8",
            false => "is in another format: export it as M3U8 in the program that made it",
        };
        return Err(LoadError::Mistaken { path, file, advice });
    }
    Err(LoadError::NoPlaylist { path, others: Listing(all.iter().map(|file| short_name(file).to_owned()).collect()) })
}

/// Finds the file that is meant by a path, of which `asked` is the extension if it is given.
fn find_in(path: &Path, asked: Option<&str>) -> Result<Option<PathBuf>, LoadError> {
    if path.is_file() {
        return Ok(Some(path.to_owned()));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let all = playlists_in(folder);
    for extension in EXTENSIONS.into_iter().filter(|&extension| asked.is_none_or(|asked| asked == extension)) {
        let path = path.with_extension(extension);
        if path.is_file() {
            return Ok(Some(path));
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_meant = |file: &&String| extension_of(file) == Some(extension) && is_alike(stem_of(file), &stem);
        let alike: Vec<&String> = all.iter().filter(is_meant).collect();
        let exact: Vec<&String> = alike.iter().copied().filter(|file| stem_of(file) == stem).collect();
        match (exact.as_slice(), alike.as_slice()) {
            ([file], _) | ([], [file]) => return Ok(Some(folder.join(file))),
            (_, []) => {}
            (_, several) => {
                let files = several.iter().map(|file| file.as_str()).collect::<Vec<_>>().join(", ");
                return Err(LoadError::SeveralPlaylists { path, files });
            }
        }
    }
    Ok(None)
}

/// Returns the name of the playlist that a request by this name means: without folders and
/// extension.
pub fn playlist_name(asked: &str) -> String {
    let path = Path::new(asked);
    let name = if has_extension(asked) { path.file_stem() } else { path.file_name() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the folders right in a folder that may hold music, sorted.
pub fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| !is_of_a_system(entry.file_name().as_bytes()))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// Returns the names of all playlists in a folder, sorted.
fn playlists_in(folder: &Path) -> Vec<String> {
    files_in(folder, has_extension)
}

/// Returns a file that may have been mistaken for the playlist: Notepad saves it as `Ride.m3u8.txt`
/// and hides the end, and files of other formats share its name.
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

/// Returns the names of the wanted files in a folder, sorted. `._Ride.m3u8`, in which macOS keeps
/// its notes about `Ride.m3u8`, is left out.
fn files_in(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let named = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| is_wanted(name) && !name.starts_with('.'))?;
        entry.path().is_file().then_some(name)
    });
    let mut names: Vec<String> = named.collect();
    names.sort();
    names
}

/// Returns the name to give on the command line: with its extension only if that is not the usual
/// one.
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

    /// Chooses among these files, or says why none is chosen.
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
    fn what_is_ambiguous_or_missing_is_named() {
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
