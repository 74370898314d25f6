//! From a server as people write it to its addresses.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::config::ServerAddress;

/// Asks the resolver for a server's addresses, with `default_port` if it has no port of its own.
/// Blocks for as long as the resolver takes. Nothing is cached: servers behind a name move, and so
/// does the box.
///
/// # Errors
/// If the name cannot be resolved.
pub(crate) fn resolve(server: &ServerAddress, default_port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((server.host.as_str(), server.port.unwrap_or(default_port)).to_socket_addrs()?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_resolved_without_a_resolver() {
        let addresses = |server: &str| resolve(&server.parse().unwrap(), 9).unwrap();
        assert_eq!(addresses("[::1]"), ["[::1]:9".parse().unwrap()]);
        assert_eq!(addresses("[::1]:123"), ["[::1]:123".parse().unwrap()], "its own port comes first");
    }
}
