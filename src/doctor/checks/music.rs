//! The playlist and its tracks.

use super::super::Finding;
use crate::control::protocol::StickStatus;
use crate::format::{counted, duration};
use crate::playlist::Loaded;
use crate::service::playlists::StickReport;

const CHECK: &str = "playlist";

/// How many silent tracks are named; the others are counted.
const NAMED: usize = 10;

/// Checks the playlist, and reports where it is from, its fingerprint and every track that stays silent.
pub fn music(loaded: Result<&Loaded, String>) -> Vec<Finding> {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            return vec![Finding::problem(
                CHECK,
                error,
                "copy the music and its .m3u8 file there, or set playlist.folder and playlist.name",
            )];
        }
    };
    let playlist = &loaded.playlist;
    let silent: Vec<_> = playlist.tracks.iter().filter_map(|track| Some((track, track.problem.as_ref()?))).collect();
    let mut findings = vec![Finding::good(
        CHECK,
        format!(
            "{}: {}, {}, from {}, fingerprint {} (must be equal on all boxes that play together)",
            playlist.name,
            counted(playlist.tracks.len(), "track"),
            duration(playlist.runtime_s()),
            loaded.folder.display(),
            playlist.fingerprint()
        ),
    )];
    findings.extend(loaded.passed_over.iter().map(|other| Finding::good(CHECK, format!("not taken: {other}"))));
    if silent.len() == playlist.tracks.len() {
        findings.push(Finding::problem(CHECK, "none of its tracks can be played", "copy the music again"));
    }
    for (track, problem) in silent.iter().take(NAMED) {
        findings.push(Finding::warning(
            CHECK,
            format!("line {}: {}: {problem}; its slot stays silent", track.line, track.location),
            "copy the file again, or remove the line on all boxes",
        ));
    }
    if silent.len() > NAMED {
        let more = silent.len() - NAMED;
        findings.push(Finding::warning(CHECK, format!("and {more} more"), "jaudiosync list shows all of them"));
    }
    findings
        .extend(loaded.warnings.iter().map(|warning| Finding::warning(CHECK, warning.clone(), "see: jaudiosync list")));
    findings
}

/// Says what became of every stick; `offered` is what a running service says of them.
pub fn sticks(sticks: &[StickReport], offered: &[StickStatus]) -> Vec<Finding> {
    let is_offered = |name: &str| offered.iter().any(|stick| stick.offered && stick.name == name);
    let of = |stick: &StickReport| {
        let name = &stick.name;
        match (stick.tracks.map(|tracks| counted(tracks, "track")), &stick.trouble) {
            (Some(tracks), _) if is_offered(name) => {
                Finding::good("stick", format!("{name} is offered, with {tracks}: the next start takes it"))
            }
            (Some(tracks), _) => Finding::good("stick", format!("{name} is taken, with {tracks}")),
            (None, Some(why)) => Finding::warning(
                "stick",
                format!("{name} is not taken: {why}"),
                "a stick with FAT32, exFAT or ext4, and on it MP3s or a playlist, is taken",
            ),
            (None, None) => Finding::good("stick", format!("{name} is in")),
        }
    };
    sticks.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;
    use crate::service::playlists::{PlaylistSource, Reading, in_words};

    #[test]
    fn each_silent_track_is_named_and_many_are_counted() {
        let music_folder = tempfile::tempdir().unwrap();
        let lines: String = (0..15).map(|number| format!("{number}.mp3\n")).collect();
        std::fs::write(music_folder.path().join("Playlist.m3u8"), lines).unwrap();
        let read = |name: &str| {
            let folders = vec![music_folder.path().to_owned()];
            PlaylistSource { folders, name: name.to_owned(), sticks: None }.read(Reading::default(), &|_, _| {}).loaded
        };
        let loaded = read("Playlist").unwrap();
        let findings = music(Ok(&loaded));
        assert_eq!(findings.iter().filter(|finding| finding.level == Level::Warning).count(), NAMED + 1);
        assert!(findings.iter().any(|finding| finding.level == Level::Problem), "nothing can be played");
        assert!(findings.iter().any(|finding| finding.text == "and 5 more"));
        let error = in_words(&read("Other").unwrap_err());
        assert_eq!(music(Err(error))[0].level, Level::Problem);
    }
}
