//! What is reported about a playlist apart from what is wrong with each of its tracks: every kind
//! of notice once, with an example, however many lines it concerns.

use super::locate::{Located, Locator};
use super::m3u8::MAX_EXTINF_S;
use super::text::{decode, shown};
use super::{Entry, M3u8, Track};

/// Reports comments that are also names of files: `#1 Hit.mp3` is a comment to every player.
pub(super) fn names_like_comments(list: &M3u8, locator: &mut Locator) -> Option<String> {
    let is_file = |(_, text): &&(usize, Vec<u8>)| matches!(locator.locate(text), Located::File(_));
    let names: Vec<&(usize, Vec<u8>)> = list.comments.iter().filter(is_file).collect();
    let (line, text) = names.first()?;
    let text = shown(&decode(text)).unwrap_or_default();
    let others = if names.len() > 1 { format!(" ({} such lines)", names.len()) } else { String::new() };
    Some(format!(
        "line {line}: {text} is a comment, as it begins with #, although there is a file of that name{others}; to play it, \
         write ./{text} on all boxes"
    ))
}

/// Reports files that are incomplete copies: the rest of their slots is silence.
pub(super) fn cut_off_files(tracks: &[Track]) -> Option<String> {
    let is_cut_off = |track: &&Track| track.path.is_some() && track.missing_bytes > 0;
    let cut_off: Vec<&Track> = tracks.iter().filter(is_cut_off).collect();
    let first = cut_off.first()?;
    let others = if cut_off.len() > 1 { format!(" ({} such files)", cut_off.len()) } else { String::new() };
    Some(format!(
        "line {}: {} was cut off: the file has {} of {} bytes, and the rest of its slot is silence{others}; copy it again",
        first.line,
        first.location,
        first.size_bytes,
        first.size_bytes + first.missing_bytes
    ))
}

/// Reports lengths from `#EXTINF` that were limited, if the files are missing and nothing else says
/// how long they are.
pub(super) fn cut_lengths(entries: &[Entry], tracks: &[Track]) -> Option<String> {
    let is_cut = |(entry, track): &(&Entry, &Track)| {
        let extinf = entry.extinf.as_ref().filter(|extinf| extinf.is_cut());
        extinf.is_some_and(|extinf| track.problem.is_some() && track.length == extinf.length())
    };
    let cut: Vec<_> = entries.iter().zip(tracks).filter(is_cut).collect();
    let (_, first) = cut.first()?;
    let others = if cut.len() > 1 { format!(" ({} such lines)", cut.len()) } else { String::new() };
    Some(format!(
        "line {}: {}: its #EXTINF is longer than a day, and counts as {} h{others}",
        first.line,
        first.location,
        MAX_EXTINF_S / 3600.0
    ))
}

/// Reports, if no file is found at all, that all would be found if the playlist were one folder
/// further up.
pub(super) fn made_one_folder_up(entries: &[Entry], tracks: &[Track], locator: &mut Locator) -> Option<String> {
    /// This many lines are enough to know.
    const EXAMINED_LINES: usize = 20;
    if tracks.iter().any(|track| track.path.is_some()) {
        return None;
    }
    let first = entries.iter().take(EXAMINED_LINES);
    let folder = first
        .map(|entry| locator.found_without_first_folder(&entry.location))
        .reduce(|a, b| if a == b { a } else { None })?;
    let folder = shown(&folder?)?;
    Some(format!(
        "the lines name files in a folder {folder} of the Music folder, where there is none; they are found without it: remove \
         {folder}/ from the lines on all boxes"
    ))
}
