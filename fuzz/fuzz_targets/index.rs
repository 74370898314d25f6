//! Any bytes as the saved index of a playlist, and any fields in an index whose checksum is right.
//!
//! An index has a checksum over its fields, which no fuzzer finds. So bytes that are an index
//! except for the checksum are tried as they are, and then with the right checksum; and bytes that
//! do not begin as text are interpreted as fields, of which an index is made. What must hold:
//!
//! - No panic, and no more memory and time than the files need.
//! - An index whose checksum and contents are right is accepted, and its lengths, names and
//!   channels are used.
//! - The index that is written after that gives the same playlist, and is not written again.
//! - Saving a map in an index changes nothing else.
//! - Changes that another program makes to the index while a playlist is loaded are saved, unless
//!   newer results replace them.
//! - Files are opened, joined and read with the rates and maps that the index gives, even if these
//!   belong to other files.

#![no_main]

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use jaudiosync::mp3::map::FrameMap;
use jaudiosync::mp3::survey::survey_by_counting;
use jaudiosync::player::decoder::Mix;
use jaudiosync::player::files::Files;
use jaudiosync::player::library::Library;
use jaudiosync::playlist::{KnownMap, Playlist, persist_map};
use jaudiosync_fuzz::{How, MusicFolder, is_index_refused};
use jaudiosync_time::{Instant, Span};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// As in the program.
const FORMAT: &str = "jaudiosync-index-1";

/// Rates that an MP3 can have.
const RATES_HZ: [u32; 9] = [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// The playlist's lines.
const ENTRIES: [&str; 6] = ["a.mp3", "b.mp3", "gone.mp3", "D/50%.mp3", "/elsewhere/b.mp3", "A.MP3"];

/// An index, as the program writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Saved {
    format: String,
    fingerprint: String,
    checksum: String,
    tracks: Vec<SavedTrack>,
}

/// What an index says about a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedTrack {
    entry: String,
    file: String,
    size_bytes: u64,
    modified_s: i64,
    frames: u64,
    rate_hz: u32,
    #[serde(default)]
    channels: usize,
    title: Option<String>,
    artist: Option<String>,
    content: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    missing_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    map: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl SavedTrack {
    /// Returns whether a file can be that long, have this rate, and be that much shorter than its
    /// original.
    fn can_be(&self) -> bool {
        let has_possible_bytes = i64::try_from(self.size_bytes).is_ok() && u32::try_from(self.missing_bytes).is_ok();
        RATES_HZ.contains(&self.rate_hz) && self.frames <= 1152 << 32 && has_possible_bytes
    }

    /// Returns whether it is this file, as it was at that time.
    fn is(&self, file: &str, size_bytes: u64, modified_s: i64) -> bool {
        self.file == file && self.size_bytes == size_bytes && self.modified_s.abs_diff(modified_s) <= 2
    }
}

/// Fields to make a track of.
#[derive(Debug, Arbitrary)]
struct Fields {
    entry: Name,
    file: Name,
    /// Whether size and time are those of the existing file.
    is_unchanged: bool,
    size_bytes: Number,
    modified_s: i64,
    frames: Number,
    rate_hz: Rate,
    channels: u8,
    title: Option<String>,
    artist: Option<String>,
    content: String,
    missing_bytes: Number,
    map: Map,
}

#[derive(Debug, Arbitrary)]
enum Name {
    OfTheList(u8),
    Other(String),
}

/// A number, often near a bound.
#[derive(Debug, Arbitrary)]
enum Number {
    Small(u16),
    Any(u64),
    /// This much less than 2 to this power.
    Below(u8, u8),
}

/// A rate, usually a valid one.
#[derive(Debug, Arbitrary)]
enum Rate {
    Usual(u8),
    OfTheFile,
    Any(u32),
}

/// A map, right or wrong.
#[derive(Debug, Arbitrary)]
enum Map {
    None,
    /// The map of the existing file.
    Right,
    Text(String),
    Numbers {
        samples: Number,
        audio_end: AudioEnd,
        sections: Vec<(Number, Rate)>,
        begins_as_the_file: bool,
        /// Bytes, samples and, in free format, the frame length.
        entries: Vec<(Number, Number, Option<Number>)>,
    },
}

/// Where a map says that the audio ends.
#[derive(Debug, Arbitrary)]
enum AudioEnd {
    OfTheFile,
    Other(Number),
}

/// The files that exist: their frames, and what is known about them.
struct Music {
    folder: MusicFolder,
    rates_hz: [u32; 2],
    maps: [Arc<FrameMap>; 2],
    /// The name of the first file in its index, and its map.
    known: KnownMap,
    size_bytes: [u64; 2],
    modified_s: [i64; 2],
}

