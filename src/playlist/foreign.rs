//! Recognizes files of other formats that were saved as, or mistaken for, an M3U8 playlist, by how
//! they begin, so that the error can say what to do.

use std::fmt;

/// How many bytes of a text are searched for the marks of its format.
const HEAD_BYTES: usize = 4096;

/// A format that is not M3U8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `[playlist]`, from Winamp and radio stations.
    Pls,
    /// An XML playlist from VLC and others.
    Xspf,
    /// A playlist from Windows Media Player or Zune, in SMIL.
    Wpl,
    /// A playlist from Windows Media Player.
    Asx,
    /// The library or a playlist from iTunes.
    ItunesXml,
    /// A collection from Rekordbox.
    RekordboxXml,
    /// A collection or playlist from Traktor.
    Nml,
    /// A playlist from Winamp.
    B4s,
    /// Another XML file.
    Xml,
    /// A web page.
    Html,
    /// JSON.
    Json,
    /// Rich text, as TextEdit saves it.
    Rtf,
    /// A table with tabs, as iTunes and Rekordbox export playlists as text.
    Table,
    /// A cue sheet.
    Cue,
    /// A playlist from AIMP.
    Aimp,
    /// A playlist from Media Player Classic.
    MediaPlayerClassic,
    /// The pieces of a stream, whose lists are named `.m3u8` too.
    Hls,
    /// A ZIP archive, which word processors' documents are, too.
    Zip,
    /// An MP3.
    Mp3,
    /// A PDF.
    Pdf,
}

impl Format {
    /// Recognizes a file by how it begins; `None` if it may be a list of paths.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let begin = bytes.trim_ascii_start();
        let head = begin.get(..HEAD_BYTES).unwrap_or(begin).to_ascii_lowercase();
        let has = |mark: &str| head.windows(mark.len()).any(|window| window == mark.as_bytes());
        match head.as_slice() {
            [b'<', ..] => Some(Self::of_xml(&has)),
            [b'{', b'\\', b'r', b't', b'f', ..] => Some(Self::Rtf),
            [b'{' | b'[', rest @ ..] if is_json(begin, rest) => Some(Self::Json),
            [b'p', b'k', 3 | 5, 4 | 6, ..] => Some(Self::Zip),
            [b'i', b'd', b'3', 2..=4, ..] | [0xFF, 0xE2..=0xE7 | 0xF2..=0xF7 | 0xFA..=0xFD, ..] => Some(Self::Mp3),
            _ if first_line(&head).trim_ascii_end() == b"[playlist]" => Some(Self::Pls),
            _ if head.starts_with(b"%pdf-") => Some(Self::Pdf),
            _ if head.starts_with(b"#-----summary-----#") => Some(Self::Aimp),
            _ if head.starts_with(b"mpcplaylist") => Some(Self::MediaPlayerClassic),
            _ if has("#ext-x-targetduration") || has("#ext-x-stream-inf") => Some(Self::Hls),
            _ if has("\nfile \"") || head.starts_with(b"file \"") => has("track 0").then_some(Self::Cue),
            _ => is_table(&head).then_some(Self::Table),
        }
    }

    fn of_xml(has: &dyn Fn(&str) -> bool) -> Self {
        let marks = [
            ("xspf.org", Self::Xspf),
            ("<?wpl", Self::Wpl),
            ("<?zpl", Self::Wpl),
            ("<smil", Self::Wpl),
            ("<asx", Self::Asx),
            ("<plist", Self::ItunesXml),
            ("<!doctype plist", Self::ItunesXml),
            ("<dj_playlists", Self::RekordboxXml),
            ("<nml", Self::Nml),
            ("<winampxml", Self::B4s),
            ("<!doctype html", Self::Html),
            ("<html", Self::Html),
        ];
        marks.into_iter().find(|(mark, _)| has(mark)).map_or(Self::Xml, |(_, format)| format)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pls => "a PLS playlist",
            Self::Xspf => "an XSPF playlist",
            Self::Wpl => "a WPL playlist (Windows Media Player)",
            Self::Asx => "an ASX playlist (Windows Media Player)",
            Self::ItunesXml => "an XML export of iTunes or Music",
            Self::RekordboxXml => "an XML export of Rekordbox",
            Self::Nml => "an NML file (Traktor)",
            Self::B4s => "a B4S playlist (Winamp)",
            Self::Xml => "an XML file",
            Self::Html => "a web page (HTML)",
            Self::Json => "JSON",
            Self::Rtf => "rich text (RTF)",
            Self::Table => "a table of tracks, as iTunes and Rekordbox export it as text",
            Self::Cue => "a cue sheet",
            Self::Aimp => "a playlist of AIMP",
            Self::MediaPlayerClassic => "a playlist of Media Player Classic",
            Self::Hls => "an HLS list, the pieces of a stream from the network",
            Self::Zip => "a ZIP archive or a document of a word processor",
            Self::Mp3 => "an MP3",
            Self::Pdf => "a PDF",
        }
    }

    /// Returns how to get an M3U8 playlist instead.
    fn advice(self) -> &'static str {
        match self {
            Self::Pls | Self::Xspf | Self::Asx => {
                "open it in VLC, and save it with Media > Save Playlist to File as type M3U8"
            }
            Self::Wpl => "in Windows Media Player save the playlist as type M3U",
            Self::ItunesXml => "in iTunes or Music use File > Library > Export Playlist as type M3U8",
            Self::RekordboxXml => {
                "in Rekordbox right-click the playlist, Export a playlist to a file, for Music Apps (*.m3u8)"
            }
            Self::Nml => "in Traktor right-click the playlist, Export Playlist, as type M3U",
            Self::B4s => "in Winamp save the playlist as type M3U8",
            Self::Table => {
                "export as type M3U8: in iTunes with File > Library > Export Playlist, in Rekordbox with Export a playlist to a \
                 file, for Music Apps (*.m3u8)"
            }
            Self::Aimp | Self::MediaPlayerClassic => "save the playlist as type M3U8 there",
            Self::Rtf => "in TextEdit use Format > Make Plain Text, and save it as UTF-8",
            Self::Html | Self::Json | Self::Xml => "export the playlist as type M3U8 in the program that made it",
            Self::Cue | Self::Hls | Self::Zip | Self::Mp3 | Self::Pdf => {
                "a playlist is a text file with one MP3 file name per line"
            }
        }
    }
}

