//! The playlist and its tracks.

use super::super::Finding;
use crate::format::{counted, duration};
use crate::playlist::Loaded;

const CHECK: &str = "playlist";

/// How many silent tracks are named; the others are counted.
const NAMED: usize = 10;

/// Checks the playlist, and reports its fingerprint and every track that stays silent.
pub fn music(loaded: Result<&Loaded, &str>) -> Vec<Finding> {
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
            "{}: {}, {}, fingerprint {} (must be equal on all boxes that play together)",
            playlist.name,
            counted(playlist.tracks.len(), "track"),
            duration(playlist.runtime_s()),
            playlist.fingerprint()
        ),
    )];
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

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;
    use crate::service::playlists::{PlaylistSource, read};

    #[test]
    fn each_silent_track_is_named_and_many_are_counted() {
        let music_folder = tempfile::tempdir().unwrap();
        let lines: String = (0..15).map(|number| format!("{number}.mp3\n")).collect();
        std::fs::write(music_folder.path().join("Playlist.m3u8"), lines).unwrap();
        let source = |name: &str| PlaylistSource { music: music_folder.path().to_owned(), name: name.to_owned() };
        let loaded = read(&source("Playlist"), None, true).unwrap();
        let findings = music(Ok(&loaded));
        assert_eq!(findings.iter().filter(|finding| finding.level == Level::Warning).count(), NAMED + 1);
        assert!(findings.iter().any(|finding| finding.level == Level::Problem), "nothing can be played");
        assert!(findings.iter().any(|finding| finding.text == "and 5 more"));
        let error = read(&source("Other"), None, true).unwrap_err();
        assert_eq!(music(Err(&error))[0].level, Level::Problem);
    }
}
