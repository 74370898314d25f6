//! Addresses for servers that come later, or never.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::SocketAddr;

/// Returns a port of 127.0.0.1 that no socket has now, over UDP or TCP. It lies below those that the
/// kernel gives to clients (from 32,768 on, `/proc/sys/net/ipv4/ip_local_port_range`): another test's
/// question would take it before the server does.
///
/// The kernel's list is read instead of binding a socket for a moment: a process that another test
/// is just starting has a copy of that socket until its program begins, and answers for it.
pub fn free_address() -> SocketAddr {
    loop {
        let port = fastrand::u16(10_000..32_000);
        let local = format!(":{port:04X} ");
        let is_taken = ["tcp", "tcp6", "udp", "udp6"].into_iter().any(|protocol| {
            // There is no list for IPv6 where the kernel lacks it.
            let sockets = fs::read_to_string(format!("/proc/net/{protocol}")).unwrap_or_default();
            sockets.contains(&local)
        });
        if !is_taken {
            return SocketAddr::from(([127, 0, 0, 1], port));
        }
    }
}
