//! The ways to read an entry. Playlists are made elsewhere: on a laptop with other folders, on
//! Windows with backslashes, by programs that encode names as in URLs or in the code page of their
//! country.

use std::collections::BTreeSet;

use encoding_rs::{Encoding, WINDOWS_1252};
use percent_encoding::percent_decode;

use super::departure::Departure;
use super::problem::MAX_PARTS;

/// Code pages in which names are searched for, the most common first. Windows-1252 is not among
/// them: bytes that are not UTF-8 are always compared as Windows-1252.
const CODE_PAGES: [&Encoding; 10] = [
    encoding_rs::MACINTOSH,
    encoding_rs::WINDOWS_1250,
    encoding_rs::WINDOWS_1251,
    encoding_rs::WINDOWS_1253,
    encoding_rs::WINDOWS_1254,
    encoding_rs::WINDOWS_1257,
    encoding_rs::SHIFT_JIS,
    encoding_rs::GBK,
    encoding_rs::BIG5,
    encoding_rs::EUC_KR,
];

/// Schemes of URLs that are files somewhere, of which there may be a copy here.
const FILE_SCHEMES: [&[u8]; 8] = [b"file", b"smb", b"cifs", b"nfs", b"afp", b"sftp", b"ftp", b"content"];

/// Schemes of titles on a streaming service, as Rekordbox exports them.
const STREAMING_SCHEMES: [&[u8]; 6] = [b"spotify", b"soundcloud", b"beatport", b"beatsource", b"tidal", b"deezer"];

/// A way to read an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub origin: Origin,
    /// The names of the folders and the file, with `.` and `..` resolved as far as possible.
    pub parts: Vec<Vec<u8>>,
    /// How it differs from what is written.
    pub departures: BTreeSet<Departure>,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This many folders above the playlist's own.
    Playlist { up: usize },
    /// The root of a file system: `/`, `C:\`, `\\server\share`, `file://`.
    Root,
}

/// Returns whether an entry is the address of something that no file here is a copy of.
pub(super) fn is_remote(location: &[u8]) -> bool {
    let is = |scheme: &[u8], known: &[&[u8]]| known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    scheme(location).is_some_and(|(scheme, rest)| {
        is(scheme, &STREAMING_SCHEMES) || rest.starts_with(b"//") && !is(scheme, &FILE_SCHEMES)
    })
}

/// Reads an entry as it is written; `None` if it names nothing.
pub(super) fn as_written(location: &[u8]) -> Option<Reading> {
    Reading::new(location, BTreeSet::new())
}

/// Reads an entry in all ways, the plainest first, without repetition. Readings with more than
/// [`MAX_PARTS`] parts are left out.
pub(super) fn readings(location: &[u8], declared: Option<&'static Encoding>) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    let mut add = |path: &[u8], departures: &[Departure]| {
        let slashed: Vec<u8> = path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
        for path in [path, &slashed] {
            let mut departures: BTreeSet<Departure> = departures.iter().copied().collect();
            departures.extend((path != location).then_some(Departure::Notation));
            let reading = Reading::new(path, departures).filter(|reading| reading.parts.len() <= MAX_PARTS);
            let is_new = |reading: &Reading| {
                !readings.iter().any(|known| (known.origin, &known.parts) == (reading.origin, &reading.parts))
            };
            readings.extend(reading.filter(is_new));
        }
    };
    let is_in_code_page = std::str::from_utf8(location).is_err();
    let has_percents = |path: &[u8]| path.contains(&b'%');
    for path in notations(location) {
        add(&path, &[]);
        // Bytes of a code page are written either as they are or as percents, never both ways in
        // one name.
        if !is_in_code_page || has_percents(&path) == has_percents(location) {
            other_encodings(&path, declared).iter().for_each(|text| add(text.as_bytes(), &[Departure::Encoding]));
        }
    }
    readings
}

/// Returns whether a path has more parts than any that is searched for.
pub(super) fn is_too_long(location: &[u8]) -> bool {
    let slashes = location.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
    slashes > MAX_PARTS
}

impl Reading {
    fn new(path: &[u8], departures: BTreeSet<Departure>) -> Option<Self> {
        let is_root = matches!(path, [b'/', ..] | [b'~', b'/', ..])
            || matches!(path, [letter, b':', b'/', ..] if letter.is_ascii_alphabetic());
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut up = 0;
        for part in path.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => up += usize::from(parts.pop().is_none()),
                [b'~'] | [_, b':'] if is_root && parts.is_empty() => {}
                part => parts.push(part.to_vec()),
            }
        }
        let origin = if is_root { Origin::Root } else { Origin::Playlist { up } };
        (!parts.is_empty()).then_some(Self { origin, parts, departures })
    }
}

