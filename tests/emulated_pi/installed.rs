//! A box with the programs and the demo playlist on it.

use std::path::{Path, PathBuf};

use crate::machine::{Machine, SdCard};

const PROGRAMS: [&str; 2] = ["jaudiosync", "pi-probe"];
const PLAYLIST: &str = "Playlist.m3u8";
const TRACKS: [&str; 3] = ["01 Chain and Sprocket.mp3", "02 Tail Lights.mp3", "03 Critical Mass.mp3"];

/// What cargo builds into.
pub fn target_folder() -> PathBuf {
    // The tests' scratch folder is in it.
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder").to_owned()
}

fn music(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("Music").join(name)
}

/// A track of the playlist, by its number.
pub fn track(number: usize) -> PathBuf {
    music(TRACKS[number])
}

/// A card as it would be put into a box.
pub fn installed_card() -> SdCard {
    let built = target_folder().join("aarch64-unknown-linux-gnu/release");
    let programs = PROGRAMS.map(|name| (built.join(name), format!("/usr/bin/{name}")));
    let music = TRACKS.into_iter().chain([PLAYLIST]).map(|name| (music(name), format!("/srv/jaudiosync/Music/{name}")));
    let files: Vec<_> = programs.into_iter().chain(music).collect();
    let card = SdCard::new();
    card.install(files.iter().map(|(from, to)| (from.as_path(), to.as_str())));
    card
}

/// The box, switched on.
pub fn installed_box() -> Machine {
    let machine = Machine::boot(installed_card());
    println!("booted within {:.1} s", machine.boot_time.as_secs_f64());
    machine
}
