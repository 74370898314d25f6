//! Who may control the box: the socket's group, its owner and root.

use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Gid, Group, Uid, User};

/// Returns the number of a group; `None` if there is no such group.
pub(super) fn group_number(name: &str) -> Option<u32> {
    Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}

/// Returns whether a client may be served. The kernel has already checked the socket's mode; this
/// is the second line of defence, against a loosened mode and connections that were handed on.
pub(super) fn is_allowed(client: &UnixStream, socket_group: u32) -> bool {
    // These are the credentials at the moment of connecting: nobody can change them afterwards.
    let Ok(peer) = getsockopt(client, PeerCredentials) else { return false };
    let is_owner = peer.uid() == 0 || peer.uid() == Uid::effective().as_raw();
    is_owner || peer.gid() == socket_group || is_member(peer.uid(), socket_group)
}

/// Looks up supplementary groups in the group database: the kernel reports only the primary group.
fn is_member(user: u32, group: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(user)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(group)).ok().flatten();
    user.zip(group).is_some_and(|(user, group)| group.mem.contains(&user.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_may_enter_and_groups_are_found_by_name() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(is_allowed(&one, u32::MAX));
        assert_eq!(group_number("root"), Some(0));
        assert_eq!(group_number("no-such-group"), None);
        assert!(!is_member(65_534, 0), "nobody is not a member of root's group");
    }
}