static MUSIC: LazyLock<Music> = LazyLock::new(|| {
    let folder = MusicFolder::new();
    // Layer III, MPEG-2.5, 8 kbit/s, 8 kHz, mono; and Layer II in free format, 44.1 kHz, stereo.
    // Silence.
    let frame = |header: [u8; 4], bytes: usize| [&header[..], &vec![0; bytes - 4]].concat();
    let files = [frame([0xFF, 0xE3, 0x18, 0xC4], 72).repeat(30), frame([0xFF, 0xFD, 0x00, 0x04], 60).repeat(10)];
    for (name, file) in ENTRIES.iter().zip(&files) {
        folder.write(name, file);
    }
    folder.write("Playlist.m3u8", ENTRIES.join("\n").as_bytes());
    let metadata = [0, 1].map(|file| fs::metadata(folder.path().join(ENTRIES[file])).expect("it was written"));
    let found = files.map(|file| survey_by_counting(&file[..]).expect("these are MP3s"));
    let rates_hz = [found[0].rate_hz, found[1].rate_hz];
    let maps = found.map(|survey| Arc::new(survey.map.expect("it was counted")));
    let known = folder.load(How::Rebuild).expect("the playlist is there").playlist.tracks[0].map.clone();
    known.set(Arc::clone(&maps[0]));
    Music {
        folder,
        rates_hz,
        maps,
        known,
        size_bytes: [0, 1].map(|file| metadata[file].len()),
        modified_s: [0, 1].map(|file| metadata[file].mtime()),
    }
});

fuzz_target!(|data: &[u8]| {
    let music = &*MUSIC;
    let is_text = data.first().is_some_and(|first| first.is_ascii_whitespace() || *first == b'{');
    let saved = if is_text {
        use_index(music, data);
        let Ok(saved) = serde_json::from_slice::<Saved>(data) else { return };
        saved
    } else {
        let mut input = Unstructured::new(data);
        let Ok(fields) = Vec::<Fields>::arbitrary(&mut input) else { return };
        Saved {
            format: String::new(),
            fingerprint: String::new(),
            checksum: String::new(),
            tracks: fields.into_iter().take(20).map(|fields| fields.track(music)).collect(),
        }
    };
    let checksum = checksum(&saved.tracks);
    let saved = Saved { format: FORMAT.to_owned(), checksum, ..saved };
    let text = serde_json::to_vec(&saved).expect("it is made of text and numbers");
    let is_used = use_index(music, &text);
    assert_eq!(is_used, saved.tracks.iter().all(SavedTrack::can_be), "{saved:?}");
    if is_used {
        says(music, &saved, &text);
        keeps_map(music, &saved, &text);
        keeps_news(music, &saved, &text);
    }
});

/// Loads the playlist with an index, and plays what it says. Returns whether it was accepted.
fn use_index(music: &Music, index: &[u8]) -> bool {
    let folder = &music.folder;
    let load = |how| folder.load(how).expect("the playlist is there, whatever the index is");
    for how in [How::TrustIndex, How::UseIndex] {
        fs::write(folder.index(), index).expect("files can be written");
        let first = load(how);
        if how == How::TrustIndex {
            use_playlist(&first.playlist);
        }
        // The index that was written is accepted, means the same, and is not written again.
        let written = fs::read(folder.index()).ok();
        let second = load(how);
        assert!(!is_index_refused(&second), "{:?}", second.warnings);
        assert_eq!(plain(second.playlist), plain(first.playlist), "{how:?}");
        assert_eq!(fs::read(folder.index()).ok(), written, "{how:?}");
    }
    fs::write(folder.index(), index).expect("files can be written");
    !is_index_refused(&load(How::TrustIndex))
}

/// Removes from a playlist how its files' names differ, which is not checked if the index is
/// trusted.
fn plain(mut playlist: Playlist) -> Playlist {
    playlist.tracks.iter_mut().for_each(|track| track.departures.clear());
    playlist
}

/// Uses everything that is made of a playlist: timetable, lists, and sound.
fn use_playlist(playlist: &Playlist) {
    let runtime_s = playlist.runtime_s();
    assert!(runtime_s >= playlist.tracks.len() as i64);
    assert_eq!(playlist.problems(100, |track| track.display_name()).count(), {
        playlist.tracks.iter().filter(|track| track.problem.is_some()).count()
    });
    for repeats in [false, true] {
        for anchor_utc_s in [1_700_000_000, i64::MAX, i64::MIN] {
            let timetable = playlist.timetable(anchor_utc_s, 1, repeats).expect("it has more than one track");
            let mut slot = Some(timetable.first());
            for _ in 0..20 {
                let Some(start) = slot else { break };
                timetable.place_at(start.utc());
                timetable.place_at(start.utc() + Span::SECOND);
                slot = timetable.after(start);
            }
            timetable.place_at(Instant::MAX);
            timetable.place_at(Instant::MIN);
        }
    }
    let files = Files::of(playlist, Mix::Stereo);
    for (number, track) in playlist.tracks.iter().enumerate() {
        let Ok(Some(mut source)) = files.open(number) else { continue };
        let frames = track.length.map_or(0, |length| length.frames);
        let mut samples = vec![0.0; 200 * source.channels()];
        for frame in [frames / 2, frames.saturating_sub(100), u64::MAX] {
            if source.seek(i64::try_from(frame).unwrap_or(i64::MAX)).is_err() || source.read(&mut samples).is_err() {
                break;
            }
            assert!(samples.iter().all(|sample| *sample == 0.0), "the files are silence");
        }
    }
}

