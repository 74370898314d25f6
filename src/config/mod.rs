//! The configuration: what can be set, the defaults, and the files it is read from.
//!
//! Two files override the defaults: the system's, and one on the boot partition, which any laptop
//! can edit with the SD card in it. A damaged file never stops a box: every key stands on its own,
//! and one that cannot be used leaves the lower layer's value in effect, with a problem that names
//! file and line. `systemd/config.toml` documents every key, and a test compares it with the
//! defaults.
//!
//! Nothing here opens a device or knows what a key is used for.

mod check;
mod choices;
mod layers;
mod nearest;
mod page_choices;
mod playlist_choices;
mod repair;
mod ride_choices;
mod sections;
mod server_address;

use std::path::{Path, PathBuf};

pub use check::{BUFFER_MS, MAX_OUTPUT_LATENCY_MS};
pub use choices::{
    Anchor, BoardKind, ChannelChoice, Gpio, Hat, OptionalGpio, PinBackend, RtcChoice, SoundBackend, TimeSource,
};
pub use layers::{Layers, Origin, Problem, SET};
pub use page_choices::{OptionalListen, PageView};
pub use playlist_choices::{Folders, STICKS, Sticks};
pub use ride_choices::{KeyPlace, OptionalKey, RideName};
pub use sections::{Board, Config, Control, Page, Playlist, Ride, Sound, SoundCheck, Start, TimeKeeping, Volume};
pub use server_address::{AddressError, OptionalServer, ServerAddress};

/// The system's own configuration file.
pub const SYSTEM_FILE: &str = "/etc/jaudiosync/config.toml";

/// Where the boot partition's configuration may be: since Raspberry Pi OS 12 (bookworm) the
/// partition is mounted on `/boot/firmware`, before that on `/boot`.
pub const BOOT_FILES: [&str; 2] = ["/boot/firmware/jaudiosync.toml", "/boot/jaudiosync.toml"];

/// The sample configuration: every key with its default and its documentation.
pub const SAMPLE: &str = include_str!("../../systemd/config.toml");

/// Returns the files of this machine, the lowest layer first. They need not exist.
pub fn default_files() -> Vec<PathBuf> {
    let boot = BOOT_FILES.iter().find(|file| Path::new(file).exists()).unwrap_or(&BOOT_FILES[0]);
    vec![PathBuf::from(SYSTEM_FILE), PathBuf::from(boot)]
}

/// Reads the configuration of this machine, or that of `file` alone if it is named.
pub fn load(file: Option<&Path>) -> Layers {
    let mut layers = Layers::default();
    match file {
        Some(file) => layers.read_named(file),
        None => default_files().iter().for_each(|file| layers.read(file)),
    }
    layers
}
