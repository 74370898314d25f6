//! One search in a Music folder: gathers the files that an entry may mean, and decides.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::departure::Departure;
use super::super::folders::{Candidate, Likeness, Wanted};
use super::super::readings::{Origin, Reading};
use super::{Escapes, Folder, Located, Locator, found, is_inside};

/// A search for one entry.
pub(super) struct Search<'a> {
    locator: &'a mut Locator,
    /// Whether a symbolic link out of the Music folder was met.
    pub leads_outside: bool,
    /// Files that the entry may mean, in the order of the readings.
    matches: Vec<Match>,
}

/// A file that the entry may mean.
struct Match {
    /// Which reading found it.
    reading: usize,
    closeness: Closeness,
    path: PathBuf,
    metadata: fs::Metadata,
    departures: BTreeSet<Departure>,
}

/// How close a file's name is to an entry, the closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    /// The name as this reading of the entry has it.
    Same { reading: usize },
    /// The same text as this reading of the entry.
    SameText { reading: usize },
    /// A name that differs in case.
    Alike,
}

pub(super) type Ways<'a> = [(&'a Reading, Wanted<'a>)];

impl<'a> Search<'a> {
    pub(super) fn new(locator: &'a mut Locator) -> Self {
        Self { locator, leads_outside: false, matches: Vec::new() }
    }

    /// Resolves a relative path: from the playlist's folder, or from the Music folder if the whole
    /// list is written that way.
    pub(super) fn relative(&mut self, ways: &Ways<'_>) -> Option<Located> {
        let located = self.in_own_folder(ways);
        if located.is_some() || !self.locator.tries_music_folder {
            return located;
        }
        let root = self.locator.root.clone();
        for (number, (reading, wanted)) in ways.iter().enumerate() {
            if reading.origin == (Origin::Playlist { up: 0 }) {
                self.gather(&root, (number, reading), wanted, wanted.len(), Some(Departure::MusicFolder));
            }
        }
        Some(self.decide(ways, usize::MAX)?.0)
    }

    /// Resolves a relative path from the playlist's folder.
    pub(super) fn in_own_folder(&mut self, ways: &Ways<'_>) -> Option<Located> {
        let root = self.locator.root.clone();
        let depth = self.locator.playlist_folder.len();
        for (number, (reading, wanted)) in ways.iter().enumerate() {
            let Origin::Playlist { up } = reading.origin else { continue };
            let Some(kept) = depth.checked_sub(up) else { continue };
            let folders = self.locator.playlist_folder.get(..kept).unwrap_or_default();
            let folder = folders.iter().fold(root.clone(), |path, part| path.join(OsStr::from_bytes(part)));
            self.gather(&folder, (number, reading), wanted, wanted.len(), None);
        }
        Some(self.decide(ways, usize::MAX)?.0)
    }

    /// Resolves a path that begins elsewhere by its ends, the longest first.
    pub(super) fn tails(&mut self, ways: &Ways<'_>) -> Option<Located> {
        let root = self.locator.root.clone();
        let begins_elsewhere = |reading: &Reading| reading.origin != Origin::Playlist { up: 0 };
        let longest =
            ways.iter().filter(|(reading, _)| begins_elsewhere(reading)).map(|(_, wanted)| wanted.len()).max()?;
        for count in (1..=longest).rev() {
            for (number, (reading, wanted)) in ways.iter().enumerate() {
                if begins_elsewhere(reading) && wanted.len() >= count {
                    self.gather(&root, (number, reading), wanted, count, Some(Departure::Tail));
                }
            }
            if let Some((mut located, dropped)) = self.decide(ways, count) {
                if let Located::File(found) = &mut located {
                    found.dropped = dropped;
                }
                return Some(located);
            }
        }
        None
    }

    /// Gathers all files that the last `count` parts of a path may mean.
    fn gather(
        &mut self,
        folder: &Path,
        (number, reading): (usize, &Reading),
        wanted: &Wanted<'_>,
        count: usize,
        also: Option<Departure>,
    ) {
        let Locator { root, inside, folders, .. } = &mut *self.locator;
        let mut may_enter = |folder: &Path| is_inside(root, inside, folder.to_owned()) == Some(true);
        for Candidate { path, likeness, departures } in folders.find(folder, wanted, count, &mut may_enter) {
            let metadata = match self.locator.look(&path) {
                Some(Ok(metadata)) => metadata,
                Some(Err(Escapes)) => {
                    self.leads_outside = true;
                    continue;
                }
                None => continue,
            };
            let departures: BTreeSet<Departure> =
                reading.departures.iter().copied().chain(departures).chain(also).collect();
            let closeness = match likeness {
                Likeness::Alike(_) => Closeness::Alike,
                // The code page is a guess, however well a name then fits.
                _ if departures.contains(&Departure::Encoding) => Closeness::SameText { reading: number },
                Likeness::SameText(_) => Closeness::SameText { reading: number },
                Likeness::Same => Closeness::Same { reading: number },
            };
            self.matches.push(Match { reading: number, closeness, path, metadata, departures });
        }
    }

    /// Chooses the closest of the files gathered for the last `count` parts, and returns it with
    /// the dropped part of its path, as [`Locator::learn`] does. If several are equally close, none
    /// is taken.
    fn decide(&mut self, ways: &Ways<'_>, count: usize) -> Option<(Located, Option<Folder>)> {
        let matches = std::mem::take(&mut self.matches);
        let closeness = matches.iter().map(|found| found.closeness).min()?;
        let mut closest = matches.into_iter().filter(|found| found.closeness == closeness);
        let first = closest.next()?;
        let file = |found: &Match| (found.metadata.dev(), found.metadata.ino());
        let others: Vec<Match> = closest.filter(|other| file(other) != file(&first)).collect();
        if !others.is_empty() {
            let paths = std::iter::once(&first).chain(&others).map(|found| self.locator.shown(&found.path));
            return Some((Located::Ambiguous(paths.collect()), None));
        }
        let (reading, wanted) = ways.get(first.reading)?;
        let dropped = self.locator.learn(reading, wanted, count.min(wanted.len()));
        Some((found(first.path, &first.metadata, first.departures), dropped))
    }
}