/// Asserts that the playlist is what a right index says.
fn says(music: &Music, saved: &Saved, text: &[u8]) {
    fs::write(music.folder.index(), text).expect("files can be written");
    let playlist = music.folder.load(How::TrustIndex).expect("the playlist is there").playlist;
    let known: HashMap<&str, &SavedTrack> = saved.tracks.iter().map(|track| (&*track.entry, track)).collect();
    for (track, entry) in playlist.tracks.iter().zip(ENTRIES) {
        let key = entry.replace('%', "%25");
        let Some(known) = known.get(&*key) else { continue };
        let length = track.length.expect("the index knows it");
        assert_eq!((length.frames, length.rate_hz), (known.frames, known.rate_hz));
        assert_eq!(track.channels, known.channels.clamp(1, 2));
        assert_eq!(track.artist, known.artist);
        assert!(known.title.is_none() || known.title.as_ref() == Some(&track.title));
        assert_eq!(track.content.as_ref(), Some(&known.content));
        assert_eq!((track.size_bytes, track.missing_bytes), (known.size_bytes, known.missing_bytes));
        let map = known.map.as_deref().and_then(|map| map.parse::<FrameMap>().ok());
        assert_eq!(track.map.get().as_deref(), map.as_ref());
        assert!(map.is_none_or(|map| map.to_string().parse() == Ok(map)));
        let path = track.path.as_ref().expect("its existence is not checked");
        assert!(path.starts_with(music.folder.path()) && !path.iter().any(|part| part == ".."), "{path:?}");
    }
}

/// Saves maps in the index: that of the existing file, and one of the file that the index says is
/// the first.
fn keeps_map(music: &Music, saved: &Saved, text: &[u8]) {
    let index = music.folder.index();
    fs::write(&index, text).expect("files can be written");
    keeps(music, saved, &music.known, |track| track.is(ENTRIES[0], music.size_bytes[0], music.modified_s[0]));
    // Of several with the same entry, the last is known.
    let Some(first) = saved.tracks.iter().rfind(|track| track.entry == ENTRIES[0]) else { return };
    let playlist = music.folder.load(How::TrustIndex).expect("the playlist is there").playlist;
    let known = &playlist.tracks[0].map;
    // The first map that becomes known stays.
    known.set(Arc::clone(&music.maps[0]));
    // Loading has made known what was not.
    fs::write(&index, text).expect("files can be written");
    keeps(music, saved, known, |track| track.is(&first.file, first.size_bytes, first.modified_s));
}

/// Asserts that every track of that file gets the map, and that nothing else changes.
fn keeps(music: &Music, saved: &Saved, known: &KnownMap, is_file: impl Fn(&SavedTrack) -> bool) {
    let index = music.folder.index();
    let is_kept = persist_map(&index, known).expect("the index is right");
    assert_eq!(is_kept, saved.tracks.iter().any(&is_file));
    let kept: Saved = serde_json::from_slice(&fs::read(&index).expect("it is there")).expect("it is an index");
    assert_eq!((&*kept.format, &*kept.fingerprint), (FORMAT, &*saved.fingerprint));
    assert_eq!(kept.checksum, checksum(&kept.tracks));
    let map = known.get().expect("it was set").to_string();
    let mut expected = saved.tracks.clone();
    expected.iter_mut().filter(|track| is_file(track)).for_each(|track| track.map = Some(map.clone()));
    assert_eq!(kept.tracks, expected);
}

