//! The network of a whole system: QEMU's network adapter on the Pi's USB host, which Linux drives by
//! cdc_ether and NetworkManager brings up by itself, as it would a USB adapter in a real box.

use super::segment::Segment;

/// This machine, as a box behind a router sees it.
pub const THIS_MACHINE: &str = "10.0.2.2";

/// What the adapter of a box is connected with.
#[derive(Debug, Clone, Copy)]
pub enum Network<'a> {
    /// A router of its own: QEMU's user network. It gives the box an address, passes on what the box
    /// sends to other networks and to [`THIS_MACHINE`], where that arrives at 127.0.0.1, and what is
    /// sent to these ports.
    Router(&'a [Forwarded]),
    /// A segment on which there are other boxes, as the station of this number. Every box needs another
    /// one.
    Segment(&'a Segment, u8),
}

/// A TCP port of a box that can be reached from this machine.
#[derive(Debug, Clone, Copy)]
pub struct Forwarded {
    /// On 127.0.0.1.
    pub from: u16,
    pub to: u16,
}

impl Network<'_> {
    /// Returns QEMU's options.
    pub(super) fn options(&self) -> Vec<String> {
        let (netdev, station) = match self {
            Self::Router(forwarded) => (user(forwarded), 1),
            Self::Segment(segment, station) => (segment.netdev(&format!("station-{station}")), *station),
        };
        let adapter = format!("usb-net,netdev=lan,mac=52:54:00:00:00:{station:02x}");
        ["-netdev".to_owned(), format!("{netdev},id=lan"), "-device".to_owned(), adapter].into()
    }
}

/// Returns a router's end in QEMU's notation, without its name.
pub(super) fn user(forwarded: &[Forwarded]) -> String {
    let forwarded = forwarded.iter().map(|Forwarded { from, to }| format!(",hostfwd=tcp:127.0.0.1:{from}-:{to}"));
    std::iter::once("user".to_owned()).chain(forwarded).collect()
}
