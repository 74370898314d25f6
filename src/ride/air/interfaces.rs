//! The network interfaces by which other boxes can be reached, and what changed since the last look.

use std::io;
use std::net::Ipv4Addr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// More than a box has. Beyond it the kernel refuses to join (igmp_max_memberships is 20).
const MOST_INTERFACES: usize = 16;

/// A network interface that is up, can multicast, and has an IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `wlan0`.
    pub name: String,
    /// The kernel's number of it. One that comes back has another.
    pub index: u32,
    /// Its first address.
    pub address: Ipv4Addr,
}

/// Lists the interfaces, at most 16.
///
/// # Errors
/// When the kernel does not answer, as in a sandbox without `AF_NETLINK`.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
    let mut found: Vec<Interface> = Vec::new();
    for entry in getifaddrs()? {
        let is_wanted = entry.flags.contains(wanted) && !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let address = entry.address.as_ref().and_then(|address| address.as_sockaddr_in()).map(|address| address.ip());
        let Some(address) = address.filter(|_| is_wanted) else { continue };
        // An alias belongs to its interface, `eth0:1` to `eth0`.
        let name = entry.interface_name.split(':').next().unwrap_or_default();
        if found.iter().any(|interface| interface.name == name) || found.len() >= MOST_INTERFACES {
            continue;
        }
        // It may have gone meanwhile.
        let Ok(index) = if_nametoindex(name) else { continue };
        found.push(Interface { name: name.to_owned(), index, address });
    }
    found.sort_by_key(|interface| interface.index);
    Ok(found)
}

/// Returns the interfaces that have gone, and those that have come. One with another address has
/// done both.
pub(super) fn changes<'a>(
    before: &'a [Interface],
    after: &'a [Interface],
) -> (impl Iterator<Item = &'a Interface>, impl Iterator<Item = &'a Interface>) {
    (
        before.iter().filter(|interface| !after.contains(interface)),
        after.iter().filter(|interface| !before.contains(interface)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, index: u32, last: u8) -> Interface {
        Interface { name: name.to_owned(), index, address: Ipv4Addr::new(10, 42, 0, last) }
    }

    #[test]
    fn the_loopback_is_not_among_them() {
        assert!(
            interfaces().unwrap().iter().all(|interface| !interface.address.is_loopback() && interface.name != "lo")
        );
    }

    #[test]
    fn another_address_or_a_new_device_of_the_same_name_is_a_change() {
        let before = [interface("eth0", 2, 1), interface("wlan0", 3, 2), interface("usb0", 4, 3)];
        let after = [interface("eth0", 2, 1), interface("wlan0", 3, 9), interface("usb0", 5, 3)];
        let (gone, come) = changes(&before, &after);
        assert_eq!(gone.collect::<Vec<_>>(), [&before[1], &before[2]]);
        assert_eq!(come.collect::<Vec<_>>(), [&after[1], &after[2]]);
    }
}
