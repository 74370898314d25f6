//! The path of the socket.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The service's socket if systemd runs it.
pub const SYSTEM_SOCKET: &str = "/run/jaudiosync/control.sock";

/// Returns where the service creates its socket: as configured, otherwise in systemd's
/// `RUNTIME_DIRECTORY`, otherwise in `XDG_RUNTIME_DIR`, otherwise in `/run/jaudiosync`.
pub fn service_socket(configured: &Path) -> PathBuf {
    candidates(configured, |name| std::env::var_os(name)).swap_remove(0)
}

/// Returns where a client should look for the service, in this order: the user's own, then the
/// system's.
pub fn candidate_sockets(configured: &Path) -> Vec<PathBuf> {
    candidates(configured, |name| std::env::var_os(name))
}

fn candidates(configured: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return vec![configured.to_owned()];
    }
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd would separate several directories by colons; the unit has one.
    let runtime = folder("RUNTIME_DIRECTORY").map(|folder| folder.join("control.sock"));
    let user = folder("XDG_RUNTIME_DIR").map(|folder| folder.join("jaudiosync.sock"));
    [runtime, user, Some(PathBuf::from(SYSTEM_SOCKET))].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_of_the_system_and_of_a_user_are_found() {
        let none = |_: &str| None;
        let user = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| OsString::from("/run/user/1000"));
        let service = |name: &str| (name == "RUNTIME_DIRECTORY").then(|| OsString::from("/run/jaudiosync"));
        assert_eq!(candidates(Path::new(""), none), [Path::new(SYSTEM_SOCKET)]);
        let both = [Path::new("/run/user/1000/jaudiosync.sock"), Path::new(SYSTEM_SOCKET)];
        assert_eq!(candidates(Path::new(""), user), both);
        assert_eq!(candidates(Path::new(""), service)[0], Path::new(SYSTEM_SOCKET));
        assert_eq!(candidates(Path::new("/tmp/x"), user), [Path::new("/tmp/x")]);
    }
}
