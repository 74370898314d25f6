//! Server addresses as people write them: a name or an IP address, with or without a port.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A host and perhaps a port, as the configuration, the command line and the clients write it:
/// `host`, `host:port`, `address`, `[IPv6]:port` or a bare IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress {
    /// A name or an IP address; IPv6 without brackets, perhaps with its interface: `fe80::1%wlan0`.
    pub host: String,
    /// The port, 1 to 65535, if one was written.
    pub port: Option<u16>,
}

/// An optional server: an empty text means none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptionalServer(pub Option<ServerAddress>);

/// Why a text does not name a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The host is missing, or has a character that no host name has.
    #[error(
        "{0:?} does not name a server: write a name or an address, like pool.ntp.org, 192.168.1.2:123 or [2001:db8::1]:123"
    )]
    NoHost(String),
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} has no valid port: write a number from 1 to 65535, as in pool.ntp.org:123")]
    BadPort(String),
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let no_host = || AddressError::NoHost(text.to_owned());
        if text.contains(|letter: char| letter.is_whitespace() || "/\\@\0".contains(letter)) {
            return Err(no_host());
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or_else(no_host)?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(no_host)?) };
            (is_ipv6(host).then_some(host).ok_or_else(no_host)?, port)
        } else if is_ipv6(text) {
            (text, None)
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        if host.is_empty() || host.contains(['[', ']']) {
            return Err(no_host());
        }
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(number)) if number != 0 => Some(number),
            Some(_) => return Err(AddressError::BadPort(text.to_owned())),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => formatter.write_str(&self.host),
            Some(port) if is_ipv6(&self.host) => write!(formatter, "[{}]:{port}", self.host),
            Some(port) => write!(formatter, "{}:{port}", self.host),
        }
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for OptionalServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |address| address.fmt(formatter))
    }
}

impl TryFrom<String> for OptionalServer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "" => Ok(Self(None)),
            _ => text.parse().map(|address| Self(Some(address))).map_err(|error| format!("{error}, or \"\" for none")),
        }
    }
}

impl From<OptionalServer> for String {
    fn from(server: OptionalServer) -> Self {
        server.to_string()
    }
}

/// Returns whether it is an IPv6 address, perhaps with its interface (`fe80::1%wlan0`).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| !zone.is_empty() && !zone.contains([':', '%']);
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<ServerAddress, AddressError> {
        text.parse()
    }

    #[test]
    fn all_common_ways_to_write_a_server_are_read() {
        for (text, host, port) in [
            ("pool.ntp.org", "pool.ntp.org", None),
            (" bike-1.local:1123 ", "bike-1.local", Some(1123)),
            ("192.168.1.2", "192.168.1.2", None),
            ("192.168.1.2:5", "192.168.1.2", Some(5)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[::1]:9", "::1", Some(9)),
            ("fe80::1%wlan0", "fe80::1%wlan0", None),
            ("[fe80::1%wlan0]:77", "fe80::1%wlan0", Some(77)),
        ] {
            assert_eq!(parsed(text), Ok(ServerAddress { host: host.to_owned(), port }), "{text}");
            assert_eq!(parsed(&parsed(text).unwrap().to_string()), parsed(text), "{text}");
        }
    }

    #[test]
    fn what_does_not_name_a_server_is_refused() {
        for text in
            ["", " ", ":123", "[::1", "[::1]5", "[::1:5", "[host]:5", "[::1%]:5", "[::1%a%b]:5", "a b", "http://x"]
        {
            assert!(parsed(text).is_err(), "{text}");
        }
        for text in ["host:", "host:0", "host:65536", "host:ntp", "[::1]:", "1:2:3", "fe80::1%wlan0:123", "fe80::1%"] {
            assert_eq!(parsed(text), Err(AddressError::BadPort(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn an_optional_server_is_none_where_nothing_is_written() {
        let optional = |text: &str| OptionalServer::try_from(text.to_owned());
        assert_eq!(optional(""), Ok(OptionalServer(None)));
        assert_eq!(optional("localhost:2947").map(String::from), Ok("localhost:2947".to_owned()));
        assert!(optional(":1").unwrap_err().contains("\"\" for none"));
    }

    proptest! {
        #[test]
        fn anything_that_is_read_is_written_so_that_it_can_be_read_again(text in "\\PC{0,40}") {
            if let Ok(address) = parsed(&text) {
                prop_assert_eq!(parsed(&address.to_string()), Ok(address));
            }
        }

        #[test]
        fn any_socket_address_is_read(address: SocketAddr) {
            prop_assume!(address.port() != 0);
            let text = match address {
                SocketAddr::V4(_) => address.to_string(),
                SocketAddr::V6(v6) => format!("[{}]:{}", v6.ip(), v6.port()),
            };
            let expected = ServerAddress { host: address.ip().to_string(), port: Some(address.port()) };
            prop_assert_eq!(parsed(&text), Ok(expected));
        }
    }
}
