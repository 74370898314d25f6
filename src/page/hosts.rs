//! By which names a request may address this box. Pure.
//!
//! A page elsewhere can give its own name this box's address, and then read what the box answers
//! (DNS rebinding). Its requests carry that name in `Host`, so only the box's own names and
//! addresses are answered.

use std::net::{IpAddr, SocketAddr};

/// The names of this box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// In lower case, without a domain.
    names: Vec<String>,
}

impl Hosts {
    /// Makes those of a box with this host name.
    pub fn new(host_name: &str) -> Self {
        let short = host_name.split('.').next().unwrap_or_default();
        let mut names = vec![host_name.to_lowercase(), short.to_lowercase(), format!("{}.local", short.to_lowercase())];
        names.retain(|name| !name.is_empty() && name != ".local");
        names.dedup();
        Self { names }
    }

    /// Returns whether a `Host` header addresses this box, for a connection to its address `local`.
    pub fn is_ours(&self, host: &str, local: SocketAddr) -> bool {
        let Some((name, port)) = split(host) else { return false };
        if port.unwrap_or(80) != local.port() && !is_forwarded(local) {
            return false;
        }
        match name.parse::<IpAddr>() {
            Ok(address) => address.to_canonical() == local.ip().to_canonical(),
            Err(_) if name == "localhost" => is_forwarded(local),
            Err(_) => self.names.contains(&name),
        }
    }

    /// Returns whether an `Origin` is a page that this box has served, for a request with this
    /// `Host`.
    pub fn is_same_origin(origin: &str, host: &str) -> bool {
        origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    }
}

/// Whether the connection comes from this machine, such as through ssh's port forwarding, where the
/// port is another.
fn is_forwarded(local: SocketAddr) -> bool {
    local.ip().to_canonical().is_loopback()
}

/// Splits a host into its name in lower case, without brackets and without the dot at its end, and
/// its port.
fn split(host: &str) -> Option<(String, Option<u16>)> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None if rest.is_empty() => None,
        None => return None,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name.is_empty() { None } else { Some((name, port)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_ours(host: &str, local: &str) -> bool {
        Hosts::new("bike-1").is_ours(host, local.parse().unwrap())
    }

    #[test]
    fn the_box_answers_to_its_names_and_the_address_that_was_called() {
        for host in ["bike-1", "BIKE-1.local", "bike-1.local.", "bike-1:80", "10.42.0.1", "10.42.0.1:80"] {
            assert!(is_ours(host, "10.42.0.1:80"), "{host}");
            assert!(is_ours(host, "[::ffff:10.42.0.1]:80"), "{host}");
        }
        assert!(is_ours("[fe80::1]", "[fe80::1]:80"));
        assert!(is_ours("bike-1.local:8080", "10.42.0.1:8080"));
        assert!(is_ours("localhost:2222", "127.0.0.1:80"), "through ssh");
    }

    #[test]
    fn it_answers_to_nothing_else() {
        let others = [
            "evil.example",
            "bike-1.evil.example",
            "10.42.0.2",
            "bike-1:8080",
            "bike-1:",
            "bike-1:x",
            "",
            ".",
            "[::1",
            "bike-1 ",
            "localhost",
            "bike-1@evil.example",
            "0.0.0.0",
            "bike-1:80:80",
            "bike-1:99999",
        ];
        for host in others {
            assert!(!is_ours(host, "10.42.0.1:80"), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_recognized() {
        assert!(Hosts::is_same_origin("http://bike-1.local", "bike-1.local"));
        assert!(Hosts::is_same_origin("http://10.42.0.1:8080", "10.42.0.1:8080"));
        for origin in ["null", "", "https://bike-1.local", "http://bike-2.local", "http://bike-1.local:81"] {
            assert!(!Hosts::is_same_origin(origin, "bike-1.local"), "{origin}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_a_foreign_domain_never_passes(text in "\\PC{0,40}", label in "[a-z]{1,9}") {
            let _ = is_ours(&text, "10.42.0.1:80");
            let rebound = format!("{label}.example");
            prop_assert!(!is_ours(&rebound, "10.42.0.1:80"));
            let below = format!("bike-1.{label}.example");
            prop_assert!(!is_ours(&below, "10.42.0.1:80"));
        }
    }
}
