//! Whether datagrams can be sent, for `doctor`.

use std::io;

use super::interfaces::{Interface, interfaces};
use super::socket::RideSocket;

/// What became of one datagram.
#[derive(Debug)]
pub struct Probe {
    /// The interface out of which it was sent.
    pub interface: Interface,
    /// The kernel's answer. `Ok` does not mean that anybody has heard it.
    pub sent: io::Result<()>,
}

/// Sends an empty datagram to the group out of every interface, from a port of its own: it disturbs
/// neither a service that runs nor the neighbours, who drop it.
///
/// # Errors
/// When no socket can be opened, or the interfaces cannot be listed.
pub fn probe(port: u16) -> io::Result<Vec<Probe>> {
    let socket = RideSocket::open(0)?;
    let probes = interfaces()?.into_iter().map(|interface| {
        let sent = socket.multicast(&[], port, &interface);
        Probe { interface, sent }
    });
    Ok(probes.collect())
}
