//! USB sticks with music: which are in, and what became of each.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::appliance::PlaylistChange;
use crate::playlist::{Loaded, PassedOver};

/// A file of this extension beside the sticks says in words why one could not be mounted.
const TROUBLE: &str = "trouble";

/// So much of such a file is read.
const TROUBLE_BYTES: u64 = 200;

/// What became of a stick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StickReport {
    /// What it is called: the name of its folder.
    pub name: String,
    /// How many tracks it has, if it is the one to play.
    pub tracks: Option<usize>,
    /// Otherwise, why it is not.
    pub trouble: Option<String>,
}

/// The sticks that are in, in the order of their names: which one counts then depends on them alone,
/// and not on which was found first.
#[derive(Debug, Default)]
pub(super) struct Sticks {
    mounted: Vec<PathBuf>,
    /// Those that could not be mounted, and why.
    unusable: Vec<(String, String)>,
}

/// Returns the sticks that are mounted below a place: each folder is one.
pub(super) fn sticks_in(place: &Path) -> Sticks {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut sticks = Sticks::default();
    for path in paths {
        if path.extension().is_some_and(|extension| extension == TROUBLE) {
            sticks.unusable.extend(trouble_in(&path).map(|why| (name(&path.with_extension("")), why)));
        } else if path.is_dir() && !name(&path).starts_with('.') {
            sticks.mounted.push(path);
        }
    }
    sticks
}

impl Sticks {
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.mounted.clone()
    }

    fn is_empty(&self) -> bool {
        self.mounted.is_empty() && self.unusable.is_empty()
    }

    /// Returns the stick that a playlist was taken from.
    pub(super) fn name_of(&self, folder: &Path) -> Option<String> {
        self.mounted.iter().find(|stick| *stick == folder).map(|stick| name(stick))
    }

    /// Returns what became of each.
    pub(super) fn reports(&self, loaded: Option<&Loaded>, passed_over: &[PassedOver]) -> Vec<StickReport> {
        let taken = loaded.map(|loaded| (loaded.folder.as_path(), loaded.playlist.tracks.len()));
        let of_mounted = self.mounted.iter().map(|stick| {
            let tracks = taken.filter(|(folder, _)| folder == stick).map(|(_, tracks)| tracks);
            let why = passed_over.iter().find(|other| other.folder == *stick).map(|other| other.why.clone());
            StickReport { name: name(stick), tracks, trouble: why }
        });
        let of_unusable = self.unusable.iter().map(|(name, why)| StickReport {
            name: name.clone(),
            tracks: None,
            trouble: Some(why.clone()),
        });
        of_mounted.chain(of_unusable).collect()
    }
}

/// Returns what has changed for a rider: `loaded` is the stick that the playlist was read from, and
/// `now` the one that it would be read from, with its number of tracks.
pub(super) fn change(loaded: Option<&str>, now: Option<(&str, usize)>) -> PlaylistChange {
    match (loaded, now) {
        (loaded, Some((name, tracks))) if loaded != Some(name) => {
            PlaylistChange::StickIn { name: name.to_owned(), tracks }
        }
        (Some(name), None) => PlaylistChange::StickOut { name: name.to_owned() },
        _ => PlaylistChange::Files,
    }
}

/// Returns whether a stick is in that is still to be mounted, as shortly after power-on. `root` is the
/// root of the file system, which tests replace.
pub(super) fn is_awaited(place: &Path, root: &Path) -> bool {
    if !sticks_in(place).is_empty() {
        return false;
    }
    let mounts = fs::read_to_string(root.join("proc/self/mounts")).unwrap_or_default();
    let disks = fs::read_dir(root.join("sys/block")).into_iter().flatten().flatten();
    let is_stick = |path: PathBuf| {
        let is_usb = fs::read_link(&path).is_ok_and(|target| target.to_string_lossy().contains("/usb"));
        // A card reader without a card has no size, and the disk that the box runs from is no stick.
        let size = fs::read_to_string(path.join("size")).unwrap_or_default();
        is_usb && size.trim() != "0" && !mounts.contains(&format!("/dev/{}", name(&path)))
    };
    disks.map(|entry| entry.path()).any(is_stick)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn trouble_in(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(TROUBLE_BYTES).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_has_changed_is_said_of_the_stick_where_there_is_one() {
        let stick_in = |name: &str| PlaylistChange::StickIn { name: name.to_owned(), tracks: 3 };
        for (loaded, now, expected) in [
            (None, None, PlaylistChange::Files),
            (None, Some("A"), stick_in("A")),
            (Some("B"), Some("A"), stick_in("A")),
            (Some("A"), Some("A"), PlaylistChange::Files),
            (Some("A"), None, PlaylistChange::StickOut { name: "A".to_owned() }),
        ] {
            assert_eq!(change(loaded, now.map(|name| (name, 3))), expected, "{loaded:?} {now:?}");
        }
    }

    #[test]
    fn a_stick_that_is_in_and_not_mounted_yet_is_awaited_but_not_the_disk_that_the_box_runs_from() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("sticks");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let disk = |bus: &str, name: &str, size: &str| {
            write(&format!("sys/devices/{bus}/{name}/size"), size);
            fs::create_dir_all(root.path().join("sys/block")).unwrap();
            symlink(format!("../devices/{bus}/{name}"), root.path().join("sys/block").join(name)).unwrap();
        };
        disk("mmc0", "mmcblk0", "1000\n");
        disk("usb1/1-1", "sda", "0\n");
        write("proc/self/mounts", "/dev/sdb2 / ext4 rw 0 0\n");
        disk("usb1/1-2", "sdb", "1000\n");
        assert!(!is_awaited(&place, root.path()), "none of these is a stick");
        disk("usb1/1-3", "sdc", "1000\n");
        assert!(is_awaited(&place, root.path()));
        write("sticks/RIDE.trouble", "it has ntfs\n");
        assert!(!is_awaited(&place, root.path()), "it was looked at");
        let reports = sticks_in(&place).reports(None, &[]);
        assert_eq!((reports[0].name.as_str(), reports[0].trouble.as_deref()), ("RIDE", Some("it has ntfs")));
    }
}
