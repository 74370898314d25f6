//! Where the sound server is found, and what it is asked for: the variables that every PulseAudio
//! client obeys.

use std::env;
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use pulseaudio::protocol;

/// The server requires a cookie of this length, even if it admits everyone.
const COOKIE_BYTES: usize = 256;

/// What the environment says.
#[derive(Debug)]
pub struct Address {
    /// Sockets, in the order in which to try them.
    pub sockets: Vec<PathBuf>,
    /// Proves to the server that this is the same user.
    pub cookie: Vec<u8>,
    /// The sink to play on.
    pub sink: CString,
}

impl Address {
    /// Reads the environment. Nothing is connected or started.
    pub fn from_environment() -> Self {
        let server = env::var("PULSE_SERVER").ok();
        let runtime_dir = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let sink = env::var("PULSE_SINK").ok().filter(|name| !name.is_empty());
        Self {
            sockets: sockets(server.as_deref(), runtime_dir.as_deref()),
            cookie: cookie(),
            sink: sink.and_then(|name| CString::new(name).ok()).unwrap_or_else(|| protocol::DEFAULT_SINK.to_owned()),
        }
    }
}

/// Returns the sockets. `PULSE_SERVER` is a list of servers; those on the network are left out,
/// since their clocks are not this machine's.
fn sockets(server: Option<&str>, runtime_dir: Option<&Path>) -> Vec<PathBuf> {
    let Some(server) = server.filter(|server| !server.trim().is_empty()) else {
        return runtime_dir.map(|dir| dir.join("pulse/native")).into_iter().collect();
    };
    server.split_whitespace().filter_map(socket).collect()
}

fn socket(entry: &str) -> Option<PathBuf> {
    // A server may be meant for a single machine: `{machine-id}unix:/path`.
    let entry = entry.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or(entry, |(_, rest)| rest);
    let path = entry.strip_prefix("unix:").unwrap_or(entry);
    path.starts_with('/').then(|| PathBuf::from(path))
}

fn cookie() -> Vec<u8> {
    let path = env::var_os("PULSE_COOKIE")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".config/pulse/cookie")));
    // A server that requires a cookie will say so if there is none.
    let mut cookie = path.and_then(|path| fs::read(path).ok()).unwrap_or_default();
    cookie.resize(COOKIE_BYTES, 0);
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_s_socket_is_taken_where_none_is_named() {
        let expected = [PathBuf::from("/run/user/7/pulse/native")];
        assert_eq!(sockets(None, Some(Path::new("/run/user/7"))), expected);
        assert_eq!(sockets(Some(" "), Some(Path::new("/run/user/7"))), expected);
        assert!(sockets(None, None).is_empty());
    }

    #[test]
    fn named_sockets_win_and_the_network_is_left_out() {
        let named = "tcp:box:4713 {0123}unix:/a /b unix:/c box";
        let expected: Vec<PathBuf> = ["/a", "/b", "/c"].map(PathBuf::from).into();
        assert_eq!(sockets(Some(named), Some(Path::new("/run/user/7"))), expected);
        assert!(sockets(Some("tcp:box"), Some(Path::new("/run/user/7"))).is_empty());
    }
}
