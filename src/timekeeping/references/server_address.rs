//! A server as people write it: a name or an address, with or without a port.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};

/// A host and a port. The host is resolved anew each time: servers behind a name move, and so does the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What is wrong with a server as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing where a host should be, or something no host's name has.
    #[error("\"{0}\" names no server: write a name or an address, like pool.ntp.org, 192.168.1.2:123 or [fe80::1]:123")]
    NoHost(String),
    /// The port is no number from 1 to 65535.
    #[error("\"{0}\" has no valid port: it is a number from 1 to 65535, like in pool.ntp.org:123")]
    BadPort(String),
}

impl ServerAddress {
    /// Reads `host`, `host:port`, `address`, `[IPv6]:port` or a bare IPv6 address.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let text = text.trim();
        let no_host = || AddressError::NoHost(text.to_owned());
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or_else(no_host)?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(no_host)?) };
            (is_ipv6(host).then_some(host).ok_or_else(no_host)?, port)
        } else if is_ipv6(text) {
            (text, None)
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        if host.is_empty() || host.contains(|letter: char| letter.is_whitespace() || "[]/\\@\0".contains(letter)) {
            return Err(no_host());
        }
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(number) if number != 0 => number,
                _ => return Err(AddressError::BadPort(text.to_owned())),
            },
        };
        Ok(Self { host: host.to_owned(), port })
    }

    /// Asks the resolver for its addresses. That takes as long as the resolver likes.
    pub(super) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect())
    }
}

/// Whether it is an IPv6 address, perhaps with the interface it is on (`fe80::1%wlan0`).
fn is_ipv6(text: &str) -> bool {
    text.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<(String, u16)> {
        ServerAddress::parse(text, 123).ok().map(|address| (address.host, address.port))
    }

    #[test]
    fn all_common_ways_to_write_a_server_are_read() {
        for (text, host, port) in [
            ("pool.ntp.org", "pool.ntp.org", 123),
            (" bike-1.local:1123 ", "bike-1.local", 1123),
            ("192.168.1.2", "192.168.1.2", 123),
            ("192.168.1.2:5", "192.168.1.2", 5),
            ("2001:db8::1", "2001:db8::1", 123),
            ("[2001:db8::1]", "2001:db8::1", 123),
            ("[::1]:9", "::1", 9),
            ("fe80::1%wlan0", "fe80::1%wlan0", 123),
            ("[fe80::1%wlan0]:77", "fe80::1%wlan0", 77),
        ] {
            assert_eq!(parsed(text), Some((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_told() {
        for text in ["", " ", ":123", "[::1", "[::1]5", "[host]:5", "a b", "http://x"] {
            assert!(ServerAddress::parse(text, 123).is_err(), "{text}");
        }
        for text in ["host:", "host:0", "host:65536", "host:ntp", "[::1]:", "1:2:3"] {
            assert_eq!(ServerAddress::parse(text, 123), Err(AddressError::BadPort(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_is_resolved_without_a_resolver() {
        let addresses = ServerAddress::parse("[::1]:9", 123).unwrap().resolve().unwrap();
        assert_eq!(addresses, ["[::1]:9".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = ServerAddress::parse(&text, 123);
        }

        #[test]
        fn any_socket_address_is_read(address: SocketAddr) {
            prop_assume!(address.port() != 0);
            let text = match address {
                SocketAddr::V4(_) => address.to_string(),
                SocketAddr::V6(v6) => format!("[{}]:{}", v6.ip(), v6.port()),
            };
            let parsed = ServerAddress::parse(&text, 123).unwrap();
            prop_assert_eq!(parsed.host, address.ip().to_string());
            prop_assert_eq!(parsed.port, address.port());
        }
    }
}
