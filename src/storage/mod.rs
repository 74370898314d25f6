//! The state on disk between runs, written so that a power cut leaves the old or the new and
//! nothing in between.
//!
//! This folder defines only how values are saved, and where. What they mean is decided elsewhere.

mod leftovers;
mod measured_latency;
mod place;
mod position;
mod record;
mod run;
mod secret;
mod session;
mod slots;
mod volume;

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

pub use leftovers::remove_leftovers;
pub use measured_latency::MeasuredLatency;
pub use place::{LiesOn, StatePlace};
pub use position::{Position, PositionError};
pub use record::{Persistent, Record, RecordError, Written};
pub use run::Run;
pub use secret::write_secret;
pub use session::Session;
pub use slots::{Contents, ROOM_BYTES, Slots};
pub use volume::Volume;

/// Letters and digits at the end of a temporary file's name.
const RANDOM_LETTERS: usize = 6;

/// Writes a file whole or not at all: to a temporary file beside it, which is synced and then
/// renamed. On an error the old file stays.
///
/// # Errors
/// If the folder cannot be written to or the disk is full.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let (mut file, folder) = temporary_beside(path, 0o644)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The rename is on disk only once the folder is synced.
    std::fs::File::open(folder)?.sync_all()
}

/// Opens a file for reading, and does not wait for a pipe or a device of its name.
///
/// # Errors
/// If it cannot be opened, or is not a file.
pub fn open_file(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    regular(std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?)
}

/// Refuses what is not a file, such as a pipe.
///
/// # Errors
/// If it is not one.
pub fn regular(file: std::fs::File) -> io::Result<std::fs::File> {
    let is_file = file.metadata()?.is_file();
    is_file.then_some(file).ok_or_else(|| io::Error::other("it is not a file: remove it"))
}

/// Makes a temporary file beside a file, with this mode, and returns it and their folder.
fn temporary_beside(path: &Path, mode: u32) -> io::Result<(NamedTempFile, &Path)> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).rand_bytes(RANDOM_LETTERS).permissions(Permissions::from_mode(mode));
    Ok((builder.tempfile_in(folder)?, folder))
}

/// The state folder of the service that systemd runs (`STATE_DIRECTORY` in its unit).
const SERVICE_STATE_FOLDER: &str = "/var/lib/jaudiosync";

/// Returns the state folder of this machine's service, for commands that read it from a shell, also
/// as root: the configured one, if there is one. Without such a service it is [`state_folder`]'s.
pub fn service_state_folder(configured: Option<&Path>) -> Option<PathBuf> {
    let of_service = PathBuf::from(SERVICE_STATE_FOLDER);
    if configured.is_none() && std::env::var_os("STATE_DIRECTORY").is_none() && of_service.exists() {
        return Some(of_service);
    }
    state_folder(configured)
}

/// Returns the folder for the program's state: the configured one, otherwise systemd's
/// `STATE_DIRECTORY` if it is set, otherwise `jaudiosync` in `XDG_STATE_HOME`, otherwise in
/// `~/.local/state`; `None` if even `HOME` is not set.
pub fn state_folder(configured: Option<&Path>) -> Option<PathBuf> {
    let from = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    configured
        .map(Path::to_owned)
        .or_else(|| from("STATE_DIRECTORY"))
        .or_else(|| from("XDG_STATE_HOME").map(|folder| folder.join("jaudiosync")))
        .or_else(|| from("HOME").map(|folder| folder.join(".local/state/jaudiosync")))
}