/// Returns the same path in other notations: without quotation marks and byte order marks, taken
/// out of a URL, with `%20` decoded.
fn notations(location: &[u8]) -> Vec<Vec<u8>> {
    let unmarked = location.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(location);
    let path = strip_file_url(unmarked);
    let decoded: Vec<u8> = percent_decode(path).collect();
    // The contents of a URL are certainly encoded; anywhere else a percent sign may be just that.
    let is_url = path.len() != unmarked.len();
    let mut notations = if is_url { vec![decoded, path.to_vec()] } else { vec![path.to_vec(), decoded] };
    let unmarked = path.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().filter(|&letter| letter != '\u{FEFF}').collect::<String>();
        [valid.as_bytes(), chunk.invalid()].concat()
    });
    notations.push(unmarked.collect());
    notations
}

/// Returns the path in other code pages: bytes that are not UTF-8, or UTF-8 that was mistaken for
/// Windows-1252 and encoded again.
fn other_encodings(path: &[u8], declared: Option<&'static Encoding>) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(path) else {
        let decode = |page: &'static Encoding| page.decode_without_bom_handling_and_without_replacement(path);
        return declared.into_iter().chain(CODE_PAGES).filter_map(decode).map(Into::into).collect();
    };
    if text.is_ascii() {
        return Vec::new();
    }
    let (bytes, _, has_others) = WINDOWS_1252.encode(text);
    let again = String::from_utf8(bytes.into_owned());
    again.into_iter().filter(|_| !has_others).collect()
}

/// Removes `file://` and a host name after it.
fn strip_file_url(location: &[u8]) -> &[u8] {
    let Some((scheme, rest)) = scheme(location) else { return location };
    if !FILE_SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return location;
    }
    match rest.strip_prefix(b"//") {
        Some(rest) => {
            let path = rest.iter().position(|&byte| byte == b'/').unwrap_or(0);
            rest.get(path..).unwrap_or_default()
        }
        None if rest.starts_with(b"/") => rest,
        None => location,
    }
}

/// Splits a URL at its first colon; a single letter is a drive, not a scheme.
fn scheme(location: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = location.split_at(location.iter().position(|&byte| byte == b':')?);
    let is_scheme = scheme.len() > 1 && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    is_scheme.then_some((scheme, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(location: &[u8]) -> Vec<String> {
        let readings = readings(location, None).into_iter();
        readings.map(|reading| String::from_utf8_lossy(&reading.parts.join(&b'/')).into_owned()).collect()
    }

    fn origin(location: &[u8]) -> Origin {
        readings(location, None).pop().unwrap().origin
    }

    #[test]
    fn roots_of_all_systems_are_known() {
        for root in [
            &b"/home/me/Music/a.mp3"[..],
            b"~/Music/a.mp3",
            b"C:\\Music\\a.mp3",
            b"c:/Music/a.mp3",
            b"\\Music\\a.mp3",
            b"\\\\nas\\share\\Music\\a.mp3",
            b"\\\\?\\C:\\Music\\a.mp3",
            b"file:///home/me/Music/a.mp3",
            b"FILE://C:/Music/a.mp3",
            b"file:/home/me/Music/a.mp3",
            b"smb://nas/share/Music/a.mp3",
            b"content://com.android.documents/document/primary%3AMusic%2Fa.mp3",
        ] {
            assert_eq!(origin(root), Origin::Root, "{}", String::from_utf8_lossy(root));
        }
        assert_eq!(origin(b"Rock/../a.mp3"), Origin::Playlist { up: 0 });
        assert_eq!(origin(b"Rock\\..\\..\\..\\a.mp3"), Origin::Playlist { up: 2 });
        assert_eq!(origin(b"a: b.mp3"), Origin::Playlist { up: 0 });
    }

    #[test]
    fn the_plainest_reading_comes_first_and_none_twice() {
        assert_eq!(paths(b"a.mp3"), ["a.mp3"]);
        assert_eq!(paths(b"R\\a%20b.mp3"), ["R\\a%20b.mp3", "R/a%20b.mp3", "R\\a b.mp3", "R/a b.mp3"]);
        assert_eq!(paths(b"file://host/R/a%20b.mp3"), ["R/a b.mp3", "R/a%20b.mp3"]);
        assert_eq!(paths(b"\"a.mp3\""), ["a.mp3"]);
        assert_eq!(paths("x/\u{feff}a.mp3".as_bytes()), ["x/\u{feff}a.mp3", "x/a.mp3"]);
        assert_eq!(paths("dÃ©jÃ\u{a0}.mp3".as_bytes())[1], "déjà.mp3");
        let readings = readings(b"\xEF\xE5\xF1\xED\xFF.mp3", Some(encoding_rs::WINDOWS_1251));
        assert_eq!(readings[1].parts, ["песня.mp3".as_bytes()]);
        assert!(readings[1].departures.contains(&Departure::Encoding));
    }

    #[test]
    fn addresses_in_the_network_are_remote_and_others_are_not() {
        for remote in [&b"http://x/a.mp3"[..], b"HTTPS://x", b"rtsp://x", b"spotify:track:1", b"soundcloud:tracks:1"] {
            assert!(is_remote(remote));
        }
        for file in [&b"file:///a.mp3"[..], b"smb://nas/a.mp3", b"C:\\a.mp3", b"a: b.mp3", b"Live: at home.mp3"] {
            assert!(!is_remote(file));
        }
    }
}