/// Loads the playlist while another program writes its index: what that program knows about entries
/// is saved together with the new results.
fn keeps_news(music: &Music, saved: &Saved, text: &[u8]) {
    let (folder, index) = (&music.folder, music.folder.index());
    folder.forget_index();
    let meanwhile = || fs::write(&index, text).expect("files can be written");
    let loaded = folder.load_while(How::Rebuild, meanwhile).expect("the playlist is there");
    assert!(loaded.index_error.is_none(), "{:?}", loaded.index_error);
    let kept: Saved = serde_json::from_slice(&fs::read(&index).expect("it was written")).expect("it is an index");
    assert_eq!(kept.checksum, checksum(&kept.tracks));
    let place = |track: &SavedTrack| ENTRIES.iter().position(|entry| entry.replace('%', "%25") == track.entry);
    assert!(kept.tracks.iter().all(|track| place(track).is_some()), "{kept:?}");
    assert!(kept.tracks.is_sorted_by(|a, b| place(a) < place(b)), "every entry once, in order: {kept:?}");
    for (number, entry) in ENTRIES.iter().enumerate() {
        let of = |tracks: &[SavedTrack]| tracks.iter().rfind(|track| place(track) == Some(number)).cloned();
        let (mine, theirs) = (of(&kept.tracks), of(&saved.tracks));
        if loaded.playlist.tracks[number].path.is_none() {
            assert_eq!(mine, theirs, "{entry} is known to them alone");
            continue;
        }
        let mine = mine.expect("the file is there");
        let is_same = |theirs: &SavedTrack| {
            theirs.is(&mine.file, mine.size_bytes, mine.modified_s) && theirs.content == mine.content
        };
        assert_eq!(mine.map, theirs.filter(is_same).and_then(|theirs| theirs.map), "{entry}");
    }
}

/// Returns the same as `checksum` in src/playlist/index.rs.
fn checksum(tracks: &[SavedTrack]) -> String {
    let mut hash = Sha256::new();
    for track in tracks {
        for text in [&track.entry, &track.file, &track.content] {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        for text in [&track.title, &track.artist, &track.map] {
            hash.update(text.as_deref().unwrap_or("\0").as_bytes());
            hash.update([0]);
        }
        let numbers = [track.frames, u64::from(track.rate_hz), track.channels as u64, track.missing_bytes];
        for number in [track.size_bytes, track.modified_s as u64].into_iter().chain(numbers) {
            hash.update(number.to_le_bytes());
        }
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Fields {
    fn track(self, music: &Music) -> SavedTrack {
        let number = match self.entry {
            Name::OfTheList(number) => usize::from(number) % 2,
            Name::Other(_) => 0,
        };
        let (size_bytes, modified_s) = if self.is_unchanged {
            (music.size_bytes[number], music.modified_s[number])
        } else {
            (self.size_bytes.value(), self.modified_s)
        };
        SavedTrack {
            entry: self.entry.text(),
            file: self.file.text(),
            size_bytes,
            modified_s,
            frames: self.frames.value(),
            rate_hz: self.rate_hz.value_hz(music.rates_hz[number]),
            channels: usize::from(self.channels),
            title: self.title,
            artist: self.artist,
            content: self.content,
            missing_bytes: self.missing_bytes.value(),
            map: self.map.text(music, number),
        }
    }
}

impl Name {
    fn text(self) -> String {
        match self {
            Self::OfTheList(number) => ENTRIES[usize::from(number) % ENTRIES.len()].replace('%', "%25"),
            Self::Other(text) => text,
        }
    }
}

impl Number {
    fn value(&self) -> u64 {
        match *self {
            Self::Small(number) => u64::from(number),
            Self::Any(number) => number,
            Self::Below(power, less) => 1_u64.checked_shl(u32::from(power)).unwrap_or(0).wrapping_sub(u64::from(less)),
        }
    }
}

impl Rate {
    fn value_hz(&self, of_the_file_hz: u32) -> u32 {
        match *self {
            Self::Usual(number) => RATES_HZ[usize::from(number) % RATES_HZ.len()],
            Self::OfTheFile => of_the_file_hz,
            Self::Any(rate_hz) => rate_hz,
        }
    }
}

impl Map {
    fn text(self, music: &Music, number: usize) -> Option<String> {
        match self {
            Self::None => None,
            Self::Right => Some(music.maps[number].to_string()),
            Self::Text(text) => Some(text),
            Self::Numbers { samples, audio_end, sections, begins_as_the_file, entries } => {
                let audio_end = match audio_end {
                    // There are no tags after it.
                    AudioEnd::OfTheFile => music.size_bytes[number],
                    AudioEnd::Other(bytes) => bytes.value(),
                };
                let mut line = format!("frames-2 {} {audio_end} {}", samples.value(), sections.len());
                let of_the_file_hz = music.rates_hz[number];
                for (place, (first_sample, rate_hz)) in sections.iter().enumerate() {
                    let first_sample = if place == 0 { 0 } else { first_sample.value() };
                    line += &format!(" {first_sample}:{}", rate_hz.value_hz(of_the_file_hz));
                }
                if begins_as_the_file {
                    line += " 0:0";
                }
                for (bytes, samples, free_format_bytes) in entries {
                    line += &format!(" {}:{}", bytes.value(), samples.value());
                    if let Some(bytes) = free_format_bytes {
                        line += &format!(":{}", bytes.value());
                    }
                }
                Some(line)
            }
        }
    }
}
