//! What failed, and what can be done about it, for people.

use std::io;

use nix::errno::Errno;

use super::complaints::Act;

pub(super) fn cannot_open(port: u16, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "; another program has it: end that, or set another ride.port on all boxes",
        io::ErrorKind::PermissionDenied => "; ports below 1024 are for root: set another ride.port on all boxes",
        _ => "",
    };
    format!("other boxes are not heard: UDP port {port}: {error}{advice}")
}

/// Says what failed, and what can be done.
pub(super) fn in_words(act: Act, error: &io::Error) -> String {
    let what = match act {
        Act::List => "cannot be listed",
        Act::Join => "cannot be listened on",
        Act::Multicast | Act::Unicast => "nothing can be sent there",
        Act::Receive => "cannot hear",
    };
    let advice = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => "; a firewall refuses it: allow UDP to the ride's port",
        Some(Errno::EAFNOSUPPORT) => "; a sandbox refuses it: the unit must allow AF_INET and AF_NETLINK",
        _ => "",
    };
    format!("{what}: {error}{advice}")
}
