//! A box with the demo playlist on it. The programs are on all boxes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::machine::{Fitted, Machine, SdCard, SwitchedOff};

const PLAYLIST: &str = "Playlist.m3u8";
pub const TRACKS: [&str; 3] = ["01 Chain and Sprocket.mp3", "02 Tail Lights.mp3", "03 Critical Mass.mp3"];

/// Returns the folder that cargo builds into.
pub fn target_folder() -> PathBuf {
    // The tests' scratch folder is in it.
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder").to_owned()
}

/// Returns the Music folder that every box here has a copy of.
pub fn music() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("Music")
}

/// Returns a track of the playlist, by its number.
pub fn track(number: usize) -> PathBuf {
    music().join(TRACKS[number])
}

/// Makes a card as it would be put into a box: with a configuration the service starts by itself.
pub fn installed_card(config: Option<&str>) -> SdCard {
    let names = TRACKS.into_iter().chain([PLAYLIST]);
    let music = names.map(|name| (music().join(name), format!("/srv/jaudiosync/Music/{name}")));
    let config_file = config.map(|text| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("a file that can be written");
        file
    });
    let config = config_file.iter().map(|file| (file.path().to_owned(), "/etc/jaudiosync/config.toml".to_owned()));
    let files: Vec<_> = music.chain(config).collect();
    let card = SdCard::new();
    card.install(files.iter().map(|(from, to)| (from.as_path(), to.as_str())));
    card
}

/// Boots the box without a service that starts by itself.
pub fn installed_box() -> Machine {
    boot(installed_card(None), Fitted::default())
}

/// Switches a box on, and prints how long that took.
pub fn boot(off: impl Into<SwitchedOff>, fitted: Fitted<'_>) -> Machine {
    let began = Instant::now();
    let mut machine = Machine::boot_with(off, fitted);
    let booted_s = machine.since_power_on_s();
    println!("booted within {booted_s:.1} s of its own, {:.1} s of this machine", began.elapsed().as_secs_f64());
    machine
}
