//! Finds what differs between two lists.

use std::collections::HashMap;

use super::OwnTrack;
use crate::ride::message::ListedTrack;

/// This many differences are named; the rest is counted.
const MOST_NAMED: usize = 12;

/// What differs between this box's playlist and that of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    /// The differences in words, by the order of this box's list.
    pub lines: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// Compares this box's list with another's.
pub fn compare(own: &[OwnTrack], theirs: &[ListedTrack]) -> Differences {
    let mut found = Vec::new();
    let mut by_name: HashMap<u32, &ListedTrack> = HashMap::new();
    theirs.iter().for_each(|track| _ = by_name.entry(track.name).or_insert(track));
    for OwnTrack { entry, listed } in own {
        match by_name.get(&listed.name) {
            None => found.push(format!("{entry} is not in its playlist")),
            Some(other) => found.extend(difference(listed, other).map(|words| format!("{entry}: {words}"))),
        }
    }
    let own_names: std::collections::HashSet<u32> = own.iter().map(|track| track.listed.name).collect();
    let extra = theirs.iter().filter(|track| !own_names.contains(&track.name)).count();
    if extra > 0 {
        let tracks = if extra == 1 { "track" } else { "tracks" };
        found.push(format!("its playlist has {extra} {tracks} that this box's does not have"));
    }
    if found.is_empty() && !own.iter().map(|track| track.listed.name).eq(theirs.iter().map(|track| track.name)) {
        found.push("the same tracks in another order, or another number of times".to_owned());
    }
    let more = found.len().saturating_sub(MOST_NAMED);
    found.truncate(MOST_NAMED);
    Differences { lines: found, more }
}

fn difference(own: &ListedTrack, other: &ListedTrack) -> Option<String> {
    match (own.content, other.content) {
        (Some(_), None) => Some("missing or broken there".to_owned()),
        (None, Some(_)) => Some("missing or broken here".to_owned()),
        (None, None) => None,
        _ if own.size_bytes != other.size_bytes => {
            Some(format!("another size there: {} instead of {}", size(other.size_bytes), size(own.size_bytes)))
        }
        (here, there) if here != there => Some("another file of the same size there".to_owned()),
        _ if own.length_ms != other.length_ms => {
            Some("another length there; do both boxes have the same version?".to_owned())
        }
        _ => None,
    }
}

/// Returns a size so that two that differ look different.
fn size(bytes: u64) -> String {
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(entry: &str, size_bytes: u64, content: Option<&str>) -> OwnTrack {
        OwnTrack::new(entry, size_bytes, Some(10.0), content)
    }

    fn listed(tracks: &[OwnTrack]) -> Vec<ListedTrack> {
        tracks.iter().map(|track| track.listed).collect()
    }

    #[test]
    fn what_is_missing_or_of_another_size_is_named() {
        let own = [
            track("a.mp3", 10, Some("a")),
            track("b.mp3", 10, Some("b")),
            track("c.mp3", 10, Some("c")),
            track("d.mp3", 10, Some("d")),
            track("e.mp3", 10, None),
            track("f.mp3", 10, Some("f")),
        ];
        assert_eq!(compare(&own, &listed(&own)), Differences::default());
        let theirs = [
            track("a.mp3", 10, Some("a")),
            track("b.mp3", 9, Some("b")),
            track("c.mp3", 10, Some("other")),
            track("d.mp3", 0, None),
            track("e.mp3", 10, Some("e")),
            track("g.mp3", 10, Some("g")),
        ];
        assert_eq!(
            compare(&own, &listed(&theirs)).lines,
            [
                "b.mp3: another size there: 9 bytes instead of 10 bytes",
                "c.mp3: another file of the same size there",
                "d.mp3: missing or broken there",
                "e.mp3: missing or broken here",
                "f.mp3 is not in its playlist",
                "its playlist has 1 track that this box's does not have",
            ]
        );
        let turned = [own[1].clone(), own[0].clone()];
        assert!(compare(&own[..2], &listed(&turned)).lines[0].contains("another order"));
    }

    #[test]
    fn many_differences_are_counted() {
        let own: Vec<OwnTrack> = (0..100).map(|number| track(&format!("{number}"), 1, Some("x"))).collect();
        let differences = compare(&own, &[]);
        assert_eq!((differences.lines.len(), differences.more), (MOST_NAMED, 100 - MOST_NAMED));
    }
}