/// Returns whether it is JSON, complete or cut off: names may begin with brackets, too.
fn is_json(bytes: &[u8], behind_bracket: &[u8]) -> bool {
    matches!(behind_bracket.trim_ascii_start(), [b'"' | b'{', ..])
        || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Returns whether the first line has more tabs than any name has.
fn is_table(head: &[u8]) -> bool {
    first_line(head).iter().filter(|&&byte| byte == b'\t').count() >= 3
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default()
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is {}, not an M3U8 playlist; {}", self.name(), self.advice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_paths_are_not_another_format() {
        for list in [
            "a.mp3\nb.mp3\n",
            "#EXTM3U\n#EXT-X-RATING:0\n#EXTINF:1,{x}\na.mp3\n",
            "[2020] A song.mp3\n",
            "{live}.mp3\n",
            "[playlist] of mine.mp3\n",
            "File of mine.mp3\n",
            "ID3 and others.mp3\n",
            "PK.mp3\n",
            "01\tA.mp3\n",
            "",
        ] {
            assert_eq!(Format::of(list.as_bytes()), None, "{list}");
        }
    }

    #[test]
    fn formats_are_recognized_by_how_they_begin() {
        let cases: [(&[u8], Format); 22] = [
            (b"[playlist]\nFile1=a.mp3\n", Format::Pls),
            (b"\r\n[Playlist]\r\n", Format::Pls),
            (b"<?xml version=\"1.0\"?>\n<playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\">", Format::Xspf),
            (b"<?wpl version=\"1.0\"?>\n<smil>", Format::Wpl),
            (b"<ASX version=\"3.0\">", Format::Asx),
            (b"<?xml version=\"1.0\"?>\n<!DOCTYPE plist PUBLIC>\n<plist>", Format::ItunesXml),
            (b"<?xml?><DJ_PLAYLISTS Version=\"1.0.0\">", Format::RekordboxXml),
            (b"<?xml?>\n<NML VERSION=\"19\">", Format::Nml),
            (b"<WinampXML>", Format::B4s),
            (b"<!DOCTYPE html>\n<html>", Format::Html),
            (b"<gpx>", Format::Xml),
            (b"{\"tracks\": [\"a.mp3\"]}", Format::Json),
            (b"[\n  \"a.mp3\"\n]\n", Format::Json),
            (b"{\r\n\t\"tracks\": [\"cut off", Format::Json),
            (b"{\\rtf1\\ansi", Format::Rtf),
            (b"Name\tArtist\tComposer\tAlbum\n", Format::Table),
            (b"FILE \"a.wav\" WAVE\r\n  TRACK 01 AUDIO\r\n", Format::Cue),
            (b"#-----SUMMARY-----#\nName=x\n", Format::Aimp),
            (b"MPCPLAYLIST\n1,type,0\n", Format::MediaPlayerClassic),
            (b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n", Format::Hls),
            (b"PK\x03\x04", Format::Zip),
            (b"ID3\x03\x00", Format::Mp3),
        ];
        for (bytes, format) in cases {
            assert_eq!(Format::of(bytes), Some(format), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
