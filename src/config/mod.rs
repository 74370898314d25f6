//! The configuration: what can be set, its defaults, and the files it is read from.
//!
//! Two files lie over the defaults: the system's own, and one on the boot partition, which a laptop can edit with the
//! SD card in it. A damaged file never stops a box: each key stands alone, and a bad one leaves what lies below it, with
//! a problem that names file and line. `systemd/config.toml` documents every key and is tested to equal the defaults.
//!
//! Nothing here opens a device or knows what a key is used for.

mod check;
mod choices;
mod layers;
mod nearest;
mod repair;
mod sections;
mod server_address;

use std::path::{Path, PathBuf};

pub use check::MAX_OUTPUT_LATENCY_MS;
pub use choices::{Anchor, BoardKind, ChannelChoice, Gpio, OptionalGpio, RtcChoice, TimeSource};
pub use layers::{Layers, Origin, Problem};
pub use sections::{Board, Config, Control, Playlist, Sound, Start, TimeKeeping, Volume};
pub use server_address::{AddressError, OptionalServer, ServerAddress};

/// The system's own configuration file.
pub const SYSTEM_FILE: &str = "/etc/jaudiosync/config.toml";

/// Where the boot partition's configuration may be: since Raspberry Pi OS 12 (bookworm) the partition is mounted on
/// `/boot/firmware`, before that on `/boot`.
pub const BOOT_FILES: [&str; 2] = ["/boot/firmware/jaudiosync.toml", "/boot/jaudiosync.toml"];

/// The sample configuration, in which every key stands with its default and its documentation.
pub const SAMPLE: &str = include_str!("../../systemd/config.toml");

/// The files of this machine, the lowest layer first. A file that does not exist is left out when it is read.
pub fn default_files() -> Vec<PathBuf> {
    let boot = BOOT_FILES.iter().find(|file| Path::new(file).exists()).unwrap_or(&BOOT_FILES[0]);
    vec![PathBuf::from(SYSTEM_FILE), PathBuf::from(boot)]
}

/// The configuration of this machine, or that of one file alone where it is named.
pub fn load(file: Option<&Path>) -> Layers {
    let mut layers = Layers::default();
    match file {
        Some(file) => layers.read_named(file),
        None => default_files().iter().for_each(|file| layers.read(file)),
    }
    layers
}
